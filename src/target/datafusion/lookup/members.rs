//! `IN (SELECT column FROM lookup)`: a set of values, each valid for spans of time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use rustc_hash::FxBuildHasher;

use crate::record::{EventTime, Period, Type, Value};
use crate::target::datafusion::input::Inputs;
use crate::target::datafusion::kernel_expr::Kernel;

/// The values of one column, each with the periods of its rows.
struct Members<K> {
    values: HashMap<K, Vec<Period>, FxBuildHasher>,
    nulls: Vec<Period>,
    all: Vec<Period>,
}

impl<K: Hash + Eq> Members<K> {
    fn new(values: &[(Value, Period)], key: impl Fn(&Value) -> Option<K>) -> Self {
        let mut members = Self { values: HashMap::default(), nulls: Vec::new(), all: Vec::new() };
        for (value, valid) in values {
            members.all.push(*valid);
            match key(value) {
                Some(key) => members.values.entry(key).or_default().push(*valid),
                None => members.nulls.push(*valid),
            }
        }
        for periods in members.values.values_mut().chain([&mut members.nulls, &mut members.all]) {
            *periods = union(std::mem::take(periods));
        }
        members
    }

    /// Three-valued membership: `None` is NULL.
    fn contains<Q>(&self, value: Option<&Q>, at: EventTime) -> Option<bool>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let unknown = match value {
            Some(value) if self.values.get(value).is_some_and(|periods| hold(periods, at)) => return Some(true),
            Some(_) => &self.nulls,
            // A NULL is in no set only when the set is empty.
            None => &self.all,
        };
        if hold(unknown, at) { None } else { Some(false) }
    }
}

/// In order, none touching another: a search finds the one that may hold.
fn union(mut periods: Vec<Period>) -> Vec<Period> {
    periods.sort_by_key(|period| period.from);
    let mut union: Vec<Period> = Vec::with_capacity(1);
    for next in periods {
        match union.last_mut() {
            Some(last) if last.to.is_none_or(|to| next.from.is_none_or(|from| from <= to)) => {
                last.to = last.to.zip(next.to).map(|(a, b)| a.max(b));
            }
            _ => union.push(next),
        }
    }
    union
}

fn hold(union: &[Period], at: EventTime) -> bool {
    let begun = union.partition_point(|period| period.from.is_none_or(|from| from <= at));
    union[..begun].last().is_some_and(|period| period.holds(at))
}

/// A kernel over (value, event time); `values` are of one type, each with the period in which it is in the set.
pub(super) fn kernel(values: &[(Value, Period)], ty: Type) -> Kernel {
    macro_rules! members {
        ($array:ty, $key:expr, $borrow:expr) => {{
            let members = Members::new(values, $key);
            Arc::new(move |inputs: &Inputs| {
                test::<$array, _, _>(inputs, |value, at| {
                    members.contains(value.map($borrow).as_ref().map(|v| v.as_ref_key()), at)
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

fn test<'a, A, T, F>(inputs: &'a Inputs, contains: F) -> Result<ArrayRef, String>
where
    A: Array + 'static,
    &'a A: datafusion::arrow::array::ArrayAccessor<Item = T>,
    F: Fn(Option<T>, EventTime) -> Option<bool>,
{
    let (values, times) = (inputs.cells::<A>(0)?, inputs.cells::<TimestampMicrosecondArray>(1)?);
    let rows = (0..inputs.rows).map(|row| contains(values.get(row), EventTime(times.get(row)?)));
    Ok(Arc::new(rows.collect::<BooleanArray>()))
}
