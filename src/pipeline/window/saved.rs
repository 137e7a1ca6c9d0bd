//! States of some slots as bytes and back, for what does not fit into memory.
//!
//! A set of distinct values is written with its values: their numbers change when unused ones are dropped.

use serde::{Deserialize, Serialize};

use super::accumulate::States;
use super::distinct::{Distinct, SavedValue, Values};

/// Rows of a key: when the window of each ended, and its states by aggregate.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedRows {
    pub ends: Vec<i64>,
    states: Vec<SavedStates>,
}

#[derive(Debug, Serialize, Deserialize)]
enum SavedStates {
    Plain(States),
    Distinct(Vec<Vec<SavedValue>>),
}

impl SavedRows {
    pub fn of(ends: Vec<i64>, states: &[States], slots: &[u32], values: &[Values]) -> Self {
        let states = states.iter().zip(values).map(|(states, values)| match states.gather(slots) {
            States::Distinct(sets) => {
                SavedStates::Distinct(sets.iter().map(|set| set.ids().map(|id| values.saved(id)).collect()).collect())
            }
            other => SavedStates::Plain(other),
        });
        Self { ends, states: states.collect() }
    }

    /// The states, by aggregate.
    pub fn states(self, values: &mut [Values]) -> Vec<States> {
        let states = self.states.into_iter().zip(values).map(|(saved, values)| match saved {
            SavedStates::Plain(states) => states,
            SavedStates::Distinct(sets) => {
                let set = |saved: Vec<SavedValue>| {
                    let mut set = Distinct::default();
                    saved.iter().for_each(|value| set.insert(values.id_of(value)));
                    set
                };
                States::Distinct(sets.into_iter().map(set).collect())
            }
        });
        states.collect()
    }
}
