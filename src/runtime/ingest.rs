//! Inputs into a history: read, normalized and merged as a run does, then kept by day
//! (`folder.rs`); or into a warehouse, as they were decoded (`tables.rs`). What is there already is left out.
//!
//! Nothing is there until all of it is: an ingest that is stopped, fails or is killed leaves its place as it was.

mod choose;
mod folder;
mod hashed;
mod known;
pub mod log;
pub(super) mod parts;
mod place;
mod tables;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use datafusion::arrow::array::RecordBatch;
use serde_json::{Value as Json, json};

use crate::history::write::DayRows;
use crate::history::{History, HistoryError, PartLimits};
use crate::pipeline::ledger::Imbalance;
use crate::pipeline::outlet::{Outlet, OutletError};
use crate::plan::{Plan, RulePlan};
use crate::port::Input;
use crate::port::warehouse::{Warehouse, WarehouseError};
use crate::record::{Day, Reject, flow};

use super::outlet::{Outlets, RunOutlet};
use super::report::RunReport;
use super::run::{Progress, RunFailed, RunOptions, log};

use choose::Chosen;
pub use choose::Skipped;
use folder::Folder;
use place::{Ingest, Kept, Place};
use tables::Tables;

pub struct IngestOptions {
    /// Inputs with the index of their source.
    pub inputs: Vec<(usize, Arc<dyn Input>)>,
    pub threads: usize,
    pub generation: String,
    /// Takes the place of earlier ingests of these inputs.
    pub again: bool,
    pub limits: PartLimits,
}

/// What an ingest did.
#[derive(Debug, Default)]
pub struct IngestReport {
    /// `None` when every input was there already.
    pub run: Option<RunReport>,
    pub days: BTreeMap<Day, DayRows>,
    /// Files that were written, and their bytes.
    pub parts: usize,
    pub bytes: u64,
    pub skipped: Vec<Skipped>,
    /// Ingests whose place this one took.
    pub replaced: usize,
    /// False when nothing was put into the history: it was stopped, or no record was understood.
    pub kept: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum IngestFailed {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Run(#[from] RunFailed),
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    #[error("cannot write the files that are loaded: {0}\nhelp: TMPDIR names the folder that they are kept in")]
    Folder(io::Error),
    #[error("rows were lost; this is a defect of the program")]
    Imbalance(#[from] Imbalance),
    #[error("cannot read {name}: {source}")]
    Input { name: String, source: io::Error },
    #[error(
        "{name} has grown since it was ingested, from {before} to {now} bytes\nhelp: `--again` takes it in the place of \
         what it gave before"
    )]
    Grown { name: String, before: u64, now: u64 },
    #[error(
        "{name} was ingested in one log with {others}\nhelp: `--again` replaces the whole log: name these inputs too"
    )]
    Together { name: String, others: String },
    #[error("{name} holds what {known} gave before\nhelp: leave it out, or `--again` takes it in the place of that")]
    StreamKnown { name: String, known: String },
}

/// Reads the inputs into the history. The plan has to show `flows`.
pub fn ingest(
    plan: &Plan,
    history: &mut History,
    options: &IngestOptions,
    taps: Outlets,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<IngestReport, IngestFailed> {
    ingest_into(plan, &mut Folder::new(history, &options.generation, options.limits), options, taps, progress, stop)
}

/// Reads the inputs into the sources' tables of a warehouse. The plan has to show `flows`.
pub fn load(
    plan: &Plan,
    service: &dyn Warehouse,
    options: &IngestOptions,
    taps: Outlets,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<IngestReport, IngestFailed> {
    ingest_into(plan, &mut Tables::new(plan, service, stop)?, options, taps, progress, stop)
}

fn ingest_into(
    plan: &Plan,
    place: &mut dyn Place,
    options: &IngestOptions,
    taps: Outlets,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<IngestReport, IngestFailed> {
    let known = place.known()?;
    let mut chosen = choose::choose(plan, &known, options)?;
    if chosen.inputs.is_empty() {
        return Ok(IngestReport::nothing(chosen));
    }
    place.begin(&chosen.identities())?;
    let run = RunOptions {
        spill: None,
        inputs: chosen.inputs.iter().map(|input| (input.source, Arc::clone(&input.input))).collect(),
        live: None,
        threads: options.threads,
        generation: options.generation.clone(),
        fault: None,
        watch: None,
        history: None,
    };
    let decoded = place.takes_decoded();
    let mut out = Collected { place, taps };
    let logged = log(plan, &run, decoded, &mut out, progress, stop);
    let Collected { place, .. } = out;
    let mut report = logged.inspect_err(|_| {
        // The error that ended it says more than that its remains could not be removed.
        let _ = place.abandon();
    })?;
    let ledger = &report.ledger;
    let understood = ledger.offered == 0 || ledger.rejected_total() < ledger.offered;
    let days = place.by_day().clone();
    if report.interrupted || !understood {
        place.abandon()?;
        return Ok(IngestReport { run: Some(report), days, kept: false, ..IngestReport::nothing(chosen) });
    }
    report.verify()?;
    if let Err(error) = chosen.finish_streams(plan, &known, options.again) {
        place.abandon()?;
        return match error {
            IngestFailed::StreamKnown { name, known } if chosen.inputs.len() == 1 => {
                chosen.skipped.push(Skipped { name, known });
                Ok(IngestReport::nothing(chosen))
            }
            error => Err(error),
        };
    }
    let ingest = Ingest { inputs: &chosen.identities(), replaces: &chosen.replaces, report: &report, log: None };
    let Some(kept) = place.keep(&ingest)? else {
        report.interrupted = true;
        return Ok(IngestReport { run: Some(report), days, kept: false, ..IngestReport::nothing(chosen) });
    };
    let replaced = chosen.replaces.len();
    let Kept { parts, bytes } = kept;
    Ok(IngestReport { run: Some(report), days, parts, bytes, skipped: chosen.skipped, replaced, kept: true })
}

impl IngestReport {
    fn nothing(chosen: Chosen) -> Self {
        Self { skipped: chosen.skipped, ..Self::default() }
    }

    pub fn json(&self) -> Json {
        let days = self.days.iter();
        let days = days.map(|(day, rows)| json!({"day": day.to_string(), "rows": rows.rows, "late": rows.late}));
        let skipped = self.skipped.iter().map(|skipped| json!({"name": skipped.name, "known": skipped.known}));
        json!({
            "days": days.collect::<Vec<_>>(),
            "parts": self.parts,
            "bytes": self.bytes,
            "skipped": skipped.collect::<Vec<_>>(),
            "replaced": self.replaced,
            "kept": self.kept,
            "run": self.run.as_ref().map(RunReport::json),
        })
    }
}

/// Takes the rows of a log into their place, and what is refused to its tap.
struct Collected<'a> {
    place: &'a mut dyn Place,
    taps: Outlets,
}

impl RunOutlet for Collected<'_> {
    fn put_out_by(&mut self, _: &[Arc<RulePlan>]) -> Result<(), OutletError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), OutletError> {
        self.taps.flush()
    }

    fn finish(&mut self) -> Result<(), OutletError> {
        self.taps.finish()
    }
}

impl Outlet for Collected<'_> {
    fn wants(&self, relation: &str) -> bool {
        relation == flow::FLOWS || self.taps.wants(relation)
    }

    /// Rows that missed every window belong to what is kept as well.
    fn flows(&mut self, _: &str, rows: &RecordBatch, admit: &[i64]) -> Result<(), OutletError> {
        self.place.push(rows, admit)
    }

    fn reject(&mut self, reject: Reject) -> Result<(), OutletError> {
        self.taps.reject(reject)
    }
}
