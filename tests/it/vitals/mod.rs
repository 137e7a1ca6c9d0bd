//! A run as others see it: its pages over HTTP while it goes on, each figure against its own report, and `tripline status`.

mod exposition;
mod machine;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::Value as Json;
use tripline::runtime::live::vitals::FAMILIES;

use super::durable::{DAY, END};
use exposition::{Sample, read};
use machine::{AWAY, Machine, Shut, start};
use server::get;

const PATIENCE: Duration = Duration::from_secs(60);

type Outcome = Result<(), Failed>;

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("vitals::each_figure_is_that_of_the_report", each_figure),
        Trial::test("vitals::a_run_that_is_stuck_is_not_healthy", stuck),
        Trial::test("vitals::a_run_that_reads_its_log_is_not_ready", recovering),
        Trial::test("vitals::the_server_has_limits", server::limits),
        Trial::test("vitals::a_wrong_exposition_is_noticed", exposition::a_wrong_exposition_is_noticed),
        Trial::test("vitals::only_the_machine_itself_is_listened_to", only_loopback),
        Trial::test("vitals::status_of_nobody", nobody),
        Trial::test("vitals::the_docs_name_each_metric", documented),
    ]
}

fn wait_for<T>(what: &str, mut found: impl FnMut() -> Result<Option<T>, Failed>) -> Result<T, Failed> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found()? {
            return Ok(found);
        }
        if Instant::now() > until {
            return Err(format!("no {what} in time").into());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn metrics(address: &str) -> Result<BTreeMap<Sample, f64>, Failed> {
    let (code, text) = get(address, "/metrics")?;
    if code != 200 {
        return Err(format!("{code}: {text}").into());
    }
    read(&text)
}

fn status(address: &str) -> Result<Json, Failed> {
    let (code, text) = get(address, "/status")?;
    if code != 200 {
        return Err(format!("{code}: {text}").into());
    }
    Ok(serde_json::from_str(&text)?)
}

fn one(metrics: &BTreeMap<Sample, f64>, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    metrics.get(&Sample::of(name, labels)).copied()
}

/// All of a family, whatever their labels.
fn sum(metrics: &BTreeMap<Sample, f64>, name: &str, label: Option<(&str, &str)>) -> f64 {
    let wanted = |sample: &Sample| {
        sample.name == name && label.is_none_or(|(label, of)| sample.labels.get(label).is_some_and(|found| found == of))
    };
    metrics.iter().filter(|(sample, _)| wanted(sample)).map(|(_, value)| value).sum()
}

fn same(what: &str, found: impl Into<Option<f64>>, expected: impl Into<Option<f64>>) -> Outcome {
    let (found, expected) = (found.into(), expected.into());
    let near = match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs(),
        (found, expected) => found == expected,
    };
    if near { Ok(()) } else { Err(format!("{what} is {found:?}, and not {expected:?}").into()) }
}

/// Two subscriptions, of which one is behind, so that rows of the other wait.
fn each_figure() -> Outcome {
    let machine = Machine::new(6, 200)?;
    let run = start(&machine, None)?;
    let address = run.address.as_str();
    let mut before: BTreeMap<Sample, f64> = BTreeMap::new();
    let mut scrapes = 0;
    wait_for("rows", || {
        let now = metrics(address)?;
        let running = one(&now, "tripline_phase", &[("phase", "running")]) == Some(1.0);
        if let Some(offered) = one(&now, "tripline_offered_rows_total", &[]) {
            let unread = one(&now, "tripline_unread_rows", &[]).unwrap_or(f64::NAN);
            same("offered, while it runs,", offered, sum(&now, "tripline_rows_total", None) + unread)?;
            same("conserved, while it runs,", one(&now, "tripline_conserved", &[]), 1.0)?;
            scrapes += 1;
        }
        for (sample, value) in before.iter().filter(|(sample, _)| sample.name.ends_with("_total")) {
            if now.get(sample).is_none_or(|now| now < value) {
                return Err(format!("{sample:?} was {value}, and is {:?}", now.get(sample)).into());
            }
        }
        let done =
            machine.is_done() && one(&now, "tripline_acknowledged_messages_total", &[]) == before_acknowledged(&before);
        before = now;
        Ok((running && done && scrapes > 5).then_some(()))
    })?;
    // A second later all figures are those of now.
    thread::sleep(Duration::from_millis(1_200));
    let settled = metrics(address)?;
    same("all rows, while it runs,", one(&settled, "tripline_offered_rows_total", &[]), machine.records())?;
    let ended = run.stop()?;
    let now = metrics(&ended.address)?;
    let report = ended.report.json();
    let of = |path: &str| report.pointer(path).and_then(Json::as_f64);
    let unread = of("/rows/unread");
    let met = ["/rows/filtered", "/rows/rejected", "/late_windows", "/hits", "/alerts", "/open_incidents"];
    if unread.is_none_or(|unread| unread < 20.0) || met.iter().any(|path| of(path).is_none_or(|count| count == 0.0)) {
        return Err(format!("too little to tell anything: {report}").into());
    }
    same("unread", one(&now, "tripline_unread_rows", &[]), unread)?;
    for outcome in ["accepted", "filtered", "rejected", "duplicate", "late"] {
        same(outcome, one(&now, "tripline_rows_total", &[("outcome", outcome)]), of(&format!("/rows/{outcome}")))?;
    }
    let plain = [
        ("tripline_offered_rows_total", "/rows/offered"),
        ("tripline_late_windows_total", "/late_windows"),
        ("tripline_windows_total", "/windows"),
        ("tripline_hits_total", "/hits"),
        ("tripline_alerts_total", "/alerts"),
        ("tripline_open_incidents", "/open_incidents"),
        ("tripline_saturated_sums", "/saturated_sums"),
    ];
    for (name, path) in plain {
        same(name, one(&now, name, &[]), of(path))?;
    }
    let rejected = report["rejected"].as_object().ok_or("no rejects")?;
    same("all reasons", sum(&now, "tripline_rejected_total", None), of("/rows/rejected"))?;
    for (reason, count) in rejected {
        same(reason, one(&now, "tripline_rejected_total", &[("reason", reason)]), count.as_f64())?;
    }
    same("conserved", one(&now, "tripline_conserved", &[]), 1.0)?;
    same("waiting hits", one(&now, "tripline_waiting_hits", &[]), 0.0)?;
    for (disposition, hits) in report["hits_by_disposition"].as_object().ok_or("no hits")? {
        let found = sum(&now, "tripline_rule_hits_total", Some(("disposition", disposition)));
        same(disposition, found, hits.as_f64())?;
    }
    let (mut alerts, mut told): (BTreeMap<String, f64>, BTreeMap<String, f64>) = Default::default();
    for line in String::from_utf8_lossy(&machine.alerts()).lines() {
        let alert: Json = serde_json::from_str(line)?;
        if alert["phase"] != "final" {
            *told.entry(alert["phase"].as_str().unwrap_or_default().to_owned()).or_default() += 1.0;
            continue;
        }
        *alerts.entry(alert["rule"].as_str().unwrap_or_default().to_owned()).or_default() += 1.0;
    }
    same("alerts of all rules", sum(&now, "tripline_rule_alerts_total", None), alerts.values().sum::<f64>())?;
    for (rule, written) in &alerts {
        same(rule, one(&now, "tripline_rule_alerts_total", &[("rule", rule)]), *written)?;
    }
    if told.get("first").is_none_or(|first| *first < 1.0) {
        return Err("nothing was told of before it was over".into());
    }
    for (phase, written) in &told {
        same(phase, one(&now, "tripline_told_total", &[("phase", phase)]), *written)?;
    }
    for rule in ["login", "many_logins", "rise", "long"] {
        costs(&now, &report, "rule", rule)?;
    }
    for feature in ["busy_1m", "usual", "visit", "logins"] {
        costs(&now, &report, "feature", feature)?;
        let rows = report["costs"][feature]["made"].as_f64();
        same(feature, one(&now, "tripline_feature_rows_total", &[("feature", feature)]), rows)?;
        same(feature, one(&now, "tripline_feature_evicted_keys_total", &[("feature", feature)]), 0.0)?;
    }
    if one(&now, "tripline_feature_keys", &[("feature", "busy_1m")]).is_none_or(|keys| keys < 1.0) {
        return Err("no keys are held".into());
    }
    let log = ended.logged.json();
    same("entries", one(&now, "tripline_log_entries_total", &[]), log["entries"].as_f64())?;
    same("bytes", one(&now, "tripline_log_bytes", &[]), log["bytes"].as_f64())?;
    let redelivered = log["redelivered"].as_f64().unwrap_or(0.0);
    same("redelivered", one(&now, "tripline_redelivered_messages_total", &[]), redelivered)?;
    let acknowledged = one(&now, "tripline_acknowledged_messages_total", &[]);
    same("acknowledged", acknowledged, machine.messages() + redelivered)?;
    let syncs = one(&now, "tripline_log_syncs_total", &[]).unwrap_or(0.0);
    let spent = one(&now, "tripline_log_sync_seconds_total", &[]).unwrap_or(0.0);
    let largest = one(&now, "tripline_log_sync_largest_seconds", &[]).unwrap_or(0.0);
    if redelivered == 0.0 || syncs < 10.0 || spent <= 0.0 || largest <= 0.0 || largest > spent {
        return Err(format!("{redelivered} redelivered, {syncs} syncs took {spent} s, one {largest} s").into());
    }
    let watermark = ended.report.watermark.ok_or("no watermark")?;
    let seconds = |micros: i64| micros as f64 / 1e6;
    same("watermark", one(&now, "tripline_watermark_seconds", &[]), seconds(watermark.0))?;
    same("lag", one(&now, "tripline_watermark_lag_seconds", &[]), seconds(END + DAY - watermark.0))?;
    let lanes = machine.lanes();
    let of_lanes = |name: &str| -> Vec<f64> {
        lanes.iter().filter_map(|lane| one(&now, name, &[("subscription", lane)])).collect()
    };
    let marks = of_lanes("tripline_subscription_watermark_seconds");
    if marks.len() != 2 || marks[0] <= marks[1] {
        return Err(format!("watermarks of subscriptions: {marks:?}").into());
    }
    same("the watermark of the one behind", marks[1], seconds(watermark.0))?;
    let heard = of_lanes("tripline_subscription_last_heard_seconds");
    if heard != [seconds(END + DAY); 2] {
        return Err(format!("last heard {heard:?}").into());
    }
    let waiting = of_lanes("tripline_subscription_waiting_rows");
    if waiting.first().is_none_or(|rows| *rows < 10.0) || waiting.get(1) != Some(&0.0) {
        return Err(format!("waiting {waiting:?}").into());
    }
    same("phase", one(&now, "tripline_phase", &[("phase", "stopping")]), 1.0)?;
    same("phases", sum(&now, "tripline_phase", None), 1.0)?;
    same("snapshot", one(&now, "tripline_snapshot_entries", &[]), log["entries"].as_f64())?;
    same("snapshot", one(&now, "tripline_snapshot_bytes", &[]), log["snapshot_bytes"].as_f64())?;
    same("snapshot", one(&now, "tripline_snapshot_time_seconds", &[]), seconds(END + DAY))?;
    let [sink] = ended.logged.sinks.as_slice() else { return Err("no sink".into()) };
    // It is told of all that is said of an incident.
    let written: f64 = alerts.values().chain(told.values()).sum();
    same("pending", one(&now, "tripline_sink_pending", &[("sink", AWAY)]), written)?;
    same("passed", one(&now, "tripline_sink_passed_total", &[("sink", AWAY)]), 0.0)?;
    #[expect(clippy::cast_precision_loss, reason = "few")]
    let failures = sink.failures as f64;
    same("failures", one(&now, "tripline_sink_failures_total", &[("sink", AWAY)]), failures)?;
    let waits = one(&now, "tripline_sink_waits_seconds", &[("sink", AWAY)]).unwrap_or(0.0);
    if failures < 1.0 || waits <= 0.0 {
        return Err(format!("a sink that is away failed {failures} times, in {waits} s").into());
    }
    if cfg!(target_os = "linux") && one(&now, "process_resident_memory_bytes", &[]).is_none_or(|bytes| bytes < 1e6) {
        return Err("no memory".into());
    }
    let missing = FAMILIES.iter().find(|family| !now.keys().any(|sample| sample.name == family.name));
    if let Some(missing) = missing {
        return Err(format!("{} is nowhere", missing.name).into());
    }
    as_json(&status(&ended.address)?, &report, &log)
}

fn before_acknowledged(before: &BTreeMap<Sample, f64>) -> Option<f64> {
    one(before, "tripline_acknowledged_messages_total", &[])
}

fn costs(now: &BTreeMap<Sample, f64>, report: &Json, kind: &str, name: &str) -> Outcome {
    let found = one(now, &format!("tripline_{kind}_seconds_total"), &[(kind, name)]);
    same(name, found, report["costs"][name]["seconds"].as_f64())?;
    same(name, one(now, &format!("tripline_{kind}_row_errors_total"), &[(kind, name)]), 0.0)
}

/// The status says what the report says, in the same words.
fn as_json(status: &Json, report: &Json, log: &Json) -> Outcome {
    let words = [
        "rows",
        "rejected",
        "late_windows",
        "windows",
        "feature_rows",
        "hits",
        "hits_by_disposition",
        "alerts",
        "told",
        "open_incidents",
        "row_errors",
        "evicted_keys",
        "saturated_sums",
        "conserved",
    ];
    for word in words {
        if status[word] != report[word] {
            return Err(format!("{word}: {} is not {}", status[word], report[word]).into());
        }
    }
    for (word, value) in log.as_object().into_iter().flatten() {
        if status["log"][word] != *value {
            return Err(format!("log: {word}: {} is not {value}", status["log"][word]).into());
        }
    }
    Ok(())
}

/// Its disk does not come back: the run says so over HTTP and by `tripline status`, until it does.
fn stuck() -> Outcome {
    let machine = Machine::new(7, 60)?;
    let shut = Shut::default();
    let run = start(&machine, Some(&shut))?;
    let address = run.address.as_str();
    let health = |wanted: u16| {
        wait_for(&format!("/healthz with {wanted}"), || {
            let (code, said) = get(address, "/healthz")?;
            Ok((code == wanted).then_some(said))
        })
    };
    wait_for("acknowledgements", || Ok(machine.is_done().then_some(())))?;
    wait_for("readiness", || Ok((get(address, "/readyz")?.0 == 200).then_some(())))?;
    health(200)?;
    let fine = tripline(&["status", "--address", address])?;
    let text = said(&fine.stdout);
    let lines = ["running    since ", "healthy    yes", "rows       ", "watermark  ", "rule       ", "log        "];
    if fine.status.code() != Some(0) || lines.iter().any(|line| !text.contains(line)) {
        return Err(format!("{}: {text}{}", fine.status, said(&fine.stderr)).into());
    }
    shut.close();
    machine.add();
    let reason = health(503)?;
    if !reason.contains("got on with nothing for") {
        return Err(reason.into());
    }
    let wrong = tripline(&["status", "--address", address])?;
    let text = said(&wrong.stdout);
    if wrong.status.code() != Some(1) || !text.contains("unhealthy  the run has got on with nothing for") {
        return Err(format!("{}: {text}{}", wrong.status, said(&wrong.stderr)).into());
    }
    let wrong = tripline(&["status", "--address", address, "--format", "json"])?;
    let json: Json = serde_json::from_str(&said(&wrong.stdout))?;
    if wrong.status.code() != Some(1) || json["healthy"] != false {
        return Err(format!("{}: {json}", wrong.status).into());
    }
    shut.open();
    health(200)?;
    run.stop().map(|_| ())
}

/// Started again, it has to read its log first: until then it is healthy and not ready, and no counter is there that would jump.
fn recovering() -> Outcome {
    let machine = Machine::new(8, 60)?;
    let run = start(&machine, None)?;
    wait_for("acknowledgements", || Ok(machine.is_done().then_some(())))?;
    let entries = run.stop()?.logged.entries;
    let shut = Shut::default();
    shut.close();
    let run = start(&machine, Some(&shut))?;
    let address = run.address.as_str();
    let (code, reason) = wait_for("answer", || get(address, "/readyz").map(Some))?;
    let now = metrics(address)?;
    let told = status(address)?;
    if code != 503 || reason != "the run is recovering\n" || told["phase"] != "recovering" || told["ready"] != false {
        return Err(format!("{code} {reason}: {told}").into());
    }
    if now.keys().any(|sample| sample.name == "tripline_rows_total") {
        return Err("rows are told that are not read".into());
    }
    shut.open();
    wait_for("readiness", || Ok((get(address, "/readyz")?.0 == 200).then_some(())))?;
    let now = metrics(address)?;
    let (read, all) = ("tripline_recovery_read_entries", "tripline_recovery_entries");
    #[expect(clippy::cast_precision_loss, reason = "few entries")]
    let entries = entries as f64;
    same(read, one(&now, read, &[]), entries)?;
    same(all, one(&now, all, &[]), entries)?;
    same("entries", one(&now, "tripline_log_entries_total", &[]), entries)?;
    run.stop().map(|_| ())
}

fn tripline(args: &[&str]) -> Result<Output, Failed> {
    Ok(Command::new(env!("CARGO_BIN_EXE_tripline")).args(args).output()?)
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn only_loopback() -> Outcome {
    let folder = tempfile::tempdir()?;
    let state = folder.path().join("state");
    let run = |listen: &str| -> Result<String, Failed> {
        let ended = Command::new(env!("CARGO_BIN_EXE_tripline"))
            .args(["run", "--source", "netlog", "--subscription", "projects/p/subscriptions/s", "--listen", listen])
            .args(["--project", env!("CARGO_MANIFEST_DIR"), "--state"])
            .arg(&state)
            .output()?;
        let text = said(&ended.stderr);
        if ended.status.code() == Some(2) { Ok(text) } else { Err(format!("{}: {text}", ended.status).into()) }
    };
    let open = run("0.0.0.0:9464")?;
    if !open.contains("can be reached from other machines") || !open.contains("help: ") || state.exists() {
        return Err(open.into());
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let text = run(&address)?;
    if !text.contains(&format!("cannot listen at {address}")) || !text.contains("help: ") {
        return Err(text.into());
    }
    let alone = tripline(&["run", "--source", "netlog", "--input", "-", "--listen", "127.0.0.1:0"])?;
    let text = said(&alone.stderr);
    if alone.status.code() != Some(2) || !text.contains("--listen") {
        return Err(text.into());
    }
    Ok(())
}

/// Nobody is there, or somebody else.
fn nobody() -> Outcome {
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let none = tripline(&["status", "--address", &address])?;
    let text = said(&none.stderr);
    if none.status.code() != Some(2) || !text.contains("no run answers at") || !text.contains("--listen ADDRESS") {
        return Err(format!("{}: {text}", none.status).into());
    }
    let other = server::other()?;
    let wrong = tripline(&["status", "--address", &other.address().to_string()])?;
    let text = said(&wrong.stderr);
    if wrong.status.code() != Some(2) || !text.contains("is no run of tripline") {
        return Err(format!("{}: {text}", wrong.status).into());
    }
    Ok(())
}

/// The table of the page has each metric once, and no other.
fn documented() -> Outcome {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md"))?;
    let named = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(['`', '{']));
    let named: Vec<&str> = named
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("tripline_") || name.starts_with("process_"))
        .collect();
    let known: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
    let missing: Vec<_> = known.iter().filter(|name| !named.contains(name)).collect();
    let strange: Vec<_> = named.iter().filter(|name| !known.contains(name)).collect();
    let used = page.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| word.starts_with("tripline_"));
    let unknown: Vec<&str> = used.filter(|word| !known.contains(word)).collect();
    if missing.is_empty() && strange.is_empty() && unknown.is_empty() && named.len() == known.len() {
        return Ok(());
    }
    Err(format!("missing {missing:?}, strange {strange:?}, used and unknown {unknown:?}").into())
}
