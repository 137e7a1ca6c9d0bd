//! Whether a queue that gives nothing can be reached at all. The loop asks, and the queue's thread finds out: it is the one that may wait.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::record::{EventTime, Micros};

/// An answer that is older does not count.
const FRESH: Micros = Micros(30_000_000);

#[derive(Clone, Default)]
pub struct Reach(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_asked: bool,
    answer: Option<(EventTime, bool)>,
}

impl Reach {
    /// Can it be reached? `None` where that is not known yet: its thread is asked to find out.
    pub fn known(&self, now: EventTime) -> Option<bool> {
        let mut state = self.state();
        let fresh = state.answer.filter(|(at, _)| at.plus(FRESH) >= now).map(|(_, reached)| reached);
        state.is_asked |= fresh.is_none();
        fresh
    }

    pub fn is_asked(&self) -> bool {
        self.state().is_asked
    }

    pub fn answer(&self, at: EventTime, reached: bool) {
        *self.state() = State { is_asked: false, answer: Some((at, reached)) };
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
