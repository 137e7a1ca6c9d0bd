//! What stops the reading of an input. A bad record never does: it becomes a reject.

use std::io;
use std::sync::Arc;

use datafusion::arrow::error::ArrowError;
use parquet::errors::ParquetError;

use crate::record::Type;

#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("cannot open {file}: {source}")]
    Open { file: Arc<str>, source: io::Error },
    /// The rows before the place have been delivered.
    #[error("cannot read {file} beyond byte {offset} (decompressed): {source}")]
    Read { file: Arc<str>, offset: u64, source: io::Error },
    #[error("{file} is read by position, so it must be a file that begins with PAR1")]
    NotParquet { file: Arc<str> },
    #[error("cannot read {file}: {source}")]
    Parquet { file: Arc<str>, source: ParquetError },
    #[error("{file}: column {column} is {found}, which cannot become {wanted}")]
    ColumnType { file: Arc<str>, column: String, found: String, wanted: Type },
    #[error("{file} has no column {column}, which the source requires")]
    MissingColumn { file: Arc<str>, column: String },
    #[error("{file}: the rows do not form a batch: {source}")]
    Batch { file: Arc<str>, source: ArrowError },
    #[error("{file}: a decoding thread stopped before its work was done")]
    Stopped { file: Arc<str> },
}
