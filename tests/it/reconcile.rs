//! Faults that are planted in what a run wrote, in the history, or in the definitions: each is reported with its cause, in
//! its relation and column, and nothing else is.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::Value as Json;
use tempfile::TempDir;

type Outcome = Result<(), Failed>;

const PROJECT: [(&str, &str); 10] = [
    ("tripline.yaml", "name: reconcile\n"),
    (
        "sql/netlog/source.yaml",
        "source: netlog
format: json
columns:
  time: {type: TIMESTAMP, field: at}
  src: STRING
  dst: STRING
  bytes: INT64
event_time: time
lateness: 10s
",
    ),
    ("sql/netlog/flows.sql", "SELECT time AS end_time, src AS src_ip, dst AS dst_ip, bytes AS tx_bytes FROM netlog\n"),
    (
        "features/talk_1m.yaml",
        "feature: talk_1m
from: flows
key: [src_ip]
window: {size: 1m}
columns:
  flows: COUNT(*)
  bytes: SUM(tx_bytes)
  mean: AVG(tx_bytes)
",
    ),
    (
        "features/talk_5m.yaml",
        "feature: talk_5m
from: talk_1m
key: [src_ip]
window: {size: 5m, every: 1m}
columns:
  minutes: COUNT(*)
  bytes: SUM(bytes)
",
    ),
    (
        "features/kept_1m.yaml",
        "feature: kept_1m
from: flows
key: [src_ip]
window: {size: 1m}
columns: {flows: COUNT(*)}
fill: zero
expire: 20m
",
    ),
    (
        "rules/case_busy.yaml",
        "rule: case.busy
title: Busy
severity: low
sql: SELECT * FROM talk_1m WHERE flows > 3
",
    ),
    // The mean of one minute of 'c' is exactly that.
    (
        "rules/case_big.yaml",
        "rule: case.big
title: Big
severity: low
sql: SELECT * FROM talk_1m WHERE mean >= 62.916666666666664 AND src_ip NOT IN (SELECT ip FROM known)
",
    ),
    ("sql/lookups/known.yaml", "lookup: known\ncolumns: {ip: STRING}\nkey: [ip]\n"),
    ("sql/lookups/known.csv", "ip\nnobody\nx\n"),
];

/// What a run writes, and to which file.
const EMITTED: [(&str, &str); 8] = [
    ("flows", "flows.parquet"),
    ("late", "late.jsonl"),
    ("talk_1m", "talk_1m.jsonl"),
    ("talk_5m", "talk_5m.jsonl"),
    ("kept_1m", "kept_1m.jsonl"),
    ("case.busy", "case.busy.jsonl"),
    ("case.big", "case.big.jsonl"),
    ("hits", "hits.jsonl"),
];
const SECONDS: u32 = 600;
/// Rows that come a minute and more behind their time.
const LATE: [u32; 3] = [45, 290, 471];
/// The place in the log behind which they come.
const BEHIND: u32 = 120;

pub fn cases() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("reconcile::a_run_with_late_rows_is_as_its_history", clean),
        Trial::test("reconcile::samples_are_parts_of_the_whole", sampled),
        Trial::test("reconcile::a_row_names_the_flows_of_its_key", named_flows),
        Trial::test("reconcile::wrong_use_is_exit_2_with_help", wrong_use),
    ];
    for fault in faults() {
        trials.push(Trial::test(format!("reconcile::fault_{}", fault.name), move || planted(&fault)));
    }
    trials
}

/// Where a fault shows, and why.
struct Fault {
    name: &'static str,
    plant: fn(&Scene) -> Outcome,
    /// Relation, kind, cause, how many rows (0: some), and a column that differs.
    shows: (&'static str, &'static str, &'static str, u64, &'static str),
    exit: i32,
    /// All relations that may differ.
    touched: &'static [&'static str],
    more: &'static [&'static str],
}

const WINDOWS: &[&str] = &["talk_1m", "talk_5m", "kept_1m", "case.busy", "case.big", "hits", "alerts"];
const BIG: &[&str] = &["case.big", "hits", "alerts"];
const WITH_RUN: &[&str] = &["--run-project", "was"];
const ALL: &[&str] = &["flows", "late", "talk_1m", "talk_5m", "kept_1m", "case.busy", "case.big", "hits", "alerts"];

fn faults() -> Vec<Fault> {
    let fault = |name, plant, shows, exit, touched| Fault { name, plant, shows, exit, touched, more: &[] };
    let with_run = |name, plant, shows, exit, touched| Fault { name, plant, shows, exit, touched, more: WITH_RUN };
    vec![
        fault("lost_hit", lost_hit, ("hits", "missing", "unknown", 1, ""), 1, &["hits"]),
        fault("changed_count", changed_count, ("talk_1m", "different", "unknown", 1, "flows"), 1, &["talk_1m"]),
        fault("changed_float", changed_float, ("talk_1m", "different", "unknown", 1, "mean"), 1, &["talk_1m"]),
        fault("invented_row", invented_row, ("talk_1m", "extra", "unknown", 1, ""), 1, &["talk_1m"]),
        fault("repeated_row", repeated_row, ("talk_5m", "repeated", "repeated", 1, ""), 1, &["talk_5m"]),
        fault("changed_alert", changed_alert, ("alerts", "different", "unknown", 1, "title"), 1, &["alerts"]),
        fault("forged_partial", forged_partial, ("talk_1m", "different", "unknown", 1, "partial"), 1, &["talk_1m"]),
        fault("lost_flow", lost_flow, ("talk_1m", "different", "lost flow", 1, "flows"), 1, ALL),
        fault("unseen_flow", unseen_flow, ("talk_1m", "missing", "unseen flow", 1, ""), 1, ALL),
        fault("lost_day", lost_day, ("flows", "extra", "lost flow", 0, ""), 1, ALL),
        fault("late_rows", late_rows, ("talk_1m", "different", "late", 0, "flows"), 0, ALL),
        fault("late_and_changed", late_and_changed, ("talk_1m", "different", "unknown", 1, "bytes"), 1, ALL),
        fault("changed_rule", changed_rule, ("hits", "different", "definitions", 0, "fingerprint"), 0, WINDOWS),
        fault("run_that_ended", run_that_ended, ("talk_1m", "different", "edge", 0, "partial"), 0, WINDOWS),
        fault("filled_while_flows_come", run_that_ended, ("kept_1m", "missing", "edge", 0, ""), 0, WINDOWS),
        fault("filled_behind_the_history", history_that_ended, ("kept_1m", "extra", "edge", 0, ""), 1, ALL),
        fault("float_below", float_below, ("case.big", "missing", "threshold", 1, ""), 0, BIG),
        fault("float_above", float_above, ("case.big", "extra", "threshold", 1, ""), 0, BIG),
        fault("float_unseen", float_unseen, ("case.big", "missing", "unknown", 1, ""), 1, BIG),
        fault("float_elsewhere", float_elsewhere, ("case.big", "missing", "unknown", 1, ""), 1, BIG),
        fault("float_of_another", float_of_another, ("case.big", "missing", "unknown", 1, ""), 1, BIG),
        with_run("another_project", another_project, ("hits", "missing", "unknown", 1, ""), 1, &["hits"]),
        fault("lookup_unseen", changed_lookup, ("case.big", "missing", "unknown", 0, ""), 1, BIG),
        with_run("changed_lookup", changed_lookup, ("case.big", "missing", "lookup", 0, ""), 0, BIG),
        with_run("changed_feature", changed_feature, ("talk_1m", "different", "definitions", 0, "bytes"), 0, WINDOWS),
        with_run("lookup_and_hit", lookup_and_hit, ("hits", "missing", "unknown", 1, ""), 1, BIG),
    ]
}

struct Scene {
    folder: TempDir,
}

/// Records in the order of their log: every second one, of three hosts in turns.
fn records() -> Vec<String> {
    let mut lines = Vec::new();
    for second in (0..SECONDS).filter(|second| !LATE.contains(second)) {
        lines.push(record(second, ""));
        for late in LATE {
            if late + BEHIND == second {
                lines.push(record(late, ""));
            }
        }
    }
    lines
}

fn record(second: u32, host: &str) -> String {
    let own = ["a", "b", "c", "c", "a"][(second as usize / 4) % 5];
    let host = if host.is_empty() { own } else { host };
    let (minute, rest) = (second / 60, second % 60);
    let bytes = 10 + second * 37 % 101;
    format!(r#"{{"at":"2026-01-05T22:{minute:02}:{rest:02}Z","src":"{host}","dst":"x{second}","bytes":{bytes}}}"#)
}

fn tripline(folder: &Path, code: i32, arguments: &[&str]) -> Result<(String, String), Failed> {
    let done = Command::new(env!("CARGO_BIN_EXE_tripline")).args(arguments).current_dir(folder).output()?;
    let (out, said) = (String::from_utf8(done.stdout)?, String::from_utf8(done.stderr)?);
    if done.status.code() == Some(code) {
        return Ok((out, said));
    }
    Err(format!("{arguments:?} ended with {:?}, not {code}\n{out}{said}", done.status.code()).into())
}

impl Scene {
    /// A project, a run over its input, and a history of that input.
    fn new() -> Result<Self, Failed> {
        let scene = Self { folder: tempfile::tempdir()? };
        for (path, text) in PROJECT {
            let path = scene.path("project").join(path);
            fs::create_dir_all(path.parent().ok_or("no folder")?)?;
            fs::write(path, text)?;
        }
        fs::create_dir_all(scene.path("emitted"))?;
        scene.run(&records())?;
        scene.keep(&records())?;
        Ok(scene)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, records: &[String]) -> Outcome {
        fs::write(self.path("input.jsonl"), records.join("\n") + "\n")?;
        let taps: Vec<String> = EMITTED.iter().map(|(relation, file)| format!("{relation}=emitted/{file}")).collect();
        let mut arguments = vec!["run", "--project", "project", "--input", "input.jsonl"];
        arguments.extend(["--output", "emitted/alerts.jsonl"]);
        taps.iter().for_each(|tap| arguments.extend(["--tap", tap]));
        tripline(self.folder.path(), 0, &arguments).map(drop)
    }

    /// Makes the history anew.
    fn keep(&self, records: &[String]) -> Outcome {
        let history = self.path("history");
        if history.exists() {
            fs::remove_dir_all(history)?;
        }
        fs::write(self.path("kept.jsonl"), records.join("\n") + "\n")?;
        let arguments = ["ingest", "--project", "project", "--to", "history", "kept.jsonl"];
        tripline(self.folder.path(), 0, &arguments).map(drop)
    }

    fn reconcile(&self, exit: i32, more: &[&str]) -> Result<(String, String), Failed> {
        let mut arguments = vec!["reconcile", "--project", "project", "--history", "history", "--emitted", "emitted"];
        arguments.extend(["--from", "2026-01-05", "--to", "2026-01-06"]);
        arguments.extend(more);
        tripline(self.folder.path(), exit, &arguments)
    }

    fn report(&self, exit: i32, more: &[&str]) -> Result<Json, Failed> {
        let arguments: Vec<&str> = ["--format", "json"].into_iter().chain(more.iter().copied()).collect();
        Ok(serde_json::from_str(&self.reconcile(exit, &arguments)?.0)?)
    }

    /// Changes the lines of an emitted file.
    fn edit(&self, file: &str, change: impl FnOnce(&mut Vec<Json>)) -> Outcome {
        let path = self.path("emitted").join(file);
        let text = fs::read_to_string(&path)?;
        let mut lines = text.lines().map(serde_json::from_str).collect::<Result<Vec<Json>, _>>()?;
        let before = lines.clone();
        change(&mut lines);
        if lines == before {
            return Err("nothing is planted".into());
        }
        Ok(fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>())?)
    }
}

fn relation<'r>(report: &'r Json, name: &str) -> Result<&'r Json, Failed> {
    let found = report["relations"].as_array().into_iter().flatten().find(|relation| relation["relation"] == name);
    found.ok_or_else(|| format!("no {name} in {report:#}").into())
}

/// Rows on both sides, some of them late, and no difference.
fn clean() -> Outcome {
    let scene = Scene::new()?;
    let report = scene.report(0, &[])?;
    for name in ALL {
        let found = relation(&report, name)?;
        let same = found["emitted"].as_u64().filter(|rows| *rows > 0);
        if same.is_none() || found["emitted"] != found["computed"] || found["emitted"] != found["same"] {
            return Err(format!("{found:#}").into());
        }
    }
    if relation(&report, "late")?["same"] != LATE.len() {
        return Err(format!("{report:#}").into());
    }
    // As a text, and with the files by name.
    let (text, said) = scene.reconcile(0, &[])?;
    let by_name = ["reconcile", "--project", "project", "--history", "history", "--emitted", "hits=emitted/hits.jsonl"];
    let (named, _) = tripline(scene.folder.path(), 0, &by_name)?;
    if text.contains("late ") && said.is_empty() && named.contains("hits ") {
        Ok(())
    } else {
        Err((text + &said).into())
    }
}

fn planted(fault: &Fault) -> Outcome {
    let scene = Scene::new()?;
    (fault.plant)(&scene)?;
    let report = scene.report(fault.exit, fault.more)?;
    let (name, kind, cause, rows, column) = fault.shows;
    let found = relation(&report, name)?;
    let wrong = |what: &str| Err(format!("{}: {what}\n{report:#}", fault.name).into());
    let count = found["causes"][cause].as_u64().unwrap_or_default();
    if found[kind].as_u64().unwrap_or_default() == 0 || count == 0 || (rows > 0 && count != rows) {
        return wrong("not that kind, cause and count");
    }
    let columns = found["columns"].as_array().ok_or("no columns")?;
    if !column.is_empty() && !columns.iter().any(|found| found["column"] == column) {
        return wrong("not that column");
    }
    let unexplained = report["unexplained"].as_u64().unwrap_or_default();
    if (unexplained == 0) != (fault.exit == 0) {
        return wrong("the exit code does not tell");
    }
    for relation in report["relations"].as_array().ok_or("no relations")? {
        let differs = relation["causes"].as_object().is_some_and(|causes| !causes.is_empty());
        let touched = fault.touched.iter().any(|name| relation["relation"] == *name);
        if differs && !touched {
            return wrong("another relation differs");
        }
        let guessed = relation["causes"]["unknown"].as_u64().unwrap_or_default() > 0;
        if guessed && cause != "unknown" {
            return wrong("some of it is unknown");
        }
    }
    let (text, said) = scene.reconcile(fault.exit, fault.more)?;
    if !text.contains(&format!("  {cause}, ")) || (fault.exit == 1) != said.contains("help: ") {
        return wrong(&format!("the text does not tell\n{text}{said}"));
    }
    Ok(())
}

fn lost_hit(scene: &Scene) -> Outcome {
    scene.edit("hits.jsonl", |hits| drop(hits.remove(2)))
}

fn changed_count(scene: &Scene) -> Outcome {
    scene.edit("talk_1m.jsonl", |rows| rows[4]["flows"] = (rows[4]["flows"].as_i64().unwrap_or_default() + 1).into())
}

/// What is within a billionth is no difference; what is beyond is one.
fn changed_float(scene: &Scene) -> Outcome {
    scene.edit("talk_1m.jsonl", |rows| {
        for (row, by) in [(3, 1.0 + 1e-11), (5, 1.0 + 1e-7)] {
            rows[row]["mean"] = (rows[row]["mean"].as_f64().unwrap_or_default() * by).into();
        }
    })
}

fn invented_row(scene: &Scene) -> Outcome {
    scene.edit("talk_1m.jsonl", |rows| {
        let mut row = rows[1].clone();
        row["src_ip"] = "nobody".into();
        rows.push(row);
    })
}

fn repeated_row(scene: &Scene) -> Outcome {
    scene.edit("talk_5m.jsonl", |rows| rows.push(rows[6].clone()))
}

fn changed_alert(scene: &Scene) -> Outcome {
    scene.edit("alerts.jsonl", |alerts| alerts[0]["title"] = "Quiet".into())
}

/// That a row calls itself partial explains nothing where the run went on behind it.
fn forged_partial(scene: &Scene) -> Outcome {
    scene.edit("talk_1m.jsonl", |rows| rows[3]["partial"] = true.into())
}

fn lost_flow(scene: &Scene) -> Outcome {
    let mut kept = records();
    kept.remove(200);
    scene.keep(&kept)
}

fn unseen_flow(scene: &Scene) -> Outcome {
    let mut kept = records();
    kept.insert(201, record(203, "somebody"));
    scene.keep(&kept)
}

/// The history begins with another day.
fn lost_day(scene: &Scene) -> Outcome {
    let kept: Vec<String> = records().iter().map(|line| line.replace("2026-01-05T", "2026-01-04T")).collect();
    scene.keep(&kept)
}

/// The history read the records in order: what was late in the run counts there.
fn late_rows(scene: &Scene) -> Outcome {
    let mut kept = records();
    kept.sort();
    scene.keep(&kept)
}

/// A change is not hidden behind late rows.
fn late_and_changed(scene: &Scene) -> Outcome {
    late_rows(scene)?;
    // A window that late rows have to do with.
    scene.edit("talk_1m.jsonl", |rows| rows[0]["bytes"] = 1.into())
}

fn changed_rule(scene: &Scene) -> Outcome {
    let path = scene.path("project/rules/case_busy.yaml");
    let text = fs::read_to_string(&path)?;
    Ok(fs::write(path, text.replace("flows > 3", "flows > 10"))?)
}

/// The history went on with the next day.
fn run_that_ended(scene: &Scene) -> Outcome {
    let mut kept = records();
    kept.extend(
        ["00:00", "00:30", "30:00"]
            .map(|at| format!(r#"{{"at":"2026-01-06T00:{at}Z","src":"a","dst":"y","bytes":1}}"#)),
    );
    scene.keep(&kept)
}

/// The run went on with one flow more.
fn history_that_ended(scene: &Scene) -> Outcome {
    let mut records = records();
    records.push(r#"{"at":"2026-01-05T22:40:00Z","src":"z","dst":"y","bytes":1}"#.to_owned());
    scene.run(&records)
}

const LIMIT: &str = "62.916666666666664";
const NEXT: &str = "62.91666666666667";

impl Scene {
    fn rewrite(&self, file: &str, from: &str, to: &str) -> Outcome {
        let text = fs::read_to_string(self.path(file))?;
        if !text.contains(from) {
            return Err(format!("{file} has no {from}").into());
        }
        Ok(fs::write(self.path(file), text.replace(from, to))?)
    }

    /// The definitions as they are now are those that the run had.
    fn remember(&self) -> Outcome {
        for (path, _) in PROJECT {
            let to = self.path("was").join(path);
            fs::create_dir_all(to.parent().ok_or("no folder")?)?;
            fs::copy(self.path("project").join(path), to)?;
        }
        Ok(())
    }

    /// Runs as a machine on which a mean at the limit is one digit less, or where the limit was that much lower than the
    /// rule's is now; the fingerprints are those of the rule here.
    fn other_digits(&self, run: &str, here: &str) -> Outcome {
        self.rewrite("project/rules/case_big.yaml", LIMIT, run)?;
        self.run(&records())?;
        let was = self.fingerprint()?;
        self.rewrite("project/rules/case_big.yaml", run, here)?;
        let run_of_here = self.path("emitted_here");
        fs::create_dir_all(&run_of_here)?;
        let arguments =
            ["run", "--project", "project", "--input", "input.jsonl", "--output", "emitted_here/alerts.jsonl"];
        tripline(self.folder.path(), 0, &arguments)?;
        let is = fingerprint_in(&fs::read_to_string(run_of_here.join("alerts.jsonl"))?)?;
        self.rewrite("emitted/hits.jsonl", &was, &is)?;
        self.rewrite("emitted/alerts.jsonl", &was, &is)
    }

    fn fingerprint(&self) -> Result<String, Failed> {
        fingerprint_in(&fs::read_to_string(self.path("emitted/alerts.jsonl"))?)
    }

    /// The mean at the limit, in the run's rows of the feature.
    fn mean_was(&self, mean: f64) -> Outcome {
        let limit: f64 = LIMIT.parse()?;
        self.edit("talk_1m.jsonl", |rows| {
            rows.iter_mut().filter(|row| row["mean"].as_f64() == Some(limit)).for_each(|row| row["mean"] = mean.into());
        })
    }
}

fn fingerprint_in(alerts: &str) -> Result<String, Failed> {
    let alerts = alerts.lines().map(serde_json::from_str).collect::<Result<Vec<Json>, _>>()?;
    let big = alerts.iter().find(|alert| alert["rule"] == "case.big").ok_or("no alert")?;
    Ok(big["fingerprint"].as_str().ok_or("no fingerprint")?.to_owned())
}

fn float_below(scene: &Scene) -> Outcome {
    scene.other_digits(NEXT, LIMIT)?;
    scene.mean_was(62.916_666_666_666_66)
}

fn float_above(scene: &Scene) -> Outcome {
    scene.other_digits(LIMIT, NEXT)?;
    scene.mean_was(62.916_666_666_666_68)
}

/// Nothing shows that a float of the run differed.
fn float_unseen(scene: &Scene) -> Outcome {
    scene.other_digits(NEXT, LIMIT)
}

/// A float of another window differed.
fn float_elsewhere(scene: &Scene) -> Outcome {
    scene.other_digits(NEXT, LIMIT)?;
    scene.edit("talk_1m.jsonl", |rows| {
        rows[0]["mean"] = (rows[0]["mean"].as_f64().unwrap_or_default() * (1.0 + 1e-12)).into()
    })
}

/// A float of another key differed.
fn float_of_another(scene: &Scene) -> Outcome {
    scene.other_digits(NEXT, LIMIT)?;
    scene.edit("talk_1m.jsonl", |rows| {
        let other = |row: &&mut Json| row["window_start"] == "2026-01-05T22:05:00Z" && row["src_ip"] == "a";
        rows.iter_mut().filter(other).for_each(|row| row["mean"] = (60.458_333_333_333_336 * (1.0 + 1e-12)).into());
    })
}

/// What is said to be the run's project is not: its rule would not have given the hit that is lost.
fn another_project(scene: &Scene) -> Outcome {
    scene.remember()?;
    scene.rewrite("was/rules/case_busy.yaml", "flows > 3", "flows > 11")?;
    scene.edit("hits.jsonl", |hits| hits.retain(|hit| !hit["values"].to_string().contains(r#""flows\":11"#)))
}

fn changed_lookup(scene: &Scene) -> Outcome {
    scene.rewrite("project/sql/lookups/known.csv", "\nx\n", "\nc\n")?;
    scene.run(&records())?;
    scene.remember()?;
    scene.rewrite("project/sql/lookups/known.csv", "\nc\n", "\nx\n")
}

/// A change is not hidden behind that of a lookup.
fn lookup_and_hit(scene: &Scene) -> Outcome {
    changed_lookup(scene)?;
    scene.edit("hits.jsonl", |hits| drop(hits.remove(2)))
}

fn changed_feature(scene: &Scene) -> Outcome {
    scene.remember()?;
    scene.rewrite("project/features/talk_1m.yaml", "SUM(tx_bytes)", "SUM(tx_bytes + 1)")
}

/// Of two flows that are lost in one minute, each row names its own.
fn named_flows() -> Outcome {
    let scene = Scene::new()?;
    let mut kept = records();
    let of = |host: &str| {
        let place = |line: &String| line.contains("T22:03:") && line.contains(&format!(r#""src":"{host}""#));
        kept.iter().position(place)
    };
    let (a, b) = (of("a").ok_or("no a")?, of("b").ok_or("no b")?);
    kept.remove(a.max(b));
    kept.remove(a.min(b));
    scene.keep(&kept)?;
    let report = scene.report(1, &[])?;
    for name in ["talk_1m", "hits"] {
        let rows = relation(&report, name)?["rows"].as_array().ok_or("no rows")?.clone();
        let events: Vec<&str> = rows.iter().filter_map(|row| row["event"].as_str()).collect();
        let one_each = events.iter().all(|event| event.matches("flow ").count() == 1 && !event.contains("more"));
        if events.len() < 2 || !one_each {
            return Err(format!("{name}: {events:#?}").into());
        }
    }
    Ok(())
}

fn sampled() -> Outcome {
    let scene = Scene::new()?;
    changed_count(&scene)?;
    let whole = relation(&scene.report(1, &[])?, "flows")?["same"].as_u64().unwrap_or_default();
    let exits: Vec<(u64, bool)> = (2..6)
        .map(|sample| {
            let text = sample.to_string();
            let mut arguments = vec!["reconcile", "--project", "project", "--history", "history"];
            arguments.extend(["--emitted", "emitted", "--format", "json", "--sample", &text]);
            let done = Command::new(env!("CARGO_BIN_EXE_tripline"))
                .args(&arguments)
                .current_dir(scene.folder.path())
                .output()?;
            let report: Json = serde_json::from_slice(&done.stdout)?;
            let flows = relation(&report, "flows")?;
            if flows["same"] != flows["emitted"] || flows["same"] != flows["computed"] {
                return Err(Failed::from(format!("{flows:#}")));
            }
            Ok((flows["same"].as_u64().unwrap_or_default(), done.status.code() == Some(1)))
        })
        .collect::<Result<_, Failed>>()?;
    let parts = exits.iter().zip(2..).all(|((rows, _), sample)| {
        let share = whole / sample;
        *rows > share / 2 && *rows < share * 2 && *rows < whole
    });
    // The changed row's key is in some of them only.
    let some = exits.iter().any(|(_, found)| !found);
    if parts && some { Ok(()) } else { Err(format!("{exits:?} of {whole}").into()) }
}

fn wrong_use() -> Outcome {
    let scene = Scene::new()?;
    let folder = scene.folder.path();
    let cases: [(&str, &[&str]); 6] = [
        ("talk_1m=input.jsonl", &["input.jsonl, line 1", "it is no row of talk_1m: it has no window_start", "help: "]),
        ("hit=emitted/hits.jsonl", &["no relation `hit`", "help: did you mean `hits`?"]),
        ("rejects=emitted/hits.jsonl", &["a history keeps no rejects", "help: "]),
        ("emitted/hits.jsonl", &["names no relation", "help: write --emitted RELATION=FILE"]),
        ("talk_1m=broken.jsonl", &["broken.jsonl, line 3", "help: "]),
        ("alerts=emitted/hits.jsonl", &["line 1", "it is no alert"]),
    ];
    let text = fs::read_to_string(scene.path("emitted/talk_1m.jsonl"))?;
    let lines: Vec<&str> = text.lines().take(3).collect();
    fs::write(scene.path("broken.jsonl"), format!("{}\n{}\n{}", lines[0], lines[1], &lines[2][..lines[2].len() / 2]))?;
    for (emitted, parts) in cases {
        let arguments = ["reconcile", "--project", "project", "--history", "history", "--emitted", emitted];
        let (_, said) = tripline(folder, 2, &arguments)?;
        if let Some(part) = parts.iter().find(|part| !said.contains(**part)) {
            return Err(format!("`{part}` is not said of {emitted}: {said}").into());
        }
    }
    Ok(())
}
