//! What the clock decides of queues that give nothing: it moves their watermarks, and has people told. When it did is logged: nobody
//! could find out again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;

use crate::record::{EventTime, Micros};
use crate::state::entry::Entry;

use super::lane::Message;
use super::outbox::Outbox;
use super::pressure::Level;
use super::room::Room;
use super::{Live, LiveError, RunError, RunOutlet};

/// How often the clock is asked whether a queue is silent.
const TICK: Micros = Micros(1_000_000);
/// A run that has not looked at the clock for so long stood still.
const STALL: Micros = Micros(5_000_000);

pub struct Queue {
    pub taken: Receiver<Message>,
    pub thread: JoinHandle<()>,
    /// For rows on their way from it.
    pub room: Arc<Room>,
    /// When rows came last.
    pub heard: EventTime,
    /// The same, unless nobody could notice.
    pub noticed: EventTime,
    pub idle_after: Micros,
}

impl Live<'_> {
    /// Lets the clock move the watermarks of silent queues.
    pub(super) fn tick(&mut self, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        let now = self.clock.now();
        self.ticked = self.ticked.min(now);
        if now < self.ticked.plus(TICK) {
            return Ok(());
        }
        // The run itself stood still: what came meanwhile is not taken yet, and nobody was silent.
        if now >= self.ticked.plus(STALL) {
            self.queues.iter_mut().for_each(|queue| queue.heard = queue.heard.max(now));
        }
        // Nor one whose messages it does not take.
        if self.pressure.level() == Level::Full {
            self.queues.iter_mut().for_each(|queue| queue.heard = queue.heard.max(now));
        }
        // Nor is one that cannot be reached: what is published meanwhile comes later, and must not be late.
        let unreached = self.queues.iter_mut().zip(self.lanes.unreached()).filter(|(_, unreached)| *unreached);
        unreached.for_each(|(queue, _)| queue.heard = queue.heard.max(now));
        self.ticked = now;
        let silent = |(lane, queue): (usize, &Queue)| {
            let idle = self.core.wants(lane) && now >= queue.heard.plus(queue.idle_after);
            idle.then_some(Entry::Tick { lane, heard: queue.heard, now })
        };
        let ticks: Vec<Entry> = self.queues.iter().enumerate().filter_map(silent).collect();
        let ticks: Vec<Entry> = ticks.into_iter().filter(|tick| self.core.moves(tick)).collect();
        self.decide(ticks, outbox)
    }

    /// Tells people of queues that are silent for longer than usual.
    pub(super) fn watch(&mut self, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        let now = self.clock.now();
        // A clock that was ahead goes back.
        self.watched = self.watched.min(now);
        if now < self.watched.plus(TICK) || self.reloads.held().is_some() {
            return Ok(());
        }
        if now >= self.watched.plus(STALL) {
            self.queues.iter_mut().for_each(|queue| queue.noticed = queue.noticed.max(now));
        }
        if self.pressure.level() == Level::Full {
            self.queues.iter_mut().for_each(|queue| queue.noticed = queue.noticed.max(now));
        }
        self.watched = now;
        let silent = |((lane, queue), unreached): ((usize, &Queue), bool)| {
            let silent = self.core.health.is_silent(lane, queue.noticed, now);
            silent.then_some(Entry::Silent { lane, heard: queue.noticed, now, reached: !unreached })
        };
        let queues = self.queues.iter().enumerate().zip(self.lanes.unreached());
        let silent: Vec<Entry> = queues.filter_map(silent).collect();
        self.decide(silent, outbox)
    }

    /// Logs what the clock has decided, and computes from it.
    fn decide(&mut self, entries: Vec<Entry>, outbox: &mut Outbox<'_>) -> Result<(), LiveError> {
        if entries.is_empty() {
            return Ok(());
        }
        for entry in &entries {
            self.log.append(&entry.write()?);
        }
        self.patiently(outbox, &mut |live, _| Ok(live.vitals.sync(|| live.log.sync())?))?;
        self.logged_entries.store(self.log.end(), Ordering::Release);
        self.apply_all(entries, outbox)?;
        self.patiently(outbox, &mut |_, outbox| Ok(outbox.flush().map_err(RunError::from)?))
    }
}
