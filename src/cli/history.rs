//! A history as commands name it: its folder, and which days of it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::diagnostic::suggest;
use crate::history::History;
use crate::plan::Plan;
use crate::record::Day;
use crate::runtime::past::{Origin, Past, PastReport};
use crate::runtime::replay::relations;
use crate::target::bigquery::rule_table;

use super::say::note;
use super::wire;

pub fn open_history(folder: &Path) -> anyhow::Result<History> {
    if !folder.is_dir() {
        let folder = folder.display();
        bail!("{folder} is not a folder\nhelp: `tripline ingest --to {folder}` makes a history");
    }
    Ok(History::read(wire::store(folder))?)
}

/// Days of a history; of one without rows that are named, all on which a row counts.
pub fn past(
    folder: &Path,
    plan: &Plan,
    generation: &str,
    from: Option<&str>,
    to: Option<&str>,
) -> anyhow::Result<Past> {
    let mut plan = plan.clone();
    // Evidence is a run's.
    plan.evidence_rows = 0;
    let history = Arc::new(open_history(folder)?);
    let generation = generation.to_owned();
    let mut past = Past { plan, history, generation, from: Day(0), to: Day(0) };
    let known = past.replay(relations(&past.plan)).days();
    (past.from, past.to) = span(&known, from, to)?;
    Ok(past)
}

/// The days that are named, or those that are known: the first, and the one after the last.
pub fn span(known: &[Day], from: Option<&str>, to: Option<&str>) -> anyhow::Result<(Day, Day)> {
    let from = from.map(parse_day).transpose()?.or(known.first().copied());
    let to = to.map(parse_day).transpose()?.or(known.last().map(|last| Day(last.0 + 1)));
    let (Some(from), Some(to)) = (from, to) else {
        bail!("the history has no rows\nhelp: `tripline ingest` puts some in, or say which days: --from, --to");
    };
    if from >= to {
        match known.last() {
            Some(last) if from > *last => bail!(no_day(known, from, from)),
            _ => bail!("--from {from} is not before --to {to}\nhelp: --to is the day after the last"),
        }
    }
    Ok((from, to))
}

/// Days of which the history has nothing are a slip, where nothing else is compared with them.
pub fn check_days(known: &[Day], from: Day, to: Day) -> anyhow::Result<()> {
    if !known.is_empty() && !known.iter().any(|day| (from..to).contains(day)) {
        bail!(no_day(known, from, Day(to.0 - 1)));
    }
    Ok(())
}

fn no_day(known: &[Day], from: Day, last: Day) -> String {
    let asked = if from == last { format!("{from}") } else { format!("{from} to {last}") };
    let (Some(first), Some(end)) = (known.first(), known.last()) else { return String::new() };
    format!("the history has nothing of {asked}\nhelp: it has days from {first} to {end}")
}

fn parse_day(text: &str) -> anyhow::Result<Day> {
    Day::parse(text).with_context(|| format!("`{text}` is not a day\nhelp: write it as 2026-01-05"))
}

/// The relations that are named, in their own order; all when none is. A rule may be named by its table as well.
pub fn chosen(plan: &Plan, named: &[String]) -> anyhow::Result<Vec<String>> {
    let known = relations(plan);
    let own = |name: &String| match plan.rules.iter().find(|rule| rule_table(rule) == *name) {
        Some(rule) if !known.contains(name) => rule.name.clone(),
        _ => name.clone(),
    };
    let named: Vec<String> = named.iter().map(own).collect();
    for name in &named {
        if !known.contains(name) {
            let help = match suggest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the relations are {}", known.join(", ")),
            };
            bail!("no relation `{name}`\nhelp: {help}");
        }
    }
    Ok(if named.is_empty() { known } else { known.into_iter().filter(|name| named.contains(name)).collect() })
}

/// Says which relations were computed, and which a backfill had written.
pub fn tell_origins(past: &Past, report: &PastReport) {
    let of = |origin: Origin| -> Vec<&str> {
        report.origins.iter().filter(|(_, found)| **found == origin).map(|(name, _)| name.as_str()).collect()
    };
    let (written, computed) = (of(Origin::Written), of(Origin::Computed));
    if !written.is_empty() {
        note(&format!("{}: as a backfill wrote it", written.join(", ")));
    }
    if !computed.is_empty() {
        let last = Day(past.to.0 - 1);
        note(&format!("{}: computed for {} to {last}, from {} flows", computed.join(", "), past.from, report.read));
    }
    if report.row_errors > 0 {
        note(&format!("{} rows of features or rules could not be computed", report.row_errors));
    }
}
