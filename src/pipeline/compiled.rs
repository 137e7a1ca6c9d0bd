//! Expressions ready to run on batches.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use datafusion::arrow::compute::{concat, prep_null_mask_filter};
use datafusion::arrow::error::ArrowError;
use datafusion::physical_expr::PhysicalExpr;

use crate::diagnostic::Span;
use crate::language::tree::{Expr, ExprKind};
use crate::record::Type;
use crate::target::datafusion::{EvaluateError, LowerContext, LowerError, evaluate, lower};

use super::halve::{Failed, by_halves};

/// A row for which an expression has no value.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct NoValue {
    pub error: EvaluateError,
    /// Where the expression stands.
    pub span: Span,
}

/// An expression over the columns of one scope.
#[derive(Debug, Clone)]
pub struct Compiled {
    kind: Kind,
    ty: Type,
    span: Span,
}

#[derive(Debug, Clone)]
enum Kind {
    Column(usize),
    Expression(Arc<dyn PhysicalExpr>),
}

impl Compiled {
    pub fn new(expr: &Expr, scope: LowerContext<'_>) -> Result<Self, LowerError> {
        let kind = match expr.kind {
            ExprKind::Column(index) => Kind::Column(index),
            _ => Kind::Expression(lower(expr, &scope)?),
        };
        Ok(Self { kind, ty: expr.ty, span: expr.span })
    }

    pub fn run(&self, batch: &RecordBatch) -> Result<ArrayRef, NoValue> {
        match &self.kind {
            Kind::Column(index) => Ok(Arc::clone(batch.column(*index))),
            Kind::Expression(expr) => evaluate(expr, batch).map_err(|error| NoValue { error, span: self.span }),
        }
    }

    /// As a condition: NULL is not true.
    pub fn mask(&self, batch: &RecordBatch) -> Result<BooleanArray, NoValue> {
        let array = self.run(batch)?;
        let mask = array.as_boolean();
        Ok(if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() })
    }

    /// A value for every row, NULL for those that failed.
    pub fn run_rows(&self, batch: &RecordBatch) -> Result<(ArrayRef, Vec<Failed>), ArrowError> {
        let mut parts: Vec<(usize, ArrayRef)> = Vec::new();
        let failed = by_halves(batch, &mut |rows, first| {
            parts.push((first, self.run(rows)?));
            Ok(())
        })?;
        if failed.is_empty() && parts.len() == 1 {
            return Ok((parts.swap_remove(0).1, failed));
        }
        let null = new_null_array(&self.ty.arrow(), 1);
        parts.extend(failed.iter().map(|(row, _)| (*row, Arc::clone(&null))));
        parts.sort_by_key(|(first, _)| *first);
        let arrays: Vec<&dyn Array> = parts.iter().map(|(_, array)| array.as_ref()).collect();
        let whole = if arrays.is_empty() { null.slice(0, 0) } else { concat(&arrays)? };
        Ok((whole, failed))
    }
}
