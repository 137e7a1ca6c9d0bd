//! Zeek's logs as tab-separated values: a header of `#` lines names the columns and says how
//! unset and empty values are written. Logs that were joined repeat it, so it may change at
//! any line. Values may hold `\xNN` for a byte.

use std::borrow::Cow;

use super::csv::Columns;
use super::fields::Fields;
use super::rows::{NOT_UTF8, Rows, Span};
use super::value::RawValue;
use crate::record::RejectReason;

/// What the `#` lines say; the defaults are Zeek's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ZeekHeader {
    separator: Vec<u8>,
    unset: Vec<u8>,
    empty: Vec<u8>,
    fields: Vec<String>,
    /// Is the column a `bool`, written `T` or `F`?
    bools: Vec<bool>,
}

impl Default for ZeekHeader {
    fn default() -> Self {
        Self {
            separator: b"\t".to_vec(),
            unset: b"-".to_vec(),
            empty: b"(empty)".to_vec(),
            fields: Vec::new(),
            bools: Vec::new(),
        }
    }
}

impl ZeekHeader {
    /// Reads all `#` lines of a piece. Was there one?
    pub(super) fn read_all(&mut self, bytes: &[u8]) -> bool {
        let mut any = false;
        if bytes.starts_with(b"#") {
            self.read(line_at(bytes, 0));
            any = true;
        }
        for at in memchr::memmem::find_iter(bytes, b"\n#") {
            self.read(line_at(bytes, at + 1));
            any = true;
        }
        any
    }

    /// Reads one `#` line.
    fn read(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        // The separator's own line is written with a blank.
        if let Some(value) = text.strip_prefix("#separator ") {
            *self = Self { separator: unescaped(value.trim_end().as_bytes()).into_owned(), ..Self::default() };
            return;
        }
        let separator = String::from_utf8_lossy(&self.separator).into_owned();
        if separator.is_empty() {
            return;
        }
        let mut words = text.split(separator.as_str());
        let name = words.next().unwrap_or_default();
        let values = words.map(|word| unescaped(word.as_bytes()).into_owned());
        let mut texts = values.map(|value| String::from_utf8_lossy(&value).into_owned());
        match name {
            "#fields" => {
                self.fields = texts.collect();
                self.bools = Vec::new();
            }
            "#types" => self.bools = texts.map(|ty| ty == "bool").collect(),
            "#unset_field" => self.unset = texts.next().unwrap_or_default().into_bytes(),
            "#empty_field" => self.empty = texts.next().unwrap_or_default().into_bytes(),
            _ => {}
        }
    }

    /// A record's values by name, `None` where unset; for drafts.
    pub(super) fn texts(&self, record: &[u8]) -> Option<Vec<(String, Option<String>)>> {
        let values = split(record, &self.separator);
        if values.len() != self.fields.len() {
            return None;
        }
        let text =
            |value: &&[u8]| (*value != self.unset).then(|| String::from_utf8_lossy(&unescaped(value)).into_owned());
        Some(self.fields.iter().cloned().zip(values.iter().map(text)).collect())
    }

    /// A value as written, and with its escapes resolved: a `-` that is meant is escaped.
    fn value<'a>(&self, index: usize, written: &[u8], text: &'a [u8]) -> RawValue<'a> {
        if written == self.unset {
            return RawValue::Null;
        }
        if written == self.empty {
            return RawValue::Text(b"");
        }
        match (self.bools.get(index), written) {
            (Some(true), b"T") => RawValue::Bool(true),
            (Some(true), b"F") => RawValue::Bool(false),
            _ => RawValue::Text(text),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct ZeekDecoder {
    header: ZeekHeader,
    columns: Columns,
    /// Records since the header.
    records: u64,
}

impl ZeekDecoder {
    /// `spans` has the records and not the `#` lines, which are found between them.
    pub(super) fn decode(
        &mut self,
        chunk: &[u8],
        start: usize,
        spans: &[Span],
        header: &ZeekHeader,
        names: &Fields,
        rows: &mut Rows,
    ) {
        self.header.clone_from(header);
        self.columns = Columns::new(header.fields.iter().map(String::as_str), names);
        let mut before = start;
        for span in spans {
            let between = chunk.get(before..span.start).unwrap_or_default();
            // Most often a line break, which is quickly seen to be no header.
            if between.len() > 2 && self.header.read_all(between.trim_ascii_start()) {
                self.columns.count_undeclared(std::mem::take(&mut self.records), rows);
                self.columns = Columns::new(self.header.fields.iter().map(String::as_str), names);
            }
            before = span.end;
            self.record(chunk, *span, rows);
        }
        self.columns.count_undeclared(std::mem::take(&mut self.records), rows);
    }

    fn record(&mut self, chunk: &[u8], span: Span, rows: &mut Rows) {
        let record = &chunk[span.start..span.end];
        if std::str::from_utf8(record).is_err() {
            return rows.refuse(chunk, span, RejectReason::BadEncoding, NOT_UTF8.to_owned());
        }
        if self.header.fields.is_empty() {
            let detail = "no #fields line before it".to_owned();
            return rows.refuse(chunk, span, RejectReason::BadRecord, detail);
        }
        let written = split(record, &self.header.separator);
        let values: Vec<Cow<'_, [u8]>> = written.iter().map(|value| unescaped(value)).collect();
        let (found, expected) = (values.len(), self.header.fields.len());
        if found != expected {
            let detail = format!("{found} values, where #fields has {expected}");
            return rows.refuse(chunk, span, RejectReason::BadRecord, detail);
        }
        if values.iter().any(|value| std::str::from_utf8(value).is_err()) {
            let detail = format!("{NOT_UTF8} when its escapes are resolved");
            return rows.refuse(chunk, span, RejectReason::BadEncoding, detail);
        }
        self.records += 1;
        let (header, columns) = (&self.header, &self.columns);
        let value = |index: usize| header.value(index, written[index], &values[index]);
        rows.push(chunk, span, |slot| columns.of_slot(slot).map(value));
    }
}

fn line_at(bytes: &[u8], start: usize) -> &[u8] {
    let rest = bytes.get(start..).unwrap_or_default();
    let line = memchr::memchr(b'\n', rest).map_or(rest, |end| &rest[..end]);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn split<'a>(record: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut values = Vec::new();
    let mut from = 0;
    if !separator.is_empty() {
        for at in memchr::memmem::find_iter(record, separator) {
            values.push(&record[from..at]);
            from = at + separator.len();
        }
    }
    values.push(&record[from..]);
    values
}

/// Resolves `\xNN`; a backslash that begins nothing else stays.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = match rest {
            [b'\\', b'x', a, b, tail @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                bytes.push(hex(*a) << 4 | hex(*b));
                tail
            }
            [b'\\', b'\\', tail @ ..] => {
                bytes.push(b'\\');
                tail
            }
            _ => {
                bytes.push(*byte);
                tail
            }
        };
    }
    Cow::Owned(bytes)
}

/// The value of a hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}
