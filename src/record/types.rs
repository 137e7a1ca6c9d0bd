//! GoogleSQL types and their Arrow counterparts. One GoogleSQL type has exactly one Arrow type.

use std::fmt;

use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use serde::{Deserialize, Serialize};

/// A GoogleSQL type that the language knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Type {
    Bool,
    Int64,
    Float64,
    String,
    Bytes,
    Timestamp,
    Date,
}

impl Type {
    pub const ALL: [Self; 7] =
        [Self::Bool, Self::Int64, Self::Float64, Self::String, Self::Bytes, Self::Timestamp, Self::Date];

    /// The name that GoogleSQL prints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Int64 => "INT64",
            Self::Float64 => "FLOAT64",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Timestamp => "TIMESTAMP",
            Self::Date => "DATE",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name().eq_ignore_ascii_case(name))
    }

    pub fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::String => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Date => DataType::Date32,
        }
    }

    /// The type whose arrays these are.
    pub fn from_arrow(arrow: &DataType) -> Option<Self> {
        Self::ALL.into_iter().find(|ty| ty.arrow() == *arrow)
    }

    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Int64 | Self::Float64)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub ty: Type,
    pub nullable: bool,
}

impl Column {
    pub fn new(name: impl Into<String>, ty: Type, nullable: bool) -> Self {
        Self { name: name.into(), ty, nullable }
    }

    /// Arrow fields are always nullable: nullability is a fact for `check`, not a promise to the engine.
    pub fn field(&self) -> Field {
        Field::new(&self.name, self.ty.arrow(), true)
    }
}
