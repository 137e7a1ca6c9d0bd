//! A column by its type: told once, and not again for each of its rows.

use datafusion::arrow::array::{
    ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};

/// The types that the language has.
#[derive(Debug)]
pub enum Cells<'a> {
    Int64(&'a Int64Array),
    Timestamp(&'a TimestampMicrosecondArray),
    Date(&'a Date32Array),
    Bool(&'a BooleanArray),
    Float64(&'a Float64Array),
    String(&'a StringArray),
    Bytes(&'a BinaryArray),
}

impl<'a> Cells<'a> {
    /// `None` of any other type.
    pub fn of(column: &'a ArrayRef) -> Option<Self> {
        match column.data_type() {
            DataType::Int64 => column.as_primitive_opt::<Int64Type>().map(Self::Int64),
            DataType::Timestamp(..) => column.as_primitive_opt::<TimestampMicrosecondType>().map(Self::Timestamp),
            DataType::Date32 => column.as_primitive_opt::<Date32Type>().map(Self::Date),
            DataType::Boolean => column.as_boolean_opt().map(Self::Bool),
            DataType::Float64 => column.as_primitive_opt::<Float64Type>().map(Self::Float64),
            DataType::Utf8 => column.as_string_opt().map(Self::String),
            DataType::Binary => column.as_binary_opt().map(Self::Bytes),
            _ => None,
        }
    }
}
