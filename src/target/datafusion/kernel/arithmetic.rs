//! Arithmetic that fails, or is NULL, where the result does not fit.

use datafusion::arrow::array::{Array, ArrayRef, Float64Array, Int64Array};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::error::ArrowError;

use crate::language::function::Id;
use crate::record::Type;
use crate::target::datafusion::input::Inputs;
use crate::target::datafusion::kernel_expr::Kernel;

use super::number::finite;
use super::{Computed, kernel};

const OVERFLOW: &str = "the result overflows";

pub(super) fn checked(id: Id, ty: Type) -> Option<Kernel> {
    match (id, ty) {
        (Id::Divide, _) => kernel(|inputs| {
            inputs.binary::<Float64Array, Float64Array, f64, Float64Array>(|a, b| {
                if b == 0.0 {
                    return Err("division by zero".into());
                }
                finite(a / b, &[a, b]).map(Some).ok_or_else(|| OVERFLOW.into())
            })
        }),
        (Id::Negate, Type::Int64) => kernel(|inputs| {
            inputs.unary::<Int64Array, i64, Int64Array>(|a| a.checked_neg().map(Some).ok_or_else(|| OVERFLOW.into()))
        }),
        (Id::Negate, _) => kernel(|inputs| inputs.unary::<Float64Array, f64, Float64Array>(|a| Ok(Some(-a)))),
        (_, Type::Int64) => kernel(move |inputs| ints(id, inputs)),
        _ => kernel(move |inputs| floats(id, inputs)),
    }
}

/// Arrow's kernels check for overflow and run over whole arrays.
fn ints(id: Id, inputs: &Inputs) -> Computed {
    let (a, b) = (inputs.input(0)?, inputs.input(1)?);
    let result = match id {
        Id::Add => numeric::add(a, b),
        Id::Subtract => numeric::sub(a, b),
        _ => numeric::mul(a, b),
    };
    result.map_err(|error| match error {
        ArrowError::ArithmeticOverflow(_) => OVERFLOW.to_owned(),
        other => other.to_string(),
    })
}

fn floats(id: Id, inputs: &Inputs) -> Computed {
    let (a, b) = (inputs.input(0)?, inputs.input(1)?);
    let result = match id {
        Id::Add => numeric::add(a, b),
        Id::Subtract => numeric::sub(a, b),
        _ => numeric::mul(a, b),
    };
    let result = result.map_err(|e| e.to_string())?;
    let values = result.as_any().downcast_ref::<Float64Array>().ok_or("not FLOAT64")?;
    // Infinity from infinite arguments is right, so only then are the rows looked at one by one.
    if values.values().iter().any(|v| !v.is_finite()) {
        refuse_overflow(values, inputs)?;
    }
    Ok(result)
}

fn refuse_overflow(values: &Float64Array, inputs: &Inputs) -> Result<(), String> {
    let (a, b) = (inputs.cells::<Float64Array>(0)?, inputs.cells::<Float64Array>(1)?);
    for row in 0..values.len() {
        if let (Some(a), Some(b), false) = (a.get(row), b.get(row), values.is_null(row))
            && finite(values.value(row), &[a, b]).is_none()
        {
            return Err(OVERFLOW.into());
        }
    }
    Ok(())
}

pub(super) fn safe(id: Id, ty: Type) -> Option<Kernel> {
    match (id, ty) {
        (Id::SafeNegate, Type::Int64) => {
            kernel(|inputs| inputs.unary::<Int64Array, i64, Int64Array>(|a| Ok(a.checked_neg())))
        }
        (Id::SafeNegate, _) => kernel(|inputs| inputs.unary::<Float64Array, f64, Float64Array>(|a| Ok(Some(-a)))),
        (Id::SafeDivide, _) => kernel(|inputs| {
            inputs.binary::<Float64Array, Float64Array, f64, Float64Array>(|a, b| {
                Ok(if b == 0.0 { None } else { finite(a / b, &[a, b]) })
            })
        }),
        (_, Type::Int64) => kernel(move |inputs| {
            inputs.binary::<Int64Array, Int64Array, i64, Int64Array>(|a, b| {
                Ok(match id {
                    Id::SafeAdd => a.checked_add(b),
                    Id::SafeSubtract => a.checked_sub(b),
                    _ => a.checked_mul(b),
                })
            })
        }),
        _ => kernel(move |inputs| {
            inputs.binary::<Float64Array, Float64Array, f64, Float64Array>(|a, b| {
                let result = match id {
                    Id::SafeAdd => a + b,
                    Id::SafeSubtract => a - b,
                    _ => a * b,
                };
                Ok(finite(result, &[a, b]))
            })
        }),
    }
}

/// DIV and MOD.
pub(super) fn whole(id: Id) -> Option<Kernel> {
    kernel(move |inputs| -> Result<ArrayRef, String> {
        inputs.binary::<Int64Array, Int64Array, i64, Int64Array>(|a, b| {
            if b == 0 {
                return Err("division by zero".into());
            }
            if id == Id::Mod {
                return Ok(Some(a.wrapping_rem(b)));
            }
            a.checked_div(b).map(Some).ok_or_else(|| OVERFLOW.into())
        })
    })
}
