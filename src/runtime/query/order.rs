//! `ORDER BY` and `LIMIT` of an ad-hoc query.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use datafusion::arrow::compute::{SortOptions, concat_batches, take_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;

use crate::language::OrderColumn;
use crate::pipeline::rank::{rows_of, sortable};

/// Below this, sorting early is not worth it.
const KEPT_ROWS_MIN: usize = 65_536;

/// Rows that wait for their order.
pub struct Sorter {
    order: Vec<OrderColumn>,
    /// How many are wanted, when not all.
    wanted: Option<usize>,
    rows: Vec<RecordBatch>,
    count: usize,
}

impl Sorter {
    pub fn new(order: &[OrderColumn], wanted: Option<usize>) -> Self {
        Self { order: order.to_vec(), wanted, rows: Vec::new(), count: 0 }
    }

    pub fn push(&mut self, rows: RecordBatch) -> Result<(), ArrowError> {
        self.count += rows.num_rows();
        self.rows.push(rows);
        let Some(wanted) = self.wanted else { return Ok(()) };
        // What cannot be among the first is dropped now and then.
        if self.count > wanted.saturating_mul(2).max(KEPT_ROWS_MIN) {
            let schema = self.rows[0].schema();
            let first = self.sorted(&schema)?;
            self.count = first.num_rows();
            self.rows = vec![first];
        }
        Ok(())
    }

    pub fn bytes(&self) -> usize {
        self.rows.iter().map(RecordBatch::get_array_memory_size).sum()
    }

    pub fn finish(self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        self.sorted(schema)
    }

    /// Rows that are equal in all of the order stay as they came.
    fn sorted(&self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        if self.rows.is_empty() {
            return Ok(RecordBatch::new_empty(Arc::clone(schema)));
        }
        let rows = concat_batches(&self.rows[0].schema(), &self.rows)?;
        let columns: Vec<ArrayRef> =
            self.order.iter().map(|key| sortable(Arc::clone(rows.column(key.column)))).collect();
        let options = |key: &OrderColumn| SortOptions { descending: key.descending, nulls_first: key.nulls_first };
        let options: Vec<SortOptions> = self.order.iter().map(options).collect();
        let Some(keys) = rows_of(&columns, &options)? else { return Ok(rows) };
        let mut places: Vec<usize> = (0..rows.num_rows()).collect();
        places.sort_by(|a, b| keys.row(*a).cmp(&keys.row(*b)));
        places.truncate(self.wanted.unwrap_or(usize::MAX));
        take_record_batch(&rows, &places.iter().map(|place| *place as u64).collect::<UInt64Array>())
    }
}
