//! Keys that features share: each row's key is looked up once for all features of the same key, and has the same number in
//! all of them. The numbers go along with the rows of features to those that read them.
//!
//! Numbers stay what they are between two clean-ups, which come behind a close or an eviction: there nobody has any in hand.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::error::ArrowError;

use super::Stage;
use crate::pipeline::saved::{Loader, Saved, SavedError, Saver};
use crate::pipeline::window::feature::Shared;
use crate::pipeline::window::key::{KeySpace, Keys};
use crate::plan::{KeySpacePlan, Plan, Upstream};
use crate::record::flow;

pub(super) struct Spaces {
    spaces: Vec<Space>,
    /// By feature.
    of: Vec<Option<usize>>,
}

struct Space {
    plan: KeySpacePlan,
    keys: KeySpace,
    /// Of the flows in hand, where it has been asked for.
    numbers: Option<Arc<[u32]>>,
}

impl Spaces {
    pub fn of(plan: &Plan) -> Result<Self, ArrowError> {
        let flows = flow::columns();
        let mut of = vec![None; plan.features.len()];
        let mut spaces = Vec::new();
        for (index, space) in plan.key_spaces().into_iter().enumerate() {
            space.features.iter().for_each(|feature| of[*feature] = Some(index));
            let types = space.columns.iter().map(|column| flows[*column].ty.arrow()).collect();
            spaces.push(Space { plan: space, keys: KeySpace::shared(Keys::new(types)?), numbers: None });
        }
        Ok(Self { spaces, of })
    }

    /// The keys that a feature shares.
    pub fn shared(&self, feature: usize, upstream: Upstream) -> Option<Shared<'_>> {
        let space = &self.spaces[self.of[feature]?];
        Some(Shared { space: &space.keys, numbered: space.plan.of_all_rows || upstream != Upstream::Flows })
    }

    /// Other flows are in hand.
    pub fn begin(&mut self) {
        self.spaces.iter_mut().for_each(|space| space.numbers = None);
    }

    /// The numbers of the keys of flows, for a feature over them.
    pub fn of_flows(&mut self, feature: usize, flows: &RecordBatch) -> Result<Option<Arc<[u32]>>, ArrowError> {
        let Some(space) = self.of[feature].map(|space| &mut self.spaces[space]) else { return Ok(None) };
        if !space.plan.of_all_rows {
            return Ok(None);
        }
        if space.numbers.is_none() {
            let keys: Vec<ArrayRef> =
                space.plan.columns.iter().map(|column| Arc::clone(flows.column(*column))).collect();
            let mut numbers = Vec::new();
            space.keys.lock().intern(&keys, flows.num_rows(), &mut numbers)?;
            space.numbers = Some(numbers.into());
        }
        Ok(space.numbers.clone())
    }

    /// Of the rows of a feature, for one that reads them: none unless they share keys.
    pub fn along<'n>(&self, from: usize, to: usize, numbers: &'n [u32]) -> Option<&'n [u32]> {
        (self.of[to].is_some() && self.of[from] == self.of[to]).then_some(numbers)
    }

    /// The numbers of a feature's rows that somebody has changed.
    pub fn again(&self, feature: usize, rows: &RecordBatch) -> Result<Vec<u32>, ArrowError> {
        let mut numbers = Vec::new();
        if let Some(space) = self.of[feature].map(|space| &self.spaces[space]) {
            let keys = &rows.columns()[..space.plan.columns.len()];
            space.keys.lock().intern(keys, rows.num_rows(), &mut numbers)?;
        }
        Ok(numbers)
    }

    /// Drops keys that no feature needs any more, where they have become many; nobody has their numbers in hand.
    pub fn compact(&mut self, features: &mut [Option<Stage>]) {
        for space in &self.spaces {
            let mut keys = space.keys.lock();
            if !keys.is_crowded() {
                continue;
            }
            let mut live = vec![false; keys.count()];
            let of = &space.plan.features;
            of.iter().filter_map(|index| features[*index].as_ref()?.windows()).for_each(|stage| stage.mark(&mut live));
            let renamed = keys.compact(&live);
            for index in of {
                let windows = features[*index].as_mut().and_then(Stage::windows_mut);
                windows.into_iter().for_each(|stage| stage.rename(&live, &renamed));
            }
        }
    }
}

impl Saved for Spaces {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        self.spaces.iter().try_for_each(|space| space.keys.lock().save(out))
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        self.spaces.iter_mut().try_for_each(|space| {
            space.numbers = None;
            space.keys.lock().load(from)
        })
    }
}
