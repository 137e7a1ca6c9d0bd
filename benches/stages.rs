//! The stages by themselves: `cargo bench --bench stages`. Figures are for comparing two versions on one machine.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use tripline::adapter::local::{Embedded, MemoryInput, output};
use tripline::generate::{Options, generate};
use tripline::pipeline::ingest::{Reader, ReaderOptions};
use tripline::plan::{self, Plan, ResolveOptions};
use tripline::port::Input;
use tripline::record::EventTime;
use tripline::runtime::outlet::Outlets;
use tripline::runtime::run::{Progress, RunOptions, run};

const ROWS: u64 = 50_000;

fn main() {
    divan::main();
}

fn rows() -> Vec<u8> {
    let mut rows = Vec::new();
    let options = Options { events: ROWS, ..Options::demo() };
    let _ = generate(&options, &mut rows, None, &mut |_| {});
    rows
}

fn pack() -> Plan {
    let loaded = tripline::definition::load(&Embedded);
    plan::resolve(&loaded.project, ResolveOptions { as_of: EventTime(0) }).plan
}

fn netlog(plan: &Plan) -> usize {
    plan.sources.iter().position(|source| source.name == "netlog").unwrap_or(0)
}

/// Definitions to a plan: what `check` does.
#[divan::bench]
fn check_the_pack(bencher: Bencher) {
    bencher.bench(|| black_box(pack()));
}

/// JSON lines to columns, all 17 fields.
#[divan::bench]
fn decode_json(bencher: Bencher) {
    let plan = pack();
    let schema = Arc::new(plan.sources[netlog(&plan)].raw.clone());
    let input: Arc<dyn Input> = Arc::new(MemoryInput::new("rows", rows()));
    bencher.counter(ItemsCount::new(ROWS)).bench(|| {
        let options = ReaderOptions { threads: 1, ..ReaderOptions::default() };
        let Ok(mut reader) = Reader::open(Arc::clone(&input), Arc::clone(&schema), &options) else { return 0 };
        let mut decoded = 0;
        while let Ok(Some(batch)) = reader.next_batch() {
            decoded += batch.rows.num_rows();
        }
        decoded
    });
}

struct Silent;

impl Progress for Silent {
    fn advanced(&self, _: u64, _: u64, _: u64) {}
}

/// The whole pack over rows in memory, with and without evidence.
#[divan::bench(args = [0, 3])]
fn run_the_pack(bencher: Bencher, evidence: usize) {
    let mut plan = pack();
    plan.evidence_rows = evidence;
    plan.show(&[]);
    let input: Arc<dyn Input> = Arc::new(MemoryInput::new("rows", rows()));
    bencher.counter(ItemsCount::new(ROWS)).bench(|| {
        let options = RunOptions {
            spill: None,
            inputs: vec![(netlog(&plan), Arc::clone(&input))],
            live: None,
            threads: 2,
            generation: String::new(),
            fault: None,
            watch: None,
            history: None,
        };
        let Ok(mut out) = Outlets::new(&plan, &[], None, &output::row_writer) else { return 0 };
        let report = run(&plan, &options, &mut out, &Silent, &AtomicBool::new(false));
        report.map_or(0, |report| report.ledger.alerts)
    });
}
