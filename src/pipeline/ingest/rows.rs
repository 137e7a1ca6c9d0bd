//! Records to rows: gathers the columns of a chunk, and the records that were refused.
//! Each record that is split off goes to exactly one of the two.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::error::ArrowError;

use super::column::{ColumnBuffer, NotOfType};
use super::fields::{Fields, Kind};
use super::ignored::Ignored;
use super::value::RawValue;
use crate::record::{Origin, Reject, RejectReason};

/// Why a record is refused before anything looks inside.
pub(super) const NOT_UTF8: &str = "the record is not UTF-8";

/// A record's place in its chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Lines before it in the chunk.
    pub(super) line: u64,
}

#[derive(Debug)]
pub(super) struct Rows {
    fields: Arc<Fields>,
    file: Arc<str>,
    columns: Vec<ColumnBuffer>,
    spans: Vec<Span>,
    rejects: Vec<Reject>,
    ignored: Ignored,
    /// Are refused records kept as they came?
    keep_raw: bool,
}

/// What a chunk became; places are counted from the chunk's start.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) rows: RecordBatch,
    pub(super) spans: Vec<Span>,
    pub(super) rejects: Vec<Reject>,
    pub(super) ignored: Ignored,
}

impl Rows {
    pub(super) fn new(fields: Arc<Fields>, file: Arc<str>, keep_raw: bool) -> Self {
        let columns = fields.fields.iter().filter(|f| f.wanted).map(|f| ColumnBuffer::new(f.kind)).collect();
        Self { fields, file, columns, spans: Vec::new(), rejects: Vec::new(), ignored: Ignored::default(), keep_raw }
    }

    /// Adds a record, whose values `value` gives by slot; `None` is an absent field.
    #[inline]
    pub(super) fn push<'v>(&mut self, chunk: &[u8], span: Span, value: impl Fn(usize) -> Option<RawValue<'v>>) {
        let mut column = 0;
        for field in &self.fields.fields {
            let present = field.slots.iter().find_map(|slot| value(*slot).map(|value| (*slot, value)));
            let (slot, value) = present.unwrap_or((field.slots[0], RawValue::Null));
            if field.required
                && let Some(what) = absence(present.map(|(_, value)| value))
            {
                let detail = format!("{} is {what}", self.fields.slots[slot]);
                return self.refuse(chunk, span, RejectReason::MissingField, detail);
            }
            if !field.wanted {
                if field.kind == Kind::String
                    && !matches!(value, RawValue::Text(_) | RawValue::Number(_) | RawValue::Null)
                {
                    let detail = self.fields.wrong(slot, value, "not", field.kind.noun());
                    return self.refuse(chunk, span, RejectReason::BadValue, detail);
                }
                continue;
            }
            match self.columns[column].push(value) {
                // Blank text, or a number that says it is none.
                Ok(false) if field.required => {
                    let detail = self.fields.wrong(slot, value, "no", "value");
                    return self.refuse(chunk, span, RejectReason::MissingField, detail);
                }
                Ok(_) => column += 1,
                Err(NotOfType) => {
                    let detail = self.fields.wrong(slot, value, "not", field.kind.noun());
                    return self.refuse(chunk, span, RejectReason::BadValue, detail);
                }
            }
        }
        self.spans.push(span);
    }

    /// Refuses a record; columns that it has reached forget it.
    #[cold]
    pub(super) fn refuse(&mut self, chunk: &[u8], span: Span, reason: RejectReason, detail: String) {
        for column in &mut self.columns {
            column.truncate(self.spans.len());
        }
        let record = chunk.get(span.start..span.end).filter(|_| self.keep_raw).unwrap_or_default();
        let raw = Reject::cut(record);
        let offset = u64::try_from(span.start).unwrap_or(u64::MAX);
        let origin = Origin { file: Arc::clone(&self.file), line: span.line, offset };
        self.rejects.push(Reject { reason, detail, origin, raw });
    }

    /// Counts records that have an undeclared field.
    pub(super) fn ignore(&mut self, name: &str, records: u64) {
        self.ignored.add(name, records);
    }

    pub(super) fn finish(&mut self) -> Result<Decoded, ArrowError> {
        let columns = self.columns.iter_mut().map(ColumnBuffer::finish).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.spans.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.fields.schema), columns, &options)?;
        Ok(Decoded {
            rows,
            spans: std::mem::take(&mut self.spans),
            rejects: std::mem::take(&mut self.rejects),
            ignored: std::mem::take(&mut self.ignored),
        })
    }
}

/// Why a required field has no value; empty text is none, whatever the type.
fn absence(value: Option<RawValue<'_>>) -> Option<&'static str> {
    match value {
        None => Some("missing"),
        Some(RawValue::Null) => Some("null"),
        Some(RawValue::Text(b"")) => Some("empty"),
        Some(_) => None,
    }
}
