//! What a source gave, by the minute in which it came: the last quarter of an hour, and the quarters of the day before that.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::share::Part;

/// Minutes that are judged together, and of which a quarter is made.
const MINUTES: i64 = 15;
/// Quarters of a day.
const QUARTERS: i64 = 96;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The number of its minute, or of its quarter of an hour, since 1970.
    at: i64,
    pub offered: u64,
    pub rejected: u64,
    /// Rows that were normalized, and for each column of `flows` how many of them have none.
    pub rows: u64,
    pub nulls: Vec<u64>,
    /// Rows that have been merged, and those of them that came behind the watermark.
    pub merged: u64,
    pub late: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.rejected += other.rejected;
        self.rows += other.rows;
        self.nulls.resize(self.nulls.len().max(other.nulls.len()), 0);
        self.nulls.iter_mut().zip(&other.nulls).for_each(|(own, nulls)| *own += nulls);
        self.merged += other.merged;
        self.late += other.late;
    }

    pub fn rejected(&self) -> Part {
        Part { part: self.rejected, whole: self.offered }
    }

    pub fn late(&self) -> Part {
        Part { part: self.late, whole: self.merged }
    }

    pub fn nulls(&self, column: usize) -> Part {
        Part { part: self.nulls.get(column).copied().unwrap_or(0), whole: self.rows }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// By minute.
    recent: VecDeque<Counts>,
    /// By quarter of an hour.
    before: VecDeque<Counts>,
}

impl History {
    /// The minute that goes on.
    pub fn at(&mut self, minute: i64) -> &mut Counts {
        if self.recent.back().is_none_or(|last| last.at < minute) {
            self.recent.push_back(Counts { at: minute, ..Counts::default() });
        }
        let last = self.recent.len() - 1;
        &mut self.recent[last]
    }

    /// A minute begins.
    pub fn pass(&mut self, minute: i64) {
        while let Some(counts) = self.recent.pop_front_if(|counts| counts.at < minute - MINUTES) {
            let at = counts.at.div_euclid(MINUTES);
            if self.before.back().is_none_or(|last| last.at < at) {
                self.before.push_back(Counts { at, ..Counts::default() });
            }
            self.before.back_mut().into_iter().for_each(|quarter| quarter.add(&counts));
        }
        let first = minute.div_euclid(MINUTES) - QUARTERS;
        while self.before.pop_front_if(|quarter| quarter.at < first).is_some() {}
    }

    /// The last quarter of an hour together.
    pub fn recent(&self) -> Counts {
        let mut all = Counts::default();
        self.recent.iter().for_each(|minute| all.add(minute));
        all
    }

    /// A count of each quarter of the day before.
    pub fn before(&self, of: impl Fn(&Counts) -> Part) -> Vec<Part> {
        self.before.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{History, Part};

    #[test]
    fn minutes_become_quarters_and_quarters_a_day() {
        let mut history = History::default();
        for minute in 0..(26 * 60) {
            history.pass(minute);
            history.at(minute).rows += 2;
            history.at(minute).nulls = vec![0, 1];
        }
        // Fifteen minutes and the one that goes on.
        let recent = history.recent();
        assert_eq!((recent.rows, recent.nulls(1)), (32, Part { part: 16, whole: 32 }));
        let before = history.before(|quarter| quarter.nulls(1));
        assert_eq!((before.len(), before[0], before[94]), (96, Part { part: 15, whole: 30 }, before[0]));
    }
}
