//! A run over subscriptions beside a run over a file of the same lines, with the pack: what the log costs, how long a snapshot
//! takes, and how long a start. `cargo bench --bench daemon -- FILE [lines of a message]`.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use tripline::adapter::local::clock::SystemClock;
use tripline::adapter::local::{Embedded, LocalDisk, LocalSpill, MemoryInput};
use tripline::plan::{self, Plan, ResolveOptions};
use tripline::port::RowWriter;
use tripline::port::subscription::{Delivered, Receipt, Subscription};
use tripline::record::{EventTime, Micros};
use tripline::runtime::live::{Keeping, LiveOptions, Logged, Outbox, Session, live};
use tripline::runtime::outlet::{AlertFormat, Outlets};
use tripline::runtime::run::{Progress, RunOptions, run};

const MESSAGES: usize = 64;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let file = arguments.next().context("cargo bench --bench daemon -- FILE [lines of a message]")?;
    let lines: usize = arguments.next().map_or(Ok(100), |lines| lines.parse())?;
    let loaded = tripline::definition::load(&Embedded);
    let plan = plan::resolve(&loaded.project, ResolveOptions { as_of: EventTime(0) }).plan;
    let source = plan.sources.iter().position(|source| source.name == "netlog").context("no source")?;
    let text = std::fs::read(&file)?;
    let rows = text.iter().filter(|byte| **byte == b'\n').count();
    let mega = |bytes: u64| bytes as f64 / 1e6;
    println!("{rows} lines, {lines} a message");

    let options = RunOptions {
        inputs: vec![(source, Arc::new(MemoryInput::new("lines", text.clone())))],
        live: None,
        threads: 1,
        generation: "bench".to_owned(),
        fault: None,
        watch: None,
        history: None,
        spill: Some(Arc::new(LocalSpill::default())),
    };
    let mut out = Outlets::new(&plan, &[], Some((Box::new(io::sink()), AlertFormat::Json)), &no_taps)?;
    let begun = Instant::now();
    run(&plan, &options, &mut out, &Silent, &AtomicBool::new(false)).map_err(|error| anyhow!("{error}"))?;
    let alone = begun.elapsed();
    println!("a run over a file: {alone:.2?}, {:.0} rows/s", rows as f64 / alone.as_secs_f64());

    let messages = messages(&text, lines);
    for (what, snapshots) in [("no snapshots", u64::MAX), ("a snapshot each 1,000,000 rows", 1_000_000)] {
        let folder = tempfile::tempdir_in(".")?;
        let bench = Bench { plan: &plan, source, folder: folder.path(), snapshots };
        let (took, logged) = bench.start(&messages)?;
        println!(
            "with the log, {what}: {took:.2?}, {:.0} rows/s, {:.0} % of the run over a file; {} entries, {:.1} MB; {} snapshots, \
             the last of {:.1} MB, the longest took {:.2} s",
            rows as f64 / took.as_secs_f64(),
            100.0 * alone.as_secs_f64() / took.as_secs_f64(),
            logged.entries,
            mega(logged.bytes),
            logged.snapshots,
            mega(logged.snapshot_bytes),
            logged.snapshot_micros_max as f64 / 1e6
        );
        let (took, logged) = bench.start(&[])?;
        println!("started again with its snapshot: {took:.2?}, {} entries read again", logged.recovered_entries);
        for file in std::fs::read_dir(folder.path())? {
            let file = file?.path();
            if file.extension().is_some_and(|extension| extension == "snapshot") && snapshots == u64::MAX {
                std::fs::remove_file(file)?;
            }
        }
        if snapshots == u64::MAX {
            let (took, logged) = bench.start(&[])?;
            println!("started again without one: {took:.2?}, {} entries read again", logged.recovered_entries);
        }
    }
    Ok(())
}

fn no_taps(_: &str, _: datafusion::arrow::datatypes::SchemaRef) -> io::Result<Box<dyn RowWriter>> {
    Err(io::Error::other("no taps"))
}

struct Silent;

impl Progress for Silent {
    fn advanced(&self, _: u64, _: u64, _: u64) {}
}

struct Bench<'a> {
    plan: &'a Plan,
    source: usize,
    folder: &'a std::path::Path,
    snapshots: u64,
}

impl Bench<'_> {
    /// From the start until all is acknowledged, and put out.
    fn start(&self, messages: &[Vec<u8>]) -> anyhow::Result<(Duration, Logged)> {
        let begun = Instant::now();
        let names = ["bench".to_owned()];
        let session = Session::open(Arc::new(LocalDisk::new(self.folder)), "bench", &[], &names)?;
        let alerts: Box<dyn Write + Send> = Box::new(io::sink());
        let mut out = Outlets::new(self.plan, &[], Some((alerts, AlertFormat::Json)), &no_taps)?;
        let mut outbox = Outbox::new(session, &mut out, None, &[])?;
        let left = Arc::new(AtomicUsize::new(messages.len()));
        let waiting = Arc::new(Mutex::new((0u64.., messages.to_vec().into())));
        let asked = Arc::new(AtomicBool::new(false));
        let queue = Queue { waiting, left: Arc::clone(&left), asked: Arc::clone(&asked) };
        let queues: Vec<(usize, Box<dyn Subscription>)> = vec![(self.source, Box::new(queue))];
        let mut options = LiveOptions::new(queues, Arc::new(SystemClock));
        options.spill = Some(Arc::new(LocalSpill::default()));
        options.hold = Micros(0);
        options.keeping = Keeping { rows: self.snapshots, every: Micros(i64::MAX / 4), ..Keeping::default() };
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let watch = thread::spawn(move || {
            while !asked.load(Ordering::Relaxed) || left.load(Ordering::Relaxed) > 0 {
                thread::sleep(Duration::from_millis(5));
            }
            let took = begun.elapsed();
            flag.store(true, Ordering::Relaxed);
            took
        });
        let (_, logged) = live(self.plan.clone(), options, &mut outbox, &Silent, &stop)?;
        let took = watch.join().map_err(|_| anyhow!("the watch died"))?;
        Ok((took, logged))
    }
}

fn messages(text: &[u8], lines: usize) -> Vec<Vec<u8>> {
    let all: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    all.chunks(lines.max(1)).map(<[&[u8]]>::concat).collect()
}

type Waiting = (std::ops::RangeFrom<u64>, VecDeque<Vec<u8>>);

struct Queue {
    waiting: Arc<Mutex<Waiting>>,
    left: Arc<AtomicUsize>,
    asked: Arc<AtomicBool>,
}

impl Subscription for Queue {
    fn name(&self) -> Arc<str> {
        "bench".into()
    }

    fn receive(&mut self, patience: Duration) -> io::Result<Vec<Delivered>> {
        self.asked.store(true, Ordering::Relaxed);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (ids, messages) = &mut *waiting;
        let taken = messages.len().min(MESSAGES);
        if taken == 0 {
            thread::sleep(patience.min(Duration::from_millis(1)));
        }
        let taken: Vec<Vec<u8>> = messages.drain(..taken).collect();
        let delivered = ids.zip(taken).map(|(id, data)| Delivered {
            id: id.to_string(),
            published: EventTime(i64::MAX / 4),
            data,
            attributes: std::collections::HashMap::new(),
            ordering_key: String::new(),
            receipt: Box::new(Lease(Arc::clone(&self.left))),
        });
        Ok(delivered.collect())
    }
}

struct Lease(Arc<AtomicUsize>);

impl Receipt for Lease {
    fn acknowledge(self: Box<Self>) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
