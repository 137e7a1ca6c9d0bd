//! What a run has put out against what a history gives, relation by relation, and why rows differ.
//!
//! What it may never do: call a difference explained because a cause is likely. A cause counts when it alone gives the
//! emitted row, or when the row itself says so.

pub mod alerts;
pub mod compare;
pub mod explain;
pub mod flows;
pub mod lookup;
pub mod read;
pub mod shape;
pub mod sink;
pub mod threshold;
pub mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use datafusion::arrow::array::RecordBatch;

use crate::plan::Plan;
use crate::port::Input;
use crate::record::{EventTime, Value, flow};

use super::outlet::HITS;
use super::past::{Past, Within};
use super::replay::ReplayError;

use compare::{ColumnStats, Compared, Comparison, Emitted, Scope};
use explain::{Finding, Known, Open, explain};
use flows::FlowLog;
use read::{EmittedError, read};
use shape::Shape;
use sink::{Shaped, Sink};
use threshold::NearRows;

#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Emitted(#[from] EmittedError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// A relation, compared.
#[derive(Debug)]
pub struct RelationReport {
    pub shape: Arc<Shape>,
    pub emitted: u64,
    /// Emitted, and of another time than is compared.
    pub outside: u64,
    pub computed: u64,
    pub matched: u64,
    pub findings: Vec<Finding>,
    /// By column.
    pub columns: Vec<ColumnStats>,
}

#[derive(Debug, Default)]
pub struct ReconcileReport {
    pub relations: Vec<RelationReport>,
    /// What files have that relations have not, and the other way round.
    pub notes: Vec<String>,
}

/// The definitions and lookups that the run had.
pub struct RunProject {
    pub plan: Plan,
    pub generation: String,
}

/// `None` when it was stopped. A relation may have several files.
pub fn reconcile(
    past: &Past,
    run: Option<&RunProject>,
    emitted: &[(Arc<Shape>, Arc<dyn Input>)],
    sample: u64,
    stop: &AtomicBool,
) -> Result<Option<ReconcileReport>, ReconcileError> {
    let scope = Scope { from: past.from.start(), to: past.to.start(), sample };
    let look_back = past.plan.look_back(scope.from).flows;
    let mut said = Said::default();
    for (shape, input) in emitted {
        said.read(shape, input.as_ref(), scope, look_back)?;
    }
    let contradicted = run.and_then(|run| said.contradicts(run));
    let run = run.filter(|_| contradicted.is_none());
    said.notes.extend(contradicted);
    let names: Vec<String> = said.relations.keys().cloned().chain([HITS.to_owned()]).collect();
    let mut days = past.replay(names.clone());
    days.keep_late = true;
    let shapes: Vec<Arc<Shape>> = said.relations.values().map(|(shape, _)| Arc::clone(shape)).collect();
    let comparisons = said.relations.into_iter();
    let comparisons = comparisons.map(|(name, (shape, emitted))| (name, Comparison::new(shape, scope, emitted)));
    let mut compare = Compare(comparisons.collect());
    let rules = days.rules().to_vec();
    let mut out = Within { from: scope.from, to: scope.to, inner: Shaped::new(&shapes, &rules, &mut compare) };
    if days.span(scope.from, scope.to, &mut out, stop)?.is_none() {
        return Ok(None);
    }
    out.inner.finish().map_err(ReplayError::from)?;
    let compared: Vec<Compared> = compare.0.into_values().map(Comparison::finish).collect();
    let mut open: Vec<Open> = Vec::new();
    let mut near = NearRows::new();
    let mut relations = Vec::new();
    for mut compared in compared {
        near.insert(compared.shape.name.clone(), std::mem::take(&mut compared.near));
        open.push(Open::of(&mut compared));
        relations.push(compared);
    }
    let Said { flows, fingerprints, last_whole: emitted_end, .. } = said;
    let known = Known { past, run: run.map(|run| &run.plan), look_back, flows, near, fingerprints, emitted_end };
    if !explain(known, &mut open, stop)? {
        return Ok(None);
    }
    let mut report = ReconcileReport { relations: Vec::new(), notes: said.notes };
    for generation in said.generations.iter().filter(|generation| **generation != past.generation) {
        let (whose, there) = match run {
            Some(run) if run.generation == *generation => continue,
            Some(run) => ("project of the run", &run.generation),
            None => ("definitions here", &past.generation),
        };
        report.notes.push(format!("alerts are of generation {generation}, the {whose} of {there}"));
    }
    let pairs = relations.into_iter().zip(open);
    report.relations = pairs.map(|(compared, open)| RelationReport::new(compared, open.findings)).collect();
    Ok(Some(report))
}

impl RelationReport {
    fn new(compared: Compared, findings: Vec<Finding>) -> Self {
        let Compared { shape, emitted, outside, computed, matched, columns, .. } = compared;
        Self { shape, emitted, outside, computed, matched, findings, columns }
    }
}

/// Sends computed rows to their comparisons.
struct Compare(BTreeMap<String, Comparison>);

impl Sink for Compare {
    fn take(&mut self, shape: &Shape, rows: &RecordBatch) -> io::Result<()> {
        if let Some(comparison) = self.0.get_mut(&shape.name) {
            comparison.push(rows);
        }
        Ok(())
    }
}

/// What the emitted files say.
#[derive(Default)]
struct Said {
    relations: BTreeMap<String, (Arc<Shape>, Emitted)>,
    flows: FlowLog,
    /// By rule.
    fingerprints: BTreeMap<String, BTreeSet<String>>,
    generations: BTreeSet<String>,
    /// The last end of a window that is not partial.
    last_whole: i64,
    notes: Vec<String>,
}

impl Said {
    fn read(
        &mut self,
        shape: &Arc<Shape>,
        input: &dyn Input,
        scope: Scope,
        look_back: EventTime,
    ) -> Result<(), EmittedError> {
        let mut emitted = match self.relations.remove(&shape.name) {
            Some((_, emitted)) => emitted,
            None => Emitted::default(),
        };
        self.flows.whole |= shape.name == flow::FLOWS;
        self.flows.late |= shape.name == flow::LATE;
        let notes = read(input, shape, &mut |rows| {
            if shape.is_flows() {
                self.flows.push(rows, look_back.0..scope.to.0);
            }
            self.note_rows(shape, rows);
            emitted.push(shape, scope, rows)
        })?;
        self.notes.extend(notes);
        self.relations.insert(shape.name.clone(), (Arc::clone(shape), emitted));
        Ok(())
    }

    /// Why that cannot be the project of the run.
    fn contradicts(&self, run: &RunProject) -> Option<String> {
        if !self.generations.is_empty() && !self.generations.contains(&run.generation) {
            let generations: Vec<&str> = self.generations.iter().map(String::as_str).collect();
            return Some(format!(
                "the project of the run is of generation {}, the alerts of {}: it is not used",
                run.generation,
                generations.join(", ")
            ));
        }
        let other = self.fingerprints.iter().find(|(rule, emitted)| {
            let there = run.plan.rules.iter().find(|there| there.name == **rule);
            there.is_none_or(|there| !emitted.contains(&there.fingerprint))
        });
        let (rule, _) = other?;
        Some(format!("{rule} has another fingerprint in the project of the run than in its hits: it is not used"))
    }

    fn note_rows(&mut self, shape: &Shape, rows: &RecordBatch) {
        let generation = shape.column("generation");
        let text = |row: usize, column: usize| match shape.value(rows, row, column) {
            Value::String(text) => text,
            _ => String::new(),
        };
        for row in 0..rows.num_rows() {
            if let Some((rule, fingerprint)) = shape.rule {
                self.fingerprints.entry(text(row, rule)).or_default().insert(text(row, fingerprint));
            }
            if let Some(column) = generation {
                self.generations.insert(text(row, column));
            }
            if let (Some(end), Some(partial)) = (shape.window_end, shape.partial)
                && let Value::Timestamp(end) = shape.value(rows, row, end)
                && shape.value(rows, row, partial) == Value::Bool(false)
            {
                self.last_whole = self.last_whole.max(end);
            }
        }
    }
}
