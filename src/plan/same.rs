//! What of the definitions before means the same in these, so that a run that goes on under these keeps its state.
//!
//! What a feature or a rule holds depends on its own definition and on everything that it reads: columns, windows, lookups with
//! their rows, other features, the rules behind `hits(…)`. Only where all of that is equal is the state of the one the state
//! of the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::language::tree::{Aggregate, Expr, ExprKind};

use super::fingerprint::{feature_meaning, rule_meaning, source_meaning};
use super::{FeaturePlan, JoinPlan, JoinTarget, LookupPlan, Node, Plan, RulePlan, SourcePlan, Upstream};

/// By index, what of the plan before is the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Same {
    /// By feature: the one whose state it may take. Features that are not computed have none.
    pub features: Vec<Option<usize>>,
    /// By rule.
    pub rules: Vec<Option<usize>>,
    /// Features that are computed, and whose state has to come from the log.
    pub missing: Vec<usize>,
}

impl Plan {
    /// What of `before` is the same in this plan.
    pub fn same_as(&self, before: &Self) -> Same {
        let lookups = Lookups::new(self, before);
        let (sides, were) = (Side::new(self), Side::new(before));
        let mut same = Same { features: vec![None; self.features.len()], ..Same::default() };
        same.rules = vec![None; self.rules.len()];
        for node in self.order() {
            match node {
                Node::Feature(index) => {
                    let feature = &self.features[index];
                    let found = before.feature(&feature.name).filter(|was| self.live[index] && before.live[*was]);
                    let found = found.filter(|was| {
                        let read = lookups_of_feature(feature);
                        lookups.are_same(self, &read)
                            && sides.feature(index) == were.feature(*was)
                            && sides.back[index] <= were.back[*was]
                            && self.reads_same(feature, &same)
                    });
                    same.features[index] = found;
                }
                Node::Rule(index) => {
                    let rule = &self.rules[index];
                    let found = before.rules.iter().position(|was| was.name == rule.name).filter(|was| {
                        lookups.are_same(self, &lookups_of_rule(rule))
                            && sides.rule(index) == were.rule(*was)
                            && rule.branches.iter().all(|branch| {
                                self.is_same(branch.upstream, &same) && joined_same(&branch.select.joins, &same)
                            })
                    });
                    same.rules[index] = found;
                }
            }
        }
        let live = (0..self.features.len()).filter(|index| self.live[*index]);
        same.missing = live.filter(|index| same.features[*index].is_none()).collect();
        same
    }

    /// The name of a source that is another than it was, or that is new or gone.
    pub fn other_source<'p>(&'p self, before: &'p Self) -> Option<&'p str> {
        let read = self.sources.iter().flat_map(lookups_of_source).collect();
        let lookups = Lookups::among(self, before, &read);
        let same = |(own, was): (&SourcePlan, &SourcePlan)| {
            source_meaning(self, own) == source_meaning(before, was) && lookups.are_same(self, &lookups_of_source(own))
        };
        let own = self.sources.iter().map(|source| source.name.as_str());
        let were = before.sources.iter().map(|source| source.name.as_str());
        if !own.clone().eq(were.clone()) {
            let (own, were): (BTreeSet<&str>, BTreeSet<&str>) = (own.collect(), were.collect());
            return own.symmetric_difference(&were).next().copied();
        }
        let pairs = self.sources.iter().zip(&before.sources);
        pairs.into_iter().find(|pair| !same(*pair)).map(|(own, _)| own.name.as_str())
    }

    fn reads_same(&self, feature: &FeaturePlan, same: &Same) -> bool {
        self.is_same(feature.upstream, same) && joined_same(&feature.joins, same)
    }

    fn is_same(&self, upstream: Upstream, same: &Same) -> bool {
        match upstream {
            Upstream::Flows => true,
            Upstream::Feature(index) => same.features[index].is_some(),
            Upstream::Hits(hits) => self.rules_behind(hits).all(|(rule, _)| same.rules[rule].is_some()),
        }
    }

    /// By feature: how long before the end of a row's window the windows ended that something joins.
    pub fn joined_back(&self) -> Vec<Option<i64>> {
        let mut backs: Vec<Option<i64>> = vec![None; self.features.len()];
        let mut keep = |joins: &[JoinPlan], upstream: Upstream| {
            let Upstream::Feature(read) = upstream else { return };
            for join in joins {
                let JoinTarget::Feature { index, at, .. } = join.target else { continue };
                let Some(back) = at.look_back(self.features[read].window.size) else { continue };
                backs[index] = backs[index].max(Some(back.0));
            }
        };
        let live = self.features.iter().zip(&self.live).filter(|(_, live)| **live);
        live.for_each(|(feature, _)| keep(&feature.joins, feature.upstream));
        let branches = self.rules.iter().flat_map(|rule| &rule.branches);
        branches.for_each(|branch| keep(&branch.select.joins, branch.upstream));
        backs
    }

    /// The names of the features that are computed.
    pub fn computed(&self) -> Vec<&str> {
        let live = self.features.iter().zip(&self.live).filter(|(_, live)| **live);
        live.map(|(feature, _)| feature.name.as_str()).collect()
    }

    /// By feature: how many flows are kept of each key of a window.
    pub fn kept_rows(&self) -> Vec<usize> {
        let behind = self.behind_rules().into_iter();
        behind.map(|behind| if behind { self.evidence_rows } else { 0 }).collect()
    }
}

fn joined_same(joins: &[JoinPlan], same: &Same) -> bool {
    joins.iter().all(|join| match join.target {
        JoinTarget::Feature { index, .. } => same.features[index].is_some(),
        JoinTarget::Lookup { .. } => true,
    })
}

/// What is compared of a plan.
struct Side<'a> {
    plan: &'a Plan,
    back: Vec<Option<i64>>,
    kept: Vec<usize>,
}

impl<'a> Side<'a> {
    fn new(plan: &'a Plan) -> Self {
        Self { plan, back: plan.joined_back(), kept: plan.kept_rows() }
    }

    /// What a feature means, and the form of what it holds.
    fn feature(&self, index: usize) -> String {
        let feature = &self.plan.features[index];
        let functions: Vec<_> = feature.aggregates.iter().map(|of| (of.function, of.ty, of.nullable)).collect();
        let in_memory = feature.trailing.as_ref().map(|_| self.plan.look_back_rows);
        let frames: Vec<_> = feature.frames().iter().map(|frame| (&frame.key, frame.aggregates.clone())).collect();
        format!(
            "{}{:?}",
            feature_meaning(self.plan, feature),
            (
                (&feature.scope, &feature.columns, &feature.key, feature.window, feature.fill),
                (functions, frames, feature.carried(), &feature.previous),
                (self.kept[index], in_memory),
            )
        )
    }

    /// What a rule means, and the form of its hits.
    fn rule(&self, index: usize) -> String {
        let rule = &self.plan.rules[index];
        let weight = rule.score.as_ref().map(|score| score.weight.to_bits());
        let form = (&rule.columns, &rule.key, &rule.alert_key, rule.window, rule.event_time);
        format!("{}{:?}", rule_meaning(self.plan, rule), (form, rule.status, rule.severity, rule.feeds, weight))
    }
}

/// Which lookups have the same rows, by name.
struct Lookups(BTreeMap<String, bool>);

impl Lookups {
    fn new(own: &Plan, before: &Plan) -> Self {
        Self::among(own, before, &(0..own.lookups.len()).collect())
    }

    /// Of these alone: to compare many rows takes a while.
    fn among(own: &Plan, before: &Plan, read: &BTreeSet<usize>) -> Self {
        let same = |lookup: &Arc<LookupPlan>| {
            before.lookups.iter().find(|was| was.name == lookup.name).is_some_and(|was| is_same(lookup, was))
        };
        let own = read.iter().filter_map(|index| own.lookups.get(*index));
        Self(own.map(|lookup| (lookup.name.clone(), same(lookup))).collect())
    }

    fn are_same(&self, own: &Plan, read: &BTreeSet<usize>) -> bool {
        let names = read.iter().map(|lookup| own.lookups.get(*lookup).map(|lookup| &lookup.name));
        names.into_iter().all(|name| name.and_then(|name| self.0.get(name)) == Some(&true))
    }
}

fn is_same(one: &LookupPlan, other: &LookupPlan) -> bool {
    let table = |of: &LookupPlan| {
        of.table.as_ref().map(|table| (table.path.clone(), table.digest().to_owned(), format!("{:?}", table.columns)))
    };
    format!("{:?}", one.fields) == format!("{:?}", other.fields)
        && one.valid == other.valid
        && one.rows == other.rows
        && table(one) == table(other)
}

fn lookups_of<'a>(exprs: impl Iterator<Item = &'a Expr>, joins: &[JoinPlan]) -> BTreeSet<usize> {
    let mut read = BTreeSet::new();
    for expr in exprs {
        expr.walk(&mut |part| {
            if let ExprKind::InLookup { set, .. } = &part.kind {
                read.extend(set.iter().map(|part| part.lookup));
            }
        });
    }
    read.extend(joins.iter().filter_map(|join| match join.target {
        JoinTarget::Lookup { index, .. } => Some(index),
        JoinTarget::Feature { .. } => None,
    }));
    read
}

fn lookups_of_feature(feature: &FeaturePlan) -> BTreeSet<usize> {
    let items = feature.row.iter().chain(&feature.outputs).chain(&feature.derive).map(|item| &item.expr);
    let inputs = feature.aggregates.iter().flat_map(Aggregate::inputs);
    let emit = feature.trailing.iter().filter_map(|trailing| trailing.emit.as_ref());
    lookups_of(items.chain(inputs).chain(emit).chain(&feature.filter), &feature.joins)
}

fn lookups_of_rule(rule: &RulePlan) -> BTreeSet<usize> {
    let score = rule.score.iter().map(|score| &score.value);
    let own = score.chain(rule.exceptions.iter().map(|exception| &exception.when));
    let mut read = lookups_of(own, &[]);
    for branch in &rule.branches {
        read.extend(lookups_of(branch.select.expressions(), &branch.select.joins));
    }
    read
}

fn lookups_of_source(source: &SourcePlan) -> BTreeSet<usize> {
    let flows = source.flows.iter().flatten();
    lookups_of(flows.chain(&source.filter).chain([&source.event_time]), &[])
}
