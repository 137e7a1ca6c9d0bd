//! Messages of a queue to batches: each holds one record, or several on lines of their own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use serde::de::IgnoredAny;

use super::batch::RawBatch;
use super::carried::{CarriedColumns, Envelope};
use super::chunk::{Chunk, length};
use super::decode::ChunkDecoder;
use super::error::IngestError;
use super::fields::Fields;
use super::layout::Layout;
use crate::record::{Origin, RawSchema, Reject, RejectReason};

/// A message is at most 10 MB in Pub/Sub; one that is longer when it is not compressed any more is refused as it is.
const MESSAGE_BYTES_MAX: u64 = 10 << 20;
const GZIP: &[u8] = &[0x1f, 0x8b];

pub struct MessageDecoder {
    name: Arc<str>,
    decoder: ChunkDecoder,
    /// Records so far: the line of the next.
    lines: u64,
    offset: u64,
    carried: CarriedColumns,
    keep_raw: bool,
}

impl MessageDecoder {
    /// `name`: what origins call the queue.
    pub fn new(schema: &RawSchema, name: &Arc<str>, keep_raw: bool) -> Self {
        let fields = Arc::new(Fields::new(schema));
        Self {
            name: Arc::clone(name),
            decoder: ChunkDecoder::new(&fields, name, keep_raw),
            lines: 0,
            offset: 0,
            carried: CarriedColumns::of(schema),
            keep_raw,
        }
    }

    /// What origins call the queue.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where the next message begins, as origins count.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Does a column need what a message says beside its data?
    pub fn wants_envelopes(&self) -> bool {
        !self.carried.is_empty()
    }

    /// A message that is a record as a whole, behind those bytes of others.
    fn refuse(&self, unread: Unread, message: &[u8], before: &[u8]) -> Reject {
        let line = self.lines + length(memchr::memchr_iter(b'\n', before).count()) + 1;
        let origin = Origin { file: Arc::clone(&self.name), line, offset: self.offset + length(before.len()) };
        let raw = if self.keep_raw { Reject::cut(message) } else { String::new() };
        Reject { reason: unread.reason(), detail: unread.detail(), origin, raw }
    }

    /// Decodes messages of which each is the lines that [`lines_of`] gave. `envelopes` are theirs, where they are wanted;
    /// those of `unread` are as they came.
    pub fn decode<'a>(
        &mut self,
        messages: impl Iterator<Item = &'a [u8]>,
        envelopes: &[Envelope],
        unread: &BTreeMap<usize, Unread>,
    ) -> Result<RawBatch, IngestError> {
        let (mut bytes, mut stored, mut ends, mut refused) = (Vec::new(), 0, Vec::new(), Vec::new());
        for (index, message) in messages.enumerate() {
            stored += message.len() as u64;
            match unread.get(&index) {
                None => bytes.extend_from_slice(message),
                Some(unread) => {
                    refused.push(self.refuse(*unread, message, &bytes));
                    // No record is in it; what comes behind it stands where it would.
                    bytes.resize(bytes.len() + message.len(), b' ');
                }
            }
            bytes.push(b'\n');
            if self.wants_envelopes() {
                ends.push(self.offset + length(bytes.len()));
            }
        }
        let end = bytes.len();
        let chunk = Chunk { bytes, start: 0, end, header_lines: 0, offset: self.offset, stored, layout: Layout::Json };
        let part = self.decoder.decode(chunk)?;
        let before = self.lines;
        self.lines += part.lines;
        self.offset += end as u64;
        let mut batch = part.behind(before);
        if !refused.is_empty() {
            batch.offered += length(refused.len());
            batch.rejects.append(&mut refused);
            batch.rejects.sort_by_key(|reject| reject.origin.offset);
        }
        if self.wants_envelopes() {
            let filled = self.carried.fill(&mut batch, &self.name, &ends, envelopes);
            filled.map_err(|source| IngestError::Batch { file: Arc::clone(&self.name), source })?;
        }
        Ok(batch)
    }
}

/// Why nothing in a message can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// There is nothing in it.
    Empty,
    /// Its gzip is cut off or damaged.
    Damaged,
    /// Not compressed any more, it is longer than a message may be.
    TooLong,
}

impl Unread {
    fn reason(self) -> RejectReason {
        match self {
            Self::Empty | Self::Damaged => RejectReason::BadRecord,
            Self::TooLong => RejectReason::TooLong,
        }
    }

    fn detail(self) -> String {
        match self {
            Self::Empty => "the message has no record".to_owned(),
            Self::Damaged => "the message begins as gzip does, and cannot be decompressed".to_owned(),
            Self::TooLong => format!("decompressed, the message is longer than {MESSAGE_BYTES_MAX} bytes"),
        }
    }
}

/// The lines of a message. Of one that is compressed and cannot be read, why: it is one record then, which is rejected.
pub fn lines_of(message: &[u8]) -> Result<Cow<'_, [u8]>, Unread> {
    let mut plain = Cow::Borrowed(message);
    if message.starts_with(GZIP) {
        let mut whole = Vec::new();
        match MultiGzDecoder::new(message).take(MESSAGE_BYTES_MAX + 1).read_to_end(&mut whole) {
            Err(_) => return Err(Unread::Damaged),
            Ok(read) if length(read) > MESSAGE_BYTES_MAX => return Err(Unread::TooLong),
            Ok(_) => plain = Cow::Owned(whole),
        }
    }
    if plain.trim_ascii().is_empty() {
        return Err(Unread::Empty);
    }
    // One record may be written on several lines. Between its tokens a line break is a space, within them it is an error.
    let broken = memchr::memchr(b'\n', plain.trim_ascii()).is_some();
    if broken && serde_json::from_slice::<IgnoredAny>(&plain).is_ok() {
        plain.to_mut().iter_mut().filter(|byte| matches!(**byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{MESSAGE_BYTES_MAX, Unread, lines_of};

    fn plain(message: &[u8]) -> Vec<u8> {
        lines_of(message).expect("it can be read").into_owned()
    }

    #[test]
    fn a_message_is_one_record_or_one_a_line() {
        assert_eq!(&*plain(b"{\"a\":1}\n{\"a\":2}\n"), b"{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(&*plain(b"{\n \"a\":\r\n1}"), b"{  \"a\":  1}");
        assert_eq!(&*plain(b"{\"a\":1}\n"), b"{\"a\":1}\n");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"{\"a\":1}").expect("in memory");
        let gzip = gzip.finish().expect("in memory");
        assert_eq!(&*plain(&gzip), b"{\"a\":1}");
        assert_eq!(lines_of(&gzip[..gzip.len() - 9]), Err(Unread::Damaged));
        for empty in [&b""[..], b"\n\r\n "] {
            assert_eq!(lines_of(empty), Err(Unread::Empty));
        }
    }

    #[test]
    fn a_message_has_a_longest_length() {
        let longest = usize::try_from(MESSAGE_BYTES_MAX).expect("it fits");
        let packed = |length: usize| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(&vec![b'1'; length]).expect("in memory");
            gzip.finish().expect("in memory")
        };
        assert_eq!(plain(&packed(longest)).len(), longest);
        assert_eq!(lines_of(&packed(longest + 1)), Err(Unread::TooLong));
    }
}
