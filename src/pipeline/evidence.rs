//! Flows as evidence: written out when a window keeps them, as few bytes; made JSON when an alert shows them.

use std::cell::RefCell;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::Int64Type;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::record::{EventTime, Origin, Reject, RejectReason, Type, Value, flow};

use super::batch::FlowBatch;
use super::cells::Cells;
use super::window::evidence::{EvidenceRows, SeeFlow};

/// The rows of a batch of flows.
pub struct FlowEvidence<'a> {
    flows: &'a FlowBatch,
    columns: Vec<Option<Cells<'a>>>,
    row_ids: &'a [i64],
    written: RefCell<Vec<Option<Arc<[u8]>>>>,
    /// Where a flow is written before its length is known.
    room: RefCell<Vec<u8>>,
}

/// Bytes of a flow that need no more room.
const ROOM: usize = 1_024;

/// A flow as it is kept.
#[derive(Serialize, Deserialize)]
struct KeptFlow<'a> {
    #[serde(borrow)]
    cells: [Cell<'a>; flow::COUNT],
    /// File and line.
    origin: Option<(&'a str, u64)>,
}

#[derive(Serialize, Deserialize)]
enum Cell<'a> {
    Null,
    /// A TIMESTAMP too.
    Int64(i64),
    Float64(f64),
    String(&'a str),
}

impl<'a> FlowEvidence<'a> {
    pub fn new(flows: &'a FlowBatch) -> Self {
        Self {
            flows,
            columns: flows.rows.columns().iter().map(Cells::of).collect(),
            row_ids: flows.rows.column(flow::ROW_ID).as_primitive::<Int64Type>().values(),
            written: RefCell::new(vec![None; flows.times.len()]),
            room: RefCell::new(vec![0; ROOM]),
        }
    }

    fn flow(&self, row: usize) -> Arc<[u8]> {
        let mut written = self.written.borrow_mut();
        Arc::clone(written[row].get_or_insert_with(|| {
            let origin = self.flows.origins.get(row).map(|origin| (&*origin.file, origin.line));
            let flow = KeptFlow { cells: self.cells(row), origin };
            match postcard::to_slice(&flow, &mut self.room.borrow_mut()) {
                Ok(bytes) => Arc::from(&*bytes),
                // Writing to memory that grows has no error.
                Err(_) => postcard::to_allocvec(&flow).unwrap_or_default().into(),
            }
        }))
    }

    fn cells(&self, row: usize) -> [Cell<'a>; flow::COUNT] {
        std::array::from_fn(|column| self.columns[column].as_ref().map_or(Cell::Null, |cells| cell(cells, row)))
    }
}

/// What a column of flows has for a row.
fn cell<'a>(cells: &Cells<'a>, row: usize) -> Cell<'a> {
    match cells {
        Cells::Int64(array) if array.is_valid(row) => Cell::Int64(array.value(row)),
        Cells::Timestamp(array) if array.is_valid(row) => Cell::Int64(array.value(row)),
        Cells::Float64(array) if array.is_valid(row) => Cell::Float64(array.value(row)),
        Cells::String(array) if array.is_valid(row) => Cell::String(array.value(row)),
        // Flows have no column of another type.
        _ => Cell::Null,
    }
}

impl EvidenceRows for FlowEvidence<'_> {
    fn for_each(&self, row: usize, see: &mut SeeFlow) {
        see(EventTime(self.flows.times[row]), self.row_ids[row], &|| self.flow(row));
    }
}

/// A kept flow as a JSON object, without what is NULL.
pub fn json_of(kept: &[u8]) -> Option<Json> {
    let kept: KeptFlow = postcard::from_bytes(kept).ok()?;
    let mut object = object(kept.cells);
    if let Some((file, line)) = kept.origin {
        object.insert("origin".to_owned(), format!("{file}:{line}").into());
    }
    Some(Json::Object(object))
}

/// A row whose content key another row had before it, with other values.
pub fn conflict(flows: &FlowBatch, row: usize) -> Reject {
    let nowhere = || Origin { file: "".into(), line: 0, offset: 0 };
    // The record itself is gone after normalization.
    let raw = Json::Object(object(FlowEvidence::new(flows).cells(row))).to_string();
    Reject {
        reason: RejectReason::DuplicateConflict,
        detail: "an earlier record has the same `dedupe` columns and other values".to_owned(),
        origin: flows.origins.get(row).cloned().unwrap_or_else(nowhere),
        raw: Reject::cut(raw.as_bytes()),
    }
}

fn object(cells: [Cell<'_>; flow::COUNT]) -> Map<String, Json> {
    let cells = flow::columns().into_iter().zip(cells).filter_map(|(column, cell)| {
        let value = match cell {
            Cell::Null => return None,
            Cell::Int64(value) if column.ty == Type::Timestamp => Value::Timestamp(value),
            Cell::Int64(value) => Value::Int64(value),
            Cell::Float64(value) => Value::Float64(value),
            Cell::String(value) => Value::String(value.to_owned()),
        };
        Some((column.name, value.json()))
    });
    cells.collect()
}
