//! One row that cannot be computed must not cost the others of its batch.

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::compiled::NoValue;
use crate::diagnostic::Span;
use crate::record::{Type, Value};

/// Why an attempt at some rows failed: a row's value, or the program.
#[derive(Debug)]
pub enum Attempt {
    Row(NoValue),
    Arrow(ArrowError),
}

impl From<NoValue> for Attempt {
    fn from(error: NoValue) -> Self {
        Self::Row(error)
    }
}

impl From<ArrowError> for Attempt {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

/// A row that failed, by its place in the whole batch.
pub type Failed = (usize, NoValue);

/// A row that could not be computed, for people.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FailedRow {
    pub message: String,
    /// Where the expression stands that has no value for it.
    pub span: Span,
    /// Its columns that are not NULL.
    pub row: Vec<(String, Value)>,
}

impl FailedRow {
    fn new(error: &NoValue, rows: &RecordBatch, place: usize) -> Self {
        let fields = rows.schema();
        let columns = fields.fields().iter().zip(rows.columns()).filter(|(_, array)| array.is_valid(place));
        let row = columns.filter_map(|(field, array)| {
            let ty = Type::ALL.into_iter().find(|ty| ty.arrow() == *field.data_type())?;
            Some((field.name().clone(), Value::at(array, place, ty)))
        });
        Self { message: error.to_string(), span: error.span, row: row.collect() }
    }
}

/// Rows that could not be computed: how many, and the first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RowErrors {
    pub count: u64,
    pub first: Option<FailedRow>,
}

impl RowErrors {
    /// `rows` are those that the places count in.
    pub fn add(&mut self, failed: &[Failed], rows: &RecordBatch) {
        self.count += failed.len() as u64;
        if let Some((place, error)) = failed.first() {
            self.first.get_or_insert_with(|| FailedRow::new(error, rows, *place));
        }
    }
}

/// Attempts all rows at once and, when an expression fails, halves them until the failing rows stand alone.
///
/// `attempt` gets rows and the place of the first; parts that succeed come in order. Returns the rows that failed.
pub fn by_halves(
    rows: &RecordBatch,
    attempt: &mut dyn FnMut(&RecordBatch, usize) -> Result<(), Attempt>,
) -> Result<Vec<Failed>, ArrowError> {
    let mut failed = Vec::new();
    part(rows, 0, attempt, &mut failed)?;
    Ok(failed)
}

fn part(
    rows: &RecordBatch,
    first: usize,
    attempt: &mut dyn FnMut(&RecordBatch, usize) -> Result<(), Attempt>,
    failed: &mut Vec<Failed>,
) -> Result<(), ArrowError> {
    let count = rows.num_rows();
    if count == 0 {
        return Ok(());
    }
    match attempt(rows, first) {
        Ok(()) => Ok(()),
        Err(Attempt::Arrow(error)) => Err(error),
        Err(Attempt::Row(error)) if count == 1 => {
            failed.push((first, error));
            Ok(())
        }
        Err(Attempt::Row(_)) => {
            let half = count / 2;
            part(&rows.slice(0, half), first, attempt, failed)?;
            part(&rows.slice(half, count - half), first + half, attempt, failed)
        }
    }
}
