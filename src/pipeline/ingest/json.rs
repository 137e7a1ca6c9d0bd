//! One JSON object a line to rows: the hot path. Reads flat objects without escapes straight
//! from the chunk; whatever is unusual (an escape, a nested value, a huge number, any error)
//! goes to [`super::json_record`], which is `serde_json`. It accepts nothing that `serde_json`
//! would refuse: a line that is left to it is read again from its start.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::fields::Fields;
use super::json_record::RecordReader;
use super::rows::{NOT_UTF8, Rows, Span};
use super::value::RawValue;
use crate::record::RejectReason;

/// Keys whose text is remembered; a record with more is read without memory of it.
const KEYS_MAX: usize = 1_024;
/// Longer names are not remembered.
const KEY_BYTES_MAX: usize = 256;
/// Longer numbers, and larger exponents, are left to `serde_json`: they may not fit a float.
const NUMBER_BYTES_MAX: usize = 64;
const EXPONENT_DIGITS_MAX: usize = 2;
/// Not a slot: the field is not read.
const UNREAD: usize = usize::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Absent,
    Null,
    True,
    False,
    Number,
    Text,
}

/// Where a slot's value lies in the chunk.
#[derive(Debug, Clone, Copy)]
struct Place {
    shape: Shape,
    start: usize,
    end: usize,
}

const ABSENT: Place = Place { shape: Shape::Absent, start: 0, end: 0 };

#[derive(Debug)]
struct Key {
    /// `"name":`, as most writers write it.
    token: Box<[u8]>,
    slot: usize,
    /// The key that followed it last time.
    next: usize,
    /// Not declared: records that have it, and the last record that was counted.
    ignored: bool,
    records: u64,
    counted: u64,
}

/// Before a record's first key.
const START: usize = 0;

impl Key {
    fn start() -> Self {
        Self { token: Box::default(), slot: UNREAD, next: START, ignored: false, records: 0, counted: 0 }
    }
}

#[derive(Debug)]
pub(super) struct JsonDecoder {
    fields: Arc<Fields>,
    keys: Vec<Key>,
    by_name: FxHashMap<Box<[u8]>, usize>,
    places: Vec<Place>,
    /// Undeclared keys of the current record.
    undeclared: Vec<usize>,
    record: u64,
    reader: RecordReader,
}

/// The line is not for the fast path.
struct Unusual;

impl JsonDecoder {
    pub(super) fn new(fields: &Arc<Fields>) -> Self {
        Self {
            fields: Arc::clone(fields),
            keys: vec![Key::start()],
            by_name: FxHashMap::default(),
            places: vec![ABSENT; fields.slots.len()],
            undeclared: Vec::new(),
            record: 0,
            reader: RecordReader::new(fields),
        }
    }

    /// Decodes the records of a chunk. `utf8`: is the whole chunk known to be UTF-8?
    pub(super) fn decode(&mut self, chunk: &[u8], spans: &[Span], utf8: bool, rows: &mut Rows) {
        for span in spans {
            if !utf8 && std::str::from_utf8(&chunk[span.start..span.end]).is_err() {
                rows.refuse(chunk, *span, RejectReason::BadEncoding, NOT_UTF8.to_owned());
                continue;
            }
            match self.object(chunk, span.start, span.end) {
                Ok(()) => {
                    self.count_undeclared();
                    let places = &self.places;
                    rows.push(chunk, *span, |slot| value(chunk, places[slot]));
                }
                Err(Unusual) => self.reader.record(chunk, *span, rows),
            }
        }
        for key in &mut self.keys {
            if key.records > 0 {
                let name = String::from_utf8_lossy(&key.token[1..key.token.len() - 2]);
                rows.ignore(&name, key.records);
                key.records = 0;
            }
        }
    }

    fn count_undeclared(&mut self) {
        self.record += 1;
        for key in &self.undeclared {
            let key = &mut self.keys[*key];
            if key.counted != self.record {
                key.counted = self.record;
                key.records += 1;
            }
        }
    }

    /// Reads a flat object into `places`. Reads no further than the line's end, because no
    /// token holds a line break.
    fn object(&mut self, chunk: &[u8], start: usize, end: usize) -> Result<(), Unusual> {
        self.places.fill(ABSENT);
        self.undeclared.clear();
        let mut at = blanks(chunk, start);
        if chunk.get(at) != Some(&b'{') {
            return Err(Unusual);
        }
        at = blanks(chunk, at + 1);
        if chunk.get(at) == Some(&b'}') {
            return finished(chunk, at + 1, end);
        }
        let mut key = START;
        loop {
            let after;
            (key, after) = self.key(chunk, at, key)?;
            let (place, after) = scan_value(chunk, blanks(chunk, after))?;
            if let Some(slot) = self.places.get_mut(self.keys[key].slot) {
                *slot = place;
            }
            at = blanks(chunk, after);
            match chunk.get(at) {
                Some(b',') => at = blanks(chunk, at + 1),
                Some(b'}') => return finished(chunk, at + 1, end),
                _ => return Err(Unusual),
            }
        }
    }

    /// The key at `at`, which follows the key `previous`; and the place after its colon.
    #[inline]
    fn key(&mut self, chunk: &[u8], at: usize, previous: usize) -> Result<(usize, usize), Unusual> {
        let index = self.keys[previous].next;
        let key = &self.keys[index];
        let after = at + key.token.len();
        if index == START || chunk.get(at..after) != Some(&*key.token) {
            return self.other_key(chunk, at, previous);
        }
        if key.ignored {
            self.undeclared.push(index);
        }
        Ok((index, after))
    }

    fn other_key(&mut self, chunk: &[u8], at: usize, previous: usize) -> Result<(usize, usize), Unusual> {
        if chunk.get(at) != Some(&b'"') {
            return Err(Unusual);
        }
        let close = string_end(chunk, at + 1)?;
        let colon = blanks(chunk, close + 1);
        if chunk.get(colon) != Some(&b':') {
            return Err(Unusual);
        }
        let index = self.index(&chunk[at + 1..close])?;
        self.keys[previous].next = index;
        if self.keys[index].ignored {
            self.undeclared.push(index);
        }
        Ok((index, colon + 1))
    }

    fn index(&mut self, name: &[u8]) -> Result<usize, Unusual> {
        if let Some(index) = self.by_name.get(name) {
            return Ok(*index);
        }
        let text = std::str::from_utf8(name).map_err(|_| Unusual)?;
        if self.keys.len() >= KEYS_MAX || name.len() > KEY_BYTES_MAX {
            return Err(Unusual);
        }
        let found = self.fields.find(text);
        let slot = found.flatten().unwrap_or(UNREAD);
        let token = [b"\"", name, b"\":"].concat().into_boxed_slice();
        self.keys.push(Key { token, slot, ignored: found.is_none(), ..Key::start() });
        self.by_name.insert(name.into(), self.keys.len() - 1);
        Ok(self.keys.len() - 1)
    }
}

#[inline]
fn value(chunk: &[u8], place: Place) -> Option<RawValue<'_>> {
    let text = || chunk.get(place.start..place.end).unwrap_or_default();
    Some(match place.shape {
        Shape::Absent => return None,
        Shape::Null => RawValue::Null,
        Shape::True => RawValue::Bool(true),
        Shape::False => RawValue::Bool(false),
        Shape::Number => RawValue::Number(text()),
        Shape::Text => RawValue::Text(text()),
    })
}

/// After the object there may be only blanks.
fn finished(chunk: &[u8], at: usize, end: usize) -> Result<(), Unusual> {
    if blanks(chunk, at) == end { Ok(()) } else { Err(Unusual) }
}

/// The next place that is no blank. A line break stops it: the record is over.
#[inline]
fn blanks(chunk: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r') = chunk.get(at) {
        at += 1;
    }
    at
}

#[inline]
fn scan_value(chunk: &[u8], at: usize) -> Result<(Place, usize), Unusual> {
    match chunk.get(at) {
        Some(b'"') => {
            let end = string_end(chunk, at + 1)?;
            Ok((Place { shape: Shape::Text, start: at + 1, end }, end + 1))
        }
        Some(b'-' | b'0'..=b'9') => {
            let end = number_end(chunk, at)?;
            Ok((Place { shape: Shape::Number, start: at, end }, end))
        }
        Some(b'n') => word(chunk, at, b"null", Shape::Null),
        Some(b't') => word(chunk, at, b"true", Shape::True),
        Some(b'f') => word(chunk, at, b"false", Shape::False),
        _ => Err(Unusual),
    }
}

fn word(chunk: &[u8], at: usize, word: &[u8], shape: Shape) -> Result<(Place, usize), Unusual> {
    let end = at + word.len();
    if chunk.get(at..end) == Some(word) { Ok((Place { shape, start: at, end }, end)) } else { Err(Unusual) }
}

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES * 0x80;

/// The place of the quote that ends a string, eight bytes at a time. A backslash or a control
/// character before it is not for the fast path.
#[inline]
fn string_end(chunk: &[u8], mut at: usize) -> Result<usize, Unusual> {
    while let Some(Ok(eight)) = chunk.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let word = u64::from_le_bytes(eight);
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        // The lowest high bit that is set marks the first such byte; a borrow can only
        // set wrong ones above it.
        let found = (quote.wrapping_sub(ONES) & !quote
            | backslash.wrapping_sub(ONES) & !backslash
            | word.wrapping_sub(ONES * 0x20) & !word)
            & HIGHS;
        if found != 0 {
            at += (found.trailing_zeros() / 8) as usize;
            return if chunk[at] == b'"' { Ok(at) } else { Err(Unusual) };
        }
        at += 8;
    }
    loop {
        match chunk.get(at) {
            Some(b'"') => return Ok(at),
            None | Some(b'\\' | 0..0x20) => return Err(Unusual),
            Some(_) => at += 1,
        }
    }
}

/// The end of a number, by JSON's grammar.
#[inline]
fn number_end(chunk: &[u8], start: usize) -> Result<usize, Unusual> {
    let mut at = start;
    if chunk[at] == b'-' {
        at += 1;
    }
    let whole = at;
    at = digits(chunk, at);
    if at == whole || (chunk[whole] == b'0' && at > whole + 1) {
        return Err(Unusual);
    }
    if chunk.get(at) == Some(&b'.') {
        let fraction = at + 1;
        at = digits(chunk, fraction);
        if at == fraction {
            return Err(Unusual);
        }
    }
    if let Some(b'e' | b'E') = chunk.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = chunk.get(at) {
            at += 1;
        }
        let power = at;
        at = digits(chunk, power);
        if at == power || at > power + EXPONENT_DIGITS_MAX {
            return Err(Unusual);
        }
    }
    if at - start > NUMBER_BYTES_MAX { Err(Unusual) } else { Ok(at) }
}

#[inline]
fn digits(chunk: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = chunk.get(at) {
        at += 1;
    }
    at
}
