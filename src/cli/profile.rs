//! `tripline source profile`.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use indicatif::HumanCount;

use crate::port::Input;
use crate::record::{Type, Value};
use crate::runtime::profile::{Disorder, Profile as Profiled, profile};
use crate::runtime::profile_column::{ColumnProfile, DISTINCT_MAX};
use crate::runtime::profile_lint::Silent;

use super::exit::Exit;
use super::inputs::{default_source, once};
use super::project::open_valid;
use super::run::default_threads;
use super::stop::stop_flag;
use super::summary::{RunBar, counted, duration, ignored, share, shortened};
use super::wire;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct Profile {
    /// The source that the input is of
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// A path, a glob, or `-` for standard input
    #[arg(long, required = true, num_args = 1.., value_name = "INPUT")]
    input: Vec<String>,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Characters of a shown value.
const VALUE_CHARS: usize = 24;
/// Rules that are named for a column.
const RULES_SHOWN: usize = 6;

impl Profile {
    pub fn run(self) -> anyhow::Result<Exit> {
        let opened = open_valid(self.project.as_deref())?;
        let source = default_source(&opened.plan, self.source.as_deref())?;
        let mut inputs = Vec::new();
        for named in &self.input {
            inputs.extend(wire::inputs(std::slice::from_ref(named))?.into_iter().map(|input| ((), input)));
        }
        let inputs: Vec<Arc<dyn Input>> = once(inputs).into_iter().map(|(_, input)| input).collect();
        let bar = RunBar::new(&inputs);
        let stop = stop_flag()?;
        let seen = profile(&opened.plan, source, &inputs, default_threads(), &bar, &stop);
        bar.clear();
        let seen = seen?;
        let mut out = std::io::stdout().lock();
        match self.format {
            Format::Json => writeln!(out, "{:#}", seen.json())?,
            Format::Text => write!(out, "{}", text(&seen, inputs.len()))?,
        }
        out.flush()?;
        Ok(if seen.interrupted { Exit::Interrupted } else { Exit::Fine })
    }
}

fn text(seen: &Profiled, inputs: usize) -> String {
    let count = |n: u64| HumanCount(n).to_string();
    let files = if inputs == 1 { String::new() } else { format!(" in {inputs} inputs") };
    let mut text = format!(
        "{}: {} records{files} = {} rows + {} filtered + {} rejected\n",
        seen.source,
        count(seen.offered),
        count(seen.rows),
        count(seen.filtered),
        count(seen.rejected_total()),
    );
    for (reason, (rows, first)) in &seen.rejected {
        let place = format!("{}:{}", first.origin.file, first.origin.line);
        text.push_str(&format!("  {} {}\n    first: {place}: {}\n", reason.code(), count(*rows), first.detail));
    }
    if let Some(ignored) = ignored(seen.ignored.counts()) {
        text.push_str(&format!("ignored: {ignored}\n"));
    }
    if seen.offered > 0 && seen.rows == 0 {
        text.push_str("no record became a row: is --source right?\n");
        return text;
    }
    text.push_str(&columns("raw columns", &seen.raw));
    text.push_str(&columns("flows", &seen.flows));
    if seen.raw.iter().chain(&seen.flows).any(|column| !column.exact()) {
        let max = count(DISTINCT_MAX as u64);
        text.push_str(&format!(
            "\n  `>` distinct values are told apart up to {max} for each column; top values are those among them\n"
        ));
    }
    text.push_str(&disorder(&seen.disorder, seen.rows));
    text.push_str(&lint(&seen.silent));
    if seen.interrupted {
        text.push_str("\nstopped before the end of the input\n");
    }
    text
}

fn columns(title: &str, columns: &[ColumnProfile]) -> String {
    let mut text = format!("\n{title:<20} {:<9} {:>6} {:>9}  smallest … largest\n", "type", "nulls", "distinct");
    for column in columns {
        let distinct = HumanCount(column.distinct() as u64).to_string();
        let distinct = if column.exact() { distinct } else { format!(">{distinct}") };
        let bounds = bounds(column);
        let line = format!(
            "  {:<18} {:<9} {:>6} {distinct:>9}  {bounds}",
            column.name,
            column.ty.name(),
            share(column.nulls, column.rows)
        );
        text.push_str(line.trim_end());
        text.push('\n');
        let top: Vec<String> = column
            .top()
            .iter()
            .filter(|(_, rows)| *rows > 1 && column.distinct() > 1)
            .map(|(value, rows)| format!("{} {}", shown(value), share(*rows, column.rows)))
            .collect();
        if !top.is_empty() {
            text.push_str(&format!("    top: {}\n", top.join(", ")));
        }
    }
    text
}

/// The smallest and the largest value; a day that both have is written once.
fn bounds(column: &ColumnProfile) -> String {
    let (Some(a), Some(b)) = (&column.smallest, &column.largest) else { return String::new() };
    let (first, last) = (shown(a), shown(b));
    match (first.split_once(' '), last.split_once(' ')) {
        _ if first == last => first,
        (Some((day, _)), Some((same, clock))) if day == same && column.ty == Type::Timestamp => {
            format!("{first} … {clock}")
        }
        _ => format!("{first} … {last}"),
    }
}

/// A value, cut to what a table holds; times to the second.
fn shown(value: &Value) -> String {
    match value {
        Value::Timestamp(_) => {
            let whole = value.display().replace('T', " ");
            whole.split(['.', 'Z']).next().unwrap_or_default().to_owned()
        }
        value => shortened(&value.display(), VALUE_CHARS),
    }
}

fn disorder(disorder: &Disorder, rows: u64) -> String {
    let (Some(first), Some(last)) = (disorder.first, disorder.last) else { return String::new() };
    let mut text = format!("\nevent time   {first} to {last}\n");
    if disorder.behind == 0 {
        text.push_str("order        every row is in the order of time\n");
        return text;
    }
    text.push_str(&format!(
        "order        {} ({}) {} after a later one, by at most {}\n",
        counted(disorder.behind, "row"),
        share(disorder.behind, rows),
        if disorder.behind == 1 { "comes" } else { "come" },
        duration(disorder.worst)
    ));
    if disorder.late == 0 {
        text.push_str(&format!("             lateness: {} covers all of them\n", disorder.allowed));
        return text;
    }
    text.push_str(&format!(
        "             {} ({}) {} later than lateness: {} and may miss windows\n",
        counted(disorder.late, "row"),
        share(disorder.late, rows),
        if disorder.late == 1 { "is" } else { "are" },
        disorder.allowed
    ));
    let help = match disorder.advised() {
        Some(advised) if advised > disorder.allowed => format!("lateness: {advised} covers 99.99% of the rows"),
        Some(_) => "the lateness covers 99.99% of the rows".to_owned(),
        None => {
            "no lateness up to a day covers 99.99%: sort the input, or give its parts as inputs of their own".to_owned()
        }
    };
    text.push_str(&format!("      help:  {help}\n"));
    text
}

fn lint(silent: &[Silent]) -> String {
    if silent.is_empty() {
        return "\nrules        every column that a rule's condition reads varies here\n".to_owned();
    }
    let mut text = "\nrules\n".to_owned();
    for silent in silent {
        let rules = silent.rules.iter().take(RULES_SHOWN).cloned().collect::<Vec<_>>().join(", ");
        let more = silent.rules.len().saturating_sub(RULES_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let value = shown(&silent.value);
        let what = if silent.is_unfilled() {
            "conditions on it cannot tell rows apart, so these rules may never fire"
        } else {
            "it does not vary in this input"
        };
        text.push_str(&format!("  `{}` is always {value} here: {what}\n    read by {rules}{more}\n", silent.column));
    }
    text
}
