//! Floats at their threshold: rows of features whose FLOAT64 differ by less than counts as a difference.
//!
//! The run's digits are put in the place of the computed ones, and what reads them is computed again: what then comes out
//! as it was emitted differs because of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::arrow::error::ArrowError;

use crate::pipeline::graph::Amend;
use crate::plan::{JoinTarget, Plan, RulePlan};
use crate::record::Value;

use super::shape::Shape;

/// A row that is equal on both sides but for the last digits of floats.
#[derive(Debug, Clone)]
pub struct Near {
    key: String,
    /// From where to where flows count in it.
    span: (i64, i64),
    /// By column, as the run had them.
    floats: Vec<(usize, f64)>,
    shown: String,
}

impl Near {
    /// `None` when every float is the same to its last digit.
    pub fn of(shape: &Shape, emitted: &[Value], computed: &[Value]) -> Option<Self> {
        let mut floats = Vec::new();
        for (column, pair) in emitted.iter().zip(computed).enumerate() {
            if let (Value::Float64(a), Value::Float64(b)) = pair
                && a != b
                && a.is_finite()
            {
                floats.push((column, *a));
            }
        }
        let (column, _) = floats.first()?;
        let (name, key) = (&shape.columns[*column].name, shape.key_shown(computed));
        let (was, is) = (emitted[*column].display(), computed[*column].display());
        let shown = format!("{name} of {} was {was} in the run and is {is} here: {key}", shape.name);
        Some(Self { key: shape.key_text(computed), span: shape.span_of(computed), floats, shown })
    }
}

/// By relation.
pub type NearRows = BTreeMap<String, Vec<Near>>;

/// The digits of the run.
pub struct Digits {
    shapes: BTreeMap<String, Arc<Shape>>,
    floats: HashMap<String, HashMap<String, Vec<(usize, f64)>>>,
}

impl Digits {
    pub fn of(near: &NearRows, shapes: &[Arc<Shape>]) -> Self {
        let by_key = |rows: &Vec<Near>| rows.iter().map(|row| (row.key.clone(), row.floats.clone())).collect();
        Self {
            shapes: shapes.iter().map(|shape| (shape.name.clone(), Arc::clone(shape))).collect(),
            floats: near.iter().map(|(name, rows)| (name.clone(), by_key(rows))).collect(),
        }
    }
}

impl Amend for Digits {
    fn amend(&self, feature: &str, rows: RecordBatch) -> Result<RecordBatch, ArrowError> {
        let (Some(shape), Some(floats)) = (self.shapes.get(feature), self.floats.get(feature)) else { return Ok(rows) };
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        for row in 0..rows.num_rows() {
            for (column, value) in floats.get(&shape.key_of(&rows, row)).into_iter().flatten() {
                let Some(array) = columns[*column].as_primitive_opt::<Float64Type>() else { continue };
                let changed = array.iter().enumerate().map(|(at, old)| if at == row { Some(*value) } else { old });
                columns[*column] = Arc::new(changed.collect::<Float64Array>());
            }
        }
        RecordBatch::try_new(rows.schema(), columns)
    }
}

/// The near row that a row of a rule, a hit or an alert has most to do with.
pub fn shown_for<'n>(near: &'n NearRows, plan: &Plan, rule: &RulePlan, key: &str, span: (i64, i64)) -> Option<&'n str> {
    let joined = rule.branches.iter().flat_map(|branch| &branch.select.joins).filter_map(|join| match join.target {
        JoinTarget::Feature { index, .. } => Some(plan.features[index].name.as_str()),
        JoinTarget::Lookup { .. } => None,
    });
    let read = rule.upstreams().map(|upstream| plan.relation_name(upstream)).chain(joined);
    let rows: Vec<&Near> = read.filter_map(|name| near.get(name)).flatten().collect();
    let within = |near: &&&Near| near.span.0 < span.1 && span.0 < near.span.1;
    let first = rows.iter().find(|near| near.key == key).or_else(|| rows.iter().find(within)).or(rows.first());
    first.map(|near| near.shown.as_str())
}
