//! Why a rule did not fire: of all rows it saw, the one that fulfilled most of its conditions.

use crate::language::tree::{Expr, ExprKind};
use crate::record::Value;

/// One condition of a rule on one row.
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
pub fn sides(expr: &Expr) -> Option<(&Expr, &Expr)> {
    let ExprKind::Call { function, args } = &expr.kind else { return None };
    let comparison = matches!(function.name, "=" | "!=" | "<" | "<=" | ">" | ">=");
    match args.as_slice() {
        [left, right] if comparison => Some((left, right)),
        _ => None,
    }
}
