//! Decoded rows beside the flows that they became: for a place that keeps what a source sent.
//!
//! They go through the merge as one more column behind those of `flows`, a struct with a member a source: rows of another
//! source are NULL there.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StructArray, new_null_array};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::arrow::error::ArrowError;

use crate::plan::SourcePlan;
use crate::record::{Column, flow};

/// The decoded columns of every source.
#[derive(Debug)]
pub struct DecodedSchema {
    sources: Fields,
}

impl DecodedSchema {
    pub fn new(sources: &[SourcePlan]) -> Self {
        let sources = sources.iter().map(|source| {
            let fields = source.raw.fields.iter().map(|f| Column::new(f.name.clone(), f.ty, true).field());
            Field::new(&source.name, DataType::Struct(fields.collect()), true)
        });
        Self { sources: sources.collect() }
    }

    pub(super) fn field(&self) -> Field {
        Field::new("decoded", DataType::Struct(self.sources.clone()), false)
    }

    /// The decoded columns of one source as that column.
    pub(super) fn array(&self, source: usize, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef, ArrowError> {
        let members = self.sources.iter().enumerate().map(|(index, field)| match field.data_type() {
            DataType::Struct(fields) if index == source => {
                let own = StructArray::try_new_with_length(fields.clone(), columns.to_vec(), None, rows)?;
                Ok(Arc::new(own) as ArrayRef)
            }
            ty => Ok(new_null_array(ty, rows)),
        });
        let members = members.collect::<Result<Vec<_>, ArrowError>>()?;
        Ok(Arc::new(StructArray::try_new_with_length(self.sources.clone(), members, None, rows)?))
    }
}

/// The decoded rows of one source, NULL where a row is another's; `None` where they were not kept.
pub fn decoded(flows: &RecordBatch, source: usize) -> Option<&StructArray> {
    let all = flows.columns().get(flow::COUNT)?.as_struct_opt()?;
    all.columns().get(source)?.as_struct_opt()
}
