//! How the records of a chunk are laid out: told by the format, and for CSV and Zeek by
//! what the input itself says at its head. Runs in the order of the input, so that each
//! chunk carries the header that holds where it begins.

use std::sync::Arc;

use super::chunk::Chunk;
use super::csv::{CsvHeader, CsvState};
use super::zeek::ZeekHeader;
use crate::record::Format;

#[derive(Debug, Clone)]
pub(super) enum Layout {
    Json,
    Csv(Arc<CsvHeader>),
    /// The header that holds at the chunk's start; another may follow within.
    Zeek(Arc<ZeekHeader>),
}

#[derive(Debug)]
pub(super) enum LayoutFinder {
    Json,
    Csv(Option<Arc<CsvHeader>>),
    /// Nothing but blanks so far.
    ZeekUnknown,
    Zeek(Arc<ZeekHeader>),
}

impl LayoutFinder {
    pub(super) fn new(format: Format) -> Self {
        match format {
            Format::Csv => Self::Csv(None),
            Format::Zeek => Self::ZeekUnknown,
            Format::Json | Format::Parquet => Self::Json,
        }
    }

    /// Sets the chunk's layout, and its start behind a CSV header.
    pub(super) fn find(&mut self, chunk: &mut Chunk) {
        let records = &chunk.bytes[chunk.start..chunk.end];
        if matches!(self, Self::ZeekUnknown) {
            match records.trim_ascii_start().first() {
                None => {}
                Some(b'{') => *self = Self::Json,
                Some(_) => *self = Self::Zeek(Arc::default()),
            }
        }
        chunk.layout = match self {
            Self::Json | Self::ZeekUnknown => Layout::Json,
            Self::Csv(Some(header)) => Layout::Csv(Arc::clone(header)),
            Self::Csv(header) => {
                let (found, after, lines) = csv_header(records);
                chunk.start += after;
                chunk.header_lines = lines;
                *header = found.map(Arc::new);
                Layout::Csv(header.clone().unwrap_or_default())
            }
            Self::Zeek(header) => {
                let first = Arc::clone(header);
                let mut current = ZeekHeader::clone(header);
                if current.read_all(records) {
                    *header = Arc::new(current);
                }
                Layout::Zeek(first)
            }
        };
    }
}

/// The first record that is not blank, the place after it, and the lines up to there.
fn csv_header(bytes: &[u8]) -> (Option<CsvHeader>, usize, u64) {
    let (mut at, mut lines) = (0, 0);
    while at < bytes.len() {
        let end = CsvState::default().record_end(bytes, at).unwrap_or(bytes.len());
        let record = &bytes[at..end];
        let breaks = memchr::memchr_iter(b'\n', record).count();
        lines += u64::try_from(breaks.max(1)).unwrap_or_default();
        at = end;
        if !record.trim_ascii().is_empty() {
            return (Some(CsvHeader::new(record)), at, lines);
        }
    }
    (None, at, lines)
}
