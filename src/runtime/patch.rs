//! A history as somebody else has seen it: some of its flows came later or earlier in the log, some were not there.
//!
//! Rows keep the order that a graph needs: those in time by event time, a late one behind the windows that were over.

use std::collections::{BTreeMap, VecDeque};

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;

use crate::history::{Feed, HistoryError};
use crate::pipeline::batch::{AdmittedBatch, FlowBatch};
use crate::pipeline::merge::BEFORE_ALL;
use crate::record::flow;

use super::replay::ReplayError;

/// What is other than in the history.
#[derive(Debug, Clone, Default)]
pub struct Patch {
    /// By `row_id`, how many of these rows are left out.
    pub out: BTreeMap<i64, u64>,
    pub rows: Vec<PatchRow>,
}

/// A row that comes in.
#[derive(Debug, Clone)]
pub struct PatchRow {
    /// One row of `flows`.
    pub rows: RecordBatch,
    pub time: i64,
    /// The watermark before it where that is behind its event time, else [`BEFORE_ALL`].
    pub admit: i64,
}

/// A feed with a patch over it.
pub struct Patched {
    out: BTreeMap<i64, u64>,
    /// By when they come: at their event time, or at the watermark before them.
    rows: BTreeMap<(i64, bool, usize), PatchRow>,
    /// Read, and not yet given.
    held: Vec<AdmittedBatch>,
    ready: VecDeque<AdmittedBatch>,
    watermark: i64,
    ended: bool,
}

impl Patched {
    pub fn new(patch: &Patch) -> Self {
        let rows = patch.rows.iter().enumerate();
        let place = |row: &PatchRow, index| (row.time.max(row.admit), row.admit > row.time, index);
        Self {
            out: patch.out.clone(),
            rows: rows.map(|(index, row)| (place(row, index), row.clone())).collect(),
            held: Vec::new(),
            ready: VecDeque::new(),
            watermark: BEFORE_ALL,
            ended: false,
        }
    }

    /// As [`Feed::step`].
    pub fn step(&mut self, feed: &mut Feed<'_>) -> Result<Option<AdmittedBatch>, ReplayError> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if self.ended {
                return Ok(None);
            }
            let until = loop {
                match feed.step()? {
                    None => {
                        self.ended = true;
                        break i64::MAX;
                    }
                    Some(batch) => {
                        let after = batch.watermark;
                        let batch = self.without(batch)?;
                        self.held.push(batch);
                        if after > self.watermark {
                            break after;
                        }
                    }
                }
            };
            self.release(until)?;
        }
    }

    /// Leaves out what is not to be there.
    fn without(&mut self, batch: AdmittedBatch) -> Result<AdmittedBatch, ReplayError> {
        let ids = batch.flows.rows.column(flow::ROW_ID).as_primitive::<Int64Type>();
        let mut keep = Vec::with_capacity(ids.len());
        for (row, id) in ids.values().iter().enumerate() {
            match self.out.get_mut(id) {
                Some(left) if *left > 0 => *left -= 1,
                _ => keep.push(row),
            }
        }
        Ok(if keep.len() == ids.len() { batch } else { chosen(&batch, &keep)? })
    }

    /// Gives all that comes up to a watermark.
    fn release(&mut self, until: i64) -> Result<(), ReplayError> {
        while let Some(entry) = self.rows.first_entry() {
            let (at, late, _) = *entry.key();
            if at > until {
                break;
            }
            let row = entry.remove();
            if late {
                // All that came before it, and the windows that were over.
                self.give_held(at)?;
                self.watermark = self.watermark.max(at);
            }
            self.ready.push_back(AdmittedBatch {
                flows: FlowBatch { rows: row.rows, times: vec![row.time], origins: Vec::new(), duplicates: Vec::new() },
                admit: vec![row.admit],
                watermark: self.watermark,
            });
        }
        self.give_held(i64::MAX)?;
        self.watermark = self.watermark.max(until);
        self.ready.push_back(AdmittedBatch { flows: FlowBatch::empty(), admit: Vec::new(), watermark: self.watermark });
        Ok(())
    }

    /// Gives the rows in hand that came before a watermark.
    fn give_held(&mut self, before: i64) -> Result<(), ReplayError> {
        for batch in std::mem::take(&mut self.held) {
            let came = |row: usize| batch.flows.times[row].max(batch.admit[row]) < before;
            let (now, later): (Vec<usize>, Vec<usize>) = (0..batch.admit.len()).partition(|row| came(*row));
            if !now.is_empty() {
                let mut now = chosen(&batch, &now)?;
                now.watermark = self.watermark;
                self.ready.push_back(now);
            }
            if !later.is_empty() {
                self.held.push(chosen(&batch, &later)?);
            }
        }
        Ok(())
    }
}

fn chosen(batch: &AdmittedBatch, rows: &[usize]) -> Result<AdmittedBatch, ReplayError> {
    if rows.len() == batch.admit.len() {
        return Ok(batch.clone());
    }
    let flows = batch.flows.take(rows).map_err(HistoryError::Arrow)?;
    let admit = rows.iter().map(|row| batch.admit[*row]).collect();
    Ok(AdmittedBatch { flows, admit, watermark: batch.watermark })
}
