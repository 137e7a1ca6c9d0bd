//! `tripline backtest`: what rules would have found, over inputs and over a history, and against other definitions.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::Value as Json;
use tempfile::TempDir;

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("backtest::as_a_run_over_inputs_and_a_history", as_a_run),
        Trial::test("backtest::against_other_definitions", against),
        Trial::test("backtest::against_a_revision", against_revision),
        Trial::test("backtest::drafts_are_tried_and_exceptions_counted", tried),
        Trial::test("backtest::what_is_not_named_feeds_nobody", feeds),
        Trial::test("backtest::wrong_use_is_told", wrong_use),
        Trial::test("backtest::a_row_is_explained", explained),
    ]
}

const PROJECT: &str = "--- tripline.yaml
name: backtest
rules:
  a.many: {exceptions: [{when: \"src_ip = '10.0.0.9'\", reason: a known one}]}
--- sql/netlog/source.yaml
source: netlog
format: json
columns: {time: {type: TIMESTAMP, field: at}, src: STRING, dst: STRING}
event_time: time
--- sql/netlog/flows.sql
SELECT time AS end_time, src AS src_ip, dst AS dst_ip FROM netlog
--- features/contact.yaml
feature: contact
from: flows
key: [src_ip]
window: {size: 1m}
columns: {flows: COUNT(*)}
--- rules/many.yaml
rule: a.many
title: Many
severity: low
params: {min_flows: 3}
sql: SELECT * FROM contact WHERE flows >= @min_flows
entities: [{type: ip, column: src_ip, role: actor}]
alert: {title: '{src_ip} {flows}', merge_within: 5m}
--- rules/some.yaml
rule: b.some
title: Some
status: draft
severity: low
sql: SELECT * FROM contact WHERE flows = 2
entities: [{type: ip, column: src_ip, role: actor}]
alert: {key: [src_ip], merge_within: 1m}
";

/// By day, minute and source: how many flows.
const FLOWS: [(u32, u32, &str, usize); 8] = [
    (5, 1, "10.0.0.1", 3),
    (5, 3, "10.0.0.1", 4),
    (5, 30, "10.0.0.1", 3),
    (5, 30, "10.0.0.9", 5),
    (5, 31, "10.0.0.2", 2),
    (6, 5, "10.0.0.2", 6),
    (6, 7, "10.0.0.2", 2),
    (7, 9, "10.0.0.1", 1),
];

fn folder() -> Result<TempDir, Failed> {
    let folder = TempDir::new()?;
    for section in format!("\n{PROJECT}").split("\n--- ").skip(1) {
        let (path, body) = section.split_once('\n').ok_or("a file without a body")?;
        let path = folder.path().join("p").join(path);
        fs::create_dir_all(path.parent().ok_or("no folder")?)?;
        fs::write(path, format!("{body}\n"))?;
    }
    let mut text = String::new();
    for (day, minute, src, count) in FLOWS {
        for second in 0..count {
            let at = format!("2026-01-{day:02}T09:{minute:02}:{second:02}Z");
            text.push_str(&format!("{{\"at\":\"{at}\",\"src\":\"{src}\",\"dst\":\"x\"}}\n"));
        }
    }
    fs::write(folder.path().join("in.jsonl"), text)?;
    Ok(folder)
}

/// Standard output and standard error of a command that ends with this code.
fn told(folder: &Path, exit: i32, arguments: &[&str]) -> Result<(String, String), Failed> {
    let done = Command::new(env!("CARGO_BIN_EXE_tripline")).args(arguments).current_dir(folder).output()?;
    let (out, err) = (String::from_utf8(done.stdout)?, String::from_utf8(done.stderr)?);
    if done.status.code() != Some(exit) {
        return Err(format!("{arguments:?}: {}\n{out}{err}", done.status).into());
    }
    Ok((out, err))
}

const OVER: [&str; 6] = ["--project", "p", "--source", "netlog", "--input", "in.jsonl"];

fn backtest(folder: &Path, more: &[&str]) -> Result<Json, Failed> {
    let (out, _) = told(folder, 0, &[&["backtest", "--format", "json"], more].concat())?;
    Ok(serde_json::from_str(&out)?)
}

fn texts(list: &Json, field: &str) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|entry| entry[field].as_str().unwrap_or_default().to_owned()).collect()
}

fn as_a_run() -> Result<(), Failed> {
    let folder = folder()?;
    let folder = folder.path();
    told(folder, 0, &[&["run", "--output", "alerts.jsonl"], &OVER[..]].concat())?;
    let alerts = fs::read_to_string(folder.join("alerts.jsonl"))?;
    let alerts: Vec<Json> = alerts.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut expected: Vec<String> = texts(&Json::Array(alerts), "alert_id");
    let over_inputs = backtest(folder, &OVER)?;
    told(folder, 0, &["ingest", "--project", "p", "--source", "netlog", "--to", "h", "in.jsonl"])?;
    let over_history = backtest(folder, &["--project", "p", "--history", "h"])?;
    expected.sort();
    for report in [&over_inputs, &over_history] {
        let many = &report["rules"][0];
        let mut ids = texts(&many["alerts"], "alert_id");
        ids.sort();
        let days = serde_json::json!({"2026-01-05": 2, "2026-01-06": 1});
        let span = (report["first_day"].as_str(), report["last_day"].as_str());
        if ids != expected || many["by_day"] != days || span != (Some("2026-01-05"), Some("2026-01-07")) {
            return Err(format!("a run gives {expected:?}, {report:#}").into());
        }
    }
    if over_inputs["rules"] == over_history["rules"] { Ok(()) } else { Err("they differ".into()) }
}

fn against() -> Result<(), Failed> {
    let folder = folder()?;
    let folder = folder.path();
    let other = folder.join("q");
    copy(&folder.join("p"), &other)?;
    let rule = other.join("rules/many.yaml");
    // The first incident begins two minutes later; that of the second half hour is gone, and so is no other.
    fs::write(&rule, fs::read_to_string(&rule)?.replace("min_flows: 3", "min_flows: 4"))?;
    let report = backtest(folder, &[&["a.many", "--against", "q"], &OVER[..]].concat())?;
    let found = &report["rules"][0]["against"];
    let gained = texts(&found["gained"], "title");
    if found["both"] != 2 || gained != ["10.0.0.1 3"] || found["lost"] != serde_json::json!([]) {
        return Err(format!("{report:#}").into());
    }
    let (text, _) = told(folder, 0, &[&["backtest", "a.many", "--against", "q"], &OVER[..]].concat())?;
    let lines =
        ["2026-01-05 to 2026-01-07, 3 days, 26 flows", "against   2 as before, 1 gained, 0 lost", "+ 2026-01-05T09:30"];
    match lines.iter().find(|line| !text.contains(**line)) {
        Some(line) => Err(format!("{line} is not in\n{text}").into()),
        None => Ok(()),
    }
}

/// Git as nobody has configured it.
fn git(folder: &Path, arguments: &[&str]) -> Result<(), Failed> {
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").arg("-C").arg(folder);
    let done = command.args(["-c", "user.name=a", "-c", "user.email=a@example.com"]).args(arguments).output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr)).into())
}

/// The project as it was committed, below a repository's top; what lies beside it in the work tree does not count.
fn against_revision() -> Result<(), Failed> {
    let folder = folder()?;
    let folder = folder.path();
    let with = |against: &'static str| [&["a.many", "--against", against], &OVER[..]].concat();
    let refused = |against: &'static str, expected: &str| -> Result<(), Failed> {
        let (_, err) = told(folder, 2, &[&["backtest"], &with(against)[..]].concat())?;
        if err.contains(expected) && err.contains("\nhelp: ") {
            return Ok(());
        }
        Err(format!("{expected} is not in\n{err}").into())
    };
    refused("HEAD", "`HEAD` is no folder, and p is in no git repository")?;
    let rule = folder.join("p/rules/many.yaml");
    let was = fs::read_to_string(&rule)?;
    git(folder, &["init", "-q", "-b", "main"])?;
    git(folder, &["commit", "-q", "--allow-empty", "-m", "nothing"])?;
    fs::write(&rule, was.replace("min_flows: 3", "min_flows: 4"))?;
    git(folder, &["add", "p"])?;
    git(folder, &["commit", "-q", "-m", "four"])?;
    git(folder, &["tag", "four"])?;
    fs::write(&rule, "rule: [")?;
    git(folder, &["commit", "-q", "-a", "-m", "wrong"])?;
    fs::write(&rule, was)?;
    for revision in ["four", "main~1", "HEAD^"] {
        let report = backtest(folder, &with(revision))?;
        let found = &report["rules"][0]["against"];
        if found["both"] != 2 || texts(&found["gained"], "title") != ["10.0.0.1 3"] {
            return Err(format!("{revision}: {report:#}").into());
        }
    }
    refused("fuor", "`fuor` is no folder, and no revision of the git repository of p")?;
    refused("main~2", "revision `main~2` has no tripline.yaml in p")?;
    let (_, err) = told(folder, 2, &[&["backtest"], &with("HEAD")[..]].concat())?;
    if !err.contains("revision `HEAD`: the project has errors") || !err.contains("rules/many.yaml") {
        return Err(err.into());
    }
    // A program that is not there.
    let done = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .arg("backtest")
        .args(with("four"))
        .current_dir(folder)
        .env("PATH", folder)
        .output()?;
    let err = String::from_utf8(done.stderr)?;
    if done.status.code() == Some(2) && err.contains("git does not run") && err.contains("help: install git") {
        return Ok(());
    }
    Err(err.into())
}

fn copy(from: &Path, to: &Path) -> Result<(), Failed> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, name) = (entry.as_ref().map(fs::DirEntry::path), entry.as_ref().map(fs::DirEntry::file_name));
        let (Ok(path), Ok(name)) = (path, name) else { continue };
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

fn tried() -> Result<(), Failed> {
    let folder = folder()?;
    let report = backtest(folder.path(), &OVER)?;
    let (many, some) = (&report["rules"][0], &report["rules"][1]);
    let excepted = serde_json::json!([{"reason": "a known one", "hits": 1}]);
    if many["excepted"] != excepted || many["hits"] != 5 || !many["mark"].is_null() {
        return Err(format!("{many:#}").into());
    }
    if some["mark"] != "draft" || some["by_day"] != serde_json::json!({"2026-01-05": 1, "2026-01-06": 1}) {
        return Err(format!("{some:#}").into());
    }
    let top = &some["entities"][0];
    if top["value"] == "10.0.0.2" && top["alerts"] == 2 { Ok(()) } else { Err(format!("{some:#}").into()) }
}

/// A draft is tried, and gives no other rule hits that it does not have where it runs; what is named does.
fn feeds() -> Result<(), Failed> {
    let folder = folder()?;
    let project = folder.path().join("p");
    fs::write(
        project.join("features/every.yaml"),
        "feature: every\nfrom: hits(a.many, b.some)\nkey: [actor]\nwindow: {size: 1h}\ncolumns: {rules: COUNT(DISTINCT rule)}\n",
    )?;
    fs::write(
        project.join("rules/two.yaml"),
        "rule: c.two\ntitle: Two\nseverity: low\nsql: SELECT * FROM every WHERE rules >= 2\n",
    )?;
    let two = |named: &[&str]| -> Result<u64, Failed> {
        let report = backtest(folder.path(), &[named, &OVER[..]].concat())?;
        let rules = report["rules"].as_array().cloned().unwrap_or_default();
        let two = rules.iter().find(|rule| rule["rule"] == "c.two").ok_or("no such rule")?;
        Ok(two["hits"].as_u64().unwrap_or_default())
    };
    let hits = (two(&[])?, two(&["c.two"])?, two(&["c.two", "b.some"])?);
    if hits == (0, 0, 1) { Ok(()) } else { Err(format!("{hits:?}").into()) }
}

/// Over inputs and over a history alike: of whom, and when.
fn explained() -> Result<(), Failed> {
    let folder = folder()?;
    let folder = folder.path();
    told(folder, 0, &["ingest", "--project", "p", "--source", "netlog", "--to", "h", "in.jsonl"])?;
    let places: [&[&str]; 2] = [&OVER, &["--project", "p", "--history", "h"]];
    for place in places {
        for (asked, expected) in [
            (
                &["--entity", "10.0.0.2"][..],
                &["a row of contact about 10.0.0.2 meets every condition of `a.many`", "(6 against 3)"][..],
            ),
            (
                &["--entity", "10.0.0.2", "--at", "2026-01-06T09:07:30Z"],
                &[
                    "of contact about 10.0.0.2 at 2026-01-06T09:07:30Z that came nearest to `a.many`",
                    "fails  flows >= @min_flows  (2 against 3, off by 1)",
                ],
            ),
            (
                &["--entity", "10.0.0.2", "--at", "2026-01-06T09:08:00Z"],
                &["contact has no rows about 10.0.0.2 at", "counts in `contact`, in another window"],
            ),
            (&["--entity", "10.0.0.7"], &["contact has no rows about 10.0.0.7"]),
        ] {
            let (out, _) = told(folder, 0, &[&["explain", "a.many"], asked, place].concat())?;
            if let Some(line) = expected.iter().find(|line| !out.contains(**line)) {
                return Err(format!("{asked:?} over {place:?}: {line} is not in\n{out}").into());
            }
        }
    }
    let (_, err) = told(folder, 2, &[&["explain", "contact", "--entity", "x"], &OVER[..]].concat())?;
    if err.contains("rows are explained of rules") { Ok(()) } else { Err(err.into()) }
}

fn wrong_use() -> Result<(), Failed> {
    let folder = folder()?;
    let (_, err) = told(folder.path(), 2, &[&["backtest", "a.mani"], &OVER[..]].concat())?;
    let (_, nothing) = told(folder.path(), 2, &["backtest", "--project", "p"])?;
    if err.contains("did you mean `a.many`?") && nothing.contains("--history DIR") {
        return Ok(());
    }
    Err(format!("{err}{nothing}").into())
}
