//! What the typed tree means, computed by DataFusion over Arrow batches.
//!
//! Where DataFusion means what GoogleSQL means, its own expressions are used; everything else is a kernel of
//! ours. A row that GoogleSQL would fail fails the batch, never silently: the caller finds the rows.

mod conditional;
#[cfg(test)]
mod golden;
mod input;
mod kernel;
mod kernel_expr;
mod lookup;
mod lower;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;

use crate::record::{Column, NoKey};

#[cfg(test)]
pub(crate) use golden::{batch, columns_of, same, scalar as recorded};
pub use kernel::pseudonyms;
pub use lookup::{LookupIndex, Lookups, pick};
pub use lower::{lower, scalar};

/// What an expression's columns and lookups are when it runs.
#[derive(Clone, Copy)]
pub struct LowerContext<'a> {
    /// The scope's columns, in the order of the batches.
    pub columns: &'a [Column],
    /// The plan's lookups and pseudonym keys.
    pub lookups: &'a Lookups,
    /// The column whose time decides which rows of a lookup are valid; without one no lookup can be read.
    pub event_time: Option<usize>,
}

/// A tree that does not fit its context: a defect of the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    #[error("no column has the index {0}")]
    Column(usize),
    #[error("no lookup has the index {0}")]
    Lookup(usize),
    #[error("a lookup is read where there is no event time")]
    EventTime,
    #[error("an aggregate stands in a scalar expression")]
    Aggregate,
    #[error("a row of the lookup {0} cannot be computed: {1}")]
    LookupRow(String, EvaluateError),
    #[error("{0} is called with arguments that it does not take")]
    Arguments(&'static str),
    #[error("the pattern is not read: {0}")]
    Pattern(String),
    #[error(transparent)]
    NoKey(#[from] NoKey),
    #[error("{0}")]
    Engine(String),
}

impl From<ArrowError> for LowerError {
    fn from(error: ArrowError) -> Self {
        Self::Engine(error.to_string())
    }
}

impl From<DataFusionError> for LowerError {
    fn from(error: DataFusionError) -> Self {
        Self::Engine(error.to_string())
    }
}

/// A row for which an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{function}: {message}")]
pub struct EvaluateError {
    pub function: String,
    pub message: String,
}

impl From<DataFusionError> for EvaluateError {
    fn from(error: DataFusionError) -> Self {
        if let DataFusionError::External(inner) = error.find_root()
            && let Some(own) = inner.downcast_ref::<Self>()
        {
            return own.clone();
        }
        Self { function: "expression".into(), message: error.to_string() }
    }
}

/// Evaluates an expression over a batch: an array with one value for each row.
pub fn evaluate(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<ArrayRef, EvaluateError> {
    Ok(expr.evaluate(batch)?.into_array(batch.num_rows())?)
}
