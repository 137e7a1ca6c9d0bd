//! One run: inputs are read and normalized on threads of their own ([`super::lane`]); merge and graph work on the
//! caller's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use datafusion::arrow::error::ArrowError;

use crate::history::History;
use crate::pipeline::batch::FlowBatch;
use crate::pipeline::detect::focus::Focus;
use crate::pipeline::graph::{Fault, Graph, GraphError};
use crate::pipeline::ingest::{Control, IngestError};
use crate::pipeline::merge::{BEFORE_ALL, Merge, Step};
use crate::pipeline::normalize::{DecodedSchema, Keep, NormalizeError, Normalizer};
use crate::pipeline::outlet::OutletError;
use crate::pipeline::saved::SavedError;
use crate::pipeline::window::feature::BuildError;
use crate::plan::Plan;
use crate::port::{Clock, Input, Spill};
use crate::record::{EventTime, Micros};
use crate::target::datafusion::{Lookups, LowerError};

use super::lane::{Inlet, Lane, Pumped};
use super::outlet::{REJECTS, RunOutlet};
use super::report::RunReport;
use super::warm::{WarmError, Warmed, warm};

/// Inputs of one run.
pub const INPUTS_MAX: usize = 10_000;
/// Inputs that are open at once, because their rows lie side by side in time: systems usually allow 1,024 descriptors.
pub const OPEN_INPUTS_MAX: usize = 1_000;
/// Bytes that the open inputs decode at once: with more of them, chunks are shorter.
const DECODED_BYTES: usize = 8 << 20;
const CHUNK_BYTES_MIN: usize = 16 << 10;
/// Inputs with a thread and a queue of their own. Of more, the others are read one batch at a time.
const PUMPED_INPUTS_MAX: usize = 32;
/// How long a stopped run waits for what its inputs' threads have in hand.
const DRAIN: Duration = Duration::from_millis(500);
/// How often a waiting run looks whether it shall stop.
const POLL: Duration = Duration::from_millis(50);

pub struct RunOptions {
    /// Inputs with the index of their source.
    pub inputs: Vec<(usize, Arc<dyn Input>)>,
    /// Inputs happen now, by this clock: it closes idle windows, and rows ahead of it are rejected.
    pub live: Option<Arc<dyn Clock>>,
    /// Threads that decode, over all inputs.
    pub threads: usize,
    pub generation: String,
    pub fault: Option<Fault>,
    /// Of whom the report says which rows came nearest to firing.
    pub watch: Option<Focus>,
    /// What was before the inputs.
    pub history: Option<Arc<History>>,
    /// Where rows of long look-backs go that are too many for memory.
    pub spill: Option<Arc<dyn Spill>>,
}

/// What a run tells while it goes on.
pub trait Progress {
    fn advanced(&self, bytes: u64, rows: u64, alerts: u64);
    /// Something that people should know while it goes on.
    fn notes(&self, what: &str) {
        let _ = what;
    }
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
    #[error(transparent)]
    Warm(#[from] WarmError),
    #[error("the state of the run cannot be written")]
    Saved(#[from] SavedError),
    #[error("an input's thread ended before its input did")]
    Thread,
    #[error("{0} inputs are more than the {INPUTS_MAX} of one run\nhelp: join files, or run them in parts")]
    Inputs(usize),
    #[error(
        "more than {OPEN_INPUTS_MAX} inputs lie side by side in time and would have to be open at once\nhelp: join files"
    )]
    OpenInputs,
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

/// Runs the plan over the inputs until they end, or until `stop`.
pub fn run(
    plan: &Plan,
    options: &RunOptions,
    out: &mut dyn RunOutlet,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<RunReport, RunFailed> {
    let run = Run::open(plan, options, out.wants(REJECTS), None, progress, stop)?;
    finish(run, out)
}

/// Makes the log of the inputs until they end, or until `stop`: as a run does, but nothing is computed from its rows.
/// `decoded`: what each was decoded to comes beside it.
pub fn log(
    plan: &Plan,
    options: &RunOptions,
    decoded: bool,
    out: &mut dyn RunOutlet,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<RunReport, RunFailed> {
    let decoded = decoded.then(|| Arc::new(DecodedSchema::new(&plan.sources)));
    let mut run = Run::open(plan, options, out.wants(REJECTS), decoded, progress, stop)?;
    run.graph.only_rows();
    finish(run, out)
}

fn finish(mut run: Run<'_>, out: &mut dyn RunOutlet) -> Result<RunReport, RunFailed> {
    let played = run.play(out);
    // After an error too: what was found so far stays readable.
    let finished = out.finish();
    let mut report = RunReport::new(&run.graph, run.started.elapsed());
    report.warmed = run.warmed;
    report.last_watermark = Some(run.merge.last_watermark()).filter(|at| *at != BEFORE_ALL).map(EventTime);
    match played.and_then(|interrupted| Ok(finished.map(|()| interrupted)?)) {
        Ok(interrupted) => Ok(RunReport { interrupted, ..report }),
        Err(error) => {
            report.failed = true;
            Err(RunFailed { error, report: Some(Box::new(report)) })
        }
    }
}

struct Run<'a> {
    started: Instant,
    graph: Graph,
    lanes: Vec<Lane>,
    merge: Merge,
    /// Threads that decode one input while no other is open.
    threads: usize,
    control: Arc<Control>,
    clock: Option<Arc<dyn Clock>>,
    /// Alerts are written out as they come.
    stream: bool,
    /// To be taken before the first row.
    history: Option<(Plan, Arc<History>)>,
    warmed: Option<Warmed>,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
}

impl<'a> Run<'a> {
    fn open(
        plan: &Plan,
        options: &RunOptions,
        keep_raw: bool,
        decoded: Option<Arc<DecodedSchema>>,
        progress: &'a dyn Progress,
        stop: &'a AtomicBool,
    ) -> Result<Self, RunError> {
        let started = Instant::now();
        let inputs = &options.inputs;
        if inputs.len() > INPUTS_MAX {
            return Err(RunError::Inputs(inputs.len()));
        }
        let lookups = Lookups::of(plan);
        let mut graph = Graph::new(plan, &lookups, options.generation.clone(), options.fault)?;
        options.spill.iter().for_each(|spill| graph.spill_to(spill, plan.look_back_rows));
        options.watch.iter().try_for_each(|focus| graph.watch(plan, &lookups, focus.clone()))?;
        let control = Arc::new(Control::default());
        let normalizers = normalizers(plan, &lookups, decoded.as_ref())?;
        let schemas: Vec<_> = plan.sources.iter().map(|source| Arc::new(source.raw.clone())).collect();
        // Two threads decode one input; of many, each decodes its own.
        let alone = inputs.len() == 1;
        let threads = if alone { options.threads } else { 1 };
        let mut lanes = Vec::with_capacity(inputs.len());
        for (index, input) in inputs {
            let source = &plan.sources[*index];
            let inlet = Inlet {
                input: Arc::clone(input),
                schema: Arc::clone(&schemas[*index]),
                normalizer: Arc::clone(&normalizers[*index]),
                live: options.live.clone().map(|clock| (clock, source.future_skew)),
                keep_raw,
                control: Arc::clone(&control),
            };
            lanes.push(Lane::open(inlet, alone, threads, source.idle_after)?);
        }
        let lateness: Vec<Micros> = inputs.iter().map(|(index, _)| plan.sources[*index].lateness).collect();
        // What has no length is a stream: somebody may wait for what it gives.
        let stream = options.live.is_some() || inputs.iter().any(|(_, input)| input.size_bytes().is_none());
        Ok(Self {
            started,
            graph,
            lanes,
            merge: Merge::new(&lateness),
            threads: options.threads,
            control,
            clock: options.live.clone(),
            stream,
            history: options.history.clone().map(|history| (plan.clone(), history)),
            warmed: None,
            progress,
            stop,
        })
    }

    /// Reads until the inputs end, and closes what is open; true when it was stopped before that.
    fn play(&mut self, out: &mut dyn RunOutlet) -> Result<bool, RunError> {
        let driven = if self.warm()? { self.drive(out) } else { Ok(true) };
        let interrupted = match driven {
            Ok(false) => !self.close(out)?,
            _ => true,
        };
        if interrupted {
            let drained = self.drain(out);
            let stopped = self.graph.stop(BEFORE_ALL, out);
            driven?;
            drained?;
            stopped?;
        }
        Ok(interrupted)
    }

    /// Closes the windows that are open at the end of the inputs; false when it was stopped.
    fn close(&mut self, out: &mut dyn RunOutlet) -> Result<bool, RunError> {
        let last = self.merge.last_watermark().max(self.graph.watermark());
        self.graph.end_flows();
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
    fn drive(&mut self, out: &mut dyn RunOutlet) -> Result<bool, RunError> {
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
        }
    }

    /// Before the first row: fills features from the history; false when it was stopped.
    fn warm(&mut self) -> Result<bool, RunError> {
        let Some((plan, history)) = self.history.take() else { return Ok(true) };
        self.warmed = warm(&mut self.graph, &plan, &history, self.stop)?;
        if let Some(warmed) = self.warmed {
            self.merge.begin_at(warmed.until.0);
        }
        Ok(self.warmed.is_some())
    }

    /// Waits for the lane's next batch that has rows, or its end; returns early when there is other work.
    fn receive(&mut self, lane: usize, out: &mut dyn RunOutlet) -> Result<(), RunError> {
        while !self.stop.load(Ordering::Relaxed) {
            let done = match self.lanes[lane].receive(POLL)? {
                Some(message) => self.take(lane, message?, out)?,
                None if self.lanes[lane].wants_opening() => {
                    self.reopen(lane)?;
                    false
                }
                None => self.poll(out)?,
            };
            if done {
                break;
            }
        }
        Ok(())
    }

    /// Opens a file whose first rows have been taken, and shares out memory anew.
    fn reopen(&mut self, lane: usize) -> Result<(), RunError> {
        let open = self.lanes.iter().filter(|lane| lane.is_open()).count() + 1;
        if open > OPEN_INPUTS_MAX {
            return Err(RunError::OpenInputs);
        }
        let chunk_bytes = (DECODED_BYTES / open).max(CHUNK_BYTES_MIN);
        self.control.chunk_bytes_max.store(chunk_bytes, Ordering::Relaxed);
        self.lanes[lane].reopen(match open {
            1 => self.threads,
            _ => usize::from(open <= PUMPED_INPUTS_MAX),
        })
    }

    /// Gives what a lane has handed over to the merge; false when it had no rows.
    fn take(&mut self, lane: usize, pumped: Option<Box<Pumped>>, out: &mut dyn RunOutlet) -> Result<bool, RunError> {
        let Some(pumped) = pumped else {
            self.merge.give(lane, None);
            return Ok(true);
        };
        let arrived = pumped.arrived;
        let batch = self.count(*pumped, out)?;
        if batch.times.is_empty() {
            return Ok(false);
        }
        if let Some(now) = arrived {
            self.merge.cap(lane, now);
            self.lanes[lane].heard = now;
        }
        self.merge.give(lane, Some(batch));
        Ok(true)
    }

    /// The lane that is waited for is silent. Live: takes what others have, and lets the clock move the watermarks of
    /// silent lanes; true when there is something to do.
    fn poll(&mut self, out: &mut dyn RunOutlet) -> Result<bool, RunError> {
        let Some(now) = self.clock.as_ref().map(|clock| clock.now()) else { return Ok(false) };
        let (mut taken, mut ticked) = (false, false);
        for lane in 0..self.lanes.len() {
            if !self.merge.wants(lane) || !self.lanes[lane].is_open() {
                continue;
            }
            match self.lanes[lane].receive(Duration::ZERO)? {
                Some(message) => taken |= self.take(lane, message?, out)?,
                None => ticked |= self.tick(lane, now),
            }
        }
        if ticked {
            self.graph.advance(self.merge.watermark(), None, out)?;
            out.flush()?;
        }
        Ok(taken || ticked)
    }

    fn tick(&mut self, lane: usize, now: EventTime) -> bool {
        let Lane { heard, idle_after, .. } = &self.lanes[lane];
        let silent = idle_after.is_some_and(|idle_after| now >= heard.plus(idle_after));
        silent && self.merge.tick(lane, *heard, now)
    }

    /// Counts rows and rejects, and returns the rows.
    fn count(&mut self, pumped: Pumped, out: &mut dyn RunOutlet) -> Result<FlowBatch, RunError> {
        let ledger = &mut self.graph.ledger;
        ledger.offered += pumped.offered;
        ledger.filtered += pumped.normalized.filtered;
        ledger.ignored_fields.merge(&pumped.ignored);
        for reject in pumped.raw_rejects.into_iter().chain(pumped.normalized.rejects) {
            self.graph.reject(reject, out)?;
        }
        self.progress.advanced(pumped.bytes, 0, self.graph.ledger.alerts);
        Ok(pumped.normalized.flows)
    }

    /// The run was stopped: what has been read is not lost uncounted.
    fn drain(&mut self, out: &mut dyn RunOutlet) -> Result<(), RunError> {
        self.graph.ledger.unread += self.merge.waiting_rows();
        self.control.stop.store(true, Ordering::Relaxed);
        let until = Instant::now() + DRAIN;
        for lane in 0..self.lanes.len() {
            // A thread that waits for its input is left alone, and errors of an input do not matter any more.
            while let Ok(Some(Ok(Some(pumped)))) =
                self.lanes[lane].receive(until.saturating_duration_since(Instant::now()))
            {
                let rows = self.count(*pumped, out)?.times.len();
                self.graph.ledger.unread += rows as u64;
            }
        }
        Ok(())
    }
}

/// The normalization of each source, for all its inputs.
pub(super) fn normalizers(
    plan: &Plan,
    lookups: &Lookups,
    decoded: Option<&Arc<DecodedSchema>>,
) -> Result<Vec<Arc<Normalizer>>, LowerError> {
    let keys = plan.sources.iter().any(|source| !source.dedupe.is_empty());
    // Evidence says where it came from, and so does the reject of a row whose key another has.
    let origins = keys || (plan.evidence_rows > 0 && !plan.rules.is_empty());
    let sources = plan.sources.iter().enumerate();
    let normalizers = sources.map(|(index, source)| {
        let keep = Keep { origins, keys, decoded: decoded.map(|schema| (index, Arc::clone(schema))) };
        Ok(Arc::new(Normalizer::new(source, &plan.flows_wanted, keep, lookups)?))
    });
    normalizers.collect()
}
