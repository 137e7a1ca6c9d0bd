//! CAST and SAFE_CAST.

use datafusion::arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};

use crate::language::instant::{MICROS_PER_DAY, date_text, parse_date, parse_timestamp, timestamp_text};
use crate::record::{Type, float_text};
use crate::target::datafusion::kernel_expr::Kernel;

use super::hexadecimal;
use super::kernel;
use super::number::{float, round_to_int};

/// The kernel of a cast; `None` where GoogleSQL has none.
pub(in crate::target::datafusion) fn cast(from: Type, to: Type, safe: bool) -> Option<Kernel> {
    match (from, to) {
        (Type::String, _) => from_string(to, safe),
        (_, Type::String) => to_string(from, safe),
        (Type::Int64, Type::Float64) => {
            kernel(|inputs| inputs.unary::<Int64Array, f64, Float64Array>(|i| Ok(Some(float(i)))))
        }
        (Type::Int64, Type::Bool) => {
            kernel(|inputs| inputs.unary::<Int64Array, bool, BooleanArray>(|i| Ok(Some(i != 0))))
        }
        (Type::Bool, Type::Int64) => {
            kernel(|inputs| inputs.unary::<BooleanArray, i64, Int64Array>(|b| Ok(Some(i64::from(b)))))
        }
        (Type::Float64, Type::Int64) => kernel(move |inputs| {
            inputs.unary::<Float64Array, i64, Int64Array>(|f| {
                checked(round_to_int(f), safe, || format!("{f} is out of INT64's range"))
            })
        }),
        (Type::Timestamp, Type::Date) => kernel(|inputs| {
            inputs.unary::<TimestampMicrosecondArray, i32, Date32Array>(|t| {
                Ok(i32::try_from(t.div_euclid(MICROS_PER_DAY)).ok())
            })
        }),
        (Type::Date, Type::Timestamp) => kernel(|inputs| {
            inputs.unary::<Date32Array, i64, TimestampMicrosecondArray>(|d| Ok(Some(i64::from(d) * MICROS_PER_DAY)))
        }),
        _ => None,
    }
}

fn checked<T>(value: Option<T>, safe: bool, message: impl Fn() -> String) -> Result<Option<T>, String> {
    if value.is_none() && !safe { Err(message()) } else { Ok(value) }
}

fn bad(text: &str, ty: Type) -> String {
    const SHOWN_CHARS_MAX: usize = 64;
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    format!("'{shown}' is not a {ty}")
}

fn from_string(to: Type, safe: bool) -> Option<Kernel> {
    match to {
        Type::String => None,
        Type::Bytes => kernel(|inputs| inputs.unary::<StringArray, &[u8], BinaryArray>(|s| Ok(Some(s.as_bytes())))),
        Type::Bool => kernel(move |inputs| {
            inputs.unary::<StringArray, bool, BooleanArray>(|s| checked(parse_bool(s), safe, || bad(s, to)))
        }),
        Type::Int64 => kernel(move |inputs| {
            inputs.unary::<StringArray, i64, Int64Array>(|s| checked(parse_int(s), safe, || bad(s, to)))
        }),
        Type::Float64 => kernel(move |inputs| {
            inputs.unary::<StringArray, f64, Float64Array>(|s| checked(parse_float(s), safe, || bad(s, to)))
        }),
        Type::Timestamp => kernel(move |inputs| {
            inputs.unary::<StringArray, i64, TimestampMicrosecondArray>(|s| {
                checked(parse_timestamp(s), safe, || bad(s, to))
            })
        }),
        Type::Date => kernel(move |inputs| {
            inputs.unary::<StringArray, i32, Date32Array>(|s| checked(parse_date(s), safe, || bad(s, to)))
        }),
    }
}

fn to_string(from: Type, safe: bool) -> Option<Kernel> {
    match from {
        Type::String => None,
        Type::Int64 => kernel(|inputs| inputs.unary::<Int64Array, String, StringArray>(|i| Ok(Some(i.to_string())))),
        Type::Bool => kernel(|inputs| {
            inputs.unary::<BooleanArray, &str, StringArray>(|b| Ok(Some(if b { "true" } else { "false" })))
        }),
        Type::Float64 => {
            kernel(|inputs| inputs.unary::<Float64Array, String, StringArray>(|f| Ok(Some(float_text(f)))))
        }
        Type::Bytes => kernel(move |inputs| {
            inputs.unary::<BinaryArray, &str, StringArray>(|b| {
                checked(std::str::from_utf8(b).ok(), safe, || "the bytes are not UTF-8".into())
            })
        }),
        Type::Timestamp => {
            kernel(|inputs| inputs.unary::<TimestampMicrosecondArray, String, StringArray>(|t| Ok(timestamp_text(t))))
        }
        Type::Date => kernel(|inputs| inputs.unary::<Date32Array, String, StringArray>(|d| Ok(date_text(d)))),
    }
}

fn parse_bool(s: &str) -> Option<bool> {
    if s.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    s.eq_ignore_ascii_case("false").then_some(false)
}

/// Decimal or `0x` digits with a sign, spaces around.
fn parse_int(s: &str) -> Option<i64> {
    let s = s.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    let (negative, digits) = match s.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, s.strip_prefix('+').unwrap_or(s)),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

fn parse_float(s: &str) -> Option<f64> {
    let s = s.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    let (sign, digits) = match s.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, s.strip_prefix('+').unwrap_or(s)),
    };
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => hexadecimal::parse(hex).map(|value| sign * value),
        None => s.parse().ok(),
    }
}
