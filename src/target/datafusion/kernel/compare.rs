//! Comparisons that DataFusion orders rather than compares, and tests of truth.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, Float64Array};
use datafusion::arrow::compute::kernels::cmp;
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{is_null, not, nullif, or};
use datafusion::arrow::datatypes::DataType;

use crate::language::function::Id;
use crate::record::Type;
use crate::target::datafusion::input::Inputs;
use crate::target::datafusion::kernel_expr::Kernel;

use super::{Computed, kernel};

/// NaN equals nothing, and -0.0 equals 0.0.
pub(super) fn float(id: Id) -> Option<Kernel> {
    kernel(move |inputs| {
        inputs.binary::<Float64Array, Float64Array, bool, BooleanArray>(|a, b| {
            Ok(Some(match id {
                Id::Eq => a == b,
                Id::NotEq => a != b,
                Id::Lt => a < b,
                Id::LtEq => a <= b,
                Id::Gt => a > b,
                _ => a >= b,
            }))
        })
    })
}

/// `IS [NOT] TRUE` and `IS [NOT] FALSE`: never NULL.
pub(super) fn truth(id: Id) -> Option<Kernel> {
    kernel(move |inputs| {
        let values = inputs.cells::<BooleanArray>(0)?;
        let rows = (0..inputs.rows).map(|row| {
            let value = values.get(row);
            Some(match id {
                Id::IsTrue => value == Some(true),
                Id::IsNotTrue => value != Some(true),
                Id::IsFalse => value == Some(false),
                _ => value != Some(false),
            })
        });
        Ok(Arc::new(rows.collect::<BooleanArray>()))
    })
}

/// `IS [NOT] DISTINCT FROM`: never NULL; NaN is like NaN.
pub(super) fn distinct(id: Id, inputs: &Inputs) -> Computed {
    let (a, b) = (inputs.input(0)?, inputs.input(1)?);
    let distinct: BooleanArray = if *a.array.data_type() == DataType::Float64 {
        let (a, b) = (inputs.cells::<Float64Array>(0)?, inputs.cells::<Float64Array>(1)?);
        let rows = (0..inputs.rows).map(|row| match (a.get(row), b.get(row)) {
            (Some(a), Some(b)) => Some(a != b && !(a.is_nan() && b.is_nan())),
            (None, None) => Some(false),
            _ => Some(true),
        });
        rows.collect()
    } else {
        cmp::distinct(a, b).map_err(|e| e.to_string())?
    };
    if id == Id::IsDistinctFrom {
        return Ok(Arc::new(distinct));
    }
    Ok(Arc::new(not(&distinct).map_err(|e| e.to_string())?))
}

pub(super) fn null_if(inputs: &Inputs) -> Computed {
    let (a, b) = (inputs.input(0)?, inputs.input(1)?);
    let left = a.expanded(inputs.rows)?;
    let equal = if *left.data_type() == DataType::Float64 {
        let (a, b) = (inputs.cells::<Float64Array>(0)?, inputs.cells::<Float64Array>(1)?);
        (0..inputs.rows).map(|row| Some(matches!((a.get(row), b.get(row)), (Some(a), Some(b)) if a == b))).collect()
    } else {
        let right = b.expanded(inputs.rows)?;
        cmp::eq(&left, &right).map_err(|e| e.to_string())?
    };
    nullif(&left, &equal).map_err(|e| e.to_string())
}

/// GREATEST and LEAST.
pub(super) fn extreme(greatest: bool, ty: Type) -> Option<Kernel> {
    if ty == Type::Float64 {
        return kernel(move |inputs| fold(inputs, |a, b| extreme_floats(greatest, a, b)));
    }
    kernel(move |inputs| {
        fold(inputs, |a, b| {
            let first = if greatest { cmp::gt_eq(a, b) } else { cmp::lt_eq(a, b) };
            let chosen = zip(&first.map_err(|e| e.to_string())?, a, b).map_err(|e| e.to_string())?;
            let nulls = is_null(a).and_then(|a| or(&a, &is_null(b)?)).map_err(|e| e.to_string())?;
            nullif(&chosen, &nulls).map_err(|e| e.to_string())
        })
    })
}

fn fold(inputs: &Inputs, f: impl Fn(&ArrayRef, &ArrayRef) -> Computed) -> Computed {
    let mut result = inputs.input(0)?.expanded(inputs.rows)?;
    for input in inputs.columns.iter().skip(1) {
        result = f(&result, &input.expanded(inputs.rows)?)?;
    }
    Ok(result)
}

/// NaN wins both.
fn extreme_floats(greatest: bool, a: &ArrayRef, b: &ArrayRef) -> Computed {
    let (Some(a), Some(b)) = (a.as_any().downcast_ref::<Float64Array>(), b.as_any().downcast_ref::<Float64Array>())
    else {
        return Err("not FLOAT64".into());
    };
    let rows = a.iter().zip(b).map(|pair| {
        let (a, b) = (pair.0?, pair.1?);
        Some(if a.is_nan() || b.is_nan() {
            f64::NAN
        } else if (a < b) == greatest && a != b {
            b
        } else {
            a
        })
    });
    Ok(Arc::new(rows.collect::<Float64Array>()))
}
