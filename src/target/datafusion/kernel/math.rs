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

/// Trigonometry, and CBRT. The angle of an infinity's sine is NaN.
pub(super) fn angle(id: Id) -> Option<Kernel> {
    kernel(move |inputs| {
        inputs.unary::<Float64Array, f64, Float64Array>(|a| {
            Ok(Some(match id {
                Id::Sin => a.sin(),
                Id::Cos => a.cos(),
                Id::Tan => a.tan(),
                Id::Asin | Id::Acos if a.is_finite() && a.abs() > 1.0 => return Err(format!("{a} is beyond 1")),
                Id::Asin => a.asin(),
                Id::Acos => a.acos(),
                Id::Atan => a.atan(),
                Id::Sinh => finite(a.sinh(), &[a]).ok_or(OVERFLOW)?,
                Id::Cosh => finite(a.cosh(), &[a]).ok_or(OVERFLOW)?,
                Id::Tanh => a.tanh(),
                _ => a.cbrt(),
            }))
        })
    })
}

/// ATAN2, POW and LOG.
pub(super) fn of_two(id: Id) -> Option<Kernel> {
    match id {
        Id::Atan2 => kernel(atan2),
        Id::Pow => kernel(pow),
        _ => kernel(log),
    }
}

fn atan2(inputs: &Inputs) -> Computed {
    inputs.binary::<Float64Array, Float64Array, f64, Float64Array>(|y, x| Ok(Some(y.atan2(x))))
}

/// The argument of a logarithm; that of -inf is NaN, as GoogleSQL has it.
fn positive(a: f64) -> Result<f64, String> {
    if a <= 0.0 && a.is_finite() { Err(format!("{a} has no logarithm")) } else { Ok(a) }
}

fn pow(inputs: &Inputs) -> Computed {
    inputs.binary::<Float64Array, Float64Array, f64, Float64Array>(|a, b| {
        let result = a.powf(b);
        if result.is_nan() && !a.is_nan() && !b.is_nan() {
            return Err(format!("{a} has no power {b}"));
        }
        finite(result, &[a, b]).map(Some).ok_or_else(|| OVERFLOW.into())
    })
}

fn log(inputs: &Inputs) -> Computed {
    if inputs.columns.len() < 2 {
        return inputs.unary::<Float64Array, f64, Float64Array>(|a| Ok(Some(positive(a)?.ln())));
    }
    inputs.binary::<Float64Array, Float64Array, f64, Float64Array>(|a, base| {
        let undefined = a.is_nan() || base.is_nan() || a == f64::NEG_INFINITY || base.is_infinite();
        if undefined || (a == f64::INFINITY && base <= 0.0) {
            return Ok(Some(f64::NAN));
        }
        if base == 1.0 && a.is_finite() {
            return Err("there is no logarithm to base 1".into());
        }
        Ok(Some(positive(a)?.ln() / positive(base)?.ln()))
    })
}

/// ROUND and TRUNC, with or without digits.
pub(super) fn digits(id: Id, args: usize) -> Option<Kernel> {
    let round = id == Id::Round;
    if args < 2 {
        let cut: fn(f64) -> f64 = if round { f64::round } else { f64::trunc };
        return kernel(move |inputs| inputs.unary::<Float64Array, f64, Float64Array>(|a| Ok(Some(cut(a)))));
    }
    kernel(move |inputs| {
        inputs.binary::<Float64Array, Int64Array, f64, Float64Array>(|a, digits| {
            finite(at_digits(a, digits, round), &[a]).map(Some).ok_or_else(|| OVERFLOW.into())
        })
    })
}

/// Cuts the exact decimal digits of a number, as GoogleSQL does; the nearest FLOAT64 to what is left.
fn at_digits(a: f64, digits: i64, round: bool) -> f64 {
    // Nothing is left of any number, and GoogleSQL does not look at it.
    const DIGITS_MIN: i64 = -308;
    if digits < DIGITS_MIN {
        return 0.0;
    }
    let fraction = fraction_digits(a);
    if !a.is_finite() || digits >= i64::try_from(fraction).unwrap_or(i64::MAX) {
        return a;
    }
    let exact = format!("{:.fraction$}", a.abs());
    let whole = exact.find('.').unwrap_or(exact.len());
    let all: Vec<u8> = exact.bytes().filter(u8::is_ascii_digit).collect();
    let Some(kept) = i64::try_from(whole).ok().and_then(|whole| usize::try_from(whole.checked_add(digits)?).ok())
    else {
        return 0f64.copysign(a);
    };
    let mut left = all[..kept].to_vec();
    if round && all[kept] >= b'5' {
        let carried = left.iter().rposition(|digit| *digit != b'9');
        match carried {
            Some(place) => left[place] += 1,
            None => left.insert(0, b'1'),
        }
        let nines = carried.map_or(1, |place| place + 1);
        left[nines..].fill(b'0');
    }
    let left = String::from_utf8(left).unwrap_or_default();
    let value: f64 = format!("0{left}e{}", -digits).parse().unwrap_or(0.0);
    value.copysign(a)
}

/// How many decimal digits behind the point a number has: as many as binary ones.
fn fraction_digits(a: f64) -> usize {
    const MANTISSA_BITS: u32 = 52;
    const POINT: i64 = 1_075;
    let bits = a.to_bits();
    let exponent = i64::try_from(bits >> MANTISSA_BITS & 0x7ff).unwrap_or(0);
    let mantissa = bits & ((1 << MANTISSA_BITS) - 1) | (u64::from(exponent > 0) << MANTISSA_BITS);
    if mantissa == 0 {
        return 0;
    }
    usize::try_from(POINT - exponent.max(1) - i64::from(mantissa.trailing_zeros())).unwrap_or(0)
}
