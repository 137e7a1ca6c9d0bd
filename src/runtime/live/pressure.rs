//! What a run does when its memory gets short: what it holds beyond the bounds of `room.rs` is state, of which nothing may be let
//! go without changing what is computed, but for keys beyond `keys_max`.
//!
//! | of the memory is used | the run |
//! |---|---|
//! | 3/4 | takes one entry at a time, and puts more and more rows of look-backs into the temporary file: slower, with the same results |
//! | 9/10 | takes no messages, says so and is not ready: they stay with Pub/Sub, and the run is there to be asked |
//!
//! Used is what the system cannot take back without the process: pages of files do not count.

use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use super::lane::Taken;
use super::{HELD_ENTRIES_MAX, Live, LiveError, WAITING_ROWS_MAX};

/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(200);
/// How often look-backs are told to hold fewer rows.
const SPILL_EVERY: Duration = Duration::from_secs(5);
/// The fewest that they are told to hold.
const ROWS_LEAST: usize = 1_000;

pub const WAITS: &str = "nearly all of its memory (--memory) is used: it takes no messages";

/// What a run may use, and how it learns what it uses.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub limit: u64,
    /// Bytes that the process has and that cannot be taken back.
    pub used: fn() -> Option<u64>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { limit: u64::MAX, used: || None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Enough,
    Tight,
    Full,
}

impl Memory {
    fn level(self, used: u64) -> Level {
        match u128::from(used) {
            used if used * 10 >= u128::from(self.limit) * 9 => Level::Full,
            used if used * 4 >= u128::from(self.limit) * 3 => Level::Tight,
            _ => Level::Enough,
        }
    }
}

pub struct Pressure {
    memory: Memory,
    level: Level,
    looked: Option<Instant>,
    spilled: Option<Instant>,
    /// Rows that each look-back holds in memory.
    rows: usize,
}

impl Pressure {
    /// `rows`: of each look-back, as long as there is enough memory.
    pub fn new(memory: Memory, rows: usize) -> Self {
        Self { memory, level: Level::Enough, looked: None, spilled: None, rows }
    }

    pub fn level(&self) -> Level {
        self.level
    }

    /// Is it time to look? What is used then, where the system says so.
    pub fn look(&mut self, now: Instant) -> Option<u64> {
        if self.looked.is_some_and(|looked| now < looked + EVERY) {
            return None;
        }
        self.looked = Some(now);
        let used = (self.memory.used)()?;
        self.level = self.memory.level(used);
        Some(used)
    }

    /// How many rows look-backs shall hold from now on, where that changes; `held` is what the largest has.
    pub fn rows(&mut self, held: usize, now: Instant) -> Option<usize> {
        let waits = self.spilled.is_some_and(|spilled| now < spilled + SPILL_EVERY);
        if self.level == Level::Enough || waits || held <= ROWS_LEAST {
            return None;
        }
        self.spilled = Some(now);
        self.rows = (self.rows.min(held) / 2).max(ROWS_LEAST);
        Some(self.rows)
    }
}

impl Live<'_> {
    /// Looks whether there is enough memory, and does what helps where there is not.
    pub(super) fn relieve(&mut self) -> Result<(), LiveError> {
        let (before, now) = (self.pressure.level(), Instant::now());
        let Some(used) = self.pressure.look(now) else { return Ok(()) };
        self.vitals.uses(used);
        let level = self.pressure.level();
        if level != before {
            self.queues.iter().for_each(|queue| queue.room.narrow(level > Level::Enough));
            if (level == Level::Full) != (before == Level::Full) {
                let full = level == Level::Full;
                self.progress.notes(if full { WAITS } else { "there is memory again: it takes messages" });
                self.vitals.waits(full.then_some(WAITS));
            }
        }
        if let Some(rows) = self.pressure.rows(self.core.graph.look_back_rows(), now) {
            self.core.graph.hold_at_most(rows)?;
        }
        Ok(())
    }

    /// What the queues have, as far as there is room for it.
    pub(super) fn take(&mut self) -> Result<Vec<Taken>, LiveError> {
        let mut group = Vec::new();
        let (held, bytes) = self.reloads.held_back();
        let lanes = self.queues.len() as u64;
        let full = self.pressure.level() == Level::Full
            || held >= HELD_ENTRIES_MAX
            || bytes >= self.bounds.rows.saturating_mul(lanes);
        for (lane, queue) in self.queues.iter_mut().enumerate() {
            let waits =
                self.core.waiting_rows(lane) >= WAITING_ROWS_MAX || self.core.waiting_bytes(lane) >= self.bounds.rows;
            if full || waits {
                // It is not asked: nobody could notice that it is silent.
                queue.noticed = queue.noticed.max(self.clock.now());
            }
            while group.len() < self.group_entries && !full && !waits {
                match queue.taken.try_recv() {
                    Ok(message) => {
                        let taken = message?;
                        queue.heard = queue.heard.max(taken.arrived);
                        queue.noticed = queue.noticed.max(taken.arrived);
                        self.vitals.heard(lane, taken.arrived);
                        group.push(taken);
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Err(LiveError::Thread),
                }
            }
        }
        Ok(group)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Level, Memory, Pressure};

    #[test]
    fn levels_by_what_is_used() {
        let memory = Memory { limit: 1_000, ..Memory::default() };
        let levels = [0, 749, 750, 899, 900, u64::MAX].map(|used| memory.level(used));
        assert_eq!(levels, [Level::Enough, Level::Enough, Level::Tight, Level::Tight, Level::Full, Level::Full]);
        assert_eq!(Memory::default().level(1 << 40), Level::Enough);
    }

    #[test]
    fn look_backs_hold_fewer_rows_as_long_as_memory_is_short() {
        let (begun, later) = (Instant::now(), |seconds| Duration::from_secs(seconds));
        let mut pressure = Pressure::new(Memory { limit: 1_000, used: || Some(800) }, 2_000_000);
        assert_eq!((pressure.rows(9_000, begun), pressure.look(begun)), (None, Some(800)));
        assert_eq!(pressure.look(begun), None, "it looks not all the time");
        assert_eq!(pressure.rows(9_000, begun), Some(4_500));
        assert_eq!(pressure.rows(4_400, begun + later(1)), None, "they need a while");
        assert_eq!(pressure.rows(4_400, begun + later(6)), Some(2_200));
        assert_eq!(pressure.rows(900, begun + later(20)), None);
    }
}
