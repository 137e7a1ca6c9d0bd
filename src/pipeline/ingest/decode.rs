//! One chunk to one batch. Places and lines come out counted from the chunk's start; the
//! reader, which knows what came before, moves them.

use std::sync::Arc;

use super::batch::{RawBatch, RawText};
use super::chunk::{Chunk, LINE_BYTES_MAX, length};
use super::csv::CsvDecoder;
use super::error::IngestError;
use super::fields::Fields;
use super::json::JsonDecoder;
use super::layout::Layout;
use super::lines::Split;
use super::rows::Rows;
use super::zeek::ZeekDecoder;
use crate::record::RejectReason;

/// A decoded chunk.
#[derive(Debug)]
pub(super) struct Part {
    /// Lines are counted from 0 at the chunk's first.
    pub(super) batch: RawBatch,
    pub(super) lines: u64,
    /// The chunk's memory, when nothing holds it any more.
    pub(super) spare: Option<Vec<u8>>,
}

impl Part {
    /// The batch, its lines counted on from those before it.
    pub(super) fn behind(mut self, lines: u64) -> RawBatch {
        self.batch.lines.iter_mut().for_each(|line| *line += lines + 1);
        self.batch.rejects.iter_mut().for_each(|reject| reject.origin.line += lines + 1);
        self.batch
    }
}

pub(super) struct ChunkDecoder {
    file: Arc<str>,
    fields: Arc<Fields>,
    rows: Rows,
    json: JsonDecoder,
    csv: CsvDecoder,
    zeek: ZeekDecoder,
    keep_raw: bool,
}

impl ChunkDecoder {
    pub(super) fn new(fields: &Arc<Fields>, file: &Arc<str>, keep_raw: bool) -> Self {
        Self {
            file: Arc::clone(file),
            fields: Arc::clone(fields),
            csv: CsvDecoder::default(),
            zeek: ZeekDecoder::default(),
            rows: Rows::new(Arc::clone(fields), Arc::clone(file), keep_raw),
            json: JsonDecoder::new(fields),
            keep_raw,
        }
    }

    pub(super) fn decode(&mut self, chunk: Chunk) -> Result<Part, IngestError> {
        let bytes = &chunk.bytes[..chunk.end];
        let mut split = Split { lines: chunk.header_lines, ..Split::default() };
        match &chunk.layout {
            Layout::Json => {
                split.lines(bytes, chunk.start, chunk.end, false);
                let utf8 = std::str::from_utf8(&bytes[chunk.start..]).is_ok();
                self.json.decode(bytes, &split.spans, utf8, &mut self.rows);
            }
            Layout::Csv(header) => {
                split.csv(bytes, chunk.start, chunk.end);
                self.csv.decode(bytes, &split.spans, header, &self.fields, &mut self.rows);
            }
            Layout::Zeek(header) => {
                split.lines(bytes, chunk.start, chunk.end, true);
                self.zeek.decode(bytes, chunk.start, &split.spans, header, &self.fields, &mut self.rows);
            }
        }
        for span in &split.too_long {
            let detail = format!("the record is longer than {LINE_BYTES_MAX} bytes");
            self.rows.refuse(bytes, *span, RejectReason::TooLong, detail);
        }
        let decoded = self.rows.finish();
        let mut decoded = decoded.map_err(|source| IngestError::Batch { file: Arc::clone(&self.file), source })?;
        for reject in &mut decoded.rejects {
            reject.origin.offset += chunk.offset;
        }
        decoded.rejects.sort_by_key(|reject| reject.origin.offset);
        let (raw, spare) = if self.keep_raw {
            let places = decoded.spans.iter().map(|span| (span.start, span.end)).collect();
            (Some(RawText::of_chunk(Arc::new(chunk.bytes), places)), None)
        } else {
            (None, Some(chunk.bytes))
        };
        let batch = RawBatch {
            rows: decoded.rows,
            lines: decoded.spans.iter().map(|span| span.line).collect(),
            offsets: decoded.spans.iter().map(|span| chunk.offset + length(span.start)).collect(),
            raw,
            rejects: decoded.rejects,
            offered: split.offered,
            ignored: decoded.ignored,
            bytes: chunk.stored,
        };
        Ok(Part { batch, lines: split.lines, spare })
    }
}
