//! From a record to the alert that it makes certain: records come at a fixed rate, whatever the run does (open loop), and scans and
//! attempts to log in are among them, the last record of each noted. `cargo bench --bench delay -- FILE [rows a second] [seconds]`.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use serde_json::{Value as Json, json};
use tripline::adapter::local::clock::SystemClock;
use tripline::adapter::local::{Embedded, LocalDisk, LocalSpill};
use tripline::plan::{self, ResolveOptions};
use tripline::port::RowWriter;
use tripline::port::subscription::{Delivered, Receipt, Subscription};
use tripline::record::{EventTime, Micros};
use tripline::runtime::live::{LiveOptions, Outbox, Session, live};
use tripline::runtime::outlet::{AlertFormat, Outlets};
use tripline::runtime::run::Progress;

/// Messages a second; at most so many are taken at once.
const MESSAGES_A_SECOND: usize = 200;
const TAKEN: usize = 64;
/// One attack of each kind begins after so many records of the file.
const RECORDS_BETWEEN: usize = 5_000;

/// Rule, and how many records it needs.
const KINDS: [(&str, usize); 3] = [("net.scan.vertical", 100), ("net.scan.horizontal", 100), ("net.bruteforce", 300)];

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let file = arguments.next().context("cargo bench --bench delay -- FILE [rows a second] [seconds]")?;
    let rate: usize = arguments.next().map_or(Ok(20_000), |rate| rate.parse())?;
    let seconds: usize = arguments.next().map_or(Ok(30), |seconds| seconds.parse())?;
    let loaded = tripline::definition::load(&Embedded);
    let plan = plan::resolve(&loaded.project, ResolveOptions { as_of: EventTime(0) }).plan;
    let source = plan.sources.iter().position(|source| source.name == "netlog").context("no source")?;
    let text = std::fs::read_to_string(&file)?;
    let (records, last) = with_attacks(&text, rate * seconds)?;
    let messages: VecDeque<String> = records.chunks(rate / MESSAGES_A_SECOND).map(|part| part.join("\n")).collect();
    let of_message = |record: usize| record / (rate / MESSAGES_A_SECOND);
    println!("{} records, {rate} a second in {MESSAGES_A_SECOND} messages, {} attacks", records.len(), last.len());

    let folder = tempfile::tempdir_in(".")?;
    let session = Session::open(Arc::new(LocalDisk::new(folder.path())), "bench", &[], &["bench".to_owned()])?;
    let told = Told::default();
    let alerts: Box<dyn Write + Send> = Box::new(told.clone());
    let mut out = Outlets::new(&plan, &[], Some((alerts, AlertFormat::Json)), &no_taps)?;
    let mut outbox = Outbox::new(session, &mut out, None, &[])?;
    let left = Arc::new(AtomicUsize::new(messages.len()));
    let begun = Instant::now() + Duration::from_millis(500);
    let queue = Queue { begun, given: 0, messages, left: Arc::clone(&left) };
    let mut options = LiveOptions::new(vec![(source, Box::new(queue) as Box<dyn Subscription>)], Arc::new(SystemClock));
    options.spill = Some(Arc::new(LocalSpill::default()));
    options.hold = Micros(0);
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let watch = thread::spawn(move || {
        while left.load(Ordering::Relaxed) > 0 {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(200));
        flag.store(true, Ordering::Relaxed);
    });
    live(plan, options, &mut outbox, &Silent, &stop)?;
    watch.join().map_err(|_| anyhow!("the watch died"))?;

    let told = told.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut delays: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut missed = 0;
    for ((rule, who), record) in &last {
        match told.0.get(&((*rule).to_owned(), who.clone())) {
            Some(at) => {
                let came = begun + due(of_message(*record));
                delays.entry(rule).or_default().push(at.saturating_duration_since(came).as_secs_f64() * 1e3);
            }
            None => missed += 1,
        }
    }
    println!("{missed} attacks were not told of");
    for (rule, mut delays) in delays {
        delays.sort_by(f64::total_cmp);
        let part = |part: usize| delays.get((delays.len() * part / 100).min(delays.len() - 1)).copied().unwrap_or(0.0);
        println!(
            "{rule}: {} alerts, from record to alert p50 {:.0} ms, p90 {:.0} ms, p99 {:.0} ms, most {:.0} ms",
            delays.len(),
            part(50),
            part(90),
            part(99),
            part(100)
        );
    }
    Ok(())
}

/// When a message comes, after the first.
fn due(message: usize) -> Duration {
    Duration::from_secs_f64(message as f64 / MESSAGES_A_SECOND as f64)
}

/// Which record of which source makes a rule's condition true.
type Last = HashMap<(&'static str, String), usize>;

/// Records of the file, with attacks of unique sources among them, at the times of the records beside them.
fn with_attacks(text: &str, count: usize) -> anyhow::Result<(Vec<String>, Last)> {
    let (mut records, mut last) = (Vec::with_capacity(count), HashMap::new());
    let mut lines = text.lines();
    // Attacks under way: (kind, source, records so far), one record of each beside every fifth of the file.
    let mut under_way: Vec<(usize, String, usize)> = Vec::new();
    let (mut of_file, mut attacks) = (0usize, 0usize);
    while records.len() < count {
        let line = lines.next().context("the file has too few records")?;
        records.push(line.to_owned());
        of_file += 1;
        if of_file % RECORDS_BETWEEN == 0 {
            for kind in 0..KINDS.len() {
                attacks += 1;
                under_way.push((kind, format!("198.18.{}.{}", attacks / 250, 1 + attacks % 250), 0));
            }
        }
        if of_file % 5 > 0 || under_way.is_empty() {
            continue;
        }
        let beside: Json = serde_json::from_str(line)?;
        for (kind, source, done) in &mut under_way {
            let (rule, needs) = KINDS[*kind];
            let n = *done;
            let (dst, port) = match *kind {
                0 => ("10.200.0.1".to_owned(), 1_000 + n),
                1 => (format!("10.200.{}.{}", 1 + n / 250, 1 + n % 250), 445),
                _ => ("10.200.0.2".to_owned(), 22),
            };
            let answered = *kind == 2;
            let record = json!({
                "subscriberId": "S-attack", "srcIP": source, "dstIP": dst, "srcPort": 40_000 + n, "dstPort": port,
                "txBytes": if answered { 1_900 } else { 60 }, "rxBytes": if answered { 2_300 } else { 0 },
                "tcpFlag": if answered { 27 } else { 2 }, "startTime": beside["endTime"], "endTime": beside["endTime"],
                "timestamp": beside["timestamp"], "protocolName": "TCP", "protocolNumber": 6
            });
            records.push(record.to_string());
            *done += 1;
            if *done == needs {
                last.insert((rule, source.clone()), records.len() - 1);
            }
        }
        under_way.retain(|(kind, _, done)| *done < KINDS[*kind].1);
    }
    last.retain(|_, record| *record < count);
    records.truncate(count);
    Ok((records, last))
}

/// When which rule told of which source first.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<(Firsts, Vec<u8>)>>);

/// By rule and source.
type Firsts = HashMap<(String, String), Instant>;

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, line) = &mut *told;
        line.extend_from_slice(bytes);
        if line.ends_with(b"\n") {
            let alert: Json = serde_json::from_slice(line).unwrap_or_default();
            let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
            told.entry((text(&alert["rule"]), text(&alert["key"]["src_ip"]))).or_insert_with(Instant::now);
            line.clear();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn no_taps(_: &str, _: datafusion::arrow::datatypes::SchemaRef) -> io::Result<Box<dyn RowWriter>> {
    Err(io::Error::other("no taps"))
}

struct Silent;

impl Progress for Silent {
    fn advanced(&self, _: u64, _: u64, _: u64) {}
}

struct Queue {
    begun: Instant,
    given: usize,
    messages: VecDeque<String>,
    left: Arc<AtomicUsize>,
}

impl Subscription for Queue {
    fn name(&self) -> Arc<str> {
        "bench".into()
    }

    fn receive(&mut self, patience: Duration) -> io::Result<Vec<Delivered>> {
        let now = Instant::now().saturating_duration_since(self.begun);
        let mut delivered = Vec::new();
        while delivered.len() < TAKEN && due(self.given) <= now && Instant::now() >= self.begun {
            let Some(message) = self.messages.pop_front() else { break };
            delivered.push(Delivered {
                id: self.given.to_string(),
                published: EventTime(i64::MAX / 4),
                data: message.into_bytes(),
                attributes: std::collections::HashMap::new(),
                ordering_key: String::new(),
                receipt: Box::new(Lease(Arc::clone(&self.left))),
            });
            self.given += 1;
        }
        if delivered.is_empty() {
            thread::sleep(patience.min(Duration::from_millis(1)));
        }
        Ok(delivered)
    }
}

struct Lease(Arc<AtomicUsize>);

impl Receipt for Lease {
    fn acknowledge(self: Box<Self>) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
