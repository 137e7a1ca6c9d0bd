//! Strings. Positions count characters of STRING and bytes of BYTES.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{BinaryArray, BinaryBuilder, BooleanArray, Int64Array, StringArray, StringBuilder};

use crate::language::function::Id;
use crate::record::Type;
use crate::target::datafusion::input::Inputs;
use crate::target::datafusion::kernel_expr::Kernel;

use super::{Computed, RESULT_BYTES_MAX, kernel};

fn int(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

pub(super) fn concat(ty: Type) -> Option<Kernel> {
    if ty == Type::Bytes {
        return kernel(|inputs| {
            let parts =
                (0..inputs.columns.len()).map(|i| inputs.cells::<BinaryArray>(i)).collect::<Result<Vec<_>, _>>()?;
            let mut out = BinaryBuilder::new();
            let mut row_bytes = Vec::new();
            for row in 0..inputs.rows {
                row_bytes.clear();
                let whole = parts.iter().all(|p| p.get(row).map(|b| row_bytes.extend_from_slice(b)).is_some());
                out.append_option(whole.then_some(&row_bytes));
            }
            Ok(Arc::new(out.finish()))
        });
    }
    kernel(|inputs| {
        let parts = (0..inputs.columns.len()).map(|i| inputs.cells::<StringArray>(i)).collect::<Result<Vec<_>, _>>()?;
        let mut out = StringBuilder::new();
        let mut joined = String::new();
        for row in 0..inputs.rows {
            joined.clear();
            let whole = parts.iter().all(|p| p.get(row).map(|s| joined.push_str(s)).is_some());
            out.append_option(whole.then_some(&joined));
        }
        Ok(Arc::new(out.finish()))
    })
}

pub(super) fn length(id: Id, ty: Type) -> Option<Kernel> {
    if ty == Type::Bytes {
        return kernel(|inputs| inputs.unary::<BinaryArray, i64, Int64Array>(|b| Ok(Some(int(b.len())))));
    }
    if id == Id::ByteLength {
        return kernel(|inputs| inputs.unary::<StringArray, i64, Int64Array>(|s| Ok(Some(int(s.len())))));
    }
    kernel(|inputs| inputs.unary::<StringArray, i64, Int64Array>(|s| Ok(Some(int(s.chars().count())))))
}

/// LOWER, UPPER and REVERSE.
pub(super) fn transform(id: Id, ty: Type) -> Option<Kernel> {
    if ty == Type::Bytes {
        return kernel(|inputs| {
            inputs.unary::<BinaryArray, Vec<u8>, BinaryArray>(|b| Ok(Some(b.iter().rev().copied().collect())))
        });
    }
    kernel(move |inputs| {
        inputs.unary::<StringArray, Cow<'_, str>, StringArray>(|s| {
            Ok(Some(match id {
                Id::Lower if !s.bytes().any(|b| b.is_ascii_uppercase() || !b.is_ascii()) => Cow::Borrowed(s),
                Id::Upper if !s.bytes().any(|b| b.is_ascii_lowercase() || !b.is_ascii()) => Cow::Borrowed(s),
                Id::Lower => Cow::Owned(s.to_lowercase()),
                Id::Upper => Cow::Owned(s.to_uppercase()),
                _ => Cow::Owned(s.chars().rev().collect()),
            }))
        })
    })
}

pub(super) fn trim(id: Id) -> Option<Kernel> {
    kernel(move |inputs| {
        if inputs.columns.len() < 2 {
            return inputs.unary::<StringArray, &str, StringArray>(|s| Ok(Some(strip(id, s, char::is_whitespace))));
        }
        inputs
            .binary::<StringArray, StringArray, &str, StringArray>(|s, set| Ok(Some(strip(id, s, |c| set.contains(c)))))
    })
}

fn strip(id: Id, s: &str, drop: impl Fn(char) -> bool) -> &str {
    match id {
        Id::LTrim => s.trim_start_matches(drop),
        Id::RTrim => s.trim_end_matches(drop),
        _ => s.trim_start_matches(&drop).trim_end_matches(&drop),
    }
}

/// The half-open range of positions that SUBSTR takes from `count` of them.
fn range(count: usize, position: i64, length: Option<i64>) -> Result<(usize, usize), String> {
    let total = int(count);
    let start = match position {
        0 => 0,
        p if p > 0 => (p - 1).min(total),
        p => total.saturating_add(p).max(0),
    };
    let end = match length {
        Some(length) if length < 0 => return Err(format!("the length {length} is negative")),
        Some(length) => start.saturating_add(length).min(total),
        None => total,
    };
    let bound = |at: i64| usize::try_from(at).unwrap_or(0);
    Ok((bound(start), bound(end)))
}

/// The characters `start..end`.
fn slice(s: &str, start: usize, end: usize) -> &str {
    if s.is_ascii() {
        return s.get(start..end).unwrap_or_default();
    }
    let mut places = s.char_indices().map(|(at, _)| at).chain([s.len()]);
    let from = places.nth(start).unwrap_or(s.len());
    let to = if end > start { places.nth(end - start - 1).unwrap_or(s.len()) } else { from };
    s.get(from..to).unwrap_or_default()
}

fn char_count(s: &str) -> usize {
    if s.is_ascii() { s.len() } else { s.chars().count() }
}

pub(super) fn substr(ty: Type) -> Option<Kernel> {
    if ty == Type::Bytes {
        return kernel(|inputs| {
            let (values, starts) = (inputs.cells::<BinaryArray>(0)?, inputs.cells::<Int64Array>(1)?);
            let lengths = if inputs.columns.len() > 2 { Some(inputs.cells::<Int64Array>(2)?) } else { None };
            let rows = (0..inputs.rows).map(|row| {
                let (Some(value), Some(start)) = (values.get(row), starts.get(row)) else { return Ok(None) };
                let length = match &lengths {
                    Some(lengths) => match lengths.get(row) {
                        Some(length) => Some(length),
                        None => return Ok(None),
                    },
                    None => None,
                };
                let (from, to) = range(value.len(), start, length)?;
                Ok(value.get(from..to))
            });
            Ok(Arc::new(rows.collect::<Result<BinaryArray, String>>()?))
        });
    }
    kernel(|inputs| {
        let (values, starts) = (inputs.cells::<StringArray>(0)?, inputs.cells::<Int64Array>(1)?);
        let lengths = if inputs.columns.len() > 2 { Some(inputs.cells::<Int64Array>(2)?) } else { None };
        let rows = (0..inputs.rows).map(|row| {
            let (Some(value), Some(start)) = (values.get(row), starts.get(row)) else { return Ok(None) };
            let length = match &lengths {
                Some(lengths) => match lengths.get(row) {
                    Some(length) => Some(length),
                    None => return Ok(None),
                },
                None => None,
            };
            let (from, to) = range(char_count(value), start, length)?;
            Ok(Some(slice(value, from, to)))
        });
        Ok(Arc::new(rows.collect::<Result<StringArray, String>>()?))
    })
}

/// LEFT and RIGHT.
pub(super) fn end(left: bool, ty: Type) -> Option<Kernel> {
    let bounds = move |count: usize, length: i64| -> Result<(usize, usize), String> {
        let length = usize::try_from(length).map_err(|_| format!("the length {length} is negative"))?.min(count);
        Ok(if left { (0, length) } else { (count - length, count) })
    };
    if ty == Type::Bytes {
        return kernel(move |inputs| {
            inputs.binary::<BinaryArray, Int64Array, &[u8], BinaryArray>(|value, length| {
                let (from, to) = bounds(value.len(), length)?;
                Ok(value.get(from..to))
            })
        });
    }
    kernel(move |inputs| {
        inputs.binary::<StringArray, Int64Array, &str, StringArray>(|value, length| {
            let (from, to) = bounds(char_count(value), length)?;
            Ok(Some(slice(value, from, to)))
        })
    })
}

/// STARTS_WITH, ENDS_WITH and STRPOS.
pub(super) fn find(id: Id, ty: Type) -> Option<Kernel> {
    match (id, ty) {
        (Id::StrPos, Type::Bytes) => kernel(|inputs| {
            inputs.binary::<BinaryArray, BinaryArray, i64, Int64Array>(|value, part| {
                Ok(Some(memchr::memmem::find(value, part).map_or(0, |at| int(at) + 1)))
            })
        }),
        (Id::StrPos, _) => kernel(|inputs| {
            inputs.binary::<StringArray, StringArray, i64, Int64Array>(|value, part| {
                let at = value.find(part).and_then(|at| value.get(..at));
                Ok(Some(at.map_or(0, |before| int(char_count(before)) + 1)))
            })
        }),
        (_, Type::Bytes) => kernel(move |inputs| {
            inputs.binary::<BinaryArray, BinaryArray, bool, BooleanArray>(|value, part| {
                Ok(Some(if id == Id::StartsWith { value.starts_with(part) } else { value.ends_with(part) }))
            })
        }),
        _ => kernel(move |inputs| {
            inputs.binary::<StringArray, StringArray, bool, BooleanArray>(|value, part| {
                Ok(Some(if id == Id::StartsWith { value.starts_with(part) } else { value.ends_with(part) }))
            })
        }),
    }
}

pub(super) fn replace(inputs: &Inputs) -> Computed {
    let values = inputs.cells::<StringArray>(0)?;
    let (parts, others) = (inputs.cells::<StringArray>(1)?, inputs.cells::<StringArray>(2)?);
    let rows = (0..inputs.rows).map(|row| {
        let (Some(value), Some(part), Some(other)) = (values.get(row), parts.get(row), others.get(row)) else {
            return Ok(None);
        };
        // Nothing to look for is found nowhere.
        if part.is_empty() {
            return Ok(Some(Cow::Borrowed(value)));
        }
        if value.len() / part.len() * other.len() > RESULT_BYTES_MAX {
            return Err(format!("the result would exceed {RESULT_BYTES_MAX} bytes"));
        }
        Ok(Some(if value.contains(part) { Cow::Owned(value.replace(part, other)) } else { Cow::Borrowed(value) }))
    });
    Ok(Arc::new(rows.collect::<Result<StringArray, String>>()?))
}

pub(super) fn split_part(inputs: &Inputs) -> Computed {
    let (values, delimiters) = (inputs.cells::<StringArray>(0)?, inputs.cells::<StringArray>(1)?);
    let offsets = inputs.cells::<Int64Array>(2)?;
    let rows = (0..inputs.rows).map(|row| {
        let (value, delimiter) = (values.get(row)?, delimiters.get(row)?);
        let offset = usize::try_from(offsets.get(row)?).ok()?;
        if delimiter.is_empty() {
            // An empty delimiter parts all characters.
            return match slice(value, offset, offset.saturating_add(1)) {
                "" if offset > 0 || !value.is_empty() => None,
                part => Some(part),
            };
        }
        value.split(delimiter).nth(offset)
    });
    Ok(Arc::new(rows.collect::<StringArray>()))
}
