//! What can be wrong with a history.

use std::io;

use datafusion::arrow::error::ArrowError;
use parquet::errors::ParquetError;

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("cannot read {path}: {source}\nhelp: `tripline ingest --again` of its inputs writes it anew")]
    Part { path: String, source: ParquetError },
    #[error("cannot read {path}: {source}\nhelp: `tripline ingest --again` of its inputs writes it anew")]
    Rows { path: String, source: ArrowError },
    #[error("cannot read {path}: {source}\nhelp: `tripline backfill --again` writes it anew")]
    Written { path: String, source: ParquetError },
    #[error("{path} has other columns than its relation\nhelp: `tripline backfill --again` writes it anew")]
    OtherColumns { path: String },
    #[error("cannot write {path}: {source}")]
    Write { path: String, source: ParquetError },
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error("{path} is no manifest of an ingest: {error}\nhelp: restore it, or remove it with the parts that it names")]
    Manifest { path: String, error: serde_json::Error },
    #[error("{path} is of version {found}, and this program reads {known}\nhelp: use a newer tripline")]
    Version { path: String, found: u32, known: u32 },
    #[error(
        "{path} is named by a manifest and not there\nhelp: `tripline ingest --again` of its inputs writes it anew"
    )]
    Lost { path: String },
    #[error(
        "{path} has a column {column} of another type\nhelp: `tripline ingest --again` of its inputs writes it anew"
    )]
    Column { path: String, column: String },
    #[error("{folder} is in use by another ingest or backfill\nhelp: wait for it to end")]
    Busy { folder: String },
}
