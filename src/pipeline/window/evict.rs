//! Keys beyond the cap: those that were seen last longest ago go, and of these the first in key order.

use super::key::Keys;

/// What went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicted {
    pub keys: u64,
    /// All rows that went are older.
    pub until: i64,
}

impl Evicted {
    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self { keys: self.keys + other.keys, until: self.until.max(other.until) }
    }
}

/// Of keys and when each was seen last, those that go: none while they are at most `keys_max`, else so many that an eighth of
/// it is free.
pub fn seen_longest_ago(mut seen: Vec<(i64, u32)>, keys: &Keys, keys_max: usize) -> Vec<(i64, u32)> {
    if seen.len() <= keys_max {
        return Vec::new();
    }
    let leave = seen.len() - (keys_max - keys_max / 8);
    if leave < seen.len() {
        seen.select_nth_unstable_by(leave, |a, b| a.0.cmp(&b.0).then_with(|| keys.compare(a.1, b.1)));
        seen.truncate(leave);
    }
    seen
}

/// `after`: how far behind the instant at which a key was seen its rows may lie.
pub fn evicted(gone: &[(i64, u32)], after: i64) -> Option<Evicted> {
    let last = gone.iter().map(|(at, _)| *at).max()?;
    Some(Evicted { keys: gone.len() as u64, until: last.saturating_add(after) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, StringArray};
    use datafusion::arrow::datatypes::DataType;

    use super::{Keys, seen_longest_ago};

    #[test]
    fn the_oldest_go_then_the_first_in_key_order() {
        let mut keys = Keys::new(vec![DataType::Utf8]).expect("keys");
        let names: ArrayRef = Arc::new(StringArray::from(vec!["d", "b", "c", "a", "e", "f", "g", "h", "i"]));
        keys.intern(&[names], 9, &mut Vec::new()).expect("interns");
        let seen = vec![(5, 0), (5, 1), (7, 2), (5, 3), (9, 4), (9, 5), (9, 6), (9, 7), (9, 8)];
        let gone = |keys_max| {
            let mut gone = seen_longest_ago(seen.clone(), &keys, keys_max);
            gone.sort_unstable();
            gone
        };
        assert_eq!(gone(9), []);
        // Two go, so that one of eight is free: `a` and `b`.
        assert_eq!(gone(8), [(5, 1), (5, 3)]);
        assert_eq!(gone(6), [(5, 0), (5, 1), (5, 3)]);
        assert_eq!(gone(0).len(), 9);
    }
}
