//! The one stateful operator: panes of one feature, filled by rows, combined into windows when time passes their end.
//!
//! It knows nothing of watermarks' origin: [`WindowState::push`] takes rows whose closed windows have been taken out
//! already, [`WindowState::close`] takes out the window with a given end, [`WindowState::pass`] says that time went on.
//! A row counts in every window that contains it and is not over; the pane it lands in is shared by them.

mod early;
mod evict;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;

use crate::language::tree::AggregateFunction;
use crate::pipeline::saved::{Loader, Saved, SavedError, Saver};
use crate::plan::Bound;
use crate::record::MICROS_PER_SECOND;

use super::accumulate::{AggregateKind, SketchError, States};
use super::distinct::Values;
use super::evidence::{Evidence, EvidenceRows, FlowsBehind};
use super::fill::Fill;
use super::handover::Handover;
use super::key::{KeySpace, Keys};
pub use early::Ask;
use early::EarlyKeys;

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
    #[error("rows of a look-back could not be put into a temporary file: {0}")]
    Spill(std::io::Error),
}

/// Which rows of a window are wanted: those within all bounds of one of these, or all.
pub type Wanted<'a> = Option<&'a [Vec<Bound>]>;

/// The keys and states of one pane or window.
struct Pane {
    /// Key numbers, by slot.
    keys: Vec<u32>,
    /// Slots, by key number; [`NONE`] where the pane has no such key.
    slots: Vec<u32>,
    states: Vec<States>,
    /// By slot, of a pane that rows come to: when the key was seen last, in seconds after the start.
    last: Vec<u32>,
    /// When evidence is kept.
    evidence: Option<Arc<Evidence>>,
}

const NONE: u32 = u32::MAX;
/// Panes that keep their slots by key: those that rows of the present go to.
const PANES_WRITTEN: usize = 4;

/// A window that has been taken out.
pub struct ClosedWindow {
    /// Key columns, then one column an aggregate.
    pub columns: Vec<ArrayRef>,
    /// Key numbers, by row.
    pub numbers: Vec<u32>,
    /// When each row's window began.
    pub starts: Vec<i64>,
    /// The first rows of each key, when evidence is kept.
    pub evidence: FlowsBehind,
}

/// Rows of one batch for [`WindowState::push`].
pub struct WindowRows<'a> {
    pub times: &'a [i64],
    pub keys: &'a [ArrayRef],
    /// Of each row's key, where they are known.
    pub numbers: Option<&'a [u32]>,
    /// One an aggregate; `None` for `COUNT(*)`.
    pub args: &'a [Option<ArrayRef>],
    /// Given when evidence is kept.
    pub evidence: Option<&'a dyn EvidenceRows>,
}

pub struct WindowState {
    hop: Hop,
    kinds: Vec<AggregateKind>,
    evidence_rows: usize,
    keys: KeySpace,
    values: Vec<Values>,
    panes: BTreeMap<i64, Pane>,
    /// The last end of a window that is over.
    closed: Option<i64>,
    numbers: Vec<u32>,
    ids: Vec<u32>,
    /// Slots by key number of panes that have none any more, all [`NONE`]: a pane is small beside all keys.
    unused: Vec<Vec<u32>>,
    /// Values when unused ones were last dropped.
    values_compacted_at: usize,
    /// Sums that stopped at the bounds of INT64.
    pub saturated: u64,
    fill: Option<Fill>,
    /// When somebody asks for rows of windows that are open.
    early: Option<Box<EarlyKeys>>,
}

/// Interned keys and values below this are not worth a clean-up: they are near the processor.
pub(in crate::pipeline) const COMPACT_MIN: usize = 8_192;

impl WindowState {
    pub fn new(
        hop: Hop,
        kinds: Vec<AggregateKind>,
        key_types: Vec<DataType>,
        evidence_rows: usize,
    ) -> Result<Self, WindowError> {
        Ok(Self::of_keys(hop, kinds, KeySpace::own(Keys::new(key_types)?), evidence_rows))
    }

    /// With keys that other windows may share.
    pub fn of_keys(hop: Hop, kinds: Vec<AggregateKind>, keys: KeySpace, evidence_rows: usize) -> Self {
        let values = kinds.iter().map(|_| Values::default()).collect();
        Self {
            hop,
            kinds,
            evidence_rows,
            keys,
            values,
            panes: BTreeMap::new(),
            closed: None,
            numbers: Vec::new(),
            ids: Vec::new(),
            unused: Vec::new(),
            values_compacted_at: COMPACT_MIN,
            saturated: 0,
            fill: None,
            early: None,
        }
    }

    /// Windows without rows are there too, so long after the key's last one with rows.
    pub fn filled(self, expire: Option<i64>) -> Self {
        Self { fill: expire.map(Fill::new), ..self }
    }

    /// No window that ends later than this is filled in.
    pub fn fill_until(&mut self, end: i64) {
        self.fill.iter_mut().for_each(|fill| fill.until(end));
    }

    pub fn hop(&self) -> Hop {
        self.hop
    }

    /// Adds rows. Each row has at least one window that has not been taken out.
    pub fn push(&mut self, rows: &WindowRows) -> Result<(), WindowError> {
        if let Some(numbers) = rows.numbers {
            return self.push_numbered(rows, numbers);
        }
        let mut numbers = std::mem::take(&mut self.numbers);
        self.keys.lock().intern(rows.keys, rows.times.len(), &mut numbers)?;
        let result = self.push_numbered(rows, &numbers);
        self.numbers = numbers;
        result
    }

    fn push_numbered(&mut self, rows: &WindowRows, numbers: &[u32]) -> Result<(), WindowError> {
        let hop = self.hop;
        let mut by_pane: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        let mut last: Option<(i64, Vec<u32>)> = None;
        for (row, at) in (0u32..).zip(rows.times) {
            match &mut last {
                Some((start, chosen)) if (*start..start.saturating_add(hop.every)).contains(at) => chosen.push(row),
                _ => {
                    if let Some((start, chosen)) = last.take() {
                        by_pane.entry(start).or_default().extend(chosen);
                    }
                    last = Some((hop.pane(*at), vec![row]));
                }
            }
        }
        if let Some((start, chosen)) = last {
            by_pane.entry(start).or_default().extend(chosen);
        }
        for (start, chosen) in by_pane {
            if chosen.len() == rows.times.len() {
                self.push_pane(start, numbers, rows.args, rows, None)?;
            } else {
                let picks = UInt32Array::from(chosen);
                let some: Vec<u32> = picks.values().iter().map(|row| numbers[*row as usize]).collect();
                let args = rows
                    .args
                    .iter()
                    .map(|arg| arg.as_ref().map(|arg| take(arg, &picks, None)).transpose())
                    .collect::<Result<Vec<_>, _>>()?;
                self.push_pane(start, &some, &args, rows, Some(picks.values()))?;
            }
        }
        Ok(())
    }

    fn push_pane(
        &mut self,
        start: i64,
        numbers: &[u32],
        args: &[Option<ArrayRef>],
        rows: &WindowRows,
        picks: Option<&[u32]>,
    ) -> Result<(), WindowError> {
        if !self.panes.contains_key(&start) {
            self.panes.insert(start, Pane::new(&self.kinds, self.evidence_rows));
            // Rows go to the newest panes; the others find their slots again when a straggler comes.
            let read = self.early.as_ref().map_or(0, |_| self.steps() + 1);
            let old = self.panes.values_mut().rev().skip(PANES_WRITTEN.max(read));
            self.unused.extend(old.filter_map(Pane::settled));
        }
        self.early.iter_mut().for_each(|early| early.touch(start, numbers));
        let Some(pane) = self.panes.get_mut(&start) else { return Ok(()) };
        let slots = pane.slots_of(numbers, self.keys.lock().count(), &mut self.unused);
        pane.states.iter_mut().for_each(|states| states.grow(pane.keys.len()));
        let place = |i: usize| picks.map_or(i, |picks| picks[i] as usize);
        pane.see(start, &slots, |i| rows.times[place(i)]);
        for (i, kind) in self.kinds.iter().enumerate() {
            pane.states[i].update(kind.function, &slots, args[i].as_ref(), &mut self.values[i], &mut self.ids)?;
        }
        if let (Some(rows), Some(kept)) = (rows.evidence, &mut pane.evidence) {
            let kept = Arc::make_mut(kept);
            kept.grow(&pane.keys);
            for (i, slot) in slots.iter().enumerate() {
                kept.add(*slot, rows, place(i));
            }
        }
        Ok(())
    }

    /// The end of the earliest window that has rows, or that is filled in, and has not been taken out.
    pub fn next_end(&self) -> Option<i64> {
        let filled = self.fill.as_ref().and_then(|fill| fill.next_end(self.hop, self.closed));
        self.next_with_rows().into_iter().chain(filled).min()
    }

    fn next_with_rows(&self) -> Option<i64> {
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
        self.early.iter_mut().for_each(|early| early.pass(over));
    }

    /// Leaves out the window that ends at `end`, which is [`Self::next_end`]: nothing asks for it.
    pub fn skip(&mut self, end: i64) {
        self.closed = Some(end);
        self.drop_over(end);
        self.compact();
    }

    /// Takes out the window that ends at `end`, which is [`Self::next_end`]: the rows that are `wanted`.
    pub fn close(&mut self, end: i64, wanted: Wanted<'_>) -> Result<ClosedWindow, WindowError> {
        // Before anybody has what panes keep of flows: it would be copied to be changed.
        self.compact();
        let start = end.saturating_sub(self.hop.size);
        self.closed = Some(end);
        let panes = self.panes.range(start..end);
        let evidence: Vec<_> = panes.clone().filter_map(|(_, pane)| pane.evidence.clone()).collect();
        // Which keys have rows is told by all of them.
        let (chosen, wanted) = if self.fill.is_some() { (wanted, None) } else { (None, wanted) };
        let window = match panes.count() {
            0 => None,
            // A pane that no later window needs is the window itself.
            1 if self.panes.first_key_value().is_some_and(|(first, _)| *first == start) => {
                self.panes.remove(&start).map(|mut pane| {
                    self.unused.extend(pane.without_slots());
                    pane.only(wanted)
                })
            }
            _ => Some(self.combine(start, end, wanted)?),
        };
        self.drop_over(end);
        let window = match &mut self.fill {
            None => window,
            Some(fill) => {
                let mut window = window.unwrap_or_else(|| Pane::new(&self.kinds, 0));
                fill.fill(end, &mut window.keys, self.keys.lock().count());
                window.states.iter_mut().for_each(|states| states.grow_zero(window.keys.len()));
                Some(window.only(chosen))
            }
        };
        let closed = match window {
            Some(window) => self.finish(start, &window, evidence)?,
            None => ClosedWindow::empty(),
        };
        Ok(closed)
    }

    fn drop_over(&mut self, end: i64) {
        while let Some(pane) = self.panes.first_entry().filter(|pane| pane.key().saturating_add(self.hop.size) <= end) {
            self.unused.extend(pane.remove().without_slots());
        }
    }

    /// The window's rows that are wanted: what tells which is put together first.
    fn combine(&mut self, start: i64, end: i64, wanted: Wanted<'_>) -> Result<Pane, WindowError> {
        let mut whole = Pane::new(&self.kinds, 0);
        let panes: Vec<&Pane> = self.panes.range(start..end).map(|(_, pane)| pane).collect();
        let keys = self.keys.lock().count();
        let slots: Vec<Vec<u32>> =
            panes.iter().map(|pane| whole.slots_of(&pane.keys, keys, &mut self.unused)).collect();
        self.unused.extend(whole.without_slots());
        let tells = |kind: usize| wanted.is_none_or(|any| any.iter().flatten().any(|bound| bound.aggregate == kind));
        for (i, (mine, kind)) in whole.states.iter_mut().zip(&self.kinds).enumerate().filter(|(i, _)| tells(*i)) {
            mine.grow(whole.keys.len());
            panes.iter().zip(&slots).try_for_each(|(pane, slots)| mine.merge(kind.function, &pane.states[i], slots))?;
        }
        let all = whole.keys.len();
        let Some(chosen) = whole.chosen(wanted) else { return Ok(whole) };
        let mut places = vec![NONE; all];
        chosen.iter().zip(0u32..).for_each(|(slot, place)| places[*slot as usize] = place);
        whole.keys = chosen.iter().map(|slot| whole.keys[*slot as usize]).collect();
        for (i, (mine, kind)) in whole.states.iter_mut().zip(&self.kinds).enumerate() {
            if tells(i) {
                *mine = mine.gather(&chosen);
                continue;
            }
            mine.grow(chosen.len());
            for (pane, slots) in panes.iter().zip(&slots) {
                let here = (0u32..).zip(slots).map(|(from, slot)| (from, places[*slot as usize]));
                let (from, to): (Vec<u32>, Vec<u32>) = here.filter(|(_, to)| *to != NONE).unzip();
                if !from.is_empty() {
                    mine.merge(kind.function, &pane.states[i].gather(&from), &to)?;
                }
            }
        }
        Ok(whole)
    }

    fn finish(&mut self, start: i64, window: &Pane, evidence: Vec<Arc<Evidence>>) -> Result<ClosedWindow, WindowError> {
        let mut columns = self.keys.lock().columns(&window.keys)?;
        for (kind, states) in self.kinds.iter().zip(&window.states) {
            columns.push(states.finish(kind, &mut self.saturated));
        }
        let starts = vec![start; window.keys.len()];
        let evidence = FlowsBehind::of_panes(&window.keys, evidence);
        Ok(ClosedWindow { columns, numbers: window.keys.clone(), starts, evidence })
    }

    /// Drops values that no pane holds, and keys that are its own, when they have become many.
    fn compact(&mut self) {
        let values = |state: &Self| state.values.iter().map(Values::count).sum::<usize>();
        if values(self) >= self.values_compacted_at {
            for (i, kind) in self.kinds.iter().enumerate() {
                if kind.function == AggregateFunction::CountDistinct {
                    self.values[i].compact(self.panes.values_mut().flat_map(|pane| pane.states[i].distinct_sets()));
                }
            }
            self.values_compacted_at = (values(self) * 2).max(COMPACT_MIN);
        }
        if !self.keys.is_shared() && self.keys.lock().is_crowded() {
            let mut live = vec![false; self.keys.lock().count()];
            self.mark(&mut live);
            let renamed = self.keys.lock().compact(&live);
            self.rename(&live, &renamed);
        }
    }

    /// Marks the keys that it needs, by number.
    pub fn mark(&self, live: &mut [bool]) {
        for pane in self.panes.values() {
            pane.keys.iter().for_each(|key| live[*key as usize] = true);
        }
        self.fill.iter().for_each(|fill| fill.mark(self.closed, live));
    }

    /// Keys have other numbers from now on, and those that are not `live` none.
    pub fn rename(&mut self, live: &[bool], renamed: &[u32]) {
        self.fill.iter_mut().for_each(|fill| fill.compact(live));
        self.early.iter_mut().for_each(|early| early.rename(live, renamed));
        self.rename_panes(renamed);
    }

    fn rename_panes(&mut self, renamed: &[u32]) {
        for pane in self.panes.values_mut() {
            pane.keys.iter_mut().for_each(|key| *key = renamed[*key as usize]);
            pane.slots = Vec::new();
            if let Some(kept) = &mut pane.evidence {
                Arc::make_mut(kept).rename(renamed);
            }
        }
        self.unused = Vec::new();
    }
}

impl WindowState {
    /// Takes the place of the windows of the same feature in another graph, and keeps its own keys' place.
    pub fn go_on(&mut self, mut before: Self, handover: &mut Handover) {
        let keys = self.keys.clone();
        if let Some(from) = handover.source(&before.keys, &keys) {
            let mut live = vec![false; from.lock().count()];
            before.mark(&mut live);
            let renamed = keys.adopt(&from, &live);
            before.fill.iter_mut().for_each(|fill| fill.rename(&renamed));
            before.rename_panes(&renamed);
        }
        before.keys = keys;
        before.early = self.early.take();
        *self = before;
    }

    pub fn key_space(&self) -> &KeySpace {
        &self.keys
    }
}

impl Saved for WindowState {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        if !self.keys.is_shared() {
            self.keys.lock().save(out)?;
        }
        self.values.iter().try_for_each(|values| values.save(out))?;
        out.put(&(self.closed, self.values_compacted_at, self.saturated, &self.fill, self.panes.len()))?;
        self.panes.iter().try_for_each(|(start, pane)| {
            out.put(start)?;
            pane.save(out)
        })
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        if !self.keys.is_shared() {
            self.keys.lock().load(from)?;
        }
        self.values.iter_mut().try_for_each(|values| values.load(from))?;
        let panes: usize;
        (self.closed, self.values_compacted_at, self.saturated, self.fill, panes) = from.take()?;
        self.panes.clear();
        for _ in 0..panes {
            let start = from.take()?;
            let mut pane = Pane::new(&self.kinds, self.evidence_rows);
            pane.load(from)?;
            self.panes.insert(start, pane);
        }
        self.early.iter_mut().for_each(|early| early.clear());
        Ok(())
    }
}

/// Its slots by key number are found again when rows come.
impl Saved for Pane {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(&(&self.keys, &self.last))?;
        self.states.iter().try_for_each(|states| out.put(states))?;
        self.evidence.iter().try_for_each(|kept| kept.save(out))
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        (self.keys, self.last) = from.take()?;
        self.states.iter_mut().try_for_each(|states| states.load(from))?;
        self.evidence.iter_mut().try_for_each(|kept| Arc::make_mut(kept).load(from))
    }
}

impl ClosedWindow {
    pub fn empty() -> Self {
        Self { columns: Vec::new(), numbers: Vec::new(), starts: Vec::new(), evidence: FlowsBehind::none() }
    }
}

impl Pane {
    fn new(kinds: &[AggregateKind], evidence_rows: usize) -> Self {
        let states = kinds.iter().map(States::new).collect();
        let evidence = (evidence_rows > 0).then(|| Arc::new(Evidence::new(evidence_rows)));
        Self { keys: Vec::new(), slots: Vec::new(), states, last: Vec::new(), evidence }
    }

    /// Rows have come to these slots, each at an instant of the pane that starts at `start`.
    fn see(&mut self, start: i64, slots: &[u32], at: impl Fn(usize) -> i64) {
        self.last.resize(self.keys.len(), 0);
        for (i, slot) in slots.iter().enumerate() {
            let seconds = u32::try_from((at(i) - start) / MICROS_PER_SECOND).unwrap_or(u32::MAX);
            let last = &mut self.last[*slot as usize];
            *last = (*last).max(seconds);
        }
    }

    /// Takes away its slots, all [`NONE`] again.
    fn without_slots(&mut self) -> Option<Vec<u32>> {
        let mut slots = std::mem::take(&mut self.slots);
        if slots.is_empty() {
            return None;
        }
        self.keys.iter().for_each(|key| slots[*key as usize] = NONE);
        Some(slots)
    }

    /// As [`Self::without_slots`], of a pane to which few rows will come: it has no room for more.
    fn settled(&mut self) -> Option<Vec<u32>> {
        let slots = self.without_slots()?;
        self.keys.shrink_to_fit();
        self.last.shrink_to_fit();
        self.states.iter_mut().for_each(States::shrink);
        self.evidence.iter_mut().filter_map(Arc::get_mut).for_each(Evidence::shrink);
        Some(slots)
    }

    /// The slots of key numbers; new keys get new slots.
    fn slots_of(&mut self, numbers: &[u32], keys: usize, unused: &mut Vec<Vec<u32>>) -> Vec<u32> {
        if self.slots.len() < keys {
            let forgotten = self.slots.is_empty();
            if forgotten {
                self.slots = unused.pop().unwrap_or_default();
            }
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
        slots
    }

    /// The slots of rows that are wanted; `None` for all.
    fn chosen(&self, wanted: Wanted<'_>) -> Option<Vec<u32>> {
        let wanted = wanted?;
        let within = |slot: u32| {
            let holds = |bound: &Bound| self.states[bound.aggregate].within(slot as usize, bound.least, bound.most);
            wanted.iter().any(|all| all.iter().all(holds))
        };
        let slots = 0..u32::try_from(self.keys.len()).unwrap_or(NONE);
        Some(slots.filter(|slot| within(*slot)).collect())
    }

    /// Without the rows that are not wanted.
    fn only(self, wanted: Wanted<'_>) -> Self {
        let Some(chosen) = self.chosen(wanted).filter(|chosen| chosen.len() < self.keys.len()) else { return self };
        let states = self.states.iter().map(|states| states.gather(&chosen)).collect();
        let keys = chosen.iter().map(|slot| self.keys[*slot as usize]).collect();
        Self { keys, slots: Vec::new(), states, last: Vec::new(), evidence: None }
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
            let closed = state.close(end, None).expect("closes");
            if closed.starts.is_empty() {
                return;
            }
            let (keys, counts) = (closed.columns[0].as_string::<i32>(), closed.columns[1].as_primitive::<Int64Type>());
            let distinct = closed.columns[2].as_primitive::<Int64Type>();
            for row in 0..closed.starts.len() {
                let key = keys.is_valid(row).then(|| keys.value(row).to_owned());
                found.push((end, key, counts.value(row), distinct.value(row)));
            }
        };
        for step in 0..60i64 {
            state.values_compacted_at = state.values_compacted_at.min(compacted_at);
            state.keys.lock().crowd_at_most(compacted_at);
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
            let rows =
                WindowRows { times: &times, keys: &[key], numbers: None, args: &[None, Some(value)], evidence: None };
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
                let rows = WindowRows {
                    times: &[pane * 10; 2],
                    keys: &[key],
                    numbers: None,
                    args: &[Some(one)],
                    evidence: None,
                };
                state.push(&rows).expect("takes rows");
            }
        }
        let mut whole = None;
        while let Some(end) = state.next_end().filter(|end| *end <= 100) {
            whole = Some(state.close(end, None).expect("closes"));
        }
        let whole = whole.expect("the window from 0 to 100");
        let column = |index: usize| whole.columns[index].as_primitive::<Int64Type>().values().to_vec();
        let mut sums: Vec<(i64, i64)> = column(0).into_iter().zip(column(1)).collect();
        sums.sort_unstable();
        assert_eq!(sums, [(0, 10), (1, 10), (2, 10), (7, 30)]);
    }
}
