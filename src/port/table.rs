//! A table that rows are appended to through streams: an append says at which row of its stream it begins, so that one that is
//! repeated is refused, not done twice.

use std::collections::BTreeSet;

use serde_json::Value as Json;

pub trait Table: Send {
    /// What a user calls it.
    fn name(&self) -> String;

    /// A new stream, which is empty; its name.
    fn open(&mut self) -> Result<String, AppendError>;

    /// Appends alerts as rows, all of them or none, where the stream has so many rows.
    fn append(&mut self, stream: &str, rows: u64, alerts: &[&Json]) -> Result<(), AppendError>;

    /// Nothing can be appended to the stream any more; how many rows it has.
    fn close(&mut self, stream: &str) -> Result<u64, AppendError>;

    /// Which of these alerts the table has.
    fn which(&mut self, alert_ids: &[String]) -> Result<BTreeSet<String>, AppendError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendError {
    /// The stream has rows there already.
    Exists,
    /// The stream cannot be appended to: it is closed, gone, or shorter.
    Lost(String),
    /// Some of the rows are no rows of the table, and none was appended.
    Rows(String),
    /// Nobody knows whether the rows are there; it may work later.
    Later(String),
}
