//! Matches by number: REGEXP_EXTRACT with a position and an occurrence, and REGEXP_INSTR.
//!
//! The pattern matches one character at least: binding refuses others.

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, StringArray};
use regex::Regex;

use crate::target::datafusion::input::{Cells, Inputs};
use crate::target::datafusion::kernel_expr::Kernel;

use super::kernel;

/// Half-open, in bytes.
type Range = (usize, usize);

pub(super) fn extract(regex: Regex, group: usize) -> Option<Kernel> {
    kernel(move |inputs| {
        let (values, patterns) = (inputs.cells::<StringArray>(0)?, inputs.cells::<StringArray>(1)?);
        let numbers = Numbers::new(inputs)?;
        let rows = (0..inputs.rows).map(|row| {
            let (Some(value), Some(_), Some([position, number])) =
                (values.get(row), patterns.get(row), numbers.get(row))
            else {
                return Ok(None);
            };
            let found = find(&regex, group, value, position, number)?;
            Ok(found.and_then(|(start, end)| value.get(start..end)))
        });
        Ok(Arc::new(rows.collect::<Result<StringArray, String>>()?))
    })
}

pub(super) fn instr(regex: Regex, group: usize) -> Option<Kernel> {
    kernel(move |inputs| {
        let (values, patterns) = (inputs.cells::<StringArray>(0)?, inputs.cells::<StringArray>(1)?);
        let (numbers, ends) = (Numbers::new(inputs)?, inputs.optional::<Int64Array>(4)?);
        let rows = (0..inputs.rows).map(|row| {
            let end = ends.as_ref().map_or(Some(0), |ends| ends.get(row));
            let (Some(value), Some(_), Some([position, number]), Some(end)) =
                (values.get(row), patterns.get(row), numbers.get(row), end)
            else {
                return Ok(None);
            };
            if !(0..=1).contains(&end) {
                return Err("the last argument is 0 or 1".to_owned());
            }
            let found = find(&regex, group, value, position, number)?;
            let at = found.and_then(|(start, behind)| value.get(..if end == 1 { behind } else { start }));
            Ok(Some(at.and_then(|before| i64::try_from(before.chars().count() + 1).ok()).unwrap_or(0)))
        });
        Ok(Arc::new(rows.collect::<Result<Int64Array, String>>()?))
    })
}

/// Position and occurrence of each row, 1 where they are left out.
struct Numbers<'a> {
    positions: Option<Cells<'a, Int64Array>>,
    occurrences: Option<Cells<'a, Int64Array>>,
}

impl<'a> Numbers<'a> {
    fn new(inputs: &'a Inputs) -> Result<Self, String> {
        Ok(Self { positions: inputs.optional(2)?, occurrences: inputs.optional(3)? })
    }

    /// `None` where one is NULL.
    fn get(&self, row: usize) -> Option<[i64; 2]> {
        let of = |cells: &Option<Cells<'a, Int64Array>>| cells.as_ref().map_or(Some(1), |cells| cells.get(row));
        Some([of(&self.positions)?, of(&self.occurrences)?])
    }
}

/// Where a match, or its group, stands. The text begins anew at the position.
fn find(regex: &Regex, group: usize, value: &str, position: i64, number: i64) -> Result<Option<Range>, String> {
    if position <= 0 {
        return Err(format!("the position {position} is not positive"));
    }
    if number <= 0 {
        return Err(format!("the occurrence {number} is not positive"));
    }
    let skipped = usize::try_from(position - 1).unwrap_or(usize::MAX);
    let Some((from, _)) = value.char_indices().nth(skipped) else { return Ok(None) };
    let text = value.get(from..).unwrap_or_default();
    let nth = usize::try_from(number - 1).unwrap_or(usize::MAX);
    let found = regex.captures_iter(text).nth(nth).and_then(|captures| captures.get(group));
    Ok(found.map(|found| (from + found.start(), from + found.end())))
}
