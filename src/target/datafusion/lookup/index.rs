//! Rows of a lookup by key, for joins.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, NullArray, Scalar, UInt32Array, new_null_array};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{concat, is_not_null, take};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};
use hashbrown::HashMap;

use crate::plan::LookupPlan;
use crate::record::{EventTime, Value};

use super::file::FileIndex;
use super::prefix::Prefixes;

pub struct LookupIndex {
    plan: Arc<LookupPlan>,
    by: By,
    /// Do its rows hold always?
    always: bool,
    /// The last answers: many features look the same columns of a batch up.
    answers: Mutex<VecDeque<Answer>>,
}

/// What was asked, and the columns beside it that somebody has read so far.
struct Answer {
    left: Vec<ArrayRef>,
    missing: Vec<Option<Value>>,
    found: Found,
    columns: Vec<Option<ArrayRef>>,
}

/// Rows of a lookup, and which of them each row has.
struct Found {
    columns: Vec<ArrayRef>,
    picks: UInt32Array,
}

/// A project joins few pairs of columns to one lookup.
const ANSWERS_MAX: usize = 8;

enum By {
    Equal { columns: Vec<ArrayRef>, converter: RowConverter, rows: HashMap<Box<[u8]>, Vec<u32>> },
    Prefix { columns: Vec<ArrayRef>, prefixes: Prefixes },
    File(FileIndex),
}

impl LookupIndex {
    pub(super) fn new(
        plan: &Arc<LookupPlan>,
        columns: &[ArrayRef],
        key: &[usize],
        longest_prefix: bool,
    ) -> Result<Self, ArrowError> {
        let keys: Vec<ArrayRef> = key.iter().map(|index| Arc::clone(&columns[*index])).collect();
        let by = match (&plan.table, longest_prefix, keys.first()) {
            (Some(table), _, _) => By::File(FileIndex::new(table)),
            (None, true, Some(networks)) => By::Prefix { columns: columns.to_vec(), prefixes: Prefixes::new(networks) },
            _ => by_equality(&keys, columns.to_vec())?,
        };
        let always = plan.valid.iter().all(|valid| valid.from.is_none() && valid.to.is_none());
        Ok(Self { plan: Arc::clone(plan), by, always, answers: Mutex::default() })
    }

    /// The columns of the lookup beside rows, without values those that nobody reads; where no row of it matches, what
    /// `missing` says.
    pub fn joined(
        &self,
        left: &[ArrayRef],
        times: &[i64],
        missing: &[Option<Value>],
        read: &[bool],
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        let answer = || -> Result<Answer, ArrowError> {
            let found = self.found(left, times)?;
            Ok(Answer { left: left.to_vec(), missing: missing.to_vec(), found, columns: vec![None; missing.len()] })
        };
        // Where rows hold for a time, the answer depends on more than the columns.
        if !self.always {
            return answer()?.columns(read);
        }
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |answer: &Answer| answer.left.iter().zip(left).all(|(a, b)| Arc::ptr_eq(a, b)) && answer.missing == missing;
        if let Some(known) = answers.iter_mut().find(|answer| same(answer)) {
            return known.columns(read);
        }
        let mut new = answer()?;
        let columns = new.columns(read);
        if answers.len() == ANSWERS_MAX {
            answers.pop_front();
        }
        answers.push_back(new);
        columns
    }

    /// For each row of `left` the row of the lookup that matches it at its time.
    fn found(&self, left: &[ArrayRef], times: &[i64]) -> Result<Found, ArrowError> {
        match &self.by {
            By::Equal { columns, converter, rows } => {
                let keys = converter.convert_columns(left)?;
                let found = keys.iter().zip(times).enumerate().map(|(row, (key, at))| {
                    // NULL equals nothing.
                    let known = left.iter().all(|column| column.is_valid(row));
                    known.then(|| rows.get(key.data())).flatten().and_then(|rows| self.valid_at(rows, *at))
                });
                Ok(Found { columns: columns.clone(), picks: found.collect() })
            }
            By::Prefix { columns, prefixes } => {
                let addresses = left[0].as_string::<i32>().iter().zip(times);
                let found = addresses.map(|(address, at)| {
                    let address: IpAddr = address?.parse().ok()?;
                    prefixes.find(address, |rows| self.valid_at(rows, *at))
                });
                Ok(Found { columns: columns.clone(), picks: found.collect() })
            }
            By::File(file) => {
                let (columns, picks) = file.found(left[0].as_string::<i32>())?;
                Ok(Found { columns, picks })
            }
        }
    }

    /// The first of some rows that holds at an instant.
    fn valid_at(&self, rows: &[u32], at: i64) -> Option<u32> {
        rows.iter().find(|row| self.plan.valid[**row as usize].holds(EventTime(at))).copied()
    }
}

impl Answer {
    fn columns(&mut self, read: &[bool]) -> Result<Vec<ArrayRef>, ArrowError> {
        let Self { found, missing, columns, .. } = self;
        let rows = found.picks.len();
        let made = columns.iter_mut().zip(&found.columns).zip(missing.iter()).zip(read);
        made.map(|(((made, column), missing), read)| match made {
            _ if !read => Ok(Arc::new(NullArray::new(rows)) as ArrayRef),
            Some(made) => Ok(Arc::clone(made)),
            None => Ok(Arc::clone(made.insert(pick(column, &found.picks, missing.as_ref())?))),
        })
        .collect()
    }
}

/// A column of the picked rows; where there is none, what `missing` says.
pub fn pick(column: &ArrayRef, picks: &UInt32Array, missing: Option<&Value>) -> Result<ArrayRef, ArrowError> {
    match missing {
        // Where there are few rows, the value is one more.
        Some(value) if column.len() < picks.len() => {
            let value = value.array(1);
            let all = concat(&[column.as_ref(), value.as_ref()])?;
            let last = u32::try_from(column.len()).unwrap_or(u32::MAX);
            take(&all, &picks.iter().map(|pick| Some(pick.unwrap_or(last))).collect::<UInt32Array>(), None)
        }
        _ if column.is_empty() => Ok(new_null_array(column.data_type(), picks.len())),
        Some(value) => zip(&is_not_null(picks)?, &take(column, picks, None)?, &Scalar::new(value.array(1))),
        None => take(column, picks, None),
    }
}

fn by_equality(keys: &[ArrayRef], columns: Vec<ArrayRef>) -> Result<By, ArrowError> {
    let fields = keys.iter().map(|a| SortField::new(a.data_type().clone())).collect();
    let converter = RowConverter::new(fields)?;
    let mut rows: HashMap<Box<[u8]>, Vec<u32>> = HashMap::new();
    for (key, row) in converter.convert_columns(keys)?.iter().zip(0u32..) {
        rows.entry(key.data().into()).or_default().push(row);
    }
    Ok(By::Equal { columns, converter, rows })
}
