//! Rows without what nobody reads any more.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, NullArray, RecordBatch, new_null_array};
use datafusion::arrow::compute::FilterBuilder;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;

use crate::pipeline::batch;
use crate::record::Column;

/// Columns keep their places; those that nobody reads have no values and no type.
pub struct Lean {
    read: Vec<bool>,
    schema: SchemaRef,
}

impl Lean {
    pub fn new(columns: &[Column], read: Vec<bool>) -> Self {
        let fields = columns.iter().zip(&read).map(|(column, read)| {
            // What waits for the row before is NULL until it is known.
            let ty = if *read { column.ty.arrow() } else { DataType::Null };
            Field::new(&column.name, ty, true)
        });
        Self { schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())), read }
    }

    /// The first columns of rows that are chosen, of which none is NULL; of all, without `chosen`.
    pub fn rows(
        &self,
        columns: &[ArrayRef],
        count: usize,
        chosen: Option<&BooleanArray>,
    ) -> Result<RecordBatch, ArrowError> {
        let predicate = chosen.map(|chosen| FilterBuilder::new(chosen).optimize().build());
        let left = predicate.as_ref().map_or(count, |predicate| predicate.count());
        let read = columns.iter().zip(&self.read);
        let columns = read.map(|(column, read)| match &predicate {
            _ if !read => Ok(Arc::new(NullArray::new(left)) as ArrayRef),
            Some(predicate) => predicate.filter(column),
            None => Ok(Arc::clone(column)),
        });
        self.leading(columns.collect::<Result<_, _>>()?, left)
    }

    /// A batch of the first columns.
    pub fn leading(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, ArrowError> {
        batch::leading(&self.schema, columns, rows)
    }

    /// NULL in the columns from `columns.len()` until `until`.
    pub fn fill(&self, columns: &mut Vec<ArrayRef>, until: usize, rows: usize) {
        let fields = self.schema.fields()[columns.len()..until].iter();
        columns.extend(fields.map(|field| new_null_array(field.data_type(), rows)));
    }

    pub fn len(&self) -> usize {
        self.read.len()
    }
}
