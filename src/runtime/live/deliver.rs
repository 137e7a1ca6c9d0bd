//! Sinks, each on a thread of its own: what it is told of is read from the alerts' own log, at its own pace. One that is slow,
//! or away, waits for nobody but itself; its position survives the run.
//!
//! A sink is told of each alert once, and again where nobody knows whether it has it: the alert's id is the same then.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::port::Clock;
use crate::port::disk::Disk;
use crate::port::sink::{Outcome, Sink, Told, Trouble};
use crate::record::EventTime;
use crate::record::alert::Phase;
use crate::state::StateError;
use crate::state::log::{Follower, Kind, Log};
use crate::state::outbox::SinkPosition;

use super::super::run::Progress;
use super::LiveError;
use super::quiet::{Quiet, Verdict};

/// How often a sink that has everything looks for more.
const POLL: Duration = Duration::from_millis(50);
/// Alerts that are looked at, at least, to find some for a sink.
const LOOKED_AT: usize = 256;
/// The first pause after a failure; each that follows is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// No place is believed that it needs longer.
const AFTER_MAX: Duration = Duration::from_secs(3_600);
/// How long a sink may go on when the run has ended.
const FAREWELL: Duration = Duration::from_secs(5);
/// And how long the attempt that is under way then.
const LATEST: Duration = Duration::from_secs(1);

/// How a sink is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkState {
    pub name: Arc<str>,
    /// The first alert that it does not have.
    pub next: u64,
    /// As far as a crash would not forget it.
    pub saved: u64,
    /// Alerts that it will never take.
    pub refused: u64,
    /// Alerts that it was not told of, because somebody had muted them.
    pub muted: u64,
    /// Alerts that it was not told of, because there were too many of their rule.
    pub held: u64,
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
            "muted": self.muted,
            "held": self.held,
            "failures": self.failures,
            "error": self.error,
        })
    }

    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, alerts: u64) -> fmt::Result {
        write!(f, "sink {}: {} alerts wait", self.name, alerts.saturating_sub(self.next))?;
        for (count, what) in [(self.refused, "refused"), (self.muted, "muted"), (self.held, "held back")] {
            if count > 0 {
                write!(f, ", {count} were {what}")?;
            }
        }
        match &self.error {
            Some(error) => writeln!(f, "; {error}"),
            None => writeln!(f),
        }
    }
}

/// A sink's thread.
type Telling = JoinHandle<Result<(), StateError>>;

/// A sink, and what it is told of.
pub struct Listener {
    pub sink: Box<dyn Sink>,
    /// Alerts of one rule, in an hour.
    pub per_hour: Option<u64>,
    /// What it is told of an incident.
    pub phases: Vec<Phase>,
}

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
        clock: &Arc<dyn Clock>,
        sinks: Vec<Listener>,
        readable: &Arc<AtomicU64>,
        progress: &dyn Progress,
    ) -> Result<Self, StateError> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut begun = Vec::with_capacity(sinks.len());
        let end = readable.load(Ordering::Acquire);
        let first = Log::first(&**disk, Kind::Alerts)?;
        for Listener { sink, per_hour, phases } in sinks {
            let known = SinkPosition::load(&**disk, &sink.name())?;
            let new = || SinkPosition { next: end, ..SinkPosition::default() };
            let mut position = known.clone().unwrap_or_else(new);
            // What a crash took from the log comes under other definitions with the same numbers; what went while the sink was
            // not one of the run's is not there any more.
            position.next = position.next.max(first).min(end);
            if let Some(known) = known.as_ref().filter(|known| known.next != position.next) {
                let (was, is, name) = (known.next, position.next, sink.name());
                progress.notes(&format!(
                    "the sink {name} goes on with alert {is}, not {was}: what is between is not there any more"
                ));
            }
            if known.as_ref() != Some(&position) {
                position.save(&**disk, &sink.name())?;
            }
            let state = SinkState {
                name: sink.name(),
                next: position.next,
                saved: position.next,
                refused: position.refused,
                muted: position.muted,
                held: position.held,
                failures: 0,
                error: None,
                since: None,
            };
            let state = Arc::new(Mutex::new(state));
            let position_next = position.next;
            let delivery = Delivery {
                follower: Follower::new(Arc::clone(disk), Kind::Alerts, position.next),
                disk: Arc::clone(disk),
                sink,
                quiet: Quiet::new(Arc::clone(disk), Arc::clone(clock), per_hour, phases),
                position,
                readable: Arc::clone(readable),
                state: Arc::clone(&state),
                stop: Arc::clone(&stop),
                saved: position_next,
                ahead: VecDeque::new(),
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
        self.sinks.iter().map(|(state, _)| locked(state).saved).min().unwrap_or(u64::MAX)
    }

    /// A sink's position cannot be kept: the run must not go on as if it were.
    pub fn check(&mut self) -> Result<(), LiveError> {
        let ended = self.sinks.iter().position(|(_, thread)| thread.is_finished());
        match ended {
            Some(ended) => joined(self.sinks.swap_remove(ended).1),
            None => Ok(()),
        }
    }

    /// Waits a little for sinks that have not all; returns how they are.
    pub fn end(self) -> Result<Vec<SinkState>, LiveError> {
        self.stop.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        let mut states = Vec::with_capacity(self.sinks.len());
        for (state, thread) in self.sinks {
            // One that waits for an answer is left behind: what it was told comes again.
            while !thread.is_finished() && begun.elapsed() < FAREWELL + LATEST {
                thread::sleep(POLL);
            }
            if thread.is_finished() {
                joined(thread)?;
            }
            states.push(locked(&state).clone());
        }
        Ok(states)
    }
}

fn joined(thread: Telling) -> Result<(), LiveError> {
    thread.join().map_err(|_| LiveError::Thread)?.map_err(LiveError::from)
}

struct Delivery {
    disk: Arc<dyn Disk>,
    sink: Box<dyn Sink>,
    quiet: Quiet,
    follower: Follower,
    position: SinkPosition,
    readable: Arc<AtomicU64>,
    state: Arc<Mutex<SinkState>>,
    stop: Arc<AtomicBool>,
    /// The position that survives a crash.
    saved: u64,
    /// Alerts that were read.
    ahead: VecDeque<Told>,
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
            self.read()?;
            if self.ahead.is_empty() {
                thread::sleep(POLL);
                continue;
            }
            locked(&self.state).since.get_or_insert_with(Instant::now);
            self.tell()?;
        }
    }

    /// Alerts that the sink does not have, as many as it may take.
    fn read(&mut self) -> Result<(), StateError> {
        let most = self.sink.batch().max(LOOKED_AT);
        if self.ahead.len() < self.sink.batch().max(1) {
            let readable = self.readable.load(Ordering::Acquire);
            let more = self.follower.read(readable, most - self.ahead.len())?;
            self.ahead.extend(more.into_iter().map(told));
        }
        Ok(())
    }

    /// One attempt.
    fn tell(&mut self) -> Result<(), StateError> {
        let now = self.quiet.look();
        let (given, places) = self.choose(now);
        let Outcome { taken, trouble } = if given.is_empty() { Outcome::all(&given) } else { self.sink.tell(&given) };
        let refused = matches!(&trouble, Some(Trouble::Refused { .. })) && taken < given.len();
        let passed = places.get(taken).copied().unwrap_or(self.ahead.len()) + usize::from(refused);
        for alert in self.ahead.drain(..passed) {
            self.quiet.judge(&alert, now, &mut self.position);
        }
        self.position.next += passed as u64;
        self.position.refused += u64::from(refused);
        self.went(passed > 0, trouble)
    }

    /// Those of the alerts ahead that the sink is told of now, and the place of each; then the place where it was looked no further.
    fn choose(&self, now: EventTime) -> (Vec<Told>, Vec<usize>) {
        let mut position = self.position.clone();
        let (mut given, mut places) = (Vec::new(), Vec::new());
        for (place, alert) in self.ahead.iter().enumerate() {
            if given.len() == self.sink.batch().max(1) {
                places.push(place);
                break;
            }
            match self.quiet.judge(alert, now, &mut position) {
                Verdict::Untold => continue,
                Verdict::Told => given.push(alert.clone()),
                Verdict::Instead(summary) => given.push(*summary),
            }
            places.push(place);
        }
        (given, places)
    }

    /// It came further, or not, and then there was trouble, or none.
    fn went(&mut self, further: bool, trouble: Option<Trouble>) -> Result<(), StateError> {
        if further {
            match self.position.save(&*self.disk, &self.sink.name()) {
                // A crash before the next one is saved: it is told again.
                Err(error) if error.is_full() => {}
                saved => {
                    saved?;
                    self.saved = self.position.next;
                }
            }
            self.pause = PAUSE;
        }
        let wait = match &trouble {
            // A place that takes nothing and says nothing is asked again, not at once.
            None if !further => Some(self.pause),
            Some(Trouble::Later { after, .. }) => Some(after.map_or(self.pause, |after| after.min(AFTER_MAX))),
            _ => None,
        };
        {
            let mut state = locked(&self.state);
            (state.next, state.saved) = (self.position.next, self.saved);
            state.refused = self.position.refused;
            (state.muted, state.held) = (self.position.muted, self.position.held);
            if further {
                state.since = None;
            }
            match trouble {
                Some(Trouble::Later { what, .. } | Trouble::Refused { what }) => {
                    state.failures += 1;
                    state.error = Some(what);
                }
                None if further => state.error = None,
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
    let alert_id = alert["message_id"].as_str().unwrap_or_default().to_owned();
    Told { alert_id, number, alert }
}

fn locked(state: &Mutex<SinkState>) -> MutexGuard<'_, SinkState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
