//! Expressions ready to run on batches.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::prep_null_mask_filter;
use datafusion::physical_expr::PhysicalExpr;

use crate::language::tree::{Expr, ExprKind};
use crate::record::Column;
use crate::target::datafusion::{EvaluateError, LookupTable, LowerContext, LowerError, evaluate, lower};

/// An expression over the columns of one scope.
#[derive(Debug, Clone)]
pub enum Compiled {
    Column(usize),
    Expression(Arc<dyn PhysicalExpr>),
}

impl Compiled {
    pub fn new(expr: &Expr, columns: &[Column], lookups: &[Arc<LookupTable>]) -> Result<Self, LowerError> {
        if let ExprKind::Column(index) = expr.kind {
            return Ok(Self::Column(index));
        }
        let event_time = columns.iter().position(|c| c.name == "event_time");
        let context = LowerContext { columns, lookups, event_time };
        Ok(Self::Expression(lower(expr, &context)?))
    }

    pub fn run(&self, batch: &RecordBatch) -> Result<ArrayRef, EvaluateError> {
        match self {
            Self::Column(index) => Ok(Arc::clone(batch.column(*index))),
            Self::Expression(expr) => evaluate(expr, batch),
        }
    }

    /// As a condition: NULL is not true.
    pub fn mask(&self, batch: &RecordBatch) -> Result<BooleanArray, EvaluateError> {
        let array = self.run(batch)?;
        let mask = array.as_boolean();
        Ok(if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() })
    }
}
