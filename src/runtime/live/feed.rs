//! What a sink is told of, read from a log: alerts from theirs, or refused records from that of the input.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::port::disk::Disk;
use crate::port::sink::Told;
use crate::state::StateError;
use crate::state::entry::Rejected;
use crate::state::log::{Follower, Kind, Log};

use super::letter::letters;

/// Entries of the input's log that are read at once: they are long.
const ENTRIES: usize = 4;

/// A place in a log: an entry, and how many of the things in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub entry: u64,
    pub within: u64,
}

/// Something that a sink may be told of, and the place behind it.
#[derive(Debug)]
pub struct Ahead {
    pub told: Told,
    pub behind: Place,
}

/// A log that is read, and what there is in it.
#[derive(Clone)]
pub struct Source {
    /// How many entries can be read.
    pub readable: Arc<AtomicU64>,
    /// Of refused records, by lane: `SOURCE=SUBSCRIPTION`. `None`: of alerts.
    pub lanes: Option<Arc<[String]>>,
}

impl Source {
    pub fn kind(&self) -> Kind {
        if self.lanes.is_some() { Kind::Given } else { Kind::Alerts }
    }

    pub fn end(&self) -> u64 {
        self.readable.load(Ordering::Acquire)
    }

    /// The first entry that is there.
    pub fn first(&self, disk: &dyn Disk) -> Result<u64, StateError> {
        Log::first(disk, self.kind())
    }
}

pub struct Feed {
    source: Source,
    follower: Follower,
    /// The first that is wanted.
    from: Place,
    /// All before it was read.
    read: u64,
}

impl Feed {
    pub fn new(source: Source, disk: &Arc<dyn Disk>, from: Place) -> Self {
        let follower = Follower::new(Arc::clone(disk), source.kind(), from.entry);
        Self { source, follower, from, read: from.entry }
    }

    pub fn end(&self) -> u64 {
        self.source.end()
    }

    /// All before this entry was read.
    pub fn position(&self) -> u64 {
        self.read
    }

    /// What follows, of so many entries.
    pub fn read(&mut self, most: usize) -> Result<Vec<Ahead>, StateError> {
        let mut ahead = Vec::new();
        let most = if self.source.lanes.is_some() { most.min(ENTRIES) } else { most };
        for (number, bytes) in self.follower.read(self.source.end(), most)? {
            self.read = number + 1;
            let told = match &self.source.lanes {
                None => vec![alert(number, &bytes)],
                Some(lanes) => {
                    let rejected = Rejected::read(&bytes);
                    let rejected = rejected.map_err(|error| StateError::Damaged {
                        file: format!("entry {number} of the log"),
                        at: 0,
                        what: error.to_string(),
                    })?;
                    letters(number, lanes.get(rejected.lane).map_or("", String::as_str), rejected)
                }
            };
            let count = told.len() as u64;
            for (within, told) in (1..).zip(told) {
                let behind = match within == count {
                    true => Place { entry: number + 1, within: 0 },
                    false => Place { entry: number, within },
                };
                if behind > self.from {
                    ahead.push(Ahead { told, behind });
                }
            }
        }
        Ok(ahead)
    }
}

fn alert(number: u64, bytes: &[u8]) -> Told {
    let alert: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let id = alert["message_id"].as_str().unwrap_or_default().to_owned();
    Told { id, number, alert }
}
