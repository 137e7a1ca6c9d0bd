//! What one column holds: nulls, distinct values, bounds, the most frequent values. Counts exactly up to
//! [`DISTINCT_MAX`] different values; beyond, it says so and never estimates.

use std::cmp::Ordering;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;
use serde_json::{Value as Json, json};

use crate::record::{Column, Type, Value};

/// Different values of a column that are told apart.
pub const DISTINCT_MAX: usize = 100_000;
/// Most frequent values that are shown.
const TOP: usize = 3;

/// What was seen of one column.
#[derive(Debug)]
pub struct ColumnProfile {
    pub name: String,
    pub ty: Type,
    pub rows: u64,
    pub nulls: u64,
    counts: Counts,
    /// Values that came when [`DISTINCT_MAX`] others were known.
    pub overflow: u64,
    pub smallest: Option<Value>,
    pub largest: Option<Value>,
}

#[derive(Debug)]
enum Counts {
    Text(HashMap<Box<[u8]>, u64, FxBuildHasher>),
    /// Integers, times, days, truth values, the bits of floats.
    Number(HashMap<i64, u64, FxBuildHasher>),
}

impl ColumnProfile {
    pub fn new(column: &Column) -> Self {
        Self {
            name: column.name.clone(),
            ty: column.ty,
            rows: 0,
            nulls: 0,
            counts: match column.ty {
                Type::String | Type::Bytes => Counts::Text(HashMap::default()),
                _ => Counts::Number(HashMap::default()),
            },
            overflow: 0,
            smallest: None,
            largest: None,
        }
    }

    /// Takes an array of the column's type into account.
    pub fn see(&mut self, array: &ArrayRef) {
        self.rows += array.len() as u64;
        self.nulls += array.null_count() as u64;
        match self.ty {
            Type::String => {
                array.as_string::<i32>().iter().flatten().for_each(|v| self.text(v.as_bytes()));
            }
            Type::Bytes => array.as_binary::<i32>().iter().flatten().for_each(|v| self.text(v)),
            Type::Int64 => array.as_primitive::<Int64Type>().iter().flatten().for_each(|v| self.number(v)),
            Type::Timestamp => {
                array.as_primitive::<TimestampMicrosecondType>().iter().flatten().for_each(|v| self.number(v));
            }
            Type::Date => {
                array.as_primitive::<Date32Type>().iter().flatten().for_each(|v| self.number(i64::from(v)));
            }
            Type::Bool => array.as_boolean().iter().flatten().for_each(|v| self.number(i64::from(v))),
            Type::Float64 => {
                array
                    .as_primitive::<Float64Type>()
                    .iter()
                    .flatten()
                    .for_each(|v| self.number(i64::from_ne_bytes(v.to_ne_bytes())));
            }
        }
    }

    fn text(&mut self, value: &[u8]) {
        let Counts::Text(counts) = &mut self.counts else { return };
        if let Some(count) = counts.get_mut(value) {
            *count += 1;
            return;
        }
        if counts.len() < DISTINCT_MAX {
            counts.insert(value.into(), 1);
        } else {
            self.overflow += 1;
        }
        let value = value_of_text(self.ty, value);
        self.bound(value);
    }

    fn number(&mut self, value: i64) {
        let Counts::Number(counts) = &mut self.counts else { return };
        if let Some(count) = counts.get_mut(&value) {
            *count += 1;
            return;
        }
        if counts.len() < DISTINCT_MAX {
            counts.insert(value, 1);
        } else {
            self.overflow += 1;
        }
        let value = value_of_number(self.ty, value);
        self.bound(value);
    }

    fn bound(&mut self, value: Value) {
        if matches!(value, Value::Float64(v) if v.is_nan()) {
            return;
        }
        if self.smallest.as_ref().is_none_or(|smallest| order(&value, smallest) == Ordering::Less) {
            self.smallest = Some(value.clone());
        }
        if self.largest.as_ref().is_none_or(|largest| order(&value, largest) == Ordering::Greater) {
            self.largest = Some(value);
        }
    }

    /// Different values, NULL not among them; at most [`DISTINCT_MAX`].
    pub fn distinct(&self) -> usize {
        match &self.counts {
            Counts::Text(counts) => counts.len(),
            Counts::Number(counts) => counts.len(),
        }
    }

    /// False when there are more different values than [`Self::distinct`] says.
    pub fn exact(&self) -> bool {
        self.overflow == 0
    }

    /// The most frequent values, the smaller first among equals.
    pub fn top(&self) -> Vec<(Value, u64)> {
        let mut all: Vec<(Value, u64)> = match &self.counts {
            Counts::Text(counts) => counts.iter().map(|(v, n)| (value_of_text(self.ty, v), *n)).collect(),
            Counts::Number(counts) => counts.iter().map(|(v, n)| (value_of_number(self.ty, *v), *n)).collect(),
        };
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| order(&a.0, &b.0)));
        all.truncate(TOP);
        all
    }

    /// The one value of all rows, NULL where there is none; `None` when rows differ.
    pub fn constant(&self) -> Option<Value> {
        if self.rows == 0 {
            return None;
        }
        if self.nulls == self.rows {
            return Some(Value::Null(self.ty));
        }
        (self.nulls == 0 && self.distinct() == 1).then(|| self.smallest.clone()).flatten()
    }

    pub fn json(&self) -> Json {
        let top = self.top().into_iter().map(|(value, rows)| json!({"value": value.json(), "rows": rows}));
        let bound = |value: &Option<Value>| value.as_ref().map_or(Json::Null, Value::json);
        json!({
            "name": self.name,
            "type": self.ty.name(),
            "rows": self.rows,
            "nulls": self.nulls,
            "distinct": self.distinct(),
            "distinct_is_exact": self.exact(),
            "min": bound(&self.smallest),
            "max": bound(&self.largest),
            "top": top.collect::<Vec<_>>(),
        })
    }
}

fn value_of_text(ty: Type, value: &[u8]) -> Value {
    match ty {
        Type::Bytes => Value::Bytes(value.to_vec()),
        _ => Value::String(String::from_utf8_lossy(value).into_owned()),
    }
}

fn value_of_number(ty: Type, value: i64) -> Value {
    match ty {
        Type::Timestamp => Value::Timestamp(value),
        Type::Date => Value::Date(i32::try_from(value).unwrap_or_default()),
        Type::Bool => Value::Bool(value != 0),
        Type::Float64 => Value::Float64(f64::from_ne_bytes(value.to_ne_bytes())),
        _ => Value::Int64(value),
    }
}

/// Values of one column: both have its type.
fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Int64(a), Value::Int64(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Float64(a), Value::Float64(b)) => a.total_cmp(b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

    use super::{ColumnProfile, DISTINCT_MAX};
    use crate::record::{Column, Type, Value};

    fn profile(ty: Type, array: ArrayRef) -> ColumnProfile {
        let mut profile = ColumnProfile::new(&Column::new("x", ty, true));
        profile.see(&array);
        profile
    }

    #[test]
    fn nulls_bounds_and_top_values_are_counted() {
        let text: StringArray = [Some("b"), None, Some("a"), Some("b"), Some("c")].into_iter().collect();
        let seen = profile(Type::String, Arc::new(text));
        assert_eq!((seen.rows, seen.nulls, seen.distinct(), seen.exact()), (5, 1, 3, true));
        let value = |text: &str| Value::String(text.to_owned());
        assert_eq!(seen.top(), [(value("b"), 2), (value("a"), 1), (value("c"), 1)]);
        assert_eq!((seen.smallest.clone(), seen.largest.clone()), (Some(value("a")), Some(value("c"))));
        assert_eq!(seen.constant(), None);
        let numbers = profile(Type::Float64, Arc::new(Float64Array::from(vec![0.5, f64::NAN, -1.5])));
        assert_eq!(
            (numbers.smallest.clone(), numbers.largest.clone()),
            (Some(Value::Float64(-1.5)), Some(Value::Float64(0.5)))
        );
    }

    #[test]
    fn a_constant_is_one_value_in_all_rows() {
        let constant = |array: Int64Array| profile(Type::Int64, Arc::new(array)).constant();
        assert_eq!(constant(Int64Array::from(vec![0, 0])), Some(Value::Int64(0)));
        assert_eq!(constant(Int64Array::from(vec![None, None])), Some(Value::Null(Type::Int64)));
        assert_eq!(constant(Int64Array::from(vec![Some(0), None])), None);
        assert_eq!(constant(Int64Array::from(vec![0, 1])), None);
        assert_eq!(constant(Int64Array::from(Vec::<i64>::new())), None);
    }

    #[test]
    fn too_many_values_are_said() {
        let many = i64::try_from(DISTINCT_MAX).unwrap() + 10;
        let seen = profile(Type::Int64, Arc::new((0..many).collect::<Int64Array>()));
        assert_eq!((seen.distinct(), seen.exact(), seen.overflow), (DISTINCT_MAX, false, 10));
        assert_eq!(seen.largest, Some(Value::Int64(many - 1)));
    }
}
