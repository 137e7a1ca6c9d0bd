//! A place outside that is told of alerts.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

/// An alert for a sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Of what is said: the same when it is told again.
    pub id: String,
    /// Its place in the journal.
    pub number: u64,
    /// The alert, as `docs/alert.schema.json` says.
    pub alert: Json,
}

/// How far a sink came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Alerts, from the first, that the place has.
    pub taken: usize,
    pub trouble: Option<Trouble>,
}

/// Why a sink did not come further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It may work later: no answer, a broken connection, a place that is busy, or one that an operator can mend.
    Later {
        what: String,
        /// When the place says so itself.
        after: Option<Duration>,
    },
    /// The place will never take the alert behind those taken.
    Refused { what: String },
}

pub trait Sink: Send {
    /// What a user calls it.
    fn name(&self) -> Arc<str>;
    /// How many alerts it takes at once at most.
    fn batch(&self) -> usize;
    /// One attempt, with a time limit; who calls waits and repeats. What was not taken may have arrived all the same.
    fn tell(&mut self, alerts: &[Told]) -> Outcome;

    /// Is it a record, which has each alert once? It is told only of alerts that no crash takes back, of muted ones too, and what it
    /// remembers is kept.
    fn is_record(&self) -> bool {
        false
    }

    /// Before these are told: afterwards it remembers what it has to know to find out whether it took them.
    fn prepare(&mut self, _alerts: &[Told]) -> Option<Trouble> {
        None
    }

    /// What it must know of what it was told, behind a crash.
    fn memory(&self) -> Option<String> {
        None
    }

    /// What it remembered.
    fn recall(&mut self, _memory: &str) -> Result<(), String> {
        Ok(())
    }
}

impl Outcome {
    pub fn all(alerts: &[Told]) -> Self {
        Self { taken: alerts.len(), trouble: None }
    }
}
