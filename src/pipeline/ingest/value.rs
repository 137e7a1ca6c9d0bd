//! A value as a record carries it, before it has a type; and its text in messages.

use std::fmt;

use crate::record::EventTime;

/// Longest piece of a value that a message shows.
const SHOWN_CHARS_MAX: usize = 80;

#[derive(Debug, Clone, Copy)]
pub(super) enum RawValue<'a> {
    Null,
    Bool(bool),
    /// A JSON number, as written.
    Number(&'a [u8]),
    /// UTF-8 text.
    Text(&'a [u8]),
    /// A JSON list or object.
    Nested(&'a serde_json::Value),
    // From here on, values that a file holds with their type.
    Int(i64),
    Double(f64),
    /// Microseconds since 1970-01-01 UTC.
    Instant(i64),
    /// Days since 1970-01-01.
    Day(i32),
    Binary(&'a [u8]),
    /// A number or an instant beyond what the type above holds.
    OutOfRange,
}

impl RawValue<'_> {
    /// Did the file give it with a type?
    #[inline]
    pub(super) fn has_type(self) -> bool {
        matches!(
            self,
            Self::Int(_) | Self::Double(_) | Self::Instant(_) | Self::Day(_) | Self::Binary(_) | Self::OutOfRange
        )
    }
}

impl fmt::Display for RawValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) => String::from_utf8_lossy(text).into_owned(),
            Self::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
            Self::Nested(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Double(value) => value.to_string(),
            Self::Instant(micros) => EventTime(*micros).to_string(),
            Self::Day(days) => format!("day {days}"),
            Self::Binary(bytes) => format!("{} bytes", bytes.len()),
            Self::OutOfRange => "a value out of range".to_owned(),
        };
        match text.char_indices().nth(SHOWN_CHARS_MAX) {
            Some((cut, _)) => write!(f, "{}…", &text[..cut]),
            None => f.write_str(&text),
        }
    }
}
