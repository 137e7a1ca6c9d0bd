//! Sessions: rows of a key that lie less than a pause apart, cut at fixed times.
//!
//! A session holds from its first row until the pause after its last is over, or until it is cut. A row may join two
//! sessions that were apart before it came. What is a session depends on the rows alone: those that count are none older than the
//! watermark that they found, so that no row comes to a session that is over.

use std::collections::BTreeSet;

use datafusion::arrow::datatypes::DataType;

use crate::language::tree::AggregateFunction;
use crate::pipeline::saved::{Loader, Saved, SavedError, Saver};

use super::accumulate::{AggregateKind, States};
use super::distinct::Values;
use super::evict::{Evicted, evicted, seen_longest_ago};
use super::evidence::{self, FirstRows, FlowsBehind};
use super::key::Keys;
use super::operator::{COMPACT_MIN, ClosedWindow, WindowError, WindowRows};

pub struct Sessions {
    gap: i64,
    max: i64,
    kinds: Vec<AggregateKind>,
    evidence_rows: usize,
    keys: Keys,
    values: Vec<Values>,
    states: Vec<States>,
    /// By slot.
    open: Vec<Session>,
    free: Vec<u32>,
    /// Slots of open sessions, by key number; of a key in the order of time.
    of_key: Vec<Vec<u32>>,
    /// (end, slot) of every open session.
    ends: BTreeSet<(i64, u32)>,
    numbers: Vec<u32>,
    ids: Vec<u32>,
    compacted_at: usize,
    /// Sums that stopped at the bounds of INT64.
    pub saturated: u64,
}

#[derive(Debug, Clone, Default)]
struct Session {
    key: u32,
    first: i64,
    last: i64,
    evidence: FirstRows,
}

/// Rows of one batch that belong together.
struct Run {
    key: u32,
    first: i64,
    last: i64,
}

impl Sessions {
    pub fn new(
        gap: i64,
        max: i64,
        kinds: Vec<AggregateKind>,
        key_types: Vec<DataType>,
        evidence_rows: usize,
    ) -> Result<Self, WindowError> {
        Ok(Self {
            gap,
            max,
            evidence_rows,
            keys: Keys::new(key_types)?,
            values: kinds.iter().map(|_| Values::default()).collect(),
            states: kinds.iter().map(States::new).collect(),
            kinds,
            open: Vec::new(),
            free: Vec::new(),
            of_key: Vec::new(),
            ends: BTreeSet::new(),
            numbers: Vec::new(),
            ids: Vec::new(),
            compacted_at: COMPACT_MIN,
            saturated: 0,
        })
    }

    /// When the first session ends, as far as is known.
    pub fn next_end(&self) -> Option<i64> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// Adds rows; none is older than the end of a session that has been taken out.
    pub fn push(&mut self, rows: &WindowRows) -> Result<(), WindowError> {
        let mut numbers = std::mem::take(&mut self.numbers);
        self.keys.intern(rows.keys, rows.times.len(), &mut numbers)?;
        self.of_key.resize_with(self.keys.count(), Vec::new);
        let (runs, run_of) = self.runs(&numbers, rows.times);
        let mut states: Vec<States> = self.kinds.iter().map(States::new).collect();
        for (i, kind) in self.kinds.iter().enumerate() {
            states[i].grow(runs.len());
            let arg = rows.args.get(i).and_then(Option::as_ref);
            states[i].update(kind.function, &run_of, arg, &mut self.values[i], &mut self.ids)?;
        }
        let mut slots: Vec<u32> = Vec::with_capacity(runs.len());
        for run in &runs {
            let slot = self.slot_of(run, &mut slots)?;
            slots.push(slot);
        }
        for ((mine, theirs), kind) in self.states.iter_mut().zip(&states).zip(&self.kinds) {
            mine.merge(kind.function, theirs, &slots)?;
        }
        if let Some(rows) = rows.evidence.filter(|_| self.evidence_rows > 0) {
            for (row, run) in run_of.iter().enumerate() {
                let session = &mut self.open[slots[*run as usize] as usize];
                evidence::add(&mut session.evidence, self.evidence_rows, rows, row);
            }
        }
        self.numbers = numbers;
        Ok(())
    }

    /// Rows by the run that they belong to.
    fn runs(&self, numbers: &[u32], times: &[i64]) -> (Vec<Run>, Vec<u32>) {
        let mut order: Vec<usize> = (0..times.len()).collect();
        order.sort_unstable_by_key(|row| (numbers[*row], times[*row]));
        let mut runs: Vec<Run> = Vec::new();
        let mut run_of = vec![0; times.len()];
        for row in order {
            let (key, at) = (numbers[row], times[row]);
            match runs.last_mut() {
                Some(run) if run.key == key && at - run.last < self.gap && self.cut(at) == self.cut(run.first) => {
                    run.last = at;
                }
                _ => runs.push(Run { key, first: at, last: at }),
            }
            run_of[row] = u32::try_from(runs.len() - 1).unwrap_or(u32::MAX);
        }
        (runs, run_of)
    }

    /// Where the span begins that an instant lies in and no session leaves.
    fn cut(&self, at: i64) -> i64 {
        at.div_euclid(self.max).saturating_mul(self.max)
    }

    /// When a session with these first and last rows ends.
    fn end_of(&self, first: i64, last: i64) -> i64 {
        last.saturating_add(self.gap).min(self.cut(first).saturating_add(self.max))
    }

    fn end(&self, session: &Session) -> i64 {
        self.end_of(session.first, session.last)
    }

    /// The open session that a run belongs to, with what it joins, or a new one. `before`: those of the runs before it.
    fn slot_of(&mut self, run: &Run, before: &mut [u32]) -> Result<u32, WindowError> {
        let session = |slot: &u32| &self.open[*slot as usize];
        let slots = &self.of_key[run.key as usize];
        let first = slots.partition_point(|slot| run.first - session(slot).last >= self.gap);
        let near = slots[first..].iter().take_while(|slot| session(slot).first - run.last < self.gap);
        let touched: Vec<u32> =
            near.copied().filter(|slot| self.cut(session(slot).first) == self.cut(run.first)).collect();
        let Some((slot, others)) = touched.split_first() else { return Ok(self.begin(run)) };
        let known = &self.open[*slot as usize];
        self.ends.remove(&(self.end(known), *slot));
        let (mut first, mut last) = (known.first.min(run.first), known.last.max(run.last));
        for other in others {
            let joined = self.take(*other);
            (first, last) = (first.min(joined.first), last.max(joined.last));
            for (states, kind) in self.states.iter_mut().zip(&self.kinds) {
                let theirs = states.gather(&[*other]);
                states.merge(kind.function, &theirs, &[*slot])?;
            }
            let kept = &mut self.open[*slot as usize].evidence;
            evidence::merge(kept, self.evidence_rows, &joined.evidence);
            self.give_back(*other);
            // What earlier runs bring comes to it too.
            before.iter_mut().filter(|slot| *slot == other).for_each(|earlier| *earlier = *slot);
        }
        let session = &mut self.open[*slot as usize];
        (session.first, session.last) = (first, last);
        let end = self.end(&self.open[*slot as usize]);
        self.ends.insert((end, *slot));
        Ok(*slot)
    }

    fn begin(&mut self, run: &Run) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.open.push(Session::default());
            self.states.iter_mut().for_each(|states| states.grow(self.open.len()));
            u32::try_from(self.open.len() - 1).unwrap_or(u32::MAX)
        });
        let session = Session { key: run.key, first: run.first, last: run.last, evidence: FirstRows::new() };
        self.ends.insert((self.end(&session), slot));
        let place = self.place(run.key, run.first);
        self.of_key[run.key as usize].insert(place, slot);
        self.open[slot as usize] = session;
        slot
    }

    /// No longer open; its states are still there.
    fn take(&mut self, slot: u32) -> Session {
        let Session { key, first, .. } = self.open[slot as usize];
        let place = self.place(key, first);
        self.of_key[key as usize].remove(place);
        let session = std::mem::take(&mut self.open[slot as usize]);
        self.ends.remove(&(self.end(&session), slot));
        session
    }

    /// Where a session stands, or would, among those of its key.
    fn place(&self, key: u32, first: i64) -> usize {
        self.of_key[key as usize].partition_point(|slot| self.open[*slot as usize].first < first)
    }

    fn give_back(&mut self, slot: u32) {
        self.states.iter_mut().for_each(|states| states.clear(slot));
        self.free.push(slot);
    }

    /// Takes out the sessions that end at `end`, which is [`Self::next_end`].
    pub fn close(&mut self, end: i64) -> Result<ClosedWindow, WindowError> {
        let slots: Vec<u32> = self.ends.range((end, 0)..=(end, u32::MAX)).map(|(_, slot)| *slot).collect();
        let sessions: Vec<Session> = slots.iter().map(|slot| self.take(*slot)).collect();
        let numbers: Vec<u32> = sessions.iter().map(|session| session.key).collect();
        let mut columns = self.keys.columns(&numbers)?;
        for (kind, states) in self.kinds.iter().zip(&self.states) {
            columns.push(states.gather(&slots).finish(kind, &mut self.saturated));
        }
        slots.iter().for_each(|slot| self.give_back(*slot));
        let starts = sessions.iter().map(|session| session.first).collect();
        let evidence = FlowsBehind::Rows(sessions.into_iter().map(|session| session.evidence).collect());
        self.compact();
        Ok(ClosedWindow { columns, numbers: Vec::new(), starts, evidence })
    }

    /// How many keys there may be.
    pub fn keys(&self) -> usize {
        self.keys.count()
    }

    /// Where there are more keys than `keys_max`, the open sessions of those go that were seen last longest ago.
    pub fn evict(&mut self, keys_max: usize) -> Option<Evicted> {
        if self.keys.count() <= keys_max {
            return None;
        }
        // The last of a key's sessions is the latest.
        let seen = (0u32..).zip(&self.of_key);
        let seen = seen.filter_map(|(key, slots)| Some((self.open[*slots.last()? as usize].last, key))).collect();
        let gone = seen_longest_ago(seen, &self.keys, keys_max);
        for (_, key) in &gone {
            for slot in self.of_key[*key as usize].clone() {
                self.take(slot);
                self.give_back(slot);
            }
        }
        self.compacted_at = 0;
        self.compact();
        evicted(&gone, 1)
    }

    /// Drops keys and values that no session holds, when they have become many.
    fn compact(&mut self) {
        let interned = self.keys.count() + self.values.iter().map(Values::count).sum::<usize>();
        if interned < self.compacted_at {
            return;
        }
        let live: Vec<bool> = self.of_key.iter().map(|slots| !slots.is_empty()).collect();
        let renamed = self.keys.compact(&live);
        let old = std::mem::take(&mut self.of_key);
        self.of_key.resize_with(self.keys.count(), Vec::new);
        for (slots, new) in old.into_iter().zip(&renamed).filter(|(slots, _)| !slots.is_empty()) {
            slots.iter().for_each(|slot| self.open[*slot as usize].key = *new);
            self.of_key[*new as usize] = slots;
        }
        for (i, kind) in self.kinds.iter().enumerate() {
            if kind.function == AggregateFunction::CountDistinct {
                self.values[i].compact(self.states[i].distinct_sets());
            }
        }
        let left = self.keys.count() + self.values.iter().map(Values::count).sum::<usize>();
        self.compacted_at = (left * 2).max(COMPACT_MIN);
    }
}

impl Saved for Sessions {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        self.keys.save(out)?;
        self.values.iter().try_for_each(|values| values.save(out))?;
        self.states.iter().try_for_each(|states| out.put(states))?;
        let open: Vec<(u32, i64, i64)> = self.open.iter().map(|open| (open.key, open.first, open.last)).collect();
        out.put(&(open, &self.free, &self.of_key, &self.ends, self.compacted_at, self.saturated))?;
        self.open.iter().try_for_each(|open| out.flows(&open.evidence))
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        self.keys.load(from)?;
        self.values.iter_mut().try_for_each(|values| values.load(from))?;
        self.states.iter_mut().try_for_each(|states| states.load(from))?;
        let open: Vec<(u32, i64, i64)>;
        (open, self.free, self.of_key, self.ends, self.compacted_at, self.saturated) = from.take()?;
        let session = |(key, first, last)| Ok(Session { key, first, last, evidence: from.flows()? });
        self.open = open.into_iter().map(session).collect::<Result<_, SavedError>>()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array};
    use datafusion::arrow::datatypes::{DataType, Int64Type};

    use crate::language::tree::AggregateFunction;
    use crate::pipeline::window::accumulate::AggregateKind;
    use crate::pipeline::window::operator::WindowRows;
    use crate::record::Type;

    use super::Sessions;

    const GAP: i64 = 10;
    const MAX: i64 = 100;

    /// (start, end, key, rows, different values) of all sessions, rows coming in batches of `size` in this order.
    fn sessions(rows: &[(i64, i64)], size: usize, compacted_at: usize) -> Vec<(i64, i64, i64, i64, i64)> {
        let kinds = vec![
            AggregateKind { function: AggregateFunction::CountStar, arg: None, list: None },
            AggregateKind { function: AggregateFunction::CountDistinct, arg: Some(Type::Int64), list: None },
        ];
        let mut state = Sessions::new(GAP, MAX, kinds, vec![DataType::Int64], 0).expect("state");
        for batch in rows.chunks(size) {
            let times: Vec<i64> = batch.iter().map(|(at, _)| *at).collect();
            let key: ArrayRef = Arc::new(Int64Array::from_iter_values(batch.iter().map(|(_, key)| *key)));
            let value: ArrayRef = Arc::new(Int64Array::from_iter_values(batch.iter().map(|(at, _)| -at)));
            let rows =
                WindowRows { times: &times, keys: &[key], numbers: None, args: &[None, Some(value)], evidence: None };
            state.push(&rows).expect("takes rows");
        }
        let mut found = Vec::new();
        while let Some(end) = state.next_end() {
            state.compacted_at = state.compacted_at.min(compacted_at);
            let closed = state.close(end).expect("closes");
            let column = |index: usize| closed.columns[index].as_primitive::<Int64Type>().values().to_vec();
            for (row, start) in closed.starts.iter().enumerate() {
                found.push((*start, end, column(0)[row], column(1)[row], column(2)[row]));
            }
        }
        found.sort_unstable();
        found
    }

    #[test]
    fn pauses_and_cuts_end_sessions() {
        let found = sessions(&[(0, 1), (9, 1), (19, 1), (5, 2), (95, 1), (99, 1), (100, 1), (-3, 1)], 100, usize::MAX);
        let expected = [
            (-3, 0, 1, 1, 1),
            (0, 19, 1, 2, 2),
            (5, 15, 2, 1, 1),
            (19, 29, 1, 1, 1),
            (95, 100, 1, 2, 2),
            (100, 110, 1, 1, 1),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn order_batches_and_clean_ups_do_not_show() {
        let mut seed = 7u64;
        let mut random = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from((seed >> 33) % below).expect("small")
        };
        let mut rows: Vec<(i64, i64)> = (0..1_500).map(|_| (random(1_500), random(9))).collect();
        let mut expected = Vec::new();
        for key in 0..9 {
            let mut times: Vec<i64> = rows.iter().filter(|(_, other)| *other == key).map(|(at, _)| *at).collect();
            times.sort_unstable();
            for run in times.chunk_by(|a, b| b - a < GAP && a / MAX == b / MAX) {
                let (first, last) = (run[0], run[run.len() - 1]);
                let mut values = run.to_vec();
                values.dedup();
                let count = |length: usize| i64::try_from(length).expect("few");
                let end = (last + GAP).min((first / MAX + 1) * MAX);
                expected.push((first, end, key, count(run.len()), count(values.len())));
            }
        }
        expected.sort_unstable();
        assert!(expected.len() > 100 && expected.iter().any(|row| row.3 > 5), "{}", expected.len());
        for size in [1, 7, 50, 300, 1_500] {
            assert_eq!(sessions(&rows, size, usize::MAX), expected, "batches of {size}");
            assert_eq!(sessions(&rows, size, 1), expected, "batches of {size}, cleaned up");
            rows.rotate_left(211);
        }
        rows.reverse();
        assert_eq!(sessions(&rows, 1, usize::MAX), expected);
    }
}
