//! Conservation over whole runs: every record and every hit is accounted for, and a planted loss is noticed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use libtest_mimic::{Failed, Trial};
use tripline::adapter::local::MemoryInput;
use tripline::pipeline::graph::Fault;
use tripline::port::Input;
use tripline::runtime::outlet::Outlets;
use tripline::runtime::report::RunReport;
use tripline::runtime::run::{Progress, RunOptions, run};

use super::plan_of;

const PROJECT: &str = "--- tripline.yaml
name: conservation
evidence: 1
--- sql/netlog/source.yaml
source: netlog
format: json
columns:
  time: {type: TIMESTAMP, field: at}
  src: {type: STRING, required: true}
  n: INT64
event_time: time
lateness: 10s
dedupe: [src, time]
--- sql/netlog/flows.sql
SELECT time AS end_time, src AS src_ip, n AS tx_bytes FROM netlog WHERE COALESCE(n, 0) >= 0
--- features/by_source.yaml
feature: by_source
from: flows
key: [src_ip]
window: {size: 1m}
columns:
  flows: COUNT(*)
--- rules/seen.yaml
rule: seen
title: Seen
description: Any source
status: stable
severity: low
owner: tests
sql: SELECT * FROM by_source WHERE flows >= 1
entities: [{type: ip, column: src_ip, role: actor}]
alert: {title: 'seen', key: [src_ip], merge_within: 1m}
runbook: Look.
";

/// Accepted, filtered, rejected in three ways, duplicate, conflict, late: each at least once.
const ROWS: &str = r#"{"at": "2026-01-05T00:00:01Z", "src": "a", "n": 1}
{"at": "2026-01-05T00:00:01Z", "src": "a", "n": 1}
{"at": "2026-01-05T00:00:01Z", "src": "a", "n": 2}
{"at": "2026-01-05T00:00:02Z", "src": "b", "n": -1}
{"at": "2026-01-05T00:00:02Z", "n": 1}
{"at": "2026-01-05T00:00:03Z", "src": "b", "n": "many"}
{"src": "b"}
not json
{"at": "2026-01-05T00:01:01Z", "src": "a", "n": 1}
{"at": "2026-01-05T00:05:00Z", "src": "b", "n": 1}
{"at": "2026-01-05T00:01:02Z", "src": "b", "n": 1}
"#;

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("conserve::every_record_and_hit_is_accounted_for", accounted),
        Trial::test("conserve::a_planted_loss_is_noticed", noticed),
    ]
}

struct Silent;

impl Progress for Silent {
    fn advanced(&self, _: u64, _: u64, _: u64) {}
}

fn played(fault: Option<Fault>) -> Result<RunReport, Failed> {
    let plan = plan_of(PROJECT)?;
    let input: Arc<dyn Input> = Arc::new(MemoryInput::new("rows", ROWS.as_bytes().to_vec()));
    let options = RunOptions {
        spill: None,
        inputs: vec![(0, input)],
        live: None,
        threads: 1,
        generation: String::new(),
        fault,
        watch: None,
        history: None,
    };
    let refuse = |_: &str, _| Err(io::Error::other("nothing is tapped"));
    let mut out = Outlets::new(&plan, &[], None, &refuse)?;
    Ok(run(&plan, &options, &mut out, &Silent, &AtomicBool::new(false))?)
}

fn accounted() -> Result<(), Failed> {
    let report = played(None)?;
    report.verify()?;
    let ledger = &report.ledger;
    let found = [
        ledger.offered,
        ledger.accepted,
        ledger.filtered,
        ledger.rejected_total(),
        ledger.duplicate,
        ledger.late,
        ledger.hits,
        ledger.alerts,
    ];
    let expected = [11, 3, 1, 5, 1, 1, 3, 2];
    if found == expected { Ok(()) } else { Err(format!("expected {expected:?}, found {found:?}: {ledger:?}").into()) }
}

fn noticed() -> Result<(), Failed> {
    for fault in [Fault::LoseRow, Fault::LoseHit] {
        if played(Some(fault))?.verify().is_ok() {
            return Err(format!("{fault:?} is not noticed").into());
        }
    }
    Ok(())
}
