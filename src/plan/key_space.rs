//! Which features have the same key, so that each row's key is looked up once for all of them.
//!
//! A key that is nothing but columns of `flows` is the same key wherever it comes by, through however many features.

use super::{FeaturePlan, Plan, Upstream};

/// Features of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySpacePlan {
    /// The key, by column of `flows`.
    pub columns: Vec<usize>,
    /// More than one, in the plan's order.
    pub features: Vec<usize>,
    /// Some feature over `flows` takes every row, so that every row's key is known anyway. Otherwise one feature over `flows`
    /// tells which keys there are.
    pub of_all_rows: bool,
}

impl Plan {
    /// A feature is in one of them at most.
    pub fn key_spaces(&self) -> Vec<KeySpacePlan> {
        let mut spaces: Vec<KeySpacePlan> = Vec::new();
        let mut of: Vec<Option<usize>> = vec![None; self.features.len()];
        for (index, feature) in self.features.iter().enumerate().filter(|(index, _)| self.live[*index]) {
            let Some(columns) = self.key_of_flows(feature) else { continue };
            let known = match feature.upstream {
                Upstream::Flows => {
                    let same = |space: &KeySpacePlan| space.of_all_rows && space.columns == columns;
                    self.has_all(&columns).then(|| spaces.iter().position(same)).flatten()
                }
                // Key numbers come along with the rows of a feature of the same key, and with those alone.
                Upstream::Feature(read) => match of[read].filter(|space| spaces[*space].columns == columns) {
                    None => continue,
                    known => known,
                },
                Upstream::Hits(_) => continue,
            };
            let space = known.unwrap_or_else(|| {
                let of_all_rows = self.has_all(&columns);
                spaces.push(KeySpacePlan { columns, features: Vec::new(), of_all_rows });
                spaces.len() - 1
            });
            spaces[space].features.push(index);
            of[index] = Some(space);
        }
        spaces.retain(|space| space.features.len() > 1);
        spaces
    }

    /// Does a live feature over `flows` with this key take every row?
    fn has_all(&self, columns: &[usize]) -> bool {
        let live = self.features.iter().zip(&self.live).filter(|(_, live)| **live);
        let mut over_flows = live.filter(|(feature, _)| feature.upstream == Upstream::Flows);
        over_flows.any(|(feature, _)| feature.filter.is_none() && self.key_of_flows(feature).as_deref() == Some(columns))
    }

    /// The key of a feature with windows of its own, by column of `flows`; `None` when something in it was computed.
    fn key_of_flows(&self, feature: &FeaturePlan) -> Option<Vec<usize>> {
        let plain = feature.trailing.is_none() && feature.previous.is_none() && feature.window.session_gap.is_none();
        let columns: Option<Vec<usize>> = feature.key.iter().map(|column| self.of_flows(feature, *column)).collect();
        columns.filter(|columns| plain && !columns.is_empty())
    }

    /// The column of `flows` that a column of a feature's scope is.
    fn of_flows(&self, feature: &FeaturePlan, column: usize) -> Option<usize> {
        if column >= feature.upstream_columns() {
            return None;
        }
        match feature.upstream {
            Upstream::Flows => Some(column),
            Upstream::Feature(read) => {
                let read = &self.features[read];
                self.of_flows(read, *read.key.get(column)?)
            }
            Upstream::Hits(_) => None,
        }
    }
}
