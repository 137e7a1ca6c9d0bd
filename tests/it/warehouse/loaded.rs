//! `ingest --to bigquery` and `training --out bigquery`, as they are called.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use libtest_mimic::Failed;
use tempfile::TempDir;

use super::command::{ended, put};
use super::emulator::PROJECT;
use super::proxy::{Proxy, Reply, Request, refusal};
use super::{Case, Place, query, run};

pub const CASES: &[Case] = &[
    ("loaded_rows_are_as_they_came", rows_are_as_they_came),
    ("loaded_rows_of_two_sources_mix", rows_of_two_sources_mix),
    ("loaded_inputs_are_known", inputs_are_known),
    ("loaded_again_takes_the_place", again_takes_the_place),
    ("loaded_whole_or_not_at_all", whole_or_not_at_all),
    ("loaded_through_breaks", through_breaks),
    ("loaded_by_two_at_once", by_two_at_once),
    ("loaded_days_are_those_of_a_history", days_are_those_of_a_history),
    ("training_rows_are_those_of_files", training_rows_are_those_of_files),
];

/// Every type, with an event time; and a second source.
const FILES: [(&str, &str); 6] = [
    ("tripline.yaml", "name: loaded\n"),
    (
        "sql/log/source.yaml",
        "source: log\nformat: json\ncolumns:\n  time: {type: TIMESTAMP, required: true}\n  src: STRING\n  port: INT64\n  \
         part: FLOAT64\n  done: BOOL\n  day: DATE\nevent_time: time\nlateness: 10s\n",
    ),
    (
        "sql/log/flows.sql",
        "SELECT time AS end_time, src AS src_ip, port AS dst_port, IF(done, 'ok', 'rejected') AS outcome\nFROM log\n\
         WHERE COALESCE(port, 0) <> 7\n",
    ),
    (
        "sql/other/source.yaml",
        "source: other\nformat: csv\ncolumns:\n  seen: {type: TIMESTAMP, required: true}\n  who: STRING\nevent_time: seen\n\
         lateness: 10s\n",
    ),
    (
        "rules/all.yaml",
        "rule: all\ntitle: A flow\nstatus: stable\nseverity: info\nsql: |\n  SELECT *\n  FROM flows\n  WHERE \
         event_time >= TIMESTAMP '2026-01-01 00:00:00+00'\nscore: {value: '1'}\nalert: {key: [source], merge_within: 5m}\n",
    ),
    ("sql/other/flows.sql", "SELECT seen AS end_time, who AS src_ip FROM other\n"),
];

const FLOWS: &str = r#"{"time":"2026-01-05T10:00:00.000001Z","src":"a","port":443,"part":0.1,"done":true,"day":"2026-01-04"}
{"time":"2026-01-05T23:59:59.999999Z","src":"ü","port":-9223372036854775808,"part":-0.0,"done":false}
{"time":"2026-01-06T00:00:00Z","src":"","port":7}
{"time":"no time","src":"x"}
{"time":"2026-01-05T12:00:00Z","part":1e300}
{"time":"2026-01-06T00:00:30Z","src":"late is what comes after this"}
"#;
const OTHER: &str = "seen,who\n2026-01-05T23:00:00Z,b\n";

/// The one before the last comes when the watermark is behind it, and the filter takes the third.
const ROWS: &str = "SELECT time, src, port, part, done, day, admit_watermark, event_day FROM log ORDER BY time";

fn project() -> Result<TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    for (path, text) in FILES {
        put(folder.path(), path, text)?;
    }
    put(folder.path(), "flows.jsonl", FLOWS)?;
    put(folder.path(), "other.csv", OTHER)?;
    Ok(folder)
}

fn ask(endpoint: std::net::SocketAddr, dataset: &str, folder: &Path, arguments: &[&str]) -> Result<Output, Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.args(arguments).args(["--warehouse-project", PROJECT, "--dataset", dataset, "--location", "US"]);
    Ok(command.env("BIGQUERY_EMULATOR_HOST", endpoint.to_string()).current_dir(folder).output()?)
}

fn ingest(place: &Place, endpoint: std::net::SocketAddr, folder: &Path, more: &[&str]) -> Result<Output, Failed> {
    let arguments: Vec<&str> = ["ingest", "--to", "bigquery"].iter().chain(more).copied().collect();
    ask(endpoint, place.dataset, folder, &arguments)
}

fn cells(rows: &[Vec<Option<String>>]) -> Vec<String> {
    rows.iter().map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join("|")).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(found: T, wanted: T) -> Result<(), Failed> {
    if found == wanted { Ok(()) } else { Err(format!("{found:?}\ninstead of\n{wanted:?}").into()) }
}

fn rows_are_as_they_came(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    let address = place.emulator.address()?;
    let told = ended(&ingest(place, address, folder.path(), &["log=flows.jsonl", "other=other.csv"])?, 0)?;
    assert!(told.contains("7 offered = 5 accepted + 1 filtered + 1 rejected"), "{told}");
    assert!(told.contains("2026-01-05 4 rows, 1 of them behind the watermark"), "{told}");
    assert!(told.contains("2 files, ") && told.contains(&format!("in {PROJECT}:{}", place.dataset)), "{told}");
    let rows = cells(&place.rows(ROWS)?);
    same(rows.len(), 4)?;
    let noon = "1767614400000000|-|-|1e+300|-|-|";
    assert!(rows[0].starts_with("1767607200000001|a|443|0.1|true|2026-01-04|-|2026-01-05"), "{rows:?}");
    assert!(rows[1].starts_with(noon) && !rows[1].starts_with(&format!("{noon}-")), "{rows:?}");
    assert!(rows[2].starts_with("1767657599999999|ü|-9223372036854775808|-0"), "{rows:?}");
    assert!(rows[3].ends_with("|-|2026-01-06"), "{rows:?}");
    same(place.count("other")?, 1)?;
    same(place.count("tripline_ingests")?, 2)?;
    // Nothing waits any more.
    let listed = place.emulator.ask("GET", &format!("datasets/{}/tables", place.dataset), "")?;
    let tables = listed["tables"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<&str> = tables.iter().filter_map(|table| table["tableReference"]["tableId"].as_str()).collect();
    names.sort_unstable();
    same(names, vec!["log", "other", "tripline_ingests"])
}

/// Rows that follow each other in one batch go to the tables of their own sources.
fn rows_of_two_sources_mix(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    let at = |n: u32| format!("2026-01-05T10:{:02}:{:02}Z", n / 60, n % 60);
    let flows: String = (0..200).map(|n| format!("{{\"time\":\"{}\",\"port\":{n}}}\n", at(n))).collect();
    let other: String = (0..300).map(|n| format!("{},h{n}\n", at(n))).collect();
    put(folder.path(), "flows.jsonl", &flows)?;
    put(folder.path(), "other.csv", &format!("seen,who\n{other}"))?;
    let address = place.emulator.address()?;
    ended(&ingest(place, address, folder.path(), &["log=flows.jsonl", "other=other.csv"])?, 0)?;
    // One is filtered.
    same((place.count("log")?, place.count("other")?), (199, 300))?;
    let sums = place.rows("SELECT SUM(port), COUNT(DISTINCT time) FROM log")?;
    same(cells(&sums), vec!["19893|199".to_owned()])?;
    same(cells(&place.rows("SELECT COUNT(DISTINCT who), COUNT(DISTINCT seen) FROM other")?), vec!["300|300".to_owned()])
}

fn inputs_are_known(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    let address = place.emulator.address()?;
    let asked = |more: &[&str]| ended(&ingest(place, address, folder.path(), more)?, 0);
    asked(&["log=flows.jsonl"])?;
    // By content, under whatever name.
    fs::copy(folder.path().join("flows.jsonl"), folder.path().join("copy.jsonl"))?;
    let told = asked(&["log=copy.jsonl"])?;
    assert!(told.contains("copy.jsonl is there already, as flows.jsonl") && told.contains("nothing new for"), "{told}");
    put(folder.path(), "more.jsonl", "{\"time\":\"2026-01-07T00:00:00Z\",\"src\":\"n\"}\n")?;
    let told = asked(&["log=flows.jsonl", "log=more.jsonl"])?;
    assert!(told.contains("flows.jsonl is there already") && told.contains("1 offered = 1 accepted"), "{told}");
    same(place.count("log")?, 5)?;
    // One that grew counts its first rows once.
    let grown = format!("{FLOWS}{{\"time\":\"2026-01-08T00:00:00Z\"}}\n");
    put(folder.path(), "flows.jsonl", &grown)?;
    let told = ended(&ingest(place, address, folder.path(), &["log=flows.jsonl"])?, 2)?;
    assert!(told.contains("has grown since it was ingested") && told.contains("help: `--again`"), "{told}");
    // Rows of a table that is gone are not there.
    run(&place.client()?, &query("inputs_are_known_drop", "DROP TABLE log"))?;
    asked(&["log=copy.jsonl"])?;
    same(place.count("log")?, 4)
}

fn again_takes_the_place(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    let address = place.emulator.address()?;
    let asked = |more: &[&str]| ended(&ingest(place, address, folder.path(), more)?, 0);
    asked(&["log=flows.jsonl"])?;
    put(folder.path(), "more.jsonl", "{\"time\":\"2026-01-07T00:00:00Z\",\"src\":\"n\"}\n")?;
    asked(&["log=more.jsonl"])?;
    for _ in 0..2 {
        let told = asked(&["log=flows.jsonl", "--again"])?;
        assert!(told.contains("in the place of 1 earlier"), "{told}");
        same((place.count("log")?, place.count("tripline_ingests")?), (5, 2))?;
    }
    let grown = format!("{FLOWS}{{\"time\":\"2026-01-08T00:00:00Z\"}}\n");
    put(folder.path(), "flows.jsonl", &grown)?;
    asked(&["log=flows.jsonl", "--again"])?;
    same((place.count("log")?, place.count("tripline_ingests")?), (6, 2))
}

fn through(place: &Place, rule: impl FnMut(&Request) -> Reply + Send + 'static) -> Result<Proxy, Failed> {
    Ok(Proxy::start(Some(place.emulator.address()?), rule)?)
}

fn is(request: &Request, job: &str) -> bool {
    request.inserts() && request.job().is_some_and(|id| id.contains(job))
}

fn is_load(request: &Request) -> bool {
    request.method == "POST" && request.path.contains("/upload/")
}

/// What is refused for good leaves nothing, and the next call does all of it.
fn whole_or_not_at_all(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    let denied = || refusal(403, "accessDenied", "Access Denied: no bigquery.tables.updateData");
    let inputs = ["log=flows.jsonl", "other=other.csv"];
    let mut loads = 0;
    let second = through(place, move |request| {
        loads += usize::from(is_load(request));
        if is_load(request) && loads == 2 { denied() } else { Reply::Forward }
    })?;
    let last = through(place, move |request| if is(request, "-commit") { denied() } else { Reply::Forward })?;
    for proxy in [second, last] {
        let told = ended(&ingest(place, proxy.address, folder.path(), &inputs)?, 2)?;
        assert!(told.contains("Access Denied") && told.contains("help: "), "{told}");
        same((place.count("log")?, place.count("tripline_ingests")?), (0, 0))?;
    }
    ended(&ingest(place, place.emulator.address()?, folder.path(), &inputs)?, 0)?;
    same((place.count("log")?, place.count("other")?, place.count("tripline_ingests")?), (4, 1, 2))
}

/// Another process loads the same inputs while this one waits to put them in place.
fn by_two_at_once(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    let (address, dataset, path) = (place.emulator.address()?, place.dataset.to_owned(), folder.path().to_owned());
    let mut other = true;
    let proxy = through(place, move |request| {
        if is(request, "-commit") && std::mem::take(&mut other) {
            let arguments = ["ingest", "--to", "bigquery", "log=flows.jsonl"];
            let done = ask(address, &dataset, &path, &arguments);
            assert!(done.is_ok_and(|done| done.status.success()), "the other one");
        }
        Reply::Forward
    })?;
    ended(&ingest(place, proxy.address, folder.path(), &["log=flows.jsonl"])?, 0)?;
    same((place.count("log")?, place.count("tripline_ingests")?), (4, 1))
}

/// Every kind of job loses its answer once, is refused with 503 once, and the connection once before it is seen.
fn through_breaks(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    let mut seen: Vec<(String, u32)> = Vec::new();
    let proxy = through(place, move |request| {
        let kind = if is_load(request) {
            "load".to_owned()
        } else if let Some(job) = request.job().filter(|_| request.inserts()) {
            job.rsplit('-').nth(1).unwrap_or_default().to_owned()
        } else {
            return Reply::Forward;
        };
        let at = match seen.iter().position(|(known, _)| *known == kind) {
            Some(at) => at,
            None => {
                seen.push((kind, 0));
                seen.len() - 1
            }
        };
        seen[at].1 += 1;
        match (seen[at].1, seen[at].0.as_str()) {
            (1, _) => refusal(503, "backendError", "try again"),
            (2, _) => Reply::CutBefore,
            // The emulator gives uploads ids of its own: one whose answer is lost would be a second one.
            (3, kind) if kind != "load" => Reply::CutAfter,
            _ => Reply::Forward,
        }
    })?;
    ended(&ingest(place, proxy.address, folder.path(), &["log=flows.jsonl"])?, 0)?;
    same((place.count("log")?, place.count("tripline_ingests")?), (4, 1))?;
    let commits = proxy.forwarded().iter().filter(|job| job.contains("-commit")).count();
    same(commits, 1)
}

/// Flows that the warehouse makes of what was loaded are those that a history holds.
fn days_are_those_of_a_history(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    let address = place.emulator.address()?;
    ended(&ingest(place, address, folder.path(), &["log=flows.jsonl", "other=other.csv"])?, 0)?;
    let local = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(["ingest", "--to", "history", "log=flows.jsonl", "other=other.csv"])
        .current_dir(folder.path())
        .output()?;
    ended(&local, 0)?;
    let columns = "source, src_ip, dst_port, outcome";
    let local = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(["query", &format!("SELECT {columns} FROM flows ORDER BY event_time"), "--history", "history"])
        .args(["--format", "csv"])
        .current_dir(folder.path())
        .output()?;
    let wanted = String::from_utf8_lossy(&local.stdout).lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    same(wanted.len(), 5)?;
    let days = ["backfill", "--target", "bigquery", "--from", "2026-01-05", "--to", "2026-01-07"];
    // Nothing but flows: the project has no rule.
    ended(&ask(address, place.dataset, folder.path(), &days)?, 0)?;
    let rows = place.rows(
        "SELECT source, COALESCE(src_ip, ''), COALESCE(CAST(dst_port AS STRING), ''), outcome FROM flows ORDER BY event_time",
    )?;
    same(cells(&rows).iter().map(|row| row.replace('|', ",")).collect(), wanted)
}

const TRAINING: [(&str, &str); 4] = [
    ("tripline.yaml", "name: training\n"),
    ("sql/log/source.yaml", FILES[1].1),
    ("sql/log/flows.sql", "SELECT time AS end_time, src AS src_ip FROM log\n"),
    (
        "features/each.yaml",
        "feature: each\nfrom: flows\nkey: [src_ip]\nwindow: {size: 2m, every: 1m}\ncolumns:\n  flows: COUNT(*)\n",
    ),
];

/// The windows are a run's: the emulator cannot compute them.
fn training_rows_are_those_of_files(place: &Place) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    for (path, text) in TRAINING {
        put(folder.path(), path, text)?;
    }
    let flow =
        |minute: usize, host: &str| format!("{{\"time\":\"2026-01-05T00:{minute:02}:30Z\",\"src\":\"{host}\"}}\n");
    let flows: String = (0..40).map(|n| flow(n, ["a", "b", "a", "c"][n * 7 % 4])).collect();
    put(folder.path(), "flows.jsonl", &flows)?;
    let labels: String = (0..30)
        .map(|n| format!("{},2026-01-05T00:{:02}:{:02}Z,{}\n", ["a", "b", "d"][n % 3], n * 11 % 45, n * 20 % 60, n % 2))
        .collect();
    put(folder.path(), "labels.csv", &format!("src_ip,label_time,label\n{labels}"))?;
    let local = |arguments: &[&str]| -> Result<String, Failed> {
        let output =
            Command::new(env!("CARGO_BIN_EXE_tripline")).args(arguments).current_dir(folder.path()).output()?;
        ended(&output, 0)
    };
    let made = ["training", "--labels", "labels.csv", "--features", "each", "--max-age", "5m"];
    let files = local(&[&made[..], &["--input", "flows.jsonl", "--out", "train.csv"]].concat())?;
    let address = place.emulator.address()?;
    let asked =
        |more: &[&str]| ask(address, place.dataset, folder.path(), &[&made[..], &["--out", "bigquery"], more].concat());
    let told = ended(&asked(&[])?, 2)?;
    assert!(
        told.contains("the table of the feature each is not there") && told.contains("help: tripline backfill"),
        "{told}"
    );
    let told = ended(&asked(&["--input", "flows.jsonl"])?, 2)?;
    assert!(told.contains("help: leave out --input"), "{told}");
    let windows = local(&["query", "SELECT * FROM each", "--input", "flows.jsonl", "--format", "json"])?;
    let client = place.client()?;
    let name = |what: &str| format!("{}_{what}", place.dataset);
    run(
        &client,
        &query(
            &name("table"),
            "CREATE TABLE each (src_ip STRING, window_start TIMESTAMP, window_end TIMESTAMP, event_time TIMESTAMP, flows INT64)",
        ),
    )?;
    let values = windows.lines().filter(|line| line.starts_with('{')).map(|line| -> Result<String, Failed> {
        let row: serde_json::Value = serde_json::from_str(line)?;
        let text = |column: &str| row[column].as_str().unwrap_or_default().to_owned();
        let (start, end) = (text("window_start"), text("window_end"));
        Ok(format!(
            "('{}', TIMESTAMP '{start}', TIMESTAMP '{end}', TIMESTAMP_SUB(TIMESTAMP '{end}', INTERVAL 1 MICROSECOND), {})",
            text("src_ip"),
            row["flows"]
        ))
    });
    let values = values.collect::<Result<Vec<_>, _>>()?.join(", ");
    run(&client, &query(&name("windows"), &format!("INSERT INTO each VALUES {values}")))?;
    for _ in 0..2 {
        let told = ended(&asked(&[])?, 0)?;
        let said = files.lines().next().unwrap_or_default();
        let known = files.lines().find(|line| line.contains("known for")).unwrap_or_default();
        assert!(said.starts_with("30 training rows") && told.contains(said) && told.contains(known), "{told}{files}");
    }
    let rows = place.rows(
        "SELECT src_ip, FORMAT_TIMESTAMP('%Y-%m-%dT%H:%M:%SZ', label_time), label, sampled, \
         COALESCE(FORMAT_TIMESTAMP('%Y-%m-%dT%H:%M:%SZ', each_window_end), ''), COALESCE(CAST(each_flows AS STRING), '') \
         FROM training",
    )?;
    let mut found: Vec<String> = cells(&rows).iter().map(|row| row.replace('|', ",")).collect();
    let mut wanted: Vec<String> =
        fs::read_to_string(folder.path().join("train.csv"))?.lines().skip(1).map(str::to_owned).collect();
    found.sort();
    wanted.sort();
    same(found, wanted)
}
