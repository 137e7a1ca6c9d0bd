//! A history in a folder, as the place of an ingest: flows in parts by day.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;

use crate::history::store::{put, state_path};
use crate::history::write::DayRows;
use crate::history::{History, HistoryError, IngestedInput, Manifest, PartLimits, PartWriter, schema};
use crate::pipeline::outlet::OutletError;
use crate::record::Day;

use super::IngestFailed;
use super::known::{Known, KnownIngest};
use super::place::{Ingest, Kept, Place};

pub struct Folder<'a> {
    history: &'a mut History,
    generation: String,
    limits: PartLimits,
    id: String,
    parts: PartWriter,
}

impl<'a> Folder<'a> {
    pub fn new(history: &'a mut History, generation: &str, limits: PartLimits) -> Self {
        let parts = PartWriter::new(Arc::clone(history.store()), "", Vec::new(), limits);
        Self { history, generation: generation.to_owned(), limits, id: String::new(), parts }
    }

    /// Leaves beside the ingest that goes on what the merge of a log waits for.
    pub fn put_state(&self, state: &[u8]) -> Result<(), IngestFailed> {
        Ok(put(self.history.store().as_ref(), &state_path(&self.id), state).map_err(HistoryError::from)?)
    }
}

impl Place for Folder<'_> {
    fn known(&self) -> Result<Known, IngestFailed> {
        let ingests = self.history.ingests().iter();
        let ingests = ingests.map(|m| KnownIngest { id: m.id.clone(), inputs: m.inputs.clone() });
        Ok(Known { ingests: ingests.collect() })
    }

    fn takes_decoded(&self) -> bool {
        false
    }

    fn begin(&mut self, inputs: &[IngestedInput]) -> Result<(), IngestFailed> {
        self.id = self.history.next_id(inputs);
        let mut sources: Vec<&str> = inputs.iter().map(|input| input.source.as_str()).collect();
        sources.sort_unstable();
        sources.dedup();
        let about = vec![("sources", sources.join(",")), ("generation", self.generation.clone())];
        self.parts = PartWriter::new(Arc::clone(self.history.store()), &self.id, about, self.limits);
        Ok(())
    }

    fn push(&mut self, flows: &RecordBatch, admit: &[i64]) -> Result<(), OutletError> {
        let failed = |error| OutletError { name: "the history".to_owned(), error: io::Error::other(error) };
        self.parts.push(flows, admit).map_err(failed)
    }

    fn by_day(&self) -> &BTreeMap<Day, DayRows> {
        self.parts.by_day()
    }

    fn abandon(&mut self) -> Result<(), IngestFailed> {
        Ok(self.history.abandon(&self.id)?)
    }

    fn keep(&mut self, ingest: &Ingest<'_>) -> Result<Option<Kept>, IngestFailed> {
        let parts = self.parts.finish()?;
        let kept = Kept { parts: parts.len(), bytes: parts.iter().map(|part| part.bytes).sum() };
        self.history.commit(Manifest {
            version: schema::VERSION,
            id: self.id.clone(),
            inputs: ingest.inputs.to_vec(),
            parts,
            last_watermark: ingest.report.last_watermark.map(|at| at.0),
            generation: self.generation.clone(),
            replaces: ingest.replaces.iter().cloned().collect(),
            summary: ingest.report.json(),
            log: ingest.log.clone(),
        })?;
        // Its files have gone to their places; the folders that they were in have not.
        self.history.abandon(&self.id)?;
        Ok(Some(kept))
    }
}
