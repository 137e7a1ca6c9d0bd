//! Which columns of `flows` a rule depends on, through its features, and which of them say nothing in an input.

use std::collections::BTreeSet;

use crate::language::tree::{Aggregate, Expr, ExprKind};
use crate::plan::wanted::columns_of;
use crate::plan::{FeaturePlan, JoinPlan, JoinTarget, Plan, RulePlan, Upstream};
use crate::record::{Value, flow};

use super::profile_column::ColumnProfile;

/// Columns whose value the engine or the source's name gives: constant by nature.
const CONSTANT_BY_NATURE: [&str; 3] = ["row_id", "event_time", "source"];

/// A column of `flows` that has one value in all rows, though rules decide by it.
#[derive(Debug, Clone, PartialEq)]
pub struct Silent {
    pub column: String,
    pub value: Value,
    /// Rules whose conditions read it.
    pub rules: Vec<String>,
}

impl Silent {
    /// NULL, 0, the empty text, `unknown`: a column that is not filled, not one that happens to be constant.
    pub fn is_unfilled(&self) -> bool {
        match &self.value {
            Value::Null(_) | Value::Int64(0) => true,
            Value::Float64(value) => *value == 0.0,
            Value::String(text) => text.is_empty() || (self.column == "outcome" && text == flow::OUTCOME_UNKNOWN),
            _ => false,
        }
    }
}

/// The silent columns among those that rules decide by.
pub fn silent(plan: &Plan, flows: &[ColumnProfile]) -> Vec<Silent> {
    let reads: Vec<(&str, BTreeSet<usize>)> =
        plan.rules.iter().map(|rule| (rule.name.as_str(), rule_reads(plan, rule))).collect();
    let mut found = Vec::new();
    for (index, column) in flows.iter().enumerate() {
        if CONSTANT_BY_NATURE.contains(&column.name.as_str()) {
            continue;
        }
        let Some(value) = column.constant() else { continue };
        let rules: Vec<String> =
            reads.iter().filter(|(_, reads)| reads.contains(&index)).map(|(name, _)| (*name).to_owned()).collect();
        // A sampling of 1 says that nothing is sampled.
        let unsampled = column.name == "sampling" && value == Value::Int64(1);
        if !rules.is_empty() && !unsampled {
            found.push(Silent { column: column.name.clone(), value, rules });
        }
    }
    found.sort_by_key(|silent| !silent.is_unfilled());
    found
}

/// The columns of `flows` that decide whether the rule fires: through its condition, and through the keys and
/// filters of the features that it reads.
fn rule_reads(plan: &Plan, rule: &RulePlan) -> BTreeSet<usize> {
    let mut reads = Reads { plan, flows: BTreeSet::new(), seen: BTreeSet::new() };
    for branch in &rule.branches {
        let scope = Scope { upstream: branch.upstream, joins: &branch.select.joins, feature: None };
        reads.relation(branch.upstream);
        for join in &branch.select.joins {
            reads.join(&scope, join);
        }
        branch.select.filter.iter().chain(&branch.select.qualify).for_each(|condition| reads.expr(&scope, condition));
    }
    reads.flows
}

/// What names in an expression stand for.
#[derive(Clone, Copy)]
struct Scope<'a> {
    upstream: Upstream,
    joins: &'a [JoinPlan],
    /// The feature whose `row` columns follow the joins.
    feature: Option<&'a FeaturePlan>,
}

struct Reads<'a> {
    plan: &'a Plan,
    flows: BTreeSet<usize>,
    /// Columns of features that were followed, by feature; `None` is the feature itself.
    seen: BTreeSet<(usize, Option<usize>)>,
}

impl<'a> Reads<'a> {
    /// Keys and filters decide which rows a feature has.
    fn relation(&mut self, upstream: Upstream) {
        if let Upstream::Hits(hits) = upstream {
            for (_, rule) in self.plan.rules_behind(hits) {
                self.flows.extend(rule_reads(self.plan, rule));
            }
        }
        let Upstream::Feature(index) = upstream else { return };
        if !self.seen.insert((index, None)) {
            return;
        }
        let feature = &self.plan.features[index];
        let scope = feature_scope(feature);
        self.relation(feature.upstream);
        for join in &feature.joins {
            self.join(&scope, join);
        }
        feature.filter.iter().for_each(|filter| self.expr(&scope, filter));
        feature.key.iter().for_each(|key| self.column(&scope, *key));
        feature.frames().iter().flat_map(|frame| &frame.key).for_each(|key| self.column(&scope, *key));
        let mut read = Vec::new();
        let emit = feature.trailing.iter().flat_map(|trailing| &trailing.emit);
        emit.for_each(|emit| columns_of(emit, &mut |column| read.push(column)));
        read.into_iter().for_each(|column| self.feature_column(index, column));
    }

    fn join(&mut self, scope: &Scope<'a>, join: &'a JoinPlan) {
        let (JoinTarget::Feature { on, .. } | JoinTarget::Lookup { on, .. }) = &join.target;
        on.iter().for_each(|(here, _)| self.column(scope, *here));
        if let JoinTarget::Feature { index, .. } = &join.target {
            self.relation(Upstream::Feature(*index));
        }
    }

    fn expr(&mut self, scope: &Scope<'a>, expr: &Expr) {
        let mut columns = Vec::new();
        columns_of(expr, &mut |column| columns.push(column));
        columns.into_iter().for_each(|column| self.column(scope, column));
    }

    /// A column of a scope: the upstream's, then those of each join, those of the row before, then a feature's own `row` columns.
    fn column(&mut self, scope: &Scope<'a>, column: usize) {
        let Some(mut rest) = column.checked_sub(self.plan.columns(scope.upstream).len()) else {
            match scope.upstream {
                Upstream::Flows => {
                    self.flows.insert(column);
                }
                Upstream::Feature(index) => self.feature_column(index, column),
                Upstream::Hits(_) => self.relation(scope.upstream),
            }
            return;
        };
        for join in scope.joins {
            if let Some(joined) = join.columns.get(rest) {
                if let JoinTarget::Feature { index, .. } = &join.target {
                    let there = &self.plan.features[*index];
                    if let Some(place) = there.columns.iter().position(|c| c.name == joined.name) {
                        self.feature_column(*index, place);
                    }
                }
                return;
            }
            rest -= join.columns.len();
        }
        if let Some(previous) = scope.feature.and_then(|feature| feature.previous.as_ref()) {
            if let Some(own) = previous.of.get(rest) {
                return self.column(scope, *own);
            }
            rest -= previous.of.len();
        }
        if let Some(item) = scope.feature.and_then(|feature| feature.row.get(rest)) {
            self.expr(scope, &item.expr);
        }
    }

    /// Key, window columns, outputs, derived.
    fn feature_column(&mut self, index: usize, column: usize) {
        if !self.seen.insert((index, Some(column))) {
            return;
        }
        self.relation(Upstream::Feature(index));
        let feature = &self.plan.features[index];
        let scope = feature_scope(feature);
        let outputs = feature.outputs_at();
        let carried = outputs - feature.carried().len();
        if let Some(key) = feature.key.get(column) {
            self.column(&scope, *key);
        } else if let Some(own) = column.checked_sub(carried).and_then(|place| feature.carried().get(place)) {
            self.column(&scope, *own);
        } else if let Some(output) = column.checked_sub(outputs) {
            if let Some(item) = feature.outputs.get(output) {
                for aggregate in aggregates_of(&item.expr) {
                    let inputs = feature.aggregates.get(aggregate).into_iter().flat_map(Aggregate::inputs);
                    inputs.for_each(|input| self.expr(&scope, input));
                }
            } else if let Some(item) = feature.derive.get(output - feature.outputs.len()) {
                let mut columns = Vec::new();
                columns_of(&item.expr, &mut |column| columns.push(column));
                columns.into_iter().for_each(|column| self.feature_column(index, column));
            }
        }
    }
}

fn feature_scope(feature: &FeaturePlan) -> Scope<'_> {
    Scope { upstream: feature.upstream, joins: &feature.joins, feature: Some(feature) }
}

/// In a feature's outputs, columns are the results of its aggregates.
fn aggregates_of(expr: &Expr) -> Vec<usize> {
    let mut found = Vec::new();
    columns_of(expr, &mut |index| found.push(index));
    if let ExprKind::Aggregate(index) = expr.kind {
        found.push(index);
    }
    found
}
