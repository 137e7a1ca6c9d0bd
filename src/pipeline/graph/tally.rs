//! What a graph has done so far, and what waits in it: the counts of a run that goes on, as if it ended now.

use crate::pipeline::cost::Cost;
use crate::pipeline::ledger::{Imbalance, Ledger};

use super::{Graph, Stage};

#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// As a run's report has it.
    pub ledger: Ledger,
    /// Hits that are counted, and of which nobody knows yet what becomes of them.
    pub waiting_hits: u64,
    /// A sum that does not agree.
    pub imbalance: Option<Imbalance>,
    pub features: Vec<FeatureTally>,
    pub rules: Vec<RuleTally>,
}

#[derive(Debug, Clone, Default)]
pub struct FeatureTally {
    pub name: String,
    /// Keys that it holds; those that features of one key share count in each.
    pub keys: u64,
    pub evicted_keys: u64,
    pub row_errors: u64,
    pub cost: Cost,
}

#[derive(Debug, Clone, Default)]
pub struct RuleTally {
    pub name: String,
    pub row_errors: u64,
    pub cost: Cost,
}

impl Graph {
    /// `unread`: rows that were offered and have not come here.
    pub fn tally(&self, unread: u64) -> Tally {
        let features = self.features.iter().enumerate();
        let features = features.filter_map(|(index, stage)| {
            let stage = stage.as_ref()?;
            Some(FeatureTally {
                name: stage.name().to_owned(),
                keys: stage.keys() as u64,
                evicted_keys: self.caps.evicted[index],
                row_errors: stage.errors().count,
                cost: self.costs.features[index],
            })
        });
        let features: Vec<FeatureTally> = features.collect();
        let rules = self.rules.iter().zip(&self.costs.rules).map(|(rule, cost)| RuleTally {
            name: rule.plan.name.clone(),
            row_errors: rule.errors.count,
            cost: *cost,
        });
        let rules: Vec<RuleTally> = rules.collect();
        let (waiting, incidents) = self.alerts.open();
        let evicted = features.iter().filter(|feature| feature.evicted_keys > 0);
        let errors = features.iter().map(|feature| feature.row_errors).chain(rules.iter().map(|rule| rule.row_errors));
        let ledger = Ledger {
            unread,
            open_incidents: self.ledger.open_incidents + incidents as u64,
            row_errors: errors.sum(),
            saturated: self.features.iter().flatten().map(Stage::saturated).sum(),
            evicted_keys: evicted.map(|feature| (feature.name.clone(), feature.evicted_keys)).collect(),
            ..self.ledger.clone()
        };
        let imbalance = ledger.verify_with(waiting as u64).err();
        Tally { ledger, waiting_hits: waiting as u64, imbalance, features, rules }
    }
}
