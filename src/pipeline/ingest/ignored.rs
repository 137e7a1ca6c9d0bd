//! Names of fields that no source declares, counted one by one up to a limit: records with ever new or ever longer names
//! do not fill the memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names that are counted one by one; the rest is counted together.
pub(super) const NAMES_MAX: usize = 1_000;
/// Under which the rest is counted.
pub(super) const REST: &str = "(others)";
/// Longer names are cut.
pub(super) const NAME_CHARS_MAX: usize = 100;

/// Counts records by the undeclared field that they have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored(BTreeMap<String, u64>);

impl Ignored {
    pub fn add(&mut self, name: &str, records: u64) {
        let cut = name.char_indices().nth(NAME_CHARS_MAX).map(|(at, _)| format!("{}…", &name[..at]));
        let name = cut.as_deref().unwrap_or(name);
        if let Some(count) = self.0.get_mut(name) {
            *count += records;
            return;
        }
        let name = if self.0.len() < NAMES_MAX { name } else { REST };
        *self.0.entry(name.to_owned()).or_default() += records;
    }

    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(name, records)| self.add(name, *records));
    }

    pub fn counts(&self) -> &BTreeMap<String, u64> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Ignored, NAMES_MAX};

    #[test]
    fn names_are_few_and_short() {
        let mut ignored = Ignored::default();
        (0..3 * NAMES_MAX).for_each(|number| ignored.add(&format!("{number}{}", "é".repeat(5_000)), 1));
        let mut whole = Ignored::default();
        whole.merge(&ignored);
        whole.merge(&ignored);
        for counted in [&ignored, &whole] {
            assert!((NAMES_MAX..=NAMES_MAX + 1).contains(&counted.counts().len()));
            assert!(counted.counts().keys().all(|name| name.chars().count() <= 101));
        }
        assert_eq!(whole.counts().values().sum::<u64>(), 6 * NAMES_MAX as u64);
    }
}
