//! Messages of a queue to batches: each holds one record, or several on lines of their own.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use serde::de::IgnoredAny;

use super::batch::RawBatch;
use super::chunk::Chunk;
use super::decode::ChunkDecoder;
use super::error::IngestError;
use super::fields::Fields;
use super::layout::Layout;
use crate::record::RawSchema;

/// A message is at most 10 MB in Pub/Sub; one that is longer when it is not compressed any more is refused as it is.
const MESSAGE_BYTES_MAX: u64 = 10 << 20;
const GZIP: &[u8] = &[0x1f, 0x8b];

pub struct MessageDecoder {
    name: Arc<str>,
    decoder: ChunkDecoder,
    /// Records so far: the line of the next.
    lines: u64,
    offset: u64,
}

impl MessageDecoder {
    /// `name`: what origins call the queue.
    pub fn new(schema: &RawSchema, name: &Arc<str>, keep_raw: bool) -> Self {
        let fields = Arc::new(Fields::new(schema));
        Self { name: Arc::clone(name), decoder: ChunkDecoder::new(&fields, name, keep_raw), lines: 0, offset: 0 }
    }

    /// What origins call the queue.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where the next message begins, as origins count.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Decodes messages of which each is the lines that [`lines_of`] gave.
    pub fn decode<'a>(&mut self, messages: impl Iterator<Item = &'a [u8]>) -> Result<RawBatch, IngestError> {
        let (mut bytes, mut stored) = (Vec::new(), 0);
        for message in messages {
            stored += message.len() as u64;
            bytes.extend_from_slice(message);
            bytes.push(b'\n');
        }
        let end = bytes.len();
        let chunk = Chunk { bytes, start: 0, end, header_lines: 0, offset: self.offset, stored, layout: Layout::Json };
        let part = self.decoder.decode(chunk)?;
        let before = self.lines;
        self.lines += part.lines;
        self.offset += end as u64;
        Ok(part.behind(before))
    }
}

/// The lines of a message. What is compressed and cannot be read stays as it is, and is rejected as a record.
pub fn lines_of(message: &[u8]) -> Cow<'_, [u8]> {
    let mut plain = Cow::Borrowed(message);
    if message.starts_with(GZIP) {
        let mut whole = Vec::new();
        let read = MultiGzDecoder::new(message).take(MESSAGE_BYTES_MAX + 1).read_to_end(&mut whole);
        if read.is_ok_and(|length| length as u64 <= MESSAGE_BYTES_MAX) {
            plain = Cow::Owned(whole);
        }
    }
    // One record may be written on several lines. Between its tokens a line break is a space, within them it is an error.
    let broken = memchr::memchr(b'\n', plain.trim_ascii()).is_some();
    if broken && serde_json::from_slice::<IgnoredAny>(&plain).is_ok() {
        plain.to_mut().iter_mut().filter(|byte| matches!(**byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::lines_of;

    #[test]
    fn a_message_is_one_record_or_one_a_line() {
        assert_eq!(&*lines_of(b"{\"a\":1}\n{\"a\":2}\n"), b"{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(&*lines_of(b"{\n \"a\":\r\n1}"), b"{  \"a\":  1}");
        assert_eq!(&*lines_of(b"{\"a\":1}\n"), b"{\"a\":1}\n");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"{\"a\":1}").expect("in memory");
        let gzip = gzip.finish().expect("in memory");
        assert_eq!(&*lines_of(&gzip), b"{\"a\":1}");
        // Cut off, it is what it is.
        assert_eq!(&*lines_of(&gzip[..gzip.len() - 9]), &gzip[..gzip.len() - 9]);
    }
}
