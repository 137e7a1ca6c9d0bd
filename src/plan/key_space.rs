//! Which features have the same key, so that each row's key is looked up once for all of them.
//!
//! A key that is nothing but columns of `flows` is the same key wherever it comes by, through however many features. Keys that
//! are needed for long are many, and would slow those down that are not: they are not shared.

use super::{FeaturePlan, Plan, Upstream};

/// How many times longer than another feature one may need a key.
const LONGER: i64 = 64;

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
        // Each with the shortest time for which a key is needed.
        let mut spaces: Vec<(KeySpacePlan, i64)> = Vec::new();
        let mut of: Vec<Option<usize>> = vec![None; self.features.len()];
        for (index, feature) in self.features.iter().enumerate().filter(|(index, _)| self.live[*index]) {
            let Some(columns) = self.key_of_flows(feature) else { continue };
            let alike = |shortest: &i64| life(feature) <= shortest.saturating_mul(LONGER);
            let (known, shortest) = match feature.upstream {
                Upstream::Flows => {
                    let shortest = self.shortest_of_all(&columns).filter(alike);
                    let same = |space: &(KeySpacePlan, i64)| space.0.of_all_rows && space.0.columns == columns;
                    (shortest.and_then(|_| spaces.iter().position(same)), shortest)
                }
                // Key numbers come along with the rows of a feature of the same key, and with those alone.
                Upstream::Feature(read) => {
                    let same = |space: &usize| spaces[*space].0.columns == columns && alike(&spaces[*space].1);
                    match of[read].filter(same) {
                        None => continue,
                        known => (known, None),
                    }
                }
                Upstream::Hits(_) => continue,
            };
            let space = known.unwrap_or_else(|| {
                let space = KeySpacePlan { columns, features: Vec::new(), of_all_rows: shortest.is_some() };
                spaces.push((space, shortest.unwrap_or(life(feature))));
                spaces.len() - 1
            });
            spaces[space].0.features.push(index);
            of[index] = Some(space);
        }
        spaces.into_iter().map(|(space, _)| space).filter(|space| space.features.len() > 1).collect()
    }

    /// Of the live features over `flows` with this key that take every row: how long the one needs a key that needs it for the
    /// shortest time.
    fn shortest_of_all(&self, columns: &[usize]) -> Option<i64> {
        let live = self.features.iter().zip(&self.live).filter(|(_, live)| **live).map(|(feature, _)| feature);
        let all = live.filter(|feature| feature.upstream == Upstream::Flows && feature.filter.is_none());
        all.filter(|feature| self.key_of_flows(feature).as_deref() == Some(columns)).map(life).min()
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

/// How long a feature needs a key.
fn life(feature: &FeaturePlan) -> i64 {
    let filled = feature.fill.map_or(0, |expire| expire.0);
    feature.window.size.0.saturating_add(feature.window.every.0).saturating_add(filled)
}
