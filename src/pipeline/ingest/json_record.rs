//! Any JSON record, by way of `serde_json`: says what is valid, and finds values that are
//! escaped or nested. Slow and thorough; the fast path is [`super::json`].

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Deserializer, Value};

use super::fields::Fields;
use super::rows::{Rows, Span};
use super::value::RawValue;
use crate::record::RejectReason;

/// A value of its own. Numbers keep the text that was written.
#[derive(Debug)]
enum Owned {
    Number(String),
    Other(Value),
}

#[derive(Debug)]
pub(super) struct RecordReader {
    fields: Arc<Fields>,
    slots: Vec<Option<Owned>>,
    undeclared: BTreeSet<String>,
}

impl RecordReader {
    pub(super) fn new(fields: &Arc<Fields>) -> Self {
        let slots = fields.slots.iter().map(|_| None).collect();
        Self { fields: Arc::clone(fields), slots, undeclared: BTreeSet::new() }
    }

    pub(super) fn record(&mut self, chunk: &[u8], span: Span, rows: &mut Rows) {
        let record = chunk.get(span.start..span.end).unwrap_or_default();
        match serde_json::from_slice::<Value>(record) {
            Err(error) => {
                let detail = format!("not valid JSON: {}", place_in_line(&error));
                return rows.refuse(chunk, span, RejectReason::BadRecord, detail);
            }
            Ok(Value::Object(_)) => {}
            Ok(other) => {
                let detail = match self.fields.may_quote() {
                    true => format!("not an object, but {}", RawValue::Nested(&other)),
                    false => "not an object".to_owned(),
                };
                return rows.refuse(chunk, span, RejectReason::BadRecord, detail);
            }
        }
        self.slots.fill_with(|| None);
        self.undeclared.clear();
        if self.object(record, "").is_none() {
            let detail = "the record's members could not be told apart".to_owned();
            return rows.refuse(chunk, span, RejectReason::BadRecord, detail);
        }
        let slots = &self.slots;
        rows.push(chunk, span, |slot| slots[slot].as_ref().map(Owned::raw));
        for name in &self.undeclared {
            rows.ignore(name, 1);
        }
    }

    /// Takes the members of an object that is known to be valid. `None` cannot happen then.
    fn object(&mut self, object: &[u8], prefix: &str) -> Option<()> {
        let mut at = blanks(object, 0) + 1;
        loop {
            at = blanks(object, at);
            match object.get(at)? {
                b'}' => return Some(()),
                b',' => at = blanks(object, at + 1),
                _ => {}
            }
            let mut keys = Deserializer::from_slice(&object[at..]).into_iter::<String>();
            let key = keys.next()?.ok()?;
            at = blanks(object, at + keys.byte_offset()) + 1;
            at = blanks(object, at);
            let mut values = Deserializer::from_slice(&object[at..]).into_iter::<Value>();
            let value = values.next()?.ok()?;
            let text = &object[at..at + values.byte_offset()];
            at += text.len();
            let name = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
            self.member(name, value, text)?;
        }
    }

    fn member(&mut self, name: String, value: Value, text: &[u8]) -> Option<()> {
        match self.fields.find(&name) {
            Some(Some(slot)) => {
                self.slots[slot] = Some(match value {
                    Value::Number(_) => Owned::Number(String::from_utf8_lossy(text).into_owned()),
                    other => Owned::Other(other),
                });
            }
            Some(None) => {}
            None if value.is_object() && self.fields.is_parent(&name) => return self.object(text, &name),
            None => {
                self.undeclared.insert(name);
            }
        }
        Some(())
    }
}

impl Owned {
    fn raw(&self) -> RawValue<'_> {
        match self {
            Self::Number(text) => RawValue::Number(text.as_bytes()),
            Self::Other(Value::Null) => RawValue::Null,
            Self::Other(Value::Bool(value)) => RawValue::Bool(*value),
            Self::Other(Value::String(text)) => RawValue::Text(text.as_bytes()),
            Self::Other(value) => RawValue::Nested(value),
        }
    }
}

/// `serde_json` counts lines within the record, which is always one.
fn place_in_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

fn blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r' | b'\n') = text.get(at) {
        at += 1;
    }
    at
}
