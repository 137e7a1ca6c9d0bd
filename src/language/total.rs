//! Which expressions have a value for every row: what cannot fail needs no second try, row by row.

use crate::record::{Type, Value};

use super::function::{Function, Id};
use super::tree::{Expr, ExprKind};

/// Larger than every INT64.
const INT64: f64 = 9.3e18;
/// Far from where a FLOAT64 overflows, whatever is lost by rounding.
const LARGEST: f64 = 1e300;
/// No logarithm of a FLOAT64 is larger.
const LOGARITHM: f64 = 1e3;
/// What something is divided by is no smaller.
const SMALLEST: f64 = 1e-100;

/// May a call have no value for some arguments?
fn call_can_fail(function: &Function, args: &[Expr]) -> bool {
    match function.id {
        // The smallest INT64 has no counterpart.
        Id::Div => !matches!(args.get(1).map(|by| &by.kind), Some(ExprKind::Literal(Value::Int64(by))) if *by != -1),
        // A position may be before the text.
        Id::RegexpExtract | Id::RegexpInstr => args.len() > 2,
        Id::ParseTimestamp | Id::ParseDate => true,
        _ => function.can_fail(),
    }
}

/// Has a type a value for each value of the other?
fn has_all(to: Type, from: Type) -> bool {
    to == from
        || matches!(
            (from, to),
            (Type::Int64, Type::Float64 | Type::String)
                | (Type::Bool, Type::Int64 | Type::String)
                | (Type::Date, Type::String)
        )
}

impl Expr {
    /// May it have no value for some row?
    pub fn can_fail(&self) -> bool {
        let own = match &self.kind {
            ExprKind::Call { function, args } => call_can_fail(function, args) && self.magnitude().is_none(),
            ExprKind::Cast { expr, safe } => !safe && !has_all(self.ty, expr.ty),
            // NULL where the call has none.
            ExprKind::Safe(call) => return call.children_can_fail(),
            _ => false,
        };
        own || self.children_can_fail()
    }

    fn children_can_fail(&self) -> bool {
        let mut fails = false;
        self.kind.each_child(&mut |child| fails |= child.can_fail());
        fails
    }

    /// The most that a FLOAT64 of arithmetic over INT64 and constants can be, on either side of zero, where that is known and far
    /// from what it can hold.
    fn magnitude(&self) -> Option<f64> {
        if self.ty != Type::Float64 {
            return None;
        }
        let most = match &self.kind {
            ExprKind::Literal(Value::Float64(value)) => value.abs(),
            ExprKind::Cast { expr, .. } => expr.operand()?,
            ExprKind::Call { function, args } => match (function.id, args.as_slice()) {
                (Id::Add | Id::Subtract, [a, b]) => a.operand()? + b.operand()?,
                (Id::Multiply, [a, b]) => a.operand()? * b.operand()?,
                (Id::Divide, [a, b]) => a.operand()? / b.at_least().filter(|least| *least >= SMALLEST)?,
                (Id::Negate, [a]) => a.operand()?,
                (Id::Ln | Id::Log10, [a]) if a.is_positive() => LOGARITHM,
                _ => return None,
            },
            _ => return None,
        };
        (most <= LARGEST).then_some(most)
    }

    fn operand(&self) -> Option<f64> {
        if self.ty == Type::Int64 { Some(INT64) } else { self.magnitude() }
    }

    /// Is it above zero, NULL or NaN?
    fn is_positive(&self) -> bool {
        match &self.kind {
            ExprKind::Literal(Value::Int64(value)) => *value > 0,
            ExprKind::Literal(Value::Float64(value)) => *value > 0.0,
            ExprKind::Cast { expr, .. } => expr.ty == Type::Int64 && expr.is_positive(),
            ExprKind::Call { function, args } => function.id == Id::Greatest && args.iter().any(Self::is_positive),
            _ => false,
        }
    }

    /// How far a constant is from zero.
    fn at_least(&self) -> Option<f64> {
        match &self.kind {
            #[expect(clippy::cast_precision_loss, reason = "how far from zero, roughly")]
            ExprKind::Literal(Value::Int64(value)) => Some((*value as f64).abs()),
            ExprKind::Literal(Value::Float64(value)) => Some(value.abs()),
            ExprKind::Cast { expr, .. } => expr.at_least(),
            _ => None,
        }
    }
}
