//! What one ingest put into the history: its inputs, its parts, where its log ended.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::HistoryError;
use super::place::LogPlace;
use super::schema::VERSION;

/// What an ingest put in. It is there when this is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    pub id: String,
    pub inputs: Vec<IngestedInput>,
    pub parts: Vec<Part>,
    /// The largest watermark of the log, in microseconds; windows that end behind it are partial. None without a row.
    pub last_watermark: Option<i64>,
    /// Of the definitions that normalized it.
    pub generation: String,
    /// Ingests whose place it takes.
    pub replaces: Vec<String>,
    /// The counts of its closing summary.
    pub summary: Json,
    /// Where it is out of the log of a run over subscriptions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogPlace>,
}

/// An input, told by what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestedInput {
    pub source: String,
    pub name: String,
    /// As stored; of a stream, as read.
    pub bytes: u64,
    /// A hash over them.
    pub digest: String,
}

/// A file of flows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub path: String,
    pub rows: u64,
    /// Rows with an `admit_watermark`.
    pub late: u64,
    pub bytes: u64,
    /// The smallest and largest event time, in microseconds.
    pub first: i64,
    pub last: i64,
    /// Where some rows were late: the smallest event time of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_in_time: Option<i64>,
}

impl Part {
    /// The smallest event time of a row that was not late. A manifest without it may be of a version that did not tell.
    pub fn begins(&self) -> Option<i64> {
        self.first_in_time.or((self.late < self.rows).then_some(self.first))
    }
}

impl Manifest {
    pub fn parse(path: &str, bytes: &[u8]) -> Result<Self, HistoryError> {
        let wrong = |error| HistoryError::Manifest { path: path.to_owned(), error };
        let json: Json = serde_json::from_slice(bytes).map_err(wrong)?;
        if let Some(found) = json["version"].as_u64().and_then(|version| u32::try_from(version).ok())
            && found > VERSION
        {
            return Err(HistoryError::Version { path: path.to_owned(), found, known: VERSION });
        }
        serde_json::from_value(json).map_err(wrong)
    }

    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }
}
