//! Rows of windows that are open, as far as they are: for those who need not wait until they are over.
//!
//! Rows come to few keys at a time. Of these what the panes have tells, added up, which windows may meet a condition at
//! all; only of those a row is put together. A key that has met a condition in a window is not looked at again for it.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::super::accumulate::Grown;
use super::{ClosedWindow, NONE, Pane, WindowError, WindowState};
use crate::plan::Bound;

/// A condition of somebody who asks: a row has to be within all bounds of one of these first; of none nothing can be told.
#[derive(Debug, Clone)]
pub struct Ask(pub Vec<Vec<Bound>>);

pub(super) struct EarlyKeys {
    asks: Vec<Ask>,
    /// The panes that rows have come to since somebody asked, and the keys' numbers.
    touched: BTreeMap<i64, Vec<u32>>,
    /// By the end of the window and key: whose conditions were met, a bit each.
    met: BTreeMap<i64, FxHashMap<u32, u64>>,
}

impl EarlyKeys {
    pub(super) fn touch(&mut self, pane: i64, numbers: &[u32]) {
        self.touched.entry(pane).or_default().extend(numbers);
    }

    /// Windows that ended at or before that are over.
    pub(super) fn pass(&mut self, over: i64) {
        while self.met.first_key_value().is_some_and(|(end, _)| *end <= over) {
            self.met.pop_first();
        }
    }

    /// Only the keys that stay.
    fn keep(&mut self, stays: &[bool]) {
        self.met.values_mut().for_each(|met| met.retain(|key, _| stays.get(*key as usize) == Some(&true)));
    }

    pub(super) fn rename(&mut self, live: &[bool], renamed: &[u32]) {
        self.keep(live);
        for met in self.met.values_mut() {
            *met = met.drain().map(|(key, bits)| (renamed[key as usize], bits)).collect();
        }
    }

    /// The run goes on elsewhere, or otherwise. Who has got a key may get it again.
    pub(super) fn clear(&mut self) {
        self.touched.clear();
        self.met.clear();
    }

    fn met(&self, end: i64, key: u32) -> u64 {
        self.met.get(&end).and_then(|met| met.get(&key)).copied().unwrap_or(0)
    }
}

impl WindowState {
    /// From now on [`Self::candidates`] can tell, for each who asks.
    pub fn look_ahead(&mut self, asks: Vec<Ask>) {
        self.early = Some(Box::new(EarlyKeys { asks, touched: BTreeMap::new(), met: BTreeMap::new() }));
    }

    /// Panes of a window.
    pub(super) fn steps(&self) -> usize {
        usize::try_from(self.hop.size / self.hop.every).unwrap_or(usize::MAX)
    }

    /// Of the windows that are open and that rows have come to since the last call: by end, the keys of rows that may meet the
    /// condition of somebody who has not got them yet.
    pub fn candidates(&mut self) -> BTreeMap<i64, Vec<u32>> {
        let mut found: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        let Some(mut early) = self.early.take() else { return found };
        let (hop, steps) = (self.hop, self.steps());
        let count = self.keys.lock().count();
        for (start, mut keys) in std::mem::take(&mut early.touched) {
            keys.sort_unstable();
            keys.dedup();
            // All panes that share a window with it.
            let first = start.saturating_sub(hop.size - hop.every);
            let around: Vec<i64> =
                (0..2 * steps as i64 - 1).map(|step| first.saturating_add(step * hop.every)).collect();
            for start in &around {
                if let Some(pane) = self.panes.get_mut(start) {
                    pane.slots_of(&[], count, &mut self.unused);
                }
            }
            let panes: Vec<Option<&Pane>> = around.iter().map(|start| self.panes.get(start)).collect();
            for key in keys {
                let slots: Vec<Option<(&Pane, usize)>> =
                    panes.iter().map(|pane| pane.and_then(|pane| Some((pane, pane.slot(key)?)))).collect();
                for (place, ask) in early.asks.iter().enumerate() {
                    // No window has more than all panes together.
                    if !ask.may_hold(&slots) {
                        continue;
                    }
                    for step in 0..steps {
                        let end = around[step].saturating_add(hop.size);
                        let over = self.closed.is_some_and(|closed| end <= closed);
                        if !over && early.met(end, key) & (1 << place) == 0 && ask.may_hold(&slots[step..step + steps])
                        {
                            found.entry(end).or_default().push(key);
                        }
                    }
                }
            }
        }
        for keys in found.values_mut() {
            keys.sort_unstable();
            keys.dedup();
        }
        self.early = Some(early);
        found
    }

    /// Who has got a key may get it again.
    pub fn look_again(&mut self) {
        self.early.iter_mut().for_each(|early| early.clear());
    }

    /// The rows of these keys in the window that ends at `end`, as far as they are.
    pub fn so_far(&mut self, end: i64, keys: &[u32]) -> Result<ClosedWindow, WindowError> {
        let start = end.saturating_sub(self.hop.size);
        let mut whole = Pane::new(&self.kinds, 0);
        whole.keys = keys.to_vec();
        whole.states.iter_mut().for_each(|states| states.grow(keys.len()));
        let mut evidence = Vec::new();
        for pane in self.panes.range(start..end).map(|(_, pane)| pane) {
            let (from, to): (Vec<u32>, Vec<u32>) = (0u32..)
                .zip(keys)
                .filter_map(|(place, key)| Some((u32::try_from(pane.slot(*key)?).ok()?, place)))
                .unzip();
            if from.is_empty() {
                continue;
            }
            for (i, kind) in self.kinds.iter().enumerate() {
                whole.states[i].merge(kind.function, &pane.states[i].gather(&from), &to)?;
            }
            evidence.extend(pane.evidence.clone());
        }
        let saturated = self.saturated;
        let rows = self.finish(start, &whole, evidence)?;
        // It is counted when the window is over.
        self.saturated = saturated;
        Ok(rows)
    }

    /// Somebody has got these keys of a window.
    pub fn met(&mut self, end: i64, place: usize, keys: impl Iterator<Item = u32>) {
        if let Some(early) = &mut self.early {
            let met = early.met.entry(end).or_default();
            keys.for_each(|key| *met.entry(key).or_default() |= 1 << place);
        }
    }
}

impl Ask {
    /// Can a window of these panes meet the condition?
    fn may_hold(&self, slots: &[Option<(&Pane, usize)>]) -> bool {
        let reaches = |bound: &Bound| {
            let (mut sum, mut largest) = (0i128, None);
            for (pane, slot) in slots.iter().flatten() {
                match pane.states[bound.aggregate].grown(*slot) {
                    Some(Grown::Sum(more)) => sum = sum.saturating_add(more),
                    Some(Grown::Largest(value)) => largest = largest.max(value),
                    None => return true,
                }
            }
            largest.map_or(sum, i128::from) >= i128::from(bound.least)
        };
        self.0.is_empty() || self.0.iter().any(|all| all.iter().all(reaches))
    }
}

impl Pane {
    /// Where a key is, once its slots are there.
    fn slot(&self, key: u32) -> Option<usize> {
        self.slots.get(key as usize).filter(|slot| **slot != NONE).map(|slot| *slot as usize)
    }
}
