//! What a live run did beside what it computed: its log, its snapshots, its sinks and subscriptions.

use std::fmt;

use serde_json::{Value as Json, json};

use crate::record::plural;

use super::deliver::SinkState;
use super::standing::LaneState;

/// What a live run did beside what it computed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logged {
    /// Of the snapshot that the run began with.
    pub snapshot_entries: u64,
    /// Read again at the start.
    pub recovered_entries: u64,
    /// Snapshots that could not be read at the start.
    pub unread_snapshots: u64,
    /// Written by this run.
    pub snapshots: u64,
    /// The length of the last one.
    pub snapshot_bytes: u64,
    /// The longest time that one took, and for which nothing else was done.
    pub snapshot_micros_max: u64,
    pub snapshot_pause_micros_max: u64,
    pub cut_bytes: u64,
    /// How often other definitions came in force.
    pub reloads: u64,
    /// Of the last that was asked for, why it is not in force.
    pub unfinished: Option<String>,
    /// Messages that were in the log already.
    pub redelivered: u64,
    pub entries: u64,
    pub bytes: u64,
    /// Attempts that found the disk full.
    pub full: u64,
    /// Alerts of all runs over the folder.
    pub alerts: u64,
    /// How sinks were at the end.
    pub sinks: Vec<SinkState>,
    /// And subscriptions.
    pub lanes: Vec<LaneState>,
}

impl Logged {
    pub fn json(&self) -> Json {
        json!({
            "entries": self.entries,
            "bytes": self.bytes,
            "snapshot_entries": self.snapshot_entries,
            "recovered_entries": self.recovered_entries,
            "unread_snapshots": self.unread_snapshots,
            "snapshots": self.snapshots,
            "snapshot_bytes": self.snapshot_bytes,
            "snapshot_micros_max": self.snapshot_micros_max,
            "snapshot_pause_micros_max": self.snapshot_pause_micros_max,
            "cut_bytes": self.cut_bytes,
            "reloads": self.reloads,
            "unfinished_reload": self.unfinished,
            "redelivered": self.redelivered,
            "full": self.full,
            "alerts": self.alerts,
            "sinks": self.sinks.iter().map(|sink| sink.json()).collect::<Vec<Json>>(),
            "subscriptions": self.lanes.iter().map(|lane| lane.json()).collect::<Vec<Json>>(),
        })
    }
}

impl fmt::Display for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, bytes, snapshot_entries, recovered_entries, redelivered, .. } = self;
        writeln!(
            f,
            "log: {entries} {}, {bytes} {}; begun with a snapshot of {snapshot_entries} and {recovered_entries} behind it; \
             {redelivered} {} came again",
            plural(*entries, "entry"),
            plural(*bytes, "byte"),
            plural(*redelivered, "message"),
        )?;
        if let Some(unfinished) = &self.unfinished {
            writeln!(f, "reload: {unfinished} when the run was stopped: a start has the project as it is then")?;
        }
        self.lanes.iter().try_for_each(|lane| lane.write(f))?;
        self.sinks.iter().try_for_each(|sink| sink.write(f))
    }
}
