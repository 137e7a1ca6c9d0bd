//! Columns that stand in no record, but in the message around it.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::error::ArrowError;

use super::batch::RawBatch;
use crate::record::{Carried, EventTime, RawSchema};

/// A message without its data.
#[derive(Debug, Clone)]
pub struct Envelope {
    pub id: String,
    pub published: EventTime,
    pub attributes: HashMap<String, String>,
    pub ordering_key: String,
}

/// The columns of a source that messages fill, each with its place in a batch.
pub(super) struct CarriedColumns(Vec<(usize, Carried)>);

impl CarriedColumns {
    pub(super) fn of(schema: &RawSchema) -> Self {
        let wanted = schema.fields.iter().filter(|field| field.wanted).enumerate();
        Self(wanted.filter_map(|(place, field)| Some((place, field.carried.clone()?))).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fills them in rows that were decoded from messages of which each ends there, as origins count.
    pub(super) fn fill(
        &self,
        batch: &mut RawBatch,
        subscription: &str,
        ends: &[u64],
        envelopes: &[Envelope],
    ) -> Result<(), ArrowError> {
        let of_row = |offset: &u64| envelopes.get(ends.partition_point(|end| end <= offset));
        let of_rows: Vec<Option<&Envelope>> = batch.offsets.iter().map(of_row).collect();
        let schema = batch.rows.schema();
        let mut columns = batch.rows.columns().to_vec();
        for (place, carried) in &self.0 {
            let of_rows = of_rows.iter().copied();
            let column: ArrayRef = match carried {
                Carried::PublishTime => {
                    let times = of_rows.map(|envelope| Some(envelope?.published.0));
                    Arc::new(times.collect::<TimestampMicrosecondArray>())
                }
                carried => {
                    Arc::new(of_rows.map(|envelope| text(envelope?, carried, subscription)).collect::<StringArray>())
                }
            };
            columns[*place] = cast(&column, schema.field(*place).data_type())?;
        }
        batch.rows = RecordBatch::try_new(schema, columns)?;
        Ok(())
    }
}

/// An ordering key that is empty is none.
fn text<'e>(envelope: &'e Envelope, carried: &Carried, subscription: &'e str) -> Option<&'e str> {
    match carried {
        Carried::Attribute(name) => envelope.attributes.get(name).map(String::as_str),
        Carried::SubscriptionName => Some(subscription),
        Carried::MessageId => Some(&envelope.id),
        Carried::OrderingKey => Some(envelope.ordering_key.as_str()).filter(|key| !key.is_empty()),
        Carried::PublishTime => None,
    }
}
