//! The graph at run time: flows in log order in; feature rows, hits and alerts out, in event time.
//!
//! Work is done by end time, then topologically: at each window end, features close in order, each after what it
//! reads, then the rules over them. The result depends on the rows and their watermarks, never on batch borders.

mod caps;
mod carry;
mod close;
mod early;
mod saved;
mod spaces;
pub mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;

use crate::plan::{Asked, LookBack, Node, Plan, Upstream, hits};
use crate::port::Spill;
use crate::record::{Reject, flow};
use crate::target::datafusion::Lookups;

use super::admission::{Admission, count_missed, push_flows};
use super::alert::{AlertStage, Settled};
use super::batch::{AdmittedBatch, FlowBatch};
use super::cost::{Cost, Costs, Spending};
use super::dedupe::{Dedupe, Seen};
use super::detect::focus::Focus;
use super::detect::nearest::Nearest;
use super::detect::{Behind, Hit, RuleStage};
use super::evidence::{FlowEvidence, conflict};
use super::hits::HitReaders;
use super::ledger::Ledger;
use super::merge::BEFORE_ALL;
use super::outlet::{Outlet, OutletError, Uncomputed};
use super::past::{Closed, Past};
use super::window::evidence::EvidenceRows;
use super::window::feature::{Beside, BuildError, FeatureStage, StageError};
use super::window::operator::Hop;
use super::window::stage::Stage;
use caps::Caps;
pub use carry::CarryError;
use early::EarlyRules;
use spaces::Spaces;

#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Outlet(#[from] OutletError),
}

/// A fault planted by a test, to see that conservation notices it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The first row of the run is lost before admission.
    LoseRow,
    /// The first hit is lost before it is settled.
    LoseHit,
    /// A day of history is computed without the rows before it.
    NoLookBack,
    /// Late rows of a history count as if they had come in time.
    LoseWatermarks,
    /// The last row group of a day's history is not read.
    LoseRowGroup,
}

/// Puts other values into a feature's rows before anything reads them.
pub trait Amend: Send + Sync {
    fn amend(&self, feature: &str, rows: RecordBatch) -> Result<RecordBatch, ArrowError>;
}

pub struct Graph {
    features: Vec<Option<Stage>>,
    rules: Vec<RuleStage>,
    alerts: AlertStage,
    /// Features and rules, each after what it reads.
    order: Vec<Node>,
    readers: HitReaders,
    /// When hits of flows that features read become theirs: the ends of instants that hit.
    instants: BTreeSet<i64>,
    /// By feature: which of its rows are made.
    asked: Vec<Asked>,
    past: Past,
    caps: Caps,
    spaces: Spaces,
    dedupe: Option<Dedupe>,
    pub ledger: Ledger,
    pub costs: Costs,
    watermark: i64,
    keep_evidence: bool,
    fault: Option<Fault>,
    /// Rows are admitted and put out, and nothing is computed from them.
    rows_only: bool,
    /// From when on rows count: by feature, those that it reads; by rule, those that hit.
    since: (Vec<i64>, Vec<i64>),
    pub amend: Option<Arc<dyn Amend>>,
    /// Event times of the first and the last row that was admitted.
    pub span: Option<(i64, i64)>,
    /// By rule: how long before a row the flows lie that it looks back at.
    history: Vec<Option<i64>>,
    /// The event time of the first row that was not late.
    first: i64,
    /// By feature: when the data of its state begins, where that is later.
    begun: Vec<i64>,
    /// When the data begins, where that is not such a row.
    pub begins: Option<i64>,
    /// When asked for: the row that came nearest to firing, by rule.
    nearest: Option<Vec<Option<Nearest>>>,
    focus: Focus,
    /// Of a run that does not end: what fires before its window is over.
    early: Option<Box<EarlyRules>>,
}

impl Graph {
    pub fn new(plan: &Plan, lookups: &Lookups, generation: String, fault: Option<Fault>) -> Result<Self, BuildError> {
        let keep_evidence = plan.evidence_rows > 0 && !plan.rules.is_empty();
        let upstream = |upstream: Upstream| match upstream {
            Upstream::Flows => (flow::columns().len(), flow::EVENT_TIME),
            Upstream::Feature(index) => (plan.features[index].columns.len(), plan.features[index].key.len() + 2),
            Upstream::Hits(_) => (hits::columns().len(), hits::EVENT_TIME),
        };
        let spaces = Spaces::of(plan)?;
        let mut features = Vec::with_capacity(plan.features.len());
        for (index, (feature, evidence_rows)) in plan.features.iter().zip(plan.kept_rows()).enumerate() {
            let (_, time) = upstream(feature.upstream);
            let keys = spaces.shared(index, feature.upstream);
            let stage = plan.live[index].then(|| Stage::new(feature, time, evidence_rows, keys, lookups));
            features.push(stage.transpose()?);
        }
        let rules = plan.rules.iter().enumerate();
        let rules = rules.map(|(index, rule)| RuleStage::new(index, rule, &upstream, lookups));
        Ok(Self {
            features,
            rules: rules.collect::<Result<_, _>>()?,
            alerts: AlertStage::new(&plan.rules, generation, fault == Some(Fault::LoseHit)),
            order: plan.order(),
            readers: HitReaders::of(plan),
            instants: BTreeSet::new(),
            asked: plan.asked(),
            past: Past::of(plan)?,
            caps: Caps::of(plan),
            spaces,
            dedupe: Dedupe::of(plan),
            ledger: Ledger::default(),
            costs: Costs::new(plan.features.len(), plan.rules.len()),
            watermark: BEFORE_ALL,
            keep_evidence,
            fault,
            rows_only: false,
            since: (vec![i64::MIN; plan.features.len()], vec![i64::MIN; plan.rules.len()]),
            amend: None,
            span: None,
            history: plan.history_of_rules().into_iter().map(|history| history.map(|back| back.0)).collect(),
            first: i64::MAX,
            begun: vec![i64::MIN; plan.features.len()],
            begins: None,
            nearest: None,
            focus: Focus::default(),
            early: None,
        })
    }

    /// From now on remembers, for each rule and feature, of the rows that are meant the one that came nearest to meeting its
    /// condition.
    pub fn watch(&mut self, plan: &Plan, lookups: &Lookups, focus: Focus) -> Result<(), BuildError> {
        for (stage, feature) in self.features.iter_mut().zip(&plan.features) {
            let windows = stage.as_mut().and_then(Stage::windows_mut);
            windows.into_iter().try_for_each(|stage| stage.watch_for(feature, lookups, &focus))?;
        }
        self.focus = focus;
        self.nearest = Some(vec![None; self.rules.len()]);
        self.rules.iter_mut().try_for_each(|rule| rule.watch(lookups))
    }

    /// From now on each look-back holds at most about `rows_max` rows in memory.
    pub fn spill_to(&mut self, spill: &Arc<dyn Spill>, rows_max: usize) {
        self.features.iter_mut().flatten().for_each(|stage| stage.spill_to(spill, rows_max));
    }

    /// From now on they hold fewer, and those beyond go at once.
    pub fn hold_at_most(&mut self, rows_max: usize) -> Result<(), GraphError> {
        Ok(self.features.iter_mut().flatten().try_for_each(|stage| stage.hold_at_most(rows_max))?)
    }

    /// Rows that the largest look-back holds in memory.
    pub fn look_back_rows(&self) -> usize {
        self.features.iter().flatten().map(Stage::look_back_rows).max().unwrap_or(0)
    }

    /// Computes only what rows depend on that this look-back is of: what has a short one does not see the rows of a long one.
    pub fn only_from(&mut self, plan: &Plan, back: &LookBack) {
        let own = plan.features.iter().zip(&back.features);
        let features = own.map(|(feature, own)| own.map_or(i64::MIN, |own| feature.reads_from(own).0));
        self.since = (features.collect(), back.rules.iter().map(|from| from.0).collect());
    }

    /// From now on only tells which rows are duplicates and which are late, and puts out the others.
    pub fn only_rows(&mut self) {
        self.rows_only = true;
    }

    pub fn nearest(&self, rule: usize) -> Option<&Nearest> {
        self.nearest.as_ref()?.get(rule)?.as_ref()
    }

    pub fn watermark(&self) -> i64 {
        self.watermark
    }

    /// Stages of features and rules, for reports.
    pub fn features(&self) -> impl Iterator<Item = &Stage> {
        self.features.iter().flatten()
    }

    pub fn rules(&self) -> &[RuleStage] {
        &self.rules
    }

    /// Takes rows in log order and advances to the watermark after them.
    pub fn push(&mut self, batch: &AdmittedBatch, out: &mut dyn Outlet) -> Result<(), GraphError> {
        let (flows, admit) = self.admit(batch, out)?;
        for (at, admit) in flows.times.iter().zip(&admit) {
            self.span = Some(self.span.map_or((*at, *at), |(first, last)| (first.min(*at), last.max(*at))));
            // What is older than the watermark came too late to be told of.
            if at >= admit {
                self.first = self.first.min(*at);
            }
        }
        let mut start = 0;
        for row in 0..flows.times.len() {
            let late = self.needs_close(flows.times[row], admit[row]);
            let crowded = self.caps.passes(admit[row]) && self.is_crowded(row - start);
            if late || crowded {
                self.segment(&flows, &admit, start, row, out)?;
                self.advance(admit[row], None, out)?;
                start = row;
            }
            if crowded {
                self.relieve(true)?;
            }
            self.caps.pass(admit[row]);
        }
        self.segment(&flows, &admit, start, flows.times.len(), out)?;
        self.advance(batch.watermark, None, out)?;
        // Rows of a history that came in time do not say at which watermark: there a batch is a step.
        if admit.last() == Some(&BEFORE_ALL) && batch.watermark > BEFORE_ALL && self.caps.passes(batch.watermark) {
            if self.is_crowded(0) {
                self.relieve(true)?;
            }
            self.caps.pass(batch.watermark);
        }
        Ok(())
    }

    /// A late row must not enter windows that were over before it came; they have to be taken out first.
    fn needs_close(&self, time: i64, admit: i64) -> bool {
        time < admit && admit > self.watermark && self.over_flows().any(|stage| stage.hop().first_end(time) <= admit)
    }

    fn flows_have_rules(&self) -> bool {
        self.rules.iter().any(|rule| rule.plan.reads_flows())
    }

    fn over_flows(&self) -> impl Iterator<Item = &FeatureStage> {
        let windows = self.features.iter().flatten().filter_map(Stage::windows);
        windows.filter(|stage| stage.upstream == Upstream::Flows)
    }

    /// A record was refused: counted, and put out.
    pub fn reject(&mut self, reject: Reject, out: &mut dyn Outlet) -> Result<(), OutletError> {
        self.ledger.reject(&reject);
        out.reject(reject)
    }

    /// Leaves out duplicates.
    fn admit(&mut self, batch: &AdmittedBatch, out: &mut dyn Outlet) -> Result<(FlowBatch, Vec<i64>), GraphError> {
        let mut flows = batch.flows.clone();
        let mut admit = batch.admit.clone();
        if self.fault == Some(Fault::LoseRow) && !flows.times.is_empty() {
            self.fault = None;
            flows = flows.slice(1, flows.times.len() - 1);
            admit.remove(0);
        }
        let Some(dedupe) = &mut self.dedupe else { return Ok((flows, admit)) };
        if flows.duplicates.is_empty() {
            return Ok((flows, admit));
        }
        let mut keep: Vec<usize> = Vec::with_capacity(flows.times.len());
        for (row, keyed) in flows.duplicates.iter().enumerate() {
            dedupe.advance(admit[row]);
            let seen = keyed.map_or(Seen::New, |(key, whole)| dedupe.see(flows.times[row], key, whole));
            match seen {
                Seen::New => keep.push(row),
                Seen::Duplicate => self.ledger.duplicate += 1,
                Seen::Conflict => {
                    let reject = conflict(&flows, row);
                    self.ledger.reject(&reject);
                    out.reject(reject)?;
                }
            }
        }
        if keep.len() < flows.times.len() {
            flows = flows.take(&keep)?;
            admit = keep.iter().map(|row| admit[*row]).collect();
        }
        Ok((flows, admit))
    }

    /// Rows between two closes.
    fn segment(
        &mut self,
        flows: &FlowBatch,
        admit: &[i64],
        start: usize,
        end: usize,
        out: &mut dyn Outlet,
    ) -> Result<(), GraphError> {
        if start == end {
            return Ok(());
        }
        let whole = start == 0 && end == flows.times.len();
        let part;
        let flows = if whole {
            flows
        } else {
            part = flows.slice(start, end - start);
            &part
        };
        let admit = &admit[start..end];
        let accepted;
        let (flows, admit) = match self.accept(flows, admit, out)? {
            None => (flows, admit),
            Some(part) => {
                accepted = part;
                (&accepted.0, accepted.1.as_slice())
            }
        };
        if out.wants(flow::FLOWS) && !flows.times.is_empty() {
            out.flows(flow::FLOWS, &flows.rows, admit)?;
        }
        if self.rows_only {
            let windows = self.features.iter().flatten().filter_map(Stage::windows);
            let mut over_flows = windows.filter(|stage| stage.upstream == Upstream::Flows);
            return over_flows.try_for_each(|stage| count_missed(stage, flows, admit, &mut self.ledger));
        }
        let evidence = FlowEvidence::new(flows);
        let kept: Option<&dyn EvidenceRows> = if self.keep_evidence { Some(&evidence) } else { None };
        self.spaces.begin();
        for index in 0..self.features.len() {
            let windows = self.features[index].as_mut().and_then(Stage::windows_mut);
            if let Some(stage) = windows.filter(|stage| stage.upstream == Upstream::Flows) {
                let work = Spending::begin();
                let numbers = self.spaces.of_flows(index, &flows.rows)?;
                let beside = Beside { evidence: kept, numbers: numbers.as_deref() };
                push_flows(stage, flows, admit, self.since.0[index], beside, &mut self.ledger)?;
                work.on(&mut self.costs.features[index], flows.times.len(), 0);
            }
        }
        let last = flows.times.iter().copied().max().unwrap_or(i64::MIN);
        let mut told: Vec<(usize, Vec<Hit>)> = Vec::new();
        let mut certain: Vec<Settled> = Vec::new();
        for (index, rule) in self.rules.iter_mut().enumerate().filter(|(index, _)| last >= self.since.1[*index]) {
            for (branch, upstream) in rule.branches() {
                if upstream != Upstream::Flows {
                    continue;
                }
                watch(&mut self.nearest, &self.focus, index, (rule, branch), &flows.rows, Closed::default())?;
                let work = Spending::begin();
                let (selected, places) = rule.select(branch, &flows.rows, Closed::default())?;
                if selected.num_rows() > 0 {
                    if out.wants(&rule.plan.name) {
                        out.rows(&rule.plan.name, &selected, false)?;
                    }
                    let behind = Behind { admit, evidence: kept, ..Behind::default() };
                    let hits = rule.hits(&selected, &places, &behind)?;
                    let in_time = || hits.iter().filter(|hit| hit.is_in_time());
                    if self.readers.waits(index) {
                        self.instants.extend(in_time().map(|hit| hit.event_time.0.saturating_add(1)));
                    }
                    if self.readers.misses_late(index) {
                        let late = hits.iter().filter(|hit| !hit.is_in_time() && hit.excepted.is_none());
                        self.ledger.late_windows += late.count() as u64;
                    }
                    if !self.readers.early(index).is_empty() {
                        told.push((index, in_time().filter(|hit| hit.excepted.is_none()).cloned().collect()));
                    }
                    if self.early.is_some() {
                        certain.push(self.alerts.certain(&hits));
                    }
                    self.alerts.push(hits, &mut self.ledger);
                }
                work.on(&mut self.costs.rules[index], flows.times.len(), selected.num_rows());
            }
        }
        told.iter().try_for_each(|(rule, hits)| self.tell_early(*rule, hits))?;
        certain.into_iter().try_for_each(|settled| self.put_out(settled, out))?;
        self.fire(out)
    }

    /// Takes out late rows: no window of any feature over flows is open for them, and no rule reads flows. Returns the
    /// others with their watermarks; `None` when none is late.
    fn accept(
        &mut self,
        flows: &FlowBatch,
        admit: &[i64],
        out: &mut dyn Outlet,
    ) -> Result<Option<(FlowBatch, Vec<i64>)>, GraphError> {
        let hops: Vec<Hop> = self.over_flows().map(FeatureStage::hop).collect();
        let always = hops.is_empty() || self.flows_have_rules();
        let open = |row: usize| {
            let (time, admit) = (flows.times[row], admit[row]);
            always || time >= admit || hops.iter().any(|hop| hop.last_end(time) > admit)
        };
        let (accepted, late): (Vec<usize>, Vec<usize>) = (0..flows.times.len()).partition(|row| open(*row));
        self.ledger.accepted += accepted.len() as u64;
        self.ledger.late += late.len() as u64;
        if late.is_empty() {
            return Ok(None);
        }
        let admit_of = |rows: &[usize]| rows.iter().map(|row| admit[*row]).collect::<Vec<_>>();
        out.flows(flow::LATE, &flows.take(&late)?.rows, &admit_of(&late))?;
        Ok(Some((flows.take(&accepted)?, admit_of(&accepted))))
    }

    /// Takes out every window that ends at or before the watermark. `partial_after`: bounded input has ended there.
    pub fn advance(
        &mut self,
        watermark: i64,
        partial_after: Option<i64>,
        out: &mut dyn Outlet,
    ) -> Result<(), GraphError> {
        if watermark <= self.watermark {
            return Ok(());
        }
        self.features.iter_mut().flatten().try_for_each(|stage| stage.release(watermark))?;
        while let Some(end) = self.next_end() {
            if end > watermark {
                break;
            }
            self.close(end, partial_after, out)?;
            self.spaces.compact(&mut self.features);
            self.relieve(false)?;
            // Incidents that ended before these windows can go.
            let settled = self.alerts.advance(end, &mut self.ledger);
            self.put_out(settled, out)?;
        }
        self.watermark = watermark;
        self.features.iter_mut().flatten().for_each(|stage| stage.pass(watermark));
        let settled = self.alerts.advance(watermark, &mut self.ledger);
        self.put_out(settled, out)
    }

    /// When the next open window ends, or the instant of the next hit of a flow.
    pub fn next_end(&self) -> Option<i64> {
        let windows = self.features.iter().flatten().filter_map(Stage::next_end);
        windows.chain(self.instants.first().copied()).min()
    }

    /// Would something end at this watermark?
    pub fn is_due(&self, watermark: i64) -> bool {
        self.next_end().is_some_and(|end| end <= watermark) || self.alerts.is_due(watermark)
    }

    fn put_out(&mut self, settled: Settled, out: &mut dyn Outlet) -> Result<(), GraphError> {
        for (hit, disposition) in &settled.hits {
            out.hit(&self.rules[hit.rule].plan.name, hit, *disposition)?;
        }
        for alert in &settled.alerts {
            out.alert(alert)?;
            self.ledger.tell(alert.phase);
        }
        Ok(())
    }

    /// Bounded input has ended: closes everything. Windows beyond `last_watermark` are partial.
    pub fn finish(&mut self, last_watermark: i64, out: &mut dyn Outlet) -> Result<(), GraphError> {
        self.end_flows();
        self.advance(i64::MAX, Some(last_watermark.max(self.watermark)), out)?;
        self.count_errors(out);
        Ok(())
    }

    /// What went through so far was not of this run.
    pub fn forget_counts(&mut self) {
        let (waiting, incidents) = self.alerts.open();
        self.ledger = Ledger::carried(waiting, incidents);
        self.costs = Costs::new(self.costs.features.len(), self.costs.rules.len());
    }

    /// Bounded input has ended: no flow will come any more.
    pub fn end_flows(&mut self) {
        self.fill_until(self.span.map_or(BEFORE_ALL, |(_, last)| last));
    }

    /// Windows that end behind the last flow have no rows, and none is filled in.
    pub fn fill_until(&mut self, last: i64) {
        self.features.iter_mut().flatten().filter_map(Stage::windows_mut).for_each(|stage| stage.fill_until(last));
    }

    /// The run ends here: closes nothing but incidents of the days before `end`, of which all rows have come.
    pub fn stop(&mut self, end: i64, out: &mut dyn Outlet) -> Result<(), GraphError> {
        let settled = self.alerts.stop(end, &mut self.ledger);
        self.put_out(settled, out)?;
        self.count_errors(out);
        Ok(())
    }

    /// A span of time ends here: closes its windows. What reaches beyond it stays open.
    pub fn end_at(&mut self, end: i64, last_watermark: i64, out: &mut dyn Outlet) -> Result<(), GraphError> {
        self.advance(end, Some(last_watermark), out)
    }

    /// What late rows of a history have to be told apart by.
    pub fn admission(&self) -> Admission {
        Admission::new(self.over_flows().map(FeatureStage::hop).collect(), self.flows_have_rules())
    }

    fn count_errors(&mut self, out: &mut dyn Outlet) {
        self.ledger.saturated = self.features.iter().flatten().map(Stage::saturated).sum();
        let evicted = self.features.iter().zip(&self.caps.evicted).filter(|(_, keys)| **keys > 0);
        let evicted = evicted.filter_map(|(stage, keys)| Some((stage.as_ref()?.name().to_owned(), *keys)));
        self.ledger.evicted_keys = evicted.collect();
        let uncomputed = self.uncomputed();
        self.ledger.row_errors = uncomputed.iter().map(|(_, count, _)| count).sum();
        out.uncomputed(&uncomputed);
    }

    /// What live features and rules have cost.
    pub fn costs_by_name(&self) -> BTreeMap<String, Cost> {
        let features = self.features.iter().zip(&self.costs.features);
        let features = features.filter_map(|(stage, cost)| Some((stage.as_ref()?.name().to_owned(), *cost)));
        let rules = self.rules.iter().zip(&self.costs.rules);
        features.chain(rules.map(|(rule, cost)| (rule.plan.name.clone(), *cost))).collect()
    }

    /// Rows that could not be computed, by feature or rule.
    pub fn uncomputed(&self) -> Vec<Uncomputed> {
        let features = self.features.iter().flatten().map(|stage| (stage.name(), stage.errors()));
        let rules = self.rules.iter().map(|rule| (rule.plan.name.as_str(), &rule.errors));
        let named = features.chain(rules);
        named.filter_map(|(name, errors)| Some((name.to_owned(), errors.count, errors.first.clone()?))).collect()
    }
}

/// Remembers the nearest row when somebody asked for it.
fn watch(
    nearest: &mut Option<Vec<Option<Nearest>>>,
    focus: &Focus,
    index: usize,
    (rule, branch): (&RuleStage, usize),
    rows: &RecordBatch,
    closed: Closed<'_>,
) -> Result<(), ArrowError> {
    let Some(best) = nearest.as_mut().and_then(|nearest| nearest.get_mut(index)) else { return Ok(()) };
    Nearest::keep(best, rule.nearest(branch, &focus.rows(rows)?, closed)?);
    Ok(())
}
