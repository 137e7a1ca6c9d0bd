//! Inputs into a warehouse: decoded rows of each source, as they came, with the watermark before each late one.
//!
//! They are written to files, loaded into tables of their own, and put where they belong by one transaction, which also
//! notes the inputs: an ingest is there whole or not at all, and what is there is known by its content.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest, Sha256};

use crate::history::IngestedInput;
use crate::plan::{Plan, SourcePlan};
use crate::port::warehouse::{JobDone, LoadJob, Trouble, Warehouse, WarehouseError, Write};
use crate::runtime::turn::Turn;
use crate::target::bigquery::ingest::{self, INGESTS, Ingest, LoadedInput};
use crate::target::bigquery::{UnitKind, Warehouse as Compiled};

use super::choose;
use super::known::{Known, KnownIngest};
use super::parts::{Decoded, FilePart};
use super::{IngestFailed, IngestOptions, IngestReport, Outlets, Progress, RunOptions, Skipped, log_decoded};

/// Of the hash in an ingest's id.
const HASH_BYTES: usize = 8;

/// Reads the inputs into the sources' tables. The plan has to show `flows`.
pub fn load(
    plan: &Plan,
    service: &dyn Warehouse,
    options: &IngestOptions,
    taps: Outlets,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<IngestReport, IngestFailed> {
    let place = Place { plan, service, stop, turn: Turn::new("ingest") };
    let known = place.known()?;
    let mut chosen = choose::choose(plan, &known, options)?;
    if chosen.inputs.is_empty() {
        return Ok(IngestReport::nothing(chosen));
    }
    let mut out = Decoded::new(plan, taps)?;
    let run = RunOptions {
        inputs: chosen.inputs.iter().map(|input| (input.source, Arc::clone(&input.input))).collect(),
        live: None,
        threads: options.threads,
        generation: options.generation.clone(),
        fault: None,
    };
    let report = log_decoded(plan, &run, &mut out, progress, stop)?;
    let ledger = &report.ledger;
    let understood = ledger.offered == 0 || ledger.rejected_total() < ledger.offered;
    let days = out.by_day().clone();
    if report.interrupted || !understood {
        return Ok(IngestReport { run: Some(report), days, kept: false, ..IngestReport::nothing(chosen) });
    }
    report.verify()?;
    match chosen.finish_streams(plan, &known, options.again) {
        Err(IngestFailed::StreamKnown { name, known }) if chosen.inputs.len() == 1 => {
            chosen.skipped.push(Skipped { name, known });
            return Ok(IngestReport::nothing(chosen));
        }
        done => done?,
    }
    let inputs = chosen.identities();
    let used: Vec<usize> = (0..plan.sources.len())
        .filter(|index| inputs.iter().any(|input| input.source == plan.sources[*index].name))
        .collect();
    let parts = out.finish()?;
    let bytes = parts.iter().map(|part| part.bytes).sum();
    let replaces: Vec<String> = chosen.replaces.iter().cloned().collect();
    match place.put(&inputs, &replaces, &used, &parts) {
        Ok(()) => {}
        Err(error) if error.trouble == Trouble::Stopped => {
            let mut report = report;
            report.interrupted = true;
            return Ok(IngestReport { run: Some(report), days, kept: false, ..IngestReport::nothing(chosen) });
        }
        Err(error) => return Err(error.into()),
    }
    let count = parts.len();
    let replaced = replaces.len();
    Ok(IngestReport { run: Some(report), days, parts: count, bytes, skipped: chosen.skipped, replaced, kept: true })
}

struct Place<'a> {
    plan: &'a Plan,
    service: &'a dyn Warehouse,
    stop: &'a AtomicBool,
    turn: Turn,
}

impl Place<'_> {
    /// What the dataset holds. Rows of a table that is gone are not there.
    fn known(&self) -> Result<Known, WarehouseError> {
        self.turn.find_dataset(self.service)?;
        if !self.service.has_table(INGESTS)? {
            return Ok(Known::default());
        }
        let mut there = Vec::new();
        for source in &self.plan.sources {
            if self.service.has_table(&source.name)? {
                there.push(source.name.as_str());
            }
        }
        let done = self.query("known", ingest::known_inputs())?;
        let mut ingests: BTreeMap<String, Vec<IngestedInput>> = BTreeMap::new();
        self.service.rows(&done.id, &mut |rows| {
            for row in rows {
                let mut cells = row.into_iter().map(Option::unwrap_or_default);
                let mut next = || cells.next().unwrap_or_default();
                let (id, source, name, bytes, digest) = (next(), next(), next(), next(), next());
                if there.contains(&source.as_str()) {
                    let input = IngestedInput { source, name, bytes: bytes.parse().unwrap_or_default(), digest };
                    ingests.entry(id).or_default().push(input);
                }
            }
        })?;
        Ok(Known { ingests: ingests.into_iter().map(|(id, inputs)| KnownIngest { id, inputs }).collect() })
    }

    /// Loads the files, and has them be there.
    fn put(
        &self,
        inputs: &[IngestedInput],
        replaces: &[String],
        used: &[usize],
        parts: &[FilePart],
    ) -> Result<(), WarehouseError> {
        let id = self.id(inputs);
        self.query("ingests", ingest::create_ingests())?;
        let sources: Vec<&SourcePlan> = self.plan.sources.iter().collect();
        let compiled = Compiled { plan: self.plan, sources: &sources };
        let mut waiting: Vec<(&SourcePlan, Option<String>)> = Vec::new();
        for index in used {
            let source = &self.plan.sources[*index];
            let unit = compiled.units().into_iter().find(|u| u.kind == UnitKind::Source && u.table == source.name);
            if let Some(text) = unit.and_then(|unit| compiled.text(&unit, None)) {
                self.query(&format!("source-{}", source.name), text)?;
            }
            let own: Vec<&FilePart> = parts.iter().filter(|part| part.source == *index).collect();
            let table = format!("tripline_waiting_{}_{id}_{}", source.name, self.turn.lot());
            if own.is_empty() {
                waiting.push((source, None));
                continue;
            }
            self.query(&format!("waiting-{}", source.name), ingest::create_waiting(source, &table))?;
            for (number, part) in own.iter().enumerate() {
                self.load(&format!("{}-{number}", source.name), &table, part)?;
            }
            waiting.push((source, Some(table)));
        }
        let loaded: Vec<LoadedInput> = inputs.iter().map(loaded).collect();
        let all = Ingest { id: &id, inputs: &loaded, replaces, sources: &waiting };
        let done = self.query("commit", ingest::commit(&all));
        for (_, table) in &waiting {
            if let Some(table) = table {
                // It goes by itself too.
                let _ = self.query(&format!("drop-{table}"), ingest::drop_waiting(table));
            }
        }
        done.map(drop)
    }

    fn load(&self, what: &str, table: &str, part: &FilePart) -> Result<JobDone, WarehouseError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(self.turn.error(Trouble::Stopped, "stopped".to_owned(), None));
        }
        let job = LoadJob {
            name: self.turn.name(&format!("load-{what}")),
            file: part.path.clone(),
            table: table.to_owned(),
            write: Write::Append,
            labels: self.turn.labels(),
            again: false,
        };
        self.service.load(&job, self.stop)
    }

    fn query(&self, what: &str, sql: String) -> Result<JobDone, WarehouseError> {
        self.turn.query(self.service, what, sql, self.stop)
    }

    /// The same inputs into the same place have the same id.
    fn id(&self, inputs: &[IngestedInput]) -> String {
        let mut hash = Sha256::new();
        hash.update(self.service.name());
        for input in inputs {
            hash.update(format!(";{}:{}", input.source, input.digest));
        }
        hex(&hash.finalize()[..HASH_BYTES])
    }
}

fn loaded(input: &IngestedInput) -> LoadedInput {
    LoadedInput {
        source: input.source.clone(),
        name: input.name.clone(),
        bytes: input.bytes,
        digest: input.digest.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
