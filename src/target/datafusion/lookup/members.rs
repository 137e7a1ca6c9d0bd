//! `IN (SELECT column FROM lookup)`: sets of values, valid for spans of time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use rustc_hash::FxBuildHasher;

use crate::language::LookupField;
use crate::record::{EventTime, Type, Value};

use super::input::Inputs;
use super::kernel_expr::Kernel;

/// A lookup's rows.
#[derive(Debug, Clone)]
pub struct LookupTable {
    pub name: String,
    pub fields: Vec<LookupField>,
    pub rows: Vec<Vec<Value>>,
    /// When each row holds: half-open, an open end is no bound. Rows beyond its length always hold.
    pub valid: Vec<(Option<EventTime>, Option<EventTime>)>,
}

impl LookupTable {
    /// When a row holds.
    fn span(&self, row: usize) -> ValidSpan {
        let (from, to) = self.valid.get(row).copied().unwrap_or((None, None));
        ValidSpan { from: from.map_or(i64::MIN, |t| t.0), to: to.map(|t| t.0) }
    }
}

/// Half-open; without `to` it never ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ValidSpan {
    from: i64,
    to: Option<i64>,
}

impl ValidSpan {
    fn holds(self, time: Option<i64>) -> bool {
        match time {
            Some(time) => self.from <= time && self.to.is_none_or(|to| time < to),
            // Without an event time only rows without bounds hold.
            None => self.from == i64::MIN && self.to.is_none(),
        }
    }
}

/// The values of one column, each with the spans of its rows.
struct Members<K> {
    values: HashMap<K, Vec<ValidSpan>, FxBuildHasher>,
    nulls: Vec<ValidSpan>,
    all: Vec<ValidSpan>,
}

impl<K: Hash + Eq> Members<K> {
    fn new(table: &LookupTable, column: usize, key: impl Fn(&Value) -> Option<K>) -> Self {
        let mut members = Self { values: HashMap::default(), nulls: Vec::new(), all: Vec::new() };
        for (row, values) in table.rows.iter().enumerate() {
            let span = table.span(row);
            match values.get(column).and_then(&key) {
                Some(key) => push(members.values.entry(key).or_default(), span),
                None => push(&mut members.nulls, span),
            }
            push(&mut members.all, span);
        }
        members
    }

    /// Three-valued membership: `None` is NULL.
    fn contains<Q>(&self, value: Option<&Q>, time: Option<i64>) -> Option<bool>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let holds = |spans: &[ValidSpan]| spans.iter().any(|s| s.holds(time));
        match value {
            Some(value) if self.values.get(value).is_some_and(|spans| holds(spans)) => Some(true),
            Some(_) => {
                if holds(&self.nulls) {
                    None
                } else {
                    Some(false)
                }
            }
            // A NULL is in no set only when the set is empty.
            None => {
                if holds(&self.all) {
                    None
                } else {
                    Some(false)
                }
            }
        }
    }
}

fn push(spans: &mut Vec<ValidSpan>, span: ValidSpan) {
    if !spans.contains(&span) {
        spans.push(span);
    }
}

/// A kernel over (value) or (value, event time).
pub(super) fn membership(table: &LookupTable, column: usize, ty: Type, negated: bool) -> Kernel {
    macro_rules! members {
        ($array:ty, $key:expr, $borrow:expr) => {{
            let members = Members::new(table, column, $key);
            Arc::new(move |inputs: &Inputs| {
                test::<$array, _, _>(inputs, negated, |value, time| {
                    members.contains(value.map($borrow).as_ref().map(|v| v.as_ref_key()), time)
                })
            })
        }};
    }
    match ty {
        Type::String => members!(StringArray, |v| if let Value::String(s) = v { Some(s.clone()) } else { None }, |v| v),
        Type::Bytes => members!(BinaryArray, |v| if let Value::Bytes(b) = v { Some(b.clone()) } else { None }, |v| v),
        Type::Int64 => members!(Int64Array, |v| if let Value::Int64(i) = v { Some(*i) } else { None }, |v| v),
        Type::Bool => members!(BooleanArray, |v| if let Value::Bool(b) = v { Some(*b) } else { None }, |v| v),
        Type::Date => members!(Date32Array, |v| if let Value::Date(d) = v { Some(*d) } else { None }, |v| v),
        Type::Timestamp => {
            members!(TimestampMicrosecondArray, |v| if let Value::Timestamp(t) = v { Some(*t) } else { None }, |v| v)
        }
        Type::Float64 => {
            members!(Float64Array, |v| if let Value::Float64(f) = v { Some(float_key(*f)) } else { None }, float_key)
        }
    }
}

/// Equal floats have equal keys: -0.0 is 0.0.
fn float_key(f: f64) -> u64 {
    if f == 0.0 { 0 } else { f.to_bits() }
}

/// A value as its set's key.
trait AsKey {
    type Key: ?Sized;
    fn as_ref_key(&self) -> &Self::Key;
}

macro_rules! plain_key {
    ($($ty:ty),*) => {
        $(impl AsKey for $ty {
            type Key = $ty;
            fn as_ref_key(&self) -> &$ty {
                self
            }
        })*
    };
}

plain_key!(i64, i32, bool, u64);

impl AsKey for &str {
    type Key = str;
    fn as_ref_key(&self) -> &str {
        self
    }
}

impl AsKey for &[u8] {
    type Key = [u8];
    fn as_ref_key(&self) -> &[u8] {
        self
    }
}

fn test<'a, A, T, F>(inputs: &'a Inputs, negated: bool, contains: F) -> Result<ArrayRef, String>
where
    A: Array + 'static,
    &'a A: datafusion::arrow::array::ArrayAccessor<Item = T>,
    F: Fn(Option<T>, Option<i64>) -> Option<bool>,
{
    let values = inputs.cells::<A>(0)?;
    let times = if inputs.columns.len() > 1 { Some(inputs.cells::<TimestampMicrosecondArray>(1)?) } else { None };
    let rows = (0..inputs.rows).map(|row| {
        let time = times.as_ref().and_then(|t| t.get(row));
        contains(values.get(row), time).map(|found| found != negated)
    });
    Ok(Arc::new(rows.collect::<BooleanArray>()))
}
