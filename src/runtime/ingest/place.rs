//! Where the rows of an ingest go, and what such a place has to do.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::RecordBatch;

use crate::history::write::DayRows;
use crate::history::{IngestedInput, LogPlace};
use crate::pipeline::outlet::OutletError;
use crate::record::Day;
use crate::runtime::report::RunReport;

use super::IngestFailed;
use super::known::Known;

/// Called in the order of its methods; what it took is there after [`Place::keep`], whole, or not at all.
pub trait Place {
    /// What it holds.
    fn known(&self) -> Result<Known, IngestFailed>;

    /// Does it take rows as they were decoded, beside the flows that they became?
    fn takes_decoded(&self) -> bool;

    /// Rows of these inputs will come.
    fn begin(&mut self, inputs: &[IngestedInput]) -> Result<(), IngestFailed>;

    /// Rows of `flows` in the order of the log, with the watermark before each.
    fn push(&mut self, flows: &RecordBatch, admit: &[i64]) -> Result<(), OutletError>;

    /// How many came.
    fn by_day(&self) -> &BTreeMap<Day, DayRows>;

    /// What came goes.
    fn abandon(&mut self) -> Result<(), IngestFailed>;

    /// What came is there from now on. `None`: somebody stopped it, and nothing is.
    fn keep(&mut self, ingest: &Ingest<'_>) -> Result<Option<Kept>, IngestFailed>;
}

/// What is kept.
pub struct Ingest<'a> {
    /// All identities are known by now.
    pub inputs: &'a [IngestedInput],
    /// Ingests whose place it takes.
    pub replaces: &'a BTreeSet<String>,
    pub report: &'a RunReport,
    /// Where it is out of the log of a run.
    pub log: Option<LogPlace>,
}

/// Files, and their bytes.
pub struct Kept {
    pub parts: usize,
    pub bytes: u64,
}
