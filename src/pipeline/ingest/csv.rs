//! CSV as RFC 4180 has it: fields in quotes may hold commas, line breaks and doubled quotes.
//! Text that follows a closing quote belongs to the field, and a quote inside an unquoted
//! field is a character, as in the `csv` crate, which the tests compare with.

use memchr::{memchr, memchr2};

use super::fields::Fields;
use super::rows::{NOT_UTF8, Rows, Span};
use super::value::RawValue;
use crate::record::RejectReason;

/// Of a header, beside each record that is refused for it.
const DETAIL_CHARS_MAX: usize = 200;

/// Where in a record a reader is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum CsvState {
    #[default]
    FieldStart,
    Bare,
    Quoted,
    /// After a quote within quotes: the field's end, or the first half of a doubled quote.
    Closing,
}

impl CsvState {
    /// The place after the line break that ends the record at `at`, which then is behind.
    pub(super) fn record_end(&mut self, bytes: &[u8], mut at: usize) -> Option<usize> {
        while let Some(byte) = bytes.get(at) {
            match *self {
                Self::Quoted => {
                    at += memchr(b'"', &bytes[at..])?;
                    *self = Self::Closing;
                }
                Self::Bare => {
                    at += memchr2(b',', b'\n', &bytes[at..])?;
                    *self = Self::FieldStart;
                    if bytes[at] == b'\n' {
                        return Some(at + 1);
                    }
                }
                Self::FieldStart | Self::Closing => match byte {
                    b'\n' => {
                        *self = Self::FieldStart;
                        return Some(at + 1);
                    }
                    b',' => *self = Self::FieldStart,
                    b'"' => *self = Self::Quoted,
                    _ => *self = Self::Bare,
                },
            }
            at += 1;
        }
        None
    }

    /// Between records?
    pub(super) fn is_between(self) -> bool {
        self == Self::FieldStart
    }
}

/// The columns of an input, as its first record names them.
#[derive(Debug, Default)]
pub(super) struct CsvHeader {
    pub(super) names: Vec<String>,
}

impl CsvHeader {
    pub(super) fn new(record: &[u8]) -> Self {
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        let record = record.strip_suffix(b"\r").unwrap_or(record);
        let mut fields = CsvFields::default();
        fields.split(record);
        let name = |index| String::from_utf8_lossy(fields.get(index)).trim().to_owned();
        Self { names: (0..fields.len()).map(name).collect() }
    }
}

/// The fields of one record, without their quotes.
#[derive(Debug, Default)]
pub(super) struct CsvFields {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl CsvFields {
    pub(super) fn split(&mut self, record: &[u8]) {
        self.text.clear();
        self.ends.clear();
        let mut state = CsvState::default();
        for byte in record {
            match (state, byte) {
                (CsvState::Quoted, b'"') => state = CsvState::Closing,
                (CsvState::Closing, b'"') => {
                    self.text.push(b'"');
                    state = CsvState::Quoted;
                }
                (CsvState::FieldStart, b'"') => state = CsvState::Quoted,
                (CsvState::FieldStart | CsvState::Bare | CsvState::Closing, b',') => {
                    self.ends.push(self.text.len());
                    state = CsvState::FieldStart;
                }
                (CsvState::Quoted, _) => self.text.push(*byte),
                (_, _) => {
                    self.text.push(*byte);
                    state = CsvState::Bare;
                }
            }
        }
        self.ends.push(self.text.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        let end = self.ends.get(index).copied().unwrap_or(start);
        self.text.get(start..end).unwrap_or_default()
    }
}

/// Reads the records of one worker's chunks.
#[derive(Debug, Default)]
pub(super) struct CsvDecoder {
    fields: CsvFields,
}

impl CsvDecoder {
    pub(super) fn decode(&mut self, chunk: &[u8], spans: &[Span], header: &CsvHeader, names: &Fields, rows: &mut Rows) {
        let columns = Columns::new(header.names.iter().map(String::as_str), names);
        if columns.undeclared.len() == header.names.len() {
            let mut detail = "the header has none of the source's columns".to_owned();
            // What has no header begins with a record.
            if names.may_quote() {
                detail = format!("{detail}: {}", header.names.join(","));
            }
            let detail: String = detail.chars().take(DETAIL_CHARS_MAX).collect();
            spans.iter().for_each(|span| rows.refuse(chunk, *span, RejectReason::BadRecord, detail.clone()));
            return;
        }
        let mut records = 0;
        for span in spans {
            let record = &chunk[span.start..span.end];
            if std::str::from_utf8(record).is_err() {
                rows.refuse(chunk, *span, RejectReason::BadEncoding, NOT_UTF8.to_owned());
                continue;
            }
            self.fields.split(record);
            let (found, expected) = (self.fields.len(), header.names.len());
            if found != expected {
                let detail = format!("{found} fields, where the header has {expected}");
                rows.refuse(chunk, *span, RejectReason::BadRecord, detail);
                continue;
            }
            records += 1;
            let fields = &self.fields;
            rows.push(chunk, *span, |slot| columns.of_slot(slot).map(|index| RawValue::Text(fields.get(index))));
        }
        columns.count_undeclared(records, rows);
    }
}

/// Which column of a table feeds which slot.
#[derive(Debug, Default)]
pub(super) struct Columns {
    by_slot: Vec<Option<usize>>,
    undeclared: Vec<String>,
}

impl Columns {
    /// Of two columns with one name, the last counts.
    pub(super) fn new<'n>(names: impl Iterator<Item = &'n str>, fields: &Fields) -> Self {
        let mut columns = Self { by_slot: vec![None; fields.slots.len()], undeclared: Vec::new() };
        for (index, name) in names.enumerate() {
            match fields.find(name) {
                Some(Some(slot)) => columns.by_slot[slot] = Some(index),
                Some(None) => {}
                None => columns.undeclared.push(name.to_owned()),
            }
        }
        columns
    }

    pub(super) fn of_slot(&self, slot: usize) -> Option<usize> {
        self.by_slot.get(slot).copied().flatten()
    }

    /// Each record has all columns.
    pub(super) fn count_undeclared(&self, records: u64, rows: &mut Rows) {
        if records > 0 {
            self.undeclared.iter().for_each(|name| rows.ignore(name, records));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{CsvFields, CsvState};

    /// Records by this module.
    fn records(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let end = CsvState::default().record_end(bytes, at).unwrap_or(bytes.len());
            let record = &bytes[at..end];
            // A line break at the very end of an open quote belongs to the field.
            let closed = CsvState::default().record_end(bytes, at).is_some();
            let record = if closed { &record[..record.len() - 1] } else { record };
            if !record.is_empty() {
                let mut fields = CsvFields::default();
                fields.split(record);
                all.push((0..fields.len()).map(|index| fields.get(index).to_vec()).collect());
            }
            at = end;
        }
        all
    }

    fn reference(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(bytes);
        reader.byte_records().map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect()).collect()
    }

    proptest! {
        #[test]
        fn fields_are_those_of_the_csv_crate(picks in proptest::collection::vec(any::<u8>(), 0..60)) {
            let bytes: Vec<u8> = picks.iter().map(|pick| b"aa,,\"\"\n\r "[usize::from(*pick) % 9]).collect();
            prop_assert_eq!(records(&bytes), reference(&bytes));
        }
    }
}
