//! What ingest delivers: typed rows with their origins, and the records that were refused.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;

use crate::record::Reject;

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
    pub ignored: BTreeMap<String, u64>,
    /// Stored bytes that were read for it.
    pub bytes: u64,
}

/// The records of a batch as they were written.
#[derive(Debug, Clone)]
pub struct RawText {
    bytes: Arc<Vec<u8>>,
    places: Vec<(usize, usize)>,
}

impl RawText {
    pub(super) fn of_chunk(bytes: Arc<Vec<u8>>, places: Vec<(usize, usize)>) -> Self {
        Self { bytes, places }
    }

    /// The text of a row; empty beyond the last.
    pub fn get(&self, row: usize) -> Cow<'_, str> {
        let place = self.places.get(row).and_then(|(start, end)| self.bytes.get(*start..*end));
        String::from_utf8_lossy(place.unwrap_or_default())
    }
}
