//! Floats at their threshold: rows whose FLOAT64 differ by less than counts as a difference, and rules that compare them.
//!
//! A rule's comparisons are moved by that much, and its rows computed again. What then comes out as it was emitted is
//! explained only where the run's own rows show such a float in a window that the rule reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::language::function::{Id, by_id};
use crate::language::tree::{Expr, ExprKind};
use crate::plan::{JoinTarget, Plan, RulePlan};
use crate::record::{Type, Value};

use super::shape::Shape;
use super::value::TOLERANCE;

/// A row that is equal on both sides but for the last digits of a float.
#[derive(Debug, Clone)]
pub struct Near {
    /// From where to where flows count in it.
    span: (i64, i64),
    shown: String,
}

impl Near {
    /// `None` when every float is the same to its last digit.
    pub fn of(shape: &Shape, emitted: &[Value], computed: &[Value]) -> Option<Self> {
        let differs = |column: &usize| match (&emitted[*column], &computed[*column]) {
            (Value::Float64(a), Value::Float64(b)) => a != b && a.is_finite(),
            _ => false,
        };
        let column = (0..shape.columns.len()).find(differs)?;
        let (name, key) = (&shape.columns[column].name, shape.key_shown(computed));
        let (was, is) = (emitted[column].display(), computed[column].display());
        let shown = format!("{name} of {} was {was} in the run and is {is} here: {key}", shape.name);
        Some(Self { span: shape.span_of(computed), shown })
    }
}

/// By relation.
pub type NearRows = BTreeMap<String, Vec<Near>>;

/// The near row that a rule reads in this time.
pub fn shown_in<'n>(near: &'n NearRows, plan: &Plan, rule: &RulePlan, span: (i64, i64)) -> Option<&'n str> {
    let joined = rule.branches.iter().flat_map(|branch| &branch.select.joins).filter_map(|join| match join.target {
        JoinTarget::Feature { index, .. } => Some(plan.features[index].name.as_str()),
        JoinTarget::Lookup { .. } => None,
    });
    let read = rule.upstreams().map(|upstream| plan.relation_name(upstream)).chain(joined);
    let rows = read.filter_map(|name| near.get(name)).flatten();
    rows.into_iter().find(|near| near.span.0 <= span.1 && span.0 <= near.span.1).map(|near| near.shown.as_str())
}

/// The plan with every comparison of FLOAT64 in the rules' conditions moved, so that it holds for more or for less;
/// `None` when there is none.
pub fn moved(plan: &Plan, holds: bool) -> Option<Plan> {
    let mut plan = plan.clone();
    let mut count = 0;
    for rule in &mut plan.rules {
        let mut own = RulePlan::clone(rule);
        for branch in &mut own.branches {
            branch.select.filter = branch.select.filter.as_ref().map(|filter| condition(filter, holds, &mut count));
        }
        *rule = Arc::new(own);
    }
    (count > 0).then_some(plan)
}

fn condition(expr: &Expr, holds: bool, count: &mut usize) -> Expr {
    let ExprKind::Call { function, args } = &expr.kind else { return expr.clone() };
    let kind = match (function.id, args.as_slice()) {
        (Id::And | Id::Or, _) => expr.kind.map_children(&mut |child| condition(child, holds, count)),
        (Id::Not, _) => expr.kind.map_children(&mut |child| condition(child, !holds, count)),
        (id @ (Id::Gt | Id::GtEq | Id::Lt | Id::LtEq), [left, right]) if right.ty == Type::Float64 => {
            *count += 1;
            let lower = matches!(id, Id::Gt | Id::GtEq) == holds;
            ExprKind::Call { function, args: vec![left.clone(), limit(right, lower)] }
        }
        _ => return expr.clone(),
    };
    Expr { kind, ..expr.clone() }
}

/// A limit that is lower, or higher, by what floats may differ.
fn limit(expr: &Expr, lower: bool) -> Expr {
    let share = if lower { -TOLERANCE } else { TOLERANCE };
    if let ExprKind::Literal(Value::Float64(value)) = expr.kind {
        return Expr { kind: ExprKind::Literal(Value::Float64(value + share * value.abs())), ..expr.clone() };
    }
    let share = Expr { kind: ExprKind::Literal(Value::Float64(share)), nullable: false, ..expr.clone() };
    let call = |id: Id, args: Vec<Expr>| match by_id(id) {
        Some(function) => Expr { kind: ExprKind::Call { function, args }, ..expr.clone() },
        None => expr.clone(),
    };
    call(Id::Add, vec![expr.clone(), call(Id::Multiply, vec![share, call(Id::Abs, vec![expr.clone()])])])
}
