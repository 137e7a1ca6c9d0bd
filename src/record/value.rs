//! One value of a GoogleSQL type: literals, parameters, lookup cells, test values.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use serde::{Deserialize, Serialize};

use super::float::float_text;
use super::time::EventTime;
use super::types::Type;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// NULL of a type.
    Null(Type),
    Bool(bool),
    Int64(i64),
    Float64(f64),
    String(String),
    Bytes(Vec<u8>),
    /// Microseconds since 1970-01-01 UTC.
    Timestamp(i64),
    /// Days since 1970-01-01.
    Date(i32),
}

impl Value {
    pub fn ty(&self) -> Type {
        match self {
            Self::Null(ty) => *ty,
            Self::Bool(_) => Type::Bool,
            Self::Int64(_) => Type::Int64,
            Self::Float64(_) => Type::Float64,
            Self::String(_) => Type::String,
            Self::Bytes(_) => Type::Bytes,
            Self::Timestamp(_) => Type::Timestamp,
            Self::Date(_) => Type::Date,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null(_))
    }
}

impl Value {
    /// The value of a row. Columns of relations have exactly the Arrow type of their GoogleSQL type.
    pub fn at(array: &ArrayRef, row: usize, ty: Type) -> Self {
        if array.is_null(row) {
            return Self::Null(ty);
        }
        let found = match ty {
            Type::Bool => array.as_boolean_opt().map(|a| Self::Bool(a.value(row))),
            Type::Int64 => array.as_primitive_opt::<Int64Type>().map(|a| Self::Int64(a.value(row))),
            Type::Float64 => array.as_primitive_opt::<Float64Type>().map(|a| Self::Float64(a.value(row))),
            Type::String => array.as_string_opt::<i32>().map(|a| Self::String(a.value(row).to_owned())),
            Type::Bytes => array.as_binary_opt::<i32>().map(|a| Self::Bytes(a.value(row).to_vec())),
            Type::Timestamp => {
                array.as_primitive_opt::<TimestampMicrosecondType>().map(|a| Self::Timestamp(a.value(row)))
            }
            Type::Date => array.as_primitive_opt::<Date32Type>().map(|a| Self::Date(a.value(row))),
        };
        found.unwrap_or(Self::Null(ty))
    }

    /// An array of one value, `rows` times.
    pub fn array(&self, rows: usize) -> ArrayRef {
        match self {
            Self::Null(ty) => new_null_array(&ty.arrow(), rows),
            Self::Bool(v) => Arc::new(BooleanArray::from(vec![*v; rows])),
            Self::Int64(v) => Arc::new(Int64Array::from(vec![*v; rows])),
            Self::Float64(v) => Arc::new(Float64Array::from(vec![*v; rows])),
            Self::String(v) => Arc::new(StringArray::from(vec![v.as_str(); rows])),
            Self::Bytes(v) => Arc::new(BinaryArray::from(vec![v.as_slice(); rows])),
            Self::Timestamp(v) => Arc::new(TimestampMicrosecondArray::from(vec![*v; rows]).with_timezone("UTC")),
            Self::Date(v) => Arc::new(Date32Array::from(vec![*v; rows])),
        }
    }

    /// The text that stands for it in ids: the same on every engine. `None` is NULL.
    pub fn id_text(&self) -> Option<String> {
        Some(match self {
            Self::Null(_) => return None,
            Self::Bool(v) => v.to_string(),
            Self::Int64(v) | Self::Timestamp(v) => v.to_string(),
            Self::Float64(v) => float_text(*v),
            Self::String(v) => v.clone(),
            Self::Bytes(v) => v.iter().map(|b| format!("{b:02x}")).collect(),
            Self::Date(v) => v.to_string(),
        })
    }

    /// As people read it: NULL, times as ISO-8601.
    pub fn display(&self) -> String {
        match self {
            Self::Null(_) => "NULL".to_owned(),
            Self::Timestamp(v) => EventTime(*v).to_string(),
            Self::Date(v) => {
                let day = EventTime(i64::from(*v).saturating_mul(86_400_000_000)).to_string();
                day.split('T').next().unwrap_or_default().to_owned()
            }
            other => other.id_text().unwrap_or_default(),
        }
    }

    /// As JSON: times as ISO-8601 text, bytes as hex, floats that are not finite as text.
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Null(_) => serde_json::Value::Null,
            Self::Bool(v) => (*v).into(),
            Self::Int64(v) => (*v).into(),
            Self::Float64(v) if v.is_finite() => (*v).into(),
            other => other.display().into(),
        }
    }
}
