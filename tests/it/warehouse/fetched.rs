//! `ingest --from bigquery`, as it is called: rows of the table `flows` in a local history, to the bit, whole or not at all.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use libtest_mimic::Failed;
use serde_json::Value as Json;
use tempfile::TempDir;
use tripline::adapter::local::LocalStore;
use tripline::history::History;
use tripline::port::warehouse::Cells;
use tripline::record::flow;
use tripline::target::bigquery::fetch::fetched_columns;

use super::command::{ended, put};
use super::emulator::PROJECT;
use super::proxy::{Proxy, Reply, Request, answer, refusal};
use super::{Case, Place, query, run};
use crate::fetch::service::cells;
use crate::random::Random;

pub const CASES: &[Case] = &[
    ("fetched_rows_are_those_of_the_table", rows_are_those_of_the_table),
    ("fetched_through_breaks", through_breaks),
    ("fetched_whole_or_not_at_all", whole_or_not_at_all),
    ("fetched_until_it_is_stopped", until_it_is_stopped),
    ("fetched_days_are_priced_first", priced_first),
    ("fetched_from_a_table_without_a_column", without_a_column),
    ("fetched_days_warm_a_run", days_warm_a_run),
];

const DAYS: [&str; 4] = ["--from-day", "2026-01-05", "--to-day", "2026-01-07"];
/// More than one page.
const MANY: u64 = 21_000;

const FILES: [(&str, &str); 7] = [
    (
        "sql/log/source.yaml",
        "source: log\nformat: json\ncolumns:\n  time: {type: TIMESTAMP, required: true}\n  src: STRING\n  port: INT64\n  tx: INT64\n  \
         lat: FLOAT64\nevent_time: time\nlateness: 10m\n",
    ),
    (
        "sql/log/flows.sql",
        "SELECT time AS end_time, src AS src_ip, port AS dst_port, tx AS tx_bytes, lat AS latitude FROM log\n",
    ),
    (
        "features/each.yaml",
        "feature: each\nfrom: flows\nkey: [src_ip]\nwindow: {size: 2h, every: 1h}\ncolumns:\n  flows: COUNT(*)\n  bytes: \
         SUM(tx_bytes)\n  north: SUM(latitude)\n",
    ),
    (
        "features/usual.yaml",
        "feature: usual\nfrom: each\ntrailing:\n  own: {key: [src_ip], size: 2d, columns: {windows: COUNT(*), mean: \
         AVG(bytes), most: MAX(bytes)}}\n",
    ),
    (
        "features/visits.yaml",
        "feature: visits\nfrom: flows\nkey: [src_ip]\nwindow: {session_gap: 40m, max: 5h}\ncolumns:\n  flows: COUNT(*)\n",
    ),
    (
        "rules/much.yaml",
        "rule: much\ntitle: Much\nstatus: stable\nseverity: low\nsql: SELECT * FROM usual WHERE own_windows >= 30 AND bytes > \
         1.15 * own_mean\nalert: {key: [src_ip], merge_within: 3h}\n",
    ),
    (
        "rules/visited.yaml",
        "rule: visited\ntitle: Visited\nstatus: stable\nseverity: low\nsql: SELECT * FROM visits WHERE flows >= 12\n\
         alert: {key: [src_ip], merge_within: 1h}\n",
    ),
];

fn project() -> Result<TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    put(folder.path(), "tripline.yaml", "name: fetched\n")?;
    for (path, text) in FILES {
        put(folder.path(), path, text)?;
    }
    Ok(folder)
}

fn tripline(endpoint: SocketAddr, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.args(arguments).env("BIGQUERY_EMULATOR_HOST", endpoint.to_string()).current_dir(folder);
    command
}

fn ask(place: &Place, endpoint: SocketAddr, folder: &Path, arguments: &[&str]) -> Result<Output, Failed> {
    let mut command = tripline(endpoint, folder, arguments);
    Ok(command.args(["--warehouse-project", PROJECT, "--dataset", place.dataset, "--location", "US"]).output()?)
}

fn fetched(place: &Place, endpoint: SocketAddr, folder: &Path, more: &[&str]) -> Result<Output, Failed> {
    let arguments = ["ingest", "--from", "bigquery", "--to", "history"].iter().chain(&DAYS).chain(more);
    ask(place, endpoint, folder, &arguments.copied().collect::<Vec<_>>())
}

/// The table as a backfill makes it, without rows.
fn with_table(place: &Place, folder: &Path) -> Result<(), Failed> {
    let days =
        ["backfill", "--target", "bigquery", "--relation", "flows", "--from", "2026-01-01", "--to", "2026-01-02"];
    ended(&ask(place, place.emulator.address()?, folder, &days)?, 0).map(drop)
}

fn made(place: &Place, what: &str, sql: &str) -> Result<(), Failed> {
    run(&place.client()?, &query(&format!("{}_{what}", place.dataset), sql)).map(drop)?;
    Ok(())
}

/// Rows of two days, the second in three pages.
fn with_many(place: &Place, folder: &Path) -> Result<(), Failed> {
    with_table(place, folder)?;
    let rows = format!(
        "INSERT INTO flows (row_id, event_time, outcome, sampling, source, admit_watermark) \
         SELECT n, TIMESTAMP_MICROS(1767657600000000 + n * 4000000), 'unknown', 1, 'log', \
         IF(MOD(n, 100) = 0, TIMESTAMP_MICROS(1767657600000000 + n * 4000000 + 1), NULL) \
         FROM UNNEST(GENERATE_ARRAY(-9, {})) AS n",
        MANY - 1
    );
    made(place, "many", &rows)
}

fn rows_of(folder: &Path) -> Result<Vec<Cells>, Failed> {
    let store = Arc::new(LocalStore::new(folder.join("history")));
    cells(&History::read(store)?)
}

/// All cells of a day's rows, as they were put in and as they are here: floats by their bits.
fn rows_are_those_of_the_table(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    with_table(place, folder.path())?;
    let names: Vec<String> = fetched_columns().into_iter().map(|column| column.name).collect();
    let at = |name: &str| names.iter().position(|known| known == name).expect("a column");
    // Of each row its values in SQL, and as the history has them.
    type Value<'a> = (&'a str, &'a str, &'a str);
    const ODD: [&[Value<'_>]; 7] = [
        &[
            ("row_id", "-9223372036854775808", "-9223372036854775808"),
            ("event_time", "TIMESTAMP '2026-01-05 00:00:00+00'", "1767571200000000"),
            ("start_time", "TIMESTAMP '0001-01-01 00:00:00+00'", "-62135596800000000"),
            ("end_time", "TIMESTAMP '9999-12-31 23:59:59.999999+00'", "253402300799999999"),
            ("src_ip", "''", ""),
            ("tx_bytes", "9223372036854775807", "9223372036854775807"),
            ("latitude", "CAST('nan' AS FLOAT64)", "NaN"),
            ("longitude", "CAST('-inf' AS FLOAT64)", "-inf"),
        ],
        &[
            ("event_time", "TIMESTAMP '2026-01-05 23:59:59.999999+00'", "1767657599999999"),
            ("start_time", "TIMESTAMP '1969-12-31 23:59:59.999999+00'", "-1"),
            ("latitude", "-0.0", "-0.0"),
            ("longitude", "5e-324", "5e-324"),
            ("geo_city", "'Zürich \\'\\\\ \\n\\t \u{1f600}'", "Zürich '\\ \n\t \u{1f600}"),
            ("admit_watermark", "TIMESTAMP '2026-01-06 00:00:00.000001+00'", "1767657600000001"),
        ],
        &[("latitude", "0.1", "0.1"), ("longitude", "1.7976931348623157e308", "1.7976931348623157e308")],
        &[
            ("latitude", "0.30000000000000004", "0.30000000000000004"),
            ("longitude", "-179.99999999999997", "-179.99999999999997"),
        ],
        &[("latitude", "CAST('inf' AS FLOAT64)", "inf"), ("geo_country", "'NULL'", "NULL")],
        &[
            ("latitude", "2.2250738585072014e-308", "2.2250738585072014e-308"),
            ("longitude", "123456789.12345679", "123456789.12345679"),
        ],
        // The time is that of a row that is in time; a watermark before it says nothing.
        &[("admit_watermark", "TIMESTAMP '2026-01-05 01:00:00+00'", "-")],
    ];
    let mut wanted: Vec<Cells> = Vec::new();
    for (number, values) in ODD.iter().enumerate() {
        let (id, noon) = (number.to_string(), "TIMESTAMP '2026-01-05 12:00:00+00'");
        let common: [Value<'_>; 5] = [
            ("row_id", &id, &id),
            ("event_time", noon, "1767614400000000"),
            ("outcome", "'unknown'", "unknown"),
            ("sampling", "1", "1"),
            ("source", "'log'", "log"),
        ];
        let own = |name: &str| values.iter().chain(&common).find(|(known, ..)| *known == name);
        let sql: Vec<&str> = names.iter().map(|name| own(name).map_or("NULL", |(_, sql, _)| *sql)).collect();
        let insert = format!("INSERT INTO flows ({}) VALUES ({})", names.join(", "), sql.join(", "));
        made(place, &format!("row_{number}"), &insert)?;
        let cell = |name: &String| own(name).map(|(.., value)| (*value).to_owned()).filter(|value| value != "-");
        wanted.push(names.iter().map(cell).collect());
    }
    let told = ended(&fetched(place, place.emulator.address()?, folder.path(), &[])?, 0)?;
    assert!(told.contains("2026-01-05 7 rows, 1 of them behind the watermark, 1 file, "), "{told}");
    assert!(told.contains("2026-01-06 no rows: not kept") && told.contains("1 taken, 1 without rows"), "{told}");
    let mut found = rows_of(folder.path())?;
    let order = |row: &Cells| (row[at("event_time")].clone(), row[at("row_id")].clone());
    found.sort_by_key(order);
    wanted.sort_by_key(order);
    let bits = |row: &Cells| -> Vec<Option<String>> {
        let float = |name: &str| row[at(name)].as_ref().map(|text| text.parse::<f64>().map(f64::to_bits));
        let floats = [float("latitude"), float("longitude")].map(|float| float.map(|float| format!("{float:?}")));
        let others = row.iter().enumerate().filter(|(n, _)| ![at("latitude"), at("longitude")].contains(n));
        others.map(|(_, cell)| cell.clone()).chain(floats).collect()
    };
    assert_eq!(found.iter().map(bits).collect::<Vec<_>>(), wanted.iter().map(bits).collect::<Vec<_>>());
    Ok(())
}

fn is_page(request: &Request) -> bool {
    request.path.contains("/queries/")
}

fn is_second(request: &Request) -> bool {
    is_page(request) && request.path.contains("pageToken=10000")
}

/// Each page breaks before and after it was seen, and is refused for a while.
fn through_breaks(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    with_many(place, folder.path())?;
    let mut seen: Vec<String> = Vec::new();
    let proxy = Proxy::start(Some(place.emulator.address()?), move |request| {
        if !is_page(request) {
            return Reply::Forward;
        }
        let times = seen.iter().filter(|path| **path == request.path).count();
        seen.push(request.path.clone());
        match times {
            0 => Reply::CutBefore,
            1 => Reply::CutAfter,
            2 if is_second(request) => refusal(503, "backendError", "try again"),
            _ => Reply::Forward,
        }
    })?;
    let told = ended(&fetched(place, proxy.address, folder.path(), &[])?, 0)?;
    // Nine rows are of the day before.
    assert!(
        told.contains("2026-01-05 9 rows, ") && told.contains("2026-01-06 21,000 rows, 210 of them behind"),
        "{told}"
    );
    assert!(told.contains("2 taken") && told.contains("21,009 rows in 2 files"), "{told}");
    let mut ids: Vec<i64> =
        rows_of(folder.path())?.iter().filter_map(|row| row[flow::ROW_ID].as_ref()?.parse().ok()).collect();
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(-9..i64::try_from(MANY)?), "{} rows", ids.len());
    // One job a day.
    let mut jobs: Vec<String> = proxy.inserted();
    jobs.dedup();
    assert!(jobs.len() == 2 && jobs[1].contains("-flows-20260106"), "{jobs:?}");
    let told = ended(&fetched(place, proxy.address, folder.path(), &[])?, 0)?;
    assert!(told.contains("2 there already") && proxy.inserted().len() == 2, "{told}");
    Ok(())
}

/// What the history holds, file by file.
fn held(folder: &Path) -> Result<Vec<(String, u64)>, Failed> {
    let mut folders = vec![folder.join("history")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push((path.display().to_string(), fs::metadata(&path)?.len())),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A day whose second page is refused, or lost on the way, or whose cells are cut, leaves nothing; the next call takes it.
fn whole_or_not_at_all(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    with_many(place, folder.path())?;
    let address = place.emulator.address()?;
    let first =
        ["ingest", "--from", "bigquery", "--to", "history", "--from-day", "2026-01-05", "--to-day", "2026-01-06"];
    ended(&ask(place, address, folder.path(), &first)?, 0)?;
    let before = held(folder.path())?;
    let through = |spoil: fn(Json) -> Json| {
        let emulator = Arc::clone(&place.emulator);
        Proxy::start(Some(address), move |request| {
            let asked = request.path.split_once(&format!("/projects/{PROJECT}/")).map(|(_, path)| path.to_owned());
            match asked {
                Some(path) if is_second(request) => match emulator.ask("GET", &path, "") {
                    Ok(page) => answer(spoil(page)),
                    Err(_) => Reply::Forward,
                },
                _ => Reply::Forward,
            }
        })
    };
    let lost = through(|mut page| {
        page["rows"] = Json::Array(Vec::new());
        page
    })?;
    let ends = through(|mut page| {
        page["pageToken"] = Json::Null;
        page
    })?;
    let cut = through(|mut page| {
        page["rows"][7]["f"][0]["v"] = Json::String("12x".to_owned());
        page
    })?;
    let denied = Proxy::start(Some(address), |request| match is_second(request) {
        true => refusal(403, "accessDenied", "Access Denied: no bigquery.jobs.get"),
        false => Reply::Forward,
    })?;
    for (proxy, said) in [
        (lost, "11000 rows came of the 21000 that the job has"),
        (ends, "20000 rows came of the 21000 that the job has"),
        (cut, "flows: the column row_id has `12x` where INT64 is due"),
        (denied, "Access Denied"),
    ] {
        let told = ended(&fetched(place, proxy.address, folder.path(), &[])?, 1)?;
        assert!(told.contains("2026-01-06 failed: ") && told.contains(said) && told.contains("help: "), "{told}");
        assert_eq!(held(folder.path())?, before, "{said}");
    }
    let told = ended(&fetched(place, address, folder.path(), &[])?, 0)?;
    assert!(told.contains("2026-01-05 there already") && told.contains("1 taken, 1 there already"), "{told}");
    assert_eq!(rows_of(folder.path())?.len() as u64, MANY + 9);
    let told = ended(&fetched(place, address, folder.path(), &["--again"])?, 0)?;
    assert!(told.contains("21,000 rows, 210 of them") && told.contains("in the place of what was there"), "{told}");
    assert_eq!(rows_of(folder.path())?.len() as u64, MANY + 9);
    Ok(())
}

/// Ctrl-C while the second page is on its way.
fn until_it_is_stopped(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    with_many(place, folder.path())?;
    let address = place.emulator.address()?;
    fs::create_dir(folder.path().join("history"))?;
    let process: Arc<Mutex<Option<u32>>> = Arc::default();
    let known = Arc::clone(&process);
    let proxy = Proxy::start(Some(address), move |request| {
        if is_second(request)
            && let Some(process) = known.lock().expect("a process").take()
        {
            let sent = Command::new("kill").args(["-INT", &process.to_string()]).status();
            assert!(sent.is_ok_and(|sent| sent.success()), "it was not stopped");
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
        Reply::Forward
    })?;
    let day = ["--from-day", "2026-01-06", "--to-day", "2026-01-07"];
    let arguments = ["ingest", "--from", "bigquery", "--to", "history"].iter().chain(&day).copied();
    let mut command = tripline(proxy.address, folder.path(), &arguments.collect::<Vec<_>>());
    command.args(["--warehouse-project", PROJECT, "--dataset", place.dataset, "--location", "US"]);
    let mut known = process.lock().expect("a process");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    *known = Some(child.id());
    drop(known);
    let told = ended(&child.wait_with_output()?, 130)?;
    assert!(told.contains("2026-01-06 stopped: nothing of it was kept") && told.contains("1 not done"), "{told}");
    let left: Vec<(String, u64)> =
        held(folder.path())?.into_iter().filter(|(name, _)| !name.ends_with("lock")).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(proxy.seen().iter().filter(|request| is_page(request)).count() == 2, "a third page was asked for");
    Ok(())
}

fn priced_first(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    with_many(place, folder.path())?;
    let proxy = Proxy::start(Some(place.emulator.address()?), |_| Reply::Forward)?;
    let told = ended(&fetched(place, proxy.address, folder.path(), &["--dry-run"])?, 0)?;
    assert!(told.contains("2026-01-05 reads ") && told.contains("2 to do"), "{told}");
    assert!(!folder.path().join("history").exists());
    assert!(proxy.seen().iter().filter(|request| request.inserts()).all(|request| {
        serde_json::from_slice::<Json>(&request.body).is_ok_and(|job| job["configuration"]["dryRun"] == true)
    }));
    ended(&fetched(place, proxy.address, folder.path(), &["--max-bytes", "123456789"])?, 0)?;
    let jobs: Vec<Json> = proxy
        .seen()
        .iter()
        .filter(|request| request.inserts())
        .filter_map(|request| serde_json::from_slice(&request.body).ok())
        .collect();
    let run = jobs.iter().filter(|job| job["configuration"]["dryRun"] != true);
    assert!(run.clone().count() == 2, "{jobs:?}");
    for job in run {
        assert_eq!(job["configuration"]["query"]["maximumBytesBilled"], "123456789");
        assert_eq!(job["configuration"]["labels"]["tripline"], "fetch");
    }
    for (more, said) in [
        (vec!["--source", "log"], "cannot be used with"),
        (vec!["flows.jsonl"], "cannot be used with"),
        (vec!["--again", "--dry-run"], "cannot be used with"),
    ] {
        let told = ended(&fetched(place, proxy.address, folder.path(), &more)?, 2)?;
        assert!(told.contains(said), "{told}");
    }
    for (arguments, said) in [
        (vec!["ingest", "--from", "bigquery", "--to", "bigquery"], "help: --to DIR"),
        (vec!["ingest", "--from", "bigquery", "--to", "h", "--to-day", "2999-01-01"], "is behind today"),
        (
            vec!["ingest", "--from", "bigquery", "--to", "h", "--from-day", "2026-01-05", "--to-day", "2026-01-05"],
            "is not before",
        ),
        (vec!["ingest", "--from", "bigquery", "--to", "h", "--from-day", "yesterday"], "is not a day"),
        (vec!["ingest", "--to", "h", "--from-day", "2026-01-05", "flows.jsonl"], "help: --from bigquery"),
    ] {
        let told = ended(&ask(place, proxy.address, folder.path(), &arguments)?, 2)?;
        assert!(told.contains(said), "{told}");
    }
    Ok(())
}

fn without_a_column(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    let address = place.emulator.address()?;
    let told = ended(&fetched(place, address, folder.path(), &[])?, 2)?;
    assert!(told.contains("flows is not there") && told.contains("help: `tripline backfill"), "{told}");
    made(place, "table", "CREATE TABLE flows (row_id INT64, event_time TIMESTAMP, start_time STRING)")?;
    let told = ended(&fetched(place, address, folder.path(), &[])?, 2)?;
    assert!(told.contains("the column start_time of ") && told.contains("is STRING, not TIMESTAMP"), "{told}");
    made(place, "drop", "DROP TABLE flows")?;
    made(place, "other", "CREATE TABLE flows (row_id INT64, event_time TIMESTAMP)")?;
    let told = ended(&fetched(place, address, folder.path(), &[])?, 2)?;
    assert!(told.contains("has no column start_time") && told.contains("help: drop the table"), "{told}");
    Ok(())
}

/// Four days of flows: the first three in one file, the last in another, which also has some of the third day that came when
/// the fourth had begun for the log.
fn four_days() -> (String, String) {
    let mut random = Random::new(9);
    let start = 1_767_571_200_i64;
    let (mut first, mut second) = (String::new(), String::new());
    for n in 0..4 * 288_i64 {
        let time = start + n * 300 + random.between(0, 240);
        // Every fortieth is an hour late, but not across midnight.
        let late = if n % 40 == 39 && n % 288 > 12 { 3_600 } else { 0 };
        let (day, hour) = (n / 288, n / 12 % 24);
        let busy = i64::from(day == 3 && hour == 7) * 3;
        for _ in 0..=busy + random.between(0, 1) {
            let text = flow_of(&mut random, time - late);
            if day < 3 { first.push_str(&text) } else { second.push_str(&text) }
        }
        if day == 3 && n % 29 == 5 && hour > 0 {
            let before = start + 3 * 86_400 - random.between(1, 1_800);
            second.push_str(&flow_of(&mut random, before));
        }
    }
    (first, second)
}

fn flow_of(random: &mut Random, time: i64) -> String {
    let at = tripline::record::EventTime(time * 1_000_000 + random.between(0, 999_999));
    let (src, tx) = (random.pick(&["a", "b", "ü"]), random.between(0, 2_000));
    let lat = ["0.1", "null", "-0.30000000000000004"][random.below(3)];
    format!("{{\"time\":\"{at}\",\"src\":\"{src}\",\"port\":443,\"tx\":{tx},\"lat\":{lat}}}\n")
}

/// One run over both files; and the first in BigQuery, its flows in a history, and a run of the second from there on.
fn days_warm_a_run(place: &Place) -> Result<(), Failed> {
    let folder = project()?;
    let (first, second) = four_days();
    put(folder.path(), "first.jsonl", &first)?;
    put(folder.path(), "second.jsonl", &second)?;
    let address = place.emulator.address()?;
    let asked = |arguments: &[&str]| ended(&ask(place, address, folder.path(), arguments)?, 0);
    asked(&["ingest", "--to", "bigquery", "log=first.jsonl"])?;
    let days =
        ["backfill", "--target", "bigquery", "--relation", "flows", "--from", "2026-01-05", "--to", "2026-01-08"];
    asked(&days)?;
    let told = asked(&["ingest", "--from", "bigquery", "--to", "history", "--to-day", "2026-01-08"])?;
    // Two days of windows, and a day more; nothing is there before the fifth.
    assert!(told.starts_with("2026-01-04 no rows") && told.contains("3 taken, 1 without rows"), "{told}");
    assert!(told.contains("of them behind the watermark"), "{told}");
    let local = |arguments: &[&str]| ended(&tripline(address, folder.path(), arguments).output()?, 0);
    let taps = |to: &str| ["each", "usual", "visits", "hits"].map(|name| format!("{name}={to}-{name}.jsonl"));
    let ran = |to: &str, more: &[&str]| -> Result<String, Failed> {
        let (alerts, taps) = (format!("{to}.jsonl"), taps(to));
        let mut arguments = vec!["run", "--source", "log", "--output", &alerts];
        taps.iter().for_each(|tap| arguments.extend(["--tap", tap]));
        arguments.extend(more);
        local(&arguments)
    };
    ran("whole", &["--input", "first.jsonl", "second.jsonl"])?;
    let told = ran("warm", &["--history", "history", "--input", "second.jsonl"])?;
    assert!(told.contains("windows that ended by 2026-01-08T00:00:00Z were told before"), "{told}");
    ran("cold", &["--input", "second.jsonl"])?;
    let (mut compared, mut changed) = (0, 0);
    for name in ["", "-each", "-usual", "-visits", "-hits"] {
        let since = |to: &str| -> Result<Vec<String>, Failed> {
            let text = fs::read_to_string(folder.path().join(format!("{to}{name}.jsonl")))?;
            let mut lines: Vec<String> = Vec::new();
            for line in text.lines() {
                let mut row: Json = serde_json::from_str(line)?;
                let time = if name.is_empty() { &row["last_time"] } else { &row["event_time"] };
                if time.as_str().is_some_and(|time| time >= "2026-01-08T00:00:00Z") {
                    // First flows of windows: of those that began before, the history's.
                    row.as_object_mut().map(|row| row.remove("evidence"));
                    lines.push(row.to_string());
                }
            }
            lines.sort();
            Ok(lines)
        };
        let (whole, warm, cold) = (since("whole")?, since("warm")?, since("cold")?);
        if whole != warm {
            let missing = whole.iter().find(|line| !warm.contains(line));
            let added = warm.iter().find(|line| !whole.contains(line));
            return Err(
                format!("{name}: {} and {}: missing {missing:?}, instead {added:?}", whole.len(), warm.len()).into()
            );
        }
        assert!(!whole.is_empty(), "{name}: nothing is compared");
        changed += usize::from(whole != cold);
        compared += whole.len();
    }
    assert!(compared > 100 && changed == 5, "{compared} rows; the history changes {changed} relations");
    Ok(())
}
