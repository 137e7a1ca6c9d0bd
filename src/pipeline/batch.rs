//! Batches as they go from stage to stage.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;

use super::saved::{Loader, Saved, SavedError, Saver};
use crate::record::{Column, Origin};

/// Rows of `flows` with all its columns; those that nothing reads are NULL.
#[derive(Debug, Clone)]
pub struct FlowBatch {
    pub rows: RecordBatch,
    /// Event time by row, in microseconds.
    pub times: Vec<i64>,
    /// Where each row came from; empty when evidence is not kept.
    pub origins: Vec<Origin>,
    /// Hash of the content key and of the whole row, `None` where the source has no key; empty when no source has.
    pub duplicates: Vec<Option<(u128, u128)>>,
}

/// Rows of `flows` in log order, with the watermark before each.
#[derive(Debug, Clone)]
pub struct AdmittedBatch {
    pub flows: FlowBatch,
    /// The watermark just before each row.
    pub admit: Vec<i64>,
    /// The watermark after the last row.
    pub watermark: i64,
}

pub fn schema(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>()))
}

/// A batch of the first columns of a schema.
pub fn leading(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, ArrowError> {
    let schema = match &schema.fields()[..columns.len()] {
        all if all.len() == schema.fields().len() => Arc::clone(schema),
        some => Arc::new(Schema::new(some.to_vec())),
    };
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options)
}

/// A batch of exactly these columns; `None` columns are NULL.
pub fn batch(schema: &SchemaRef, columns: Vec<Option<ArrayRef>>, rows: usize) -> Result<RecordBatch, ArrowError> {
    let arrays = columns.into_iter().zip(schema.fields());
    let arrays = arrays.map(|(array, field)| array.unwrap_or_else(|| new_null_array(field.data_type(), rows)));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays.collect(), &options)
}

impl FlowBatch {
    pub fn empty() -> Self {
        let rows = RecordBatch::new_empty(schema(&crate::record::flow::columns()));
        Self { rows, times: Vec::new(), origins: Vec::new(), duplicates: Vec::new() }
    }

    /// Bytes of memory that it has, about.
    pub fn bytes(&self) -> u64 {
        let beside = size_of_val(&*self.times) + size_of_val(&*self.origins) + size_of_val(&*self.duplicates);
        (self.rows.get_array_memory_size() + beside) as u64
    }

    pub fn slice(&self, start: usize, rows: usize) -> Self {
        Self {
            rows: self.rows.slice(start, rows),
            times: self.times[start..start + rows].to_vec(),
            origins: if self.origins.is_empty() { Vec::new() } else { self.origins[start..start + rows].to_vec() },
            duplicates: if self.duplicates.is_empty() {
                Vec::new()
            } else {
                self.duplicates[start..start + rows].to_vec()
            },
        }
    }

    /// The rows at these places.
    pub fn take(&self, places: &[usize]) -> Result<Self, ArrowError> {
        let picks: UInt32Array = places.iter().map(|row| u32::try_from(*row).ok()).collect();
        Ok(Self {
            rows: take_record_batch(&self.rows, &picks)?,
            times: places.iter().map(|row| self.times[*row]).collect(),
            origins: places.iter().filter_map(|row| self.origins.get(*row).cloned()).collect(),
            duplicates: places.iter().filter_map(|row| self.duplicates.get(*row).copied()).collect(),
        })
    }
}

impl Saved for FlowBatch {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.batch(&self.rows)?;
        out.put(&(&self.times, &self.origins, &self.duplicates))
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        self.rows = from.batch()?;
        (self.times, self.origins, self.duplicates) = from.take()?;
        Ok(())
    }
}
