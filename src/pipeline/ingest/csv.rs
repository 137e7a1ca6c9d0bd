//! CSV as RFC 4180 has it: fields in quotes may hold commas, line breaks and doubled quotes.
//! Text that follows a closing quote belongs to the field, and a quote inside an unquoted
//! field is a character, as in the `csv` crate, which the tests compare with.

use memchr::{memchr, memchr2};

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
