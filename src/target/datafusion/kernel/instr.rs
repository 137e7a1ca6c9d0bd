//! INSTR: where an occurrence of a part stands, from either end.

use std::sync::Arc;

use datafusion::arrow::array::{BinaryArray, Int64Array, StringArray};

use crate::record::Type;
use crate::target::datafusion::input::Inputs;
use crate::target::datafusion::kernel_expr::Kernel;

use super::{Computed, kernel};

pub(super) fn instr(ty: Type) -> Option<Kernel> {
    if ty == Type::Bytes {
        return kernel(|inputs| {
            let (values, parts) = (inputs.cells::<BinaryArray>(0)?, inputs.cells::<BinaryArray>(1)?);
            each(inputs, |row, position, occurrence| {
                let (Some(value), Some(part)) = (values.get(row), parts.get(row)) else { return Ok(None) };
                place(value, part, position, occurrence).map(Some)
            })
        });
    }
    kernel(|inputs| {
        let (values, parts) = (inputs.cells::<StringArray>(0)?, inputs.cells::<StringArray>(1)?);
        each(inputs, |row, position, occurrence| {
            let (Some(value), Some(part)) = (values.get(row), parts.get(row)) else { return Ok(None) };
            if value.is_ascii() {
                return place(value.as_bytes(), part.as_bytes(), position, occurrence).map(Some);
            }
            let (value, part): (Vec<char>, Vec<char>) = (value.chars().collect(), part.chars().collect());
            place(&value, &part, position, occurrence).map(Some)
        })
    })
}

fn each(inputs: &Inputs, place: impl Fn(usize, i64, i64) -> Result<Option<i64>, String>) -> Computed {
    let (positions, occurrences) = (inputs.optional::<Int64Array>(2)?, inputs.optional::<Int64Array>(3)?);
    let rows = (0..inputs.rows).map(|row| {
        let position = positions.as_ref().map_or(Some(1), |cells| cells.get(row));
        let occurrence = occurrences.as_ref().map_or(Some(1), |cells| cells.get(row));
        match (position, occurrence) {
            (Some(position), Some(occurrence)) => place(row, position, occurrence),
            _ => Ok(None),
        }
    });
    Ok(Arc::new(rows.collect::<Result<Int64Array, String>>()?))
}

fn place<T: PartialEq>(value: &[T], part: &[T], position: i64, occurrence: i64) -> Result<i64, String> {
    if position == 0 {
        return Err("the position is 0".into());
    }
    if occurrence <= 0 {
        return Err(format!("the occurrence {occurrence} is not positive"));
    }
    let Some(last) = value.len().checked_sub(part.len()) else { return Ok(0) };
    let matches = |at: &usize| value.get(*at..at + part.len()) == Some(part);
    let skipped = usize::try_from(occurrence - 1).unwrap_or(usize::MAX);
    let distance = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
    let found = if position > 0 {
        (distance - 1..=last).filter(matches).nth(skipped)
    } else {
        // Nothing stands behind the last character too.
        let from = (value.len() + usize::from(part.is_empty())).checked_sub(distance);
        from.and_then(|from| (0..=from.min(last)).rev().filter(matches).nth(skipped))
    };
    Ok(found.and_then(|at| i64::try_from(at + 1).ok()).unwrap_or(0))
}
