//! LPAD, RPAD and REPEAT: results whose length an argument says, which is bounded.

use std::sync::Arc;

use datafusion::arrow::array::{BinaryArray, Int64Array, StringArray};

use crate::language::function::Id;
use crate::record::Type;
use crate::target::datafusion::input::Inputs;
use crate::target::datafusion::kernel_expr::Kernel;

use super::{Computed, RESULT_BYTES_MAX, kernel};

fn too_large() -> String {
    format!("the result would exceed {RESULT_BYTES_MAX} bytes")
}

fn count(value: i64, what: &str) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| format!("the {what} {value} is negative"))
}

pub(super) fn of(id: Id, ty: Type) -> Option<Kernel> {
    if id == Id::Repeat { repeat(ty) } else { pad(id, ty) }
}

fn repeat(ty: Type) -> Option<Kernel> {
    fn times(length: usize, value: i64) -> Result<usize, String> {
        let times = count(value, "count")?;
        if length == 0 {
            return Ok(0);
        }
        if length.saturating_mul(times) > RESULT_BYTES_MAX { Err(too_large()) } else { Ok(times) }
    }
    if ty == Type::Bytes {
        return kernel(|inputs| {
            inputs.binary::<BinaryArray, Int64Array, Vec<u8>, BinaryArray>(|value, n| {
                Ok(Some(value.repeat(times(value.len(), n)?)))
            })
        });
    }
    kernel(|inputs| {
        inputs.binary::<StringArray, Int64Array, String, StringArray>(|value, n| {
            Ok(Some(value.repeat(times(value.len(), n)?)))
        })
    })
}

/// LPAD and RPAD.
fn pad(id: Id, ty: Type) -> Option<Kernel> {
    let left = id == Id::LPad;
    if ty == Type::Bytes { kernel(move |inputs| bytes(inputs, left)) } else { kernel(move |inputs| text(inputs, left)) }
}

fn text(inputs: &Inputs, left: bool) -> Computed {
    let (values, sizes) = (inputs.cells::<StringArray>(0)?, inputs.cells::<Int64Array>(1)?);
    let fills = inputs.optional::<StringArray>(2)?;
    let rows = (0..inputs.rows).map(|row| {
        let fill = fills.as_ref().map_or(Some(" "), |fills| fills.get(row));
        let (Some(value), Some(size), Some(fill)) = (values.get(row), sizes.get(row), fill) else { return Ok(None) };
        let size = checked_size(size, fill.is_empty())?;
        let missing = size.saturating_sub(value.chars().count());
        if missing == 0 {
            return Ok(Some(value.chars().take(size).collect()));
        }
        let padding: String = fill.chars().cycle().take(missing).collect();
        if padding.len() + value.len() > RESULT_BYTES_MAX {
            return Err(too_large());
        }
        Ok(Some(if left { padding + value } else { value.to_owned() + &padding }))
    });
    Ok(Arc::new(rows.collect::<Result<StringArray, String>>()?))
}

fn bytes(inputs: &Inputs, left: bool) -> Computed {
    let (values, sizes) = (inputs.cells::<BinaryArray>(0)?, inputs.cells::<Int64Array>(1)?);
    let fills = inputs.optional::<BinaryArray>(2)?;
    let rows = (0..inputs.rows).map(|row| {
        let fill = fills.as_ref().map_or(Some(b" ".as_slice()), |fills| fills.get(row));
        let (Some(value), Some(size), Some(fill)) = (values.get(row), sizes.get(row), fill) else { return Ok(None) };
        let size = checked_size(size, fill.is_empty())?;
        let missing = size.saturating_sub(value.len());
        let padding: Vec<u8> = fill.iter().copied().cycle().take(missing).collect();
        let value = value.get(..size.min(value.len())).unwrap_or_default();
        Ok(Some(if left { [padding.as_slice(), value].concat() } else { [value, padding.as_slice()].concat() }))
    });
    Ok(Arc::new(rows.collect::<Result<BinaryArray, String>>()?))
}

fn checked_size(size: i64, no_fill: bool) -> Result<usize, String> {
    let size = count(size, "length")?;
    if no_fill {
        return Err("there is nothing to fill with".into());
    }
    if size > RESULT_BYTES_MAX { Err(too_large()) } else { Ok(size) }
}
