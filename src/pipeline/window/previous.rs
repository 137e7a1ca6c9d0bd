//! The row before: rows wait until none can come before them, then each learns what the row of its key before it had.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, new_null_array};
use datafusion::arrow::compute::{concat_batches, filter_record_batch, interleave, take_record_batch};
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};
use serde::{Deserialize, Serialize};

use crate::pipeline::saved::{Loader, Saved, SavedError, Saver};
use crate::plan::PreviousPlan;
use crate::record::Column;

use super::evict::{Evicted, evicted, seen_longest_ago};
use super::evidence::{EvidenceRows, FirstRows};
use super::key::Keys;

/// Rows held beyond those that are the last of their key, before they are dropped.
const COMPACT_MIN: usize = 65_536;
const BATCHES_MAX: usize = 256;

pub struct Previous {
    plan: PreviousPlan,
    key: Vec<usize>,
    time: usize,
    order: RowConverter,
    waiting: Vec<RecordBatch>,
    /// The flows behind the rows that wait, when evidence is kept.
    behind: Vec<FirstRows>,
    /// The time of the earliest row that waits.
    earliest: Option<i64>,
    lasts: Lasts,
}

/// Rows in their order, and the flows behind each.
pub struct Ordered {
    pub rows: RecordBatch,
    pub behind: Vec<FirstRows>,
}

impl Previous {
    /// `scope` are the columns of the rows, `time` is their event time.
    pub fn new(plan: &PreviousPlan, scope: &[Column], key: &[usize], time: usize) -> Result<Self, ArrowError> {
        let types = |columns: &[usize]| columns.iter().map(|i| scope[*i].ty.arrow()).collect::<Vec<DataType>>();
        let order = std::iter::once(scope[time].ty.arrow()).chain(types(&plan.ties)).map(SortField::new);
        Ok(Self {
            key: key.to_vec(),
            time,
            order: RowConverter::new(order.collect())?,
            waiting: Vec::new(),
            behind: Vec::new(),
            earliest: None,
            lasts: Lasts {
                max_gap: plan.max_gap.0,
                keys: Keys::new(types(key))?,
                last: Vec::new(),
                nothing: types(&plan.of).iter().map(|ty| new_null_array(ty, 1)).collect(),
                batches: Vec::new(),
                held: 0,
                numbers: Vec::new(),
            },
            plan: plan.clone(),
        })
    }

    /// Takes rows that `where` has let through; of the columns that need the row before they have NULL. `places` are theirs in
    /// `evidence`.
    pub fn push(&mut self, rows: RecordBatch, places: &[usize], evidence: Option<&dyn EvidenceRows>) {
        if rows.num_rows() == 0 {
            return;
        }
        let first = times(&rows, self.time).iter().copied().min();
        self.earliest = self.earliest.into_iter().chain(first).min();
        if let Some(evidence) = evidence {
            self.behind.extend(places.iter().map(|place| evidence.of_row(*place)));
        }
        self.waiting.push(rows);
    }

    /// How many keys there may be that have a last row.
    pub fn keys(&self) -> usize {
        self.lasts.keys.count()
    }

    /// Where there are more keys than `keys_max`, the last rows of those go that had it longest ago.
    pub fn evict(&mut self, keys_max: usize) -> Result<Option<Evicted>, ArrowError> {
        self.lasts.evict(keys_max)
    }

    /// Takes out the rows before `end`, before which none will come any more.
    pub fn release(&mut self, end: i64) -> Result<Option<Ordered>, ArrowError> {
        let Some(schema) = self.waiting.first().map(RecordBatch::schema) else { return Ok(None) };
        if self.earliest.is_none_or(|earliest| earliest >= end) {
            return Ok(None);
        }
        let all = concat_batches(&schema, &std::mem::take(&mut self.waiting))?;
        let over: Vec<bool> = times(&all, self.time).iter().map(|at| *at < end).collect();
        let mut behind = std::mem::take(&mut self.behind);
        let rest = filter_record_batch(&all, &over.iter().map(|over| Some(!over)).collect::<BooleanArray>())?;
        self.earliest = times(&rest, self.time).iter().copied().min();
        let mut rows: Vec<usize> = (0..over.len()).filter(|row| over[*row]).collect();
        let columns: Vec<ArrayRef> = std::iter::once(self.time)
            .chain(self.plan.ties.iter().copied())
            .map(|i| Arc::clone(all.column(i)))
            .collect();
        let order = self.order.convert_columns(&columns)?;
        rows.sort_by(|a, b| order.row(*a).cmp(&order.row(*b)));
        let ordered = rows.iter().filter_map(|row| behind.get_mut(*row).map(std::mem::take)).collect();
        if rest.num_rows() > 0 {
            self.behind = behind.into_iter().zip(&over).filter(|(_, over)| !**over).map(|(kept, _)| kept).collect();
            self.waiting.push(rest);
        }
        let picks: UInt32Array = rows.iter().map(|row| u32::try_from(*row).ok()).collect();
        let rows = self.with_the_row_before(&take_record_batch(&all, &picks)?)?;
        Ok(Some(Ordered { rows, behind: ordered }))
    }

    fn with_the_row_before(&mut self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let pick = |columns: &[usize]| columns.iter().map(|i| Arc::clone(rows.column(*i))).collect::<Vec<ArrayRef>>();
        let found = self.lasts.see(&pick(&self.key), times(rows, self.time), pick(&self.plan.of))?;
        let mut columns = rows.columns().to_vec();
        found.into_iter().enumerate().for_each(|(i, column)| columns[self.plan.at + i] = column);
        RecordBatch::try_new(rows.schema(), columns)
    }
}

fn times(rows: &RecordBatch, time: usize) -> &[i64] {
    rows.column(time).as_primitive::<TimestampMicrosecondType>().values()
}

/// The last row of each key.
struct Lasts {
    max_gap: i64,
    keys: Keys,
    /// By key number.
    last: Vec<Option<Place>>,
    /// A row that has NULL.
    nothing: Vec<ArrayRef>,
    batches: Vec<Vec<ArrayRef>>,
    held: usize,
    numbers: Vec<u32>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Place {
    at: i64,
    batch: usize,
    row: usize,
}

impl Lasts {
    /// For rows in order: what the row of their key before them had in `columns`.
    fn see(&mut self, keys: &[ArrayRef], times: &[i64], columns: Vec<ArrayRef>) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut numbers = std::mem::take(&mut self.numbers);
        self.keys.intern(keys, times.len(), &mut numbers)?;
        self.last.resize(self.keys.count(), None);
        let batch = self.batches.len();
        self.batches.push(columns);
        self.held += times.len();
        let mut picks = Vec::with_capacity(times.len());
        for (row, (number, at)) in numbers.iter().zip(times).enumerate() {
            let last = &mut self.last[*number as usize];
            picks.push(match last {
                Some(place) if at - place.at <= self.max_gap => (place.batch + 1, place.row),
                _ => (0, 0),
            });
            *last = Some(Place { at: *at, batch, row });
        }
        self.numbers = numbers;
        let found = self.gather(&picks)?;
        if let Some(now) = times.last() {
            self.compact(*now)?;
        }
        Ok(found)
    }

    /// Rows by (batch + 1, row); batch 0 has NULL.
    fn gather(&self, picks: &[(usize, usize)]) -> Result<Vec<ArrayRef>, ArrowError> {
        let column = |(index, nothing): (usize, &ArrayRef)| {
            let batches = self.batches.iter().map(|columns| columns[index].as_ref());
            let all: Vec<&dyn Array> = std::iter::once(nothing.as_ref()).chain(batches).collect();
            interleave(&all, picks)
        };
        self.nothing.iter().enumerate().map(column).collect()
    }

    fn evict(&mut self, keys_max: usize) -> Result<Option<Evicted>, ArrowError> {
        if self.keys.count() <= keys_max {
            return Ok(None);
        }
        let newest = self.last.iter().flatten().map(|place| place.at).max().unwrap_or(i64::MIN);
        self.clean_up(newest)?;
        let seen = (0u32..).zip(&self.last).filter_map(|(key, place)| Some(((*place)?.at, key))).collect();
        let gone = seen_longest_ago(seen, &self.keys, keys_max);
        gone.iter().for_each(|(_, key)| self.last[*key as usize] = None);
        self.clean_up(newest)?;
        // What follows on a row that went is as far behind it as a pause may be.
        Ok(evicted(&gone, self.max_gap.saturating_add(1)))
    }

    /// Drops rows that are the last of no key, and keys whose last row is too old, when they have become many.
    fn compact(&mut self, now: i64) -> Result<(), ArrowError> {
        if self.held < COMPACT_MIN.max(2 * self.last.len()) && self.batches.len() < BATCHES_MAX {
            return Ok(());
        }
        self.clean_up(now)
    }

    fn clean_up(&mut self, now: i64) -> Result<(), ArrowError> {
        let live: Vec<bool> =
            self.last.iter().map(|last| last.is_some_and(|place| now - place.at <= self.max_gap)).collect();
        let kept: Vec<Place> =
            self.last.iter().zip(&live).filter(|(_, live)| **live).filter_map(|(last, _)| *last).collect();
        let picks: Vec<(usize, usize)> = kept.iter().map(|place| (place.batch + 1, place.row)).collect();
        self.batches = vec![self.gather(&picks)?];
        self.held = kept.len();
        let renamed = self.keys.compact(&live);
        self.last = vec![None; self.keys.count()];
        let new = renamed.iter().zip(&live).filter(|(_, live)| **live).map(|(new, _)| *new);
        for (row, (new, place)) in new.zip(&kept).enumerate() {
            self.last[new as usize] = Some(Place { at: place.at, batch: 0, row });
        }
        Ok(())
    }
}

impl Saved for Previous {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(&(self.waiting.len(), self.earliest))?;
        self.waiting.iter().try_for_each(|rows| out.batch(rows))?;
        out.flows_behind(&self.behind)?;
        self.lasts.save(out)
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        let waiting: usize;
        (waiting, self.earliest) = from.take()?;
        self.waiting = (0..waiting).map(|_| from.batch()).collect::<Result<_, _>>()?;
        self.behind = from.flows_behind()?;
        self.lasts.load(from)
    }
}

impl Saved for Lasts {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        self.keys.save(out)?;
        out.put(&(&self.last, self.held, self.batches.len()))?;
        self.batches.iter().try_for_each(|columns| out.columns(columns, columns.first().map_or(0, |c| c.len())))
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        self.keys.load(from)?;
        let batches: usize;
        (self.last, self.held, batches) = from.take()?;
        self.batches = (0..batches).map(|_| from.columns()).collect::<Result<_, _>>()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array};
    use datafusion::arrow::datatypes::{DataType, Int64Type};

    use super::super::key::Keys;
    use super::Lasts;

    #[test]
    fn what_is_dropped_is_not_missed() {
        let nothing: ArrayRef = Arc::new(Int64Array::from(vec![None::<i64>]));
        let keys = Keys::new(vec![DataType::Int64]).expect("keys");
        let mut lasts = Lasts {
            max_gap: 500,
            keys,
            last: Vec::new(),
            nothing: vec![nothing],
            batches: Vec::new(),
            held: 0,
            numbers: Vec::new(),
        };
        let mut known: std::collections::BTreeMap<i64, i64> = std::collections::BTreeMap::new();
        let (mut found_some, mut too_old) = (0, 0);
        for at in 0..2_000i64 {
            let key = (at * at) % 701;
            let column: ArrayRef = Arc::new(Int64Array::from(vec![at]));
            let keys: ArrayRef = Arc::new(Int64Array::from(vec![key]));
            let found = lasts.see(&[keys], &[at], vec![column]).expect("sees");
            let last = known.insert(key, at);
            let expected = last.filter(|last| at - last <= 500);
            found_some += usize::from(expected.is_some());
            too_old += usize::from(last.is_some() && expected.is_none());
            assert_eq!(found[0].as_primitive::<Int64Type>().iter().next().flatten(), expected, "at {at}");
            assert!(lasts.batches.len() <= super::BATCHES_MAX);
        }
        assert!(found_some > 300 && too_old > 300, "{found_some} {too_old}");
    }
}
