//! How far outputs are. Computed again from the log, alerts come in the same order: a count says which of them are out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::StateError;
use super::small::{load, save};
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
    /// Tells that file from others; nothing where it is not known.
    #[serde(default)]
    pub file_mark: String,
    /// The day on which something was written to it, since 1970.
    #[serde(default)]
    pub file_day: i64,
    /// When a file was closed last, so that their names sort.
    #[serde(default)]
    pub file_closed: i64,
    /// The queues that the log's entries are of.
    pub lanes: Vec<String>,
    /// Other definitions came in force with that entry, and what was open of these rules was told of and ended.
    #[serde(default)]
    pub turns: Vec<(u64, Vec<String>)>,
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

/// Of all alerts, or of entries of the input's log, the number of the first that a sink does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkPosition {
    pub next: u64,
    /// Of an entry that holds several, those that it has.
    #[serde(default)]
    pub within: u64,
    /// Alerts that it will never take, and that were left out.
    pub refused: u64,
    /// Alerts that somebody had muted.
    pub muted: u64,
    /// Alerts of rules that flooded.
    pub held: u64,
    /// The hour since 1970 in which it was told last, where it is told only so many of a rule; and how many those were.
    pub hour: i64,
    pub of_hour: BTreeMap<String, u64>,
    /// What the sink itself must know, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
}

impl SinkPosition {
    pub fn load(disk: &dyn Disk, sink: &str) -> Result<Option<Self>, StateError> {
        load(disk, &format!("{SINK}{sink}{SUFFIX}"))
    }

    pub fn save(&self, disk: &dyn Disk, sink: &str) -> Result<(), StateError> {
        save(disk, &format!("{SINK}{sink}{SUFFIX}"), self)
    }

    /// What the sink remembered says nothing.
    pub fn damaged(sink: &str, what: String) -> StateError {
        StateError::Damaged { file: format!("{SINK}{sink}{SUFFIX}"), at: 0, what }
    }
}
