//! A value as a record carries it, before it has a type; and its text in messages.

use std::fmt;

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
}

impl fmt::Display for RawValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) => String::from_utf8_lossy(text).into_owned(),
            Self::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
            Self::Nested(value) => value.to_string(),
        };
        match text.char_indices().nth(SHOWN_CHARS_MAX) {
            Some((cut, _)) => write!(f, "{}…", &text[..cut]),
            None => f.write_str(&text),
        }
    }
}
