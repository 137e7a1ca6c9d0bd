//! How far an output is. Computed again from the log, alerts come in the same order: a count says which of them are out.

use std::io;

use serde::{Deserialize, Serialize};

use super::StateError;
use crate::port::disk::Disk;

pub const FILE: &str = "outbox.json";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Of the definitions that the alerts are of.
    pub generation: String,
    /// Of the program that computed them: another may order them otherwise.
    pub program: String,
    /// What other definitions were given before: entries of the log that alert nobody any more.
    pub since: u64,
    /// Alerts that are out, of those behind it.
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
        match disk.read(FILE) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(position) => Ok(Some(position)),
                Err(error) => Err(StateError::Damaged {
                    file: FILE.to_owned(),
                    at: error.column() as u64,
                    what: error.to_string(),
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError::Io { file: FILE.to_owned(), what: "be read", error }),
        }
    }

    pub fn save(&self, disk: &dyn Disk) -> Result<(), StateError> {
        let failed = |error| StateError::Io { file: FILE.to_owned(), what: "be written", error };
        let text = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        disk.replace(FILE, &text).map_err(failed)
    }
}
