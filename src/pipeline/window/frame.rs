//! Rows of one look-back, by key, as two stacks: a row costs the same however far its key looks back.
//!
//! The older stack keeps, for each of its rows, the aggregate of that row and all newer ones of the stack; the newer
//! stack keeps its rows and one aggregate of them all. What a key's frame holds is the top of the one merged with the other;
//! rows that have left are popped from the top. Nothing is ever subtracted, so that floats stay exact.
//!
//! What grows with its rows, such as the sets of `COUNT(DISTINCT x)`, is one [`Bag`] a key instead, which rows enter and leave.
//!
//! Beyond `rows_max` rows in memory, those that are needed last are put aside ([`Spill`]): of the older stack the newest, of the
//! newer the oldest. They come back when their turn comes.

mod aside;
mod bag;
mod stack;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use crate::pipeline::saved::{Loader, Saved, SavedError, Saver};

use super::accumulate::{AggregateKind, States};
use super::distinct::Values;
use super::evict::{Evicted, evicted, seen_longest_ago};
use super::key::Keys;
use super::operator::{COMPACT_MIN, WindowError};
use aside::Aside;
use bag::Bag;
use stack::{Piece, Row, Stack};

pub struct Frame {
    size: i64,
    kinds: Vec<AggregateKind>,
    keys: Keys,
    values: Vec<Values>,
    /// By aggregate.
    bags: Vec<Option<Bag>>,
    /// One slot a row of a frame, and one a key whose newer stack has rows.
    states: Vec<States>,
    slots: u32,
    free: Vec<u32>,
    /// By key number.
    stacks: Vec<Stacks>,
    /// (end, key) of a row of every key that has one, none newer than its oldest: keys that stay silent are found by it.
    ages: BinaryHeap<Reverse<(i64, u32)>>,
    /// Rows in memory.
    held: usize,
    aside: Option<Aside>,
    ids: Vec<u32>,
    compacted_at: usize,
    clean_ups: u64,
    /// Sums that stopped at the bounds of INT64.
    pub saturated: u64,
}

/// The numbers of some rows' keys, until the next clean-up.
pub struct Numbers {
    numbers: Vec<u32>,
    clean_ups: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct Stacks {
    /// The oldest row last.
    older: Stack,
    /// The newest row last.
    newer: Stack,
    /// The slot of all newer rows together.
    sum: Option<u32>,
    /// Is it among the ages?
    aging: bool,
}

impl Stacks {
    fn is_empty(&self) -> bool {
        self.older.is_empty() && self.newer.is_empty()
    }

    /// When the window of its oldest row ended.
    fn oldest(&self) -> Option<i64> {
        self.older.last().or(self.newer.first())
    }

    /// When the window of its newest row ended.
    fn newest(&self) -> Option<i64> {
        self.newer.last().or(self.older.first())
    }
}

impl Frame {
    pub fn new(size: i64, kinds: Vec<AggregateKind>, key_types: Vec<DataType>) -> Result<Self, ArrowError> {
        Ok(Self {
            size,
            values: kinds.iter().map(|_| Values::default()).collect(),
            states: kinds.iter().map(States::new).collect(),
            bags: kinds.iter().map(Bag::of).collect(),
            kinds,
            keys: Keys::new(key_types)?,
            slots: 0,
            free: Vec::new(),
            stacks: Vec::new(),
            ages: BinaryHeap::new(),
            held: 0,
            aside: None,
            ids: Vec::new(),
            compacted_at: COMPACT_MIN,
            clean_ups: 0,
            saturated: 0,
        })
    }

    /// Adds rows that ended at `end`, which is not before that of any row so far; `known` are their numbers, if results were
    /// asked for them.
    pub fn add(
        &mut self,
        end: i64,
        keys: &[ArrayRef],
        known: Option<Numbers>,
        args: &[Option<ArrayRef>],
        rows: usize,
    ) -> Result<(), WindowError> {
        let numbers = match known.filter(|known| known.clean_ups == self.clean_ups) {
            Some(known) => known.numbers,
            None => self.intern(keys, rows)?,
        };
        let slots: Vec<u32> = numbers.iter().map(|_| self.take_slot()).collect();
        for (i, kind) in self.kinds.iter().enumerate() {
            let arg = args.get(i).and_then(Option::as_ref);
            self.states[i].update(kind.function, &slots, arg, &mut self.values[i], &mut self.ids)?;
        }
        for (bag, states) in self.bags.iter_mut().zip(&self.states) {
            let rows = numbers.iter().zip(&slots);
            bag.iter_mut().for_each(|bag| rows.clone().for_each(|(key, slot)| bag.add(*key, states, *slot)));
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
            if !std::mem::replace(&mut stacks.aging, true) {
                self.ages.push(Reverse((end, *number)));
            }
            sums.push(sum);
        }
        self.held += rows;
        self.merge(&slots, &sums)?;
        self.put_aside()
    }

    /// The aggregates of rows that ended at or before `start`, and less than the frame's size before it, for each key.
    pub fn results(
        &mut self,
        start: i64,
        keys: &[ArrayRef],
        rows: usize,
    ) -> Result<(Vec<ArrayRef>, Numbers), WindowError> {
        let left = start.saturating_sub(self.size);
        self.forget(left)?;
        let numbers = self.intern(keys, rows)?;
        for number in &numbers {
            self.expire(*number, left)?;
            self.put_key_aside(*number)?;
        }
        for number in &numbers {
            self.bring_back_top(*number)?;
        }
        let of = |slot: &dyn Fn(&Stacks) -> Option<u32>| -> (Vec<u32>, Vec<u32>) {
            let found = (0u32..).zip(&numbers).filter_map(|(row, n)| Some((slot(&self.stacks[*n as usize])?, row)));
            found.unzip()
        };
        let parts = [of(&|stacks| stacks.older.rows.last().map(|row| row.slot)), of(&|stacks| stacks.sum)];
        let mut columns = Vec::with_capacity(self.kinds.len());
        for ((states, kind), bag) in self.states.iter().zip(&self.kinds).zip(&self.bags) {
            if let Some(bag) = bag {
                columns.push(bag.finish(kind, &numbers, &mut self.saturated));
                continue;
            }
            let mut results = States::new(kind);
            results.grow(rows);
            for (slots, places) in &parts {
                results.merge(kind.function, &states.gather(slots), places)?;
            }
            columns.push(results.finish(kind, &mut self.saturated));
        }
        Ok((columns, Numbers { numbers, clean_ups: self.clean_ups }))
    }

    /// How many keys there may be.
    pub fn keys(&self) -> usize {
        self.keys.count()
    }

    /// Where there are more keys than `keys_max`, the rows of those go that had one last longest ago.
    pub fn evict(&mut self, keys_max: usize) -> Result<Option<Evicted>, WindowError> {
        if self.keys.count() <= keys_max {
            return Ok(None);
        }
        let seen = (0u32..).zip(&self.stacks).filter_map(|(key, stacks)| Some((stacks.newest()?, key))).collect();
        let gone = seen_longest_ago(seen, &self.keys, keys_max);
        for (_, key) in &gone {
            let Stacks { older, newer, sum, .. } = std::mem::take(&mut self.stacks[*key as usize]);
            self.held -= older.rows.len() + newer.rows.len();
            self.forget_pieces(older.pieces.iter().chain(newer.pieces.iter()))?;
            let rows = older.rows.into_iter().chain(newer.rows).map(|row| row.slot);
            rows.chain(sum).for_each(|slot| self.give_back(slot));
            self.bags.iter_mut().flatten().for_each(|bag| bag.forget(*key));
        }
        self.compacted_at = 0;
        self.compact();
        Ok(evicted(&gone, 1))
    }

    fn intern(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>, WindowError> {
        let mut numbers = Vec::with_capacity(rows);
        self.keys.intern(keys, rows, &mut numbers)?;
        self.stacks.resize_with(self.keys.count(), Stacks::default);
        self.bags.iter_mut().flatten().for_each(|bag| bag.grow(self.stacks.len()));
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

    /// A row of a key has left the frame.
    fn leave(&mut self, number: u32, slot: u32) {
        self.held -= 1;
        for (bag, states) in self.bags.iter_mut().zip(&self.states) {
            bag.iter_mut().for_each(|bag| bag.remove(number, states, slot));
        }
        self.give_back(slot);
    }

    /// All rows of a piece have left the frame.
    fn piece_leaves(&mut self, number: u32, piece: Piece) -> Result<(), WindowError> {
        if self.bags.iter().all(Option::is_none) {
            return self.forget_pieces(&[piece]);
        }
        self.bring_back(piece)?.iter().for_each(|row| self.leave(number, row.slot));
        Ok(())
    }

    /// Adds each slot to the one beside it; what is in bags need not be.
    fn merge(&mut self, from: &[u32], to: &[u32]) -> Result<(), WindowError> {
        let states = self.states.iter_mut().zip(&self.kinds).zip(&self.bags);
        for ((states, kind), _) in states.filter(|(_, bag)| bag.is_none()) {
            let copies = states.gather(from);
            states.merge(kind.function, &copies, to)?;
        }
        Ok(())
    }

    /// Rows of a key that ended at or before `left` go.
    fn expire(&mut self, number: u32, left: i64) -> Result<(), WindowError> {
        self.pop_older(number, left)?;
        let stacks = &mut self.stacks[number as usize];
        if !stacks.older.is_empty() || stacks.newer.first().is_none_or(|end| end > left) {
            return Ok(());
        }
        // The newer stack becomes the older one.
        let mut newer = std::mem::take(&mut stacks.newer);
        let sum = stacks.sum.take();
        sum.into_iter().for_each(|slot| self.give_back(slot));
        let mut before: Option<u32> = None;
        loop {
            while let Some(row) = newer.rows.pop() {
                if row.end <= left {
                    self.leave(number, row.slot);
                    continue;
                }
                if let Some(next) = before.replace(row.slot) {
                    self.merge(&[next], &[row.slot])?;
                }
                self.stacks[number as usize].older.push(row);
            }
            let Some(piece) = newer.pieces.pop() else { return Ok(()) };
            if piece.last <= left {
                self.piece_leaves(number, piece)?;
            } else {
                newer.rows = self.bring_back(piece)?;
            }
        }
    }

    fn pop_older(&mut self, number: u32, left: i64) -> Result<(), WindowError> {
        loop {
            while let Some(row) = self.stacks[number as usize].older.rows.pop_if(|row| row.end <= left) {
                self.leave(number, row.slot);
            }
            let stack = &mut self.stacks[number as usize].older;
            if !stack.rows.is_empty() {
                return Ok(());
            }
            // Its last row is its oldest, its first the newest.
            let Some(piece) = stack.pieces.pop_if(|piece| piece.last <= left) else { return Ok(()) };
            if piece.first <= left {
                self.piece_leaves(number, piece)?;
            } else {
                let rows = self.bring_back(piece)?;
                self.stacks[number as usize].older.rows = rows;
            }
        }
    }

    /// Keys that nobody asks for lose their rows too.
    fn forget(&mut self, left: i64) -> Result<(), WindowError> {
        while let Some(Reverse((_, number))) = self.ages.peek().copied().filter(|Reverse((end, _))| *end <= left) {
            self.ages.pop();
            self.expire(number, left)?;
            self.put_key_aside(number)?;
            let stacks = &mut self.stacks[number as usize];
            let oldest = stacks.oldest();
            stacks.aging = oldest.is_some();
            self.ages.extend(oldest.map(|end| Reverse((end, number))));
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
        self.clean_ups += 1;
        let live: Vec<bool> = self.stacks.iter().map(|stacks| !stacks.is_empty()).collect();
        let renamed = self.keys.compact(&live);
        let mut stacks: Vec<Stacks> = Vec::new();
        stacks.resize_with(self.keys.count(), Stacks::default);
        for (old, own) in std::mem::take(&mut self.stacks).into_iter().enumerate().filter(|(old, _)| live[*old]) {
            stacks[renamed[old] as usize] = own;
        }
        self.stacks = stacks;
        self.bags.iter_mut().flatten().for_each(|bag| bag.keep_keys(&live));
        // A key that was let go has no rows left.
        let ages = std::mem::take(&mut self.ages).into_iter().filter(|Reverse((_, number))| live[*number as usize]);
        self.ages = ages.map(|Reverse((end, number))| Reverse((end, renamed[number as usize]))).collect();
        for ((bag, values), states) in self.bags.iter_mut().zip(&mut self.values).zip(&mut self.states) {
            if let Some(bag) = bag {
                // What rows hold that were put aside is in the bag.
                values.compact_by(|new| {
                    states.distinct_sets().for_each(|set| set.rename(&mut *new));
                    bag.rename_values(new);
                });
            }
        }
        self.compacted_at = (interned(self) * 2).max(COMPACT_MIN);
    }
}

impl Saved for Frame {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        self.keys.save(out)?;
        self.values.iter().try_for_each(|values| values.save(out))?;
        self.states.iter().try_for_each(|states| out.put(states))?;
        out.put(&(&self.bags, &self.stacks, self.slots, &self.free, self.held))?;
        let ages: Vec<(i64, u32)> = self.ages.iter().map(|Reverse(age)| *age).collect();
        out.put(&(ages, self.compacted_at, self.clean_ups, self.saturated))?;
        self.save_pieces(out)
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        self.keys.load(from)?;
        self.values.iter_mut().try_for_each(|values| values.load(from))?;
        self.states.iter_mut().try_for_each(|states| states.load(from))?;
        (self.bags, self.stacks, self.slots, self.free, self.held) = from.take()?;
        let ages: Vec<(i64, u32)>;
        (ages, self.compacted_at, self.clean_ups, self.saturated) = from.take()?;
        self.ages = ages.into_iter().map(Reverse).collect();
        self.load_pieces(from)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array};
    use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};

    use super::{AggregateKind, Frame};
    use crate::adapter::local::LocalSpill;
    use crate::language::tree::AggregateFunction as F;
    use crate::record::Type;

    /// Against the sum, the largest and the different values of the rows that are in the frame, at every step; with rows put
    /// aside and without.
    #[test]
    fn frames_hold_what_a_scan_over_all_rows_finds() {
        for rows_max in [None, Some(1), Some(40)] {
            [1, 3, 10, 40].into_iter().for_each(|size| scanned(size, rows_max, false));
        }
    }

    /// The same where memory gets short meanwhile, and what is put aside gives its room back.
    #[test]
    fn frames_that_are_told_to_hold_less() {
        [3, 10, 40].into_iter().for_each(|size| scanned(size, Some(64), true));
    }

    fn scanned(size: i64, mut rows_max: Option<usize>, shrinks: bool) {
        let kind = |function| AggregateKind { function, arg: Some(Type::Int64), list: None };
        let median = F::Quantile { number: 1, of: 2 };
        let kinds = vec![kind(F::Sum), kind(F::Max), kind(F::CountDistinct), kind(F::VarSamp), kind(median)];
        let mut frame = Frame::new(size, kinds, vec![DataType::Int64]).expect("a frame");
        if let Some(rows_max) = rows_max {
            frame.spill_to(Arc::new(LocalSpill::default()), rows_max);
        }
        let mut rows: Vec<(i64, i64, i64)> = Vec::new();
        let mut seed = 7u64;
        let mut draw = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from((seed >> 33) % below).unwrap_or(0)
        };
        let mut closed_up = false;
        for end in 0..300 {
            if let Some(rows) = rows_max.as_mut().filter(|rows| shrinks && end % 50 == 49 && **rows > 2) {
                let slots = frame.slots;
                *rows /= 2;
                frame.hold_at_most(*rows).expect("puts rows aside");
                closed_up |= frame.slots < slots;
            }
            let here: Vec<(i64, i64)> = (0..draw(4)).map(|_| (draw(5), 5_000_000_000 * (draw(9) - 4))).collect();
            let array = |of: &dyn Fn(&(i64, i64)) -> i64| -> ArrayRef {
                Arc::new(Int64Array::from_iter_values(here.iter().map(of)))
            };
            let values = array(&|row| row.1);
            let args = vec![Some(values); 5];
            let keys = array(&|row| row.0);
            let known = (end % 2 == 0).then(|| frame.results(end, std::slice::from_ref(&keys), here.len()));
            let known = known.transpose().expect("results").map(|(_, known)| known);
            // Numbers that are known may be others by the time the rows come.
            if end % 4 == 0 {
                frame.compacted_at = 0;
                frame.compact();
            }
            frame.add(end, &[keys], known, &args, here.len()).expect("rows");
            rows.extend(here.iter().map(|(key, value)| (end, *key, *value)));
            // Not every key is asked for at every step; their values are seldom the same for long.
            frame.compacted_at = if end % 7 == 0 { 0 } else { frame.compacted_at };
            let asked: Vec<i64> = (0..draw(3)).map(|_| draw(6)).collect();
            let keys: ArrayRef = Arc::new(Int64Array::from(asked.clone()));
            let (results, _) = frame.results(end, &[keys], asked.len()).expect("results");
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
                let mut sorted = inside.clone();
                sorted.sort_unstable();
                let median = sorted.get(sorted.len().div_ceil(2).saturating_sub(1));
                assert_eq!(found(4), median.copied(), "{size} {end} {key}");
                let (found, expected) = (spread(&results[3], row), variance(&inside));
                let near = found.zip(expected).map(|(a, b)| (a - b).abs() <= 1e-12 * b.abs());
                assert!(near.unwrap_or(found == expected), "{size} {end} {key}: {found:?}, {expected:?}");
            }
        }
        assert!(closed_up || !shrinks || size < 40, "nothing was given back");
        let inside = rows.iter().filter(|(at, _, _)| *at > 299 - size).count();
        let held = frame.held;
        match rows_max {
            None => assert!(held >= inside && held <= 2 * inside + 40, "{held} of {inside}"),
            Some(rows_max) => assert!(held <= rows_max + 5, "{held}"),
        }
        // Silent for long, nothing is held.
        frame.forget(10_000).expect("time passes");
        assert_eq!((frame.held, frame.free.len()), (0, frame.slots as usize));
        assert!(frame.stacks.iter().all(super::Stacks::is_empty) && frame.ages.is_empty());
        let Some(super::Bag::Distinct(bags)) = &frame.bags[2] else { panic!("a bag") };
        assert!(bags.iter().all(|bag| bag.is_empty()));
    }

    fn spread(column: &ArrayRef, row: usize) -> Option<f64> {
        let column = column.as_primitive::<Float64Type>();
        datafusion::arrow::array::Array::is_valid(column, row).then(|| column.value(row))
    }

    /// Of multiples of 5,000,000,000, where it is exact.
    fn variance(values: &[i64]) -> Option<f64> {
        let (n, unit) = (i128::try_from(values.len()).ok()?, 5_000_000_000i128);
        let small: Vec<i128> = values.iter().map(|value| i128::from(*value) / unit).collect();
        let (sum, squares) = (small.iter().sum::<i128>(), small.iter().map(|value| value * value).sum::<i128>());
        #[expect(clippy::cast_precision_loss, reason = "rounded once")]
        let result = ((n * squares - sum * sum) * unit * unit) as f64;
        #[expect(clippy::cast_precision_loss, reason = "few")]
        (n > 1).then(|| result / n as f64 / (n - 1) as f64)
    }
}
