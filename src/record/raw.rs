//! The shape of a raw record, as a source declares it and a decoder reads it.

use super::types::Type;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    Csv,
    Parquet,
    /// Zeek's logs: TSV with its header, or JSON lines; told apart by the first byte.
    Zeek,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Zeek => "zeek",
        }
    }
}

/// How a raw value becomes a typed column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decode {
    /// The column's type says all.
    Plain,
    /// INT64 from a number, a flag name (`SYN`, `PSH-ACK`), or a list of names.
    TcpFlags,
    /// TIMESTAMP from ISO-8601 or epoch numbers, the unit told by size.
    TimeAuto,
    TimeSeconds,
    TimeMillis,
    TimeMicros,
}

impl Decode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::TcpFlags => "tcp_flags",
            Self::TimeAuto => "auto",
            Self::TimeSeconds => "seconds",
            Self::TimeMillis => "millis",
            Self::TimeMicros => "micros",
        }
    }
}

/// What a column is of a message, beside the record in it. Records that come from elsewhere have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carried {
    /// The attribute of this name.
    Attribute(String),
    SubscriptionName,
    MessageId,
    PublishTime,
    OrderingKey,
}

impl Carried {
    pub fn ty(&self) -> Type {
        match self {
            Self::PublishTime => Type::Timestamp,
            _ => Type::String,
        }
    }
}

/// A field of a raw record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawField {
    /// The column's name.
    pub name: String,
    /// Its name in the record; the first that is present counts.
    pub fields: Vec<String>,
    pub ty: Type,
    pub decode: Decode,
    /// The id of the key under which its values become pseudonyms.
    pub pseudonym: Option<String>,
    /// It stands in no record, but beside it.
    pub carried: Option<Carried>,
    /// A record where it is missing or null is rejected.
    pub required: bool,
    /// Does the graph read it? Others are recognized, not decoded.
    pub wanted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawSchema {
    pub format: Format,
    pub fields: Vec<RawField>,
}
