//! What waits in a live run, and how much of it there may be. All bounds of bytes are here, and they come of one figure: the memory
//! that the run was given (`--memory`). An eighth of it, 256 MiB at most, is for what waits, over all subscriptions together:
//!
//! | what waits | where | its part |
//! |---|---|---|
//! | messages as they came, until they are acknowledged: beyond that they stay with Pub/Sub | the client and `Delivered` | 1/4, and of each subscription the message that would pass it |
//! | rows of these, on their way to the log and until something was computed from them | between the thread of a lane and the loop | 1/8, and a part of each lane |
//! | the same, as entries | the log's buffer before a sync | as much |
//! | rows that are logged and wait for those of other subscriptions, or for definitions to come in force | `core.rs`, `reload.rs` | 1/4, and what was on its way |
//! | a snapshot that is said faster than it is written | `writing.rs` | 1/4 |
//!
//! Each lane has an equal share of the first four, and not one that takes what others leave: a lane whose rows wait for those of
//! another would keep it from taking any. What is held beyond this is state: windows, look-backs, incidents, ids of messages (34
//! bytes each, 2,000,000 of a subscription at most). What the run does when that is too much is in `pressure.rs`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Of the memory, what may wait.
const WAITING: u64 = 8;
const WAITING_MOST: u64 = 256 << 20;
/// Less makes no progress worth the name.
const WAITING_LEAST: u64 = 4 << 20;
/// Bytes of records, not compressed, behind which an entry ends.
const PART_MOST: u64 = 4 << 20;
const PART_LEAST: u64 = 64 << 10;
/// How long somebody waits for room before he looks whether the run goes on.
const LOOK: Duration = Duration::from_millis(100);

/// The bounds, of each lane where it does not say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Messages as they came.
    pub messages: u64,
    /// Rows on their way to the log.
    pub decoded: u64,
    /// Rows behind it that wait.
    pub rows: u64,
    /// Pieces of a snapshot, of the whole run.
    pub snapshot: u64,
    /// Records behind which an entry ends.
    pub part: usize,
}

impl Bounds {
    /// Of a run with so much memory and so many lanes.
    pub fn of(memory: u64, lanes: usize) -> Self {
        let waiting = (memory / WAITING).clamp(WAITING_LEAST, WAITING_MOST);
        let lane = waiting / u64::try_from(lanes.max(1)).unwrap_or(u64::MAX);
        let part = (lane / 32).clamp(PART_LEAST, PART_MOST);
        Self {
            messages: lane / 4,
            decoded: lane / 8,
            rows: lane / 4,
            snapshot: waiting / 4,
            part: usize::try_from(part).unwrap_or(usize::MAX),
        }
    }
}

/// Room for so many bytes.
pub struct Room {
    bytes: u64,
    used: Mutex<u64>,
    freed: Condvar,
    /// While memory is short one thing at a time has room.
    narrow: AtomicBool,
}

/// Bytes of a room, free when this is gone.
pub struct Held {
    room: Arc<Room>,
    bytes: u64,
}

impl Room {
    pub fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self { bytes, used: Mutex::new(0), freed: Condvar::new(), narrow: AtomicBool::new(false) })
    }

    /// Waits until there is room; `None` when the run stops before that. What is too large for it has it alone.
    pub fn take(self: &Arc<Self>, bytes: u64, stop: &AtomicBool) -> Option<Held> {
        let mut used = self.lock();
        while *used > 0 && (self.narrow.load(Ordering::Relaxed) || used.saturating_add(bytes) > self.bytes) {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            used = self.freed.wait_timeout(used, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        *used += bytes;
        Some(Held { room: Arc::clone(self), bytes })
    }

    pub fn narrow(&self, narrow: bool) {
        self.narrow.store(narrow, Ordering::Relaxed);
    }

    /// Bytes that are taken.
    #[cfg(test)]
    pub fn used(&self) -> u64 {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut used = self.room.lock();
        *used = used.saturating_sub(self.bytes);
        self.room.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::{Bounds, Room, WAITING_MOST};

    /// All that may wait is an eighth of the memory, however many lanes there are.
    #[test]
    fn bounds_of_all_lanes_together() {
        for memory in [64 << 20, 512 << 20, 4 << 30, u64::MAX] {
            for lanes in [1, 2, 7, 40] {
                let Bounds { messages, decoded, rows, snapshot, part } = Bounds::of(memory, lanes);
                let all = lanes as u64 * (messages + 2 * decoded + rows) + snapshot;
                assert!(all <= (memory / 8).min(WAITING_MOST), "{memory} {lanes}: {all}");
                assert!(all >= (memory / 16).min(WAITING_MOST / 2), "{memory} {lanes}: {all}");
                assert!((64 << 10..=4 << 20).contains(&part));
            }
        }
        assert_eq!(Bounds::of(512 << 20, 1).messages, 16 << 20);
    }

    #[test]
    fn what_has_no_room_waits() {
        let (room, stop) = (Room::new(100), Arc::new(AtomicBool::new(false)));
        let (large, small) = (room.take(1_000, &stop), AtomicBool::new(false));
        assert!(large.is_some());
        thread::scope(|scope| {
            scope.spawn(|| {
                assert!(room.take(60, &stop).is_some());
                small.store(true, Ordering::SeqCst);
            });
            thread::sleep(Duration::from_millis(150));
            assert!(!small.load(Ordering::SeqCst), "there was no room");
            drop(large);
        });
        assert!(small.load(Ordering::SeqCst));
        // Two have room together, unless it is narrow.
        let first = room.take(10, &stop);
        assert!(first.is_some() && room.take(90, &stop).is_some());
        assert_eq!(room.used(), 10);
        room.narrow(true);
        stop.store(true, Ordering::Relaxed);
        assert!(room.take(10, &stop).is_none());
        drop(first);
        assert!(room.take(10, &stop).is_some());
    }
}
