//! A run and a history, proved equal with random rows: what a run gives over all inputs is what the days of a backfill give
//! together, row by row and id by id, whatever was late, however the rows were spread over files, parts and ingests.

mod asked;
mod commands;
mod kill;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use libtest_mimic::{Failed, Trial};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;
use tripline::adapter::local::{LocalStore, MemoryInput, output};
use tripline::history::{History, HistoryError, PartLimits};
use tripline::pipeline::graph::Fault;
use tripline::plan::Plan;
use tripline::port::{Input, Store};
use tripline::record::{Day, Micros, flow};
use tripline::runtime::backfill::{BackfillOptions, BackfillReport, DayProgress, DayReport, Outcome, backfill, causes};
use tripline::runtime::ingest::{IngestOptions, IngestReport, ingest};
use tripline::runtime::outlet::Outlets;
use tripline::runtime::replay::{LocalDays, relations};
use tripline::runtime::report::RunReport;
use tripline::runtime::run::{Progress, RunOptions, run};

use super::arrival::{self, Flow, MINUTE, SECOND};
use super::plan_of;
use super::random::Random;

const SEEDS: u64 = 60;
const SEEDS_A_TRIAL: u64 = 30;
const HOUR: i64 = 60 * MINUTE;

type Outcomes = Result<(), Failed>;

pub fn cases() -> Vec<Trial> {
    let mut trials: Vec<Trial> = (0..SEEDS / SEEDS_A_TRIAL)
        .map(|part| {
            let first = part * SEEDS_A_TRIAL;
            Trial::test(format!("history::seeds_from_{first:02}"), move || seeds(first..first + SEEDS_A_TRIAL))
        })
        .collect();
    trials.push(Trial::test("history::a_planted_fault_is_noticed", faults_are_noticed));
    trials.push(Trial::test("history::one_ingest_a_file_is_as_one_for_all", one_ingest_a_file));
    trials.extend(asked::cases());
    trials.extend(commands::cases());
    trials.extend(kill::cases());
    trials
}

/// A project with random windows over minutes to hours, and a rule over flows in every second.
pub struct Scene {
    pub plan: Plan,
    pub lateness: i64,
}

impl Scene {
    pub fn new(random: &mut Random, over_flows: bool) -> Result<Self, Failed> {
        let lateness = *random.pick(&[0, 30 * SECOND, 10 * MINUTE, 2 * HOUR]);
        let mut hop = |steps: i64| {
            let every = *random.pick(&[MINUTE, 10 * MINUTE, HOUR, 5 * HOUR]);
            (every * random.between(1, steps), every)
        };
        let (narrow, other) = (hop(6), hop(4));
        let every = narrow.1 * random.between(1, 3);
        let long = (every * random.between(1, 3), every);
        let max = *random.pick(&[HOUR, 5 * HOUR, 24 * HOUR, 31 * HOUR]);
        let gap = *random.pick(&[MINUTE, 20 * MINUTE, HOUR]);
        let max_gap = *random.pick(&[MINUTE, HOUR, 30 * HOUR]);
        let expire = other.1 * random.between(1, 9) + random.between(0, 1) * random.between(0, other.1 - 1);
        let text = project(lateness, narrow, other, long, [gap, max, max_gap].map(Micros), expire, over_flows);
        let mut plan = plan_of(&text)?;
        plan.evidence_rows = 0;
        Ok(Self { plan, lateness })
    }

    /// Rows over up to three days.
    pub fn flows(&self, random: &mut Random) -> Vec<Flow> {
        let span = *random.pick(&[2 * HOUR, 26 * HOUR, 50 * HOUR]);
        let count = 40 + random.below(160);
        arrival::flows(random, count, span)
    }
}

fn project(
    lateness: i64,
    narrow: (i64, i64),
    other: (i64, i64),
    long: (i64, i64),
    [gap, max, max_gap]: [Micros; 3],
    expire: i64,
    over_flows: bool,
) -> String {
    let (long_size, max_age, other_age) = (Micros(long.0), Micros(3 * long.1), Micros(2 * other.1));
    let window = |(size, every): (i64, i64)| format!("{{size: {}, every: {}}}", Micros(size), Micros(every));
    let expire = Micros(expire);
    let (narrow, other, long, lateness) = (window(narrow), window(other), window(long), Micros(lateness));
    let mut text = format!(
        "--- tripline.yaml
name: history
--- sql/netlog/source.yaml
source: netlog
format: json
columns:
  time: {{type: TIMESTAMP, field: at, decode: micros}}
  sub: STRING
  ip: STRING
  port: INT64
  tx: INT64
  lat: FLOAT64
  nr: INT64
event_time: time
lateness: {lateness}
dedupe: [nr, time]
--- sql/netlog/flows.sql
SELECT time AS end_time, sub AS subscriber_id, ip AS src_ip, port AS dst_port, tx AS tx_bytes, lat AS latitude
FROM netlog
WHERE COALESCE(port, 0) != 65535
--- features/by_subscriber.yaml
feature: by_subscriber
from: flows
key: [subscriber_id]
window: {narrow}
columns:
  flows: COUNT(*)
  ports: COUNT(DISTINCT dst_port)
  sum_bytes: SUM(tx_bytes)
  mean_bytes: AVG(tx_bytes)
  north: SUM(latitude)
  some_ip: ANY_VALUE(src_ip)
--- features/by_service.yaml
feature: by_service
from: flows
where: tx_bytes > 100
key: [src_ip, dst_port]
window: {other}
columns:
  flows: COUNT(*)
  most: MAX(tx_bytes)
--- features/everybody.yaml
feature: everybody
from: flows
key: []
window: {narrow}
columns:
  flows: COUNT(*)
--- features/over.yaml
feature: over
from: by_subscriber
key: [subscriber_id]
window: {long}
columns:
  windows: COUNT(*)
  flows: SUM(flows)
  spread: STDDEV_SAMP(flows)
--- features/before.yaml
feature: before
from: by_subscriber
row: {{much: flows > 2}}
trailing:
  own: {{key: [subscriber_id, much], size: {long_size}, columns: {{rows: COUNT(*), spread: STDDEV_SAMP(flows)}}}}
  all: {{key: [], size: 90m, columns: {{levels: COUNT(DISTINCT flows), most: MAX(ports)}}}}
derive: {{ratio: 'SAFE_DIVIDE(flows, own_rows)'}}
--- features/visits.yaml
feature: visits
from: flows
key: [subscriber_id]
window: {{session_gap: {gap}, max: {max}}}
columns:
  flows: COUNT(*)
  ports: COUNT(DISTINCT dst_port)
  sum_bytes: SUM(tx_bytes)
--- features/pauses.yaml
feature: pauses
from: flows
previous: {{columns: [event_time, tx_bytes], max_gap: {max_gap}}}
row: {{pause: 'TIMESTAMP_DIFF(event_time, previous_event_time, MICROSECOND)'}}
where: dst_port != 22
key: [src_ip]
window: {other}
columns:
  flows: COUNT(*)
  pauses: COUNT(pause)
  longest: MAX(pause)
  before: SUM(previous_tx_bytes)
--- features/kept_up.yaml
feature: kept_up
from: flows
where: dst_port != 22
key: [src_ip]
window: {other}
columns:
  flows: COUNT(*)
  bytes: SUM(tx_bytes)
  most: MAX(tx_bytes)
fill: zero
expire: {expire}
--- features/idle.yaml
feature: idle
from: kept_up
trailing:
  own: {{key: [src_ip], size: {long_size}, columns: {{rows: COUNT(*), silent: COUNTIF(flows = 0), mean: AVG(bytes)}}}}
--- features/stretches.yaml
feature: stretches
from: pauses
previous: {{columns: [flows], max_gap: {max}}}
key: [src_ip]
window: {{session_gap: {max_gap}, max: 31h}}
columns:
  windows: COUNT(*)
  before: SUM(previous_flows)
--- rules/visited.yaml
rule: visited
title: Visited
description: A long visit
status: stable
severity: low
owner: tests
sql: SELECT * FROM visits WHERE flows >= 3
alert: {{title: 'visited', key: [subscriber_id], merge_within: 3h}}
runbook: Look.
--- features/recent.yaml
feature: recent
from: by_subscriber
join:
  - {{feature: over, as: o, as_of: window_start, max_age: {max_age}}}
  - {{feature: by_service, as: s, match: {{some_ip: src_ip, ports: dst_port}}, as_of: window_end, max_age: {other_age}}}
key: [subscriber_id]
window: {long}
columns:
  rows: COUNT(*)
  windows: SUM(o.windows)
  most: MAX(s.most)
--- rules/busy.yaml
rule: busy
title: Busy
description: A busy subscriber among others
status: stable
severity: low
owner: tests
join:
  - {{feature: everybody, as: a, window: same, missing: {{flows: 0}}}}
  - {{feature: over, as: o, as_of: window_start, max_age: {max_age}}}
sql: SELECT *, a.flows AS all_flows, o.spread AS spread_before FROM by_subscriber WHERE flows >= 2 AND a.flows >= 3
entities: [{{type: user, column: subscriber_id, role: actor}}]
score: {{value: 'LEAST(1.0, flows / 10)', weight: 0.5}}
alert: {{title: 'busy', key: [subscriber_id], merge_within: 2h}}
runbook: Look.
--- features/chain.yaml
feature: chain
from: hits(busy, served)
key: [rule, src_ip]
window: {{size: 2h, every: 30m}}
columns:
  hits: COUNT(*)
  actors: COUNT(DISTINCT actor)
  worth: SUM(score * weight)
  since: MIN(event_time)
--- features/opened.yaml
feature: opened
from: alerts(busy, served)
key: [rule, src_ip]
window: {{size: 2h, every: 30m}}
columns:
  alerts: COUNT(*)
  since: MIN(event_time)
  ids: STRING_AGG(hit_id ORDER BY hit_id LIMIT 5)
--- rules/reopened.yaml
rule: reopened
title: Reopened
description: An incident began
status: stable
severity: low
owner: tests
sql: SELECT * FROM opened WHERE alerts >= 1
alert: {{title: 'reopened', key: [rule], merge_within: 1h}}
runbook: Look.
--- features/told.yaml
feature: told
from: alerts(often, reopened)
key: [rule]
window: {{size: 90m, every: 30m}}
columns:
  alerts: COUNT(*)
  since: MIN(event_time)
  ids: STRING_AGG(hit_id ORDER BY hit_id LIMIT 5)
--- rules/often.yaml
rule: often
title: Often
description: Hits of a rule that come often
status: stable
severity: low
owner: tests
join:
  - {{feature: chain, as: b, as_of: window_start, max_age: 1h}}
sql: SELECT *, b.hits AS hits_before FROM chain WHERE hits >= 2
alert: {{title: 'often', key: [rule], merge_within: 1h}}
runbook: Look.
--- rules/served.yaml
rule: served
title: Served
description: A service in use
status: stable
severity: low
owner: tests
sql: SELECT * FROM by_service WHERE flows >= 2
alert: {{title: 'served', key: [src_ip], merge_within: 1d}}
runbook: Look.
"
    );
    if over_flows {
        text.push_str(
            "--- rules/login.yaml
rule: login
title: Login
description: A flow to port 22
status: stable
severity: low
owner: tests
sql: SELECT * FROM flows WHERE COALESCE(dst_port, 0) = 22
alert: {title: 'login', key: [src_ip], merge_within: 3h}
runbook: Look.
",
        );
    }
    text
}

pub fn record(flow: &Flow) -> serde_json::Value {
    serde_json::json!({
        "at": flow.time, "sub": flow.subscriber_id, "ip": flow.src_ip, "port": flow.dst_port, "tx": flow.tx_bytes,
        "lat": flow.latitude, "nr": flow.row_id,
    })
}

/// Rows as JSON lines; now and then a record that is refused, and one that comes twice.
pub fn input(random: &mut Random, name: &str, flows: &[Flow]) -> Arc<dyn Input> {
    let mut text = String::new();
    for flow in flows {
        let record = record(flow);
        let times = if random.one_in(20) { 2 } else { 1 };
        (0..times).for_each(|_| text.push_str(&format!("{record}\n")));
        if random.one_in(30) {
            text.push_str("{\"at\": \"never\"}\n");
        }
    }
    Arc::new(MemoryInput::new(name, text.into_bytes()))
}

pub struct Silent;

impl Progress for Silent {
    fn advanced(&self, _: u64, _: u64, _: u64) {}
}

impl DayProgress for Silent {
    fn finished(&self, _: &DayReport) {}
}

/// What was said of each relation, as sorted lines.
pub type Said = BTreeMap<String, Vec<String>>;

/// A run over all inputs.
fn played(plan: &Plan, inputs: &[Arc<dyn Input>]) -> Result<(Said, RunReport), Failed> {
    played_after(plan, inputs, None)
}

/// The same, after what is in a history.
pub fn played_after(
    plan: &Plan,
    inputs: &[Arc<dyn Input>],
    history: Option<Arc<History>>,
) -> Result<(Said, RunReport), Failed> {
    let folder = TempDir::new()?;
    let mut shown = plan.clone();
    let mut names: Vec<String> = relations(plan).into_iter().filter(|name| name != "alerts").collect();
    names.extend([flow::FLOWS.to_owned(), flow::LATE.to_owned()]);
    shown.show(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let file = |name: &str| folder.path().join(format!("{name}.parquet"));
    let taps: Vec<(String, String)> =
        names.iter().map(|name| (name.clone(), file(name).display().to_string())).collect();
    let mut out = Outlets::new(&shown, &taps, None, &output::row_writer)?;
    out.kept_alerts = Some(Vec::new());
    let inputs = inputs.iter().map(|input| (0, Arc::clone(input))).collect();
    let options = RunOptions {
        inputs,
        live: None,
        threads: 1,
        generation: "g".to_owned(),
        fault: None,
        watch: None,
        history,
        spill: None,
    };
    let report = run(&shown, &options, &mut out, &Silent, &AtomicBool::new(false))?;
    report.verify()?;
    let mut said = Said::new();
    for name in &names {
        said.insert(name.clone(), lines(&file(name))?);
    }
    let mut alerts: Vec<String> =
        out.kept_alerts.take().unwrap_or_default().iter().map(|alert| alert.json().to_string()).collect();
    alerts.sort();
    said.insert("alerts".to_owned(), alerts);
    Ok((said, report))
}

/// The rows of a Parquet file, sorted; of alerts their records.
fn lines(path: &Path) -> Result<Vec<String>, Failed> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path)?)?.build()?;
    let mut lines = Vec::new();
    for batch in reader {
        let batch = batch?;
        let options = FormatOptions::default().with_null("NULL");
        let columns = batch.schema_ref().fields().iter().zip(batch.columns());
        let columns = columns.filter(|(field, _)| batch.column_by_name("record").is_none() || field.name() == "record");
        let columns: Vec<_> = columns
            .map(|(field, array)| Ok((field.name().clone(), ArrayFormatter::try_new(array.as_ref(), &options)?)))
            .collect::<Result<_, Failed>>()?;
        for row in 0..batch.num_rows() {
            let record = columns.len() == 1;
            let cells = columns.iter().map(|(name, array)| match record {
                true => array.value(row).to_string(),
                false => format!("{name}={} ", array.value(row)),
            });
            lines.push(cells.collect::<String>());
        }
    }
    lines.sort();
    Ok(lines)
}

pub fn ingested(
    plan: &Plan,
    store: Arc<dyn Store>,
    inputs: &[Arc<dyn Input>],
    again: bool,
    limits: PartLimits,
) -> Result<IngestReport, Failed> {
    let mut shown = plan.clone();
    let features = plan.features.iter().map(|feature| feature.name.as_str());
    shown.show(&features.chain([flow::FLOWS]).collect::<Vec<_>>());
    let mut history = patiently(|| History::write(Arc::clone(&store)))?;
    let inputs = inputs.iter().map(|input| (0, Arc::clone(input))).collect();
    let options = IngestOptions { inputs, threads: 1, generation: "g".to_owned(), again, limits };
    let taps = Outlets::new(&shown, &[], None, &output::row_writer)?;
    Ok(ingest(&shown, &mut history, &options, taps, &Silent, &AtomicBool::new(false))?)
}

/// A program that another test starts at this moment holds a copy of every lock until it has begun.
pub fn patiently<T>(open: impl Fn() -> Result<T, HistoryError>) -> Result<T, HistoryError> {
    for _ in 0..400 {
        match open() {
            Err(HistoryError::Busy { .. }) => thread::sleep(Duration::from_millis(5)),
            other => return other,
        }
    }
    open()
}

/// How a history is computed.
#[derive(Clone, Copy)]
pub struct How {
    pub parallel: usize,
    pub batch_rows: usize,
    pub fault: Option<Fault>,
}

pub fn filled(plan: &Plan, store: Arc<dyn Store>, how: How) -> Result<(BackfillReport, Vec<Day>), Failed> {
    let history = patiently(|| History::read(Arc::clone(&store)))?;
    let mut days = LocalDays::new(plan.clone(), history, store, "g".to_owned(), relations(plan));
    (days.batch_rows, days.fault) = (how.batch_rows, how.fault);
    let all = days.days();
    let options = BackfillOptions { parallel: how.parallel, again: false, dry_run: false };
    Ok((backfill(&all, &days, options, &Silent, &AtomicBool::new(false)), all))
}

/// What the files of all days say.
pub fn said(folder: &Path, plan: &Plan, days: &[Day]) -> Result<Said, Failed> {
    let mut said = Said::new();
    for name in relations(plan) {
        let table = if plan.rules.iter().any(|rule| rule.name == name) { format!("rule_{name}") } else { name.clone() };
        let mut all = Vec::new();
        for day in days {
            all.extend(lines(&folder.join(format!("{table}/event_day={day}/part.parquet")))?);
        }
        all.sort();
        said.insert(name, all);
    }
    Ok(said)
}

pub fn computed(report: &BackfillReport) -> Outcomes {
    for day in &report.days {
        if let Outcome::Failed(error) = &day.outcome {
            return Err(format!("{}: {}", day.day, causes(error.as_ref())).into());
        }
    }
    Ok(())
}

/// The first difference of each relation; none when they are equal.
pub fn differences(expected: &Said, found: &Said) -> Vec<String> {
    let mut all = Vec::new();
    for (name, rows) in found {
        let known = &expected[name];
        if rows != known {
            let missing = known.iter().find(|row| rows.binary_search(row).is_err());
            let added = rows.iter().find(|row| known.binary_search(row).is_err());
            all.push(format!(
                "{name}: {} rows and {}: missing {missing:?}, instead {added:?}",
                known.len(),
                rows.len()
            ));
        }
    }
    all
}

fn limits(random: &mut Random) -> PartLimits {
    PartLimits {
        part_rows: *random.pick(&[7, 50, 1 << 20]),
        row_group_rows: *random.pick(&[5, 20, 1 << 16]),
        waiting_bytes: *random.pick(&[5_000, 256 << 20]),
    }
}

/// What one seed had in it.
#[derive(Default)]
struct Weight {
    late: u64,
    missed: u64,
    rejected: u64,
    duplicate: u64,
    days: usize,
    hits: usize,
    partial: usize,
}

fn seeds(seeds: std::ops::Range<u64>) -> Outcomes {
    let mut random = Random::new(1_000 + seeds.start);
    let mut all = Weight::default();
    for seed in seeds {
        let weight = one_seed(&mut random, seed % 2 == 0)
            .map_err(|failed| format!("seed {seed}: {}", failed.message().unwrap_or_default()))?;
        all.late += weight.late;
        all.missed += weight.missed;
        all.rejected += weight.rejected;
        all.duplicate += weight.duplicate;
        all.days += usize::from(weight.days > 1);
        all.hits += weight.hits;
        all.partial += weight.partial;
    }
    // A zero over nothing proves nothing.
    let counts =
        [all.late, all.missed, all.rejected, all.duplicate, all.days as u64, all.hits as u64, all.partial as u64];
    if counts.contains(&0) {
        return Err(format!("late, missed, rejected, duplicate, several days, hits, partial: {counts:?}").into());
    }
    Ok(())
}

/// Late rows, several files, odd orders, parts and row groups of odd sizes.
fn one_seed(random: &mut Random, over_flows: bool) -> Result<Weight, Failed> {
    let scene = Scene::new(random, over_flows)?;
    let flows = scene.flows(random);
    let delay = *random.pick(&[scene.lateness, 3 * scene.lateness + 5 * MINUTE, 30 * HOUR]);
    let arrived = arrival::delayed(random, &flows, delay);
    let files = 1 + random.below(4);
    let lanes = arrival::split(random, &arrived, files);
    let inputs: Vec<Arc<dyn Input>> =
        lanes.iter().enumerate().map(|(i, rows)| input(random, &format!("{i}.jsonl"), rows)).collect();
    let (expected, report) = played(&scene.plan, &inputs)?;
    let folder = TempDir::new()?;
    let store: Arc<dyn Store> = Arc::new(LocalStore::new(folder.path()));
    let kept = ingested(&scene.plan, Arc::clone(&store), &inputs, false, limits(random))?;
    same_ledger(&report, &kept)?;
    same_flows(&expected, folder.path())?;
    let how = How { parallel: 1 + random.below(2), batch_rows: *random.pick(&[3, 16, 8_192]), fault: None };
    let (report_of_days, days) = filled(&scene.plan, store, how)?;
    computed(&report_of_days)?;
    let differences = differences(&expected, &said(folder.path(), &scene.plan, &days)?);
    if !differences.is_empty() {
        return Err(differences.join("\n").into());
    }
    let partial = expected.iter().filter(|(name, _)| *name != "alerts");
    Ok(Weight {
        late: report.ledger.late,
        missed: report.ledger.late_windows,
        rejected: report.ledger.rejected_total(),
        duplicate: report.ledger.duplicate,
        days: days.len(),
        hits: expected["hits"].len(),
        partial: partial.flat_map(|(_, rows)| rows).filter(|row| row.contains("partial=true")).count(),
    })
}

fn same_ledger(run: &RunReport, kept: &IngestReport) -> Outcomes {
    let kept = kept.run.as_ref().ok_or("nothing was ingested")?;
    let counts = |report: &RunReport| {
        let ledger = &report.ledger;
        let rows =
            [ledger.offered, ledger.accepted, ledger.filtered, ledger.duplicate, ledger.late, ledger.late_windows];
        (rows, ledger.rejected.clone(), ledger.first_rejects.clone())
    };
    let (run, kept) = (counts(run), counts(kept));
    if run == kept { Ok(()) } else { Err(format!("a run counts {run:?}, an ingest {kept:?}").into()) }
}

/// The history holds the rows of the log, with the watermark where it matters.
fn same_flows(expected: &Said, folder: &Path) -> Outcomes {
    let mut kept = Vec::new();
    let store = LocalStore::new(folder);
    for file in store.list("flows")? {
        kept.extend(lines(&folder.join(&file.path))?);
    }
    let cell = |line: &str, name: &str| {
        let start = line.find(&format!("{name}=")).map_or(0, |at| at + name.len() + 1);
        line[start..].split(' ').next().unwrap_or_default().to_owned()
    };
    // As a tap says it: no place in the log, and no watermark that is not behind the row.
    let plain = |line: &String| {
        let (time, admit) = (cell(line, "event_time"), cell(line, "admit_watermark"));
        let line = line.split(" admit_watermark=").next().unwrap_or_default();
        // Without their Z, times are ordered as texts.
        let late = admit != "NULL" && admit.trim_end_matches('Z') > time.trim_end_matches('Z');
        format!("{line} {}", if late { admit } else { String::new() })
    };
    let mut kept: Vec<String> = kept.iter().map(plain).collect();
    let mut known: Vec<String> = expected[flow::FLOWS].iter().chain(&expected[flow::LATE]).map(plain).collect();
    kept.sort();
    known.sort();
    if kept == known {
        return Ok(());
    }
    let other = known.iter().zip(&kept).find(|(known, kept)| known != kept);
    Err(format!("{} flows in the run, {} kept: {other:#?}", known.len(), kept.len()).into())
}

/// With rows lost, or their watermarks, or the look-back, the comparison must find differences.
fn faults_are_noticed() -> Outcomes {
    let mut random = Random::new(77);
    let faults = [Fault::NoLookBack, Fault::LoseWatermarks, Fault::LoseRowGroup];
    let mut noticed = [0; 3];
    const ROUNDS: usize = 12;
    for round in 0..ROUNDS {
        let scene = Scene::new(&mut random, round % 2 == 0)?;
        let flows = arrival::flows(&mut random, 150, 26 * HOUR);
        let arrived = arrival::delayed(&mut random, &flows, scene.lateness + 12 * HOUR);
        let inputs = [input(&mut random, "a.jsonl", &arrived)];
        let (expected, _) = played(&scene.plan, &inputs)?;
        for (fault, noticed) in faults.iter().zip(&mut noticed) {
            let folder = TempDir::new()?;
            let store: Arc<dyn Store> = Arc::new(LocalStore::new(folder.path()));
            let limits = PartLimits { row_group_rows: 20, ..PartLimits::default() };
            ingested(&scene.plan, Arc::clone(&store), &inputs, false, limits)?;
            let how = How { parallel: 1, batch_rows: 16, fault: Some(*fault) };
            let (_, days) = filled(&scene.plan, store, how)?;
            let differs = !differences(&expected, &said(folder.path(), &scene.plan, &days)?).is_empty();
            *noticed += usize::from(differs);
        }
    }
    // A window that begins at midnight needs no look-back.
    let least = [ROUNDS / 3, ROUNDS / 2, ROUNDS / 2];
    if noticed.iter().zip(least).any(|(noticed, least)| *noticed < least) {
        return Err(format!("of {ROUNDS} rounds {faults:?} were noticed in {noticed:?}").into());
    }
    Ok(())
}

/// Files that follow each other in time, each ingested for itself, are as one log when no row is late.
fn one_ingest_a_file() -> Outcomes {
    let mut random = Random::new(5);
    for round in 0..12 {
        let scene = Scene::new(&mut random, round % 2 == 0)?;
        let flows = arrival::flows(&mut random, 150, 50 * HOUR);
        let arrived = arrival::delayed(&mut random, &flows, scene.lateness);
        let cut = arrived.len() / 2;
        let parts = [&arrived[..cut], &arrived[cut..]];
        let inputs: Vec<Arc<dyn Input>> =
            parts.iter().enumerate().map(|(i, rows)| input(&mut random, &format!("{i}.jsonl"), rows)).collect();
        let whole: Vec<Flow> = parts.concat();
        let (expected, report) = played(&scene.plan, &inputs)?;
        if report.ledger.late + report.ledger.late_windows > 0 || whole.len() != flows.len() {
            continue;
        }
        let folder = TempDir::new()?;
        let store: Arc<dyn Store> = Arc::new(LocalStore::new(folder.path()));
        for input in &inputs {
            ingested(&scene.plan, Arc::clone(&store), std::slice::from_ref(input), false, limits(&mut random))?;
        }
        let how = How { parallel: 2, batch_rows: 16, fault: None };
        let (report, days) = filled(&scene.plan, store, how)?;
        computed(&report)?;
        let differences = differences(&expected, &said(folder.path(), &scene.plan, &days)?);
        if !differences.is_empty() {
            return Err(format!("round {round}: {}", differences.join("\n")).into());
        }
    }
    Ok(())
}
