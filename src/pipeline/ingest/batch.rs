//! What ingest delivers: typed rows with their origins, and the records that were refused.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::record::Reject;

use super::ignored::Ignored;

/// A piece of one input. `offered` is counted where records are split off, rows and rejects
/// where they are decoded, so that `offered = rows + rejects` says something.
#[derive(Debug, Clone)]
pub struct RawBatch {
    /// A column per wanted field, in the schema's order.
    pub rows: RecordBatch,
    /// The line of each row, from 1; the row's number for Parquet.
    pub lines: Vec<u64>,
    /// The place of each row's record in the decompressed input; 0 for Parquet.
    pub offsets: Vec<u64>,
    /// The text of each row's record, if it was asked for.
    pub raw: Option<RawText>,
    pub rejects: Vec<Reject>,
    /// Records that were seen.
    pub offered: u64,
    /// Fields that the schema does not declare, and how many records have them.
    pub ignored: Ignored,
    /// Stored bytes that were read for it.
    pub bytes: u64,
}

/// The records of a batch as they were written; those of a file with columns as text.
#[derive(Debug, Clone)]
pub struct RawText(Source);

#[derive(Debug, Clone)]
enum Source {
    Chunk {
        bytes: Arc<Vec<u8>>,
        places: Vec<(usize, usize)>,
    },
    /// The columns as read, and the place of each row in them.
    Columns {
        columns: RecordBatch,
        rows: Vec<usize>,
    },
}

impl RawText {
    pub(super) fn of_chunk(bytes: Arc<Vec<u8>>, places: Vec<(usize, usize)>) -> Self {
        Self(Source::Chunk { bytes, places })
    }

    pub(super) fn of_columns(columns: RecordBatch, rows: Vec<usize>) -> Self {
        Self(Source::Columns { columns, rows })
    }

    /// The text of a row, as a reject keeps it.
    pub fn cut(&self, row: usize) -> String {
        Reject::cut(self.get(row).as_bytes())
    }

    /// The text of a row; empty beyond the last.
    pub fn get(&self, row: usize) -> Cow<'_, str> {
        match &self.0 {
            Source::Chunk { bytes, places } => {
                let place = places.get(row).and_then(|(start, end)| bytes.get(*start..*end));
                String::from_utf8_lossy(place.unwrap_or_default())
            }
            Source::Columns { columns, rows } => {
                rows.get(row).map(|row| row_text(columns, *row)).unwrap_or_default().into()
            }
        }
    }
}

/// A row as `name=value, …`.
pub(super) fn row_text(columns: &RecordBatch, row: usize) -> String {
    let options = FormatOptions::new().with_null("null");
    let mut text = String::new();
    for (field, column) in columns.schema_ref().fields().iter().zip(columns.columns()) {
        let separator = if text.is_empty() { "" } else { ", " };
        let value = ArrayFormatter::try_new(column, &options).map(|formatter| formatter.value(row).to_string());
        text.push_str(&format!("{separator}{}={}", field.name(), value.unwrap_or_default()));
    }
    text
}
