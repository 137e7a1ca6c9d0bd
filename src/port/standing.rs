//! How a queue is, from when it was opened on: left there by the queue, read by whoever watches the run.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a queue promises of a message that was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It may come again.
    AtLeastOnce,
    /// It never comes again, once that was confirmed.
    ExactlyOnce,
}

impl Delivery {
    pub fn name(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at_least_once",
            Self::ExactlyOnce => "exactly_once",
        }
    }
}

/// What became of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledged {
    /// Nobody says whether it counts.
    Sent,
    /// It counts: the message never comes again.
    Confirmed,
    /// The lease was over before: the message comes again.
    Late,
    /// The queue refused it.
    Refused,
    /// The stream ended before: the message comes again, or not.
    Unanswered,
}

impl Acknowledged {
    pub const ALL: [Self; 5] = [Self::Sent, Self::Confirmed, Self::Late, Self::Refused, Self::Unanswered];

    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Confirmed => "confirmed",
            Self::Late => "late",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
        }
    }
}

/// Why nothing may come although something is there, which may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub since: Instant,
    pub what: String,
}

#[derive(Debug, Default)]
pub struct Standing {
    delivery: AtomicU8,
    acknowledged: [AtomicU64; Acknowledged::ALL.len()],
    /// Acknowledgements of which nobody knows yet what becomes of them.
    pending: AtomicU64,
    trouble: Mutex<Option<Trouble>>,
}

/// As it was at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stood {
    /// `None` until the queue says it.
    pub delivery: Option<Delivery>,
    /// As in `Acknowledged::ALL`.
    pub acknowledged: [u64; Acknowledged::ALL.len()],
    pub pending: u64,
    pub trouble: Option<Trouble>,
}

impl Standing {
    pub fn delivers(&self, delivery: Delivery) {
        let number = match delivery {
            Delivery::AtLeastOnce => 1,
            Delivery::ExactlyOnce => 2,
        };
        self.delivery.store(number, Ordering::Relaxed);
    }

    /// One was sent, and is answered later.
    pub fn asks(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    /// That one was answered.
    pub fn answered(&self, outcome: Acknowledged) {
        self.acknowledged(outcome);
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn acknowledged(&self, outcome: Acknowledged) {
        let place = Acknowledged::ALL.iter().position(|known| *known == outcome).unwrap_or(0);
        self.acknowledged[place].fetch_add(1, Ordering::Relaxed);
    }

    pub fn pending(&self) -> u64 {
        self.pending.load(Ordering::Relaxed)
    }

    /// Nobody answers, or the answer is that it cannot now; it stays so since the first of these.
    pub fn fails(&self, what: String) {
        let mut trouble = self.locked();
        let since = trouble.as_ref().map_or_else(Instant::now, |trouble| trouble.since);
        *trouble = Some(Trouble { since, what });
    }

    pub fn answers(&self) {
        *self.locked() = None;
    }

    pub fn trouble(&self) -> Option<Trouble> {
        self.locked().clone()
    }

    pub fn stood(&self) -> Stood {
        let delivery = match self.delivery.load(Ordering::Relaxed) {
            1 => Some(Delivery::AtLeastOnce),
            2 => Some(Delivery::ExactlyOnce),
            _ => None,
        };
        let acknowledged = self.acknowledged.each_ref().map(|count| count.load(Ordering::Relaxed));
        Stood { delivery, acknowledged, pending: self.pending(), trouble: self.trouble() }
    }

    fn locked(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
