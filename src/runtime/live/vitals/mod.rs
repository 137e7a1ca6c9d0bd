//! A run as others see it while it goes on. The run's loop leaves its figures here at most once a second; who reads them waits for
//! no work of the run, and the run for no reader.
//!
//! | file | does |
//! |---|---|
//! | `figures.rs` | what the loop leaves: counts, watermarks, costs |
//! | `counted.rs` | hits and alerts by rule, counted on their way out |
//! | `syncs.rs` | how long syncs of the log take |
//! | `reloads.rs` | which definitions are in force, and what became of the last ones |
//! | `health.rs` | is it well, and if not, why; is it ready |
//! | `status.rs` | all of it as JSON, in the words of the closing summary |
//! | `prometheus.rs`, `families.rs` | all of it as metrics |
//! | `pages.rs` | the paths, and what they answer |

mod counted;
mod families;
mod figures;
mod health;
mod pages;
mod prometheus;
mod reloads;
mod status;
mod syncs;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::plan::Plan;
use crate::record::EventTime;

use super::writing::Written;
pub use counted::Counted;
use counted::RuleCounts;
pub use families::FAMILIES;
pub use figures::{Figures, LaneFigures};
pub use pages::VitalsPages;
use reloads::InForce;
use syncs::Syncs;

/// How often figures are left.
const EVERY: Duration = Duration::from_secs(1);

/// What does not change while it runs.
#[derive(Debug, Clone)]
pub struct About {
    pub generation: String,
    /// Names of the subscriptions.
    pub lanes: Vec<String>,
    pub rules: Vec<String>,
    pub started: EventTime,
}

impl About {
    pub fn new(plan: &Plan, generation: &str, lanes: &[String], started: EventTime) -> Self {
        let rules = plan.rules.iter().map(|rule| rule.name.clone()).collect();
        Self { generation: generation.to_owned(), lanes: lanes.to_vec(), rules, started }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The log is read again.
    Recovering,
    Running,
    Stopping,
}

impl Phase {
    pub const ALL: [Self; 3] = [Self::Recovering, Self::Running, Self::Stopping];

    pub fn name(self) -> &'static str {
        match self {
            Self::Recovering => "recovering",
            Self::Running => "running",
            Self::Stopping => "stopping",
        }
    }
}

pub struct Vitals {
    about: About,
    began: Instant,
    /// Since then, in milliseconds: when the loop made a turn last, and when it left its figures.
    turned: AtomicU64,
    left: AtomicU64,
    lanes: Vec<Lane>,
    acknowledged: AtomicU64,
    /// Entries of the log that were read again, and how many there are.
    recovered: AtomicU64,
    recoverable: AtomicU64,
    /// Bytes of memory that the run uses, nothing where that is not known, and that it may use.
    used: AtomicU64,
    allowed: AtomicU64,
    syncs: Mutex<Syncs>,
    rules: Arc<RuleCounts>,
    in_force: Mutex<InForce>,
    kept: Mutex<Kept>,
}

struct Kept {
    phase: Phase,
    /// `None` until the log is read.
    figures: Option<Figures>,
    /// The last one of the state.
    snapshot: Option<Written>,
    /// Why it cannot go on for now.
    waits: Option<&'static str>,
}

struct Lane {
    /// Its thread has asked it for messages, and got an answer.
    answered: AtomicBool,
    /// When a message came last.
    heard: AtomicI64,
}

const NEVER: i64 = i64::MIN;

impl Vitals {
    pub fn new(about: About) -> Arc<Self> {
        let lane = |_: &String| Lane { answered: AtomicBool::new(false), heard: AtomicI64::new(NEVER) };
        Arc::new(Self {
            lanes: about.lanes.iter().map(lane).collect(),
            rules: Arc::new(RuleCounts::of(&about.rules)),
            in_force: Mutex::new(InForce::new(&about.generation)),
            about,
            began: Instant::now(),
            turned: AtomicU64::new(0),
            left: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            recovered: AtomicU64::new(0),
            recoverable: AtomicU64::new(0),
            used: AtomicU64::new(0),
            allowed: AtomicU64::new(u64::MAX),
            syncs: Mutex::default(),
            kept: Mutex::new(Kept { phase: Phase::Recovering, figures: None, snapshot: None, waits: None }),
        })
    }

    /// Of a run that nobody watches.
    pub fn unwatched() -> Arc<Self> {
        let (lanes, rules) = (Vec::new(), Vec::new());
        Self::new(About { generation: String::new(), lanes, rules, started: EventTime(0) })
    }

    /// So many entries of the log are to be read again, as far as that is known.
    pub fn recovers(&self, entries: u64) {
        self.recoverable.store(entries, Ordering::Relaxed);
    }

    /// So many have been read.
    pub fn recovered(&self, entries: u64) {
        self.recovered.store(entries, Ordering::Relaxed);
        self.alive();
    }

    /// The run gets on with its work.
    pub fn alive(&self) {
        self.turned.store(self.now(), Ordering::Relaxed);
    }

    /// The run waits for something that may pass, or goes on.
    pub fn waits(&self, why: Option<&'static str>) {
        self.alive();
        locked(&self.kept).waits = why;
    }

    /// The run may use so many bytes of memory.
    pub fn may_use(&self, bytes: u64) {
        self.allowed.store(bytes, Ordering::Relaxed);
    }

    /// It uses so many.
    pub fn uses(&self, bytes: u64) {
        self.used.store(bytes, Ordering::Relaxed);
    }

    /// Memory that it uses and may use, as far as it is known.
    fn memory(&self) -> (Option<u64>, Option<u64>) {
        let (used, allowed) = (self.used.load(Ordering::Relaxed), self.allowed.load(Ordering::Relaxed));
        (Some(used).filter(|used| *used > 0), Some(allowed).filter(|allowed| *allowed < u64::MAX))
    }

    /// It takes no more messages.
    pub fn stopping(&self) {
        locked(&self.kept).phase = Phase::Stopping;
    }

    /// The loop begins a turn. Figures are asked for when the last ones are a second old.
    pub fn turn(&self, figures: impl FnOnce() -> Figures) {
        self.alive();
        let due = self.now().saturating_sub(self.left.load(Ordering::Relaxed)) >= millis(EVERY);
        if due || locked(&self.kept).figures.is_none() {
            let figures = figures();
            let mut kept = locked(&self.kept);
            (kept.phase, kept.figures) = (Phase::Running, Some(figures));
            self.left.store(self.now(), Ordering::Relaxed);
        }
    }

    /// The loop has ended; what is left is to close what is open.
    pub fn stop(&self, figures: Figures) {
        self.alive();
        let mut kept = locked(&self.kept);
        (kept.phase, kept.figures) = (Phase::Stopping, Some(figures));
    }

    /// A subscription has answered, with messages or without.
    pub fn answered(&self, lane: usize) {
        if let Some(lane) = self.lanes.get(lane) {
            lane.answered.store(true, Ordering::Relaxed);
        }
    }

    /// Messages of a subscription came then.
    pub fn heard(&self, lane: usize, at: EventTime) {
        if let Some(lane) = self.lanes.get(lane) {
            lane.heard.fetch_max(at.0, Ordering::Relaxed);
        }
    }

    pub fn acknowledged(&self, messages: usize) {
        self.acknowledged.fetch_add(messages as u64, Ordering::Relaxed);
    }

    /// Times a sync of the log.
    pub fn sync<T>(&self, sync: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = sync();
        locked(&self.syncs).took(began.elapsed(), self.began.elapsed());
        done
    }

    pub(super) fn snapshot(&self, snapshot: Written) {
        locked(&self.kept).snapshot = Some(snapshot);
    }

    /// Where hits and alerts are counted by rule.
    pub fn rules(&self) -> Arc<RuleCounts> {
        Arc::clone(&self.rules)
    }

    /// How long ago the loop made a turn.
    fn turned(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.turned.load(Ordering::Relaxed)))
    }

    fn heard_of(&self, lane: usize) -> Option<EventTime> {
        let heard = self.lanes.get(lane)?.heard.load(Ordering::Relaxed);
        (heard != NEVER).then_some(EventTime(heard))
    }

    /// Milliseconds since it began.
    fn now(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds between two instants; negative where the first is later.
#[expect(clippy::cast_precision_loss, reason = "shown to people")]
fn seconds(from: EventTime, to: EventTime) -> f64 {
    to.0.saturating_sub(from.0) as f64 / 1e6
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
