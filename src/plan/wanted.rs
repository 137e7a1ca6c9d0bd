//! Which columns something reads, and which may refuse a record: what becomes of a record must not depend on who reads it.

use crate::language::tree::{Expr, ExprKind};
use crate::record::{Type, flow};

use super::{JoinPlan, JoinTarget, Plan, SourcePlan, Upstream};

/// Calls `see` with each column that an expression reads.
pub(crate) fn columns_of(expr: &Expr, see: &mut dyn FnMut(usize)) {
    expr.walk(&mut |part| {
        if let ExprKind::Column(index) = part.kind {
            see(index);
        }
    });
}

/// Marks the features, and the columns of `flows` and of each source, that rules and `shown` relations read.
pub(super) fn mark(plan: &mut Plan, shown: &[&str]) {
    plan.live = live_features(plan, shown);
    let mut flows = vec![false; flow::columns().len()];
    flows[flow::EVENT_TIME] = true;
    // Evidence shows whole flows, and so does what came late.
    if shown.contains(&flow::FLOWS) || shown.contains(&flow::LATE) || (plan.evidence_rows > 0 && !plan.rules.is_empty())
    {
        flows.fill(true);
    }
    let count = flows.len();
    let mut see = |index: usize| {
        if index < count {
            flows[index] = true;
        }
    };
    let live = plan.features.iter().zip(&plan.live).filter(|(_, live)| **live).map(|(f, _)| f);
    for feature in live.filter(|f| f.upstream == Upstream::Flows) {
        // What is asked of a row alone is in its condition too.
        let read = feature.reads(flow::EVENT_TIME, false).joining;
        (0..).zip(read).filter(|(_, read)| *read).for_each(|(index, _)| see(index));
    }
    let branches = plan.rules.iter().flat_map(|rule| &rule.branches);
    for branch in branches.filter(|branch| branch.upstream == Upstream::Flows) {
        branch.select.expressions().for_each(|expr| columns_of(expr, &mut see));
        branch.select.joins.iter().for_each(|join| joined(&join.target, &mut see));
    }
    // A column that cannot be computed refuses its record.
    for (wanted, index) in flows.iter_mut().zip(0..) {
        let given = |source: &SourcePlan| source.flows.get(index).and_then(Option::as_ref).is_some_and(Expr::can_fail);
        *wanted |= plan.sources.iter().any(given);
    }
    want_flows(plan, &flows);
}

impl Plan {
    /// Features whose rows become hits, by way of other features or directly: an alert shows the flows behind them. What is
    /// joined is not among them.
    pub fn behind_rules(&self) -> Vec<bool> {
        let mut behind = vec![false; self.features.len()];
        let mut next: Vec<Upstream> = self.rules.iter().flat_map(|rule| rule.upstreams()).collect();
        while let Some(upstream) = next.pop() {
            if let Upstream::Feature(index) = upstream
                && !std::mem::replace(&mut behind[index], true)
            {
                next.push(self.features[index].upstream);
            }
        }
        behind
    }
}

/// Features that a rule or a shown relation reads, transitively.
fn live_features(plan: &Plan, shown: &[&str]) -> Vec<bool> {
    let mut live: Vec<bool> = plan.features.iter().map(|f| shown.contains(&f.name.as_str())).collect();
    for branch in plan.rules.iter().flat_map(|rule| &rule.branches) {
        reads(branch.upstream, &branch.select.joins).for_each(|index| live[index] = true);
    }
    // Features read only features before them.
    for index in (0..plan.features.len()).rev() {
        if live[index] {
            let feature = &plan.features[index];
            reads(feature.upstream, &feature.joins).for_each(|read| live[read] = true);
        }
    }
    live
}

fn reads(upstream: Upstream, joins: &[JoinPlan]) -> impl Iterator<Item = usize> {
    let own = match upstream {
        Upstream::Feature(index) => Some(index),
        // What rules read is live because of the rules.
        Upstream::Flows | Upstream::Hits(_) => None,
    };
    let joined = joins.iter().filter_map(|join| match join.target {
        JoinTarget::Feature { index, .. } => Some(index),
        JoinTarget::Lookup { .. } => None,
    });
    own.into_iter().chain(joined)
}

fn joined(target: &JoinTarget, see: &mut dyn FnMut(usize)) {
    let (JoinTarget::Feature { on, .. } | JoinTarget::Lookup { on, .. }) = target;
    on.iter().for_each(|(here, _)| see(*here));
}

/// Marks the raw columns that these columns of `flows` need. `row_id` is a hash over all of them.
fn want_flows(plan: &mut Plan, flows: &[bool]) {
    for source in &mut plan.sources {
        // What is a duplicate, and what a conflict, is told by the whole record; and a value that is not of its type
        // refuses it (whether it is a text can be seen without decoding it).
        let whole = flows[flow::ROW_ID] || !source.dedupe.is_empty();
        let mut raw: Vec<bool> = source.raw.fields.iter().map(|field| whole || field.ty != Type::String).collect();
        let mut see = |index: usize| raw[index] = true;
        columns_of(&source.event_time, &mut see);
        source.filter.iter().for_each(|filter| columns_of(filter, &mut see));
        for (wanted, expr) in flows.iter().zip(&source.flows) {
            if let (true, Some(expr)) = (wanted, expr) {
                columns_of(expr, &mut see);
            }
        }
        for (field, wanted) in source.raw.fields.iter_mut().zip(raw) {
            field.wanted = wanted || field.required;
        }
    }
    plan.flows_wanted = flows.to_vec();
}

impl Plan {
    /// Fits the plan to a run that also shows these relations.
    pub fn show(&mut self, relations: &[&str]) {
        mark(self, relations);
    }
}
