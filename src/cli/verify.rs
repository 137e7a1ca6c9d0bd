//! `tripline compile --verify`: has BigQuery judge what is compiled. Nothing is made and no row of a table is read.
//!
//! A file's statements are dry-run one by one, the MERGE only when its tables are there. Else its relation is, as one SELECT over
//! the sources' tables, with empty ones in the place of those that are not there: names, types and functions are judged
//! all the same, the replacement of days is not. Then a selection of the recorded answers is asked.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use indicatif::{HumanBytes, HumanCount};
use sha2::{Digest, Sha256};

use crate::port::warehouse::{JobName, QueryJob, Trouble, Warehouse, WarehouseError};
use crate::target::bigquery::golden::{Difference, Question, differences, questions, rows, statement};
use crate::target::bigquery::{Absent, Range, Unit, UnitKind, Warehouse as Compiled, select_without};

use super::exit::Exit;
use super::wire;

/// Expressions asked in one statement.
const TOGETHER: usize = 60;
/// Statements that may be asked beside, to find which expression the service refuses.
const HALVES: usize = 60;
const SHOWN: usize = 20;
/// Characters of a message about one expression.
const MESSAGE: usize = 120;

/// What of a project is judged.
pub struct Verify<'a> {
    pub compiled: Compiled<'a>,
    pub range: Option<Range>,
    pub only: Option<&'a str>,
    pub service: &'a dyn Warehouse,
}

impl Verify<'_> {
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<Exit> {
        let name = self.service.name();
        if !self.service.has_dataset()? {
            bail!("the dataset {name} is not there\nhelp: `bq mk {name}` makes it; --dataset names another");
        }
        let mut wrong = 0;
        for unit in self.units()? {
            wrong += usize::from(!self.unit(&unit, out)?);
        }
        if self.only.is_none() {
            wrong += self.golden(out)?;
        }
        Ok(if wrong == 0 { Exit::Fine } else { Exit::Findings })
    }

    fn units(&self) -> anyhow::Result<Vec<Unit>> {
        let units = self.compiled.units();
        let Some(only) = self.only else { return Ok(units) };
        let named = |unit: &Unit| unit.relation == only || unit.table == only;
        let units: Vec<Unit> = units.into_iter().filter(named).collect();
        if units.is_empty() {
            bail!("no relation is named {only}\nhelp: `tripline compile --out DIR` writes all of them");
        }
        Ok(units)
    }

    fn unit(&self, unit: &Unit, out: &mut dyn Write) -> anyhow::Result<bool> {
        let tables = std::iter::once(&unit.table).chain(&unit.inputs);
        let mut absent = BTreeSet::new();
        for table in tables {
            if !self.service.has_table(table)? {
                absent.insert(table.as_str());
            }
        }
        let mut statements = self.compiled.judged(unit, self.range).unwrap_or_default();
        let mut how = "";
        if !absent.is_empty() && unit.kind == UnitKind::Days {
            // The last is the MERGE of tables that are there.
            statements.pop();
            statements.extend(self.select(unit)?);
            how = ", as one SELECT: its tables are not all there";
        }
        let (last, mut bytes) = (statements.len().saturating_sub(1), 0);
        for (at, sql) in statements.iter().enumerate() {
            match self.service.dry_run(sql) {
                Ok(read) => bytes += read.bytes,
                Err(error) if of_statement(&error) => {
                    let how = if at == last { how } else { "" };
                    writeln!(out, "wrong  {}", shown(&unit.path, sql, &error, how))?;
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            }
        }
        writeln!(out, "ok     {}  {}{how}", unit.path, HumanBytes(bytes))?;
        Ok(true)
    }

    fn select(&self, unit: &Unit) -> anyhow::Result<Option<String>> {
        let mut absent: Vec<Absent<'_>> = Vec::new();
        for (table, loaded) in self.compiled.loaded() {
            if !self.service.has_table(table)? {
                absent.push(loaded);
            }
        }
        Ok(select_without(self.compiled, &unit.table, &absent))
    }

    /// How many answers are not those that are recorded.
    fn golden(&self, out: &mut dyn Write) -> anyhow::Result<usize> {
        let questions = questions().context("the recorded answers cannot be read")?;
        let mut asked = Asked::new(self.service);
        for part in questions.chunks(TOGETHER) {
            asked.ask(part)?;
        }
        let asked_of = HumanCount(asked.expressions as u64);
        writeln!(
            out,
            "answers  {} of {asked_of} expressions: {} differ",
            HumanCount(asked.rows as u64),
            asked.found.len()
        )?;
        for one in asked.found.iter().take(SHOWN) {
            let Difference { expression, class, row, expected, answered } = one;
            writeln!(out, "differs  {expression}, row {row}: {answered}, not {expected} ({class})")?;
        }
        if asked.found.len() > SHOWN {
            writeln!(out, "differs  … and {} more", asked.found.len() - SHOWN)?;
        }
        for (expression, message) in asked.refused.iter().take(SHOWN) {
            let message: String = message.chars().take(MESSAGE).collect();
            writeln!(out, "refused  {expression}: {message}")?;
        }
        let unasked = questions.len() - asked.expressions;
        if unasked > 0 {
            writeln!(out, "refused  {unasked} of {} expressions have no answer", questions.len())?;
        }
        Ok(asked.found.len() + unasked)
    }
}

struct Asked<'a> {
    service: &'a dyn Warehouse,
    halves: usize,
    expressions: usize,
    rows: usize,
    found: Vec<Difference>,
    refused: Vec<(String, String)>,
}

impl<'a> Asked<'a> {
    fn new(service: &'a dyn Warehouse) -> Self {
        Self { service, halves: HALVES, expressions: 0, rows: 0, found: Vec::new(), refused: Vec::new() }
    }

    /// A statement that is refused is halved until the expression stands alone.
    fn ask(&mut self, part: &[Question]) -> anyhow::Result<()> {
        match self.answers(&statement(part)) {
            Ok(answers) => {
                self.expressions += part.len();
                self.rows += rows(part);
                self.found.extend(differences(part, &answers));
            }
            Err(error) if of_statement(&error) => match part {
                [one] => self.refused.push((one.expression.clone(), error.message)),
                _ if self.halves == 0 => {}
                _ => {
                    self.halves -= 1;
                    let (a, b) = part.split_at(part.len() / 2);
                    self.ask(a)?;
                    self.ask(b)?;
                }
            },
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn answers(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, WarehouseError> {
        // Asked anew each time: the rows of a job of old are not kept.
        let hash: String = Sha256::digest(sql).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let job = QueryJob {
            name: JobName(format!("tripline-verify-{hash}-{}", wire::clock().now().0)),
            sql: sql.to_owned(),
            labels: vec![("tripline".to_owned(), "verify".to_owned())],
            max_bytes: None,
            again: false,
        };
        let done = self.service.run(&job, &AtomicBool::new(false))?;
        let mut rows = Vec::new();
        self.service.rows(&done.id, &mut |page| rows.extend(page))?;
        Ok(rows)
    }
}

/// Is the statement wrong, or could it not be judged?
fn of_statement(error: &WarehouseError) -> bool {
    matches!(error.trouble, Trouble::Statement | Trouble::NotFound | Trouble::Other)
}

/// `file:line:col: message` and the line that is meant.
fn shown(path: &str, sql: &str, error: &WarehouseError, how: &str) -> String {
    let place = error.place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
    let line = error.place.and_then(|place| sql.lines().nth(usize::try_from(place.line).ok()?.checked_sub(1)?));
    let line = line.map(|line| format!("\n       | {}", line.trim_end())).unwrap_or_default();
    format!("{path}{place}: {}{how}{line}", error.message)
}
