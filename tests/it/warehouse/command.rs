//! `backfill --target bigquery` and `compile --verify`, as they are called.
//!
//! The project has a rule over `flows` and no window: the emulator has neither TIMESTAMP_BUCKET, which every window needs,
//! nor NET.IP_TO_STRING. What it does run is what is compiled, unchanged.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;

use libtest_mimic::Failed;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tripline::port::warehouse::Warehouse;

use super::emulator::PROJECT;
use super::proxy::{Proxy, Reply, Request, answer, refusal};
use super::{Case, Place, query, run};

pub const CASES: &[Case] = &[
    ("backfill_resumes", backfill_resumes),
    ("backfill_names_the_day_that_failed", backfill_names_the_day_that_failed),
    ("backfill_is_priced_first", backfill_is_priced_first),
    ("backfill_side_by_side", backfill_side_by_side),
    ("backfill_loads_networks", backfill_loads_networks),
    ("verify_makes_nothing", verify_makes_nothing),
];

type Alone = (&'static str, fn() -> Result<(), Failed>);

pub const ALONE: &[Alone] = &[
    ("verify_finds_another_answer", verify_finds_another_answer),
    ("verify_shows_the_line", verify_shows_the_line),
    ("no_credentials_are_helped", no_credentials_are_helped),
];

/// A normalization and a rule.
const PROJECT_FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulator/project");

const WINDOWS: (&str, &str) = (
    "features/each.yaml",
    "feature: each\nfrom: flows\nkey: [src_ip]\nwindow: {size: 1h}\ncolumns:\n  flows: COUNT(*)\n",
);

const ROWS: &str = "INSERT INTO log (time, src, port, tx, admit_watermark, event_day) VALUES \
    (TIMESTAMP '2026-01-05 10:00:00+00', 'a', 443, 500, NULL, DATE '2026-01-05'), \
    (TIMESTAMP '2026-01-05 11:00:00+00', 'b', 443, 5, NULL, DATE '2026-01-05'), \
    (TIMESTAMP '2026-01-06 10:00:00+00', 'a', 443, 900, NULL, DATE '2026-01-06')";

fn project(more: &[(&str, &str)]) -> Result<TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    for path in ["tripline.yaml", "sql/log/source.yaml", "sql/log/flows.sql", "rules/big.yaml"] {
        put(folder.path(), path, &fs::read_to_string(Path::new(PROJECT_FILES).join(path))?)?;
    }
    for (path, text) in more {
        put(folder.path(), path, text)?;
    }
    Ok(folder)
}

pub fn put(folder: &Path, path: &str, text: &str) -> Result<(), Failed> {
    let file = folder.join(path);
    fs::create_dir_all(file.parent().ok_or("no folder")?)?;
    fs::write(file, text)?;
    Ok(())
}

fn tripline(
    endpoint: std::net::SocketAddr,
    dataset: &str,
    folder: &Path,
    arguments: &[&str],
) -> Result<Output, Failed> {
    let output = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(arguments)
        .args(["--warehouse-project", PROJECT, "--dataset", dataset, "--location", "US", "--project"])
        .arg(folder)
        .env("BIGQUERY_EMULATOR_HOST", endpoint.to_string())
        .output()?;
    Ok(output)
}

const DAYS: [&str; 7] = ["backfill", "--target", "bigquery", "--from", "2026-01-05", "--to", "2026-01-07"];

fn days<'a>(more: &[&'a str]) -> Vec<&'a str> {
    DAYS.iter().copied().chain(more.iter().copied()).collect()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Its output, when it ended so.
pub fn ended(output: &Output, code: i32) -> Result<String, Failed> {
    let told = text(output);
    if output.status.code() == Some(code) { Ok(told) } else { Err(format!("{:?}\n{told}", output.status).into()) }
}

fn with_rows(place: &Place, folder: &Path) -> Result<(), Failed> {
    let source = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(["compile", "--out"])
        .arg(folder.join("out"))
        .arg("--project")
        .arg(folder)
        .output()?;
    ended(&source, 0)?;
    let client = place.client()?;
    run(&client, &query(&format!("{}_log", place.dataset), &fs::read_to_string(folder.join("out/sources/log.sql"))?))?;
    run(&client, &query(&format!("{}_rows", place.dataset), ROWS))?;
    Ok(())
}

fn backfill_resumes(place: &Place) -> Result<(), Failed> {
    let folder = project(&[])?;
    with_rows(place, folder.path())?;
    let proxy = Proxy::start(Some(place.emulator.address()?), |_| Reply::Forward)?;
    let asked = |more: &[&str]| tripline(proxy.address, place.dataset, folder.path(), &days(more));
    let first = ended(&asked(&[])?, 0)?;
    assert!(first.contains("2026-01-05 4 jobs, 0 there already") && first.contains("2 done"), "{first}");
    let (flows, hits) = (place.count("flows")?, place.count("hits")?);
    assert_eq!((flows, hits, place.count("alerts")?), (3, 2, 2));
    let jobs = proxy.inserted().len();
    let of_jobs: Vec<Json> = proxy.seen().iter().filter(|request| request.inserts()).map(configuration).collect();
    assert!(of_jobs.iter().all(|job| job["labels"]["tripline"] == "backfill"), "{of_jobs:?}");
    assert_eq!(jobs, 8, "{:?}", proxy.inserted());
    let second = ended(&asked(&[])?, 0)?;
    assert!(second.contains("2 there already"), "{second}");
    assert_eq!(proxy.inserted().len(), jobs);
    // Run again: the same rows, under further numbers.
    let third = ended(&asked(&["--again"])?, 0)?;
    assert!(third.contains("2 done"), "{third}");
    assert_eq!(proxy.inserted().len(), 2 * jobs);
    assert!(proxy.inserted()[jobs].ends_with("-2"), "{:?}", proxy.inserted());
    assert_eq!((place.count("flows")?, place.count("hits")?), (flows, hits));
    // What was done in a table that is gone is not done, nor what was made of it.
    run(&place.client()?, &query("backfill_resumes_drop", "DROP TABLE hits"))?;
    let fourth = ended(&asked(&[])?, 0)?;
    assert!(fourth.contains("2026-01-05 2 jobs, 2 there already"), "{fourth}");
    assert_eq!(place.count("hits")?, hits);
    Ok(())
}

/// The second day's normalization fails for good; the first day is there all the same.
fn backfill_names_the_day_that_failed(place: &Place) -> Result<(), Failed> {
    let folder = project(&[])?;
    with_rows(place, folder.path())?;
    let proxy = Proxy::start(Some(place.emulator.address()?), |request| match request.job() {
        Some(job) if request.inserts() && job.contains("-flows-20260105-") => refusal(
            400,
            "bytesBilledLimitExceeded",
            "Query exceeded limit for bytes billed: 1000. 20971520 or higher required.",
        ),
        _ => Reply::Forward,
    })?;
    let output = tripline(proxy.address, place.dataset, folder.path(), &days(&["--max-bytes", "1000"]))?;
    let told = ended(&output, 1)?;
    assert!(told.contains("2026-01-05 failed: ") && told.contains("20971520"), "{told}");
    assert!(told.contains("help: allow more with --max-bytes"), "{told}");
    assert!(told.contains("2026-01-06 4 jobs") && told.contains("1 done, 1 failed"), "{told}");
    assert_eq!(place.count("hits")?, 1);
    let jobs: Vec<Json> = proxy.seen().iter().filter(|request| request.inserts()).map(configuration).collect();
    assert!(jobs.iter().all(|job| job["query"]["maximumBytesBilled"] == "1000"), "{jobs:?}");
    Ok(())
}

fn configuration(request: &Request) -> Json {
    let job: Json = serde_json::from_slice(&request.body).unwrap_or_default();
    job["configuration"].clone()
}

/// The rows of a file are in its table, whole; the join that reads them is beyond the emulator.
fn backfill_loads_networks(place: &Place) -> Result<(), Failed> {
    const GEO: (&str, &str) = (
        "sql/lookups/geo.yaml",
        "lookup: geo\nmmdb: geo.mmdb\ncolumns:\n  net: {type: STRING, cidr: true}\n  country: {type: STRING, path: country.iso_code}\n  \
         latitude: {type: FLOAT64, path: location.latitude}\n  anycast: {type: BOOL, path: traits.is_anycast}\nkey: [net]\n",
    );
    const READER: (&str, &str) = (
        "rules/from_there.yaml",
        "rule: from_there\ntitle: From there\nstatus: stable\nseverity: info\nsql: |\n  SELECT row_id, event_time, src_ip\n  FROM \
         flows\n  WHERE g.country = 'DE'\njoin:\n  - {lookup: geo, as: g, match: {src_ip: net}, how: longest_prefix}\n",
    );
    let folder = project(&[GEO, READER])?;
    fs::copy("tests/mmdb/city.mmdb", folder.path().join("sql/lookups/geo.mmdb"))?;
    let output = tripline(place.emulator.address()?, place.dataset, folder.path(), &DAYS)?;
    let told = ended(&output, 1)?;
    assert!(told.contains("rules/rule_from_there.sql"), "{told}");
    let rows = place.rows(
        "SELECT net, country, latitude, anycast, TO_HEX(first_address), TO_HEX(last_address), prefix_length FROM geo ORDER BY net",
    )?;
    let shown: Vec<String> = rows
        .iter()
        .map(|row| row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(shown.len(), 127, "{shown:?}");
    for row in [
        "203.0.113.0/24 DE 52.5 - cb007100 cb0071ff 24",
        "198.51.100.0/25 US - true c6336400 c633647f 25",
        "10.9.9.9/32 ZZ 0.5 - 0a090909 0a090909 32",
        "2001:db8:9::7/128 JP 35 - 20010db8000900000000000000000007 20010db8000900000000000000000007 128",
    ] {
        assert!(shown.iter().any(|shown| shown.replace("35.0", "35") == row), "{row}: {shown:?}");
    }
    Ok(())
}

fn backfill_is_priced_first(place: &Place) -> Result<(), Failed> {
    let folder = project(&[])?;
    let told = ended(&tripline(place.emulator.address()?, place.dataset, folder.path(), &days(&["--dry-run"]))?, 0)?;
    assert!(told.contains("2 to do") && told.contains("alerts.sql"), "{told}");
    assert!(!place.client()?.has_table("flows")?);
    assert!(!place.client()?.has_table("log")?);
    Ok(())
}

fn backfill_side_by_side(place: &Place) -> Result<(), Failed> {
    let folder = project(&[])?;
    with_rows(place, folder.path())?;
    let proxy = Proxy::start(Some(place.emulator.address()?), |_| Reply::Forward)?;
    ended(&tripline(proxy.address, place.dataset, folder.path(), &days(&["--parallel", "2"]))?, 0)?;
    let mut jobs = proxy.inserted();
    assert_eq!((jobs.len(), place.count("hits")?), (8, 2));
    jobs.sort();
    jobs.dedup();
    assert_eq!(jobs.len(), 8, "no job is inserted twice");
    Ok(())
}

/// The statements are judged although no table is there. The answers are not asked: the emulator is no judge of them.
fn verify_makes_nothing(place: &Place) -> Result<(), Failed> {
    let folder = project(&[WINDOWS])?;
    let asked = |relation: &str| {
        tripline(
            place.emulator.address()?,
            place.dataset,
            folder.path(),
            &["compile", "--verify", "--relation", relation],
        )
    };
    for (relation, file) in [("flows", "flows.sql"), ("big", "rules/rule_big.sql"), ("alerts", "alerts.sql")] {
        let told = ended(&asked(relation)?, 0)?;
        assert!(told.starts_with(&format!("ok     {file}")), "{told}");
    }
    let told = ended(&asked("nothing")?, 2)?;
    assert!(told.contains("no relation is named nothing"), "{told}");
    let client = place.client()?;
    assert!(!client.has_table("flows")? && !client.has_table("log")?);
    Ok(())
}

/// A service that has every table, finds every statement good, and answers as recorded but for `wrong`.
fn right_but(wrong: Option<(usize, usize)>) -> Result<Proxy, Failed> {
    let golden: Vec<Json> = serde_json::from_str(include_str!("../../golden/functions.json"))?;
    let statements: Mutex<Vec<(String, String)>> = Mutex::default();
    let proxy = Proxy::start(None, move |request| {
        let path = request.path.split('?').next().unwrap_or_default().to_owned();
        if request.inserts() {
            let job: Json = serde_json::from_slice(&request.body).unwrap_or_default();
            let sql = job["configuration"]["query"]["query"].as_str().unwrap_or_default().to_owned();
            if let Some(id) = request.job() {
                statements.lock().expect("statements").push((id.clone(), sql));
                return answer(json!({"jobReference": {"jobId": id}, "status": {"state": "DONE"}}));
            }
            return answer(json!({"status": {"state": "DONE"}, "statistics": {"totalBytesProcessed": "2048"}}));
        }
        if let Some((_, id)) = path.split_once("/queries/") {
            let statements = statements.lock().expect("statements");
            let Some((_, sql)) = statements.iter().find(|(one, _)| one == id) else {
                return refusal(404, "notFound", "no job");
            };
            return answer(json!({"jobComplete": true, "rows": rows(sql, &golden, wrong)}));
        }
        if path.contains("/jobs/") {
            return refusal(404, "notFound", "Not found: Job");
        }
        if path.contains("/tables/") {
            let table = json!({"projectId": PROJECT, "datasetId": "d", "tableId": "t"});
            return answer(json!({"tableReference": table, "schema": {"fields": []}}));
        }
        answer(json!({"datasetReference": {"projectId": PROJECT, "datasetId": "d"}}))
    })?;
    Ok(proxy)
}

/// All recorded rows of the expressions that a statement asks.
fn rows(sql: &str, golden: &[Json], wrong: Option<(usize, usize)>) -> Vec<Json> {
    let asked = sql.split("SELECT ").filter_map(|part| part.split_once(" AS question, ")?.0.parse::<usize>().ok());
    let mut rows = Vec::new();
    for question in asked {
        let answers = golden.get(question).and_then(|case| case["answers"].as_array());
        for (row, value) in answers.into_iter().flatten().enumerate() {
            let value = if wrong == Some((question, row)) { json!("0.125") } else { value.clone() };
            rows.push(json!({"f": [{"v": question.to_string()}, {"v": row.to_string()}, {"v": value}]}));
        }
    }
    rows
}

fn verify_finds_another_answer() -> Result<(), Failed> {
    let folder = project(&[WINDOWS])?;
    let asked = |proxy: &Proxy| tripline(proxy.address, "d", folder.path(), &["compile", "--verify"]);
    let told = ended(&asked(&right_but(None)?)?, 0)?;
    // Its CREATE and its MERGE.
    assert!(told.contains("ok     features/each.sql  4.00 KiB\n"), "{told}");
    assert!(told.contains("expressions: 0 differ"), "{told}");
    // ROUND(a, b) is the first that is recorded, and its first row is asked.
    let told = ended(&asked(&right_but(Some((0, 0)))?)?, 1)?;
    assert!(told.contains("expressions: 1 differ"), "{told}");
    assert!(told.contains("differs  ROUND(a, b), row 0: 0.125, not 0.0 (exact)"), "{told}");
    Ok(())
}

fn verify_shows_the_line() -> Result<(), Failed> {
    let folder = project(&[])?;
    let proxy = Proxy::start(None, |request| {
        if request.inserts() && String::from_utf8_lossy(&request.body).contains("SELECT") {
            return refusal(400, "invalidQuery", "Unrecognized name: tx_bytes at [3:3]");
        }
        if request.inserts() {
            return answer(json!({"status": {"state": "DONE"}}));
        }
        if request.path.contains("/tables/") {
            return refusal(404, "notFound", "Not found: Table");
        }
        answer(json!({"datasetReference": {"projectId": PROJECT, "datasetId": "d"}}))
    })?;
    let told =
        ended(&tripline(proxy.address, "d", folder.path(), &["compile", "--verify", "--relation", "flows"])?, 1)?;
    assert!(told.starts_with("wrong  flows.sql:3:3: Unrecognized name: tx_bytes at [3:3]"), "{told}");
    assert!(told.contains("\n       | "), "{told}");
    Ok(())
}

/// Nobody is logged in, and the key file is not there.
fn no_credentials_are_helped() -> Result<(), Failed> {
    let folder = project(&[])?;
    let output = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(["compile", "--verify", "--warehouse-project", "p", "--dataset", "d", "--project"])
        .arg(folder.path())
        .env_remove("BIGQUERY_EMULATOR_HOST")
        .env("GOOGLE_APPLICATION_CREDENTIALS", folder.path().join("none.json"))
        .output()?;
    let told = ended(&output, 2)?;
    assert!(told.contains("none.json") && told.contains("help: `gcloud auth application-default login`"), "{told}");
    Ok(())
}
