//! The one stateful operator: panes of one feature, filled by rows, combined into windows when time passes their end.
//!
//! It knows nothing of watermarks' origin: [`WindowState::push`] takes rows whose closed windows have been taken out
//! already, [`WindowState::close`] takes out the window with a given end, [`WindowState::pass`] says that time went on.
//! A row counts in every window that contains it and is not over; the pane it lands in is shared by them.

use std::collections::BTreeMap;

use datafusion::arrow::array::{ArrayRef, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;

use crate::language::tree::AggregateFunction;

use super::accumulate::{AggregateKind, SketchError, States};
use super::distinct::Values;
use super::evidence::{Evidence, EvidenceRow, EvidenceRows};
use super::key::Keys;

/// Size and step, in microseconds; the size is a multiple of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    pub size: i64,
    pub every: i64,
}

impl Hop {
    /// Start of the pane that holds an instant.
    pub fn pane(self, at: i64) -> i64 {
        at.div_euclid(self.every).saturating_mul(self.every)
    }

    /// The end of the last window that holds an instant.
    pub fn last_end(self, at: i64) -> i64 {
        self.pane(at).saturating_add(self.size)
    }

    /// The end of the first window that holds an instant.
    pub fn first_end(self, at: i64) -> i64 {
        self.pane(at).saturating_add(self.every)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Sketch(#[from] SketchError),
}

/// The keys and states of one pane or window.
struct Pane {
    /// Key numbers, by slot.
    keys: Vec<u32>,
    /// Slots, by key number; [`NONE`] where the pane has no such key.
    slots: Vec<u32>,
    states: Vec<States>,
    evidence: Evidence,
}

const NONE: u32 = u32::MAX;
/// Panes that keep their slots by key: those that rows of the present go to.
const PANES_WRITTEN: usize = 4;

/// A window that has been taken out.
pub struct ClosedWindow {
    /// Key columns, then one column an aggregate.
    pub columns: Vec<ArrayRef>,
    pub rows: usize,
    /// The first rows of each key, when evidence is kept.
    pub evidence: Vec<Vec<EvidenceRow>>,
}

/// Rows of one batch for [`WindowState::push`].
pub struct WindowRows<'a> {
    pub times: &'a [i64],
    pub keys: &'a [ArrayRef],
    /// One an aggregate; `None` for `COUNT(*)`.
    pub args: &'a [Option<ArrayRef>],
    /// Given when evidence is kept.
    pub evidence: Option<&'a dyn EvidenceRows>,
}

pub struct WindowState {
    hop: Hop,
    kinds: Vec<AggregateKind>,
    evidence_rows: usize,
    keys: Keys,
    values: Vec<Values>,
    panes: BTreeMap<i64, Pane>,
    /// The last end of a window that is over.
    closed: Option<i64>,
    numbers: Vec<u32>,
    ids: Vec<u32>,
    /// Slots by key number, all [`NONE`] between two windows.
    slots: Vec<u32>,
    /// Keys and values when unused ones were last dropped.
    compacted_at: usize,
    /// Sums that stopped at the bounds of INT64.
    pub saturated: u64,
}

/// Interned keys and values below this are not worth a clean-up.
const COMPACT_MIN: usize = 65_536;

impl WindowState {
    pub fn new(
        hop: Hop,
        kinds: Vec<AggregateKind>,
        key_types: Vec<DataType>,
        evidence_rows: usize,
    ) -> Result<Self, WindowError> {
        let values = kinds.iter().map(|_| Values::default()).collect();
        Ok(Self {
            hop,
            kinds,
            evidence_rows,
            keys: Keys::new(key_types)?,
            values,
            panes: BTreeMap::new(),
            closed: None,
            numbers: Vec::new(),
            ids: Vec::new(),
            slots: Vec::new(),
            compacted_at: COMPACT_MIN,
            saturated: 0,
        })
    }

    pub fn hop(&self) -> Hop {
        self.hop
    }

    /// Adds rows. Each row has at least one window that has not been taken out.
    pub fn push(&mut self, rows: &WindowRows) -> Result<(), WindowError> {
        let mut numbers = std::mem::take(&mut self.numbers);
        self.keys.intern(rows.keys, rows.times.len(), &mut numbers)?;
        let result = self.push_numbered(rows, &numbers);
        self.numbers = numbers;
        result
    }

    fn push_numbered(&mut self, rows: &WindowRows, numbers: &[u32]) -> Result<(), WindowError> {
        let hop = self.hop;
        let mut by_pane: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        let mut last: Option<(i64, Vec<u32>)> = None;
        for (row, at) in (0u32..).zip(rows.times) {
            let pane = hop.pane(*at);
            match &mut last {
                Some((start, chosen)) if *start == pane => chosen.push(row),
                _ => {
                    if let Some((start, chosen)) = last.take() {
                        by_pane.entry(start).or_default().extend(chosen);
                    }
                    last = Some((pane, vec![row]));
                }
            }
        }
        if let Some((start, chosen)) = last {
            by_pane.entry(start).or_default().extend(chosen);
        }
        for (start, chosen) in by_pane {
            if chosen.len() == rows.times.len() {
                self.push_pane(start, numbers, rows.args, rows.evidence, None)?;
            } else {
                let picks = UInt32Array::from(chosen);
                let some: Vec<u32> = picks.values().iter().map(|row| numbers[*row as usize]).collect();
                let args = rows
                    .args
                    .iter()
                    .map(|arg| arg.as_ref().map(|arg| take(arg, &picks, None)).transpose())
                    .collect::<Result<Vec<_>, _>>()?;
                self.push_pane(start, &some, &args, rows.evidence, Some(picks.values()))?;
            }
        }
        Ok(())
    }

    fn push_pane(
        &mut self,
        start: i64,
        numbers: &[u32],
        args: &[Option<ArrayRef>],
        evidence: Option<&dyn EvidenceRows>,
        picks: Option<&[u32]>,
    ) -> Result<(), WindowError> {
        if !self.panes.contains_key(&start) {
            self.panes.insert(start, Pane::new(&self.kinds, self.evidence_rows));
            // Rows go to the newest panes; the others find their slots again when a straggler comes.
            self.panes.values_mut().rev().skip(PANES_WRITTEN).for_each(|pane| pane.slots = Vec::new());
        }
        let Some(pane) = self.panes.get_mut(&start) else { return Ok(()) };
        let slots = pane.slots_of(numbers, self.keys.count());
        for (i, kind) in self.kinds.iter().enumerate() {
            pane.states[i].update(kind.function, &slots, args[i].as_ref(), &mut self.values[i], &mut self.ids)?;
        }
        if let Some(rows) = evidence {
            for (i, slot) in slots.iter().enumerate() {
                pane.evidence.add(*slot, rows, picks.map_or(i, |picks| picks[i] as usize));
            }
        }
        Ok(())
    }

    /// The end of the earliest window that has rows and has not been taken out.
    pub fn next_end(&self) -> Option<i64> {
        let (first, _) = self.panes.first_key_value()?;
        let earliest = first.saturating_add(self.hop.every);
        let Some(closed) = self.closed else { return Some(earliest) };
        if earliest > closed {
            return Some(earliest);
        }
        // The first pane is still part of later windows.
        let next = closed.saturating_add(self.hop.every);
        (next <= first.saturating_add(self.hop.size)).then_some(next)
    }

    /// Time has passed: windows that ended at or before `watermark` are over, those without rows too.
    pub fn pass(&mut self, watermark: i64) {
        let over = self.hop.pane(watermark);
        self.closed = Some(self.closed.map_or(over, |closed| closed.max(over)));
    }

    /// Takes out the window that ends at `end`, which is [`Self::next_end`].
    pub fn close(&mut self, end: i64) -> Result<ClosedWindow, WindowError> {
        let start = end.saturating_sub(self.hop.size);
        self.closed = Some(end);
        let window = match self.panes.range(start..end).count() {
            0 => None,
            // A pane that no later window needs is the window itself.
            1 if self.panes.first_key_value().is_some_and(|(first, _)| *first == start) => self.panes.remove(&start),
            _ => Some(self.combine(start, end)?),
        };
        while self.panes.first_key_value().is_some_and(|(first, _)| first.saturating_add(self.hop.size) <= end) {
            self.panes.pop_first();
        }
        let closed = match window {
            Some(window) => self.finish(&window)?,
            None => ClosedWindow { columns: Vec::new(), rows: 0, evidence: Vec::new() },
        };
        self.compact();
        Ok(closed)
    }

    fn combine(&mut self, start: i64, end: i64) -> Result<Pane, WindowError> {
        let mut whole = Pane::new(&self.kinds, self.evidence_rows);
        // Of many keys a window has few: what it does not touch need not be written again.
        whole.slots = std::mem::take(&mut self.slots);
        for pane in self.panes.range(start..end).map(|(_, pane)| pane) {
            let slots = whole.slots_of(&pane.keys, self.keys.count());
            for ((mine, theirs), kind) in whole.states.iter_mut().zip(&pane.states).zip(&self.kinds) {
                mine.merge(kind.function, theirs, &slots)?;
            }
            whole.evidence.merge(&pane.evidence, &slots);
        }
        self.slots = std::mem::take(&mut whole.slots);
        whole.keys.iter().for_each(|key| self.slots[*key as usize] = NONE);
        Ok(whole)
    }

    fn finish(&mut self, window: &Pane) -> Result<ClosedWindow, WindowError> {
        let mut columns = self.keys.columns(&window.keys)?;
        for (kind, states) in self.kinds.iter().zip(&window.states) {
            columns.push(states.finish(kind, &mut self.saturated));
        }
        let rows = window.keys.len();
        Ok(ClosedWindow { columns, rows, evidence: window.evidence.rows(rows) })
    }

    /// Drops keys and values that no pane holds, when they have become many.
    fn compact(&mut self) {
        let interned = self.keys.count() + self.values.iter().map(Values::count).sum::<usize>();
        if interned < self.compacted_at {
            return;
        }
        let mut live = vec![false; self.keys.count()];
        for pane in self.panes.values() {
            pane.keys.iter().for_each(|key| live[*key as usize] = true);
        }
        let renamed = self.keys.compact(&live);
        for pane in self.panes.values_mut() {
            pane.keys.iter_mut().for_each(|key| *key = renamed[*key as usize]);
            pane.slots = Vec::new();
        }
        for (i, kind) in self.kinds.iter().enumerate() {
            if kind.function == AggregateFunction::CountDistinct {
                self.values[i].compact(self.panes.values_mut().flat_map(|pane| pane.states[i].distinct_sets()));
            }
        }
        let left = self.keys.count() + self.values.iter().map(Values::count).sum::<usize>();
        self.compacted_at = (left * 2).max(COMPACT_MIN);
    }
}

impl Pane {
    fn new(kinds: &[AggregateKind], evidence_rows: usize) -> Self {
        let states = kinds.iter().map(States::new).collect();
        Self { keys: Vec::new(), slots: Vec::new(), states, evidence: Evidence::new(evidence_rows) }
    }

    /// The slots of key numbers; new keys get new slots.
    fn slots_of(&mut self, numbers: &[u32], keys: usize) -> Vec<u32> {
        if self.slots.len() < keys {
            let forgotten = self.slots.is_empty();
            self.slots.resize(keys.next_power_of_two(), NONE);
            if forgotten {
                (0u32..).zip(&self.keys).for_each(|(slot, key)| self.slots[*key as usize] = slot);
            }
        }
        let mut slots = Vec::with_capacity(numbers.len());
        for number in numbers {
            let slot = &mut self.slots[*number as usize];
            if *slot == NONE {
                *slot = u32::try_from(self.keys.len()).unwrap_or(NONE);
                self.keys.push(*number);
            }
            slots.push(*slot);
        }
        for states in &mut self.states {
            states.grow(self.keys.len());
        }
        self.evidence.grow(self.keys.len());
        slots
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
    use datafusion::arrow::datatypes::{DataType, Int64Type};

    use crate::language::tree::AggregateFunction;
    use crate::pipeline::window::accumulate::AggregateKind;
    use crate::record::Type;

    use super::{Hop, WindowRows, WindowState};

    /// Rows of (end, key, rows, distinct values) of all windows, `compacted_at` being the first clean-up.
    fn windows(compacted_at: usize) -> Vec<(i64, Option<String>, i64, i64)> {
        let kind = |function, arg| AggregateKind { function, arg, list: None };
        let kinds =
            vec![kind(AggregateFunction::CountStar, None), kind(AggregateFunction::CountDistinct, Some(Type::String))];
        let mut state = WindowState::new(Hop { size: 40, every: 10 }, kinds, vec![DataType::Utf8], 0).expect("state");
        let mut found = Vec::new();
        let mut close = |state: &mut WindowState, end: i64| {
            let closed = state.close(end).expect("closes");
            if closed.rows == 0 {
                return;
            }
            let (keys, counts) = (closed.columns[0].as_string::<i32>(), closed.columns[1].as_primitive::<Int64Type>());
            let distinct = closed.columns[2].as_primitive::<Int64Type>();
            for row in 0..closed.rows {
                let key = keys.is_valid(row).then(|| keys.value(row).to_owned());
                found.push((end, key, counts.value(row), distinct.value(row)));
            }
        };
        for step in 0..60i64 {
            state.compacted_at = state.compacted_at.min(compacted_at);
            while let Some(end) = state.next_end().filter(|end| *end <= step * 5) {
                close(&mut state, end);
            }
            state.pass(step * 5);
            // Keys and values that come, go and come again, to panes of the past too; NULL among the keys.
            let times: Vec<i64> = (0..7).map(|row| step * 5 - row * 4).collect();
            let texts = (0..7).map(|row| (row != 4).then(|| format!("k{}", (step * 3 + row) % 17)));
            let key: ArrayRef = Arc::new(texts.collect::<StringArray>());
            let values = (0..7).map(|row| Some(format!("v{}", (step * row) % 23)));
            let value: ArrayRef = Arc::new(values.collect::<StringArray>());
            let rows = WindowRows { times: &times, keys: &[key], args: &[None, Some(value)], evidence: None };
            state.push(&rows).expect("takes rows");
        }
        while let Some(end) = state.next_end() {
            close(&mut state, end);
        }
        found.sort();
        found
    }

    #[test]
    fn a_clean_up_of_keys_and_values_does_not_show() {
        let never = windows(usize::MAX);
        assert!(never.len() > 300, "{}", never.len());
        assert_eq!(windows(1), never);
        assert_eq!(windows(20), never);
    }

    #[test]
    fn panes_of_the_past_find_their_slots_again() {
        let hop = Hop { size: 100, every: 10 };
        let kinds = vec![AggregateKind { function: AggregateFunction::Sum, arg: Some(Type::Int64), list: None }];
        let mut state = WindowState::new(hop, kinds, vec![DataType::Int64], 0).expect("state");
        for round in 0..3i64 {
            for pane in 0..10i64 {
                let key: ArrayRef = Arc::new(Int64Array::from(vec![round, 7]));
                let one: ArrayRef = Arc::new(Int64Array::from(vec![1, 1]));
                let rows = WindowRows { times: &[pane * 10; 2], keys: &[key], args: &[Some(one)], evidence: None };
                state.push(&rows).expect("takes rows");
            }
        }
        let mut whole = None;
        while let Some(end) = state.next_end().filter(|end| *end <= 100) {
            whole = Some(state.close(end).expect("closes"));
        }
        let whole = whole.expect("the window from 0 to 100");
        let column = |index: usize| whole.columns[index].as_primitive::<Int64Type>().values().to_vec();
        let mut sums: Vec<(i64, i64)> = column(0).into_iter().zip(column(1)).collect();
        sums.sort_unstable();
        assert_eq!(sums, [(0, 10), (1, 10), (2, 10), (7, 30)]);
    }
}
