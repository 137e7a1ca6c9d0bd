//! What rows depend on, and how far back.

use std::collections::BTreeSet;

use crate::record::Micros;

use super::{FeaturePlan, JoinPlan, JoinTarget, Plan, RulePlan, Upstream};

/// What the rows of a relation depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depends {
    /// The features, itself among them.
    pub features: BTreeSet<usize>,
    /// How long before the end of a row's window the rows lie.
    pub reach: Micros,
}

impl Plan {
    /// By feature, and by rule.
    pub fn depends(&self) -> (Vec<Depends>, Vec<Depends>) {
        let reaches = self.reaches(&FeaturePlan::look_back, true);
        let mut features: Vec<Depends> = Vec::with_capacity(self.features.len());
        for (index, feature) in self.features.iter().enumerate() {
            let mut behind = BTreeSet::from([index]);
            match feature.upstream {
                Upstream::Flows => {}
                Upstream::Feature(read) => behind.extend(&features[read].features),
                Upstream::Hits(hits) => {
                    let read = self.rules_behind(hits);
                    read.for_each(|(_, rule)| behind.extend(of_rule(rule, &features)));
                }
            }
            behind.extend(joined(&feature.joins, &features));
            features.push(Depends { features: behind, reach: Micros(reaches[index]) });
        }
        let rule =
            |rule: &RulePlan| Depends { features: of_rule(rule, &features), reach: self.reach_of(rule, &reaches) };
        let rules = self.rules.iter().map(|of| rule(of)).collect();
        (features, rules)
    }
}

fn of_rule(rule: &RulePlan, features: &[Depends]) -> BTreeSet<usize> {
    let mut behind = BTreeSet::new();
    for branch in &rule.branches {
        if let Upstream::Feature(read) = branch.upstream {
            behind.extend(&features[read].features);
        }
        behind.extend(joined(&branch.select.joins, features));
    }
    behind
}

fn joined(joins: &[JoinPlan], features: &[Depends]) -> BTreeSet<usize> {
    let indices = joins.iter().filter_map(|join| match join.target {
        JoinTarget::Feature { index, .. } => Some(&features[index].features),
        JoinTarget::Lookup { .. } => None,
    });
    indices.flatten().copied().collect()
}
