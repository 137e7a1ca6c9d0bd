//! A warehouse as the place of an ingest: decoded rows of each source, as they came, with the watermark before each late one.
//!
//! They are written to files, loaded into tables of their own, and put where they belong by one transaction, which also
//! notes the inputs: an ingest is there whole or not at all, and what is there is known by its content.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::RecordBatch;
use sha2::{Digest, Sha256};

use crate::history::IngestedInput;
use crate::history::write::DayRows;
use crate::pipeline::outlet::OutletError;
use crate::plan::{Plan, SourcePlan};
use crate::port::warehouse::{JobDone, LoadJob, Trouble, Warehouse, WarehouseError};
use crate::record::Day;
use crate::runtime::turn::Turn;
use crate::target::bigquery::ingest::{self, INGESTS, LoadedInput, Transaction};
use crate::target::bigquery::{UnitKind, Warehouse as Compiled};

use super::IngestFailed;
use super::known::{Known, KnownIngest};
use super::parts::{Decoded, FilePart};
use super::place::{Ingest, Kept, Place};

/// Of the hash in an ingest's id.
const HASH_BYTES: usize = 8;

pub struct Tables<'a> {
    plan: &'a Plan,
    service: &'a dyn Warehouse,
    stop: &'a AtomicBool,
    turn: Turn,
    rows: Decoded,
}

impl Place for Tables<'_> {
    fn known(&self) -> Result<Known, IngestFailed> {
        Ok(self.ingested()?)
    }

    fn takes_decoded(&self) -> bool {
        true
    }

    fn begin(&mut self, _: &[IngestedInput]) -> Result<(), IngestFailed> {
        Ok(())
    }

    fn push(&mut self, flows: &RecordBatch, admit: &[i64]) -> Result<(), OutletError> {
        self.rows.push(flows, admit).map_err(|error| OutletError { name: self.rows.folder(), error })
    }

    fn by_day(&self) -> &BTreeMap<Day, DayRows> {
        self.rows.by_day()
    }

    /// The files go with it.
    fn abandon(&mut self) -> Result<(), IngestFailed> {
        Ok(())
    }

    fn keep(&mut self, ingest: &Ingest<'_>) -> Result<Option<Kept>, IngestFailed> {
        let parts = self.rows.finish().map_err(IngestFailed::Folder)?;
        let replaces: Vec<String> = ingest.replaces.iter().cloned().collect();
        match self.put(ingest.inputs, &replaces, &parts) {
            Ok(()) => Ok(Some(Kept { parts: parts.len(), bytes: parts.iter().map(|part| part.bytes).sum() })),
            Err(error) if error.trouble == Trouble::Stopped => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl<'a> Tables<'a> {
    pub fn new(plan: &'a Plan, service: &'a dyn Warehouse, stop: &'a AtomicBool) -> Result<Self, IngestFailed> {
        let rows = Decoded::new(plan).map_err(IngestFailed::Folder)?;
        Ok(Self { plan, service, stop, turn: Turn::new("ingest"), rows })
    }

    /// What the dataset holds. Rows of a table that is gone are not there.
    fn ingested(&self) -> Result<Known, WarehouseError> {
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
    fn put(&self, inputs: &[IngestedInput], replaces: &[String], parts: &[FilePart]) -> Result<(), WarehouseError> {
        let id = self.id(inputs);
        self.query("ingests", ingest::create_ingests())?;
        let sources: Vec<&SourcePlan> = self.plan.sources.iter().collect();
        let compiled = Compiled { plan: self.plan, sources: &sources };
        let mut waiting: Vec<(&SourcePlan, Option<String>)> = Vec::new();
        for (index, source) in self.plan.sources.iter().enumerate() {
            if inputs.iter().all(|input| input.source != source.name) {
                continue;
            }
            let unit = compiled.units().into_iter().find(|u| u.kind == UnitKind::Source && u.table == source.name);
            if let Some(text) = unit.and_then(|unit| compiled.text(&unit, None)) {
                self.query(&format!("source-{}", source.name), text)?;
            }
            let own: Vec<&FilePart> = parts.iter().filter(|part| part.source == index).collect();
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
        let all = Transaction { id: &id, inputs: &loaded, replaces, sources: &waiting };
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
