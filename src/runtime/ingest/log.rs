//! The log of a run over subscriptions into a history, beside the run if it goes on: its entries are merged again as the run merged
//! them, each time those that came since.
//!
//! Rows wait in a merge for those of other queues, and duplicates are known for a while: what is so when an ingest ends is kept
//! beside it, for the next one. Where that cannot be read, for another program has written it, the log is merged again from its
//! beginning, and what is in the history left out.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::history::store::state_path;
use crate::history::{History, HistoryError, IngestedInput, LogPlace, PartLimits};
use crate::pipeline::graph::Graph;
use crate::pipeline::ledger::{Imbalance, Ledger};
use crate::pipeline::merge::{BEFORE_ALL, Merge};
use crate::pipeline::outlet::{Nowhere, Outlet};
use crate::pipeline::saved::{Loader, Saved, SavedError, Saver};
use crate::plan::Plan;
use crate::port::disk::Disk;
use crate::record::EventTime;
use crate::runtime::live::core::Core;
use crate::runtime::live::health::Health;
use crate::runtime::outlet::{Outlets, RunOutlet};
use crate::runtime::report::RunReport;
use crate::runtime::run::{Progress, RunError};
use crate::state::StateError;
use crate::state::entry::{Entry, EntryError};
use crate::state::folder;
use crate::state::log::{Follower, Kind, Log, confirmed_entries};
use crate::state::outbox::Position;
use crate::target::datafusion::Lookups;

use super::folder::Folder;
use super::place::{Ingest, Place};
use super::{Collected, IngestFailed, IngestReport};

/// Entries that are read at once.
const READ_ENTRIES: usize = 64;

pub struct LogOptions {
    /// The folder of the run's state.
    pub disk: Arc<dyn Disk>,
    pub generation: String,
    pub limits: PartLimits,
}

#[derive(Debug, thiserror::Error)]
pub enum LogFailed {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Ingest(#[from] IngestFailed),
    #[error("what the merge waits for cannot be kept: {0}")]
    Saved(#[from] SavedError),
    #[error(
        "{folder} is the state of a run over {lane}, and the project has no source of that name\nhelp: --project names the project \
         that the run has"
    )]
    Source { folder: String, lane: String },
    #[error(
        "{history} holds entries {first} to {end} of another log over the same subscriptions than that of {folder}\nhelp: name a new \
         history; a folder of state that was made anew has a log of its own"
    )]
    Another { folder: String, history: String, first: u64, end: u64 },
    #[error(
        "{history} was made of the log of {folder} with another `lateness` or `dedupe` of its sources: other rows were late\nhelp: name a new \
         history"
    )]
    Merged { folder: String, history: String },
    #[error(
        "{history} was left by another program, the log of {folder} has to be merged anew, and does not give the rows that are there\n\
         help: name a new history"
    )]
    Anew { folder: String, history: String },
    #[error(
        "the log of {folder} begins with entry {first} by now, and {history} holds it up to entry {end}: what was between them is \
         gone\nhelp: name a new history, and ingest more often than the log forgets (`run --retain`)"
    )]
    Gap { folder: String, history: String, first: u64, end: u64 },
}

impl From<HistoryError> for LogFailed {
    fn from(error: HistoryError) -> Self {
        Self::Ingest(error.into())
    }
}

impl From<Imbalance> for LogFailed {
    fn from(error: Imbalance) -> Self {
        Self::Ingest(error.into())
    }
}

/// Of whom a state is.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    program: String,
    merged: Vec<String>,
}

/// Reads what came since the last ingest of this log. The plan has to show `flows`.
pub fn ingest_log(
    plan: &Plan,
    history: &mut History,
    options: &LogOptions,
    taps: Outlets,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<IngestReport, LogFailed> {
    let started = Instant::now();
    let lanes = lanes(&options.disk)?;
    let end = confirmed_entries(&*options.disk, Kind::Given);
    let before = history.of_log(&lanes).map(|(id, place)| (id.to_owned(), place.clone()));
    let first = Log::first(&*options.disk, Kind::Given)?;
    let from = before.as_ref().map_or(first, |(_, place)| place.end);
    let sources = sources(plan, options, &lanes)?;
    let merged: Vec<String> = sources.iter().map(|source| merged(plan, *source)).collect();
    check(history, options, before.as_ref().map(|(_, place)| place), first..end)?;
    if before.as_ref().is_some_and(|(_, place)| place.merged != merged) {
        return Err(LogFailed::Merged { folder: options.disk.name(), history: history.store().name() });
    }
    if from >= end {
        return Ok(IngestReport::default());
    }
    let mut core = core(plan, &sources, options)?;
    let head = Head { program: env!("TRIPLINE_SOURCES").to_owned(), merged: merged.clone() };
    let known = match &before {
        Some((id, _)) => load(history, id, &head, &mut core)?,
        None => false,
    };
    let log = LogPlace { lanes, first: from, end, last: String::new(), merged };
    let mut reading = Reading { core, hash: Sha256::new(), last: String::new(), progress, stop };
    if !known && before.is_some() {
        reading.core = self::core(plan, &sources, options)?;
        let (begun, rows) = history.begun_log(&log.lanes);
        reading.read(options, first..from, &mut Nowhere)?;
        let ledger = &reading.core.graph.ledger;
        // Stopped, it has read less; what follows reads nothing then.
        let whole = first == begun && ledger.accepted + ledger.late == rows;
        if !whole && !stop.load(Ordering::Relaxed) {
            return Err(LogFailed::Anew { folder: options.disk.name(), history: history.store().name() });
        }
    }
    reading.hash = Sha256::new();
    // Rows that waited are offered again.
    reading.core.graph.ledger = Ledger { offered: reading.core.unread_rows(), ..Ledger::default() };
    let mut place = Folder::new(history, &options.generation, options.limits);
    let inputs = |digest: String| -> Vec<IngestedInput> {
        let input = |lane: &String| IngestedInput {
            source: lane.split('=').next().unwrap_or_default().to_owned(),
            name: format!("{lane}, entries {from} to {end} of {}", options.disk.name()),
            bytes: 0,
            digest: format!("{digest} {lane}"),
        };
        log.lanes.iter().map(input).collect()
    };
    place.begin(&inputs(format!("{from}-{end}")))?;
    let mut out = Collected { place: &mut place, taps };
    let read = reading.read(options, from..end, &mut out);
    let read = read.and_then(|()| out.finish().map_err(|error| RunError::from(error).into()));
    let mut report = RunReport::new(&reading.core.graph, started.elapsed());
    report.ledger.unread = reading.core.unread_rows();
    // What waits in the merge is not there.
    let last = reading.core.merge.watermark();
    report.last_watermark = Some(last).filter(|at| *at != BEFORE_ALL).map(EventTime);
    report.interrupted = stop.load(Ordering::Relaxed);
    let days = place.by_day().clone();
    // Where no row came out, the next one reads these entries again.
    if read.is_err() || report.interrupted || days.is_empty() {
        place.abandon()?;
        read?;
        return Ok(IngestReport { run: Some(report), ..IngestReport::default() });
    }
    report.verify()?;
    let mut state = Vec::new();
    {
        let mut out = Saver::new(&mut state);
        out.put(&head)?;
        reading.core.save(&mut out)?;
    }
    let digest: String = reading.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let log_place = LogPlace { last: reading.last, ..log.clone() };
    place.put_state(&state)?;
    let ingest = Ingest { inputs: &inputs(digest), replaces: &BTreeSet::new(), report: &report, log: Some(log_place) };
    let kept = place.keep(&ingest)?;
    let (parts, bytes) = kept.map_or((0, 0), |kept| (kept.parts, kept.bytes));
    Ok(IngestReport { run: Some(report), days, parts, bytes, kept: true, ..IngestReport::default() })
}

/// The queues of a run's state, each with its source.
fn lanes(disk: &Arc<dyn Disk>) -> Result<Vec<String>, StateError> {
    folder::check(&**disk)?;
    Ok(Position::load(&**disk)?.ok_or_else(|| StateError::None { folder: disk.name() })?.lanes)
}

/// By queue: the index of its source.
fn sources(plan: &Plan, options: &LogOptions, lanes: &[String]) -> Result<Vec<usize>, LogFailed> {
    let index = |lane: &String| {
        let name = lane.split('=').next().unwrap_or_default();
        let unknown = || LogFailed::Source { folder: options.disk.name(), lane: lane.clone() };
        plan.sources.iter().position(|source| source.name == name).ok_or_else(unknown)
    };
    lanes.iter().map(index).collect()
}

/// Is it the log of which the history holds a part, and is all behind that part there?
fn check(
    history: &History,
    options: &LogOptions,
    before: Option<&LogPlace>,
    Range { start: first, end }: Range<u64>,
) -> Result<(), LogFailed> {
    let Some(LogPlace { first: begun, end: held, last, .. }) = before else { return Ok(()) };
    let (folder, name) = (options.disk.name(), history.store().name());
    let another = || LogFailed::Another { folder: folder.clone(), history: name.clone(), first: *begun, end: *held };
    if first > *held {
        return Err(LogFailed::Gap { folder, history: name, first, end: *held });
    }
    if first == *held {
        return Ok(());
    }
    let entry = Follower::new(Arc::clone(&options.disk), Kind::Given, held.saturating_sub(1)).read(*held, 1);
    // After a power cut fewer entries may be confirmed than were.
    let entry = if *held > end { entry.unwrap_or_default() } else { entry? };
    if entry.first().is_some_and(|(_, entry)| hash(entry) == *last) { Ok(()) } else { Err(another()) }
}

fn hash(entry: &[u8]) -> String {
    Sha256::digest(entry).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// How the rows of a source are merged.
fn merged(plan: &Plan, source: usize) -> String {
    let source = &plan.sources[source];
    format!("lateness {}, dedupe {:?}", source.lateness, source.dedupe)
}

/// One that computes nothing but the log.
fn core(plan: &Plan, sources: &[usize], options: &LogOptions) -> Result<Core, LogFailed> {
    let lateness: Vec<_> = sources.iter().map(|source| plan.sources[*source].lateness).collect();
    let graph = Graph::new(plan, &Lookups::of(plan), options.generation.clone(), None);
    let mut graph = graph.map_err(RunError::from)?;
    graph.only_rows();
    Ok(Core::new(graph, Merge::new(&lateness), Health::of_nobody(lateness.len()), lateness.len()))
}

/// Takes up what an ingest has left. False where it is none of this program's.
fn load(history: &History, id: &str, head: &Head, core: &mut Core) -> Result<bool, LogFailed> {
    let Some(bytes) = history.store().read(&state_path(id)).map_err(HistoryError::from)? else { return Ok(false) };
    let mut bytes = bytes.as_slice();
    let mut from = Loader::new(&mut bytes);
    let own = from.take::<Head>().is_ok_and(|known| known == *head);
    Ok(own && core.load(&mut from).is_ok())
}

struct Reading<'a> {
    core: Core,
    /// Of the entries.
    hash: Sha256,
    /// That of the last one.
    last: String,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
}

impl Reading<'_> {
    /// Entries of the log, as the run was given them. Stops where it shall.
    fn read(&mut self, options: &LogOptions, entries: Range<u64>, out: &mut dyn Outlet) -> Result<(), LogFailed> {
        let mut follower = Follower::new(Arc::clone(&options.disk), Kind::Given, entries.start);
        let mut next = entries.start;
        while next < entries.end {
            for (number, bytes) in follower.read(entries.end, READ_ENTRIES)? {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                self.hash.update(&bytes);
                self.last = hash(&bytes);
                let entry = Entry::read(&bytes, self.core.lanes())?;
                let rows = if let Entry::Given(given) = &entry { given.flows.times.len() as u64 } else { 0 };
                self.core.apply(entry, out)?;
                self.progress.advanced(bytes.len() as u64, rows, 0);
                next = number + 1;
            }
        }
        Ok(())
    }
}
