//! Runs of live inputs by a clock that a script moves.
//!
//! A line of a script is an instant, and the input and record that come then: `2026-01-05T00:00:10Z rows {…}`. Before the
//! next line the run has taken everything in: it has looked at the clock several times and found nothing to do. After
//! the last line the run is stopped, or its inputs end where the script says `end`.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use chrono::DateTime;
use libtest_mimic::Failed;
use tripline::port::{Clock, Input, InputBytes};
use tripline::record::EventTime;

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(5);

/// What comes when.
#[derive(Clone)]
pub struct Script {
    steps: Vec<Step>,
    ends: bool,
}

#[derive(Clone)]
struct Step {
    now: EventTime,
    /// The input's name and the record.
    record: Option<(String, String)>,
}

impl Script {
    pub fn parse(text: &str) -> Result<Self, Failed> {
        let mut script = Self { steps: Vec::new(), ends: false };
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if line == "end" {
                script.ends = true;
                continue;
            }
            let mut words = line.splitn(3, ' ');
            let now = words.next().unwrap_or_default();
            let now = DateTime::parse_from_rfc3339(now).map_err(|error| format!("script: {now}: {error}"))?;
            let record = words.next().zip(words.next()).map(|(input, record)| (input.to_owned(), record.to_owned()));
            script.steps.push(Step { now: EventTime(now.timestamp_micros()), record });
        }
        Ok(script)
    }

    /// The clock at the first line, and inputs of these names. The calling thread has to be the one that runs.
    pub fn stage(&self, names: &[String]) -> Stage {
        let start = self.steps.first().map_or(0, |step| step.now.0);
        let clock = Arc::new(ScriptClock {
            now: AtomicI64::new(start),
            run: thread::current().id(),
            looks: AtomicU64::new(0),
            arrivals: AtomicU64::new(0),
        });
        let mut stage = Stage { clock, inputs: Vec::new(), senders: BTreeMap::new(), stop: Arc::default() };
        for name in names {
            let (sender, records) = channel();
            stage.senders.insert(name.clone(), sender);
            let input = ScriptInput { name: name.as_str().into(), records: Mutex::new(Some(records)) };
            stage.inputs.push(Arc::new(input));
        }
        stage
    }
}

/// What a run needs to play a script.
pub struct Stage {
    pub clock: Arc<ScriptClock>,
    pub inputs: Vec<Arc<dyn Input>>,
    pub stop: Arc<AtomicBool>,
    senders: BTreeMap<String, Sender<String>>,
}

impl Stage {
    /// Plays the script on another thread while `run` runs on this one.
    pub fn play<T>(self, script: &Script, run: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
        let Self { clock, senders, stop, inputs } = self;
        let script = script.clone();
        let played = thread::spawn(move || {
            let played = script.steps.iter().try_for_each(|step| step.play(&clock, &senders));
            if !script.ends || played.is_err() {
                stop.store(true, Ordering::Relaxed);
                // An input that ended would end the run otherwise than stopping does.
                std::mem::forget(senders);
            }
            played
        });
        let outcome = run();
        drop(inputs);
        played.join().map_err(|_| "the script has panicked")??;
        outcome
    }
}

impl Step {
    fn play(&self, clock: &ScriptClock, senders: &BTreeMap<String, Sender<String>>) -> Result<(), String> {
        clock.now.store(self.now.0, Ordering::SeqCst);
        clock.settled(senders.len())?;
        let Some((input, record)) = &self.record else { return Ok(()) };
        let before = clock.arrivals.load(Ordering::SeqCst);
        let sender = senders.get(input).ok_or_else(|| format!("script: no input {input}"))?;
        sender.send(format!("{record}\n")).map_err(|_| format!("script: {input} is not read any more"))?;
        wait("the record was not read", || clock.arrivals.load(Ordering::SeqCst) > before)?;
        clock.settled(senders.len())
    }
}

fn wait(what: &str, done: impl Fn() -> bool) -> Result<(), String> {
    let since = Instant::now();
    while !done() {
        if since.elapsed() > PATIENCE {
            return Err(format!("script: {what}"));
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Shows the script's time, and counts who looks.
pub struct ScriptClock {
    now: AtomicI64,
    run: ThreadId,
    /// By the thread that runs: it has nothing else to do.
    looks: AtomicU64,
    /// By the inputs' threads: once for each batch that has come.
    arrivals: AtomicU64,
}

impl ScriptClock {
    /// Waits until the run has looked at the clock often enough to have done all there is to do.
    fn settled(&self, inputs: usize) -> Result<(), String> {
        let enough = self.looks.load(Ordering::SeqCst) + 2 * inputs as u64 + 1;
        wait("the run does not look at the clock", || self.looks.load(Ordering::SeqCst) >= enough)
    }
}

impl Clock for ScriptClock {
    fn now(&self) -> EventTime {
        let by_run = thread::current().id() == self.run;
        let now = EventTime(self.now.load(Ordering::SeqCst));
        let counter = if by_run { &self.looks } else { &self.arrivals };
        counter.fetch_add(1, Ordering::SeqCst);
        now
    }
}

/// An input whose records come when the script says so.
struct ScriptInput {
    name: Arc<str>,
    records: Mutex<Option<Receiver<String>>>,
}

impl Input for ScriptInput {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn size_bytes(&self) -> Option<u64> {
        None
    }

    fn open(&self) -> io::Result<InputBytes> {
        let records = self.records.lock().map_err(|_| io::Error::other("a reader has panicked"))?.take();
        let records = records.ok_or_else(|| io::Error::other("it can be read only once"))?;
        Ok(InputBytes::Stream(Box::new(ScriptBytes { records, left: io::Cursor::default() })))
    }
}

struct ScriptBytes {
    records: Receiver<String>,
    left: io::Cursor<Vec<u8>>,
}

impl Read for ScriptBytes {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.left.read(into)? {
            0 => {}
            read => return Ok(read),
        }
        let Ok(record) = self.records.recv() else { return Ok(0) };
        self.left = io::Cursor::new(record.into_bytes());
        self.left.read(into)
    }
}
