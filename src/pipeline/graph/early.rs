//! Rules that fire before a window is over: after the rows of each step, on the rows of open windows that they came to.

use super::{Graph, GraphError, Settled};
use crate::language::Expr;
use crate::pipeline::batch;
use crate::pipeline::cost::Spending;
use crate::pipeline::detect::Behind;
use crate::pipeline::halve::RowErrors;
use crate::pipeline::outlet::Outlet;
use crate::pipeline::past::Closed;
use crate::pipeline::select::SelectStage;
use crate::pipeline::window::evidence::EvidenceRows;
use crate::pipeline::window::feature::{BuildError, FeatureRows};
use crate::pipeline::window::operator::Ask;
use crate::plan::{Early, EarlySelect, Plan, SelectPlan, WINDOW_COLUMNS};
use crate::target::datafusion::Lookups;

/// By feature, in order: who reads its open windows.
pub(super) struct EarlyRules(Vec<(usize, Vec<EarlyRule>)>);

struct EarlyRule {
    rule: usize,
    /// The rule's SELECT, with the part of its condition that stays true.
    select: SelectStage,
    /// With the part that does not change.
    fixed: Option<SelectStage>,
}

impl Graph {
    /// From now on incidents are told of before they are over; bounded runs say only what is final.
    pub fn fire_early(&mut self, plan: &Plan, lookups: &Lookups) -> Result<(), BuildError> {
        let mut by_feature: Vec<(Vec<Ask>, Vec<EarlyRule>)> =
            (0..plan.features.len()).map(|_| Default::default()).collect();
        for (rule, early) in plan.early().into_iter().enumerate() {
            let Early::Windows(selects) = early else { continue };
            for EarlySelect { branch, feature, condition, fixed, bounds } in selects {
                let of = &plan.rules[rule].branches[branch].select;
                let (columns, key) = (plan.features[feature].columns.len(), plan.features[feature].key.len());
                let schema = batch::schema(&plan.rules[rule].columns);
                let stage = |filter: Option<Expr>| {
                    let select = SelectPlan { filter, ..of.clone() };
                    SelectStage::new(&select, columns, Some(key + WINDOW_COLUMNS - 1), &schema, lookups)
                };
                let fixed = fixed.map(|fixed| stage(Some(fixed))).transpose()?;
                let (asks, rules) = &mut by_feature[feature];
                asks.push(Ask(bounds));
                rules.push(EarlyRule { rule, select: stage(condition)?, fixed });
            }
        }
        let mut early = Vec::new();
        for (feature, (asks, rules)) in by_feature.into_iter().enumerate().filter(|(_, (asks, _))| !asks.is_empty()) {
            if let Some(stage) = self.features[feature].as_mut().and_then(|stage| stage.windows_mut()) {
                stage.look_ahead(asks);
                early.push((feature, rules));
            }
        }
        self.early = Some(Box::new(EarlyRules(early)));
        self.alerts.tell_early();
        Ok(())
    }

    pub fn fires_early(&self) -> bool {
        self.early.is_some()
    }

    /// Rows have come.
    pub(super) fn fire(&mut self, out: &mut dyn Outlet) -> Result<(), GraphError> {
        let Some(mut early) = self.early.take() else { return Ok(()) };
        let mut settled = Vec::new();
        for (feature, rules) in &mut early.0 {
            self.fire_over(*feature, rules, &mut settled)?;
        }
        self.early = Some(early);
        settled.into_iter().try_for_each(|settled| self.put_out(settled, out))
    }

    fn fire_over(
        &mut self,
        feature: usize,
        rules: &mut [EarlyRule],
        settled: &mut Vec<Settled>,
    ) -> Result<(), GraphError> {
        let stage = self.features[feature].as_mut().and_then(|stage| stage.windows_mut());
        let Some(stage) = stage else { return Ok(()) };
        let work = Spending::begin();
        let candidates = stage.candidates();
        for (end, keys) in candidates {
            let FeatureRows { rows, numbers, evidence } = stage.so_far(end, &keys)?;
            let evidence: Option<&dyn EvidenceRows> = Some(&*evidence);
            for (place, early) in rules.iter_mut().enumerate() {
                // Nothing fails that was proven.
                let mut errors = RowErrors::default();
                if let Some(fixed) = &early.fixed {
                    let (_, may) = fixed.select(&rows, Closed::default(), &mut errors)?;
                    let never = numbers.iter().enumerate().filter(|(place, _)| may.binary_search(place).is_err());
                    stage.met(end, place, never.map(|(_, number)| *number));
                    if may.is_empty() {
                        continue;
                    }
                }
                let (selected, places) = early.select.select(&rows, Closed::default(), &mut errors)?;
                if selected.num_rows() == 0 {
                    continue;
                }
                let misses = self.caps.rule_misses(early.rule, end);
                let rule = &mut self.rules[early.rule];
                let counted = rule.errors.clone();
                let hits = rule.hits(&selected, &places, &Behind { misses, evidence, ..Behind::default() })?;
                // Of a score that cannot be computed it is told when the window is over.
                rule.errors = counted;
                stage.met(end, place, places.iter().filter_map(|place| numbers.get(*place).copied()));
                settled.push(self.alerts.certain(&hits));
            }
        }
        work.on(&mut self.costs.features[feature], 0, 0);
        Ok(())
    }
}
