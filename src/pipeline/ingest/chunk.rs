//! Cuts an input into chunks of whole records, in bounded memory: a record that is longer
//! than [`LINE_BYTES_MAX`] is cut off there, and reading goes on at the next line break.
//! Knows where records end, not what they say.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use memchr::{memchr, memrchr};

use super::csv::CsvState;
use super::error::IngestError;
use super::layout::{Layout, LayoutFinder};
use super::reader::Control;
use crate::port::{Input, InputBytes};
use crate::record::Format;

/// The longest record, without its line break.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// Kept of a longer one: still too long when its last byte is a carriage return.
const CUT_BYTES: usize = LINE_BYTES_MAX + 2;
/// Chunks are at most this long, so that places in them fit Arrow's offsets.
const CHUNK_BYTES_MAX: usize = 64 << 20;
/// Read at once, when a record does not fit the chunk.
const GROWTH_BYTES_MAX: usize = 64 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A piece of an input that begins and ends where records do.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    /// Records are in `start..end`; before it are a byte order mark and a header.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Lines before `start`.
    pub(super) header_lines: u64,
    /// The place of the first byte in the decompressed input.
    pub(super) offset: u64,
    /// Stored bytes that were read for it.
    pub(super) stored: u64,
    pub(super) layout: Layout,
}

pub(super) struct Splitter {
    input: Arc<dyn Input>,
    file: Arc<str>,
    bytes: Box<dyn Read + Send>,
    layout: LayoutFinder,
    csv: bool,
    /// As the options say.
    asked_bytes: usize,
    /// Of the chunk that is being read.
    chunk_bytes: usize,
    control: Arc<Control>,
    /// Nobody knows how long it is: deliver what is there.
    live: bool,
    /// Read, but not yet in a chunk; begins with a record.
    carry: Vec<u8>,
    /// The place of `carry` in the decompressed input.
    offset: u64,
    stored: u64,
    /// The rest of a record that was cut is being passed over.
    skipping: bool,
    ended: bool,
    failed: Option<io::Error>,
}

impl Splitter {
    pub(super) fn open(input: Arc<dyn Input>, format: Format, control: Arc<Control>) -> Result<Self, IngestError> {
        let file = input.name();
        let bytes: Box<dyn Read + Send> = match input.open() {
            Ok(InputBytes::Stream(stream)) => stream,
            Ok(InputBytes::File(file)) => Box::new(file),
            Err(source) => return Err(IngestError::Open { file, source }),
        };
        Ok(Self {
            live: input.size_bytes().is_none(),
            input,
            file,
            bytes,
            layout: LayoutFinder::new(format),
            csv: format == Format::Csv,
            asked_bytes: CHUNK_BYTES_MAX,
            chunk_bytes: CHUNK_BYTES_MAX,
            control,
            carry: Vec::new(),
            offset: 0,
            stored: 0,
            skipping: false,
            ended: false,
            failed: None,
        })
    }

    /// How long chunks are from now on.
    pub(super) fn chunk_bytes(&mut self, bytes: usize) {
        self.asked_bytes = bytes;
    }

    /// The next chunk, in `buffer`. An error comes after all whole records before it.
    pub(super) fn next(&mut self, mut buffer: Vec<u8>) -> Result<Option<Chunk>, IngestError> {
        if self.control.stopped() {
            return Ok(None);
        }
        let most = self.control.chunk_bytes_max.load(Ordering::Relaxed).min(CHUNK_BYTES_MAX);
        self.chunk_bytes = self.asked_bytes.min(most).max(1);
        if self.skipping {
            self.skip(&mut buffer);
        }
        let mut filled = self.carry.len();
        if buffer.len() < filled.max(self.chunk_bytes) {
            buffer.resize(filled.max(self.chunk_bytes), 0);
        }
        buffer[..filled].copy_from_slice(&self.carry);
        let mut ends = Ends::new(self.csv);
        let mut end = ends.last(&buffer, filled);
        while !self.over() {
            let asked = if filled < self.chunk_bytes {
                self.chunk_bytes - filled
            } else {
                self.chunk_bytes.min(GROWTH_BYTES_MAX)
            };
            if buffer.len() < filled + asked {
                buffer.resize(filled + asked, 0);
            }
            let read = self.read(&mut buffer[filled..filled + asked]);
            filled += read;
            end = ends.last(&buffer, filled).or(end);
            if end.is_some() && (filled >= self.chunk_bytes || (self.live && read < asked)) {
                break;
            }
            if end.is_none() && filled >= CUT_BYTES {
                return Ok(Some(self.cut(buffer, filled)));
            }
        }
        if self.ended {
            end = Some(filled);
        }
        match end {
            Some(end) if end > 0 => Ok(Some(self.chunk(buffer, end, filled))),
            _ => self.finish(filled),
        }
    }

    fn over(&self) -> bool {
        self.ended || self.failed.is_some()
    }

    fn finish(&mut self, pending: usize) -> Result<Option<Chunk>, IngestError> {
        self.ended = true;
        self.carry.clear();
        let Some(source) = self.failed.take() else { return Ok(None) };
        let offset = self.offset + length(pending);
        Err(IngestError::Read { file: Arc::clone(&self.file), offset, source })
    }

    /// Reads once; remembers the end and an error.
    fn read(&mut self, into: &mut [u8]) -> usize {
        loop {
            match self.bytes.read(into) {
                Ok(0) => {
                    self.ended = true;
                    return 0;
                }
                Ok(read) => return read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = Some(error);
                    return 0;
                }
            }
        }
    }

    fn chunk(&mut self, bytes: Vec<u8>, end: usize, filled: usize) -> Chunk {
        self.carry.clear();
        self.carry.extend_from_slice(&bytes[end..filled]);
        let consumed = self.input.consumed_bytes().unwrap_or(self.offset + length(filled));
        let stored = consumed.saturating_sub(self.stored);
        self.stored = consumed;
        let start =
            if self.offset == 0 && bytes[..end].starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let offset = self.offset;
        self.offset += length(end);
        let mut chunk = Chunk { bytes, start, end, header_lines: 0, offset, stored, layout: Layout::Json };
        self.layout.find(&mut chunk);
        chunk
    }

    /// A chunk of the beginning of a record that is too long.
    fn cut(&mut self, bytes: Vec<u8>, filled: usize) -> Chunk {
        let rest = &bytes[CUT_BYTES..filled];
        let resume = memchr(b'\n', rest).map(|at| CUT_BYTES + at + 1);
        self.skipping = resume.is_none();
        let resume = resume.unwrap_or(filled);
        let kept = bytes[resume..filled].to_vec();
        let passed = length(resume - CUT_BYTES);
        let chunk = self.chunk(bytes, CUT_BYTES, CUT_BYTES);
        self.offset += passed;
        self.carry = kept;
        chunk
    }

    /// Passes over bytes up to a line break; what follows is carried.
    fn skip(&mut self, buffer: &mut Vec<u8>) {
        if buffer.len() < self.chunk_bytes {
            buffer.resize(self.chunk_bytes, 0);
        }
        while self.skipping && !self.over() {
            let read = self.read(&mut buffer[..self.chunk_bytes]);
            let passed = memchr(b'\n', &buffer[..read]).map(|at| at + 1);
            self.skipping = passed.is_none();
            let passed = passed.unwrap_or(read);
            self.carry.extend_from_slice(&buffer[passed..read]);
            self.offset += length(passed);
        }
    }
}

/// Where records end, found piece by piece.
struct Ends {
    csv: Option<CsvState>,
    scanned: usize,
}

impl Ends {
    fn new(csv: bool) -> Self {
        Self { csv: csv.then(CsvState::default), scanned: 0 }
    }

    /// The last end of a record in what was not yet looked at.
    fn last(&mut self, bytes: &[u8], filled: usize) -> Option<usize> {
        let fresh = &bytes[self.scanned..filled];
        let last = match &mut self.csv {
            None => memrchr(b'\n', fresh).map(|at| at + 1),
            Some(state) => {
                let mut last = None;
                let mut at = 0;
                while let Some(end) = state.record_end(fresh, at) {
                    last = Some(end);
                    at = end;
                }
                last
            }
        };
        let found = last.map(|end| self.scanned + end);
        self.scanned = filled;
        found
    }
}

pub(super) fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
