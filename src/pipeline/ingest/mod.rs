//! Bytes to typed rows, or a reject reason.
//!
//! An input is cut into chunks of whole records ([`chunk`]), a chunk is split into records
//! ([`lines`]), and each record becomes a row ([`rows`]) or a reject, never nothing:
//! `offered = rows + rejects`. A bad record never stops the reading.

mod base64;
mod batch;
mod carried;
mod chunk;
mod column;
mod csv;
mod decimal;
mod decode;
mod draft;
mod error;
mod fields;
mod flags;
mod ignored;
mod infer;
mod json;
mod json_record;
mod layout;
mod lines;
mod messages;
mod parquet;
mod reader;
mod rows;
#[cfg(test)]
mod tests;
mod time;
mod value;
mod zeek;

pub use batch::{RawBatch, RawText};
pub use carried::Envelope;
pub use chunk::LINE_BYTES_MAX;
pub use error::IngestError;
pub use ignored::Ignored;
pub use infer::{Inferred, infer, infer_parquet};
pub use messages::{MessageDecoder, Unread, lines_of};
pub use reader::{Control, Reader, ReaderOptions, Section};
