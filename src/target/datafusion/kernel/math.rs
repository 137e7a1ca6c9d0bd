//! Mathematics with GoogleSQL's errors outside the domains.

use datafusion::arrow::array::{BooleanArray, Float64Array, Int64Array};

use crate::language::function::Id;
use crate::record::Type;
use crate::target::datafusion::input::Inputs;
use crate::target::datafusion::kernel_expr::Kernel;

use super::number::finite;
use super::{Computed, kernel};

const OVERFLOW: &str = "the result overflows";

/// ABS and SIGN.
pub(super) fn signs(id: Id, ty: Type) -> Option<Kernel> {
    match (id, ty) {
        (Id::Abs, Type::Int64) => kernel(|inputs| {
            inputs.unary::<Int64Array, i64, Int64Array>(|a| a.checked_abs().map(Some).ok_or_else(|| OVERFLOW.into()))
        }),
        (Id::Abs, _) => kernel(|inputs| inputs.unary::<Float64Array, f64, Float64Array>(|a| Ok(Some(a.abs())))),
        (_, Type::Int64) => kernel(|inputs| inputs.unary::<Int64Array, i64, Int64Array>(|a| Ok(Some(a.signum())))),
        _ => kernel(|inputs| {
            inputs.unary::<Float64Array, f64, Float64Array>(|a| {
                Ok(Some(if a == 0.0 || a.is_nan() { a + 0.0 } else { a.signum() }))
            })
        }),
    }
}

pub(super) fn of_one(id: Id) -> Option<Kernel> {
    if matches!(id, Id::IsNan | Id::IsInf) {
        return kernel(move |inputs| {
            inputs.unary::<Float64Array, bool, BooleanArray>(|a| {
                Ok(Some(if id == Id::IsNan { a.is_nan() } else { a.is_infinite() }))
            })
        });
    }
    kernel(move |inputs| {
        inputs.unary::<Float64Array, f64, Float64Array>(|a| {
            Ok(Some(match id {
                Id::Floor => a.floor(),
                Id::Ceil => a.ceil(),
                Id::Sqrt if a < 0.0 => return Err(format!("{a} is negative")),
                Id::Sqrt => a.sqrt(),
                Id::Exp => finite(a.exp(), &[a]).ok_or(OVERFLOW)?,
                Id::Ln => positive(a)?.ln(),
                _ => positive(a)?.log10(),
            }))
        })
    })
}

/// The argument of a logarithm; that of -inf is NaN, as GoogleSQL has it.
fn positive(a: f64) -> Result<f64, String> {
    if a <= 0.0 && a.is_finite() { Err(format!("{a} has no logarithm")) } else { Ok(a) }
}

pub(super) fn pow(inputs: &Inputs) -> Computed {
    inputs.binary::<Float64Array, Float64Array, f64, Float64Array>(|a, b| {
        let result = a.powf(b);
        if result.is_nan() && !a.is_nan() && !b.is_nan() {
            return Err(format!("{a} has no power {b}"));
        }
        finite(result, &[a, b]).map(Some).ok_or_else(|| OVERFLOW.into())
    })
}

pub(super) fn log(inputs: &Inputs) -> Computed {
    if inputs.columns.len() < 2 {
        return inputs.unary::<Float64Array, f64, Float64Array>(|a| Ok(Some(positive(a)?.ln())));
    }
    inputs.binary::<Float64Array, Float64Array, f64, Float64Array>(|a, base| {
        let undefined = a.is_nan() || base.is_nan() || a == f64::NEG_INFINITY || base.is_infinite();
        if undefined || (a == f64::INFINITY && base <= 0.0) {
            return Ok(Some(f64::NAN));
        }
        if base == 1.0 {
            return Err("there is no logarithm to base 1".into());
        }
        Ok(Some(positive(a)?.ln() / positive(base)?.ln()))
    })
}

/// ROUND and TRUNC, with or without digits.
pub(super) fn digits(id: Id, args: usize) -> Option<Kernel> {
    let cut: fn(f64) -> f64 = if id == Id::Round { f64::round } else { f64::trunc };
    if args < 2 {
        return kernel(move |inputs| inputs.unary::<Float64Array, f64, Float64Array>(|a| Ok(Some(cut(a)))));
    }
    kernel(move |inputs| {
        inputs.binary::<Float64Array, Int64Array, f64, Float64Array>(|a, digits| {
            finite(at_digits(a, digits, cut), &[a]).map(Some).ok_or_else(|| OVERFLOW.into())
        })
    })
}

/// More digits than a FLOAT64 has change nothing; so many before the point leave nothing.
const DIGITS_MAX: i64 = 400;

fn at_digits(a: f64, digits: i64, cut: fn(f64) -> f64) -> f64 {
    let digits = i32::try_from(digits.clamp(-DIGITS_MAX, DIGITS_MAX)).unwrap_or(0);
    let scale = 10f64.powi(digits.abs());
    if digits < 0 {
        return if scale.is_finite() { cut(a / scale) * scale } else { 0.0 };
    }
    let scaled = a * scale;
    if !scaled.is_finite() {
        return a;
    }
    // The product rounds; where it landed on a boundary that the exact one does not reach, it is cut below.
    let missing = a.mul_add(scale, -scaled);
    let whole = cut(scaled);
    let boundary = whole != cut(scaled - scaled.signum() * scaled.abs() * f64::EPSILON);
    let whole = if boundary && missing * scaled < 0.0 { whole - scaled.signum() } else { whole };
    whole / scale
}
