//! A history as commands name it: its folder, and which days of it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::diagnostic::suggest;
use crate::history::History;
use crate::plan::Plan;
use crate::record::Day;
use crate::runtime::outlet::own_name;
use crate::runtime::past::{Origin, Past, PastReport};
use crate::runtime::replay::{LocalDays, relations};

use super::place::check_local;
use super::say::note_once;
use super::summary::note_uncomputed;
use super::wire;

/// Spans of days that a message names.
const SPANS_MAX: usize = 6;

/// Other options have a warehouse of this name.
const BIGQUERY: &str = "bigquery";

pub fn open_history(folder: &Path) -> anyhow::Result<History> {
    check_local(folder)?;
    if !folder.is_dir() {
        let folder = folder.display();
        if folder.to_string() == BIGQUERY {
            bail!(
                "a history is a folder, and there is none named {folder}\n\
                 help: --history names the folder that `tripline ingest --to DIR` filled; `tripline ingest --from bigquery --to DIR` \
                 brings flows of BigQuery into one"
            );
        }
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
    let mut past = Past { plan, history, generation, from: Day(0), to: Day(0), spill: Some(wire::spill()) };
    let known = past.replay(relations(&past.plan)).days();
    (past.from, past.to) = span(&known, from, to)?;
    Ok(past)
}

/// As [`check_flows`], of all relations.
pub fn check_past(past: &Past) -> Result<Vec<Day>, NoFlows> {
    check_flows(&past.replay(relations(&past.plan)), &past.days().collect::<Vec<_>>())
}

/// No flow of a history counts on any of the days that are asked for.
#[derive(Debug, thiserror::Error)]
#[error("the history has no flows for {from} to {last}\nhelp: {has}")]
pub struct NoFlows {
    from: Day,
    last: Day,
    has: String,
}

/// Those of the days on which no flow of the history counts; an error when it is all of them.
pub fn check_flows(days: &LocalDays, asked: &[Day]) -> Result<Vec<Day>, NoFlows> {
    let without: Vec<Day> = asked.iter().copied().filter(|day| !days.has_flows(*day)).collect();
    let (Some(from), Some(last)) = (asked.first().copied(), asked.last().copied()) else { return Ok(without) };
    if without.len() < asked.len() {
        return Ok(without);
    }
    let has: Vec<Day> = days.days().into_iter().filter(|day| days.has_flows(*day)).collect();
    let has = match has.is_empty() {
        true => "it has none at all: `tripline ingest` puts some in".to_owned(),
        false => format!("its flows count on {}", spans(&has)),
    };
    Err(NoFlows { from, last, has })
}

/// Days, those that follow one another as `a to b`.
pub fn spans(days: &[Day]) -> String {
    let mut spans: Vec<(Day, Day)> = Vec::new();
    for day in days {
        match spans.last_mut() {
            Some((_, last)) if last.0 + 1 == day.0 => *last = *day,
            _ => spans.push((*day, *day)),
        }
    }
    let shown = spans.iter().take(SPANS_MAX).map(|(from, last)| match from == last {
        true => from.to_string(),
        false => format!("{from} to {last}"),
    });
    let more = spans.len().saturating_sub(SPANS_MAX);
    let more = if more > 0 { format!(" and {more} more spans") } else { String::new() };
    shown.collect::<Vec<_>>().join(", ") + &more
}

/// The days that are named, or those that are known: the first, and the one after the last.
pub fn span(known: &[Day], from: Option<&str>, to: Option<&str>) -> anyhow::Result<(Day, Day)> {
    let (from, to) = (from.map(parse_day).transpose()?, to.map(parse_day).transpose()?);
    let first = known.first().map(|first| first.0.min(to.map_or(first.0, |to| to.0 - 1)));
    let end = known.last().map(|last| (last.0 + 1).max(from.map_or(last.0 + 1, |from| from.0 + 1)));
    let (Some(from), Some(to)) = (from.or(first.map(Day)), to.or(end.map(Day))) else {
        bail!("the history has no rows\nhelp: `tripline ingest` puts some in, or say which days: --from, --to");
    };
    if from >= to {
        bail!("--from {from} is not before --to {to}\nhelp: --to is the day after the last");
    }
    Ok((from, to))
}

pub fn parse_day(text: &str) -> anyhow::Result<Day> {
    Day::parse(text).with_context(|| format!("`{text}` is not a day\nhelp: write it as 2026-01-05"))
}

/// The relations that are named, by their own names or their tables', in their own order; all when none is. `more` may
/// be named too.
pub fn chosen(plan: &Plan, named: &[String], more: &[&str]) -> anyhow::Result<Vec<String>> {
    let known: Vec<String> = more.iter().map(|more| (*more).to_owned()).chain(relations(plan)).collect();
    let named: Vec<&str> = named.iter().map(|name| own_name(plan, name)).collect();
    for name in named.iter().copied() {
        if !known.iter().any(|known| known == name) {
            let help = match suggest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the relations are {}", known.join(", ")),
            };
            bail!("no relation `{name}`\nhelp: {help}");
        }
    }
    Ok(if named.is_empty() { known } else { known.into_iter().filter(|name| named.contains(&name.as_str())).collect() })
}

/// Says which relations were computed, and which a backfill had written.
pub fn tell_origins(past: &Past, report: &PastReport) {
    let of = |origin: Origin| -> Vec<&str> {
        report.origins.iter().filter(|(_, found)| **found == origin).map(|(name, _)| name.as_str()).collect()
    };
    let (written, computed) = (of(Origin::Written), of(Origin::Computed));
    if !written.is_empty() {
        note_once(&format!("{}: as a backfill wrote it", written.join(", ")));
    }
    if !computed.is_empty() {
        let last = Day(past.to.0 - 1);
        let stopped = if report.stopped { ", and stopped" } else { "" };
        note_once(&format!(
            "{}: computed for {} to {last}, from {} flows{stopped}",
            computed.join(", "),
            past.from,
            report.computed_from
        ));
    }
    note_uncomputed(&report.row_errors, report.saturated);
}
