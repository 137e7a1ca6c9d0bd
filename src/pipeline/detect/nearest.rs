//! Why a rule did not fire, or a feature counts nothing: of all rows it saw, the one that met most of its conditions.

use std::collections::BTreeSet;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};

use crate::language::conjuncts;
use crate::language::tree::{Expr, ExprKind};
use crate::pipeline::compiled::Compiled;
use crate::plan::wanted::columns_of;
use crate::record::{Column, Type, Value};
use crate::target::datafusion::{LowerContext, LowerError};

/// Columns shown of a row, unless its conditions read more.
const SHOWN_COLUMNS: usize = 10;

/// One condition on one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Where it stands in the definition.
    pub span: crate::diagnostic::Span,
    pub held: bool,
    /// Both sides of a comparison.
    pub sides: Option<(Value, Value)>,
}

/// A row of the upstream with its conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    pub row: Vec<(String, Value)>,
    pub conditions: Vec<Condition>,
}

impl Nearest {
    pub fn held(&self) -> usize {
        self.conditions.iter().filter(|condition| condition.held).count()
    }

    /// Is it nearer to firing than another? More conditions hold; then the failing ones miss by less.
    pub fn beats(&self, other: &Self) -> bool {
        let mine = (self.held(), -self.miss());
        let theirs = (other.held(), -other.miss());
        mine.partial_cmp(&theirs).is_some_and(std::cmp::Ordering::is_gt)
    }

    /// Keeps the better of two.
    pub fn keep(best: &mut Option<Self>, other: Option<Self>) {
        if let Some(other) = other
            && best.as_ref().is_none_or(|best| other.beats(best))
        {
            *best = Some(other);
        }
    }

    /// By how much the failing comparisons miss, as shares of the larger side.
    fn miss(&self) -> f64 {
        self.conditions.iter().filter(|condition| !condition.held).map(Condition::miss).sum()
    }
}

impl Condition {
    /// Between 0 (met) and 1.
    pub fn miss(&self) -> f64 {
        let Some((left, right)) = self.sides.as_ref().and_then(|(l, r)| Some((number(l)?, number(r)?))) else {
            return 1.0;
        };
        let size = left.abs().max(right.abs());
        if size == 0.0 { 0.0 } else { ((left - right).abs() / size).min(1.0) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown to people")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int64(v) | Value::Timestamp(v) => Some(*v as f64),
        Value::Float64(v) => Some(*v),
        _ => None,
    }
}

/// The two sides of a comparison, when the condition is one.
fn sides(expr: &Expr) -> Option<(&Expr, &Expr)> {
    let ExprKind::Call { function, args } = &expr.kind else { return None };
    let comparison = matches!(function.name, "=" | "!=" | "<" | "<=" | ">" | ">=");
    match args.as_slice() {
        [left, right] if comparison => Some((left, right)),
        _ => None,
    }
}

/// The parts of a rule's or a feature's condition.
pub struct Conditions {
    parts: Vec<CompiledCondition>,
    /// The columns that they read, in order.
    read: Vec<usize>,
}

struct CompiledCondition {
    span: crate::diagnostic::Span,
    whole: Compiled,
    sides: Option<(Compiled, Compiled)>,
    types: (Type, Type),
}

/// Where a condition holds, and both sides of a comparison; none where they cannot be computed.
type ConditionColumns = (Option<BooleanArray>, Option<(ArrayRef, ArrayRef)>);

impl Conditions {
    pub fn new(filter: Option<&Expr>, scope: LowerContext<'_>) -> Result<Self, LowerError> {
        let parts = filter.into_iter().flat_map(conjuncts).map(|expr| CompiledCondition::new(expr, scope));
        let mut read = BTreeSet::new();
        let mut see = |index: usize| {
            read.insert(index);
        };
        filter.iter().for_each(|filter| columns_of(filter, &mut see));
        Ok(Self { parts: parts.collect::<Result<_, _>>()?, read: read.into_iter().collect() })
    }

    /// Of the rows of a scope, the one that comes nearest.
    pub fn nearest(&self, rows: &RecordBatch, scope: &[Column]) -> Option<Nearest> {
        let columns: Vec<ConditionColumns> = self.parts.iter().map(|condition| condition.columns(rows)).collect();
        let mut best: Option<Nearest> = None;
        for row in 0..rows.num_rows() {
            let conditions = self.parts.iter().zip(&columns).map(|(condition, columns)| condition.at(columns, row));
            let candidate = Nearest { row: Vec::new(), conditions: conditions.collect() };
            if best.as_ref().is_none_or(|best| candidate.beats(best)) {
                best = Some(Nearest { row: self.shown(rows, scope, row), ..candidate });
            }
        }
        best
    }
}

impl Conditions {
    /// What people want to see of a row: what the conditions read, then what it has, then what it has not.
    fn shown(&self, rows: &RecordBatch, scope: &[Column], row: usize) -> Vec<(String, Value)> {
        let mut order: Vec<usize> = (0..scope.len()).collect();
        order.sort_by_key(|index| (!self.read.contains(index), rows.column(*index).is_null(row)));
        order.truncate(SHOWN_COLUMNS.max(self.read.len()));
        let value = |index: usize| Value::at(rows.column(index), row, scope[index].ty);
        order.into_iter().map(|index| (scope[index].name.clone(), value(index))).collect()
    }
}

impl CompiledCondition {
    fn new(expr: &Expr, scope: LowerContext<'_>) -> Result<Self, LowerError> {
        let compile = |expr| Compiled::new(expr, scope);
        let sides = sides(expr);
        Ok(Self {
            span: expr.span,
            whole: compile(expr)?,
            types: sides.map_or((Type::Bool, Type::Bool), |(left, right)| (left.ty, right.ty)),
            sides: sides.map(|(left, right)| Ok::<_, LowerError>((compile(left)?, compile(right)?))).transpose()?,
        })
    }

    fn columns(&self, rows: &RecordBatch) -> ConditionColumns {
        let sides = self.sides.as_ref();
        let sides = sides.and_then(|(left, right)| Some((left.run(rows).ok()?, right.run(rows).ok()?)));
        (self.whole.mask(rows).ok(), sides)
    }

    fn at(&self, (holds, sides): &ConditionColumns, row: usize) -> Condition {
        let sides = sides.as_ref();
        Condition {
            span: self.span,
            held: holds.as_ref().is_some_and(|holds| holds.value(row)),
            sides: sides.map(|(left, right)| (Value::at(left, row, self.types.0), Value::at(right, row, self.types.1))),
        }
    }
}
