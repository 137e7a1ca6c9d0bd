//! How far a history holds the log of a run: what tells that log from another, and where in it the next ingest begins.

use serde::{Deserialize, Serialize};

/// Of an ingest out of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    /// The queues whose messages are in it, each with its source.
    pub lanes: Vec<String>,
    /// Its entries, and the one behind the last.
    pub first: u64,
    pub end: u64,
    /// Of the last one, a hash.
    pub last: String,
    /// How its queues were merged: with another lateness other rows wait, and others are late.
    pub merged: Vec<String>,
}
