//! A graph for new definitions, made on a thread of its own while the one before goes on: where features need it, it is given the
//! log from its first entry on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::{self, JoinHandle};

use crate::pipeline::graph::Graph;
use crate::pipeline::merge::Merge;
use crate::pipeline::outlet::Nowhere;
use crate::plan::{Plan, Same};
use crate::port::Spill;
use crate::port::disk::Disk;
use crate::record::Micros;
use crate::state::definitions;
use crate::state::entry::Entry;
use crate::state::log::{Follower, Kind};
use crate::target::datafusion::Lookups;

use super::LiveError;
use super::core::Core;
use super::definitions::{Fresh, LookupState};
use super::health::Health;
use super::run_error;

/// Entries that are read at once.
const READ_ENTRIES: usize = 16;

/// A new graph, and how far it is.
pub struct Warm {
    pub core: Core,
    pub plan: Arc<Plan>,
    /// What the graph finds rows of lookups in.
    pub tables: Lookups,
    pub generation: String,
    pub lookups: Vec<LookupState>,
    /// What it takes over of the graph before.
    pub same: Same,
    /// Where it reads the log, and how many entries it was given; `None` where it needs none.
    follower: Option<(Follower, u64)>,
}

/// What a new graph is made of.
pub struct Kit {
    pub before: Arc<Plan>,
    pub lateness: Vec<Micros>,
    pub spill: Option<Arc<dyn Spill>>,
    pub disk: Arc<dyn Disk>,
    /// The first entry that the log has, and how many can be read.
    pub first: u64,
    pub readable: Arc<AtomicU64>,
}

impl Kit {
    fn make(self, fresh: Fresh) -> Result<Warm, LiveError> {
        let Fresh { plan, generation, lookups, files, .. } = fresh;
        // Before anything is of them.
        files.iter().try_for_each(|files| definitions::save(&*self.disk, &generation, files))?;
        let same = plan.same_as(&self.before);
        let tables = Lookups::of(&plan);
        let mut graph = Graph::new(&plan, &tables, generation.clone(), None).map_err(run_error)?;
        graph.fire_early(&plan, &tables).map_err(run_error)?;
        self.spill.iter().for_each(|spill| graph.spill_to(spill, plan.look_back_rows));
        let lanes = self.lateness.len();
        let core = Core::new(graph, Merge::new(&self.lateness), Health::of_nobody(lanes), lanes);
        let follower = Follower::new(self.disk, Kind::Given, self.first);
        let follower = (!same.missing.is_empty()).then_some((follower, self.first));
        Ok(Warm { core, plan: Arc::new(plan), tables, generation, lookups, same, follower })
    }
}

impl Warm {
    /// Entries that it was not given, of so many.
    pub fn behind(&self, entries: u64) -> u64 {
        self.follower.as_ref().map_or(0, |(_, given)| entries.saturating_sub(*given))
    }

    /// Was it made of the log?
    pub fn read_log(&self) -> bool {
        self.follower.is_some()
    }

    /// Reads the log up to that entry.
    pub fn read(&mut self, end: u64, stop: &AtomicBool) -> Result<(), LiveError> {
        let Some((follower, given)) = &mut self.follower else { return Ok(()) };
        while *given < end {
            for (number, bytes) in follower.read(end, READ_ENTRIES)? {
                if stop.load(Ordering::Relaxed) {
                    return Err(LiveError::Stopped);
                }
                let entry = Entry::read(&bytes, self.core.lanes())?;
                self.core.apply(entry, &mut Nowhere)?;
                *given = number + 1;
            }
        }
        Ok(())
    }

    /// Reads until nothing is left.
    fn catch_up(&mut self, readable: &AtomicU64, stop: &AtomicBool) -> Result<(), LiveError> {
        loop {
            let end = readable.load(Ordering::Acquire);
            if self.behind(end) == 0 {
                return Ok(());
            }
            self.read(end, stop)?;
        }
    }
}

/// A graph that is being made.
pub struct Warming {
    pub generation: String,
    ready: Receiver<Result<Box<Warm>, LiveError>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Warming {
    pub fn begin(kit: Kit, fresh: Fresh) -> Self {
        let readable = Arc::clone(&kit.readable);
        Self::spawn(fresh.generation.clone(), readable, move || kit.make(fresh).map(Box::new))
    }

    /// One that has fallen behind.
    pub fn again(warm: Box<Warm>, readable: Arc<AtomicU64>) -> Self {
        Self::spawn(warm.generation.clone(), readable, move || Ok(warm))
    }

    fn spawn(
        generation: String,
        readable: Arc<AtomicU64>,
        make: impl FnOnce() -> Result<Box<Warm>, LiveError> + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (sender, ready) = channel();
        let waiting = thread::current();
        let thread = thread::spawn(move || {
            let made = make().and_then(|mut warm| {
                warm.catch_up(&readable, &stopped)?;
                Ok(warm)
            });
            // Nobody waits for it any more.
            let _ = sender.send(made);
            waiting.unpark();
        });
        Self { generation, ready, stop, thread: Some(thread) }
    }

    /// The graph, when it has caught up.
    pub fn ready(&mut self) -> Option<Result<Box<Warm>, LiveError>> {
        match self.ready.try_recv() {
            Ok(made) => Some(made),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(LiveError::Thread)),
        }
    }

    /// Waits for it, for as long as it takes.
    pub fn wait(&mut self) {
        self.thread.take().into_iter().for_each(|thread| drop(thread.join()));
    }

    /// Nobody wants it any more. Its thread ends by itself, as soon as it looks.
    pub fn abandon(mut self) -> Option<JoinHandle<()>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take()
    }
}
