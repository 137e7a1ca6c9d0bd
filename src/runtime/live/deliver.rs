//! Sinks, each on a thread of its own: what it is told of is read from the alerts' own log, at its own pace. One that is slow,
//! or away, waits for nobody but itself; its position survives the run.
//!
//! A sink is told of each alert once, and again where nobody knows whether it has it: the alert's id is the same then.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::port::disk::Disk;
use crate::port::sink::{Outcome, Sink, Told, Trouble};
use crate::state::StateError;
use crate::state::log::{Follower, Kind};
use crate::state::outbox::SinkPosition;

/// How often a sink that has everything looks for more.
const POLL: Duration = Duration::from_millis(50);
/// The first pause after a failure; each that follows is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// No place is believed that it needs longer.
const AFTER_MAX: Duration = Duration::from_secs(3_600);
/// How long a sink may go on when the run has ended.
const FAREWELL: Duration = Duration::from_secs(5);

/// How a sink is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkState {
    pub name: Arc<str>,
    /// The first alert that it does not have.
    pub next: u64,
    /// Alerts that it will never take.
    pub refused: u64,
    /// Attempts that failed, by this run.
    pub failures: u64,
    /// Why the last one did, until one succeeds.
    pub error: Option<String>,
    /// Since when it has not come further although there was more.
    pub since: Option<Instant>,
}

impl SinkState {
    /// `alerts`: how many there are.
    pub(super) fn json(&self, alerts: u64) -> Json {
        json!({
            "name": &*self.name,
            "pending": alerts.saturating_sub(self.next),
            "refused": self.refused,
            "failures": self.failures,
            "error": self.error,
        })
    }

    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, alerts: u64) -> fmt::Result {
        write!(f, "sink {}: {} alerts wait", self.name, alerts.saturating_sub(self.next))?;
        if self.refused > 0 {
            write!(f, ", {} were refused", self.refused)?;
        }
        match &self.error {
            Some(error) => writeln!(f, "; {error}"),
            None => writeln!(f),
        }
    }
}

/// A sink's thread.
type Telling = JoinHandle<Result<(), StateError>>;

/// Sinks that are told.
#[derive(Default)]
pub struct Deliveries {
    sinks: Vec<(Arc<Mutex<SinkState>>, Telling)>,
    stop: Arc<AtomicBool>,
}

impl Deliveries {
    /// `readable`: how many alerts the log has. A sink that is new is told of what comes from now on.
    pub fn begin(
        disk: &Arc<dyn Disk>,
        sinks: Vec<Box<dyn Sink>>,
        readable: &Arc<AtomicU64>,
    ) -> Result<Self, StateError> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut begun = Vec::with_capacity(sinks.len());
        let end = readable.load(Ordering::Acquire);
        for sink in sinks {
            let known = SinkPosition::load(&**disk, &sink.name())?;
            let mut position = known.unwrap_or(SinkPosition { next: end, refused: 0 });
            // What a crash took from the log comes under other definitions with the same numbers.
            position.next = position.next.min(end);
            if known != Some(position) {
                position.save(&**disk, &sink.name())?;
            }
            let state = SinkState {
                name: sink.name(),
                next: position.next,
                refused: position.refused,
                failures: 0,
                error: None,
                since: None,
            };
            let state = Arc::new(Mutex::new(state));
            let delivery = Delivery {
                follower: Follower::new(Arc::clone(disk), Kind::Alerts, position.next),
                disk: Arc::clone(disk),
                sink,
                position,
                readable: Arc::clone(readable),
                state: Arc::clone(&state),
                stop: Arc::clone(&stop),
                pause: PAUSE,
            };
            begun.push((state, thread::spawn(|| delivery.run())));
        }
        Ok(Self { sinks: begun, stop })
    }

    pub fn states(&self) -> Vec<SinkState> {
        self.sinks.iter().map(|(state, _)| locked(state).clone()).collect()
    }

    /// The first alert that some sink does not have.
    pub fn needed(&self) -> u64 {
        self.sinks.iter().map(|(state, _)| locked(state).next).min().unwrap_or(u64::MAX)
    }

    /// A sink's position cannot be kept: the run must not go on as if it were.
    pub fn check(&mut self) -> Result<(), StateError> {
        let ended = self.sinks.iter().position(|(_, thread)| thread.is_finished());
        match ended {
            Some(ended) => self.sinks.swap_remove(ended).1.join().unwrap_or(Ok(())),
            None => Ok(()),
        }
    }

    /// Waits a little for sinks that have not all; returns how they are.
    pub fn end(self) -> Result<Vec<SinkState>, StateError> {
        self.stop.store(true, Ordering::Relaxed);
        let mut states = Vec::with_capacity(self.sinks.len());
        for (state, thread) in self.sinks {
            thread.join().unwrap_or(Ok(()))?;
            states.push(locked(&state).clone());
        }
        Ok(states)
    }
}

struct Delivery {
    disk: Arc<dyn Disk>,
    sink: Box<dyn Sink>,
    follower: Follower,
    position: SinkPosition,
    readable: Arc<AtomicU64>,
    state: Arc<Mutex<SinkState>>,
    stop: Arc<AtomicBool>,
    /// After the next failure.
    pause: Duration,
}

impl Delivery {
    fn run(mut self) -> Result<(), StateError> {
        let mut stopped: Option<Instant> = None;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                let since = *stopped.get_or_insert_with(Instant::now);
                let failing = locked(&self.state).error.is_some();
                if self.position.next >= self.readable.load(Ordering::Acquire) || failing || since.elapsed() > FAREWELL
                {
                    return Ok(());
                }
            }
            let most = self.sink.batch().max(1);
            let alerts = self.follower.read(self.readable.load(Ordering::Acquire), most)?;
            if alerts.is_empty() {
                thread::sleep(POLL);
                continue;
            }
            locked(&self.state).since.get_or_insert_with(Instant::now);
            let told: Vec<Told> = alerts.into_iter().map(told).collect();
            let Outcome { taken, trouble } = self.sink.tell(&told);
            self.went(taken.min(told.len()), trouble, told.len())?;
        }
    }

    /// So many alerts were taken, and then there was trouble, or none.
    fn went(&mut self, taken: usize, trouble: Option<Trouble>, told: usize) -> Result<(), StateError> {
        let refused = matches!(&trouble, Some(Trouble::Refused { .. })) && taken < told;
        self.position.next += (taken + usize::from(refused)) as u64;
        self.position.refused += u64::from(refused);
        if taken > 0 || refused {
            match self.position.save(&*self.disk, &self.sink.name()) {
                // A crash before the next one is saved: it is told again.
                Err(error) if error.is_full() => {}
                saved => saved?,
            }
            self.pause = PAUSE;
        }
        self.follower.seek(self.position.next);
        let wait = match &trouble {
            // A place that takes nothing and says nothing is asked again, not at once.
            None if taken == 0 => Some(self.pause),
            Some(Trouble::Later { after, .. }) => Some(after.map_or(self.pause, |after| after.min(AFTER_MAX))),
            _ => None,
        };
        {
            let mut state = locked(&self.state);
            (state.next, state.refused) = (self.position.next, self.position.refused);
            if taken > 0 || refused {
                state.since = None;
            }
            match trouble {
                Some(Trouble::Later { what, .. } | Trouble::Refused { what }) => {
                    state.failures += 1;
                    state.error = Some(what);
                }
                None if taken > 0 => state.error = None,
                None => {}
            }
        }
        if let Some(wait) = wait {
            self.pause = (self.pause * 2).min(PAUSE_MAX);
            self.sleep(wait);
        }
        Ok(())
    }

    /// Until the pause is over, or the run ends.
    fn sleep(&self, pause: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < pause && !self.stop.load(Ordering::Relaxed) {
            thread::sleep(POLL.min(pause));
        }
    }
}

fn told((number, bytes): (u64, Vec<u8>)) -> Told {
    let alert: Json = serde_json::from_slice(&bytes).unwrap_or_default();
    let alert_id = alert["alert_id"].as_str().unwrap_or_default().to_owned();
    Told { alert_id, number, alert }
}

fn locked(state: &Mutex<SinkState>) -> MutexGuard<'_, SinkState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
