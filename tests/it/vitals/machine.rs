//! A run in memory that answers over HTTP, and a disk that can be made to hang.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use libtest_mimic::Failed;
use tripline::adapter::http::{Serving, serve};
use tripline::adapter::local::process::{resident_bytes, used_bytes};
use tripline::plan::Plan;
use tripline::port::disk::{Append, Disk};
use tripline::port::sink::{Outcome, Sink, Told, Trouble};
use tripline::port::subscription::Subscription;
use tripline::record::alert::Phase;
use tripline::record::{EventTime, Micros};
use tripline::runtime::live::vitals::{About, Counted, Vitals, VitalsPages};
use tripline::runtime::live::{
    AlertFile, Listener, LiveOptions, Logged, Memory, OpenedFile, Outbox, Rotation, Session, live,
};
use tripline::runtime::outlet::{AlertFormat, Outlets};
use tripline::runtime::report::RunReport;

use crate::durable::disk::{MemoryDisk, MemoryOutput, Mounted};
use crate::durable::queue::{Message, Queue};
use crate::durable::{ALERTS, DAY, END, Fixed, PROJECT, Silent, messages, no_taps};
use crate::plan_of;
use crate::random::Random;

/// How long the loop may do nothing in these tests.
const STUCK: Duration = Duration::from_millis(700);

/// Two queues, of which the second ends before the first: what the first has beyond that waits.
pub struct Machine {
    plan: Arc<Plan>,
    disk: Arc<MemoryDisk>,
    queues: Vec<Queue>,
    messages: usize,
    records: usize,
    added: AtomicU64,
}

impl Machine {
    pub fn new(seed: u64, flows: usize) -> Result<Self, Failed> {
        // So that some rows are left out, and some are late for some windows.
        let project = PROJECT.replace("lateness: 10m", "lateness: 1m");
        let project = project.replace("FROM netlog\n", "FROM netlog WHERE COALESCE(port, 0) <> 443\n");
        let mut random = Random::new(seed);
        let first = messages(&mut random, flows);
        let mut second = messages(&mut random, flows);
        // Without what closes everything.
        second.truncate(second.len() / 2);
        let of = |message: &Message| Message { id: message.id + 1_000_000, data: message.data.clone() };
        let second: Vec<Message> = second.iter().map(of).collect();
        let all = first.iter().chain(&second);
        let records = all.map(|message| message.data.lines().count()).sum();
        let count = first.len() + second.len();
        let queue = |name: &str, messages| Queue::new(name, messages, seed, EventTime(END + DAY));
        Ok(Self {
            plan: Arc::new(plan_of(&project)?),
            disk: MemoryDisk::new(),
            queues: vec![queue("projects/p/subscriptions/a", first), queue("projects/p/subscriptions/b", second)],
            messages: count,
            records,
            added: AtomicU64::new(0),
        })
    }

    pub fn lanes(&self) -> Vec<String> {
        self.queues.iter().map(|queue| queue.name().to_string()).collect()
    }

    pub fn is_done(&self) -> bool {
        self.queues.iter().all(Queue::is_done)
    }

    #[expect(clippy::cast_precision_loss, reason = "few")]
    pub fn messages(&self) -> f64 {
        self.messages as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "few")]
    pub fn records(&self) -> f64 {
        self.records as f64
    }

    pub fn alerts(&self) -> Vec<u8> {
        self.disk.content(ALERTS)
    }

    /// One more message.
    pub fn add(&self) {
        let id = 5_000_000 + self.added.fetch_add(1, Ordering::Relaxed);
        self.queues[0].add(Message { id, data: format!("{{\"at\": {END}}}") });
    }
}

pub struct Run {
    pub address: String,
    serving: Serving,
    stop: Arc<AtomicBool>,
    ended: Receiver<Result<(RunReport, Logged), String>>,
    thread: JoinHandle<()>,
}

/// It is over, and its pages are still there.
pub struct Ended {
    pub address: String,
    pub report: RunReport,
    pub logged: Logged,
    _serving: Serving,
}

impl Run {
    pub fn stop(self) -> Result<Ended, Failed> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.ended.recv_timeout(super::PATIENCE).map_err(|error| error.to_string())?;
        let (report, logged) = ended?;
        self.thread.join().map_err(|_| "the run died")?;
        report.verify().map_err(|error| error.to_string())?;
        Ok(Ended { address: self.address, report, logged, _serving: self.serving })
    }
}

/// As `tripline run --listen` does it.
pub fn start(machine: &Machine, shut: Option<&Shut>) -> Result<Run, Failed> {
    let lanes = machine.lanes();
    let vitals = Vitals::new(About::new(&machine.plan, "one", &lanes, EventTime(END)));
    let mut pages = VitalsPages::new(Arc::clone(&vitals), Arc::new(Fixed), resident_bytes);
    pages.patience = STUCK;
    let serving = serve(([127, 0, 0, 1], 0).into(), Arc::new(pages))?;
    let stop = Arc::new(AtomicBool::new(false));
    machine.queues.iter().for_each(Queue::start);
    let mounted: Arc<dyn Disk> = Arc::new(Mounted(Arc::clone(&machine.disk)));
    let (plan, disk, queues) = (Arc::clone(&machine.plan), Arc::clone(&machine.disk), machine.queues.clone());
    let session = Session::open(
        Arc::new(Hanging { inner: mounted, shut: shut.cloned().unwrap_or_default() }),
        "one",
        &[],
        &lanes,
    )?;
    let (watched, flag) = (Arc::clone(&vitals), Arc::clone(&stop));
    let (sender, ended) = channel();
    let thread = thread::spawn(move || {
        let run = || {
            let output = Box::new(MemoryOutput { disk: Arc::clone(&disk), file: ALERTS });
            let opened = AlertFile::open(output, session.output(), Rotation::never(Arc::new(Fixed)));
            let OpenedFile { file, behind, .. } = opened.map_err(|error| error.to_string())?;
            let alerts: Box<dyn Write + Send> = Box::new(file.clone());
            let outlets = Outlets::new(&plan, &[], Some((alerts, AlertFormat::Json)), &no_taps);
            let mut outlets = outlets.map_err(|error| error.to_string())?;
            let mut counted = Counted::new(&watched, &mut outlets);
            let mut outbox =
                Outbox::new(session, &mut counted, Some(file), &behind).map_err(|error| error.to_string())?;
            let queues = queues.iter().map(|queue| (0, Box::new(queue.clone()) as Box<dyn Subscription>));
            let mut options = LiveOptions::new(queues.collect(), Arc::new(Fixed));
            (options.group_entries, options.hold) = (1, Micros(0));
            options.vitals = Arc::clone(&watched);
            options.memory = Memory { limit: 1 << 40, used: used_bytes };
            options.sinks = vec![Listener { sink: Box::new(Away), per_hour: None, phases: Phase::ALL.to_vec() }];
            live((*plan).clone(), options, &mut outbox, &Silent, &flag).map_err(|error| error.to_string())
        };
        let _ = sender.send(run());
    });
    Ok(Run { address: serving.address().to_string(), serving, stop, ended, thread })
}

/// The name of a place that is never reached.
pub const AWAY: &str = "https://example.org/a\\\"b\"\nc";

struct Away;

impl Sink for Away {
    fn name(&self) -> Arc<str> {
        AWAY.into()
    }

    fn batch(&self) -> usize {
        3
    }

    fn tell(&mut self, _: &[Told]) -> Outcome {
        Outcome { taken: 0, trouble: Some(Trouble::Later { what: "refused".to_owned(), after: None }) }
    }
}

/// While it is closed, nothing is read and nothing is synced: whoever wants to waits.
#[derive(Clone, Default)]
pub struct Shut(Arc<(Mutex<bool>, Condvar)>);

impl Shut {
    pub fn close(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    pub fn open(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let mut closed = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *closed {
            closed = self.0.1.wait(closed).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct Hanging {
    inner: Arc<dyn Disk>,
    shut: Shut,
}

struct HangingTail {
    inner: Box<dyn Append>,
    shut: Shut,
}

impl Disk for Hanging {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        if file.starts_with("given-") {
            self.shut.wait();
        }
        self.inner.read(file)
    }

    fn read_at(&self, file: &str, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        self.inner.read_at(file, at, bytes)
    }

    fn bytes(&self, file: &str) -> io::Result<u64> {
        self.inner.bytes(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, file: &str) -> io::Result<()> {
        self.inner.remove(file)
    }

    fn create(&self, file: &str) -> io::Result<Box<dyn Append>> {
        Ok(Box::new(HangingTail { inner: self.inner.create(file)?, shut: self.shut.clone() }))
    }

    fn reopen(&self, file: &str, bytes: u64) -> io::Result<Box<dyn Append>> {
        Ok(Box::new(HangingTail { inner: self.inner.reopen(file, bytes)?, shut: self.shut.clone() }))
    }

    fn write_at(&self, file: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(file, at, bytes)
    }

    fn replace(&self, file: &str, content: &[u8]) -> io::Result<()> {
        self.inner.replace(file, content)
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        self.inner.lock()
    }
}

impl Append for HangingTail {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.append(bytes)
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.inner.cut(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.shut.wait();
        self.inner.sync()
    }
}
