//! `tripline query`: ad-hoc SQL over the relations of a project.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use datafusion::arrow::datatypes::SchemaRef;

use crate::diagnostic::{Severity, SourceFiles, Text, render_text};
use crate::pipeline::batch;
use crate::plan::{AdHocPlan, Plan, bind_adhoc};
use crate::port::{Input, RowFormat, RowWriter};
use crate::record::alert::ALERTS;
use crate::record::flow::{COUNT, FLOWS, LATE};
use crate::runtime::outlet::{HITS, Outlets, REJECTS};
use crate::runtime::past::Past;
use crate::runtime::query::{self, QueryTap, visible};
use crate::runtime::replay::ReplayError;
use crate::runtime::report::RunReport;
use crate::runtime::run::{RunOptions, run};
use crate::target::datafusion::Lookups;

use super::exit::Exit;
use super::history::tell_origins;
use super::inputs::InputsOrHistory;
use super::place::{check_outputs, format_of};
use super::project::{Opened, open_valid};
use super::run::{all_rejected, default_threads};
use super::say::{note, say};
use super::stop::stop_flag;
use super::summary::{RunBar, counted, note_evicted, note_uncomputed};
use super::wire;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    /// Lines of JSON
    Json,
    Csv,
    Parquet,
}

#[derive(Debug, Args)]
pub struct Query {
    /// SELECT … FROM a relation: flows, late, a feature, rule_NAME, hits, alerts or rejects; `-` reads it from standard input
    #[arg(value_name = "SQL")]
    sql: String,
    #[command(flatten)]
    inputs: InputsOrHistory,
    /// Where the rows go; `-` is standard output
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    output: String,
    /// How they are written (default: by the file's extension, a table on standard output)
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

/// What places in the SQL are said to be in.
const COMMAND: &str = "query";

impl Query {
    pub fn run(self) -> anyhow::Result<Exit> {
        let opened = open_valid(self.project.as_deref())?;
        let sql = self.text()?;
        let query = bind(&opened.plan, &sql)?;
        let taps = taps(&opened.plan, &query);
        match self.inputs.past(&opened.plan, &opened.generation)? {
            Some(past) => self.over_history(&past, &query, taps),
            None => self.over_inputs(opened, &query, taps),
        }
    }

    fn over_inputs(&self, opened: Opened, query: &AdHocPlan, taps: Vec<(String, String)>) -> anyhow::Result<Exit> {
        let mut plan = opened.plan;
        let shown: Vec<&str> = taps.iter().map(|(_, tap)| tap.as_str()).collect();
        let settled = |tap: &str| [HITS, ALERTS, LATE].contains(&tap) || plan.rules.iter().any(|rule| rule.name == tap);
        let rules = shown.iter().any(|tap| settled(tap));
        plan.evidence_rows = 0;
        plan.keep_rules(&|_| rules, &shown);
        let options = RunOptions {
            spill: Some(wire::spill()),
            live: None,
            threads: default_threads(),
            generation: opened.generation,
            fault: None,
            watch: None,
            history: None,
            inputs: self.inputs.open(&plan)?,
        };
        let sources: Vec<Arc<dyn Input>> = options.inputs.iter().map(|(_, input)| Arc::clone(input)).collect();
        let state = self.state(&plan, query, &sources)?;
        let stop = stop_flag()?;
        let open = |path: &str, _: SchemaRef| -> io::Result<Box<dyn RowWriter>> {
            Ok(Box::new(QueryTap { relation: path.to_owned(), query: Rc::clone(&state), stop: Arc::clone(&stop) }))
        };
        // A tap has the relation's name in the query for its path.
        let pairs: Vec<(String, String)> = taps.into_iter().map(|(name, tap)| (tap, name)).collect();
        let mut outlets = Outlets::new(&plan, &pairs, None, &open)?;
        let bar = RunBar::new(&sources);
        let report = run(&plan, &options, &mut outlets, &bar, &stop);
        bar.clear();
        drop(outlets);
        let report = report?;
        note_uncomputed(&report.row_errors, report.ledger.saturated);
        note_evicted(&report.ledger.evicted_keys);
        report.verify().context("rows were lost; this is a defect of the program")?;
        let full = self.finish(&state, Some(&report), report.interrupted, report.ledger.offered)?;
        Ok(if report.interrupted && !full {
            Exit::Interrupted
        } else if all_rejected(&report) && !query.relations().contains(&REJECTS) {
            Exit::Findings
        } else {
            Exit::Fine
        })
    }

    fn over_history(&self, past: &Past, query: &AdHocPlan, taps: Vec<(String, String)>) -> anyhow::Result<Exit> {
        if taps.iter().any(|(_, tap)| tap == REJECTS) {
            bail!(
                "a history keeps no rejects\nhelp: `tripline ingest --rejects FILE` writes them, `--input` finds them"
            );
        }
        let state = self.state(&past.plan, query, &[])?;
        let stop = stop_flag()?;
        let columns = query.columns_of(FLOWS, COUNT);
        let writers = taps.into_iter().map(|(relation, tap)| {
            let writer = QueryTap { relation, query: Rc::clone(&state), stop: Arc::clone(&stop) };
            (tap, Box::new(writer) as Box<dyn RowWriter>)
        });
        let report = past.rows(writers.collect(), &columns, &stop).map_err(|error| match error {
            // A closed pipe is known by its cause.
            ReplayError::Io(error) => anyhow::Error::new(error),
            other => other.into(),
        })?;
        tell_origins(past, &report);
        let full = self.finish(&state, None, report.stopped, report.read)?;
        Ok(if report.stopped && !full { Exit::Interrupted } else { Exit::Fine })
    }

    /// All rows have come; tells what they do not say, and whether no further row was wanted.
    fn finish(
        &self,
        state: &RefCell<query::Query>,
        run: Option<&RunReport>,
        stopped: bool,
        records: u64,
    ) -> anyhow::Result<bool> {
        let mut query = state.borrow_mut();
        let full = query.is_full();
        if stopped && !full {
            if query.waits() {
                note("stopped: nothing is written, for it would be of a part of the rows");
                return Ok(false);
            }
            if wire::comes_whole(&self.output) {
                note(&format!("stopped: {} is as it was, for not all rows have come", self.output));
                return Ok(false);
            }
            note("stopped: these are the rows until then");
        }
        query.finish()?;
        if let Some(first) = &query.errors.first {
            let count = query.errors.count;
            let (rows, are) = (counted(count, "row"), if count == 1 { "is" } else { "are" });
            note(&format!("{rows} could not be computed and {are} left out; the first: {}", first.message));
        }
        note_uncomputed(&[], query.saturated);
        let rejected = run.map_or(0, |run| run.ledger.rejected_total());
        if rejected > 0 {
            note(&format!("{rejected} of {records} records were rejected: `FROM rejects` shows them"));
        }
        if query.rows == 0 {
            // Rows of a backfill are read without a flow.
            note(&if records > 0 { format!("no rows, of {records} records") } else { "no rows".to_owned() });
        }
        Ok(full)
    }

    fn state(
        &self,
        plan: &Plan,
        query: &AdHocPlan,
        sources: &[Arc<dyn Input>],
    ) -> anyhow::Result<Rc<RefCell<query::Query>>> {
        check_outputs(&[self.output.as_str()], sources)?;
        let schema = visible(&batch::schema(&query.items), query.columns);
        let out = wire::whole_writer(&self.output, schema, self.format()?)?;
        let lookups = Lookups::of(plan);
        Ok(Rc::new(RefCell::new(query::Query::new(query, &lookups, out)?)))
    }

    fn text(&self) -> anyhow::Result<String> {
        if self.sql != "-" {
            return Ok(self.sql.clone());
        }
        let mut sql = String::new();
        io::stdin().read_to_string(&mut sql).context("cannot read standard input")?;
        Ok(sql)
    }

    fn format(&self) -> anyhow::Result<RowFormat> {
        let format = match self.format {
            Some(Format::Table) => RowFormat::Table,
            Some(Format::Json) => RowFormat::Json,
            Some(Format::Csv) => RowFormat::Csv,
            Some(Format::Parquet) => RowFormat::Parquet,
            None if self.output == "-" => RowFormat::Table,
            None => format_of(&self.output, ", or add --format")?,
        };
        if format == RowFormat::Parquet && self.output == "-" {
            bail!("Parquet is written to a file\nhelp: --output FILE.parquet");
        }
        Ok(format)
    }
}

/// The query, or its mistakes as a person reads them.
fn bind(plan: &Plan, sql: &str) -> anyhow::Result<AdHocPlan> {
    let mut files = SourceFiles::default();
    let text = Text::verbatim(sql, files.add(COMMAND, sql), 0);
    let names = query::names(plan);
    let known: Vec<String> = names.iter().map(|(name, _)| name.clone()).collect();
    let columns_of = |name: &str| {
        let (_, tap) = names.iter().find(|(known, tap)| known == name || tap == name)?;
        query::columns(plan, tap)
    };
    let mut diagnostics = Vec::new();
    let bound = bind_adhoc(plan, &text, &columns_of, &known, &mut diagnostics);
    let errors = diagnostics.iter().any(|finding| finding.severity == Severity::Error);
    match bound.filter(|_| !errors) {
        Some(bound) => Ok(bound),
        None => {
            say(&render_text(&diagnostics, &files, io::stderr().is_terminal()));
            bail!("the query has errors")
        }
    }
}

/// The relations that a query reads: as it names them, and their taps.
fn taps(plan: &Plan, query: &AdHocPlan) -> Vec<(String, String)> {
    let names = query::names(plan);
    let read = query.relations().into_iter().filter_map(|name| {
        let (_, tap) = names.iter().find(|(known, tap)| known == name || tap == name)?;
        Some((name.to_owned(), tap.clone()))
    });
    read.collect()
}
