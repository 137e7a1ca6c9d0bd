//! The implicit conversions that GoogleSQL has: INT64 to FLOAT64, literals, NULL.

use crate::language::instant;
use crate::language::tree::{Expr, ExprKind};
use crate::record::{Type, Value};

/// Why an expression does not become a type.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No such conversion.
    Types,
    /// The literal's text is not of the type.
    Literal,
}

/// How far an expression is from a type: 0 is there already, `None` never.
pub(super) fn cost(expr: &Expr, ty: Type) -> Option<u32> {
    if expr.ty == ty {
        return Some(0);
    }
    match (&expr.kind, expr.ty, ty) {
        (ExprKind::Literal(Value::Null(_)), _, _) => Some(0),
        (ExprKind::Literal(Value::String(_)), Type::String, Type::Timestamp | Type::Date) => Some(2),
        (_, Type::Int64, Type::Float64) => Some(1),
        _ => None,
    }
}

/// Converts an expression to a type.
pub(super) fn to(expr: Expr, ty: Type) -> Result<Expr, Refusal> {
    if expr.ty == ty {
        return Ok(expr);
    }
    let Expr { nullable, span, .. } = expr;
    let literal = |value: Value| Expr { kind: ExprKind::Literal(value), ty, nullable, span };
    match (&expr.kind, ty) {
        (ExprKind::Literal(Value::Null(_)), _) => Ok(literal(Value::Null(ty))),
        (ExprKind::Literal(Value::Int64(i)), Type::Float64) => Ok(literal(Value::Float64(float(*i)))),
        (ExprKind::Literal(Value::String(s)), Type::Timestamp) => match instant::parse_timestamp(s) {
            Some(micros) => Ok(literal(Value::Timestamp(micros))),
            None => Err(Refusal::Literal),
        },
        (ExprKind::Literal(Value::String(s)), Type::Date) => match instant::parse_date(s) {
            Some(days) => Ok(literal(Value::Date(days))),
            None => Err(Refusal::Literal),
        },
        (_, Type::Float64) if expr.ty == Type::Int64 => {
            let kind = ExprKind::Cast { expr: Box::new(expr), safe: false };
            Ok(Expr { kind, ty, nullable, span })
        }
        _ => Err(Refusal::Types),
    }
}

/// The nearest FLOAT64: rounding is what GoogleSQL's conversion means.
fn float(i: i64) -> f64 {
    i as f64
}

/// The type that all of some expressions become; `None` when there is none.
pub(super) fn common<'a>(exprs: impl Iterator<Item = &'a Expr> + Clone) -> Option<Type> {
    let typed = exprs.clone().filter(|e| !matches!(e.kind, ExprKind::Literal(Value::Null(_))));
    let mut candidates: Vec<Type> = Vec::new();
    for expr in typed {
        if !candidates.contains(&expr.ty) {
            candidates.push(expr.ty);
        }
    }
    if candidates.is_empty() {
        return exprs.clone().next().map(|e| e.ty);
    }
    let costs = candidates.into_iter().filter_map(|ty| {
        let total: Option<u32> = exprs.clone().map(|e| cost(e, ty)).sum();
        total.map(|total| (total, ty))
    });
    costs.min_by_key(|(total, _)| *total).map(|(_, ty)| ty)
}
