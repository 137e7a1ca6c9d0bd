//! Panes without the keys that go when there are too many.

use std::sync::Arc;

use crate::record::MICROS_PER_SECOND;

use super::super::evict::{Evicted, evicted, seen_longest_ago};
use super::{Pane, WindowState};

const NEVER: i64 = i64::MIN;

impl WindowState {
    /// How many keys there may be.
    pub fn keys(&self) -> usize {
        let known = self.keys.lock().count();
        // Of keys that are shared others may have most; those that are filled in have no pane.
        let in_panes = self.panes.values().map(|pane| pane.keys.len()).sum::<usize>();
        if self.fill.is_some() { known } else { known.min(in_panes) }
    }

    /// Where there are more keys than `keys_max`, those that were seen last longest ago go from all windows that are open.
    pub fn evict(&mut self, keys_max: usize) -> Option<Evicted> {
        if self.keys() <= keys_max {
            return None;
        }
        let count = self.keys.lock().count();
        let mut last = vec![NEVER; count];
        for (start, pane) in &self.panes {
            for (key, seconds) in pane.keys.iter().zip(&pane.last) {
                let at = start.saturating_add(i64::from(*seconds).saturating_mul(MICROS_PER_SECOND));
                last[*key as usize] = last[*key as usize].max(at);
            }
        }
        if let Some(fill) = &self.fill {
            fill.seen(self.closed, &mut last);
        }
        let seen = (0u32..).zip(&last).filter(|(_, at)| **at != NEVER).map(|(key, at)| (*at, key)).collect();
        let gone = seen_longest_ago(seen, &self.keys.lock(), keys_max);
        if !gone.is_empty() {
            let mut stays = vec![true; count];
            gone.iter().for_each(|(_, key)| stays[*key as usize] = false);
            self.panes.values_mut().for_each(|pane| pane.keep(&stays));
            self.panes.retain(|_, pane| !pane.keys.is_empty());
            self.fill.iter_mut().for_each(|fill| fill.forget(&stays));
        }
        self.values_compacted_at = 0;
        self.keys.lock().crowd_at_most(0);
        self.compact();
        evicted(&gone, MICROS_PER_SECOND)
    }
}

impl Pane {
    /// Without the keys that do not stay.
    fn keep(&mut self, stays: &[bool]) {
        let slots = (0u32..).zip(&self.keys).filter(|(_, key)| stays[**key as usize]);
        let chosen: Vec<u32> = slots.map(|(slot, _)| slot).collect();
        if chosen.len() == self.keys.len() {
            return;
        }
        let of = |values: &[u32]| chosen.iter().map(|slot| values[*slot as usize]).collect();
        (self.keys, self.last) = (of(&self.keys), of(&self.last));
        self.states = self.states.iter().map(|states| states.gather(&chosen)).collect();
        self.slots = Vec::new();
        if let Some(kept) = &mut self.evidence {
            Arc::make_mut(kept).keep(&chosen);
        }
    }
}
