//! One row that cannot be computed must not cost the others of its batch.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;

use crate::target::datafusion::EvaluateError;

/// Why an attempt at some rows failed: a row's value, or the program.
#[derive(Debug)]
pub enum Attempt {
    Row(EvaluateError),
    Arrow(ArrowError),
}

impl From<EvaluateError> for Attempt {
    fn from(error: EvaluateError) -> Self {
        Self::Row(error)
    }
}

impl From<ArrowError> for Attempt {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

/// A row that failed, by its place in the whole batch.
pub type Failed = (usize, EvaluateError);

/// Rows that could not be computed: how many, and what the first one's error was.
#[derive(Debug, Clone, Default)]
pub struct RowErrors {
    pub count: u64,
    pub first: Option<String>,
}

impl RowErrors {
    pub fn add(&mut self, failed: &[Failed]) {
        self.count += failed.len() as u64;
        if let Some((_, error)) = failed.first() {
            self.first.get_or_insert_with(|| error.to_string());
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
