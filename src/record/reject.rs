//! Records that were refused, and why.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a record was rejected. The code is permanent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RejectReason {
    /// Not valid JSON, CSV or TSV, or not an object.
    BadRecord,
    /// Not UTF-8.
    BadEncoding,
    /// A value that is not of its column's type.
    BadValue,
    /// A required field is missing or null.
    MissingField,
    /// The event time is NULL.
    MissingEventTime,
    /// Further ahead of the clock than `future_skew`.
    FutureTimestamp,
    /// Longer than the longest record allowed.
    TooLong,
    /// The same content key with other values.
    DuplicateConflict,
    /// An expression of the normalization failed (overflow).
    BadArithmetic,
}

impl RejectReason {
    pub const ALL: [Self; 9] = [
        Self::BadRecord,
        Self::BadEncoding,
        Self::BadValue,
        Self::MissingField,
        Self::MissingEventTime,
        Self::FutureTimestamp,
        Self::TooLong,
        Self::DuplicateConflict,
        Self::BadArithmetic,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Self::BadRecord => "ingest.bad-record",
            Self::BadEncoding => "ingest.bad-encoding",
            Self::BadValue => "ingest.bad-value",
            Self::MissingField => "ingest.missing-field",
            Self::MissingEventTime => "ingest.missing-event-time",
            Self::FutureTimestamp => "ingest.future-timestamp",
            Self::TooLong => "ingest.too-long",
            Self::DuplicateConflict => "ingest.duplicate-conflict",
            Self::BadArithmetic => "normalize.bad-arithmetic",
        }
    }
}

/// Where a record came from: its transport identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// File path, or `-` for standard input.
    #[serde(with = "super::shared_text")]
    pub file: Arc<str>,
    /// 1-based; the row number for Parquet.
    pub line: u64,
    /// Byte offset of the record in the decompressed input; 0 for Parquet.
    pub offset: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    pub reason: RejectReason,
    /// What was wrong: names the field, and the value where that is not known by its pseudonym alone.
    pub detail: String,
    pub origin: Origin,
    /// The record, cut to [`Reject::RAW_BYTES_MAX`]; empty where nobody keeps it.
    pub raw: String,
}

impl Reject {
    pub const RAW_BYTES_MAX: usize = 4096;

    /// A record as it is kept: cut to the longest allowed, at a character's edge.
    pub fn cut(record: &[u8]) -> String {
        let kept = &record[..record.len().min(Self::RAW_BYTES_MAX)];
        let mut text = String::from_utf8_lossy(kept).into_owned();
        while text.len() > Self::RAW_BYTES_MAX || (record.len() > Self::RAW_BYTES_MAX && text.ends_with('\u{fffd}')) {
            text.pop();
        }
        text
    }
}
