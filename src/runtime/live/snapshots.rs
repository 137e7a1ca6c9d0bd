//! When a snapshot is taken, and what of the log is kept behind it.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::pipeline::merge::BEFORE_ALL;
use crate::pipeline::saved::{Saved, Saver};
use crate::port::disk::Disk;
use crate::record::{EventTime, Micros};
use crate::state::log::Log;
use crate::state::snapshot;

use super::LiveError;
use super::core::Core;
use super::seen::Messages;
use super::writing::{Writing, Written};

/// Snapshots that are kept: where the newest cannot be read, there is one before it.
const KEPT: usize = 2;

/// How often, and how much of the log is kept.
#[derive(Debug, Clone, Copy)]
pub struct Keeping {
    /// Rows after which a snapshot is taken.
    pub rows: u64,
    /// Time after which one is taken where something came.
    pub every: Micros,
    /// The log is kept so long, in event time.
    pub retain: Micros,
    /// Beyond so many bytes its beginning goes, whatever its age.
    pub retain_bytes: u64,
}

impl Default for Keeping {
    fn default() -> Self {
        Self {
            rows: 1_000_000,
            every: Micros(600_000_000),
            retain: Micros(30 * 86_400_000_000),
            retain_bytes: u64::MAX,
        }
    }
}

/// Of whom a snapshot is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Head {
    pub generation: String,
    pub program: String,
    pub entries: u64,
    /// The number that the first of these definitions' alerts has, and how many were computed.
    pub base: u64,
    pub given: u64,
}

/// For each file of the log: the watermark when it began.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Marks(Vec<(u64, i64)>);

impl Marks {
    /// A file may have begun.
    pub fn see(&mut self, log: &Log, watermark: i64) {
        // Of files that began before there was a watermark.
        self.0.iter_mut().filter(|(_, at)| *at == BEFORE_ALL).for_each(|(_, at)| *at = watermark);
        let known = self.0.last().map(|(first, _)| *first);
        let new = log.files().iter().filter(|first| known.is_none_or(|known| **first > known));
        self.0.extend(new.map(|first| (*first, watermark)).collect::<Vec<_>>());
    }

    /// The first entry that is kept: files go that ended before `watermark`, none that somebody needs.
    fn keep(&mut self, needed: u64, watermark: i64) -> u64 {
        let gone = |next: &(u64, i64)| next.0 <= needed && next.1 != BEFORE_ALL && next.1 < watermark;
        let gone = self.0.iter().skip(1).take_while(|next| gone(next)).count();
        self.0.drain(..gone);
        self.0.first().map_or(0, |(first, _)| *first)
    }

    fn keep_from(&mut self, first: u64) {
        self.0.retain(|(own, _)| *own >= first);
    }
}

/// When the last one was taken, and the one that is being written.
pub struct Snapshots {
    pub keeping: Keeping,
    pub marks: Marks,
    /// Of the last one.
    pub entries: Option<u64>,
    pub rows: u64,
    /// Somebody reads the log: nothing of it is forgotten.
    pub log_is_read: bool,
    /// One is wanted at once.
    pub due: bool,
    pub taken: EventTime,
    pub writing: Option<Writing>,
    /// Bytes that one may be said ahead of the disk.
    pub ahead: u64,
}

impl Snapshots {
    /// Is it time for one?
    pub fn is_due(&self, entries: u64, now: EventTime) -> bool {
        let aged = self.entries.unwrap_or(0) < entries && now >= self.taken.plus(self.keeping.every);
        self.writing.is_none() && (self.due || self.rows >= self.keeping.rows || aged)
    }

    /// There was no room for one.
    pub fn later(&mut self, now: EventTime) {
        (self.rows, self.due, self.taken) = (0, false, now);
    }

    /// Begins one of the state as it is. What it counts on, of the log and of alerts, is durable.
    pub fn begin(
        &mut self,
        head: &Head,
        core: &Core,
        messages: &[Messages],
        disk: Arc<dyn Disk>,
        (begun, now): (Instant, EventTime),
    ) -> Result<(), LiveError> {
        let writing = Writing::begin(disk, head.entries, (begun, now), self.ahead, &mut |out| {
            let mut out = Saver::new(out);
            out.put(head)?;
            out.put(messages)?;
            out.put(&self.marks)?;
            core.save(&mut out)
        })?;
        self.later(now);
        self.writing = Some(writing);
        Ok(())
    }

    /// What became of the one that was begun; it lets go what is older than what is kept. `untold`: the first entry whose refused
    /// records are not all told.
    pub fn written(
        &mut self,
        waits: bool,
        (watermark, untold): (i64, u64),
        log: &mut Log,
        disk: &dyn Disk,
    ) -> Result<Option<Written>, LiveError> {
        let Some(done) = self.writing.as_ref().and_then(|writing| writing.done(waits)) else { return Ok(None) };
        self.writing = None;
        let written = done?;
        self.entries = Some(written.entries);
        let all = snapshot::all(disk)?;
        all.iter().skip(KEPT).try_for_each(|entries| snapshot::remove(disk, *entries))?;
        if let Some(oldest) = all.get(KEPT - 1).filter(|_| !self.log_is_read) {
            self.forget(watermark, untold.min(*oldest), log)?;
        }
        Ok(Some(written))
    }

    /// Lets go the beginning of the log.
    fn forget(&mut self, watermark: i64, needed: u64, log: &mut Log) -> Result<(), LiveError> {
        log.forget(self.marks.keep(needed, watermark.saturating_sub(self.keeping.retain.0)))?;
        while log.bytes() > self.keeping.retain_bytes {
            let next = log.files().get(1).copied().filter(|next| *next <= needed);
            let Some(next) = next else { break };
            log.forget(next)?;
            self.marks.keep_from(next);
        }
        Ok(())
    }
}
