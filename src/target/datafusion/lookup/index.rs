//! Rows of a lookup by key, for joins.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array, new_null_array};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{is_not_null, take};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};
use hashbrown::HashMap;

use crate::plan::LookupPlan;
use crate::record::{EventTime, Network, Value};

use super::file::FileIndex;

pub struct LookupIndex {
    plan: Arc<LookupPlan>,
    by: By,
    /// The last answers: many features look the same columns of a batch up.
    answers: Mutex<VecDeque<Answer>>,
}

/// What was asked, and the columns beside it.
struct Answer {
    left: Vec<ArrayRef>,
    missing: Vec<Option<Value>>,
    columns: Vec<ArrayRef>,
}

/// A project joins few pairs of columns to one lookup.
const ANSWERS_MAX: usize = 8;

enum By {
    Equal {
        columns: Vec<ArrayRef>,
        converter: RowConverter,
        rows: HashMap<Box<[u8]>, Vec<u32>>,
    },
    Prefix {
        columns: Vec<ArrayRef>,
        /// Lengths that occur, longest first.
        lengths: Vec<u32>,
        rows: HashMap<Network, Vec<u32>>,
    },
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
            (None, true, Some(networks)) => by_prefix(networks, columns.to_vec()),
            _ => by_equality(&keys, columns.to_vec())?,
        };
        Ok(Self { plan: Arc::clone(plan), by, answers: Mutex::default() })
    }

    /// All columns of the lookup beside rows; where no row of it matches, what `missing` says.
    pub fn joined(
        &self,
        left: &[ArrayRef],
        times: &[i64],
        missing: &[Option<Value>],
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        // Where rows hold for a time, the answer depends on more than the columns.
        let always = self.plan.valid.iter().all(|valid| valid.from.is_none() && valid.to.is_none());
        let Some(mut answers) = self.answers.lock().ok().filter(|_| always) else {
            return self.matched(left, times, missing);
        };
        let same = |answer: &&Answer| {
            answer.left.iter().zip(left).all(|(a, b)| Arc::ptr_eq(a, b)) && answer.missing == missing
        };
        if let Some(known) = answers.iter().find(same) {
            return Ok(known.columns.clone());
        }
        let columns = self.matched(left, times, missing)?;
        if answers.len() == ANSWERS_MAX {
            answers.pop_front();
        }
        answers.push_back(Answer { left: left.to_vec(), missing: missing.to_vec(), columns: columns.clone() });
        Ok(columns)
    }

    /// For each row of `left` the row of the lookup that matches it at its time.
    fn matched(
        &self,
        left: &[ArrayRef],
        times: &[i64],
        missing: &[Option<Value>],
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        let (columns, picks): (&[ArrayRef], UInt32Array) = match &self.by {
            By::Equal { columns, converter, rows } => {
                let keys = converter.convert_columns(left)?;
                let found = keys.iter().zip(times).enumerate().map(|(row, (key, at))| {
                    // NULL equals nothing.
                    let known = left.iter().all(|column| column.is_valid(row));
                    known.then(|| rows.get(key.data())).flatten().and_then(|rows| self.valid_at(rows, *at))
                });
                (columns, found.collect())
            }
            By::Prefix { columns, lengths, rows } => {
                let addresses = left[0].as_string::<i32>();
                let found = addresses.iter().zip(times).map(|(address, at)| {
                    let address: IpAddr = address?.parse().ok()?;
                    lengths.iter().find_map(|length| {
                        let rows = rows.get(&Network::of(address, *length)?)?;
                        self.valid_at(rows, *at)
                    })
                });
                (columns, found.collect())
            }
            By::File(file) => {
                let (columns, picks) = file.found(left[0].as_string::<i32>())?;
                return pick(&columns, &picks, missing);
            }
        };
        pick(columns, &picks, missing)
    }

    /// The first of some rows that holds at an instant.
    fn valid_at(&self, rows: &[u32], at: i64) -> Option<u32> {
        rows.iter().find(|row| self.plan.valid[**row as usize].holds(EventTime(at))).copied()
    }
}

/// Columns of the picked rows; where there is none, what `missing` says.
pub fn pick(columns: &[ArrayRef], picks: &UInt32Array, missing: &[Option<Value>]) -> Result<Vec<ArrayRef>, ArrowError> {
    let found: BooleanArray = is_not_null(picks)?;
    let mut joined = Vec::with_capacity(columns.len());
    for (column, missing) in columns.iter().zip(missing) {
        let taken = if column.is_empty() {
            new_null_array(column.data_type(), picks.len())
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

fn by_equality(keys: &[ArrayRef], columns: Vec<ArrayRef>) -> Result<By, ArrowError> {
    let fields = keys.iter().map(|a| SortField::new(a.data_type().clone())).collect();
    let converter = RowConverter::new(fields)?;
    let mut rows: HashMap<Box<[u8]>, Vec<u32>> = HashMap::new();
    for (key, row) in converter.convert_columns(keys)?.iter().zip(0u32..) {
        rows.entry(key.data().into()).or_default().push(row);
    }
    Ok(By::Equal { columns, converter, rows })
}

fn by_prefix(networks: &ArrayRef, columns: Vec<ArrayRef>) -> By {
    let mut rows: HashMap<Network, Vec<u32>> = HashMap::new();
    for (network, row) in networks.as_string::<i32>().iter().zip(0u32..) {
        // A NULL holds no address.
        let Some(network) = network.and_then(Network::parse) else { continue };
        rows.entry(network).or_default().push(row);
    }
    let mut lengths: Vec<u32> = rows.keys().map(|network| network.length()).collect();
    lengths.sort_unstable_by_key(|length| std::cmp::Reverse(*length));
    lengths.dedup();
    By::Prefix { columns, lengths, rows }
}
