//! Rows of one look-back, by key, as two stacks: a row costs the same however far its key looks back.
//!
//! The older stack keeps, for each of its rows, the aggregate of that row and all newer ones of the stack; the newer
//! stack keeps its rows and one aggregate of them all. What a key's frame holds is the top of the one merged with the other;
//! rows that have left are popped from the top. Nothing is ever subtracted, so that floats stay exact.
//!
//! Of what grows with its rows, such as the sets of `COUNT(DISTINCT x)`, each older row holds its own: those cost what the frame
//! holds.

use std::collections::VecDeque;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;

use crate::language::tree::AggregateFunction;

use super::accumulate::{AggregateKind, States};
use super::distinct::Values;
use super::evict::{Evicted, evicted, seen_longest_ago};
use super::key::Keys;
use super::operator::WindowError;

/// Interned keys and values below this are not worth a clean-up.
const COMPACT_MIN: usize = 65_536;

pub struct Frame {
    size: i64,
    kinds: Vec<AggregateKind>,
    keys: Keys,
    values: Vec<Values>,
    /// One slot a row of a frame, and one a key whose newer stack has rows.
    states: Vec<States>,
    slots: u32,
    free: Vec<u32>,
    /// By key number.
    stacks: Vec<Stacks>,
    /// (end, key) of every row, oldest first: keys that stay silent are found by it.
    ages: VecDeque<(i64, u32)>,
    numbers: Vec<u32>,
    ids: Vec<u32>,
    compacted_at: usize,
    /// Sums that stopped at the bounds of INT64.
    pub saturated: u64,
}

#[derive(Default)]
struct Stacks {
    /// The oldest row last.
    older: Vec<Row>,
    /// The newest row last.
    newer: Vec<Row>,
    /// The slot of all newer rows together.
    sum: Option<u32>,
}

struct Row {
    end: i64,
    slot: u32,
}

impl Frame {
    pub fn new(size: i64, kinds: Vec<AggregateKind>, key_types: Vec<DataType>) -> Result<Self, ArrowError> {
        Ok(Self {
            size,
            values: kinds.iter().map(|_| Values::default()).collect(),
            states: kinds.iter().map(States::new).collect(),
            kinds,
            keys: Keys::new(key_types)?,
            slots: 0,
            free: Vec::new(),
            stacks: Vec::new(),
            ages: VecDeque::new(),
            numbers: Vec::new(),
            ids: Vec::new(),
            compacted_at: COMPACT_MIN,
            saturated: 0,
        })
    }

    /// Adds rows that ended at `end`, which is not before that of any row so far.
    pub fn add(
        &mut self,
        end: i64,
        keys: &[ArrayRef],
        args: &[Option<ArrayRef>],
        rows: usize,
    ) -> Result<(), WindowError> {
        let numbers = self.intern(keys, rows)?;
        let slots: Vec<u32> = numbers.iter().map(|_| self.take_slot()).collect();
        for (i, kind) in self.kinds.iter().enumerate() {
            let arg = args.get(i).and_then(Option::as_ref);
            self.states[i].update(kind.function, &slots, arg, &mut self.values[i], &mut self.ids)?;
        }
        let mut sums = Vec::with_capacity(rows);
        for (number, slot) in numbers.iter().zip(&slots) {
            let sum = match self.stacks[*number as usize].sum {
                Some(sum) => sum,
                None => self.take_slot(),
            };
            let stacks = &mut self.stacks[*number as usize];
            stacks.sum = Some(sum);
            stacks.newer.push(Row { end, slot: *slot });
            sums.push(sum);
            self.ages.push_back((end, *number));
        }
        self.merge(&slots, &sums)?;
        self.numbers = numbers;
        Ok(())
    }

    /// The aggregates of rows that ended at or before `start`, and less than the frame's size before it, for each key.
    pub fn results(&mut self, start: i64, keys: &[ArrayRef], rows: usize) -> Result<Vec<ArrayRef>, WindowError> {
        let left = start.saturating_sub(self.size);
        self.forget(left)?;
        let numbers = self.intern(keys, rows)?;
        for number in &numbers {
            self.expire(*number, left)?;
        }
        let of = |slot: &dyn Fn(&Stacks) -> Option<u32>| -> (Vec<u32>, Vec<u32>) {
            let found = (0u32..).zip(&numbers).filter_map(|(row, n)| Some((slot(&self.stacks[*n as usize])?, row)));
            found.unzip()
        };
        let parts = [of(&|stacks| stacks.older.last().map(|row| row.slot)), of(&|stacks| stacks.sum)];
        let mut columns = Vec::with_capacity(self.kinds.len());
        for (states, kind) in self.states.iter().zip(&self.kinds) {
            let mut results = States::new(kind);
            results.grow(rows);
            for (slots, places) in &parts {
                results.merge(kind.function, &states.gather(slots), places)?;
            }
            columns.push(results.finish(kind, &mut self.saturated));
        }
        self.numbers = numbers;
        Ok(columns)
    }

    /// How many keys there may be.
    pub fn keys(&self) -> usize {
        self.keys.count()
    }

    /// Where there are more keys than `keys_max`, the rows of those go that had one last longest ago.
    pub fn evict(&mut self, keys_max: usize) -> Option<Evicted> {
        if self.keys.count() <= keys_max {
            return None;
        }
        let last = |stacks: &Stacks| stacks.newer.last().or(stacks.older.first()).map(|row| row.end);
        let seen = (0u32..).zip(&self.stacks).filter_map(|(key, stacks)| Some((last(stacks)?, key))).collect();
        let gone = seen_longest_ago(seen, &self.keys, keys_max);
        for (_, key) in &gone {
            let Stacks { older, newer, sum } = std::mem::take(&mut self.stacks[*key as usize]);
            let rows = older.into_iter().chain(newer).map(|row| row.slot);
            rows.chain(sum).for_each(|slot| self.give_back(slot));
        }
        self.compacted_at = 0;
        self.compact();
        evicted(&gone, 1)
    }

    /// Rows that are held.
    #[cfg(test)]
    fn held(&self) -> usize {
        self.stacks.iter().map(|stacks| stacks.older.len() + stacks.newer.len()).sum()
    }

    fn intern(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>, WindowError> {
        let mut numbers = std::mem::take(&mut self.numbers);
        self.keys.intern(keys, rows, &mut numbers)?;
        self.stacks.resize_with(self.keys.count(), Stacks::default);
        Ok(numbers)
    }

    fn take_slot(&mut self) -> u32 {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        let slot = self.slots;
        self.slots += 1;
        self.states.iter_mut().for_each(|states| states.grow(self.slots as usize));
        slot
    }

    fn give_back(&mut self, slot: u32) {
        self.states.iter_mut().for_each(|states| states.clear(slot));
        self.free.push(slot);
    }

    /// Adds each slot to the one beside it.
    fn merge(&mut self, from: &[u32], to: &[u32]) -> Result<(), WindowError> {
        for (states, kind) in self.states.iter_mut().zip(&self.kinds) {
            let copies = states.gather(from);
            states.merge(kind.function, &copies, to)?;
        }
        Ok(())
    }

    /// Rows of a key that ended at or before `left` go.
    fn expire(&mut self, number: u32, left: i64) -> Result<(), WindowError> {
        self.pop_older(number, left);
        let stacks = &mut self.stacks[number as usize];
        let gone = |row: Option<&Row>| row.is_some_and(|row| row.end <= left);
        if !stacks.older.is_empty() || !gone(stacks.newer.first()) {
            return Ok(());
        }
        // The newer stack becomes the older one.
        let newer = std::mem::take(&mut stacks.newer);
        let sum = stacks.sum.take();
        sum.into_iter().for_each(|slot| self.give_back(slot));
        let mut older: Vec<Row> = Vec::new();
        for row in newer.into_iter().rev() {
            if row.end <= left {
                self.give_back(row.slot);
                continue;
            }
            if let Some(next) = older.last() {
                self.merge(&[next.slot], &[row.slot])?;
            }
            older.push(row);
        }
        self.stacks[number as usize].older = older;
        Ok(())
    }

    fn pop_older(&mut self, number: u32, left: i64) {
        while let Some(row) = self.stacks[number as usize].older.pop_if(|row| row.end <= left) {
            self.give_back(row.slot);
        }
    }

    /// Keys that nobody asks for lose their rows too.
    fn forget(&mut self, left: i64) -> Result<(), WindowError> {
        while let Some((_, number)) = self.ages.pop_front_if(|(end, _)| *end <= left) {
            self.expire(number, left)?;
        }
        self.compact();
        Ok(())
    }

    /// Drops keys and values that no row has, when they have become many.
    fn compact(&mut self) {
        let interned = |frame: &Self| frame.keys.count() + frame.values.iter().map(Values::count).sum::<usize>();
        if interned(self) < self.compacted_at {
            return;
        }
        let live: Vec<bool> = self.stacks.iter().map(|s| !s.older.is_empty() || !s.newer.is_empty()).collect();
        let renamed = self.keys.compact(&live);
        let mut stacks: Vec<Stacks> = Vec::new();
        stacks.resize_with(self.keys.count(), Stacks::default);
        for (old, own) in std::mem::take(&mut self.stacks).into_iter().enumerate().filter(|(old, _)| live[*old]) {
            stacks[renamed[old] as usize] = own;
        }
        self.stacks = stacks;
        // A key that went before its rows were old has none of them left.
        self.ages.retain(|(_, number)| live[*number as usize]);
        self.ages.iter_mut().for_each(|(_, number)| *number = renamed[*number as usize]);
        for ((kind, values), states) in self.kinds.iter().zip(&mut self.values).zip(&mut self.states) {
            if kind.function == AggregateFunction::CountDistinct {
                values.compact(states.distinct_sets());
            }
        }
        self.compacted_at = (interned(self) * 2).max(COMPACT_MIN);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array};
    use datafusion::arrow::datatypes::{DataType, Int64Type};

    use super::{AggregateKind, Frame};
    use crate::language::tree::AggregateFunction as F;
    use crate::record::Type;

    /// Against the sum, the largest and the different values of the rows that are in the frame, at every step.
    #[test]
    fn frames_hold_what_a_scan_over_all_rows_finds() {
        let kind = |function| AggregateKind { function, arg: Some(Type::Int64), list: None };
        for size in [1, 3, 10, 40] {
            let kinds = vec![kind(F::Sum), kind(F::Max), kind(F::CountDistinct)];
            let mut frame = Frame::new(size, kinds, vec![DataType::Int64]).expect("a frame");
            let mut rows: Vec<(i64, i64, i64)> = Vec::new();
            let mut seed = 7u64;
            let mut draw = |below: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                i64::try_from((seed >> 33) % below).unwrap_or(0)
            };
            for end in 0..300 {
                let here: Vec<(i64, i64)> = (0..draw(4)).map(|_| (draw(5), draw(9) - 4)).collect();
                let array = |of: &dyn Fn(&(i64, i64)) -> i64| -> ArrayRef {
                    Arc::new(Int64Array::from_iter_values(here.iter().map(of)))
                };
                let values = array(&|row| row.1);
                let args = vec![Some(Arc::clone(&values)), Some(Arc::clone(&values)), Some(values)];
                frame.add(end, &[array(&|row| row.0)], &args, here.len()).expect("rows");
                rows.extend(here.iter().map(|(key, value)| (end, *key, *value)));
                // Not every key is asked for at every step.
                let asked: Vec<i64> = (0..draw(3)).map(|_| draw(6)).collect();
                let keys: ArrayRef = Arc::new(Int64Array::from(asked.clone()));
                let results = frame.results(end, &[keys], asked.len()).expect("results");
                for (row, key) in asked.iter().enumerate() {
                    let inside = rows.iter().filter(|(at, k, _)| k == key && *at <= end && *at > end - size);
                    let inside: Vec<i64> = inside.map(|(_, _, value)| *value).collect();
                    let found = |i: usize| {
                        let column = results[i].as_primitive::<Int64Type>();
                        datafusion::arrow::array::Array::is_valid(column, row).then(|| column.value(row))
                    };
                    let different: std::collections::BTreeSet<i64> = inside.iter().copied().collect();
                    assert_eq!(found(0), (!inside.is_empty()).then(|| inside.iter().sum()), "{size} {end} {key}");
                    assert_eq!(found(1), inside.iter().max().copied(), "{size} {end} {key}");
                    assert_eq!(found(2), i64::try_from(different.len()).ok(), "{size} {end} {key}");
                }
            }
            let inside = rows.iter().filter(|(at, _, _)| *at > 299 - size).count();
            assert!(frame.held() >= inside && frame.held() <= 2 * inside + 40, "{} of {inside}", frame.held());
            // Silent for long, nothing is held.
            frame.forget(10_000).expect("time passes");
            assert_eq!((frame.held(), frame.free.len()), (0, frame.slots as usize));
        }
    }
}
