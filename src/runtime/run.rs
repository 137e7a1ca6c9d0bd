//! One run: every input is read and normalized on threads of its own; merge and graph work on the caller's thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use datafusion::arrow::error::ArrowError;

use crate::pipeline::batch::FlowBatch;
use crate::pipeline::graph::{Fault, Graph, GraphError, OutletError};
use crate::pipeline::ingest::{IngestError, Reader, ReaderOptions};
use crate::pipeline::merge::{Merge, Step};
use crate::pipeline::normalize::{Keep, NormalizeError, Normalized, Normalizer};
use crate::pipeline::window::feature::BuildError;
use crate::plan::Plan;
use crate::port::{Clock, Input};
use crate::record::{Micros, Reject, RejectReason};
use crate::target::datafusion::{Lookups, LowerError};

use super::outlet::Outlets;
use super::report::RunReport;

/// Batches that wait between an input's threads and the graph.
const QUEUE_BATCHES: usize = 4;
/// How often a waiting run looks whether it shall stop.
const POLL: Duration = Duration::from_millis(50);

pub struct RunOptions {
    /// Inputs with the index of their source.
    pub inputs: Vec<(usize, Arc<dyn Input>)>,
    /// Inputs happen now: clock ticks close idle windows, rows ahead of the clock are rejected, stopping closes
    /// nothing.
    pub live: bool,
    /// Threads that decode, over all inputs.
    pub threads: usize,
    pub generation: String,
    pub fault: Option<Fault>,
}

/// What a run tells while it goes on.
pub trait Progress {
    fn advanced(&self, bytes: u64, rows: u64, alerts: u64);
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Ingest(#[from] IngestError),
    #[error(transparent)]
    Normalize(#[from] NormalizeError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Outlet(#[from] OutletError),
    #[error("an input's thread ended before its input did")]
    Thread,
}

/// A run that an error ended, and what it did until then.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct RunFailed {
    #[source]
    pub error: RunError,
    /// None when it did not begin.
    pub report: Option<Box<RunReport>>,
}

impl From<RunError> for RunFailed {
    fn from(error: RunError) -> Self {
        Self { error, report: None }
    }
}

/// What an input's threads hand over.
struct Pumped {
    normalized: Normalized,
    raw_rejects: Vec<Reject>,
    offered: u64,
    bytes: u64,
    ignored: BTreeMap<String, u64>,
}

type Message = Result<Option<Box<Pumped>>, RunError>;

/// One input as the run sees it.
struct Lane {
    receiver: Receiver<Message>,
    future_skew: Micros,
    idle_after: Option<Micros>,
}

/// Runs the plan over the inputs until they end, or until `stop`.
pub fn run(
    plan: &Plan,
    options: &RunOptions,
    clock: &dyn Clock,
    out: &mut Outlets,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<RunReport, RunFailed> {
    let started = Instant::now();
    let mut run = Run::open(plan, options, clock, progress, stop)?;
    let played = run.play(out);
    // After an error too: what was found so far stays readable.
    let finished = out.finish();
    let mut report = RunReport::new(&run.graph, run.first_rejects, started.elapsed());
    match played.and_then(|interrupted| Ok(finished.map(|()| interrupted)?)) {
        Ok(interrupted) => Ok(RunReport { interrupted, ..report }),
        Err(error) => {
            report.failed = true;
            Err(RunFailed { error, report: Some(Box::new(report)) })
        }
    }
}

struct Run<'a> {
    graph: Graph,
    lanes: Vec<Lane>,
    merge: Merge,
    live: bool,
    /// Alerts are written out as they come.
    stream: bool,
    clock: &'a dyn Clock,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
    first_rejects: BTreeMap<RejectReason, Reject>,
}

impl<'a> Run<'a> {
    fn open(
        plan: &Plan,
        options: &RunOptions,
        clock: &'a dyn Clock,
        progress: &'a dyn Progress,
        stop: &'a AtomicBool,
    ) -> Result<Self, RunError> {
        let lookups = Lookups::new(&plan.lookups);
        let graph = Graph::new(plan, &lookups, options.generation.clone(), options.fault)?;
        let mut lanes = Vec::with_capacity(options.inputs.len());
        let mut lateness = Vec::with_capacity(options.inputs.len());
        // Two threads decode one input; of many, each decodes its own.
        let threads = if options.inputs.len() > 1 { 1 } else { options.threads };
        let keep = Keep {
            origins: plan.evidence_rows > 0 && !plan.rules.is_empty(),
            keys: plan.sources.iter().any(|source| !source.dedupe.is_empty()),
        };
        for (source, input) in &options.inputs {
            let source = &plan.sources[*source];
            let normalizer = Normalizer::new(source, &plan.flows_wanted, keep, &lookups)?;
            let reader_options = ReaderOptions { threads, ..ReaderOptions::default() };
            let reader = Reader::open(Arc::clone(input), Arc::new(source.raw.clone()), &reader_options)?;
            let (sender, receiver) = sync_channel(QUEUE_BATCHES);
            let name = input.name();
            thread::spawn(move || pump(reader, &normalizer, &name, &sender));
            lanes.push(Lane { receiver, future_skew: source.future_skew, idle_after: source.idle_after });
            lateness.push(source.lateness);
        }
        // What has no length is a stream: somebody may wait for what it gives.
        let stream = options.live || options.inputs.iter().any(|(_, input)| input.size_bytes().is_none());
        let (merge, first_rejects) = (Merge::new(&lateness), BTreeMap::new());
        Ok(Self { graph, lanes, merge, live: options.live, stream, clock, progress, stop, first_rejects })
    }

    /// Reads until the inputs end, and closes what is open; true when it was stopped before that.
    fn play(&mut self, out: &mut Outlets) -> Result<bool, RunError> {
        let driven = self.drive(out);
        let interrupted = match driven {
            Ok(false) => !self.close(out)?,
            _ => true,
        };
        if interrupted {
            self.graph.ledger.unread += self.merge.waiting_rows();
            let stopped = self.graph.stop(out);
            driven?;
            stopped?;
        }
        Ok(interrupted)
    }

    /// Closes the windows that are open at the end of the inputs; false when it was stopped.
    fn close(&mut self, out: &mut Outlets) -> Result<bool, RunError> {
        let last = self.merge.last_watermark().max(self.graph.watermark());
        while let Some(end) = self.graph.next_end() {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            self.graph.advance(end, Some(last), out)?;
        }
        self.graph.finish(last, out)?;
        Ok(true)
    }

    /// True when it was stopped before the inputs ended.
    fn drive(&mut self, out: &mut Outlets) -> Result<bool, RunError> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(true);
            }
            match self.merge.step()? {
                Step::Done => return Ok(false),
                Step::Rows(batch) => {
                    self.graph.push(&batch, out)?;
                    self.progress.advanced(0, batch.flows.times.len() as u64, self.graph.ledger.alerts);
                    if self.stream {
                        out.flush()?;
                    }
                }
                Step::Need(lane) => self.receive(lane, out)?,
            }
            self.wake(out)?;
        }
    }

    /// Waits for the lane's next batch that has rows, or its end; returns early when there is other work.
    fn receive(&mut self, lane: usize, out: &mut Outlets) -> Result<(), RunError> {
        let mut waited = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            match self.lanes[lane].receiver.recv_timeout(POLL) {
                Ok(message) => {
                    if self.take(lane, message?, out)? {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if self.idle(lane, &mut waited, out)? || self.wake(out)? {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Err(RunError::Thread),
            }
        }
        Ok(())
    }

    /// Gives what a lane's thread has handed over to the merge; false when it had no rows.
    fn take(&mut self, lane: usize, pumped: Option<Box<Pumped>>, out: &mut Outlets) -> Result<bool, RunError> {
        let Some(pumped) = pumped else {
            self.merge.give(lane, None);
            return Ok(true);
        };
        let batch = self.count(lane, *pumped, out)?;
        if batch.times.is_empty() {
            return Ok(false);
        }
        if self.live {
            self.merge.cap(lane, self.clock.now().0);
        }
        self.merge.give(lane, Some(batch));
        Ok(true)
    }

    /// Resting lanes that have something again take part again; true when one has.
    fn wake(&mut self, out: &mut Outlets) -> Result<bool, RunError> {
        let mut woken = false;
        for lane in self.merge.resting() {
            if let Ok(message) = self.lanes[lane].receiver.try_recv() {
                woken |= self.take(lane, message?, out)?;
            }
        }
        Ok(woken)
    }

    fn count(&mut self, lane: usize, pumped: Pumped, out: &mut Outlets) -> Result<FlowBatch, RunError> {
        let ledger = &mut self.graph.ledger;
        ledger.offered += pumped.offered;
        ledger.filtered += pumped.normalized.filtered;
        for (field, count) in pumped.ignored {
            *ledger.ignored_fields.entry(field).or_default() += count;
        }
        for reject in pumped.raw_rejects.into_iter().chain(pumped.normalized.rejects) {
            ledger.reject(reject.reason);
            self.first_rejects.entry(reject.reason).or_insert_with(|| reject.clone());
            out.reject(reject)?;
        }
        self.progress.advanced(pumped.bytes, 0, ledger.alerts);
        if self.live { self.reject_future(lane, pumped.normalized.flows, out) } else { Ok(pumped.normalized.flows) }
    }

    /// A row far ahead of the clock would make all others late.
    fn reject_future(&mut self, lane: usize, flows: FlowBatch, out: &mut Outlets) -> Result<FlowBatch, RunError> {
        let limit = self.clock.now().plus(self.lanes[lane].future_skew).0;
        if flows.times.iter().all(|time| *time <= limit) {
            return Ok(flows);
        }
        let mut keep = Vec::with_capacity(flows.times.len());
        for (row, time) in flows.times.iter().enumerate() {
            if *time <= limit {
                keep.push(row);
                continue;
            }
            self.graph.ledger.reject(RejectReason::FutureTimestamp);
            let reject = Reject {
                reason: RejectReason::FutureTimestamp,
                detail: format!("event time {} is ahead of the clock", crate::record::EventTime(*time)),
                origin: flows.origins.get(row).cloned().unwrap_or_else(|| crate::record::Origin {
                    file: "".into(),
                    line: 0,
                    offset: 0,
                }),
                raw: String::new(),
            };
            self.first_rejects.entry(reject.reason).or_insert_with(|| reject.clone());
            out.reject(reject)?;
        }
        Ok(flows.take(&keep)?)
    }

    /// A silent live input: the others go on without it (true); when all are silent, the clock moves the watermark.
    fn idle(&mut self, lane: usize, waited: &mut Instant, out: &mut Outlets) -> Result<bool, RunError> {
        let Some(idle_after) = self.lanes[lane].idle_after.filter(|_| self.live) else { return Ok(false) };
        let silent = Micros(i64::try_from(waited.elapsed().as_micros()).unwrap_or(i64::MAX));
        let last = self.merge.last_watermark();
        if silent < idle_after || last == crate::pipeline::merge::BEFORE_ALL {
            return Ok(false);
        }
        if self.merge.others_active(lane) {
            self.merge.rest(lane);
            return Ok(true);
        }
        *waited = Instant::now();
        self.merge.rest(lane);
        self.merge.raise(last.saturating_add(silent.0));
        self.graph.advance(self.merge.watermark(), None, out)?;
        out.flush()?;
        Ok(false)
    }
}

/// Reads and normalizes one input on its own thread.
fn pump(mut reader: Reader, normalizer: &Normalizer, file: &Arc<str>, sender: &SyncSender<Message>) {
    loop {
        let message = next(&mut reader, normalizer, file);
        let last = !matches!(message, Ok(Some(_)));
        if sender.send(message).is_err() || last {
            return;
        }
    }
}

fn next(reader: &mut Reader, normalizer: &Normalizer, file: &Arc<str>) -> Message {
    let Some(raw) = reader.next_batch()? else { return Ok(None) };
    let normalized = normalizer.run(&raw, file)?;
    let (offered, bytes) = (raw.offered, raw.bytes);
    Ok(Some(Box::new(Pumped { normalized, raw_rejects: raw.rejects, offered, bytes, ignored: raw.ignored })))
}
