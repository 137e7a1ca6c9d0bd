//! Every value that the rows of a key's frame have, and how often: for aggregates that need them all. A row then holds its own
//! value alone, and takes it away when it leaves; counts are integers, so that nothing is lost by it.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::super::accumulate::{AggregateKind, States};
use super::super::quantile::{self, Counted};
use crate::language::function::COUNT_DISTINCT_MAX;
use crate::language::tree::AggregateFunction;

/// Of one aggregate, by key number.
#[derive(Serialize, Deserialize)]
pub enum Bag {
    /// By the value's id.
    Distinct(Vec<FxHashMap<u32, u32>>),
    Quantile {
        keys: Vec<Counted>,
        number: u32,
        of: u32,
    },
}

impl Bag {
    /// `None` for an aggregate whose state is small, whatever the rows.
    pub fn of(kind: &AggregateKind) -> Option<Self> {
        match kind.function {
            AggregateFunction::CountDistinct => Some(Self::Distinct(Vec::new())),
            AggregateFunction::Quantile { number, of } => Some(Self::Quantile { keys: Vec::new(), number, of }),
            _ => None,
        }
    }

    pub fn grow(&mut self, keys: usize) {
        match self {
            Self::Distinct(all) => all.resize_with(keys, FxHashMap::default),
            Self::Quantile { keys: all, .. } => all.resize_with(keys, Counted::default),
        }
    }

    /// A row of a key has come; its value is in a slot of `states`.
    pub fn add(&mut self, key: u32, states: &States, slot: u32) {
        match (self, states) {
            (Self::Distinct(all), States::Distinct(rows)) => {
                rows[slot as usize].ids().for_each(|id| *all[key as usize].entry(id).or_default() += 1);
            }
            (Self::Quantile { keys, .. }, States::Counted(rows)) => keys[key as usize].merge(&rows[slot as usize]),
            _ => {}
        }
    }

    /// A row of a key leaves.
    pub fn remove(&mut self, key: u32, states: &States, slot: u32) {
        match (self, states) {
            (Self::Distinct(all), States::Distinct(rows)) => {
                let bag = &mut all[key as usize];
                for id in rows[slot as usize].ids() {
                    match bag.get_mut(&id) {
                        Some(times) if *times > 1 => *times -= 1,
                        _ => drop(bag.remove(&id)),
                    }
                }
                bag.shrink_to(bag.len() * 4);
            }
            (Self::Quantile { keys, .. }, States::Counted(rows)) => keys[key as usize].remove(&rows[slot as usize]),
            _ => {}
        }
    }

    /// All rows of a key have left.
    pub fn forget(&mut self, key: u32) {
        match self {
            Self::Distinct(all) => all[key as usize] = FxHashMap::default(),
            Self::Quantile { keys, .. } => keys[key as usize] = Counted::default(),
        }
    }

    /// The column of results of some keys.
    pub fn finish(&self, kind: &AggregateKind, keys: &[u32], saturated: &mut u64) -> ArrayRef {
        match self {
            Self::Distinct(all) => {
                let count = |key: &u32| i64::try_from(all[*key as usize].len().min(COUNT_DISTINCT_MAX)).ok();
                Arc::new(keys.iter().map(count).collect::<Int64Array>())
            }
            Self::Quantile { keys: all, number, of } => {
                let asked = keys.iter().map(|key| &all[*key as usize]);
                quantile::finish(asked, *number, *of, kind.arg, saturated)
            }
        }
    }

    /// Values have other ids from now on.
    pub fn rename_values(&mut self, new: &mut dyn FnMut(u32) -> u32) {
        if let Self::Distinct(all) = self {
            for bag in all {
                *bag = bag.drain().map(|(id, times)| (new(id), times)).collect();
            }
        }
    }

    /// Only some keys are left, in their order.
    pub fn keep_keys(&mut self, live: &[bool]) {
        fn keep<T>(all: &mut Vec<T>, live: &[bool]) {
            let mut live = live.iter();
            all.retain(|_| live.next() == Some(&true));
        }
        match self {
            Self::Distinct(all) => keep(all, live),
            Self::Quantile { keys, .. } => keep(keys, live),
        }
    }
}
