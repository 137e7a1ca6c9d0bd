//! Division: what a divisor may be, and what to write when it may be zero.

use crate::diagnostic::{Diagnostic, Span};
use crate::language::codes;
use crate::language::function::{Function, Id};
use crate::language::tree::{AggregateFunction, Expr, ExprKind};
use crate::record::{Type, Value};

use super::binder::Binder;

impl Binder<'_> {
    pub(super) fn check_divisor(&mut self, function: &Function, args: &[Expr], span: Span) -> Option<()> {
        let [dividend, divisor] = args else { return Some(()) };
        let guarded = match &divisor.kind {
            ExprKind::Literal(Value::Null(_)) => true,
            _ => {
                constant(divisor).is_some_and(|c| c != 0.0)
                    || is_null_if_zero(divisor)
                    || is_above_zero(divisor)
                    || self.counts_each_row(divisor)
            }
        };
        if guarded {
            return Some(());
        }
        let (a, b) = (self.quoted(dividend.span), self.quoted(divisor.span));
        let help = if function.id == Id::Divide {
            format!("write SAFE_DIVIDE({a}, {b}), which is NULL then")
        } else {
            format!("write {}({a}, NULLIF({b}, 0)), which is NULL then", function.name)
        };
        let message = if constant(divisor).is_some() {
            "a division by zero".to_owned()
        } else {
            format!("{b} may be zero, and such a row has no result")
        };
        let mut report = Diagnostic::error(codes::DIVISION, span, message).help(help);
        if let Some(bound) = self.compared_with(span).filter(|_| function.id == Id::Divide) {
            report = report.help(format!("or compare the product: {a} {} {} * {b}", bound.0, bound.1));
        }
        self.report(report);
        None
    }

    /// A count that every row adds to: a window without rows does not exist, so it is never zero.
    fn counts_each_row(&self, expr: &Expr) -> bool {
        use AggregateFunction as F;
        if self.scope.empty {
            return false;
        }
        match &expr.kind {
            ExprKind::Aggregate(index) => {
                let aggregate = self.aggregates.as_ref().and_then(|all| all.get(*index));
                aggregate.is_some_and(|aggregate| match (aggregate.function, &aggregate.arg) {
                    (F::CountStar, _) => true,
                    (F::Count | F::CountDistinct, Some(arg)) => !arg.nullable,
                    _ => false,
                })
            }
            ExprKind::Cast { expr, .. } => expr.ty == Type::Int64 && self.counts_each_row(expr),
            _ => false,
        }
    }

    /// `a / b > 100` right after the division: the comparison and its constant.
    fn compared_with(&self, span: Span) -> Option<(String, String)> {
        let text = self.text.as_str();
        let end = (0..=text.len()).find(|at| self.text.span_of(*at, *at).start >= span.end)?;
        let rest = text.get(end..)?.trim_start();
        let operator = [">=", "<=", ">", "<"].into_iter().find(|op| rest.starts_with(op))?;
        let rest = rest.get(operator.len()..)?.trim_start();
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number = rest.get(..digits).filter(|n| !n.is_empty())?;
        Some((operator.to_owned(), number.to_owned()))
    }
}

fn is_null_if_zero(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { function, args } if function.id == Id::NullIf => {
            args.get(1).is_some_and(|zero| constant(zero) == Some(0.0))
        }
        ExprKind::Cast { expr, .. } => is_null_if_zero(expr),
        _ => false,
    }
}

/// `GREATEST(x, 1)`.
fn is_above_zero(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { function, args } if function.id == Id::Greatest => {
            args.iter().any(|arg| constant(arg).is_some_and(|bound| bound > 0.0) || is_above_zero(arg))
        }
        ExprKind::Cast { expr, .. } => expr.ty == Type::Int64 && is_above_zero(expr),
        _ => false,
    }
}

/// The value of an expression over literals, near enough to tell zero from the rest.
fn constant(expr: &Expr) -> Option<f64> {
    match &expr.kind {
        ExprKind::Literal(Value::Int64(i)) => {
            Some(if *i == 0 { 0.0 } else { 1.0f64.copysign(if *i < 0 { -1.0 } else { 1.0 }) })
        }
        ExprKind::Literal(Value::Float64(f)) => Some(*f),
        ExprKind::Cast { expr, safe: false } => constant(expr).filter(|_| expr.ty == Type::Int64),
        ExprKind::Call { function, args } => match (function.id, args.as_slice()) {
            (Id::Negate, [a]) => constant(a).map(|a| -a),
            (Id::Multiply, [a, b]) => Some(constant(a)? * constant(b)?)
                .filter(|p| *p != 0.0 || (constant(a) == Some(0.0) || constant(b) == Some(0.0))),
            _ => None,
        },
        _ => None,
    }
}
