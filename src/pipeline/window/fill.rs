//! Windows without rows, of keys that had some.

use serde::{Deserialize, Serialize};

use super::operator::Hop;

/// Never had a window with rows.
const NEVER: i64 = i64::MIN;

/// The windows that are filled in: of a key, those that end no longer than `expire` after its last one with rows.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fill {
    expire: i64,
    /// No window that ends later is filled in.
    until: i64,
    /// By key number: the end of the last window with rows.
    last: Vec<i64>,
    /// The largest of them.
    newest: i64,
}

impl Fill {
    pub fn new(expire: i64) -> Self {
        Self { expire, until: i64::MAX, last: Vec::new(), newest: NEVER }
    }

    /// The flows have ended.
    pub fn until(&mut self, end: i64) {
        self.until = end;
    }

    /// The end of the next window after `closed` that some key may be filled in for.
    pub fn next_end(&self, hop: Hop, closed: Option<i64>) -> Option<i64> {
        let next = closed?.saturating_add(hop.every);
        let alive = self.newest != NEVER && next <= self.newest.saturating_add(self.expire);
        (alive && next <= self.until).then_some(next)
    }

    /// The window that ends at `end` has rows of these keys; adds those that are filled in.
    pub fn fill(&mut self, end: i64, keys: &mut Vec<u32>, count: usize) {
        self.last.resize(count, NEVER);
        for key in keys.iter() {
            self.last[*key as usize] = end;
        }
        if !keys.is_empty() {
            self.newest = end;
        }
        if end <= self.until {
            let silent = (0u32..).zip(&self.last).filter(|(_, last)| self.is_silent(**last, end));
            keys.extend(silent.map(|(key, _)| key));
        }
    }

    fn is_silent(&self, last: i64, end: i64) -> bool {
        last < end && last >= end.saturating_sub(self.expire)
    }

    /// Marks the keys that may still be filled in when the window that ended at `closed` was the last.
    pub fn mark(&self, closed: Option<i64>, live: &mut [bool]) {
        let Some(closed) = closed else { return };
        for (live, last) in live.iter_mut().zip(&self.last) {
            *live |= *last > closed.saturating_sub(self.expire);
        }
    }

    /// When each key that may still be filled in was seen last, by what is known of its windows with rows.
    pub fn seen(&self, closed: Option<i64>, seen: &mut [i64]) {
        let Some(closed) = closed else { return };
        for (seen, last) in seen.iter_mut().zip(&self.last) {
            if *last > closed.saturating_sub(self.expire) {
                *seen = (*seen).max(*last - 1);
            }
        }
    }

    /// Keys that do not stay are filled in no more.
    pub fn forget(&mut self, stays: &[bool]) {
        self.last.iter_mut().zip(stays).filter(|(_, stays)| !**stays).for_each(|(last, _)| *last = NEVER);
    }

    /// Keys have other numbers from now on, in any order; those that have none are forgotten.
    pub fn rename(&mut self, renamed: &[u32]) {
        let last = std::mem::take(&mut self.last);
        for (at, number) in last.into_iter().zip(renamed).filter(|(_, number)| **number != u32::MAX) {
            let number = *number as usize;
            self.last.resize(self.last.len().max(number + 1), NEVER);
            self.last[number] = at;
        }
    }

    /// Keys that are not `live` are forgotten; the others keep their order.
    pub fn compact(&mut self, live: &[bool]) {
        let mut kept = live.iter();
        self.last.resize(live.len(), NEVER);
        self.last.retain(|_| kept.next() == Some(&true));
    }
}
