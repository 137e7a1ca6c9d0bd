//! Normalized flows as they are kept: Parquet files by UTC day, each whole or not there, and which inputs they hold.
//!
//! ```text
//! DIR/flows/event_day=2026-01-05/ID-0000.parquet   parts, sorted by (event_time, row_id)
//! DIR/_ingest/ID.json                              a manifest: inputs, parts, where its log ended
//! DIR/_ingest/ID.tmp/                              parts of an ingest that goes on, or was killed
//! DIR/_ingest/ID.state                             of an ingest out of a log: what its merge waits for
//! DIR/_ingest/lock                                 writers are alone, readers are many
//! ```
//!
//! An ingest is there when its manifest is: then its parts are whole, and are renamed to their places by whoever writes
//! next, if it was killed before it had done so itself. Readers look for a part at both places. An ingest without a manifest
//! never was.
//!
//! What it may never do: decode, normalize, or know of windows.

pub mod error;
pub mod manifest;
mod place;
pub mod read;
pub mod schema;
pub mod store;
pub mod write;

pub use error::HistoryError;
pub use manifest::{IngestedInput, Manifest, Part};
pub use place::LogPlace;
pub use read::{Feed, Scan, Wanted};
pub use store::History;
pub use write::{PartLimits, PartWriter};
