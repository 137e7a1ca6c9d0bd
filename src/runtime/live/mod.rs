//! A run that does not end: messages of queues are logged, made durable, acknowledged, and then computed from. Its state is
//! what the log gives when it is read again: after a crash the run goes on as if there had been none.
//!
//! The order is the promise. Nothing is acknowledged that is not durable, and no alert is put out that depends on what is
//! not. What was acknowledged nobody delivers again; what was not comes again, and is left out where the log has it.
//!
//! | file | does |
//! |---|---|
//! | `lane.rs` | a queue on a thread of its own: messages to rows, and how far they may move the watermark |
//! | `logged.rs` | what it did beside what it computed |
//! | `core.rs` | entries of the log to alerts, the same live and read again |
//! | `left.rs` | definitions that a run was under which was not left cleanly |
//! | `recover.rs` | a snapshot, and the log behind it read again |
//! | `snapshots.rs` | when a snapshot is taken, and what of the log is kept |
//! | `definitions.rs` | who offers other definitions |
//! | `warming.rs` | a graph for them, made beside the one that runs |
//! | `losses.rs` | what they lose against the ones before |
//! | `reload.rs` | how they come to be in force |
//! | `writing.rs` | a snapshot on its way to the disk |
//! | `outbox.rs` | which alerts are out |
//! | `deliver.rs` | sinks, each at its own pace |
//! | `feed.rs` | what they are told of, read from its log: alerts, or refused records, which `letter.rs` writes |
//! | `quiet.rs` | which alerts they are not told of |
//! | `alert_file.rs` | the file that they are written to |
//! | `silent.rs` | what the clock decides of queues that give nothing |
//! | `seen.rs` | which messages are in the log |
//! | `room.rs` | how many bytes may wait, and where |
//! | `pressure.rs` | what is done when memory gets short |
//! | `standing.rs` | how subscriptions are: what was acknowledged, which cannot be reached |
//! | `health` | alerts about what the run is given, and about rules that cannot judge it |
//! | `vitals` | the run as others see it while it goes on |

mod alert_file;
pub(super) mod core;
mod definitions;
mod deliver;
mod feed;
pub mod health;
mod lane;
mod left;
mod letter;
mod logged;
mod losses;
mod outbox;
mod pressure;
mod quiet;
mod recover;
mod reload;
mod room;
mod seen;
mod silent;
mod snapshots;
mod standing;
pub mod vitals;
mod warming;
mod writing;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::pipeline::graph::{CarryError, Graph, GraphError};
use crate::pipeline::merge::{BEFORE_ALL, Merge};
use crate::pipeline::saved::SavedError;
use crate::plan::Plan;
use crate::port::disk::is_full;
use crate::port::sink::Sink;
use crate::port::subscription::Subscription;
use crate::port::{Clock, Spill};
use crate::record::alert::ALERTS;
use crate::record::{EventTime, Micros};
use crate::state::StateError;
use crate::state::definitions::Packed;
use crate::state::entry::{Entry, EntryError};
use crate::state::keys;
use crate::state::log::{Log, SEGMENT_BYTES};
use crate::state::mute;
use crate::target::datafusion::Lookups;

use super::outlet::RunOutlet;
use super::report::RunReport;
use super::run::{Progress, RunError, normalizers};
pub use alert_file::{AlertFile, FilePlace, OpenedFile, Rotation, whole_lines};
use core::Core;
pub use definitions::{Definitions, Fresh, LookupState, Offered, Outcome};
use deliver::Deliveries;
pub use deliver::{Listener, SinkState};
use feed::Source;
use health::Health;
use lane::{Inlet, Taken};
pub use left::Left;
pub use logged::Logged;
pub use outbox::{Outbox, Session};
pub use pressure::Memory;
use pressure::Pressure;
use recover::recover;
use reload::Reloads;
pub use room::Bounds;
use room::Room;
use seen::{Messages, Seen};
use silent::Queue;
pub use snapshots::Keeping;
use snapshots::{Head, Snapshots};
pub use standing::LaneState;
use standing::Lanes;
use vitals::{Figures, Vitals};

/// How often a waiting run looks whether it shall stop.
const POLL: Duration = Duration::from_millis(50);
/// Entries that are synced together, where no option says otherwise.
const GROUP_ENTRIES: usize = 64;
/// Rows of a queue that wait for those of others. More are left where they are.
const WAITING_ROWS_MAX: usize = 500_000;
/// Entries that are logged and wait for definitions to come in force.
const HELD_ENTRIES_MAX: usize = 256;
const FULL_PAUSE: Duration = Duration::from_secs(1);
/// After a start what was under way before comes again: so long nothing else moves the watermark. The emulator was seen to give even
/// new messages to the streams of a dead client for a minute.
const HOLD: Micros = Micros(90_000_000);

pub struct LiveOptions {
    /// Queues with the index of their source.
    pub subscriptions: Vec<(usize, Box<dyn Subscription>)>,
    pub clock: Arc<dyn Clock>,
    pub spill: Option<Arc<dyn Spill>>,
    /// Records that are refused keep their text.
    pub keep_raw: bool,
    /// A file of the log that is longer is followed by another.
    pub segment_bytes: u64,
    /// Entries that are synced together at most.
    pub group_entries: usize,
    /// How long what was under way before a start may take to come again.
    pub hold: Micros,
    /// Of snapshots and of the log.
    pub keeping: Keeping,
    /// Who is told of alerts.
    pub sinks: Vec<Listener>,
    /// Who is told of refused records.
    pub dead_letters: Option<Box<dyn Sink>>,
    /// The files of the definitions that it begins with.
    pub files: Option<Packed>,
    pub lookups: Vec<LookupState>,
    /// Who reads definitions anew.
    pub definitions: Option<Box<dyn Definitions>>,
    /// The run waits for what other threads do for it, and does nothing meanwhile.
    pub one_at_a_time: bool,
    /// How long a run waits that finds the disk full before it tries again.
    pub full_pause: Duration,
    /// Where the run's figures are left.
    pub vitals: Arc<Vitals>,
    /// What the run may use.
    pub memory: Memory,
}

impl LiveOptions {
    pub fn new(subscriptions: Vec<(usize, Box<dyn Subscription>)>, clock: Arc<dyn Clock>) -> Self {
        Self {
            subscriptions,
            clock,
            spill: None,
            keep_raw: false,
            segment_bytes: SEGMENT_BYTES,
            group_entries: GROUP_ENTRIES,
            hold: HOLD,
            keeping: Keeping::default(),
            sinks: Vec::new(),
            dead_letters: None,
            files: None,
            lookups: Vec::new(),
            definitions: None,
            one_at_a_time: false,
            full_pause: FULL_PAUSE,
            vitals: Vitals::unwatched(),
            memory: Memory::default(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Carry(#[from] CarryError),
    #[error("{0}")]
    Subscription(io::Error),
    #[error("a queue's thread ended")]
    Thread,
    #[error(
        "{folder} was not left cleanly: it is the state of {known}, whose alerts may not be out, and what is started is {given}\n\
         help: start it once with the files and the program that it is the state of, and stop it; or lose those alerts with \
         --drop-pending"
    )]
    Pending { folder: String, known: String, given: String },
    #[error(
        "{folder} was not left cleanly, by a run that computed other features, for other `--tap`s: its alerts may not be out\n\
         help: start it once with the `--tap`s that it had, and stop it; or lose those alerts with --drop-pending"
    )]
    Taps { folder: String },
    #[error("stopped before the log was read")]
    Stopped,
    #[error(
        "{out} alerts are out, and the log of {folder} gives {found} of them\nhelp: its files are not of one run; restore them \
         together, or name a new folder"
    )]
    Outbox { folder: String, out: u64, found: u64 },
    #[error(
        "{folder} is the state of a run over {known}, not over {given}\nhelp: name the same subscriptions in the same order, or a \
         new folder"
    )]
    Lanes { folder: String, known: String, given: String },
}

impl LiveError {
    /// Is there no room on the disk, so that the same may succeed later?
    fn is_full(&self) -> bool {
        match self {
            Self::State(error) => error.is_full(),
            // Of a tap nobody knows what of its rows is in it.
            Self::Run(RunError::Outlet(error)) => error.name == ALERTS && is_full(&error.error),
            Self::Run(RunError::Saved(SavedError::Io(error))) => is_full(error),
            _ => false,
        }
    }
}

fn run_error(error: impl Into<RunError>) -> LiveError {
    LiveError::Run(error.into())
}

impl From<GraphError> for LiveError {
    fn from(error: GraphError) -> Self {
        Self::Run(error.into())
    }
}

/// The keys of sources that the run has.
fn keys_of(plan: &Plan, options: &LiveOptions) -> keys::Checks {
    let sources = options.subscriptions.iter().map(|(source, _)| &plan.sources[*source]);
    plan.keys_of(sources).filter_map(|key| Some((key.id.clone(), key.key.as_ref().ok()?.check_value()))).collect()
}

/// Runs until `stop`. The definitions are its own: those that others take the place of are not kept.
pub fn live(
    plan: Plan,
    options: LiveOptions,
    outbox: &mut Outbox<'_>,
    progress: &dyn Progress,
    stop: &Arc<AtomicBool>,
) -> Result<(RunReport, Logged), LiveError> {
    let started = Instant::now();
    let lookups = Lookups::of(&plan);
    let keys = keys_of(&plan, &options);
    keys::check(&*outbox.disk(), &keys)?;
    let lateness: Vec<Micros> =
        options.subscriptions.iter().map(|(source, _)| plan.sources[*source].lateness).collect();
    let generation = outbox.generation().to_owned();
    let named = options.subscriptions.iter().map(|(source, subscription)| (*source, subscription.name().to_string()));
    let named: Vec<(usize, String)> = named.collect();
    let new_core = || -> Result<Core, RunError> {
        let mut graph = Graph::new(&plan, &lookups, generation.clone(), None)?;
        graph.fire_early(&plan, &lookups).map_err(RunError::from)?;
        options.spill.iter().for_each(|spill| graph.spill_to(spill, plan.look_back_rows));
        let health = Health::new(&plan, &generation, &named);
        Ok(Core::new(graph, Merge::new(&lateness), health, lateness.len()))
    };
    outbox.settled = options.sinks.iter().any(|listener| listener.sink.is_record());
    let recovered = recover(outbox, options.segment_bytes, options.files.as_ref(), &new_core, stop, &options.vitals)?;
    let core = recovered.core;

    for (entries, why) in &recovered.unread {
        progress.notes(&format!("the snapshot of {entries} entries was not used: {why}"));
    }
    let normalizers = normalizers(&plan, &lookups, None).map_err(RunError::from)?;
    let logged_entries = Arc::new(AtomicU64::new(recovered.log.end()));
    let (disk, wants_rejects) = (outbox.disk(), options.dead_letters.is_some());
    let mut deliveries = Deliveries::default();
    let alerts = Source { readable: outbox.readable(), lanes: None };
    deliveries.begin(&disk, &options.clock, options.sinks, &alerts, progress)?;
    let rejects = Source { readable: Arc::clone(&logged_entries), lanes: Some(outbox.lane_names().into()) };
    let dead_letters =
        options.dead_letters.into_iter().map(|sink| Listener { sink, per_hour: None, phases: Vec::new() });
    deliveries.begin(&disk, &options.clock, dead_letters.collect(), &rejects, progress)?;
    let begun = options.clock.now();
    let held = recovered.log.end() > 0;
    let bounds = Bounds::of(options.memory.limit, lateness.len());
    options.vitals.may_use(options.memory.limit);
    let mut queues = Vec::with_capacity(lateness.len());
    let mut lanes = Lanes::default();
    let seen: Vec<Seen> = recovered.messages.iter().cloned().map(Seen::from).collect();
    for (lane, ((index, subscription), seen)) in options.subscriptions.into_iter().zip(seen).enumerate() {
        let source = &plan.sources[index];
        let until = if held { begun.plus(options.hold) } else { begun };
        let inlet = Inlet {
            lane,
            schema: source.raw.clone(),
            normalizer: Arc::clone(&normalizers[index]),
            clock: Arc::clone(&options.clock),
            future_skew: source.future_skew,
            keep_raw: options.keep_raw || wants_rejects,
            letters: wants_rejects,
            hold: held.then(|| (until, EventTime(core.merge.latest(lane)))),
            stop: Arc::clone(stop),
            vitals: Arc::clone(&options.vitals),
            room: Room::new(bounds.decoded),
            part_bytes: bounds.part,
        };
        let room = Arc::clone(&inlet.room);
        lanes.add(&*subscription);
        let (taken, thread) = inlet.spawn(subscription, seen);
        queues.push(Queue { taken, thread, room, heard: until, noticed: until, idle_after: source.idle_after });
    }
    let logged = Logged {
        snapshot_entries: recovered.snapshot.unwrap_or(0),
        recovered_entries: recovered.opened.entries,
        unread_snapshots: recovered.unread.len() as u64,
        cut_bytes: recovered.opened.cut_bytes,
        ..Logged::default()
    };
    options.vitals.turned_to(&generation, plan.rules.len(), options.lookups, begun);
    let spill = options.spill.clone();
    let pressure = Pressure::new(options.memory, plan.look_back_rows);
    let reloads = Reloads::new(options.definitions, (plan, lookups), lateness.clone(), spill);
    let mut run = Live {
        core,
        log: recovered.log,
        messages: recovered.messages,
        snapshots: Snapshots {
            keeping: options.keeping,
            marks: recovered.marks,
            entries: recovered.snapshot,
            // One is due when they are many, or a start would read ever more of them.
            rows: recovered.rows,
            log_is_read: false,
            due: recovered.changed,
            taken: begun,
            writing: None,
            ahead: bounds.snapshot,
        },
        queues,
        lanes,
        deliveries,
        logged_entries,
        reloads,
        bounds,
        pressure,
        keys: Some(keys).filter(|keys| !keys.is_empty()),
        clock: options.clock,
        group_entries: options.group_entries,
        one_at_a_time: options.one_at_a_time,
        ticked: begun,
        watched: begun,
        logged,
        progress,
        stop,
        full_pause: options.full_pause,
        vitals: options.vitals,
    };
    let driven = run.drive(outbox);
    stop.store(true, Ordering::Relaxed);
    run.vitals.stopping();
    let ended = std::mem::take(&mut run.queues).into_iter().map(|queue| {
        // What is handed over and not logged is dropped, and delivered again.
        drop(queue.taken);
        queue.thread.join().map_err(|_| LiveError::Thread)
    });
    let ended: Vec<Result<(), LiveError>> = ended.collect();
    let saved = driven.and_then(|()| run.rest(outbox));
    run.logged.unfinished = run.unfinished();
    run.reloads.end();
    let stopped = run.core.graph.stop(BEFORE_ALL, outbox);
    let finished = outbox.finish();
    // Of a subscription that is ahead of the others, rows wait; they are in the log.
    run.core.graph.ledger.unread = run.core.unread_rows();
    let whole = saved.and_then(|()| {
        stopped?;
        finished.map_err(RunError::from)?;
        ended.into_iter().collect::<Result<(), LiveError>>()?;
        outbox.complete(run.log.end())
    });
    // All is durable by now, whatever sinks do.
    let sinks = std::mem::take(&mut run.deliveries).end();
    run.vitals.stop(run.figures(outbox, sinks.as_ref().cloned().unwrap_or_default()));
    whole?;
    let sinks = sinks?;
    let mut report = RunReport::new(&run.core.graph, started.elapsed());
    report.interrupted = true;
    let last = run.core.merge.last_watermark();
    report.last_watermark = Some(last).filter(|at| *at != BEFORE_ALL).map(EventTime);
    let alerts = outbox.readable().load(Ordering::Acquire);
    let (entries, bytes, lanes) = (run.log.end(), run.log.bytes(), run.lanes.states());
    Ok((report, Logged { alerts, sinks, lanes, entries, bytes, ..run.logged }))
}

struct Live<'a> {
    core: Core,
    log: Log,
    /// By lane: those that are in the log.
    messages: Vec<Messages>,
    snapshots: Snapshots,
    queues: Vec<Queue>,
    lanes: Lanes,
    deliveries: Deliveries,
    /// Entries of the log that no crash takes back.
    logged_entries: Arc<AtomicU64>,
    reloads: Reloads,
    bounds: Bounds,
    pressure: Pressure,
    /// The pseudonym keys of its sources, until the first rows come that are made with them.
    keys: Option<keys::Checks>,
    clock: Arc<dyn Clock>,
    group_entries: usize,
    one_at_a_time: bool,
    /// When silent queues were looked for last.
    ticked: EventTime,
    /// When somebody looked last whether people are to be told of one.
    watched: EventTime,
    logged: Logged,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
    full_pause: Duration,
    vitals: Arc<Vitals>,
}

impl Live<'_> {
    fn drive(&mut self, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        while !self.stop.load(Ordering::Relaxed) {
            self.vitals.turn(|| self.figures(outbox, self.deliveries.states()));
            self.lanes.tell(self.progress);
            self.relieve()?;
            let group = match self.take() {
                // Its thread was told to stop a moment before.
                Err(LiveError::Thread) if self.stop.load(Ordering::Relaxed) => break,
                taken => taken?,
            };
            let waits = group.is_empty();
            self.commit(group, outbox)?;
            self.written(outbox, false)?;
            self.reload(outbox)?;
            self.snapshots.log_is_read = self.reloads.read_log();
            if self.snapshots.is_due(self.log.end(), self.clock.now()) {
                self.snapshot(outbox)?;
            }
            self.deliveries.check()?;
            self.watch(outbox)?;
            if waits {
                // A watermark that is held cannot be told from one that stands still.
                if self.reloads.held().is_none() {
                    self.tick(outbox)?;
                }
                thread::park_timeout(POLL);
            }
        }
        Ok(())
    }

    /// The run ends: the next one begins with a snapshot of it.
    fn rest(&mut self, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        self.end_turn(outbox)?;
        self.written(outbox, true)?;
        if self.snapshots.entries.unwrap_or(0) < self.log.end() {
            self.snapshot(outbox)?;
            self.written(outbox, true)?;
        }
        Ok(())
    }

    fn snapshot(&mut self, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        let begun = Instant::now();
        let synced = self.log.sync().map_err(LiveError::from).and_then(|()| outbox.sync());
        let begun = synced.and_then(|()| self.begin_snapshot(&outbox.head(self.log.end()), begun, outbox));
        self.unless_full(begun)?;
        self.written(outbox, self.one_at_a_time)
    }

    /// Of the state as it is.
    fn begin_snapshot(&mut self, head: &Head, begun: Instant, outbox: &Outbox<'_>) -> Result<(), LiveError> {
        let since = (begun, self.clock.now());
        self.snapshots.begin(head, &self.core, &self.messages, outbox.disk(), since)
    }

    /// One that was begun may be there by now.
    fn written(&mut self, outbox: &mut Outbox<'_>, waits: bool) -> Result<(), LiveError> {
        let needed = (self.core.merge.watermark(), self.deliveries.needed_entries());
        let written = self.snapshots.written(waits, needed, &mut self.log, &*outbox.disk());
        let Some(written) = self.unless_full(written)?.flatten() else { return Ok(()) };
        let micros = |length: Duration| u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let logged = &mut self.logged;
        (logged.snapshots, logged.snapshot_bytes) = (logged.snapshots + 1, written.bytes);
        logged.snapshot_micros_max = logged.snapshot_micros_max.max(micros(written.took));
        logged.snapshot_pause_micros_max = logged.snapshot_pause_micros_max.max(micros(written.pause));
        self.vitals.snapshot(written);
        outbox.forget(self.deliveries.needed())
    }

    /// Where there is no room for a snapshot, the log has what it would say.
    fn unless_full<T>(&mut self, done: Result<T, LiveError>) -> Result<Option<T>, LiveError> {
        match done {
            Err(error) if error.is_full() => {
                self.logged.full += 1;
                self.snapshots.later(self.clock.now());
                Ok(None)
            }
            done => done.map(Some),
        }
    }

    fn figures(&self, outbox: &Outbox<'_>, sinks: Vec<SinkState>) -> Figures {
        let alerts = outbox.readable().load(Ordering::Acquire);
        let (entries, bytes, lanes) = (self.log.end(), self.log.bytes(), self.lanes.states());
        // What cannot be read mutes nothing new.
        let mutes = mute::load(&*outbox.disk()).unwrap_or_default();
        Figures::of(&self.core, Logged { alerts, sinks, lanes, entries, bytes, ..self.logged.clone() }, mutes)
    }

    /// Logs, makes durable, acknowledges, computes, puts out.
    fn commit(&mut self, group: Vec<Taken>, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        if group.is_empty() {
            return Ok(());
        }
        let mut entries = Vec::with_capacity(group.len());
        let mut receipts = Vec::new();
        let mut held = Vec::with_capacity(entries.capacity());
        for taken in group {
            self.logged.redelivered += taken.redelivered;
            receipts.extend(taken.receipts);
            held.extend(taken.held);
            if let Some(mut given) = taken.given {
                self.note_keys(outbox)?;
                given.generation = outbox.generation().to_owned();
                let entry = Entry::Given(given);
                self.log.append(&entry.write()?);
                entries.push(entry);
            }
        }
        self.patiently(outbox, &mut |live, _| Ok(live.vitals.sync(|| live.log.sync())?))?;
        self.logged_entries.store(self.log.end(), Ordering::Release);
        self.vitals.acknowledged(receipts.len());
        self.snapshots.marks.see(&self.log, self.core.merge.watermark());
        receipts.into_iter().for_each(|receipt| receipt.acknowledge());
        self.apply_all(entries, outbox)?;
        drop(held);
        self.patiently(outbox, &mut |_, outbox| Ok(outbox.flush().map_err(RunError::from)?))
    }

    /// A start that had no rows has noted nothing: with a wrong key it does not keep the right one out.
    fn note_keys(&mut self, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        let Some(keys) = self.keys.take() else { return Ok(()) };
        self.patiently(outbox, &mut |_, outbox| Ok(keys::note(&*outbox.disk(), &keys)?))
    }

    /// Where the disk has no room: waits until it has, or the run is stopped. Nothing is acknowledged meanwhile.
    fn patiently(
        &mut self,
        outbox: &mut Outbox<'_>,
        attempt: &mut dyn FnMut(&mut Self, &mut Outbox<'_>) -> Result<(), LiveError>,
    ) -> Result<(), LiveError> {
        let mut waited = false;
        loop {
            match attempt(self, outbox) {
                Err(error) if error.is_full() && !self.stop.load(Ordering::Relaxed) => {
                    self.logged.full += 1;
                    if !std::mem::replace(&mut waited, true) {
                        self.progress
                            .notes("the disk is full: the run waits until there is room, and acknowledges nothing");
                    }
                    self.vitals.waits(Some("the disk is full"));
                    thread::sleep(self.full_pause);
                }
                done => {
                    if waited {
                        self.progress.notes("the disk has room again");
                    }
                    self.vitals.waits(None);
                    return done;
                }
            }
        }
    }

    /// Computes, unless definitions come in force that may not alert anybody yet.
    fn apply_all(&mut self, entries: Vec<Entry>, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        match self.reloads.held() {
            Some(held) => held.extend(entries),
            None => entries.into_iter().try_for_each(|entry| self.apply(entry, outbox))?,
        }
        Ok(())
    }

    fn apply(&mut self, entry: Entry, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        let (bytes, rows) = match &entry {
            Entry::Given(given) => {
                self.messages[given.lane].extend(&given.messages);
                (given.bytes, given.flows.times.len() as u64)
            }
            Entry::Tick { .. } | Entry::Reloaded { .. } | Entry::Silent { .. } => (0, 0),
        };
        self.snapshots.rows += rows;
        self.core.apply(entry, outbox)?;
        self.vitals.alive();
        self.progress.advanced(bytes, rows, self.core.graph.ledger.alerts);
        Ok(())
    }
}
