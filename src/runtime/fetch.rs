//! Flows of a warehouse into a history: the days of its table `flows`, each as an ingest of its own.
//!
//! A day is there whole or not at all. What is there already is left as it is, or replaced. Pages are written as they come:
//! what waits in memory is a page, and what a part waits for. The first day that fails ends the fetch, so that no day is
//! there behind one that is missing.
//!
//! Days are whole, and so the end of a day is its log's last watermark: every window that ends by then was told by whoever
//! filled the table, and no flow of the day after is late because of it.

mod cells;
mod report;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use datafusion::arrow::error::ArrowError;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::history::{History, HistoryError, IngestedInput, Manifest, PartLimits, PartWriter, schema};
use crate::plan::Plan;
use crate::port::warehouse::{QueryJob, Trouble, Warehouse, WarehouseError};
use crate::record::{Day, EventTime, flow};
use crate::target::bigquery::fetch::day_of_flows;

use super::turn::Turn;

use cells::Reader;
pub use report::{FetchReport, FetchedDay, Outcome, Taken};

/// Which days, and how.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    pub from: Day,
    /// The day after the last.
    pub to: Day,
    /// Days that are there are replaced.
    pub again: bool,
    /// What the job of a day may bill.
    pub max_bytes: Option<u64>,
    pub limits: PartLimits,
}

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(
        "{table}: the column {column} has `{value}` where {wanted} is due\nhelp: put the day right there: `tripline backfill \
         --target bigquery --relation flows --again` computes it anew"
    )]
    Cell { table: String, column: String, value: String, wanted: String },
    #[error("{table}: a row came with {found} cells instead of {wanted}\nhelp: what stands between here and BigQuery?")]
    Width { table: String, found: usize, wanted: usize },
    #[error("{table}: {came} rows came of the {said} that the job has\nhelp: call it again: nothing of {day} was kept")]
    Count { table: String, day: Day, came: u64, said: u64 },
    #[error(
        "the service does not say how many rows the job of {day} has\nhelp: what stands between here and BigQuery?"
    )]
    NoCount { day: Day },
    #[error(
        "the history has flows of {day} from {others}: those of {table} would count beside them\nhelp: --to names another \
         folder, --from-day and --to-day other days"
    )]
    Mixed { table: String, day: Day, others: String },
}

/// What is going on.
pub trait FetchProgress {
    /// So many rows of a day have come.
    fn rows(&self, day: Day, came: u64, of: u64);
    fn finished(&self, day: &FetchedDay);
}

/// The first day that a run from `to` on looks back to. One day more than the rows reach: an alert is not called `warming`
/// because nothing happens to be in the first minutes.
pub fn first_day(plan: &Plan, to: Day) -> Day {
    Day(Day::of(plan.look_back(to.start()).flows).0.saturating_sub(1)).min(Day(to.0.saturating_sub(1)))
}

/// Takes the days that are not there into the history.
pub fn fetch(
    service: &dyn Warehouse,
    history: &mut History,
    options: &FetchOptions,
    progress: &dyn FetchProgress,
    stop: &AtomicBool,
) -> Result<FetchReport, FetchError> {
    let started = Instant::now();
    let turn = Turn::new("fetch");
    table::check(service, &turn)?;
    let table = table_of(service);
    for day in options.days().filter(|day| options.again || held(history, &table, *day).is_none()) {
        alone(history, &table, day)?;
    }
    let reader = Reader::new(table.clone());
    let mut fetch = Fetch { service, history, options, progress, stop, turn, table, reader };
    let mut report = FetchReport::default();
    for day in options.days() {
        let ended = report.stopped() || report.failed().is_some() || stop.load(Ordering::Relaxed);
        let outcome = if ended { Outcome::NotBegun } else { fetch.day(day).unwrap_or_else(Outcome::of) };
        report.days.push(FetchedDay { day, outcome });
        report.days.last().into_iter().for_each(|day| progress.finished(day));
    }
    report.elapsed = started.elapsed();
    Ok(report)
}

/// What the days that are not there would bill. There may be no history yet.
pub fn cost(
    service: &dyn Warehouse,
    history: Option<&History>,
    options: &FetchOptions,
    progress: &dyn FetchProgress,
    stop: &AtomicBool,
) -> Result<FetchReport, FetchError> {
    let started = Instant::now();
    table::check(service, &Turn::new("fetch"))?;
    let table = table_of(service);
    let mut report = FetchReport::default();
    for day in options.days() {
        let there = history.is_some_and(|history| held(history, &table, day).is_some());
        let outcome = if stop.load(Ordering::Relaxed) {
            Outcome::NotBegun
        } else if there && !options.again {
            Outcome::There
        } else {
            history.map_or(Ok(()), |history| alone(history, &table, day))?;
            Outcome::Planned(service.dry_run(&day_of_flows(day))?.bytes)
        };
        report.days.push(FetchedDay { day, outcome });
        report.days.last().into_iter().for_each(|day| progress.finished(day));
    }
    report.elapsed = started.elapsed();
    Ok(report)
}

/// What a person calls the table.
fn table_of(service: &dyn Warehouse) -> String {
    format!("{}.{}", service.name(), flow::FLOWS)
}

/// A day of the table, as an input. It is known by its name: what it holds is not known before it is read.
fn input(table: &str, day: Day) -> IngestedInput {
    let name = format!("{table} of {day}");
    let digest = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    IngestedInput { source: flow::FLOWS.to_owned(), name, bytes: 0, digest }
}

/// The ingest that holds the day.
fn held<'a>(history: &'a History, table: &str, day: Day) -> Option<&'a Manifest> {
    let input = input(table, day);
    history.holder(&input.source, &input.digest)
}

/// Flows of one day that came both ways would count twice.
fn alone(history: &History, table: &str, day: Day) -> Result<(), FetchError> {
    let own = held(history, table, day).map(|ingest| ingest.id.as_str());
    let of_day = |ingest: &&Manifest| {
        Some(ingest.id.as_str()) != own && ingest.parts.iter().any(|part| day.holds(EventTime(part.first)))
    };
    let Some(other) = history.ingests().iter().find(of_day) else { return Ok(()) };
    let others = other.inputs.iter().map(|input| input.name.as_str()).collect::<Vec<_>>().join(", ");
    Err(FetchError::Mixed { table: table.to_owned(), day, others })
}

impl FetchOptions {
    fn days(&self) -> impl Iterator<Item = Day> + use<> {
        (self.from.0..self.to.0).map(Day)
    }
}

struct Fetch<'a> {
    service: &'a dyn Warehouse,
    history: &'a mut History,
    options: &'a FetchOptions,
    progress: &'a dyn FetchProgress,
    stop: &'a AtomicBool,
    turn: Turn,
    table: String,
    reader: Reader,
}

impl Fetch<'_> {
    fn day(&mut self, day: Day) -> Result<Outcome, FetchError> {
        let held = held(self.history, &self.table, day).map(|ingest| ingest.id.clone());
        if held.is_some() && !self.options.again {
            return Ok(Outcome::There);
        }
        let started = Instant::now();
        let input = input(&self.table, day);
        let id = self.history.next_id(std::slice::from_ref(&input));
        let taken = self.take(day, input, &id, held);
        if !matches!(taken, Ok(Outcome::Taken(_))) {
            let abandoned = self.history.abandon(&id);
            // The error that ended it says more than that its remains could not be removed.
            return taken.and_then(|outcome| Ok(abandoned.map(|()| outcome)?));
        }
        // Its files have gone to their places; the folders that they were in have not.
        self.history.abandon(&id)?;
        Ok(match taken? {
            Outcome::Taken(taken) => Outcome::Taken(Taken { elapsed: started.elapsed(), ..taken }),
            other => other,
        })
    }

    /// Runs the day's job, and puts its rows into the history when all of them have come.
    fn take(&mut self, day: Day, input: IngestedInput, id: &str, held: Option<String>) -> Result<Outcome, FetchError> {
        let done = self.service.run(
            &QueryJob {
                name: self.turn.name(&format!("{}-{}", flow::FLOWS, day.to_string().replace('-', ""))),
                sql: day_of_flows(day),
                labels: self.turn.labels(),
                max_bytes: self.options.max_bytes,
                again: false,
            },
            self.stop,
        )?;
        let about = vec![("from", input.name.clone())];
        let mut parts = PartWriter::new(Arc::clone(self.history.store()), id, about, self.options.limits);
        if !self.pages(day, &done.id, &mut parts)? {
            return Ok(Outcome::Stopped);
        }
        let parts = parts.finish()?;
        let mut taken = Taken { billed: done.bytes, parts: parts.len(), replaced: held.is_some(), ..Taken::default() };
        for part in &parts {
            taken.rows += part.rows;
            taken.late += part.late;
            taken.bytes += part.bytes;
        }
        if taken.rows == 0 {
            return Ok(Outcome::Empty { held: held.is_some() });
        }
        self.history.commit(Manifest {
            version: schema::VERSION,
            id: id.to_owned(),
            inputs: vec![input],
            parts,
            last_watermark: Some(day.end().0),
            // Whoever filled the table does not say.
            generation: String::new(),
            replaces: held.into_iter().collect(),
            log: None,
            summary: json!({"job": done.id, "billed": taken.billed, "rows": taken.rows, "late": taken.late}),
        })?;
        Ok(Outcome::Taken(taken))
    }

    /// Writes the rows of a job as they come. False when it was stopped.
    fn pages(&self, day: Day, job: &str, parts: &mut PartWriter) -> Result<bool, FetchError> {
        let (mut came, mut from) = (0, None);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let page = self.service.page(job, from.as_deref())?;
            let said = page.total.ok_or(FetchError::NoCount { day })?;
            came += page.rows.len() as u64;
            if !page.rows.is_empty() {
                let flows = self.reader.read(day, &page.rows)?;
                drop(page.rows);
                parts.push(&flows.rows, &flows.admit)?;
            }
            self.progress.rows(day, came, said);
            match page.next {
                // More than all do not come: a service that never ends is not waited for.
                Some(next) if came <= said => from = Some(next),
                _ if came == said => return Ok(true),
                _ => return Err(FetchError::Count { table: self.table.clone(), day, came, said }),
            }
        }
    }
}

impl Outcome {
    fn of(error: FetchError) -> Self {
        match error {
            FetchError::Warehouse(WarehouseError { trouble: Trouble::Stopped, .. }) => Self::Stopped,
            error => Self::Failed(error),
        }
    }
}
