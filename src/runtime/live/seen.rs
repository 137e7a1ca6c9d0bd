//! Which messages of a queue are in the log: a queue may deliver again what it was told is safe.

use std::collections::{HashSet, VecDeque};

use rustc_hash::FxBuildHasher;
use sha2::{Digest, Sha256};

/// Messages that are remembered, the latest.
const MESSAGES_MAX: usize = 2_000_000;

#[derive(Default)]
pub struct Seen {
    known: HashSet<u64, FxBuildHasher>,
    order: VecDeque<u64>,
}

impl Seen {
    /// False where it was seen before.
    pub fn insert(&mut self, message: u64) -> bool {
        if !self.known.insert(message) {
            return false;
        }
        self.order.push_back(message);
        if self.order.len() > MESSAGES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
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
