//! Days computed from a local history: each with its look-back through a graph of its own, its rows into files that take
//! the place of the old ones.
//!
//! A day depends on its flows and on those before it that its windows reach; nothing after it. Its marker says of each
//! relation of what definitions and parts it was made, and is removed before a file of it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::history::read::BATCH_ROWS;
use crate::history::store::put;
use crate::history::{Feed, History, HistoryError, Scan, Wanted};
use crate::pipeline::detect::focus::Focus;
use crate::pipeline::graph::{Amend, Fault, Graph, GraphError};
use crate::pipeline::ledger::Imbalance;
use crate::pipeline::outlet::{Outlet, OutletError};
use crate::pipeline::window::feature::BuildError;
use crate::plan::{Plan, RulePlan};
use crate::port::{Share, Spill, Store};
use crate::record::alert::ALERTS;
use crate::record::{Day, EventTime, flow};
use crate::target::bigquery::rule_table;
use crate::target::datafusion::Lookups;

use super::backfill::{DayCost, DayCounts, DayError, Days, FileCost, Prepared};
use super::day::DayOutlet;
use super::outlet::HITS;
use super::patch::{Patch, Patched};
use super::report::NearestRows;

/// Version of what a day's files are; in every marker.
const VERSION: u32 = 2;
const FOLDER: &str = "_backfill";
const LOCK: &str = "_backfill/lock";
const DAY_FOLDER: &str = "event_day=";

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Outlet(#[from] OutletError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("rows or hits were lost; this is a defect of the program")]
    Imbalance(#[from] Imbalance),
}

/// The days of a local history.
pub struct LocalDays {
    plan: Plan,
    history: Arc<History>,
    out: Arc<dyn Store>,
    generation: String,
    relations: Vec<String>,
    /// Rows that are read at once.
    pub batch_rows: usize,
    /// Late rows that count nowhere come out too, as `late`.
    pub keep_late: bool,
    /// The history as somebody else has seen it.
    pub patch: Option<Patch>,
    /// Where the data ended for somebody else.
    pub ended: Option<Ended>,
    /// Rows of features as somebody else has computed them.
    pub amend: Option<Arc<dyn Amend>>,
    /// Of whom to say which rows came nearest to firing.
    pub watch: Option<Focus>,
    /// What was found of them.
    pub nearest: Mutex<Option<NearestRows>>,
    /// Where rows of long look-backs go that are too many for memory.
    pub spill: Option<Arc<dyn Spill>>,
    /// What a test breaks.
    pub fault: Option<Fault>,
    /// Rows read so far, also where it was stopped.
    pub read: AtomicU64,
    /// Held by the one that writes.
    lock: Option<Box<dyn Send + Sync>>,
}

/// Where data ends.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// The last flow: no window that ends later is filled in.
    pub flow: EventTime,
    /// Windows that end later are partial.
    pub watermark: EventTime,
}

/// What a day's files were made of, by relation.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Marker {
    relations: BTreeMap<String, Made>,
}

/// A file, and what it was made of.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    of: String,
    bytes: u64,
}

/// What a backfill can give, in the order of the graph.
pub fn relations(plan: &Plan) -> Vec<String> {
    let features = plan.features.iter().map(|feature| feature.name.clone());
    let rules = plan.rules.iter().map(|rule| rule.name.clone());
    let settled = if plan.rules.is_empty() { vec![] } else { vec![HITS.to_owned(), ALERTS.to_owned()] };
    features.chain(rules).chain(settled).collect()
}

/// Folders of rows of relations that the project does not have; a backfill leaves them as they are.
pub fn strangers(plan: &Plan, out: &dyn Store) -> io::Result<Vec<String>> {
    let mut known: BTreeSet<String> = relations(plan).iter().map(|name| table_of(plan, name)).collect();
    known.insert(flow::FLOWS.to_owned());
    let mut found = Vec::new();
    for folder in out.folders(None)? {
        // What has an odd name is no relation.
        let own = folder.starts_with(|c: char| c.is_ascii_alphabetic()) && !folder.contains('\\');
        if own && !known.contains(&folder) && out.folders(Some(&folder))?.iter().any(|day| day.starts_with(DAY_FOLDER))
        {
            found.push(folder);
        }
    }
    Ok(found)
}

fn table_of(plan: &Plan, relation: &str) -> String {
    let rule = plan.rules.iter().find(|rule| rule.name == relation);
    rule.map_or_else(|| relation.to_owned(), |rule| rule_table(rule))
}

impl LocalDays {
    /// `relations` are of [`relations`].
    pub fn new(
        mut plan: Plan,
        history: impl Into<Arc<History>>,
        out: Arc<dyn Store>,
        generation: String,
        relations: Vec<String>,
    ) -> Self {
        // Evidence is a run's: it needs every column of every flow, and the place that it was read from.
        plan.evidence_rows = 0;
        let settled = relations.iter().any(|name| name == HITS || name == ALERTS);
        let shown: Vec<&str> = relations.iter().map(String::as_str).collect();
        plan.keep_rules(&|rule| settled || shown.contains(&rule), &shown);
        let history = history.into();
        Self {
            plan,
            history,
            out,
            generation,
            relations,
            batch_rows: BATCH_ROWS,
            keep_late: false,
            patch: None,
            ended: None,
            amend: None,
            watch: None,
            nearest: Mutex::new(None),
            spill: None,
            fault: None,
            read: AtomicU64::new(0),
            lock: None,
        }
    }

    /// For writing: nobody else may write there.
    pub fn alone(mut self) -> Result<Self, HistoryError> {
        let busy = || HistoryError::Busy { folder: self.out.name() };
        self.lock = Some(self.out.lock(LOCK, Share::Nobody)?.ok_or_else(busy)?);
        Ok(self)
    }

    pub fn relations(&self) -> &[String] {
        &self.relations
    }

    /// Those that hits name by their place.
    pub fn rules(&self) -> &[Arc<RulePlan>] {
        &self.plan.rules
    }

    fn wanted(&self, from: EventTime, to: EventTime) -> Wanted {
        let from = match self.fault {
            Some(Fault::NoLookBack) => from,
            _ => self.plan.look_back(from).flows,
        };
        let columns = self.plan.flows_wanted.clone();
        Wanted { columns, from, to, batch_rows: self.batch_rows }
    }

    fn wanted_of(&self, day: Day) -> Wanted {
        self.wanted(day.start(), day.end())
    }

    fn scan(&self, wanted: &Wanted) -> Result<Scan, HistoryError> {
        let mut scan = Scan::new(&self.history, wanted)?;
        match self.fault {
            Some(Fault::LoseRowGroup) => scan.lose_row_group(),
            Some(Fault::LoseWatermarks) => scan.lose_watermarks(),
            _ => {}
        }
        Ok(scan)
    }

    /// When the last flow of the history was.
    fn last_flow(&self) -> i64 {
        self.history.span().map_or(i64::MIN, |(_, last)| last.0)
    }

    /// The days on which a row of the history can count; none when there is none.
    pub fn days(&self) -> Vec<Day> {
        let Some((first, last)) = self.history.span() else { return Vec::new() };
        let (first, last) = (Day::of(first), Day::of(last.plus(self.plan.lasting())));
        (first.0..=last.0).map(Day).collect()
    }

    /// May the day have a row?
    pub fn has_flows(&self, day: Day) -> bool {
        let from = day.start().0.saturating_sub(self.plan.lasting().0);
        self.history.parts().any(|(_, part)| part.last >= from && part.first < day.end().0)
    }

    /// Did a backfill write files of the day?
    pub fn has_files(&self, day: Day) -> bool {
        self.marker(day).is_ok_and(|marker| !marker.relations.is_empty())
    }

    /// A hash over what the day's rows are made of.
    fn made_of(&self, day: Day, scan: &Scan) -> String {
        let mut hash = Sha256::new();
        let mut field = |text: &str| {
            hash.update(text.len().to_le_bytes());
            hash.update(text);
        };
        field(&VERSION.to_string());
        if self.plan.features.iter().any(|feature| feature.fill.is_some()) {
            field(&self.last_flow().min(day.end().0).to_string());
        }
        field(env!("CARGO_PKG_VERSION"));
        field(&self.generation);
        // Where the data ends matters to the windows behind it.
        field(&self.last_watermark().min(day.end()).0.to_string());
        scan.parts.iter().for_each(|part| field(&part.part.path));
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    fn last_watermark(&self) -> EventTime {
        self.history.last_watermark().unwrap_or(EventTime::MIN)
    }

    fn marker(&self, day: Day) -> Result<Marker, ReplayError> {
        let marker = self.out.read(&marker_path(day))?;
        // A marker that cannot be read says nothing: the day is computed again.
        Ok(marker.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    fn table(&self, relation: &str) -> String {
        table_of(&self.plan, relation)
    }

    fn play(&self, day: Day, stop: &AtomicBool) -> Result<Option<DayCounts>, ReplayError> {
        let wanted = self.wanted_of(day);
        let scan = self.scan(&wanted)?;
        let made_of = self.made_of(day, &scan);
        let unfinished = format!("{FOLDER}/{day}.tmp");
        let files: Vec<(String, String, String)> = self
            .relations
            .iter()
            .map(|name| {
                let table = self.table(name);
                (name.clone(), format!("{unfinished}/{table}.parquet"), file_of(&table, day))
            })
            .collect();
        let paths: Vec<(String, String)> = files.iter().map(|(name, path, _)| (name.clone(), path.clone())).collect();
        let mut out = DayOutlet::new(&self.plan, day, self.out.as_ref(), &paths)?;
        let Some(mut counts) = self.compute(day.start()..day.end(), scan, &wanted, &mut out, stop)? else {
            drop(out);
            self.out.remove(&unfinished)?;
            return Ok(None);
        };
        counts.relations = out.finish()?;
        let mut marker = self.marker(day)?;
        // From here on until it is there again the day is not done.
        self.out.remove(&marker_path(day))?;
        for (name, path, place) in &files {
            self.out.rename(path, place)?;
            let bytes = self.out.bytes(place)?.unwrap_or_default();
            marker.relations.insert(name.clone(), Made { of: made_of.clone(), bytes });
        }
        put(self.out.as_ref(), &marker_path(day), &serde_json::to_vec_pretty(&marker).unwrap_or_default())?;
        self.out.remove(&unfinished)?;
        Ok(Some(counts))
    }

    /// The rows of a span of time go to `out`, with some of those before it; `None` when it was stopped.
    pub fn span(
        &self,
        from: EventTime,
        to: EventTime,
        out: &mut dyn Outlet,
        stop: &AtomicBool,
    ) -> Result<Option<DayCounts>, ReplayError> {
        let wanted = self.wanted(from, to);
        let scan = self.scan(&wanted)?;
        self.compute(from..to, scan, &wanted, out, stop)
    }

    /// Where a relation's rows of a day lie, when a backfill has written them of the same definitions and files.
    pub fn written(&self, day: Day, relation: &str) -> Result<Option<String>, ReplayError> {
        let scan = self.scan(&self.wanted_of(day))?;
        let made_of = self.made_of(day, &scan);
        let whole = self.is_whole(&self.marker(day)?, relation, day, &made_of)?;
        Ok(whole.then(|| file_of(&self.table(relation), day)))
    }

    /// Is the file there that the marker tells of?
    fn is_whole(&self, marker: &Marker, relation: &str, day: Day, made_of: &str) -> io::Result<bool> {
        let Some(made) = marker.relations.get(relation).filter(|made| made.of == made_of) else { return Ok(false) };
        Ok(self.out.bytes(&file_of(&self.table(relation), day))? == Some(made.bytes))
    }

    fn compute(
        &self,
        span: Range<EventTime>,
        scan: Scan,
        wanted: &Wanted,
        out: &mut dyn Outlet,
        stop: &AtomicBool,
    ) -> Result<Option<DayCounts>, ReplayError> {
        let lookups = Lookups::of(&self.plan);
        let mut graph = Graph::new(&self.plan, &lookups, self.generation.clone(), self.fault)?;
        graph.amend.clone_from(&self.amend);
        self.spill.iter().for_each(|spill| graph.spill_to(spill, self.plan.look_back_rows));
        self.watch.iter().try_for_each(|focus| graph.watch(&self.plan, &lookups, focus.clone()))?;
        graph.only_from(&self.plan, &self.plan.look_back(span.start));
        graph.fill_until(self.ended.map_or_else(|| self.last_flow(), |ended| ended.flow.0));
        graph.begins = self.history.begins().map(|first| first.0);
        let end = span.end;
        let admission = if self.keep_late { graph.admission().of_all() } else { graph.admission() };
        let mut feed = Feed::new(&self.history, scan, wanted, admission.clone());
        let last = self.ended.map_or_else(|| self.last_watermark(), |ended| ended.watermark).0;
        let mut ended = false;
        let mut read = 0;
        let mut patched = self.patch.as_ref().map(Patched::new);
        while let Some(mut batch) = match &mut patched {
            Some(patched) => patched.step(&mut feed)?,
            None => feed.step()?,
        } {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            // Windows that end behind the data are closed below, where they are marked.
            batch.watermark = batch.watermark.min(last);
            // Rows that missed a window stand where they were in the log; what missed none stands where it belongs, and those
            // beside it are not behind the end.
            let late = batch.flows.times.iter().zip(&batch.admit);
            let mut late = late.filter(|(time, admit)| admission.misses_some(**time, **admit));
            if !ended && late.any(|(_, admit)| *admit > end.0) {
                graph.end_at(end.0, last, out)?;
                ended = true;
            }
            if !ended {
                batch.watermark = batch.watermark.min(end.0);
            }
            read += batch.flows.times.len() as u64;
            self.read.fetch_add(batch.flows.times.len() as u64, Ordering::Relaxed);
            graph.ledger.offered += batch.flows.times.len() as u64;
            graph.push(&batch, out)?;
        }
        graph.end_at(end.0, last, out)?;
        // What reaches beyond the day belongs to the next one.
        graph.stop(end.0, out)?;
        graph.ledger.verify()?;
        let (row_errors, saturated) = (graph.ledger.row_errors, graph.ledger.saturated);
        if self.watch.is_some() {
            *self.nearest.lock().unwrap_or_else(PoisonError::into_inner) = Some(NearestRows::of(&graph));
        }
        Ok(Some(DayCounts {
            read: read + feed.left_out,
            relations: BTreeMap::new(),
            row_errors,
            saturated,
            billed: None,
        }))
    }
}

fn file_of(table: &str, day: Day) -> String {
    format!("{table}/{DAY_FOLDER}{day}/part.parquet")
}

fn marker_path(day: Day) -> String {
    format!("{FOLDER}/{day}.json")
}

impl Days for LocalDays {
    fn prepare(&self, day: Day) -> Result<Prepared, DayError> {
        let scan = self.scan(&self.wanted_of(day))?;
        let made_of = self.made_of(day, &scan);
        let marker = self.marker(day)?;
        let whole = self.relations.iter().map(|name| self.is_whole(&marker, name, day, &made_of));
        let done = whole.collect::<io::Result<Vec<bool>>>()?.into_iter().all(|whole| whole);
        let files = scan.parts.iter();
        let files = files.map(|part| FileCost { path: part.path.clone(), bytes: part.bytes, rows: part.rows });
        let cost = DayCost { bytes: scan.bytes(), rows: Some(scan.rows()), files: files.collect() };
        Ok(Prepared { done, cost })
    }

    fn run(&self, day: Day, stop: &AtomicBool) -> Result<Option<DayCounts>, DayError> {
        Ok(self.play(day, stop)?)
    }
}
