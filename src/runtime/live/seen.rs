//! Which messages of a queue are in the log: a queue may deliver again what it was told is safe.

use std::collections::{HashSet, VecDeque};

use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Messages that are remembered, the latest.
const MESSAGES_MAX: usize = 2_000_000;

/// Messages in the order in which they came, the latest.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Messages(VecDeque<u64>);

impl Messages {
    /// Returns the one that is forgotten.
    pub fn add(&mut self, message: u64) -> Option<u64> {
        self.0.push_back(message);
        if self.0.len() > MESSAGES_MAX { self.0.pop_front() } else { None }
    }

    pub fn extend(&mut self, messages: &[u64]) {
        for message in messages {
            self.add(*message);
        }
    }
}

/// Messages that were taken.
#[derive(Default)]
pub struct Seen {
    known: HashSet<u64, FxBuildHasher>,
    messages: Messages,
}

impl From<Messages> for Seen {
    fn from(messages: Messages) -> Self {
        Self { known: messages.0.iter().copied().collect(), messages }
    }
}

impl Seen {
    /// False where it was seen before.
    pub fn insert(&mut self, message: u64) -> bool {
        if !self.known.insert(message) {
            return false;
        }
        if let Some(oldest) = self.messages.add(message) {
            self.known.remove(&oldest);
        }
        true
    }
}

/// A message by its id, which is a number in Pub/Sub.
pub fn number(id: &str) -> u64 {
    id.parse().unwrap_or_else(|_| {
        let hash = Sha256::digest(id.as_bytes());
        hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    })
}
