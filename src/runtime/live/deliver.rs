//! Sinks, each on a thread of its own: what it is told of is read from a log, at its own pace; alerts from their own. One that is slow,
//! or away, waits for nobody but itself; its position survives the run.
//!
//! A sink is told of each alert once, and again where nobody knows whether it has it: the alert's id is the same then.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::port::Clock;
use crate::port::disk::Disk;
use crate::port::sink::{Outcome, Sink, Told, Trouble};
use crate::record::alert::Phase;
use crate::record::{EventTime, plural};
use crate::state::StateError;
use crate::state::outbox::SinkPosition;

use super::super::run::Progress;
use super::LiveError;
use super::feed::{Ahead, Feed, Place, Source};
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

/// How often it is kept that there was nothing to tell.
const KEPT_EVERY: Duration = Duration::from_secs(5);

/// How a sink is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkState {
    pub name: Arc<str>,
    /// Is it told of refused records? Then what is counted of them are entries of the log.
    pub of_rejects: bool,
    /// The first alert, or entry, that it does not have.
    pub next: u64,
    /// How many there are.
    pub end: u64,
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
    /// What it does not have.
    pub fn pending(&self) -> u64 {
        self.end.saturating_sub(self.next)
    }

    /// What waits for it, as a person reads it.
    pub fn waiting(&self) -> &'static str {
        if self.of_rejects { "entry" } else { "alert" }
    }

    /// How much that is.
    pub fn backlog(&self) -> String {
        let (pending, waits) = (self.pending(), if self.pending() == 1 { "waits" } else { "wait" });
        format!("{pending} {} {waits}", plural(pending, self.waiting()))
    }

    pub(super) fn json(&self) -> Json {
        json!({
            "name": &*self.name,
            "pending": self.pending(),
            "refused": self.refused,
            "muted": self.muted,
            "held": self.held,
            "failures": self.failures,
            "error": self.error,
        })
    }

    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sink {}: {}", self.name, self.backlog())?;
        for (count, what) in [(self.refused, "refused"), (self.muted, "muted"), (self.held, "held back")] {
            if count > 0 {
                write!(f, ", {count} {} {what}", if count == 1 { "was" } else { "were" })?;
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

/// A sink that is told: how it is, its thread, and what it is told of.
struct Begun {
    state: Arc<Mutex<SinkState>>,
    thread: Telling,
    source: Source,
}

/// Sinks that are told.
#[derive(Default)]
pub struct Deliveries {
    sinks: Vec<Begun>,
    stop: Arc<AtomicBool>,
}

impl Deliveries {
    /// Begins to tell some more sinks of a log. One that is new is told of what comes from now on.
    pub fn begin(
        &mut self,
        disk: &Arc<dyn Disk>,
        clock: &Arc<dyn Clock>,
        sinks: Vec<Listener>,
        source: &Source,
        progress: &dyn Progress,
    ) -> Result<(), StateError> {
        for Listener { mut sink, per_hour, phases } in sinks {
            let position = position(&**disk, &*sink, source, progress)?;
            if let Some(memory) = &position.memory {
                let recalled = sink.recall(memory);
                recalled.map_err(|what| SinkPosition::damaged(&sink.name(), what))?;
            }
            let state = SinkState {
                name: sink.name(),
                of_rejects: source.lanes.is_some(),
                next: position.next,
                end: source.end(),
                saved: position.next,
                refused: position.refused,
                muted: position.muted,
                held: position.held,
                failures: 0,
                error: None,
                since: None,
            };
            let state = Arc::new(Mutex::new(state));
            let from = Place { entry: position.next, within: position.within };
            let delivery = Delivery {
                feed: Feed::new(source.clone(), disk, from),
                disk: Arc::clone(disk),
                quiet: match source.lanes {
                    Some(_) => None,
                    None if sink.is_record() => Some(Quiet::of_a_record(Arc::clone(disk), Arc::clone(clock), phases)),
                    None => Some(Quiet::new(Arc::clone(disk), Arc::clone(clock), per_hour, phases)),
                },
                sink,
                saved: position.next,
                position,
                state: Arc::clone(&state),
                stop: Arc::clone(&self.stop),
                kept: Instant::now(),
                ahead: VecDeque::new(),
                pause: PAUSE,
            };
            let thread = thread::spawn(|| delivery.run());
            self.sinks.push(Begun { state, thread, source: source.clone() });
        }
        Ok(())
    }

    pub fn states(&self) -> Vec<SinkState> {
        self.sinks.iter().map(Begun::state).collect()
    }

    /// The first alert that some sink does not have.
    pub fn needed(&self) -> u64 {
        self.needed_of(false)
    }

    /// The first entry of the log whose refused records are not all told.
    pub fn needed_entries(&self) -> u64 {
        self.needed_of(true)
    }

    fn needed_of(&self, rejects: bool) -> u64 {
        let own = self.sinks.iter().map(|begun| locked(&begun.state));
        own.filter(|state| state.of_rejects == rejects).map(|state| state.saved).min().unwrap_or(u64::MAX)
    }

    /// A sink's position cannot be kept: the run must not go on as if it were.
    pub fn check(&mut self) -> Result<(), LiveError> {
        let ended = self.sinks.iter().position(|begun| begun.thread.is_finished());
        match ended {
            Some(ended) => joined(self.sinks.swap_remove(ended).thread),
            None => Ok(()),
        }
    }

    /// Waits a little for sinks that have not all; returns how they are.
    pub fn end(self) -> Result<Vec<SinkState>, LiveError> {
        self.stop.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        let mut states = Vec::with_capacity(self.sinks.len());
        for sink in self.sinks {
            // One that waits for an answer is left behind: what it was told comes again.
            while !sink.thread.is_finished() && begun.elapsed() < FAREWELL + LATEST {
                thread::sleep(POLL);
            }
            let state = sink.state();
            if sink.thread.is_finished() {
                joined(sink.thread)?;
            }
            states.push(state);
        }
        Ok(states)
    }
}

impl Begun {
    fn state(&self) -> SinkState {
        SinkState { end: self.source.end(), ..locked(&self.state).clone() }
    }
}

/// Where a sink goes on.
fn position(
    disk: &dyn Disk,
    sink: &dyn Sink,
    source: &Source,
    progress: &dyn Progress,
) -> Result<SinkPosition, StateError> {
    let (name, end) = (sink.name(), source.end());
    let known = SinkPosition::load(disk, &name)?;
    let mut position = known.clone().unwrap_or_else(|| SinkPosition { next: end, ..SinkPosition::default() });
    // What a crash took from the log comes under other definitions with the same numbers; what went while the sink was not one
    // of the run's is not there any more.
    position.next = position.next.max(source.first(disk)?).min(end);
    if let Some(known) = known.as_ref().filter(|known| known.next != position.next) {
        position.within = 0;
        let (was, is) = (known.next, position.next);
        let what = if source.lanes.is_some() { "entry" } else { "alert" };
        progress.notes(&format!(
            "the sink {name} goes on with {what} {is}, not {was}: what is between is not there any more"
        ));
    }
    if known.as_ref() != Some(&position) {
        position.save(disk, &name)?;
    }
    Ok(position)
}

fn joined(thread: Telling) -> Result<(), LiveError> {
    thread.join().map_err(|_| LiveError::Thread)?.map_err(LiveError::from)
}

struct Delivery {
    disk: Arc<dyn Disk>,
    sink: Box<dyn Sink>,
    /// `None`: it is told of all.
    quiet: Option<Quiet>,
    feed: Feed,
    position: SinkPosition,
    state: Arc<Mutex<SinkState>>,
    stop: Arc<AtomicBool>,
    /// The position that survives a crash.
    saved: u64,
    /// When it was kept last that there was nothing to tell.
    kept: Instant,
    /// What was read.
    ahead: VecDeque<Ahead>,
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
                if self.position.next >= self.feed.end() || failing || since.elapsed() > FAREWELL {
                    return self.keep();
                }
            }
            self.read()?;
            if self.ahead.is_empty() {
                self.pass()?;
                if self.feed.position() >= self.feed.end() {
                    thread::sleep(POLL);
                }
                continue;
            }
            locked(&self.state).since.get_or_insert_with(Instant::now);
            self.tell()?;
        }
    }

    /// What the sink does not have, as much as it may take.
    fn read(&mut self) -> Result<(), StateError> {
        let most = self.sink.batch().max(LOOKED_AT);
        if self.ahead.len() < self.sink.batch().max(1) {
            self.ahead.extend(self.feed.read(most - self.ahead.len())?);
        }
        Ok(())
    }

    /// There was nothing to tell of what was read.
    fn pass(&mut self) -> Result<(), StateError> {
        if self.position.next < self.feed.position() {
            (self.position.next, self.position.within) = (self.feed.position(), 0);
            locked(&self.state).next = self.position.next;
        }
        if self.kept.elapsed() >= KEPT_EVERY { self.keep() } else { Ok(()) }
    }

    /// Keeps the position, where it is another.
    fn keep(&mut self) -> Result<(), StateError> {
        self.kept = Instant::now();
        if self.saved == self.position.next {
            return Ok(());
        }
        match self.position.save(&*self.disk, &self.sink.name()) {
            // A crash before the next one is saved: it is told again.
            Err(error) if error.is_full() => return Ok(()),
            saved => saved?,
        }
        self.saved = self.position.next;
        locked(&self.state).saved = self.saved;
        Ok(())
    }

    /// One attempt.
    fn tell(&mut self) -> Result<(), StateError> {
        let now = self.quiet.as_mut().map_or(EventTime(0), Quiet::look);
        let (given, places) = self.choose(now);
        let outcome = match given.is_empty() {
            true => Outcome::all(&given),
            false => match self.prepare(&given)? {
                None => self.sink.tell(&given),
                trouble => Outcome { taken: 0, trouble },
            },
        };
        let Outcome { taken, trouble } = outcome;
        let refused = matches!(&trouble, Some(Trouble::Refused { .. })) && taken < given.len();
        let passed = places.get(taken).copied().unwrap_or(self.ahead.len()) + usize::from(refused);
        for Ahead { told, behind } in self.ahead.drain(..passed) {
            judge(self.quiet.as_ref(), &told, now, &mut self.position);
            (self.position.next, self.position.within) = (behind.entry, behind.within);
        }
        self.position.memory = self.sink.memory();
        self.position.refused += u64::from(refused);
        self.went(passed > 0, trouble)
    }

    /// What the sink remembers of these is kept before it is told of them; or why it is not told.
    fn prepare(&mut self, given: &[Told]) -> Result<Option<Trouble>, StateError> {
        let trouble = self.sink.prepare(given);
        let memory = self.sink.memory();
        if memory == self.position.memory {
            return Ok(trouble);
        }
        let position = SinkPosition { memory, ..self.position.clone() };
        match position.save(&*self.disk, &self.sink.name()) {
            Err(error) if error.is_full() => {
                Ok(Some(Trouble::Later { what: "the disk is full".to_owned(), after: None }))
            }
            saved => {
                saved?;
                self.position = position;
                Ok(trouble)
            }
        }
    }

    /// Those of the alerts ahead that the sink is told of now, and the place of each; then the place where it was looked no further.
    fn choose(&self, now: EventTime) -> (Vec<Told>, Vec<usize>) {
        let mut position = self.position.clone();
        let (mut given, mut places) = (Vec::new(), Vec::new());
        for (place, Ahead { told: alert, .. }) in self.ahead.iter().enumerate() {
            if given.len() == self.sink.batch().max(1) {
                places.push(place);
                break;
            }
            match judge(self.quiet.as_ref(), alert, now, &mut position) {
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

fn judge(quiet: Option<&Quiet>, alert: &Told, now: EventTime, position: &mut SinkPosition) -> Verdict {
    quiet.map_or(Verdict::Told, |quiet| quiet.judge(alert, now, position))
}

fn locked(state: &Mutex<SinkState>) -> MutexGuard<'_, SinkState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
