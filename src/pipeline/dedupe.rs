//! Duplicates by content key, where a source declares one: the key holds the event time and determines the row.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::saved::{Loader, Saved, SavedError, Saver};
use crate::plan::Plan;

/// What a row is, compared with the rows before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    New,
    Duplicate,
    /// The same key with other values.
    Conflict,
}

/// Keys seen within the horizon: lateness and the longest time over which a feature looks.
#[derive(Debug)]
pub struct Dedupe {
    horizon: i64,
    rows: HashMap<u128, u128>,
    by_time: BTreeMap<i64, Vec<u128>>,
}

impl Dedupe {
    /// One for all sources; `None` when none has a key.
    pub fn of(plan: &Plan) -> Option<Self> {
        let keyed = plan.sources.iter().filter(|source| !source.dedupe.is_empty());
        let lateness = keyed.map(|source| source.lateness.0).max()?;
        let longest = plan.features.iter().map(|feature| feature.look_back().0).max().unwrap_or(0);
        Some(Self::new(lateness.saturating_add(longest)))
    }

    pub fn new(horizon: i64) -> Self {
        Self { horizon, rows: HashMap::new(), by_time: BTreeMap::new() }
    }

    /// Knows what another has seen.
    pub fn go_on(&mut self, before: Self) {
        *self = Self { horizon: self.horizon, ..before };
    }

    pub fn see(&mut self, time: i64, key: u128, row: u128) -> Seen {
        match self.rows.get(&key) {
            Some(known) if *known == row => Seen::Duplicate,
            Some(_) => Seen::Conflict,
            None => {
                self.rows.insert(key, row);
                self.by_time.entry(time).or_default().push(key);
                Seen::New
            }
        }
    }

    /// Forgets keys that no open window can meet again.
    pub fn advance(&mut self, watermark: i64) {
        let keep = watermark.saturating_sub(self.horizon);
        while let Some(entry) = self.by_time.first_entry() {
            if *entry.key() >= keep {
                break;
            }
            for key in entry.remove() {
                self.rows.remove(&key);
            }
        }
    }
}

impl Saved for Dedupe {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        let rows: Vec<(&u128, &u128)> = self.rows.iter().collect();
        out.put(&(rows, &self.by_time))
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        let rows: Vec<(u128, u128)>;
        (rows, self.by_time) = from.take()?;
        self.rows = rows.into_iter().collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Dedupe, Seen};

    #[test]
    fn repeats_and_conflicts_within_the_horizon() {
        let mut dedupe = Dedupe::new(10);
        assert_eq!(dedupe.see(100, 1, 7), Seen::New);
        assert_eq!(dedupe.see(100, 1, 7), Seen::Duplicate);
        assert_eq!(dedupe.see(100, 1, 8), Seen::Conflict);
        dedupe.advance(110);
        assert_eq!(dedupe.see(100, 1, 7), Seen::Duplicate);
        dedupe.advance(111);
        assert_eq!(dedupe.see(100, 1, 7), Seen::New);
    }
}
