//! One column of a batch as it grows. A value either becomes of the column's type, exactly,
//! or is refused; a refused row is taken back by [`ColumnBuffer::truncate`].

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, NullBufferBuilder, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::buffer::{BooleanBuffer, Buffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::error::ArrowError;

use super::base64;
use super::decimal::Decimal;
use super::fields::Kind;
use super::flags::{flags_of_number, flags_of_text};
use super::time::{MICROS_PER_DAY, day_of_text, in_range, instant_of_number, instant_of_text};
use super::value::RawValue;

/// The value is not of the column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotOfType;

type Parsed<T> = Result<Option<T>, NotOfType>;

#[derive(Debug)]
enum Values {
    Bool(Vec<bool>),
    Long(Vec<i64>),
    Int(Vec<i32>),
    Double(Vec<f64>),
    /// The end of each value, after a leading 0; and the bytes.
    Bytes(Vec<i32>, Vec<u8>),
}

#[derive(Debug)]
pub(super) struct ColumnBuffer {
    kind: Kind,
    values: Values,
    valid: NullBufferBuilder,
}

impl ColumnBuffer {
    pub(super) fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Bool => Values::Bool(Vec::new()),
            Kind::Int64 | Kind::Flags | Kind::Timestamp(_) => Values::Long(Vec::new()),
            Kind::Date => Values::Int(Vec::new()),
            Kind::Float64 => Values::Double(Vec::new()),
            Kind::String | Kind::Bytes => Values::Bytes(vec![0], Vec::new()),
        };
        Self { kind, values, valid: NullBufferBuilder::new(0) }
    }

    /// Adds a value that has a type: as it is, or through its text.
    fn push_typed(&mut self, value: RawValue<'_>) -> Result<bool, NotOfType> {
        match (&mut self.values, self.kind, value) {
            (Values::Long(longs), Kind::Int64, RawValue::Int(long)) => longs.push(long),
            (Values::Long(longs), Kind::Timestamp(_), RawValue::Instant(micros)) => {
                longs.push(in_range(micros).ok_or(NotOfType)?);
            }
            (Values::Long(longs), Kind::Timestamp(_), RawValue::Day(days)) => {
                longs.push(in_range(i64::from(days) * MICROS_PER_DAY).ok_or(NotOfType)?);
            }
            (Values::Double(doubles), _, RawValue::Double(double)) if double.is_finite() => doubles.push(double),
            (Values::Double(_), _, RawValue::Double(_)) => return self.push(RawValue::Null),
            (Values::Int(all), _, RawValue::Day(days)) => {
                in_range(i64::from(days) * MICROS_PER_DAY).ok_or(NotOfType)?;
                all.push(days);
            }
            (Values::Bytes(ends, bytes), Kind::Bytes, RawValue::Binary(binary)) => {
                let end = i32::try_from(bytes.len() + binary.len()).map_err(|_| NotOfType)?;
                bytes.extend_from_slice(binary);
                ends.push(end);
            }
            (_, _, RawValue::Int(long)) => return self.push(RawValue::Number(long.to_string().as_bytes())),
            (_, _, RawValue::Double(double)) => return self.push(RawValue::Number(double.to_string().as_bytes())),
            _ => return Err(NotOfType),
        }
        self.valid.append_non_null();
        Ok(true)
    }

    /// Adds a value; says whether it is one and not NULL.
    #[inline]
    pub(super) fn push(&mut self, value: RawValue<'_>) -> Result<bool, NotOfType> {
        if value.has_type() {
            return self.push_typed(value);
        }
        let some = match &mut self.values {
            Values::Long(longs) => {
                let parsed = match self.kind {
                    Kind::Flags => flags(value),
                    Kind::Timestamp(epoch) => match value {
                        RawValue::Number(text) => instant_of_number(text, epoch).ok_or(NotOfType).map(Some),
                        _ => of_text(value, |text| instant_of_text(text, epoch)),
                    },
                    _ => int64(value),
                }?;
                longs.push(parsed.unwrap_or_default());
                parsed.is_some()
            }
            Values::Bytes(ends, bytes) => {
                let before = bytes.len();
                let some = if self.kind == Kind::String { string(value, bytes) } else { base64(value, bytes) }?;
                let Ok(end) = i32::try_from(bytes.len()) else {
                    bytes.truncate(before);
                    return Err(NotOfType);
                };
                ends.push(end);
                some
            }
            Values::Double(doubles) => {
                let parsed = float64(value)?;
                doubles.push(parsed.unwrap_or_default());
                parsed.is_some()
            }
            Values::Bool(bools) => {
                let parsed = boolean(value)?;
                bools.push(parsed.unwrap_or_default());
                parsed.is_some()
            }
            Values::Int(days) => {
                let parsed = of_text(value, day_of_text)?;
                days.push(parsed.unwrap_or_default());
                parsed.is_some()
            }
        };
        self.valid.append(some);
        Ok(some)
    }

    /// Keeps the first `rows` rows.
    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Bool(values) => values.truncate(rows),
            Values::Long(values) => values.truncate(rows),
            Values::Int(values) => values.truncate(rows),
            Values::Double(values) => values.truncate(rows),
            Values::Bytes(ends, bytes) => {
                ends.truncate(rows + 1);
                let end = ends.last().and_then(|end| usize::try_from(*end).ok());
                bytes.truncate(end.unwrap_or_default());
            }
        }
        self.valid.truncate(rows);
    }

    /// Takes the rows out; the buffer is empty again.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let fresh = Self::new(self.kind);
        let Self { kind, values, mut valid } = std::mem::replace(self, fresh);
        let nulls = valid.finish();
        Ok(match values {
            Values::Bool(values) => Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)),
            Values::Long(values) => match kind {
                Kind::Timestamp(_) => Arc::new(
                    TimestampMicrosecondArray::try_new(ScalarBuffer::from(values), nulls)?.with_timezone("UTC"),
                ),
                _ => Arc::new(Int64Array::try_new(ScalarBuffer::from(values), nulls)?),
            },
            Values::Int(values) => Arc::new(Date32Array::try_new(ScalarBuffer::from(values), nulls)?),
            Values::Double(values) => Arc::new(Float64Array::try_new(ScalarBuffer::from(values), nulls)?),
            Values::Bytes(ends, bytes) => {
                let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
                let bytes = Buffer::from_vec(bytes);
                match kind {
                    Kind::String => Arc::new(StringArray::try_new(ends, bytes, nulls)?),
                    _ => Arc::new(BinaryArray::try_new(ends, bytes, nulls)?),
                }
            }
        })
    }
}

#[inline]
fn int64(value: RawValue<'_>) -> Parsed<i64> {
    match value {
        RawValue::Number(text) => whole(text).ok_or(NotOfType).map(Some),
        _ => of_text(value, whole),
    }
}

/// Up to eighteen digits at once; the rest by way of [`Decimal`].
#[inline]
fn whole(text: &[u8]) -> Option<i64> {
    if text.len() > 18 {
        return Decimal::parse(text)?.whole();
    }
    let mut value = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Decimal::parse(text)?.whole();
        }
        value = value * 10 + i64::from(digit);
    }
    if text.is_empty() { None } else { Some(value) }
}

fn flags(value: RawValue<'_>) -> Parsed<i64> {
    match value {
        RawValue::Number(text) => flags_of_number(text).ok_or(NotOfType).map(Some),
        RawValue::Nested(serde_json::Value::Array(items)) => {
            let mut flags = 0;
            for item in items {
                flags |= match item {
                    serde_json::Value::String(text) => flags_of_text(text.as_bytes()),
                    serde_json::Value::Number(number) => flags_of_number(number.to_string().as_bytes()),
                    _ => None,
                }
                .ok_or(NotOfType)?;
            }
            Ok(Some(flags))
        }
        _ => of_text(value, flags_of_text),
    }
}

fn float64(value: RawValue<'_>) -> Parsed<f64> {
    let text = match value {
        RawValue::Number(text) | RawValue::Text(text) => text.trim_ascii(),
        RawValue::Null => return Ok(None),
        _ => return Err(NotOfType),
    };
    if text.is_empty() {
        return Ok(None);
    }
    let parsed: f64 = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(NotOfType)?;
    // "NaN" and "inf" say that there is no number; 1e999 is a number that does not fit.
    match (parsed.is_finite(), text.iter().any(u8::is_ascii_digit)) {
        (true, _) => Ok(Some(parsed)),
        (false, true) => Err(NotOfType),
        (false, false) => Ok(None),
    }
}

fn boolean(value: RawValue<'_>) -> Parsed<bool> {
    match value {
        RawValue::Bool(value) => Ok(Some(value)),
        _ => of_text(value, |text| match text {
            text if text.eq_ignore_ascii_case(b"true") => Some(true),
            text if text.eq_ignore_ascii_case(b"false") => Some(false),
            _ => None,
        }),
    }
}

/// Is there a value? Its bytes are appended.
fn string(value: RawValue<'_>, bytes: &mut Vec<u8>) -> Result<bool, NotOfType> {
    match value {
        RawValue::Text(text) | RawValue::Number(text) => {
            bytes.extend_from_slice(text);
            Ok(true)
        }
        RawValue::Null => Ok(false),
        _ => Err(NotOfType),
    }
}

fn base64(value: RawValue<'_>, bytes: &mut Vec<u8>) -> Result<bool, NotOfType> {
    match of_text(value, base64::decode)? {
        Some(decoded) => {
            bytes.extend_from_slice(&decoded);
            Ok(true)
        }
        None => Ok(false),
    }
}

/// Text that is not empty, without blanks around it, read by `parse`. Empty text is NULL.
fn of_text<T>(value: RawValue<'_>, parse: impl Fn(&[u8]) -> Option<T>) -> Parsed<T> {
    match value {
        RawValue::Null => Ok(None),
        RawValue::Text(text) => match text.trim_ascii() {
            [] => Ok(None),
            text => parse(text).ok_or(NotOfType).map(Some),
        },
        _ => Err(NotOfType),
    }
}
