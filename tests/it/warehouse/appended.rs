//! Alerts appended to a table through the Storage Write API: each is there once, whatever answers are lost and wherever the
//! program dies.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::{Value as Json, json};
use tripline::adapter::gcp::table::{BigQueryTable, TableOptions};
use tripline::adapter::record::Record;
use tripline::port::sink::{Sink, Told, Trouble};
use tripline::port::table::{AppendError, Table};
use tripline::record::EventTime;

use super::emulator::PROJECT;
use super::{Case, Place};
use crate::random::Random;

pub const CASES: &[Case] = &[
    ("appended_alerts_are_there_once", alerts_are_there_once),
    ("appended_streams_say_what_they_have", streams_say_what_they_have),
    ("appended_troubles_say_what_to_do", troubles_say_what_to_do),
];

const COLUMNS: &str = "alert_id STRING, rule STRING, severity STRING, event_time TIMESTAMP, last_time TIMESTAMP, hits INT64, \
                       score FLOAT64, hit_id STRING, title STRING, `values` STRING, fingerprint STRING";

impl Place {
    fn table(&self, table: &str) -> Result<BigQueryTable, Failed> {
        let storage = self.emulator.storage_address()?.to_string();
        let rest = self.emulator.address()?.to_string();
        Ok(BigQueryTable::new(TableOptions {
            project: PROJECT.to_owned(),
            dataset: self.dataset.to_owned(),
            table: table.to_owned(),
            emulators: Some((storage, rest)),
            timeout: Duration::from_secs(20),
        })?)
    }

    fn make(&self, table: &str, columns: &str) -> Result<(), Failed> {
        self.rows(&format!("CREATE TABLE {table} ({columns})")).map(drop)
    }
}

/// Whose answers get lost, before or behind the service.
struct Faulty {
    table: BigQueryTable,
    random: Random,
}

impl Table for Faulty {
    fn name(&self) -> String {
        self.table.name()
    }

    fn open(&mut self) -> Result<String, AppendError> {
        self.table.open()
    }

    fn append(&mut self, stream: &str, rows: u64, alerts: &[&Json]) -> Result<(), AppendError> {
        let lost = || Err(AppendError::Later("no answer".to_owned()));
        match self.random.below(4) {
            0 => lost(),
            1 => self.table.append(stream, rows, alerts).and_then(|()| lost()),
            _ => self.table.append(stream, rows, alerts),
        }
    }

    fn close(&mut self, stream: &str) -> Result<u64, AppendError> {
        self.table.close(stream)
    }

    fn which(&mut self, alert_ids: &[String]) -> Result<BTreeSet<String>, AppendError> {
        self.table.which(alert_ids)
    }
}

/// Alerts of the pack, as a run writes them.
fn alerts() -> Result<Vec<Told>, Failed> {
    let folder = tempfile::tempdir()?;
    let (flows, alerts) = (folder.path().join("flows.jsonl"), folder.path().join("alerts.jsonl"));
    let tripline = || Command::new(env!("CARGO_BIN_EXE_tripline"));
    let made =
        tripline().args(["generate", "--events", "20000", "--attacks", "all", "--output"]).arg(&flows).output()?;
    let mut run = tripline();
    run.args(["run", "--project", env!("CARGO_MANIFEST_DIR"), "--source", "netlog", "--input"]).arg(&flows);
    let ran = run.arg("--output").arg(&alerts).output()?;
    if !made.status.success() || !ran.status.success() {
        return Err(format!("{made:?} {ran:?}").into());
    }
    let mut told = Vec::new();
    for (number, line) in (0..).zip(fs::read_to_string(&alerts)?.lines()) {
        let alert: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
        told.push(Told { id: alert["alert_id"].as_str().unwrap_or_default().to_owned(), number, alert });
    }
    // Many more of them, each an alert of its own.
    let some = told.clone();
    for copy in 1..40_u64 {
        for alert in &some {
            let alert_id = format!("{}-{copy}", alert.id);
            let mut json = alert.alert.clone();
            json["alert_id"] = alert_id.as_str().into();
            told.push(Told { id: alert_id, number: told.len() as u64, alert: json });
        }
    }
    Ok(told)
}

/// A row as the service gives it, of an alert.
fn expected(told: &Told) -> Vec<Option<String>> {
    let alert = &told.alert;
    let text = |json: &Json| json.as_str().map(str::to_owned);
    let micros = |json: &Json| json.as_str().and_then(EventTime::parse).map(|at| at.0.to_string());
    vec![
        text(&alert["alert_id"]),
        text(&alert["rule"]),
        text(&alert["severity"]),
        micros(&alert["first_time"]),
        micros(&alert["last_time"]),
        Some(alert["hits"].to_string()),
        alert["score"].as_f64().map(|score| format!("{score:.12}")),
        text(&alert["hit"]["hit_id"]),
        text(&alert["title"]),
        Some(alert["hit"]["values"].to_string()),
        text(&alert["fingerprint"]),
    ]
}

fn read_back(place: &Place, table: &str) -> Result<Vec<Vec<Option<String>>>, Failed> {
    let sql = format!(
        "SELECT alert_id, rule, severity, UNIX_MICROS(event_time), UNIX_MICROS(last_time), hits, score, hit_id, title, \
         `values`, fingerprint FROM {table}"
    );
    let mut rows = place.rows(&sql)?;
    for row in &mut rows {
        row[6] = row[6].as_deref().and_then(|score| score.parse::<f64>().ok()).map(|score| format!("{score:.12}"));
    }
    rows.sort();
    Ok(rows)
}

/// As a run tells a sink: what it remembers is kept before, and its position behind. It dies anywhere.
fn alerts_are_there_once(place: &Place) -> Result<(), Failed> {
    place.make("live", COLUMNS)?;
    let alerts = alerts()?;
    let mut random = Random::new(5);
    let sink = |seed: u64, memory: Option<&str>| -> Result<Record, Failed> {
        let table = Faulty { table: place.table("live")?, random: Random::new(seed) };
        let mut record = Record::new("record".into(), Box::new(table));
        memory.map(|memory| record.recall(memory)).transpose()?;
        Ok(record)
    };
    // What is on disk.
    let mut next = 0;
    let (mut deaths, mut again) = (0, 0);
    let mut record = sink(0, None)?;
    while next < alerts.len() {
        let most = (next + 1 + random.below(40)).min(alerts.len());
        let given = &alerts[next..most];
        if let Some(trouble) = record.prepare(given) {
            return Err(format!("{trouble:?}").into());
        }
        let mut memory = record.memory();
        let dies = random.below(9);
        if dies != 0 {
            let outcome = record.tell(given);
            again += u64::from(matches!(outcome.trouble, Some(Trouble::Later { .. })));
            if dies != 1 {
                (next, memory) = (next + outcome.taken, record.memory());
            }
        }
        if dies < 3 {
            deaths += 1;
            record = sink(deaths, memory.as_deref())?;
        }
    }
    let mut wanted: Vec<Vec<Option<String>>> = alerts.iter().map(expected).collect();
    wanted.sort();
    let found = read_back(place, "live")?;
    if found != wanted || deaths < 3 || again < 3 || wanted.len() < 100 {
        let first = found.iter().zip(&wanted).find(|(found, wanted)| found != wanted);
        let (count, all) = (found.len(), wanted.len());
        return Err(format!("{count} rows of {all}, {deaths} deaths, {again} told again; {first:#?}").into());
    }
    // The columns are those that a backfill's table has.
    let compiled = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(["compile", "--target", "bigquery", "--project", env!("CARGO_MANIFEST_DIR"), "--relation", "alerts"])
        .output()?;
    let compiled = String::from_utf8_lossy(&compiled.stdout).into_owned();
    for column in COLUMNS.split(", ") {
        let name = column.split(' ').next().unwrap_or_default().trim_matches('`');
        let ty = column.split(' ').nth(1).unwrap_or_default();
        if !compiled.contains(&format!("{name} {ty}")) && !compiled.contains(&format!("`{name}` {ty}")) {
            return Err(format!("{column} is not in\n{compiled}").into());
        }
    }
    Ok(())
}

/// Offsets, lengths and what is there, as the service tells them.
fn streams_say_what_they_have(place: &Place) -> Result<(), Failed> {
    place.make("streams", COLUMNS)?;
    let mut table = place.table("streams")?;
    let alert = |id: &str| json!({"alert_id": id, "first_time": "2026-01-05T00:00:00Z", "hits": 0, "score": 0.0});
    let (a, b, c) = (alert("a"), alert("b"), alert("c'\\\"`"));
    let stream = table.open().map_err(|error| format!("{error:?}"))?;
    let steps = [
        table.append(&stream, 0, &[&a, &b]),
        table.append(&stream, 0, &[&a, &b]),
        table.append(&stream, 2, &[&c]),
        table.append(&stream, 2, &[&c]),
        table.append(&stream, 5, &[&c]),
    ];
    let closed = (table.close(&stream), table.close(&stream));
    let behind = table.append(&stream, 3, &[&a]);
    let gone = format!("projects/{PROJECT}/datasets/{}/tables/streams/streams/0123456789abcdef", place.dataset);
    let (absent, unknown) = (table.append(&gone, 0, &[&a]), table.close(&gone));
    let ids = ["b", "c'\\\"`", "d"].map(str::to_owned);
    let there = table.which(&ids).map_err(|error| format!("{error:?}"))?;
    let right = steps[..4] == [Ok(()), Err(AppendError::Exists), Ok(()), Err(AppendError::Exists)]
        && closed == (Ok(3), Ok(3))
        && there == ids[..2].iter().cloned().collect()
        && place.count("streams")? == 3;
    let lost = [&steps[4], &behind, &absent];
    let all_lost = lost.iter().all(|answer| matches!(answer, Err(AppendError::Lost(_))));
    if !right || !all_lost || !matches!(unknown, Err(AppendError::Lost(_))) {
        return Err(format!("{steps:?} {closed:?} {behind:?} {absent:?} {unknown:?} {there:?}").into());
    }
    // Zero is a value, and what an alert lacks is NULL.
    let rows = place.rows("SELECT hits, score, title FROM streams WHERE alert_id = 'a'")?;
    let zero = rows.first().is_some_and(|row| {
        row[0].as_deref() == Some("0")
            && row[1].as_deref().and_then(|x| x.parse().ok()) == Some(0.0)
            && row[2].is_none()
    });
    if zero { Ok(()) } else { Err(format!("{rows:?}").into()) }
}

/// What an operator can mend is waited for, and it goes on when it is mended.
fn troubles_say_what_to_do(place: &Place) -> Result<(), Failed> {
    let told = vec![Told {
        id: "a".to_owned(),
        number: 0,
        alert: json!({"alert_id": "a", "first_time": "2026-01-05T00:00:00Z"}),
    }];
    let mut record = Record::new("record".into(), Box::new(place.table("absent")?));
    let mut said = || match record.prepare(&told) {
        Some(Trouble::Later { what, .. }) => Ok(what),
        other => Err(Failed::from(format!("{other:?}"))),
    };
    let absent = said()?;
    let command = "help: `bq query --use_legacy_sql=false \"CREATE TABLE ";
    if !absent.contains(command) {
        return Err(absent.into());
    }
    place.make("absent", &COLUMNS.replace("score FLOAT64, ", ""))?;
    let lacking = said()?;
    if !lacking.contains("has no column `score`, a FLOAT64\nhelp: add what is missing") {
        return Err(lacking.into());
    }
    place.rows("DROP TABLE absent")?;
    // The command that was told makes it right.
    let statement = absent.split_once("--use_legacy_sql=false \"").and_then(|(_, rest)| rest.split_once("\"`"));
    let statement = statement.ok_or("no statement")?.0.replace("\\`", "`");
    place.rows(&statement)?;
    if record.prepare(&told).is_some() || record.tell(&told).taken != 1 || place.count("absent")? != 1 {
        return Err("it does not go on when the table is there".into());
    }
    Ok(())
}
