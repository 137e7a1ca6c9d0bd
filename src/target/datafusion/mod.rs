//! Typed expressions to DataFusion.
use crate::language::scope::LookupField;
use crate::language::tree::Expr;
use crate::record::{Column, EventTime, Value};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::physical_expr::PhysicalExpr;
use std::sync::Arc;
#[derive(Debug)]
pub struct LookupTable {
    pub name: String,
    pub fields: Vec<LookupField>,
    pub rows: Vec<Vec<Value>>,
    pub valid: Vec<(Option<EventTime>, Option<EventTime>)>,
}
pub struct LowerContext<'a> {
    pub columns: &'a [Column],
    pub lookups: &'a [Arc<LookupTable>],
    pub event_time: Option<usize>,
}
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct LowerError;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct EvaluateError;
pub fn lower(_: &Expr, _: &LowerContext) -> Result<Arc<dyn PhysicalExpr>, LowerError> {
    Err(LowerError)
}
pub fn evaluate(_: &Arc<dyn PhysicalExpr>, _: &RecordBatch) -> Result<ArrayRef, EvaluateError> {
    Err(EvaluateError)
}
