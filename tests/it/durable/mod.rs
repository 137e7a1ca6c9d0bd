//! A run that does not end, on a disk and a queue in memory: it dies at every step of its work, is started again, and gives the
//! alerts that a run over the same records gives that nothing happens to, each once.

pub mod damaged;
pub mod disk;
mod health;
mod history;
mod keys;
mod log;
mod memory;
pub mod queue;
mod reload;
mod sinks;
mod table;
mod turn;
mod unkept;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::Value as Json;
use tripline::adapter::local::MemoryInput;
use tripline::plan::Plan;
use tripline::port::disk::Disk;
use tripline::port::sink::Sink;
use tripline::port::subscription::Subscription;
use tripline::port::{Clock, RowWriter};
use tripline::record::alert::Phase;
use tripline::record::{EventTime, Micros};
use tripline::runtime::live::{
    AlertFile, Keeping, Listener, LiveOptions, Logged, OpenedFile, Outbox, Rotation, Session, live,
};
use tripline::runtime::outlet::{AlertFormat, Outlets};
use tripline::runtime::run::{Progress, RunOptions, run};

use super::arrival::{self, Flow, MINUTE, SECOND, START};
use super::plan_of;
use super::random::Random;
use disk::{MemoryDisk, MemoryOutput, Mounted};
use queue::{Message, Queue};
use sinks::Place;
use table::MemoryTable;

pub const ALERTS: &str = "out/alerts.jsonl";
pub const DAY: i64 = 86_400 * SECOND;
/// Beyond everything: closes what is open.
pub const END: i64 = START + 2 * DAY;

pub const PROJECT: &str = "--- tripline.yaml
name: durable
evidence: 2
--- sql/netlog/source.yaml
source: netlog
format: json
columns:
  time: {type: TIMESTAMP, field: at}
  sub: STRING
  src: STRING
  port: INT64
  tx: INT64
event_time: time
lateness: 10m
--- sql/netlog/flows.sql
SELECT time AS end_time, sub AS subscriber_id, src AS src_ip, port AS dst_port, tx AS tx_bytes FROM netlog
--- features/busy_1m.yaml
feature: busy_1m
from: flows
key: [subscriber_id]
window: {size: 1m, every: 20s}
fill: zero
expire: 3m
columns:
  flows: COUNT(*)
  ports: COUNT(DISTINCT dst_port)
--- features/usual.yaml
feature: usual
from: busy_1m
trailing:
  own: {key: [subscriber_id], size: 10m, columns: {mean: AVG(flows), rows: COUNT(*)}}
--- features/visit.yaml
feature: visit
from: flows
key: [src_ip]
window: {session_gap: 1m, max: 1d}
columns:
  flows: COUNT(*)
--- features/logins.yaml
feature: logins
from: hits(login)
key: [actor]
window: {size: 2m}
columns:
  hits: COUNT(*)
--- rules/login.yaml
rule: login
title: Login
severity: low
sql: SELECT * FROM flows WHERE COALESCE(dst_port, 0) = 22
entities: [{type: ip, column: src_ip, role: actor}]
alert: {title: 'login', key: [src_ip], merge_within: 1m}
--- rules/many_logins.yaml
rule: many_logins
title: Logins
severity: low
sql: SELECT * FROM logins WHERE hits >= 2
alert: {title: 'logins', key: [actor], merge_within: 1m}
--- rules/burst.yaml
rule: burst
title: Burst
severity: low
sql: SELECT * FROM busy_1m WHERE flows >= 2
alert: {title: 'burst', key: [subscriber_id], merge_within: 1m}
--- rules/rise.yaml
rule: rise
title: Rise
severity: low
sql: SELECT * FROM usual WHERE flows > own_mean AND own_rows > 1
alert: {title: 'rise', key: [subscriber_id], merge_within: 1m}
--- rules/long.yaml
rule: long
title: Long
severity: low
sql: SELECT * FROM visit WHERE flows >= 3
alert: {title: 'long', key: [src_ip], merge_within: 1m}
";

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("durable::a_log_with_any_bit_flipped_or_cut_anywhere", log::every_bit_and_every_cut),
        Trial::test("durable::a_log_whose_power_is_cut", log::power_cuts),
        Trial::test("durable::a_log_without_room_for_a_while", log::full),
        Trial::test("durable::a_run_that_dies_at_every_step", every_step),
        Trial::test("durable::runs_that_die_again_and_again", again_and_again),
        Trial::test("durable::snapshots_that_are_written_beside_the_run", beside),
        Trial::test("durable::other_definitions_go_on_with_what_was_there", other_definitions),
        Trial::test("durable::snapshots_that_are_damaged_are_not_used", damaged_snapshots),
        Trial::test("durable::every_sink_is_told_of_every_alert", sinks::every_sink),
        Trial::test("durable::a_table_has_each_alert_once", table::each_alert_once),
        Trial::test("durable::refused_records_are_told", sinks::dead_letters),
        Trial::test("durable::a_sink_that_comes_back_goes_on", sinks::comes_back),
        Trial::test("durable::what_is_muted_is_not_told", sinks::muted),
        Trial::test("durable::a_new_sink_is_told_of_what_comes", sinks::new_sink),
        Trial::test("durable::a_silence_is_told_once_whatever_dies", health::silence),
        Trial::test("durable::what_comes_after_an_outage_is_not_late", health::outage),
        Trial::test("durable::a_rule_that_cannot_compute_is_told_of", health::errors),
        Trial::test("durable::a_full_disk_is_waited_for", full_disk),
        Trial::test("durable::what_waits_is_bounded", memory::bounded),
        Trial::test("durable::without_memory_nothing_is_taken", memory::exhausted),
        Trial::test("durable::a_folder_is_one_runs", one_run),
        Trial::test("durable::pending_alerts_are_not_lost_to_other_definitions", pending),
        Trial::test("durable::reloads_that_die_again_and_again", reload::again_and_again),
        Trial::test("durable::a_reload_that_dies_at_every_step", reload::every_step),
        Trial::test("durable::what_means_the_same_keeps_what_the_log_forgot", reload::forgotten),
        Trial::test("durable::fifty_reloads_in_one_run", reload::fifty),
        Trial::test("durable::other_definitions_after_a_reload", reload::then_others),
        Trial::test("durable::what_is_wrong_changes_nothing", reload::wrong),
        Trial::test("durable::what_was_left_goes_on_under_its_own_definitions", turn::left),
        Trial::test("durable::a_damaged_snapshot_after_a_reload", turn::damaged),
        Trial::test("durable::broken_definitions_behind_good_ones", turn::behind),
        Trial::test("durable::a_reload_that_is_not_wanted_any_more_blocks_nothing", turn::abandoned),
        Trial::test("durable::two_hundred_reloads_and_a_few_deaths", turn::two_hundred),
        Trial::test("durable::what_is_lost_is_said_and_not_taken_unasked", turn::losses),
        Trial::test("durable::a_reload_that_is_not_in_force_at_the_end_is_said", turn::unfinished),
        Trial::test("durable::a_graph_that_falls_behind_a_reload_is_no_pause", turn::fallen_behind),
        Trial::test("durable::definitions_go_when_a_start_has_others_reload", turn::kept),
        Trial::test("durable::letters_name_what_is_in_force", turn::letters),
        Trial::test("durable::a_graph_that_cannot_go_on_leaves_the_other_one", turn::unfit),
        Trial::test("durable::what_stands_in_an_output_stays", output_of_others),
        Trial::test("durable::each_alert_is_in_one_file", rotated),
        Trial::test("durable::the_log_becomes_a_history", history::of_the_log),
        Trial::test("durable::the_log_of_another_run_is_refused", history::of_another),
        Trial::test("durable::files_of_two_runs_are_refused", files_of_two_runs),
        Trial::test("durable::a_key_is_noted_with_the_rows_that_it_made", keys::noted_with_rows),
        Trial::test("durable::another_key_is_not_reloaded", keys::reloaded),
        Trial::test("durable::refused_records_are_kept_only_for_who_asks", unkept::nothing_raw),
    ]
}

pub struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> EventTime {
        EventTime(END + DAY)
    }
}

pub struct Silent;

impl Progress for Silent {
    fn advanced(&self, _: u64, _: u64, _: u64) {}
}

fn record(flow: &Flow) -> String {
    let text = |value: Option<&str>| value.map_or(Json::Null, Json::from);
    serde_json::json!({
        "at": flow.time,
        "sub": text(flow.subscriber_id.as_deref()),
        "src": text(flow.src_ip.as_deref().filter(|ip| !ip.is_empty())),
        "port": flow.dst_port,
        "tx": flow.tx_bytes,
    })
    .to_string()
}

/// Messages of one record or several, a bad one among them, in an order that is within the lateness; at the end one that
/// closes everything.
pub fn messages(random: &mut Random, flows: usize) -> Vec<Message> {
    let flows = arrival::flows(random, flows, 30 * MINUTE);
    let delayed = arrival::delayed(random, &flows, 5 * MINUTE);
    let mut messages = Vec::new();
    let mut rest = delayed.as_slice();
    while !rest.is_empty() {
        let count = (1 + random.below(4)).min(rest.len());
        let records: Vec<String> = rest[..count].iter().map(record).collect();
        messages.push(records.join("\n"));
        rest = &rest[count..];
    }
    messages.insert(messages.len() / 2, "{\"at\": \"never\"}".to_owned());
    messages.push(format!("{{\"at\": {END}}}"));
    (1000..).zip(messages).map(|(id, data)| Message { id, data }).collect()
}

pub fn no_taps(_: &str, _: datafusion::arrow::datatypes::SchemaRef) -> std::io::Result<Box<dyn RowWriter>> {
    Err(std::io::Error::other("no taps"))
}

/// What a run says of these messages that nothing happens to: its alerts, as lines.
fn undisturbed(plan: &Plan, messages: &[Message]) -> Result<BTreeSet<String>, Failed> {
    let text: String = messages.iter().map(|message| message.data.clone() + "\n").collect();
    let options = RunOptions {
        inputs: vec![(0, Arc::new(MemoryInput::new("memory", text.into_bytes())))],
        live: None,
        threads: 1,
        generation: "one".to_owned(),
        fault: None,
        watch: None,
        history: None,
        spill: None,
    };
    let lines = Lines::default();
    let alerts: Box<dyn Write + Send> = Box::new(lines.clone());
    let mut out = Outlets::new(plan, &[], Some((alerts, AlertFormat::Json)), &no_taps)?;
    run(plan, &options, &mut out, &Silent, &AtomicBool::new(false)).map_err(|error| error.error.to_string())?;
    let text = lines.0.lock().map_err(|_| "poisoned")?.clone();
    told(&text)
}

#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().map_err(|_| std::io::Error::other("poisoned"))?.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Alerts of incidents that are over, without where their flows came from. Each is there once, and so is what was said before.
fn told(bytes: &[u8]) -> Result<BTreeSet<String>, Failed> {
    let (mut told, mut said) = (BTreeSet::new(), BTreeSet::new());
    for line in String::from_utf8_lossy(bytes).lines() {
        let mut alert: Json = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        for flow in alert["evidence"].as_array_mut().into_iter().flatten() {
            if let Some(flow) = flow.as_object_mut() {
                flow.remove("origin");
            }
        }
        if alert["state"] == "partial" {
            continue;
        }
        if alert["phase"] != "final" {
            if !said.insert(alert["message_id"].to_string()) {
                return Err(format!("said twice: {line}").into());
            }
            continue;
        }
        if !told.insert(alert.to_string()) {
            return Err(format!("twice: {line}").into());
        }
    }
    Ok(told)
}

struct Machine {
    /// Rows after which a snapshot is taken.
    snapshot_rows: u64,
    disk: Arc<MemoryDisk>,
    queues: Vec<Queue>,
    sinks: Vec<Place>,
    tables: Vec<MemoryTable>,
    letters: Option<Place>,
    /// Files of alerts that are not shorter are closed.
    rotate_bytes: u64,
    /// What has to be so, too, before a run is stopped.
    also: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Machine {
    /// Starts the run, until all is acknowledged or it dies.
    fn start(&self, plan: &Plan, generation: &str) -> Result<Logged, String> {
        self.start_with(plan, generation, &mut |_| {})
    }

    fn start_with(
        &self,
        plan: &Plan,
        generation: &str,
        adjust: &mut dyn FnMut(&mut LiveOptions),
    ) -> Result<Logged, String> {
        self.start_noting(plan, generation, &Silent, adjust)
    }

    fn start_noting(
        &self,
        plan: &Plan,
        generation: &str,
        progress: &dyn Progress,
        adjust: &mut dyn FnMut(&mut LiveOptions),
    ) -> Result<Logged, String> {
        let mounted: Arc<dyn Disk> = Arc::new(Mounted(Arc::clone(&self.disk)));
        let lanes: Vec<String> = self.queues.iter().map(|queue| format!("netlog={}", queue.name())).collect();
        let session =
            Session::open(mounted, generation, &plan.computed(), &lanes).map_err(|error| error.to_string())?;
        let output = Box::new(MemoryOutput { disk: Arc::clone(&self.disk), file: ALERTS });
        let rotation = Rotation { bytes: self.rotate_bytes, ..Rotation::never(Arc::new(Fixed)) };
        let opened = AlertFile::open(output, session.output(), rotation).map_err(|error| error.to_string())?;
        let OpenedFile { file, behind, .. } = opened;
        let alerts: Box<dyn Write + Send> = Box::new(file.clone());
        let outlets = Outlets::new(plan, &[], Some((alerts, AlertFormat::Json)), &no_taps);
        let mut outlets = outlets.map_err(|error| error.to_string())?;
        let mut outbox = Outbox::new(session, &mut outlets, Some(file), &behind).map_err(|error| error.to_string())?;
        outbox.alert_files(2_000);
        let queues = self.queues.iter().map(|queue| (0, Box::new(queue.clone()) as Box<dyn Subscription>));
        let mut options = LiveOptions::new(queues.collect(), Arc::new(Fixed));
        (options.segment_bytes, options.group_entries) = (4_000, 1);
        (options.hold, options.full_pause) = (Micros(0), Duration::from_millis(1));
        options.keeping = Keeping { rows: self.snapshot_rows, retain: Micros(0), ..options.keeping };
        options.sinks = self
            .sinks
            .iter()
            .map(|place| Listener { sink: Box::new(place.clone()), per_hour: None, phases: Phase::ALL.to_vec() })
            .collect();
        let tables = self.tables.iter().map(|table| Listener {
            sink: table.sink("table"),
            per_hour: None,
            phases: vec![Phase::Final],
        });
        options.sinks.extend(tables);
        options.dead_letters = self.letters.clone().map(|place| Box::new(place) as Box<dyn Sink>);
        options.one_at_a_time = true;
        adjust(&mut options);
        self.queues.iter().for_each(Queue::start);
        let stop = Arc::new(AtomicBool::new(false));
        let (watched, also, flag) = (self.queues.clone(), Arc::clone(&self.also), Arc::clone(&stop));
        let watch = thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                if also() && watched.iter().all(Queue::is_done) {
                    flag.store(true, Ordering::Relaxed);
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        let done = live(plan.clone(), options, &mut outbox, progress, &stop);
        stop.store(true, Ordering::Relaxed);
        watch.join().map_err(|_| "the watch died".to_owned())?;
        let (report, logged) = done.map_err(|error| error.to_string())?;
        report.verify().map_err(|error| error.to_string())?;
        Ok(logged)
    }

    fn restart(&self, random: &mut Random) {
        self.queues.iter().for_each(Queue::restart);
        self.disk.restart(random);
    }

    /// The same disk and queues, for others who look at them.
    fn seen(&self) -> Self {
        Self { disk: Arc::clone(&self.disk), queues: self.queues.clone(), ..machine(&[], 0) }
    }

    fn alerts(&self) -> Result<BTreeSet<String>, Failed> {
        told(&self.disk.content(ALERTS))
    }
}

fn machine(messages: &[Message], seed: u64) -> Machine {
    let queue = Queue::new("projects/p/subscriptions/s", messages.to_vec(), seed, EventTime(END + DAY));
    // Some with snapshots and some without; where there are some, what is before them goes at once.
    let snapshot_rows = if seed.is_multiple_of(3) { u64::MAX } else { 10 + seed % 25 };
    Machine {
        snapshot_rows,
        disk: MemoryDisk::new(),
        queues: vec![queue],
        sinks: Vec::new(),
        tables: Vec::new(),
        letters: None,
        rotate_bytes: u64::MAX,
        also: Arc::new(|| true),
    }
}

fn same(what: &str, expected: &BTreeSet<String>, found: &BTreeSet<String>) -> Result<(), Failed> {
    if expected == found {
        return Ok(());
    }
    let missing: Vec<_> = expected.difference(found).take(2).collect();
    let added: Vec<_> = found.difference(expected).take(2).collect();
    Err(format!("{what}: of {} alerts {missing:#?} are missing, {added:#?} are there instead", expected.len()).into())
}

/// As many, or as many times that as somebody asks for who has the time.
fn rounds(usual: u64) -> u64 {
    let times = std::env::var("TRIPLINE_ROUNDS").ok().and_then(|times| times.parse().ok());
    usual * times.unwrap_or(1)
}

/// Once at each step of small runs.
fn every_step() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let (mut dying, mut cut, mut restored, mut kinds) = (0, 0, 0, BTreeSet::new());
    for seed in 0..rounds(6) {
        let mut random = Random::new(seed);
        let messages = messages(&mut random, 80);
        let expected = undisturbed(&plan, &messages)?;
        let whole = machine(&messages, seed);
        whole.start(&plan, "one")?;
        same("a run without an accident", &expected, &whole.alerts()?)?;
        kinds.extend(whole.disk.done.lock().map_err(|_| "poisoned")?.iter().cloned());
        for step in 0..whole.disk.steps() {
            let machine = machine(&messages, seed);
            machine.disk.die_at(step);
            dying += u64::from(machine.start(&plan, "one").is_err());
            machine.restart(&mut random);
            let logged = machine.start(&plan, "one");
            let logged = logged.map_err(|error| format!("seed {seed}, after dying at step {step}: {error}"))?;
            cut += u64::from(logged.cut_bytes > 0);
            restored += u64::from(logged.snapshot_entries > 0);
            same(&format!("seed {seed}, after dying at step {step}"), &expected, &machine.alerts()?)?;
        }
    }
    let forgotten = kinds.iter().any(|kind| kind.starts_with("remove given-"));
    if dying < 200 || cut == 0 || restored < 100 || kinds.len() < 18 || !forgotten {
        let kinds = kinds.len();
        let what = format!("died {dying} times at steps of {kinds} kinds, {cut} logs were cut, {restored} restored");
        return Err(what.into());
    }
    Ok(())
}

/// At random steps, until it gets through.
fn again_and_again() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let (mut deaths, mut redelivered) = (0, 0);
    for seed in 0..rounds(60) {
        let mut random = Random::new(seed);
        let messages = messages(&mut random, 200);
        let expected = undisturbed(&plan, &messages)?;
        let machine = machine(&messages, seed);
        for _ in 0..6 {
            machine.disk.die_at(random.next() % 60);
            if machine.start(&plan, "one").is_ok() {
                break;
            }
            deaths += 1;
            machine.restart(&mut random);
        }
        machine.disk.die_at(u64::MAX);
        redelivered += machine.start(&plan, "one").map_err(|error| format!("seed {seed}: {error}"))?.redelivered;
        same(&format!("seed {seed}"), &expected, &machine.alerts()?)?;
    }
    if deaths < 100 || redelivered == 0 {
        return Err(format!("{deaths} deaths, {redelivered} messages came again").into());
    }
    Ok(())
}

/// As runs do it: the snapshot is written by another thread while the run goes on, and both die at random steps.
fn beside() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let (mut deaths, mut restored, mut snapshots) = (0, 0, 0);
    for seed in 0..rounds(60) {
        let mut random = Random::new(seed);
        let messages = messages(&mut random, 200);
        let expected = undisturbed(&plan, &messages)?;
        let machine = Machine { snapshot_rows: 10 + seed % 25, ..machine(&messages, seed) };
        let start = || machine.start_with(&plan, "one", &mut |options| options.one_at_a_time = false);
        for _ in 0..6 {
            machine.disk.die_at(random.next() % 90);
            match start() {
                Ok(_) => break,
                Err(_) => deaths += 1,
            }
            machine.restart(&mut random);
        }
        machine.disk.die_at(u64::MAX);
        let logged = start().map_err(|error| format!("seed {seed}: {error}"))?;
        restored += u64::from(logged.snapshot_entries > 0);
        snapshots += logged.snapshots;
        same(&format!("seed {seed}"), &expected, &machine.alerts()?)?;
    }
    if deaths < 100 || restored < 20 || snapshots < 60 {
        return Err(format!("{deaths} deaths, {restored} restored, {snapshots} snapshots").into());
    }
    Ok(())
}

/// What was alerted under the definitions before is not alerted again, and what comes later stands on what was there.
fn other_definitions() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let mut random = Random::new(3);
    let all = messages(&mut random, 200);
    let (first, second) = all.split_at(all.len() / 2);
    let machine = machine(first, 3);
    machine.start(&plan, "one")?;
    let before = machine.alerts()?;
    second.iter().for_each(|message| machine.queues[0].add(message.clone()));
    machine.start(&plan, "two")?;
    let after = machine.alerts()?;
    let expected = undisturbed(&plan, &all)?;
    let id = |line: &String| {
        serde_json::from_str::<Json>(line).map(|alert| alert["alert_id"].to_string()).unwrap_or_default()
    };
    let ids = |lines: &BTreeSet<String>| lines.iter().map(id).collect::<BTreeSet<_>>();
    if before.is_empty() || after.len() <= before.len() || ids(&after) != ids(&expected) {
        return Err(format!("{} before, {} after, of {}", before.len(), after.len(), expected.len()).into());
    }
    let generations =
        |name: &str| after.iter().filter(|line| line.contains(&format!("\"generation\":\"{name}\""))).count();
    if generations("one") != before.len() || generations("two") != after.len() - before.len() {
        return Err(format!("{} of one, {} of two", generations("one"), generations("two")).into());
    }
    // The same once more: nothing is new, and nothing is read again.
    let again = machine.start(&plan, "two")?;
    if again.recovered_entries > 0 {
        return Err(format!("{again:?}").into());
    }
    same("started again", &after, &machine.alerts()?)
}

/// What was computed and not put out is not lost to a change of definitions.
fn pending() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let mut random = Random::new(4);
    let messages = messages(&mut random, 80);
    let expected = undisturbed(&plan, &messages)?;
    let (mut refused, mut steps) = (0, 0);
    for step in 10.. {
        let machine = machine(&messages, 4);
        machine.disk.die_at(step);
        if machine.start(&plan, "one").is_ok() {
            break;
        }
        steps += 1;
        machine.restart(&mut random);
        let said = machine.start(&plan, "two").err().unwrap_or_default();
        refused += usize::from(said.contains("--drop-pending"));
        // As it was, and then changed: nothing is missing, and nothing is there twice.
        machine.queues.iter().for_each(Queue::restart);
        machine.start(&plan, "one")?;
        machine.start(&plan, "two")?;
        if said.contains("--drop-pending") {
            same(&format!("after dying at step {step}"), &expected, &machine.alerts()?)?;
        }
    }
    if refused < 20 { Err(format!("refused after {refused} of {steps} deaths").into()) } else { Ok(()) }
}

/// No room for some steps, wherever that is: the run waits, and nothing is missing or there twice. Then it dies all the same.
fn full_disk() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let (mut waited, mut ended) = (0, 0);
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let messages = messages(&mut random, 80);
        let expected = undisturbed(&plan, &messages)?;
        let machine = Machine { snapshot_rows: 15, ..machine(&messages, seed) };
        // Not at the very start: there is nobody yet who could wait.
        let first = 12 + random.below(120) as u64;
        machine.disk.full_at(first..first + 1 + random.below(12) as u64);
        let logged = machine.start(&plan, "one");
        ended += u64::from(logged.is_err());
        waited += logged.as_ref().map_or(0, |logged| u64::from(logged.full > 0));
        machine.disk.full_at(0..0);
        if random.one_in(2) || logged.is_err() {
            machine.restart(&mut random);
            machine.start(&plan, "one").map_err(|error| format!("seed {seed}: {error}"))?;
        }
        same(&format!("seed {seed}, full from step {first}"), &expected, &machine.alerts()?)?;
    }
    if waited < 25 || ended > 5 { Err(format!("{waited} waited, {ended} ended").into()) } else { Ok(()) }
}

/// Any bit of a snapshot may be another, and any length of it be left: the one before it is used then. Without one the run is
/// refused.
fn damaged_snapshots() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let mut random = Random::new(13);
    let all = messages(&mut random, 120);
    let expected = undisturbed(&plan, &all)?;
    let (first, second) = all.split_at(all.len() / 2);
    let machine = Machine { snapshot_rows: 20, ..machine(first, 13) };
    machine.start(&plan, "one")?;
    let files = Mounted(Arc::clone(&machine.disk)).list()?;
    let snapshots: Vec<&String> = files.iter().filter(|file| file.ends_with(".snapshot")).collect();
    let [older, newest] = snapshots.as_slice() else { return Err(format!("{snapshots:?}").into()) };
    let content = machine.disk.content(newest);
    let goes_on = |damaged: &[(&str, Vec<u8>)]| -> Result<Logged, String> {
        let disk = machine.disk.copy();
        damaged.iter().for_each(|(file, content)| disk.set(file, content.clone()));
        let next = Machine { snapshot_rows: 20, disk, ..self::machine(second, 14) };
        let logged = next.start(&plan, "one")?;
        same("after a damaged snapshot", &expected, &next.alerts().map_err(|error| format!("{error:?}"))?)
            .map_err(|error| format!("{error:?}"))?;
        Ok(logged)
    };
    if goes_on(&[])?.unread_snapshots != 0 {
        return Err("a whole snapshot was not read".into());
    }
    for _ in 0..120 {
        let mut flipped = content.clone();
        let bit = random.below(content.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        let cut = content[..random.below(content.len())].to_vec();
        for (what, damaged) in [(format!("bit {bit}"), flipped), (format!("cut to {}", cut.len()), cut)] {
            let logged = goes_on(&[(newest.as_str(), damaged)]).map_err(|error| format!("{what}: {error}"))?;
            if logged.unread_snapshots != 1 || logged.snapshot_entries == 0 {
                return Err(format!("{what}: {logged:?}").into());
            }
        }
    }
    let refused = goes_on(&[(newest.as_str(), Vec::new()), (older.as_str(), Vec::new())]).err().unwrap_or_default();
    if !refused.contains("no snapshot can be read") || !refused.contains("help: ") {
        return Err(format!("without a snapshot: {refused}").into());
    }
    Ok(())
}

/// What stands in an output stays there, whatever it is.
fn output_of_others() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let mut random = Random::new(8);
    let messages = messages(&mut random, 80);
    let expected = undisturbed(&plan, &messages)?;
    let machine = machine(&messages, 8);
    machine.disk.set(ALERTS, b"{\"of\":\"others\"}\n".to_vec());
    machine.disk.die_at(40);
    let died = machine.start(&plan, "one").is_err();
    machine.restart(&mut random);
    // Somebody put the file away, and another one there.
    machine.disk.set(ALERTS, b"{\"of\":\"still others\"}\n".repeat(3_000));
    machine.start(&plan, "one")?;
    let content = machine.disk.content(ALERTS);
    let text = String::from_utf8_lossy(&content);
    let others = text.lines().filter(|line| line.contains("still others")).count();
    let own: Vec<&str> = text.lines().filter(|line| !line.contains("others")).collect();
    let own = told(own.join("\n").as_bytes())?;
    if !died || others != 3_000 || own.is_empty() || !own.is_subset(&expected) {
        return Err(format!("{others} lines of others, {} own of {}", own.len(), expected.len()).into());
    }
    Ok(())
}

/// Files that are closed when they are long, and moved away by somebody: each alert is in one of them, once, wherever the run dies.
fn rotated() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let (mut deaths, mut files, mut at_renames, mut moved) = (0, 0, 0, 0);
    for seed in 0..rounds(4) {
        let mut random = Random::new(seed);
        let messages = messages(&mut random, 80);
        let expected = undisturbed(&plan, &messages)?;
        let whole = Machine { rotate_bytes: 2_500, ..machine(&messages, seed) };
        whole.start(&plan, "one")?;
        let done = whole.disk.done.lock().map_err(|_| "poisoned")?.clone();
        for step in 0..whole.disk.steps() {
            let what = done.get(usize::try_from(step)?).map_or("", String::as_str);
            // Around these all is tried, of the rest a part.
            let near = ["out/", "output", "outbox"].iter().any(|part| what.contains(part));
            if !near && step % 5 != 0 {
                continue;
            }
            let machine = Machine { rotate_bytes: 2_500, ..machine(&messages, seed) };
            machine.disk.die_at(step);
            deaths += u64::from(machine.start(&plan, "one").is_err());
            at_renames += u64::from(what.starts_with("rename out/") || what.starts_with("create out/"));
            machine.restart(&mut random);
            let about = format!("seed {seed}, after dying at step {step} ({what})");
            // Somebody moves it who does not take uncounted alerts along.
            let there = machine.disk.content(ALERTS);
            if step % 3 == 0 && outbox_bytes(&machine)? == there.len() as u64 {
                machine.disk.moved(ALERTS, "out/alerts.jsonl.1");
                moved += 1;
            }
            machine.start(&plan, "one").map_err(|error| format!("{about}: {error}"))?;
            let names = machine.disk.names("out/");
            let text: Vec<u8> = names.iter().flat_map(|name| machine.disk.content(name)).collect();
            same(&about, &expected, &told(&text).map_err(|error| format!("{about}: {error:?}"))?)?;
            files = files.max(names.len());
        }
    }
    if deaths < 100 || files < 3 || at_renames < 6 || moved < 20 {
        return Err(format!("{deaths} deaths, {files} files, {at_renames} at renames, {moved} moved").into());
    }
    Ok(())
}

/// What the folder says of how much of the output is counted.
fn outbox_bytes(machine: &Machine) -> Result<u64, Failed> {
    let text = String::from_utf8_lossy(&machine.disk.content("outbox.json")).into_owned();
    let Some(line) = text.lines().next() else { return Ok(u64::MAX) };
    let position: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
    Ok(position["file_bytes"].as_u64().unwrap_or(0))
}

/// Files of a folder that are not of one run.
fn files_of_two_runs() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let mut random = Random::new(9);
    let machine = machine(&messages(&mut random, 80), 9);
    machine.start(&plan, "one")?;
    let text = String::from_utf8_lossy(&machine.disk.content("outbox.json")).into_owned();
    let (text, _) = text.split_once('\n').ok_or("no checksum")?;
    let mut position: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let delivered = position["delivered"].as_u64().unwrap_or(0);
    position["delivered"] = (delivered + 1).into();
    let text = position.to_string();
    machine.disk.set("outbox.json", format!("{text}\n00000000\n").into_bytes());
    let changed = machine.start(&plan, "one").err().unwrap_or_default();
    if !changed.contains("outbox.json is damaged") {
        return Err(format!("a count that somebody changed: {changed}").into());
    }
    machine.disk.set("outbox.json", format!("{text}\n{:08x}\n", crc32fast::hash(text.as_bytes())).into_bytes());
    let said = machine.start(&plan, "one").err().unwrap_or_default();
    if delivered == 0 || !said.contains("alerts are out") || !said.contains("help: ") {
        return Err(format!("{delivered} delivered: {said}").into());
    }
    Ok(())
}

/// Another run, other queues, another version.
fn one_run() -> Result<(), Failed> {
    let disk = MemoryDisk::new();
    let mounted = || Arc::new(Mounted(Arc::clone(&disk))) as Arc<dyn Disk>;
    let open = |lane: &str| Session::open(mounted(), "one", &[], &[lane.to_owned()]).map_err(|error| error.to_string());
    let said = |opened: Result<Session, String>| opened.err().unwrap_or_default();
    let first = open("a")?;
    let held = said(open("a"));
    drop(first);
    let other = said(open("b"));
    disk.set("version.json", b"{\"version\":3}".to_vec());
    let newer = said(open("a"));
    disk.set("version.json", b"{\"version\":2}".to_vec());
    disk.set("flows.csv", Vec::new());
    let strange = said(open("a"));
    let wanted =
        ["used by another run", "is the state of a run over a, not over b", "version 3", "no state: flows.csv"];
    let found = [held, other, newer, strange];
    match found.iter().zip(wanted).find(|(found, wanted)| !found.contains(wanted) || !found.contains("help: ")) {
        Some((found, wanted)) => Err(format!("{found:?} does not say {wanted:?} and what to do").into()),
        None => Ok(()),
    }
}
