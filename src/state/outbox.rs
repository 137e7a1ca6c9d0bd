//! How far outputs are. Computed again from the log, alerts come in the same order: a count says which of them are out.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{StateError, failed};
use crate::port::disk::Disk;

pub const FILE: &str = "outbox.json";
const SINK: &str = "sink-";
const SUFFIX: &str = ".json";

/// Is it a file of a sink?
pub(super) fn owns(file: &str) -> bool {
    file.starts_with(SINK) && file.ends_with(SUFFIX)
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Of the definitions that the alerts are of.
    pub generation: String,
    /// Of the program that computed them: another may order them otherwise.
    pub program: String,
    /// What other definitions were given before: entries of the log that alert nobody any more.
    pub since: u64,
    /// The first entry that the state of these definitions was computed from.
    pub began: u64,
    /// The number that the first of their alerts has among all alerts.
    pub base: u64,
    /// Of their alerts, those that are out.
    pub delivered: u64,
    /// Entries of the log of which all alerts are out, as of the last clean end.
    pub complete: u64,
    /// How long the output's file was then.
    pub file_bytes: u64,
    /// The queues that the log's entries are of.
    pub lanes: Vec<String>,
}

impl Position {
    /// Where the output was; `None` in a new folder.
    pub fn load(disk: &dyn Disk) -> Result<Option<Self>, StateError> {
        load(disk, FILE)
    }

    pub fn save(&self, disk: &dyn Disk) -> Result<(), StateError> {
        save(disk, FILE, self)
    }
}

/// Of all alerts, the number of the first that a sink does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkPosition {
    pub next: u64,
    /// Alerts that it will never take, and that were left out.
    pub refused: u64,
}

impl SinkPosition {
    pub fn load(disk: &dyn Disk, sink: &str) -> Result<Option<Self>, StateError> {
        load(disk, &format!("{SINK}{sink}{SUFFIX}"))
    }

    pub fn save(&self, disk: &dyn Disk, sink: &str) -> Result<(), StateError> {
        save(disk, &format!("{SINK}{sink}{SUFFIX}"), self)
    }
}

/// A line of JSON, and behind it its checksum.
fn save(disk: &dyn Disk, file: &str, value: &impl Serialize) -> Result<(), StateError> {
    let failed = |error| failed(file, "be written", error);
    let mut text = serde_json::to_string(value).map_err(|error| failed(error.into()))?;
    text.push_str(&format!("\n{:08x}\n", crc32fast::hash(text.as_bytes())));
    disk.replace(file, text.as_bytes()).map_err(failed)
}

fn load<T: DeserializeOwned>(disk: &dyn Disk, file: &str) -> Result<Option<T>, StateError> {
    let bytes = match disk.read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(file, "be read", error)),
    };
    let damaged = |what: String| StateError::Damaged { file: file.to_owned(), at: 0, what };
    let text = std::str::from_utf8(&bytes).map_err(|error| damaged(error.to_string()))?;
    let (value, sum) = text.split_once('\n').unwrap_or((text, ""));
    if sum != format!("{:08x}\n", crc32fast::hash(value.as_bytes())) {
        return Err(damaged("its checksum is another".to_owned()));
    }
    serde_json::from_str(value).map(Some).map_err(|error| damaged(error.to_string()))
}
