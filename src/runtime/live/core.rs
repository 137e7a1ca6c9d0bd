//! Entries of the log to alerts. What comes out depends on the entries and their order alone, so that a log that is read
//! again gives what it gave.

use std::collections::VecDeque;

use crate::pipeline::batch::FlowBatch;
use crate::pipeline::graph::Graph;
use crate::pipeline::merge::{Merge, Step};
use crate::pipeline::saved::{Loader, Saved, SavedError, Saver};
use crate::record::EventTime;
use crate::state::entry::{Entry, Given};

use super::super::run::RunError;
use super::health::Health;
use crate::pipeline::outlet::Outlet;

pub struct Core {
    pub graph: Graph,
    pub merge: Merge,
    pub health: Health,
    /// By lane: rows that wait for those of others.
    waiting: Vec<Waiting>,
}

#[derive(Default)]
struct Waiting {
    batches: VecDeque<(FlowBatch, EventTime)>,
    rows: usize,
    bytes: u64,
}

impl Waiting {
    fn push(&mut self, batch: FlowBatch, ceiling: EventTime) {
        self.rows += batch.times.len();
        self.bytes += batch.bytes();
        self.batches.push_back((batch, ceiling));
    }

    fn pop(&mut self) -> Option<(FlowBatch, EventTime)> {
        let (batch, ceiling) = self.batches.pop_front()?;
        self.rows -= batch.times.len();
        self.bytes = self.bytes.saturating_sub(batch.bytes());
        Some((batch, ceiling))
    }
}

impl Core {
    pub fn new(graph: Graph, merge: Merge, health: Health, lanes: usize) -> Self {
        Self { graph, merge, health, waiting: (0..lanes).map(|_| Waiting::default()).collect() }
    }

    pub fn waiting_rows(&self, lane: usize) -> usize {
        self.waiting[lane].rows
    }

    pub fn waiting_bytes(&self, lane: usize) -> u64 {
        self.waiting[lane].bytes
    }

    pub fn lanes(&self) -> usize {
        self.waiting.len()
    }

    /// Rows that were given, and that nothing was computed from yet.
    pub fn unread_rows(&self) -> u64 {
        self.merge.waiting_rows() + self.waiting.iter().map(|waiting| waiting.rows as u64).sum::<u64>()
    }

    /// Rows of a lane that nothing was computed from yet, one behind the other.
    fn pending(&self, lane: usize) -> u64 {
        self.merge.waiting_rows_of(lane) + self.waiting[lane].rows as u64
    }

    /// Has the other one, which was given the same entries, computed from the same rows?
    pub fn is_as_far_as(&self, other: &Self) -> bool {
        (0..self.lanes()).all(|lane| self.pending(lane) == other.pending(lane))
            && self.graph.watermark() <= other.graph.watermark()
    }

    /// Is there nothing of the lane that could be merged?
    pub fn wants(&self, lane: usize) -> bool {
        self.merge.wants(lane) && self.waiting[lane].batches.is_empty()
    }

    /// Would it move the watermark past the end of something?
    pub fn moves(&self, tick: &Entry) -> bool {
        let Entry::Tick { lane, heard, now } = tick else { return false };
        let watermark = self.merge.ticked(*lane, *heard, *now);
        let waits = self.merge.waiting_rows() > 0;
        watermark > self.merge.watermark_of(*lane) && (waits || self.graph.is_due(watermark))
    }

    pub fn apply(&mut self, entry: Entry, out: &mut dyn Outlet) -> Result<(), RunError> {
        match entry {
            Entry::Reloaded { .. } => return Ok(()),
            Entry::Given(given) => {
                self.health.look(given.arrived, &self.graph, out)?;
                self.health.took(&given, out)?;
                self.give(*given, out)?;
            }
            Entry::Silent { lane, heard, now, reached } => {
                self.health.look(now, &self.graph, out)?;
                self.health.silent(lane, (heard, now), reached, out)?;
            }
            Entry::Tick { lane, heard, now } => {
                self.health.look(now, &self.graph, out)?;
                if self.merge.tick(lane, heard, now) {
                    self.graph.advance(self.merge.watermark(), None, out)?;
                }
            }
        }
        self.pump(out)?;
        self.health.merged(&self.merge);
        Ok(())
    }

    fn give(&mut self, given: Given, out: &mut dyn Outlet) -> Result<(), RunError> {
        let ledger = &mut self.graph.ledger;
        ledger.offered += given.offered;
        ledger.filtered += given.filtered;
        ledger.ignored_fields.merge(&given.ignored);
        for reject in given.rejects {
            self.graph.reject(reject, out)?;
        }
        if !given.flows.times.is_empty() {
            self.waiting[given.lane].push(given.flows, given.ceiling);
        }
        Ok(())
    }

    /// Merges what can be merged.
    fn pump(&mut self, out: &mut dyn Outlet) -> Result<(), RunError> {
        loop {
            match self.merge.step()? {
                Step::Done => return Ok(()),
                Step::Rows(batch) => self.graph.push(&batch, out)?,
                Step::Need(lane) => {
                    let Some((batch, ceiling)) = self.waiting[lane].pop() else { return Ok(()) };
                    self.merge.cap(lane, ceiling);
                    self.merge.give(lane, Some(batch));
                }
            }
        }
    }
}

impl Saved for Core {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        self.merge.save(out)?;
        self.health.save(out)?;
        for waiting in &self.waiting {
            out.put(&waiting.batches.len())?;
            for (batch, ceiling) in &waiting.batches {
                out.put(ceiling)?;
                batch.save(out)?;
            }
        }
        self.graph.save(out)
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        self.merge.load(from)?;
        self.health.load(from)?;
        for waiting in &mut self.waiting {
            *waiting = Waiting::default();
            for _ in 0..from.take::<usize>()? {
                let ceiling = from.take()?;
                let mut batch = FlowBatch::empty();
                batch.load(from)?;
                waiting.push(batch, ceiling);
            }
        }
        self.graph.load(from)
    }
}
