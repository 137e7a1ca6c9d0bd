//! Too many keys: a feature holds `keys_max` of them; those beyond go, at fixed steps of event time, and what is left of the
//! windows they were in is `partial`.
//!
//! Which keys go depends on the rows before the step and their watermarks, never on batch borders: a batch is cut where
//! the watermark passes a step, and features over other relations are relieved at the instants at which those give rows.

use crate::pipeline::saved::{Loader, Saved, SavedError, Saver};
use crate::plan::{Depends, Plan, Upstream};
use crate::record::MICROS_PER_SECOND;

use super::{Graph, GraphError};

/// Watermarks between two steps are one to it.
const STEP: i64 = 60 * MICROS_PER_SECOND;

pub(super) struct Caps {
    keys_max: usize,
    /// The last step that was passed.
    step: i64,
    /// By feature: all rows that went are older.
    pub until: Vec<i64>,
    /// By feature: how many keys went.
    pub evicted: Vec<u64>,
    features: Vec<Depends>,
    rules: Vec<Depends>,
}

impl Caps {
    pub fn of(plan: &Plan) -> Self {
        let (features, rules) = plan.depends();
        let count = plan.features.len();
        Self {
            keys_max: plan.keys_max,
            step: i64::MIN,
            until: vec![i64::MIN; count],
            evicted: vec![0; count],
            features,
            rules,
        }
    }

    /// Has a row that comes at this watermark passed a step?
    pub fn passes(&self, watermark: i64) -> bool {
        watermark.div_euclid(STEP) > self.step
    }

    pub fn pass(&mut self, watermark: i64) {
        self.step = self.step.max(watermark.div_euclid(STEP));
    }

    /// Did rows go that a feature's row of the window that ends at `end` would depend on?
    pub fn feature_misses(&self, feature: usize, end: i64) -> bool {
        self.misses(&self.features[feature], end)
    }

    pub fn rule_misses(&self, rule: usize, end: i64) -> bool {
        self.misses(&self.rules[rule], end)
    }

    /// What the rows of a rule depend on.
    pub fn of_rule(&self, rule: usize) -> &Depends {
        &self.rules[rule]
    }

    /// Goes on where another graph was.
    pub fn go_on(&mut self, before: &Self) {
        self.step = self.step.max(before.step);
    }

    fn misses(&self, depends: &Depends, end: i64) -> bool {
        let from = end.saturating_sub(depends.reach.0);
        depends.features.iter().any(|feature| self.until[*feature] > from)
    }
}

impl Graph {
    /// May a feature over flows have more keys than it holds, when so many rows have come?
    pub(super) fn is_crowded(&self, rows: usize) -> bool {
        self.over_flows().any(|stage| stage.keys() + rows > self.caps.keys_max)
    }

    /// Features over flows, or the others, let keys go that they have too many of.
    pub(super) fn relieve(&mut self, over_flows: bool) -> Result<(), GraphError> {
        for (index, stage) in self.features.iter_mut().enumerate() {
            let Some(stage) = stage else { continue };
            if (stage.upstream() == Upstream::Flows) != over_flows {
                continue;
            }
            if let Some(evicted) = stage.evict(self.caps.keys_max)? {
                self.caps.evicted[index] += evicted.keys;
                self.caps.until[index] = self.caps.until[index].max(evicted.until);
            }
        }
        self.spaces.compact(&mut self.features);
        Ok(())
    }
}

impl Saved for Caps {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(&(self.step, &self.until, &self.evicted))
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        (self.step, self.until, self.evicted) = from.take()?;
        Ok(())
    }
}
