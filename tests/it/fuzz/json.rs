//! Damaged NetLog lines through the JSON decoder, against `serde_json`: the same lines are records, and the
//! text and the number of a row are what it reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use libtest_mimic::Failed;
use serde_json::Value;
use tripline::adapter::local::{Folder, MemoryInput};
use tripline::pipeline::ingest::{Reader, ReaderOptions};
use tripline::plan;
use tripline::record::RawSchema;

use super::damage::{Random, damage};
use super::iterate;
use crate::TODAY;

const ITERATIONS: u64 = 5_000;
const LINES_MAX: usize = 12;
const NOT_A_RECORD: &str = "ingest.bad-record";
const NOT_UTF8: &str = "ingest.bad-encoding";
const LINES: &[&str] = &[
    r#"{"subscriberId":"S1","srcIP":"10.0.0.5","dstIP":"203.0.113.7","srcPort":40000,"dstPort":443,"txBytes":1500,"rxBytes":250,"tcpFlag":18,"startTime":"2026-01-05T09:00:00Z","endTime":"2026-01-05T09:00:01.5Z","timestamp":1767603601,"protocolName":"TCP","protocolNumber":6,"geoCountry":"DE","geoCity":"Köln","latitude":50.9,"longitude":6.9}"#,
    r#"{"srcIP":"2001:db8::1","dstIP":"2001:db8::2","srcPort":null,"dstPort":"53","tcpFlag":"SYN-ACK","endTime":1767603601123,"latitude":-1e-3,"more":{"a":[1,2,{"b":null}],"c":"\u00e9\n"}}"#,
    r#"{ "srcIP" : "a\"b\\c\/\ud83d\ude00" , "dstIP":"" ,"tcpFlag":["SYN","ACK"],"endTime":"2026-01-05 09:00:00.000001+01:00","subscriberId":7}"#,
    r#"{"srcIP":"10.0.0.5","dstIP":"10.0.0.6","srcIP":"10.0.0.7","srcPort":1e3,"srcPort":80,"endTime":1767603601.25}"#,
];

pub fn run() -> Result<(), Failed> {
    let project = tripline::definition::load(&Folder::new(env!("CARGO_MANIFEST_DIR"))).project;
    let plan = plan::resolve(&project, TODAY).plan;
    let netlog = plan.sources.into_iter().find(|source| source.name == "netlog").ok_or("no source netlog")?;
    let schema = Arc::new(netlog.raw);
    iterate(ITERATIONS, &|index| {
        let mut random = Random::new(index);
        let lines: Vec<Vec<u8>> = (0..=random.below(LINES_MAX)).map(|_| line(&mut random)).collect();
        let chunk_bytes = 1 + random.below(2_000);
        agree(&lines, &schema, ReaderOptions { chunk_bytes, ..ReaderOptions::default() })
    })
}

fn line(random: &mut Random) -> Vec<u8> {
    let mut bytes = random.pick(LINES).copied().unwrap_or_default().as_bytes().to_vec();
    if random.below(6) > 0 {
        damage(random, &mut bytes);
    }
    bytes.retain(|byte| !matches!(byte, b'\n' | b'\r'));
    // The mark at the beginning of a file is not part of its first record.
    while bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    bytes
}

/// A row's `srcIP` and `srcPort`, or the code of its reject, by line.
type Outcome = Result<(Option<String>, Option<i64>), &'static str>;

fn agree(lines: &[Vec<u8>], schema: &Arc<RawSchema>, options: ReaderOptions) -> Result<(), String> {
    let outcomes = read(lines.join(&b'\n'), schema, &options)?;
    for (index, line) in lines.iter().enumerate() {
        let outcome = outcomes.get(&(index + 1));
        let shown = || format!("{:?} became {outcome:?}", String::from_utf8_lossy(line));
        if line.trim_ascii().is_empty() {
            if outcome.is_some() {
                return Err(shown());
            }
            continue;
        }
        let record = match serde_json::from_slice::<Value>(line) {
            Ok(Value::Object(record)) => Some(record),
            _ => None,
        };
        match (record, outcome) {
            (None, Some(Err(NOT_A_RECORD))) => {}
            (None, Some(Err(NOT_UTF8))) if std::str::from_utf8(line).is_err() => {}
            (Some(_), Some(Err(code))) if *code != NOT_A_RECORD && *code != NOT_UTF8 => {}
            (Some(record), Some(Ok((src_ip, src_port)))) => {
                let text = record.get("srcIP").and_then(Value::as_str);
                let number = record.get("srcPort").and_then(Value::as_i64);
                if text.is_some_and(|text| Some(text) != src_ip.as_deref()) || number.is_some() && number != *src_port {
                    return Err(shown());
                }
            }
            _ => return Err(shown()),
        }
    }
    Ok(())
}

fn read(bytes: Vec<u8>, schema: &Arc<RawSchema>, options: &ReaderOptions) -> Result<BTreeMap<usize, Outcome>, String> {
    let input = Arc::new(MemoryInput::new("damaged.json", bytes));
    let mut reader = Reader::open(input, Arc::clone(schema), options).map_err(|e| e.to_string())?;
    let mut outcomes = BTreeMap::new();
    while let Some(batch) = reader.next_batch().map_err(|e| e.to_string())? {
        let seen = batch.lines.len() + batch.rejects.len();
        if usize::try_from(batch.offered).ok() != Some(seen) {
            return Err(format!("{} offered, {seen} rows and rejects", batch.offered));
        }
        for (row, line) in batch.lines.iter().enumerate() {
            put(&mut outcomes, *line, Ok((text(&batch.rows, row), number(&batch.rows, row))))?;
        }
        for reject in &batch.rejects {
            put(&mut outcomes, reject.origin.line, Err(reject.reason.code()))?;
        }
    }
    Ok(outcomes)
}

fn put(outcomes: &mut BTreeMap<usize, Outcome>, line: u64, outcome: Outcome) -> Result<(), String> {
    let line = usize::try_from(line).map_err(|e| e.to_string())?;
    match outcomes.insert(line, outcome) {
        Some(_) => Err(format!("line {line} has two outcomes")),
        None => Ok(()),
    }
}

fn text(rows: &RecordBatch, row: usize) -> Option<String> {
    let column = rows.column_by_name("srcIP")?;
    column.as_string_opt::<i32>().filter(|c| c.is_valid(row)).map(|c| c.value(row).to_owned())
}

fn number(rows: &RecordBatch, row: usize) -> Option<i64> {
    let column = rows.column_by_name("srcPort")?.as_primitive_opt::<Int64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}
