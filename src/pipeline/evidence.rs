//! Flows as evidence: written out as JSON only when a window keeps them.

use std::cell::RefCell;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use serde_json::{Map, Value as Json};

use crate::record::{Column, EventTime, Origin, Reject, RejectReason, Value, flow};

use super::batch::FlowBatch;
use super::window::evidence::{EvidenceRow, EvidenceRows, SeeFlow};

/// The rows of a batch of flows.
pub struct FlowEvidence<'a> {
    flows: &'a FlowBatch,
    columns: Vec<Column>,
    written: RefCell<Vec<Option<Arc<str>>>>,
}

impl<'a> FlowEvidence<'a> {
    pub fn new(flows: &'a FlowBatch) -> Self {
        Self { flows, columns: flow::columns(), written: RefCell::new(vec![None; flows.times.len()]) }
    }

    fn row_id(&self, row: usize) -> i64 {
        self.flows.rows.column(flow::ROW_ID).as_primitive::<Int64Type>().value(row)
    }

    fn flow(&self, row: usize) -> Arc<str> {
        let mut written = self.written.borrow_mut();
        Arc::clone(written[row].get_or_insert_with(|| {
            let mut object = json_row(&self.flows.rows, &self.columns, row);
            if let Some(origin) = self.flows.origins.get(row) {
                object.insert("origin".to_owned(), format!("{}:{}", origin.file, origin.line).into());
            }
            Json::Object(object).to_string().into()
        }))
    }
}

impl EvidenceRows for FlowEvidence<'_> {
    fn for_each(&self, row: usize, see: &mut SeeFlow) {
        see(EventTime(self.flows.times[row]), self.row_id(row), &|| self.flow(row));
    }
}

/// The flows behind rows of a feature.
pub struct FeatureEvidence<'a>(pub &'a [Vec<EvidenceRow>]);

impl EvidenceRows for FeatureEvidence<'_> {
    fn for_each(&self, row: usize, see: &mut SeeFlow) {
        for kept in self.0.get(row).map(Vec::as_slice).unwrap_or_default() {
            see(kept.event_time, kept.row_id, &|| Arc::clone(&kept.flow));
        }
    }
}

/// A row whose content key another row had before it, with other values.
pub fn conflict(flows: &FlowBatch, row: usize) -> Reject {
    let nowhere = || Origin { file: "".into(), line: 0, offset: 0 };
    // The record itself is gone after normalization.
    let raw = Json::Object(json_row(&flows.rows, &flow::columns(), row)).to_string();
    Reject {
        reason: RejectReason::DuplicateConflict,
        detail: "an earlier record has the same `dedupe` columns and other values".to_owned(),
        origin: flows.origins.get(row).cloned().unwrap_or_else(nowhere),
        raw: Reject::cut(raw.as_bytes()),
    }
}

/// A row as a JSON object, without what is NULL.
fn json_row(rows: &RecordBatch, columns: &[Column], row: usize) -> Map<String, Json> {
    let fields = columns.iter().zip(rows.columns());
    let cells = fields.map(|(column, array)| (column.name.clone(), Value::at(array, row, column.ty).json()));
    cells.filter(|(_, value)| !value.is_null()).collect()
}
