//! Declared joins at run time: columns of another feature's window, or of a lookup, beside each row.

use std::net::IpAddr;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{concat, is_not_null, take};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use hashbrown::HashMap;

use crate::plan::{JoinPlan, JoinTarget};
use crate::record::{EventTime, Value};
use crate::target::datafusion::LookupTable;

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
        table: Box<LookupIndex>,
        here: Vec<usize>,
        missing: Vec<Option<Value>>,
    },
}

/// Rows of a lookup by key.
pub struct LookupIndex {
    columns: Vec<ArrayRef>,
    valid: Vec<(Option<EventTime>, Option<EventTime>)>,
    by: Index,
}

/// IPv6?, and the length of a prefix.
type Family = (bool, u32);
/// Rows by network.
type Networks = HashMap<u128, Vec<u32>>;

enum Index {
    Equal {
        converter: RowConverter,
        rows: HashMap<Box<[u8]>, Vec<u32>>,
    },
    /// By prefix length, longest first: (IPv6?, length), networks.
    Prefix(Vec<(Family, Networks)>),
}

impl Join {
    pub fn new(plan: &JoinPlan, lookups: &[Arc<LookupTable>]) -> Result<Self, ArrowError> {
        let missing = plan.missing.clone();
        match &plan.target {
            JoinTarget::Feature { index, on } => {
                let absent = plan.columns.iter().zip(&missing);
                let absent = absent.map(|(column, value)| value.clone().unwrap_or(Value::Null(column.ty))).collect();
                Ok(Self::Feature { index: *index, on: on.clone(), key_columns: on.len(), absent, missing })
            }
            JoinTarget::Lookup { index, on, longest_prefix } => {
                let there: Vec<usize> = on.iter().map(|(_, right)| *right).collect();
                let table = Box::new(LookupIndex::new(&lookups[*index], &there, *longest_prefix)?);
                Ok(Self::Lookup { table, here: on.iter().map(|(left, _)| *left).collect(), missing })
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
            Self::Lookup { table, here, missing } => {
                let times = rows.column(event_time).as_primitive::<TimestampMicrosecondType>();
                let left: Vec<ArrayRef> = here.iter().map(|i| Arc::clone(rows.column(*i))).collect();
                let picks = table.picks(&left, times.values())?;
                pick(&table.columns, &picks, missing)
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

impl LookupIndex {
    fn new(table: &LookupTable, there: &[usize], longest_prefix: bool) -> Result<Self, ArrowError> {
        let mut columns = Vec::with_capacity(table.fields.len());
        for (index, field) in table.fields.iter().enumerate() {
            let cells: Vec<ArrayRef> = table.rows.iter().map(|row| row[index].array(1)).collect();
            columns.push(if cells.is_empty() {
                datafusion::arrow::array::new_empty_array(&field.ty.arrow())
            } else {
                concat(&cells.iter().map(AsRef::as_ref).collect::<Vec<_>>())?
            });
        }
        let keys: Vec<ArrayRef> = there.iter().map(|i| Arc::clone(&columns[*i])).collect();
        let by = match (longest_prefix, keys.first()) {
            (true, Some(networks)) => Index::Prefix(networks_by_length(networks)),
            _ => equal_index(&keys)?,
        };
        Ok(Self { columns, valid: table.valid.clone(), by })
    }

    fn picks(&self, left: &[ArrayRef], times: &[i64]) -> Result<UInt32Array, ArrowError> {
        match &self.by {
            Index::Equal { converter, rows } => {
                let keys: Rows = converter.convert_columns(left)?;
                let found = keys.iter().zip(times).enumerate().map(|(row, (key, at))| {
                    // NULL equals nothing.
                    let known = left.iter().all(|column| column.is_valid(row));
                    known.then(|| rows.get(key.data())).flatten().and_then(|rows| self.valid_at(rows, *at))
                });
                Ok(found.collect())
            }
            Index::Prefix(lengths) => {
                let addresses = left[0].as_string::<i32>();
                let found = addresses.iter().zip(times).map(|(address, at)| {
                    let address: IpAddr = address?.parse().ok()?;
                    let (v6, bits) = bits_of(address);
                    lengths.iter().filter(|((family, _), _)| *family == v6).find_map(|((_, length), networks)| {
                        networks.get(&masked(bits, *length, v6)).and_then(|rows| self.valid_at(rows, *at))
                    })
                });
                Ok(found.collect())
            }
        }
    }

    /// The first of some rows that is valid at an instant.
    fn valid_at(&self, rows: &[u32], at: i64) -> Option<u32> {
        let valid = |row: &&u32| {
            let (from, to) = self.valid[**row as usize];
            from.is_none_or(|from| from.0 <= at) && to.is_none_or(|to| at < to.0)
        };
        rows.iter().find(valid).copied()
    }
}

fn equal_index(keys: &[ArrayRef]) -> Result<Index, ArrowError> {
    let fields = keys.iter().map(|a| SortField::new(a.data_type().clone())).collect();
    let converter = RowConverter::new(fields)?;
    let mut rows: HashMap<Box<[u8]>, Vec<u32>> = HashMap::new();
    for (key, row) in converter.convert_columns(keys)?.iter().zip(0u32..) {
        rows.entry(key.data().into()).or_default().push(row);
    }
    Ok(Index::Equal { converter, rows })
}

fn networks_by_length(networks: &ArrayRef) -> Vec<(Family, Networks)> {
    let mut by_length: HashMap<Family, Networks> = HashMap::new();
    for (network, row) in networks.as_string::<i32>().iter().zip(0u32..) {
        let Some((address, length)) = network.and_then(parse_network) else { continue };
        let (v6, bits) = bits_of(address);
        let networks = by_length.entry((v6, length)).or_default();
        networks.entry(masked(bits, length, v6)).or_default().push(row);
    }
    let mut lengths: Vec<_> = by_length.into_iter().collect();
    lengths.sort_by_key(|((v6, length), _)| (*v6, std::cmp::Reverse(*length)));
    lengths
}

/// A network, or an address as a network of one.
fn parse_network(text: &str) -> Option<(IpAddr, u32)> {
    match text.split_once('/') {
        Some((address, length)) => Some((address.parse().ok()?, length.parse().ok()?)),
        None => {
            let address: IpAddr = text.parse().ok()?;
            Some((address, if address.is_ipv4() { 32 } else { 128 }))
        }
    }
}

fn bits_of(address: IpAddr) -> (bool, u128) {
    match address {
        IpAddr::V4(v4) => (false, u128::from(u32::from(v4))),
        IpAddr::V6(v6) => (true, u128::from(v6)),
    }
}

fn masked(bits: u128, length: u32, v6: bool) -> u128 {
    let host = (if v6 { 128u32 } else { 32 }).saturating_sub(length);
    if host >= 128 { 0 } else { (bits >> host) << host }
}
