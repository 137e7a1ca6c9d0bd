//! Other definitions without a stop. Whatever is wrong with them, those that are in force go on; what is right is made ready
//! beside them and put in their place between two entries of the log. What was given before that was judged by the ones, all that
//! comes after by the others.
//!
//! The order is the promise here too. First the log says that there is a change; then the state of the new definitions is made
//! durable as it is at that entry; then the outbox says that they are in force. Only then do they alert anybody. Before the last
//! of these a start goes on under the definitions before, after it under the new ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::plan::Plan;
use crate::port::Spill;
use crate::record::{EventTime, Micros};
use crate::state::definitions;
use crate::state::entry::Entry;
use crate::target::datafusion::Lookups;

use super::definitions::{Definitions, Fresh, LookupState, Offered, Outcome};
use super::losses::Losses;
use super::outbox::{Outbox, program};
use super::snapshots::Head;
use super::warming::{Kit, Warm, Warming};
use super::{Live, LiveError, RunError, RunOutlet};

/// Entries that a graph which was ready may be behind: they are made up for in the loop.
const BEHIND_MAX: u64 = 8;
/// Entries after which nobody waits any more for the new graph to have the rows that the one before has.
const PATIENCE: u64 = 10_000;

/// Definitions that a run has, and those that may follow.
pub struct Reloads {
    definitions: Option<Box<dyn Definitions>>,
    plan: Arc<Plan>,
    /// Those of the graph in force.
    tables: Lookups,
    /// By lane.
    lateness: Vec<Micros>,
    spill: Option<Arc<dyn Spill>>,
    /// Entries of the log that are durable.
    readable: Arc<AtomicU64>,
    under_way: UnderWay,
    /// The thread of a graph that nobody wants any more, until it has ended.
    abandoned: Option<JoinHandle<()>>,
}

enum UnderWay {
    Nothing,
    /// For the one before to be gone: there is memory for one.
    Waiting(Box<Fresh>),
    Warming(Warming),
    /// It has caught up, and waits since that entry for the rows that the one before has.
    Caught(Box<Warm>, u64),
    /// It is in its place, and its state is not durable yet.
    Turning(Box<Turn>),
}

/// Definitions that come in force.
struct Turn {
    head: Head,
    plan: Arc<Plan>,
    tables: Lookups,
    lookups: Vec<LookupState>,
    /// What is said of it then.
    what: String,
    /// Rules of the definitions before of which nothing goes on.
    ended: Vec<String>,
    /// Entries that wait for it.
    held: Vec<Entry>,
}

impl Reloads {
    pub fn new(
        definitions: Option<Box<dyn Definitions>>,
        (plan, tables): (Plan, Lookups),
        lateness: Vec<Micros>,
        spill: Option<Arc<dyn Spill>>,
    ) -> Self {
        let readable = Arc::new(AtomicU64::new(0));
        let under_way = UnderWay::Nothing;
        Self { definitions, plan: Arc::new(plan), tables, lateness, spill, readable, under_way, abandoned: None }
    }

    /// Entries that wait for definitions to come in force.
    pub fn held(&mut self) -> Option<&mut Vec<Entry>> {
        match &mut self.under_way {
            UnderWay::Turning(turn) => Some(&mut turn.held),
            _ => None,
        }
    }

    /// How many those are, and the bytes of memory that they have.
    pub fn held_back(&self) -> (usize, u64) {
        let UnderWay::Turning(turn) = &self.under_way else { return (0, 0) };
        let bytes = turn.held.iter().map(|entry| match entry {
            Entry::Given(given) => given.memory(),
            Entry::Tick { .. } | Entry::Silent { .. } | Entry::Reloaded { .. } => 0,
        });
        (turn.held.len(), bytes.sum())
    }

    /// Definitions that are made ready.
    pub fn next(&self) -> Option<&str> {
        match &self.under_way {
            UnderWay::Nothing => None,
            UnderWay::Waiting(fresh) => Some(&fresh.generation),
            UnderWay::Warming(warming) => Some(&warming.generation),
            UnderWay::Caught(warm, _) => Some(&warm.generation),
            UnderWay::Turning(turn) => Some(&turn.head.generation),
        }
    }

    /// What is under way is not wanted any more. The loop does not wait for it.
    fn abandon(&mut self) {
        if let UnderWay::Warming(warming) = std::mem::replace(&mut self.under_way, UnderWay::Nothing) {
            self.abandoned = warming.abandon();
        }
    }

    /// Is nothing left of what was abandoned?
    fn is_free(&mut self, waits: bool) -> bool {
        if waits || self.abandoned.as_ref().is_some_and(JoinHandle::is_finished) {
            self.abandoned.take().into_iter().for_each(|thread| drop(thread.join()));
        }
        self.abandoned.is_none()
    }

    /// These are in force. The rows of lookups before may be many, and the loop does not wait for them to be gone.
    fn put_by(&mut self, plan: Arc<Plan>, tables: Lookups) {
        let before = (std::mem::replace(&mut self.plan, plan), std::mem::replace(&mut self.tables, tables));
        drop(thread::spawn(move || drop(before)));
    }

    /// The run ends: so do its threads.
    pub fn end(&mut self) {
        self.abandon();
        self.is_free(true);
    }

    /// Does a graph that is being made read the log?
    pub fn read_log(&self) -> bool {
        !matches!(self.under_way, UnderWay::Nothing)
    }
}

impl Live<'_> {
    /// Takes what was offered, and puts it in its place when it is ready.
    pub(super) fn reload(&mut self, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        let entries = self.log.end();
        self.reloads.readable.store(entries, Ordering::Release);
        if self.reloads.held().is_some() {
            return self.turn(self.one_at_a_time, outbox);
        }
        let offered = self.reloads.definitions.as_mut().and_then(|definitions| definitions.next(entries));
        let overtaken = self.reloads.definitions.as_mut().map_or(0, |definitions| definitions.overtaken());
        (0..overtaken)
            .for_each(|_| self.said(Outcome::Overtaken, "the project was read again before these were looked at"));
        if let Some(offered) = offered {
            self.offered(offered, outbox);
        }
        match std::mem::replace(&mut self.reloads.under_way, UnderWay::Nothing) {
            UnderWay::Waiting(fresh) if self.reloads.is_free(self.one_at_a_time) => {
                self.reloads.under_way = UnderWay::Warming(Warming::begin(self.kit(outbox), *fresh));
            }
            other => self.reloads.under_way = other,
        }
        match std::mem::replace(&mut self.reloads.under_way, UnderWay::Nothing) {
            UnderWay::Nothing => Ok(()),
            UnderWay::Warming(mut warming) => {
                if self.one_at_a_time {
                    warming.wait();
                }
                match warming.ready() {
                    None => self.reloads.under_way = UnderWay::Warming(warming),
                    Some(Ok(warm)) => self.caught(warm, entries, outbox)?,
                    // Those that are in force are not touched by it.
                    Some(Err(error)) => self.refuse(&error.to_string()),
                }
                Ok(())
            }
            UnderWay::Caught(warm, since) => self.caught(warm, since, outbox),
            other @ (UnderWay::Waiting(_) | UnderWay::Turning(_)) => {
                self.reloads.under_way = other;
                Ok(())
            }
        }
    }

    /// Definitions that were read. The latest count.
    fn offered(&mut self, offered: Offered, outbox: &Outbox<'_>) {
        let fresh = match offered {
            Ok(fresh) => fresh,
            Err(why) => return self.refuse(&why),
        };
        // Definitions do not say what a key is, but rows are made with the one that it was.
        if let Some(key) = fresh.plan.other_key(&self.reloads.plan) {
            return self.refuse(&format!(
                "the pseudonym key `{}` is another than before, or is not there, and has the id `{}` still\nhelp: give the new \
                 key an id of its own, stop the run and start it again; or put the one before back",
                key.name, key.id
            ));
        }
        if fresh.generation == outbox.generation() {
            self.overtake();
            return self.said(Outcome::Unchanged, "the definitions are the ones that are in force");
        }
        if let Some(source) = fresh.plan.other_source(&self.reloads.plan) {
            return self.refuse(&format!(
                "the source `{source}`, or a lookup that it reads, is another than before\nhelp: stop the run and start it again"
            ));
        }
        if !fresh.asked
            && let Some(why) = Losses::between(&self.reloads.plan, &fresh.plan).too_much()
        {
            return self.refuse(&why);
        }
        self.overtake();
        self.vitals.reloading(&fresh.generation);
        self.reloads.under_way = UnderWay::Waiting(fresh);
    }

    /// Others have been read: what is made ready is not wanted any more.
    fn overtake(&mut self) {
        let Some(generation) = self.reloads.next().map(str::to_owned) else { return };
        self.reloads.abandon();
        self.said(Outcome::Overtaken, &format!("generation {generation} was not in force yet when others were read"));
    }

    fn kit(&self, outbox: &Outbox<'_>) -> Kit {
        Kit {
            before: Arc::clone(&self.reloads.plan),
            lateness: self.reloads.lateness.clone(),
            spill: self.reloads.spill.clone(),
            disk: outbox.disk(),
            first: self.log.files().first().copied().unwrap_or(0),
            readable: Arc::clone(&self.reloads.readable),
        }
    }

    /// The new graph has caught up with the log, or had.
    fn caught(&mut self, mut warm: Box<Warm>, since: u64, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        let entries = self.log.end();
        // One of the definitions before is being written.
        if self.snapshots.writing.is_some() {
            self.reloads.under_way = UnderWay::Caught(warm, since);
            return Ok(());
        }
        if warm.behind(entries) > BEHIND_MAX && !self.one_at_a_time {
            let readable = Arc::clone(&self.reloads.readable);
            self.reloads.under_way = UnderWay::Warming(Warming::again(warm, readable));
            return Ok(());
        }
        if let Err(error) = warm.read(entries, self.stop) {
            self.refuse(&error.to_string());
            return Ok(());
        }
        if warm.read_log() && !warm.core.is_as_far_as(&self.core) {
            if entries.saturating_sub(since) > PATIENCE {
                self.refuse("rows wait for those of another subscription, and others than before\nhelp: stop the run and start it again");
            } else {
                self.reloads.under_way = UnderWay::Caught(warm, since);
            }
            return Ok(());
        }
        self.take_over(*warm, outbox)
    }

    /// From the next entry on the new definitions compute. Entries wait until their state is durable.
    fn take_over(&mut self, warm: Warm, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        let what = self.what_changes(&warm);
        let Warm { mut core, plan, tables, generation, lookups, same, .. } = warm;
        // The last at which those in force can be left as they are. What goes wrong behind it is of the disk, and ends the run.
        if let Err(error) = core.graph.meet(&self.core.graph, &same) {
            self.refuse(&error.to_string());
            return Ok(());
        }
        self.log.append(&Entry::Reloaded { generation: generation.clone() }.write()?);
        self.patiently(outbox, &mut |live, _| Ok(live.vitals.sync(|| live.log.sync())?))?;
        self.snapshots.marks.see(&self.log, self.core.merge.watermark());
        let known = self.reloads.plan.rules.iter().enumerate();
        let ended = known.filter(|(was, _)| !same.rules.contains(&Some(*was))).map(|(_, rule)| rule.name.clone());
        let ended: Vec<String> = ended.collect();
        let before = std::mem::replace(&mut self.core.graph, core.graph);
        self.core.health.turn_to(&plan, &generation);
        self.core.graph.go_on(before, &same, outbox)?;
        self.core.health.know_errors(&self.core.graph);
        // All that the ones before have alerted of is out, and counted.
        self.patiently(outbox, &mut |_, outbox| {
            outbox.flush().map_err(RunError::from)?;
            outbox.sync()
        })?;
        let program = program(&plan.computed());
        let head = Head { generation, program, entries: self.log.end(), base: outbox.alerts(), given: 0 };
        self.begin_snapshot(&head, Instant::now(), outbox)?;
        self.reloads.under_way =
            UnderWay::Turning(Box::new(Turn { head, plan, tables, lookups, what, ended, held: Vec::new() }));
        self.turn(self.one_at_a_time, outbox)
    }

    /// Their state is durable, or will be.
    fn turn(&mut self, waits: bool, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        let UnderWay::Turning(turn) = &self.reloads.under_way else { return Ok(()) };
        let head = turn.head.clone();
        self.written(outbox, waits)?;
        while self.snapshots.writing.is_none() && self.snapshots.entries != Some(head.entries) {
            // There was no room.
            self.patiently(outbox, &mut |live, outbox| {
                live.begin_snapshot(&head, Instant::now(), outbox)?;
                let needed = (live.core.merge.watermark(), live.deliveries.needed_entries());
                let done = live.snapshots.written(true, needed, &mut live.log, &*outbox.disk())?;
                done.into_iter().for_each(|written| live.vitals.snapshot(written));
                Ok(())
            })?;
        }
        if self.snapshots.writing.is_some() {
            return Ok(());
        }
        let UnderWay::Turning(turn) = std::mem::replace(&mut self.reloads.under_way, UnderWay::Nothing) else {
            return Ok(());
        };
        let Turn { plan, tables, lookups, what, ended, held, .. } = *turn;
        let Head { generation, program, entries, .. } = &head;
        self.patiently(outbox, &mut |_, outbox| outbox.turn_to((generation, program), *entries, ended.clone()))?;
        // They take room, and nobody reads them.
        let _ = definitions::keep(&*outbox.disk(), generation);
        outbox.put_out_by(&plan.rules).map_err(RunError::from)?;
        self.vitals.rules().add(plan.rules.iter().map(|rule| rule.name.as_str()));
        self.core.graph.put_out_owed(outbox)?;
        let rules = plan.rules.len();
        self.reloads.put_by(plan, tables);
        self.logged.reloads += 1;
        self.vitals.turned_to(generation, rules, lookups, self.clock.now());
        self.said(Outcome::Taken, &format!("generation {generation} is in force from entry {entries} on; {what}"));
        // Until there is a second snapshot of them, nothing could take the place of one that is damaged.
        self.snapshots.due = true;
        if held.is_empty() {
            // It is one of more entries.
            self.log.append(&Entry::Reloaded { generation: generation.clone() }.write()?);
            self.patiently(outbox, &mut |live, _| Ok(live.vitals.sync(|| live.log.sync())?))?;
            self.logged_entries.store(self.log.end(), Ordering::Release);
        }
        self.apply_all(held, outbox)?;
        self.patiently(outbox, &mut |_, outbox| Ok(outbox.flush().map_err(RunError::from)?))
    }

    /// The run ends: what was begun is brought to its end.
    pub(super) fn end_turn(&mut self, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        self.turn(true, outbox)
    }

    /// The run ends: what was asked for and is not in force.
    pub(super) fn unfinished(&mut self) -> Option<String> {
        let entries = self.log.end();
        let read = self.reloads.definitions.as_mut().and_then(|definitions| definitions.next(entries));
        let read = read.and_then(Result::ok).map(|fresh| fresh.generation);
        let next = read.or_else(|| self.reloads.next().map(str::to_owned));
        let next = next.filter(|next| *next != self.vitals.generation());
        let checked = self.vitals.is_checking().then(|| "the project was being checked".to_owned());
        next.map(|next| format!("generation {next} was not in force yet")).or(checked)
    }

    /// Words for what has another state than before.
    fn what_changes(&self, warm: &Warm) -> String {
        let Warm { plan, same, core, .. } = warm;
        let rules = same.rules.iter().filter(|was| was.is_none()).count();
        let mut what = format!(
            "{rules} of {} rules and {} of {} features are new or changed",
            plan.rules.len(),
            same.missing.len(),
            plan.live.iter().filter(|live| **live).count()
        );
        for lost in Losses::between(&self.reloads.plan, plan).said() {
            what.push_str(&format!("; {lost}"));
        }
        let watermark = self.core.graph.watermark();
        let begins = core.graph.first().min(watermark);
        let (reach, _) = plan.depends();
        let short = same.missing.iter().filter(|index| watermark.saturating_sub(reach[**index].reach.0) < begins);
        let short: Vec<&str> = short.map(|index| plan.features[*index].name.as_str()).collect();
        if !short.is_empty() {
            what.push_str(&format!(
                "; the log begins at {}, and these look back further, so that their alerts are warming: {}",
                EventTime(begins),
                short.join(", ")
            ));
        }
        what
    }

    fn refuse(&mut self, why: &str) {
        self.said(Outcome::Refused, why);
    }

    fn said(&mut self, outcome: Outcome, what: &str) {
        // Others may be made ready, which this does not touch.
        let next = self.reloads.next();
        self.vitals.reloaded(outcome, what, next, self.clock.now());
        self.progress.notes(&match (outcome, next) {
            (Outcome::Taken, _) => format!("reloaded: {what}"),
            (Outcome::Unchanged, _) => format!("nothing to reload: {what}"),
            (Outcome::Overtaken, _) => format!("not reloaded: {what}"),
            (Outcome::Refused, None) => format!("not reloaded, the definitions before stay in force: {what}"),
            (Outcome::Refused, Some(next)) => {
                format!("not reloaded, generation {next} of the reload before comes in force all the same: {what}")
            }
        });
    }
}

/// Takes what was read, so that a test may offer it.
impl<F: FnMut(u64) -> Option<Offered> + Send> Definitions for F {
    fn next(&mut self, entries: u64) -> Option<Offered> {
        self(entries)
    }
}

impl Fresh {
    pub fn new(plan: Plan, generation: &str) -> Box<Self> {
        Box::new(Self { plan, generation: generation.to_owned(), lookups: Vec::new(), files: None, asked: true })
    }
}
