//! Why a row differs. A cause that lies in flows is found by computing the row again as it would be with that cause alone:
//! what gives the emitted row is why, and the flow that was logged for it is named.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::RecordBatch;

use crate::plan::Plan;
use crate::record::{Day, EventTime, Value, flow};
use crate::runtime::outlet::HITS;
use crate::runtime::past::{Past, Within};
use crate::runtime::replay::{Ended, LocalDays, ReplayError};

use super::compare::{Compared, Difference, Kind, differing_columns};
use super::flows::{FlowDifference, FlowKind, FlowLog, patch};
use super::lookup;
use super::shape::Shape;
use super::sink::{Shaped, Sink};
use super::threshold::{self, Digits, NearRows};

/// What a row's cause is, and what shows it.
type CauseOf<'a> = dyn Fn(&Shape, &Difference) -> Option<(Cause, String)> + 'a;

/// Why a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A flow was late on one side only.
    Late,
    /// A lookup had other rows.
    Lookup,
    /// The rule, or what it reads, was another: with the run's it comes out so, or its fingerprint says so.
    Definitions,
    /// Floats that it is computed from differ in their last digits.
    Threshold,
    /// A window reaches beyond the data of one side, or is filled in behind it.
    Edge,
    /// The history lacks a flow that the stream had.
    LostFlow,
    /// The stream lacked a flow that the history has.
    UnseenFlow,
    /// Emitted more than once.
    Repeated,
    Unknown,
}

impl Cause {
    pub fn name(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Lookup => "lookup",
            Self::Definitions => "definitions",
            Self::Threshold => "threshold",
            Self::Edge => "edge",
            Self::LostFlow => "lost flow",
            Self::UnseenFlow => "unseen flow",
            Self::Repeated => "repeated",
            Self::Unknown => "unknown",
        }
    }

    /// Is it as it should be? The others are faults, some of them known.
    pub fn explains(self) -> bool {
        matches!(self, Self::Late | Self::Lookup | Self::Definitions | Self::Threshold | Self::Edge)
    }
}

/// A difference, and why.
#[derive(Debug, Clone)]
pub struct Finding {
    pub difference: Difference,
    pub cause: Cause,
    /// What was logged.
    pub event: String,
}

/// What is known beside the rows.
pub struct Known<'a> {
    pub past: &'a Past,
    /// What the run had.
    pub run: Option<&'a Plan>,
    /// From where on flows count in the rows that are compared.
    pub look_back: EventTime,
    pub flows: FlowLog,
    pub near: NearRows,
    /// By rule, the fingerprints of hits and alerts that were emitted.
    pub fingerprints: BTreeMap<String, BTreeSet<String>>,
    /// The last end of a window that was emitted and is not partial.
    pub emitted_end: i64,
}

/// A relation's differences while causes are looked for.
pub struct Open {
    pub shape: Arc<Shape>,
    pub findings: Vec<Finding>,
}

impl Open {
    pub fn of(compared: &mut Compared) -> Self {
        let differences = std::mem::take(&mut compared.differences);
        let finding = |difference: Difference| match difference.kind {
            Kind::Repeated => {
                let event = "the row was emitted more than once".to_owned();
                Finding { difference, cause: Cause::Repeated, event }
            }
            _ => Finding { difference, cause: Cause::Unknown, event: String::new() },
        };
        Self { shape: Arc::clone(&compared.shape), findings: differences.into_iter().map(finding).collect() }
    }

    fn unknown(&mut self) -> impl Iterator<Item = &mut Finding> {
        self.findings.iter_mut().filter(|finding| finding.cause == Cause::Unknown)
    }
}

/// `false` when it was stopped.
pub fn explain(known: Known<'_>, open: &mut [Open], stop: &AtomicBool) -> Result<bool, ReplayError> {
    let Known { past, run, look_back, flows, near, fingerprints, emitted_end } = known;
    if open.iter().all(|relation| relation.findings.is_empty()) {
        return Ok(true);
    }
    let asked = Asked { past, stop };
    if flows.is_known() {
        let ended = flows.end().map(|flow| Ended { flow, watermark: EventTime(emitted_end) });
        let differing = flows.differences(past, look_back, stop)?;
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        own_flows(open, &differing);
        let late: Vec<&FlowDifference> = differing.iter().filter(|flow| flow.kind == FlowKind::Late).collect();
        let all: Vec<&FlowDifference> = differing.iter().collect();
        if !asked.with_flows(open, &late, None, |_| Cause::Late)?
            || !asked.with_end(open, ended)?
            || !asked.with_flows(open, &all, ended, whose)?
        {
            return Ok(false);
        }
    }
    if let Some(run) = run
        && (!asked.with_lookups(open, run)? || !asked.with_definitions(open, run)?)
    {
        return Ok(false);
    }
    if !asked.with_digits(open, &near)? {
        return Ok(false);
    }
    edges(open, past, emitted_end);
    definitions(&past.plan, open, &fingerprints);
    Ok(true)
}

fn names(open: &[Open]) -> Vec<String> {
    open.iter().map(|relation| relation.shape.name.clone()).chain([HITS.to_owned()]).collect()
}

/// Windows that reach beyond the data of one side. That a row says it is partial is not believed where the rest of its side
/// says that its log went on.
fn edges(open: &mut [Open], past: &Past, emitted_end: i64) {
    let first = past.history.span().map(|(first, _)| Day::of(first).start());
    for relation in open {
        let shape = Arc::clone(&relation.shape);
        for finding in relation.unknown() {
            let says = |row: &Option<Vec<Value>>| row.as_ref().is_some_and(|row| shape.is_partial(row));
            let (emitted, computed) = (says(&finding.difference.emitted), says(&finding.difference.computed));
            let (start, end) = shape.span_of(finding.difference.row());
            let event = if computed && !emitted {
                "the computed row is partial: its window reaches beyond the history".to_owned()
            } else if emitted && !computed && end > emitted_end {
                "the emitted row is partial: its window reaches beyond the end of the run".to_owned()
            } else if let Some(first) = first.filter(|first| start < first.0) {
                format!("its window begins before the first day of the history, {}", Day::of(first))
            } else {
                continue;
            };
            (finding.cause, finding.event) = (Cause::Edge, event);
        }
    }
}

/// Rows of `flows` and `late` themselves.
fn own_flows(open: &mut [Open], flows: &[FlowDifference]) {
    let by_id: BTreeMap<i64, &FlowDifference> = flows.iter().map(|flow| (flow.row_id, flow)).collect();
    for relation in open.iter_mut().filter(|relation| relation.shape.is_flows()) {
        for finding in relation.unknown() {
            let Some(Value::Int64(id)) = finding.difference.row().get(flow::ROW_ID).cloned() else { continue };
            let Some(flow) = by_id.get(&id) else { continue };
            let cause = match flow.kind {
                FlowKind::Late => Cause::Late,
                FlowKind::NotEmitted => Cause::UnseenFlow,
                FlowKind::NotKept => Cause::LostFlow,
            };
            (finding.cause, finding.event) = (cause, flow.shown());
        }
    }
}

/// What flows of one side mean; with both, what is lost is worse.
fn whose(flows: &[&FlowDifference]) -> Cause {
    if flows.iter().any(|flow| flow.kind == FlowKind::NotKept) { Cause::LostFlow } else { Cause::UnseenFlow }
}

/// Computes rows again.
struct Asked<'a> {
    past: &'a Past,
    stop: &'a AtomicBool,
}

impl Asked<'_> {
    /// With the flows as the stream had them.
    fn with_flows(
        &self,
        open: &mut [Open],
        flows: &[&FlowDifference],
        ended: Option<Ended>,
        cause: impl Fn(&[&FlowDifference]) -> Cause,
    ) -> Result<bool, ReplayError> {
        if flows.is_empty() {
            return Ok(true);
        }
        let mut days = self.past.replay(names(open));
        days.patch = Some(patch(flows));
        days.ended = ended;
        let mut plan = self.past.plan.clone();
        plan.show(&days.relations().iter().map(String::as_str).collect::<Vec<_>>());
        let reach = plan.reach().0;
        self.again(open, days, &|shape, difference| {
            let (start, end) = shape.span_of(difference.row());
            let counts = |flow: &FlowDifference| start.saturating_sub(reach) <= flow.time && flow.time <= end;
            let found: Vec<&FlowDifference> = flows.iter().copied().filter(|flow| counts(flow)).collect();
            // Those that have the most to do with the row are named.
            let texts = shape.texts(difference.row());
            let nearness = |flow: &FlowDifference| (flow.shared(&texts), start <= flow.time && flow.time <= end);
            let nearest = found.iter().map(|flow| nearness(flow)).max();
            let found: Vec<&FlowDifference> = found.into_iter().filter(|f| Some(nearness(f)) == nearest).collect();
            // That the row comes out so without a flow that has to do with it is no cause.
            if found.is_empty() {
                return None;
            }
            let shown: Vec<String> = found.iter().take(3).map(|flow| flow.shown()).collect();
            let more = if found.len() > 3 { format!(", and {} more", found.len() - 3) } else { String::new() };
            Some((cause(&found), format!("{}{more}", shown.join("; "))))
        })
    }

    /// With windows filled in as long as the run had flows.
    fn with_end(&self, open: &mut [Open], ended: Option<Ended>) -> Result<bool, ReplayError> {
        let (Some(ended), Some((_, kept))) = (ended, self.past.history.span()) else { return Ok(true) };
        if ended.flow == kept || self.past.plan.features.iter().all(|feature| feature.fill.is_none()) {
            return Ok(true);
        }
        let mut days = self.past.replay(names(open));
        days.ended = Some(ended);
        let event =
            format!("windows are filled in until the last flow: of the run {}, of the history {kept}", ended.flow);
        self.again(open, days, &|_, _| Some((Cause::Edge, event.clone())))
    }

    /// With the rows that lookups had in the run.
    fn with_lookups(&self, open: &mut [Open], run: &Plan) -> Result<bool, ReplayError> {
        let mut plan = self.past.plan.clone();
        let changed = lookup::taken_from(&mut plan, run);
        if changed.is_empty() {
            return Ok(true);
        }
        let days = self.past.replay_of(plan, names(open));
        self.again(open, days, &|_, _| Some((Cause::Lookup, changed.join("; "))))
    }

    /// With all definitions of the run.
    fn with_definitions(&self, open: &mut [Open], run: &Plan) -> Result<bool, ReplayError> {
        let alike = |name: &String| match (Shape::of(&self.past.plan, name), Shape::of(run, name)) {
            (Some(here), Some(there)) => here.columns == there.columns,
            _ => false,
        };
        let days = self.past.replay_of(run.clone(), names(open).into_iter().filter(alike).collect());
        let event = "the definitions of the run give the emitted row";
        self.again(open, days, &|_, _| Some((Cause::Definitions, event.to_owned())))
    }

    /// With the digits that floats of features had in the run.
    fn with_digits(&self, open: &mut [Open], near: &NearRows) -> Result<bool, ReplayError> {
        let plan = &self.past.plan;
        if near.values().all(Vec::is_empty) {
            return Ok(true);
        }
        let shapes: Vec<Arc<Shape>> = open.iter().map(|relation| Arc::clone(&relation.shape)).collect();
        let mut days = self.past.replay(names(open));
        days.amend = Some(Arc::new(Digits::of(near, &shapes)));
        self.again(open, days, &|shape, difference| {
            let row = difference.row();
            let name = shape.rule_of(row).map_or(shape.name.as_str(), |(rule, _)| rule);
            let rule = plan.rules.iter().find(|rule| rule.name == name)?;
            let event = threshold::shown_for(near, plan, rule, &difference.key, shape.span_of(row))?;
            Some((Cause::Threshold, event.to_owned()))
        })
    }

    /// Rows that come out as they were emitted get a cause.
    fn again(&self, open: &mut [Open], mut days: LocalDays, cause: &CauseOf<'_>) -> Result<bool, ReplayError> {
        let mut wanted: BTreeMap<String, BTreeMap<String, Vec<Vec<Value>>>> = BTreeMap::new();
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for relation in open.iter() {
            let computed = days.relations().contains(&relation.shape.name);
            for finding in relation.findings.iter().filter(|f| computed && f.cause == Cause::Unknown) {
                let at = relation.shape.time_of(finding.difference.row());
                (first, last) = (first.min(at), last.max(at));
                let keys = wanted.entry(relation.shape.name.clone()).or_default();
                keys.insert(finding.difference.key.clone(), Vec::new());
            }
        }
        if wanted.is_empty() {
            return Ok(true);
        }
        let (from, to) = (Day::of(EventTime(first)).start(), Day::of(EventTime(last)).end());
        let shapes = open.iter().filter(|relation| wanted.contains_key(&relation.shape.name));
        let shapes: Vec<Arc<Shape>> = shapes.map(|relation| Arc::clone(&relation.shape)).collect();
        let rules = days.rules().to_vec();
        let mut chosen = Chosen { wanted };
        days.keep_late = true;
        let mut out = Within { from, to, inner: Shaped::new(&shapes, &rules, &mut chosen) };
        if days.span(from, to, &mut out, self.stop)?.is_none() {
            return Ok(false);
        }
        out.inner.finish()?;
        for relation in open.iter_mut() {
            let Some(keys) = chosen.wanted.get(&relation.shape.name) else { continue };
            for finding in relation.findings.iter_mut().filter(|finding| finding.cause == Cause::Unknown) {
                let rows = keys.get(&finding.difference.key).map(Vec::as_slice).unwrap_or_default();
                let same = match &finding.difference.emitted {
                    None => rows.is_empty(),
                    Some(row) => rows.iter().any(|other| differing_columns(&relation.shape, row, other).is_empty()),
                };
                if same && let Some((cause, event)) = cause(&relation.shape, &finding.difference) {
                    (finding.cause, finding.event) = (cause, event);
                }
            }
        }
        Ok(true)
    }
}

/// Rows of some keys.
struct Chosen {
    wanted: BTreeMap<String, BTreeMap<String, Vec<Vec<Value>>>>,
}

impl Sink for Chosen {
    fn take(&mut self, shape: &Shape, rows: &RecordBatch) -> io::Result<()> {
        let Some(keys) = self.wanted.get_mut(&shape.name) else { return Ok(()) };
        for row in 0..rows.num_rows() {
            if let Some(found) = keys.get_mut(&shape.key_of(rows, row)) {
                found.push(shape.row(rows, row));
            }
        }
        Ok(())
    }
}

/// Rows whose rule had another fingerprint; of a row that was not emitted, what all others of its rule say.
fn definitions(plan: &Plan, open: &mut [Open], fingerprints: &BTreeMap<String, BTreeSet<String>>) {
    for relation in open {
        let shape = Arc::clone(&relation.shape);
        for finding in relation.unknown() {
            let row = finding.difference.row();
            let rule = shape.rule_of(row).map_or(shape.name.as_str(), |(rule, _)| rule);
            let here = plan.rules.iter().find(|known| known.name == rule).map(|rule| rule.fingerprint.as_str());
            let emitted: BTreeSet<&str> = match &finding.difference.emitted {
                Some(row) if shape.rule.is_some() => shape.rule_of(row).map(|(_, there)| there).into_iter().collect(),
                _ => fingerprints.get(rule).into_iter().flatten().map(String::as_str).collect(),
            };
            if emitted.is_empty() || here.is_some_and(|here| emitted.contains(here)) {
                continue;
            }
            let there = emitted.into_iter().collect::<Vec<_>>().join(", ");
            let here = here.map_or_else(|| "is not there".to_owned(), |here| format!("has {here} here"));
            finding.event = format!("{rule} had fingerprint {there} in the run and {here}");
            finding.cause = Cause::Definitions;
        }
    }
}
