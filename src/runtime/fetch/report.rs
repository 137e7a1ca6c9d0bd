//! What a fetch did, by day.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::record::Day;

use super::FetchError;

#[derive(Debug)]
pub enum Outcome {
    Taken(Taken),
    /// It was there already.
    There,
    /// The table has no rows of it, and nothing was put in; is it there from before?
    Empty {
        held: bool,
    },
    /// Bytes that its job would bill.
    Planned(u64),
    Failed(FetchError),
    /// In the midst of it; nothing of it was kept.
    Stopped,
    NotBegun,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    pub rows: u64,
    /// Of them, behind the watermark.
    pub late: u64,
    /// Files that were written, and their bytes.
    pub parts: usize,
    pub bytes: u64,
    /// Bytes that the job billed.
    pub billed: u64,
    /// An earlier ingest of the day made room.
    pub replaced: bool,
    pub elapsed: Duration,
}

#[derive(Debug)]
pub struct FetchedDay {
    pub day: Day,
    pub outcome: Outcome,
}

#[derive(Debug, Default)]
pub struct FetchReport {
    pub days: Vec<FetchedDay>,
    pub elapsed: Duration,
}

impl FetchReport {
    /// The error that ended it.
    pub fn failed(&self) -> Option<&FetchError> {
        self.days.iter().find_map(|day| match &day.outcome {
            Outcome::Failed(error) => Some(error),
            _ => None,
        })
    }

    /// Days were left out because somebody stopped it.
    pub fn stopped(&self) -> bool {
        let left = |day: &FetchedDay| matches!(day.outcome, Outcome::Stopped | Outcome::NotBegun);
        self.failed().is_none() && self.days.iter().any(left)
    }

    /// None of the days that were asked for has rows, here or there.
    pub fn nothing(&self) -> bool {
        self.days.iter().all(|day| matches!(day.outcome, Outcome::Empty { held: false }))
    }

    pub fn taken(&self) -> impl Iterator<Item = &Taken> {
        self.days.iter().filter_map(|day| match &day.outcome {
            Outcome::Taken(taken) => Some(taken),
            _ => None,
        })
    }

    pub fn json(&self) -> Json {
        json!({
            "days": self.days.iter().map(FetchedDay::json).collect::<Vec<_>>(),
            "failed": self.failed().is_some(),
            "interrupted": self.stopped(),
            "seconds": self.elapsed.as_secs_f64(),
        })
    }
}

impl FetchedDay {
    fn json(&self) -> Json {
        let mut object = match &self.outcome {
            Outcome::Taken(taken) => json!({
                "outcome": "done",
                "rows": taken.rows,
                "late": taken.late,
                "parts": taken.parts,
                "bytes": taken.bytes,
                "bytes_billed": taken.billed,
                "replaced": taken.replaced,
                "seconds": taken.elapsed.as_secs_f64(),
            }),
            Outcome::There => json!({"outcome": "skipped"}),
            Outcome::Empty { .. } => json!({"outcome": "empty"}),
            Outcome::Planned(bytes) => json!({"outcome": "planned", "bytes": bytes}),
            Outcome::Failed(error) => json!({"outcome": "failed", "error": error.to_string()}),
            Outcome::Stopped | Outcome::NotBegun => json!({"outcome": "stopped"}),
        };
        object["day"] = self.day.to_string().into();
        object
    }
}
