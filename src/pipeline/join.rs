//! Declared joins at run time: columns of another feature's window, or of a lookup, beside each row.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{is_not_null, take};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};
use hashbrown::HashMap;

use crate::plan::{JoinPlan, JoinTarget};
use crate::record::Value;
use crate::target::datafusion::{LookupIndex, Lookups, LowerError};

/// One join, ready to run.
pub enum Join {
    Feature {
        index: usize,
        on: Vec<(usize, usize)>,
        key_columns: usize,
        absent: Vec<Value>,
        missing: Vec<Option<Value>>,
    },
    Lookup {
        index: Arc<LookupIndex>,
        here: Vec<usize>,
        missing: Vec<Option<Value>>,
    },
}

impl Join {
    pub fn new(plan: &JoinPlan, lookups: &Lookups) -> Result<Self, LowerError> {
        let missing = plan.missing.clone();
        match &plan.target {
            JoinTarget::Feature { index, on } => {
                let absent = plan.columns.iter().zip(&missing);
                let absent = absent.map(|(column, value)| value.clone().unwrap_or(Value::Null(column.ty))).collect();
                Ok(Self::Feature { index: *index, on: on.clone(), key_columns: on.len(), absent, missing })
            }
            JoinTarget::Lookup { index, on, longest_prefix } => {
                let there: Vec<usize> = on.iter().map(|(_, right)| *right).collect();
                let index = lookups.index(*index, &there, *longest_prefix)?;
                Ok(Self::Lookup { index, here: on.iter().map(|(left, _)| *left).collect(), missing })
            }
        }
    }

    /// The joined columns for each row. `others` are the windows that features closed together with this one.
    pub fn columns(
        &self,
        rows: &RecordBatch,
        event_time: usize,
        others: &[Option<RecordBatch>],
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        match self {
            Self::Feature { index, on, key_columns, absent, missing } => {
                let Some(other) = others.get(*index).and_then(Option::as_ref) else {
                    return Ok(absent.iter().map(|value| value.array(rows.num_rows())).collect());
                };
                let picks = match_feature(rows, other, on)?;
                pick(&other.columns()[*key_columns..], &picks, missing)
            }
            Self::Lookup { index, here, missing } => {
                let times = rows.column(event_time).as_primitive::<TimestampMicrosecondType>();
                let left: Vec<ArrayRef> = here.iter().map(|i| Arc::clone(rows.column(*i))).collect();
                let picks = index.picks(&left, times.values())?;
                pick(index.columns(), &picks, missing)
            }
        }
    }
}

/// Columns of the picked rows; where there is none, what `missing` says.
fn pick(columns: &[ArrayRef], picks: &UInt32Array, missing: &[Option<Value>]) -> Result<Vec<ArrayRef>, ArrowError> {
    let found: BooleanArray = is_not_null(picks)?;
    let mut joined = Vec::with_capacity(columns.len());
    for (column, missing) in columns.iter().zip(missing) {
        let taken = if column.is_empty() {
            datafusion::arrow::array::new_null_array(column.data_type(), picks.len())
        } else {
            take(column, picks, None)?
        };
        joined.push(match missing {
            Some(value) => zip(&found, &taken, &value.array(picks.len()))?,
            None => taken,
        });
    }
    Ok(joined)
}

fn match_feature(rows: &RecordBatch, other: &RecordBatch, on: &[(usize, usize)]) -> Result<UInt32Array, ArrowError> {
    if on.is_empty() {
        let first = (other.num_rows() > 0).then_some(0);
        return Ok(UInt32Array::from(vec![first; rows.num_rows()]));
    }
    let left: Vec<ArrayRef> = on.iter().map(|(here, _)| Arc::clone(rows.column(*here))).collect();
    let right: Vec<ArrayRef> = on.iter().map(|(_, there)| Arc::clone(other.column(*there))).collect();
    let fields = right.iter().map(|a| SortField::new(a.data_type().clone())).collect();
    let converter = RowConverter::new(fields)?;
    let there = converter.convert_columns(&right)?;
    let by_key: HashMap<&[u8], u32> = there.iter().map(|row| row.data()).zip(0u32..).collect();
    let here = converter.convert_columns(&left)?;
    Ok(here.iter().map(|row| by_key.get(row.data()).copied()).collect())
}
