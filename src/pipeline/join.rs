//! Declared joins at run time: columns of another feature's window, or of a lookup, beside each row.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, NullArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::interleave;
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::arrow::error::ArrowError;

use crate::plan::{Edge, JoinAt, JoinPlan, JoinTarget};
use crate::record::{Column, Value};
use crate::target::datafusion::{LookupIndex, Lookups, LowerError, pick};

use super::past::Closed;
use super::window::key::Keys;

/// One join, ready to run.
pub enum Join {
    Feature(FeatureJoin),
    Lookup { index: Arc<LookupIndex>, here: Vec<usize>, missing: Vec<Option<Value>>, read: Vec<bool> },
}

pub struct FeatureJoin {
    index: usize,
    /// By key column there: the column here.
    here: Vec<usize>,
    at: JoinAt,
    columns: Vec<Column>,
    missing: Vec<Option<Value>>,
    /// Which columns somebody reads; of the others there are no values.
    read: Vec<bool>,
}

impl Join {
    /// `read`: which of its columns somebody reads.
    pub fn new(plan: &JoinPlan, read: &[bool], lookups: &Lookups) -> Result<Self, LowerError> {
        let missing = plan.missing.clone();
        match &plan.target {
            JoinTarget::Feature { index, on, at } => {
                let here = on.iter().map(|(left, _)| *left).collect();
                let columns = plan.columns.clone();
                Ok(Self::Feature(FeatureJoin { index: *index, here, at: *at, columns, missing, read: read.to_vec() }))
            }
            JoinTarget::Lookup { index, on, longest_prefix } => {
                let there: Vec<usize> = on.iter().map(|(_, right)| *right).collect();
                let index = lookups.index(*index, &there, *longest_prefix)?;
                let here = on.iter().map(|(left, _)| *left).collect();
                Ok(Self::Lookup { index, here, missing, read: read.to_vec() })
            }
        }
    }

    /// How many columns it has.
    pub fn count(&self) -> usize {
        match self {
            Self::Feature(join) => join.columns.len(),
            Self::Lookup { missing, .. } => missing.len(),
        }
    }

    /// Does it depend on nothing but the row?
    pub fn is_lookup(&self) -> bool {
        matches!(self, Self::Lookup { .. })
    }

    /// The joined columns for each row; `closed` are the windows of features that may be joined.
    pub fn columns(
        &self,
        rows: &RecordBatch,
        event_time: usize,
        closed: Closed<'_>,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        match self {
            Self::Feature(join) => join.columns(rows, event_time, closed),
            Self::Lookup { index, here, missing, read } => {
                let times = rows.column(event_time).as_primitive::<TimestampMicrosecondType>();
                let left: Vec<ArrayRef> = here.iter().map(|i| Arc::clone(rows.column(*i))).collect();
                index.joined(&left, times.values(), missing, read)
            }
        }
    }
}

impl FeatureJoin {
    fn columns(&self, rows: &RecordBatch, event_time: usize, closed: Closed<'_>) -> Result<Vec<ArrayRef>, ArrowError> {
        match self.at {
            JoinAt::Same => {
                let Some(other) = closed.now(self.index) else { return Ok(self.absent(rows.num_rows())) };
                let picks = match_feature(rows, other, &self.here)?;
                let columns = other.columns()[self.here.len()..].iter().zip(&self.missing).zip(&self.read);
                let columns = columns.map(|((column, missing), read)| match read {
                    true => pick(column, &picks, missing.as_ref()),
                    false => Ok(unread(rows.num_rows())),
                });
                columns.collect()
            }
            JoinAt::AsOf { edge, max_age } => {
                // The window's columns stand before the event time.
                let edge = event_time - if edge == Edge::Start { 2 } else { 1 };
                let as_of = rows.column(edge).as_primitive::<TimestampMicrosecondType>().values();
                self.as_of(rows, as_of, max_age.0, closed)
            }
        }
    }

    fn absent(&self, rows: usize) -> Vec<ArrayRef> {
        let values = self.columns.iter().zip(&self.missing).zip(&self.read);
        let values = values.map(|((column, value), read)| match read {
            true => value.clone().unwrap_or(Value::Null(column.ty)).array(rows),
            false => unread(rows),
        });
        values.collect()
    }

    /// Of each row's key, the last window that ended by then.
    fn as_of(
        &self,
        rows: &RecordBatch,
        as_of: &[i64],
        max_age: i64,
        closed: Closed<'_>,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        let Some(kept) = closed.before(self.index) else { return Ok(self.absent(rows.num_rows())) };
        let keys: Vec<ArrayRef> = self.here.iter().map(|i| Arc::clone(rows.column(*i))).collect();
        let keys = kept.numbers(&keys, rows.num_rows())?;
        // Only the windows in which something is found; behind them, one row of what is absent.
        let all: Vec<&RecordBatch> = kept.windows().collect();
        let mut windows: Vec<usize> = Vec::new();
        let found = keys.iter().zip(as_of).map(|(key, as_of)| {
            let (window, row) = kept.find((*key)?, *as_of, max_age)?;
            let known = windows.iter().rposition(|known| *known == window);
            let number = known.unwrap_or_else(|| {
                windows.push(window);
                windows.len() - 1
            });
            Some((number, row))
        });
        let found: Vec<Option<(usize, usize)>> = found.collect();
        let picks: Vec<(usize, usize)> = found.into_iter().map(|found| found.unwrap_or((windows.len(), 0))).collect();
        let absent = self.absent(1);
        let column = |(number, absent): (usize, &ArrayRef)| {
            if !self.read[number] {
                return Ok(unread(rows.num_rows()));
            }
            let there = windows.iter().map(|window| all[*window].column(self.here.len() + number).as_ref());
            interleave(&there.chain([absent.as_ref()]).collect::<Vec<_>>(), &picks)
        };
        absent.iter().enumerate().map(column).collect()
    }
}

fn unread(rows: usize) -> ArrayRef {
    Arc::new(NullArray::new(rows))
}

/// `here`: for each key column of the other, the column that has to be equal.
fn match_feature(rows: &RecordBatch, other: &RecordBatch, here: &[usize]) -> Result<UInt32Array, ArrowError> {
    if here.is_empty() {
        let first = (other.num_rows() > 0).then_some(0);
        return Ok(UInt32Array::from(vec![first; rows.num_rows()]));
    }
    let left: Vec<ArrayRef> = here.iter().map(|column| Arc::clone(rows.column(*column))).collect();
    let right = other.columns()[..here.len()].to_vec();
    let mut keys = Keys::new(left.iter().map(|column| column.data_type().clone()).collect())?;
    let mut numbers = Vec::new();
    keys.intern(&left, rows.num_rows(), &mut numbers)?;
    let mut there = vec![None; keys.count()];
    let others = (0u32..).zip(keys.find(&right, other.num_rows())?);
    others.filter_map(|(row, key)| Some((row, key?))).for_each(|(row, key)| there[key as usize] = Some(row));
    Ok(numbers.iter().map(|key| there[*key as usize]).collect())
}
