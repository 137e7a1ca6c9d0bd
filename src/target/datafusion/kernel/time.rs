//! Timestamps and dates, in UTC.

use chrono::{Datelike, NaiveDate};
use datafusion::arrow::array::{Date32Array, Int64Array, TimestampMicrosecondArray};

use crate::language::function::Id;
use crate::language::instant::{DATE_MAX, DATE_MIN, MICROS_PER_DAY, date_of, days_of, timestamp_in_range};
use crate::language::tree::{Expr, ExprKind};
use crate::record::time::MICROS_PER_SECOND;
use crate::record::{Type, Value};
use crate::target::datafusion::LowerError;
use crate::target::datafusion::kernel_expr::Kernel;

use super::{Computed, kernel};

const OUT_OF_RANGE: &str = "the time is not within the years 1 to 9999";

/// Functions whose last argument is a part, known when lowering.
pub(super) fn with_part(id: Id, ty: Type, args: &[Expr]) -> Result<Kernel, LowerError> {
    let part = match args.last().map(|a| &a.kind) {
        Some(ExprKind::Literal(Value::String(part))) => part.clone(),
        _ => return Err(LowerError::Arguments("a time function")),
    };
    let kernel = match id {
        Id::TimestampTrunc => kernel(move |inputs| {
            inputs.unary::<TimestampMicrosecondArray, i64, TimestampMicrosecondArray>(|t| truncate(t, &part).map(Some))
        }),
        Id::Extract if ty == Type::Date => kernel(move |inputs| {
            inputs.unary::<Date32Array, i64, Int64Array>(|d| extract(i64::from(d) * MICROS_PER_DAY, &part).map(Some))
        }),
        Id::Extract => kernel(move |inputs| {
            inputs.unary::<TimestampMicrosecondArray, i64, Int64Array>(|t| extract(t, &part).map(Some))
        }),
        _ => {
            let unit = unit_micros(&part).ok_or(LowerError::Arguments("a time function"))?;
            shift_or_difference(id, unit)
        }
    };
    kernel.ok_or(LowerError::Arguments("a time function"))
}

fn shift_or_difference(id: Id, unit: i64) -> Option<Kernel> {
    if id == Id::TimestampDiff {
        return kernel(move |inputs| {
            inputs.binary::<TimestampMicrosecondArray, TimestampMicrosecondArray, i64, Int64Array>(|a, b| {
                a.checked_sub(b).map(|d| Some(d / unit)).ok_or_else(|| "the result overflows".into())
            })
        });
    }
    kernel(move |inputs| {
        inputs.binary::<TimestampMicrosecondArray, Int64Array, i64, TimestampMicrosecondArray>(|t, count| {
            let delta = count.checked_mul(unit);
            let moved = match id {
                Id::TimestampAdd => delta.and_then(|d| t.checked_add(d)),
                _ => delta.and_then(|d| t.checked_sub(d)),
            };
            moved.filter(|t| timestamp_in_range(*t)).map(Some).ok_or_else(|| OUT_OF_RANGE.into())
        })
    })
}

fn unit_micros(part: &str) -> Option<i64> {
    Some(match part {
        "MICROSECOND" => 1,
        "MILLISECOND" => 1_000,
        "SECOND" => MICROS_PER_SECOND,
        "MINUTE" => 60 * MICROS_PER_SECOND,
        "HOUR" => 3_600 * MICROS_PER_SECOND,
        "DAY" => MICROS_PER_DAY,
        _ => return None,
    })
}

/// The day of a time, and its date.
fn day_of(micros: i64) -> Result<(i64, NaiveDate), String> {
    let days = micros.div_euclid(MICROS_PER_DAY);
    let date = i32::try_from(days).ok().and_then(date_of);
    Ok((days, date.ok_or(OUT_OF_RANGE)?))
}

fn truncate(micros: i64, part: &str) -> Result<i64, String> {
    if let Some(unit) = unit_micros(part) {
        return Ok(micros - micros.rem_euclid(unit));
    }
    let (days, date) = day_of(micros)?;
    let start = truncate_days(days, date, part);
    let start = start.and_then(|d| d.checked_mul(MICROS_PER_DAY)).filter(|t| timestamp_in_range(*t));
    start.ok_or_else(|| OUT_OF_RANGE.into())
}

/// How many days a day is behind the start of its week; `WEEK` starts on Sunday.
fn day_of_week(days: i64, week: &str) -> i64 {
    // 1970-01-01 was a Thursday: days since a Sunday, from 0.
    let since_sunday = (days + 4).rem_euclid(7);
    let first = match week {
        "ISOWEEK" | "WEEK(MONDAY)" => 1,
        "WEEK(TUESDAY)" => 2,
        "WEEK(WEDNESDAY)" => 3,
        "WEEK(THURSDAY)" => 4,
        "WEEK(FRIDAY)" => 5,
        "WEEK(SATURDAY)" => 6,
        _ => 0,
    };
    (since_sunday - first).rem_euclid(7)
}

/// The first day of the part that a day is in.
pub(super) fn truncate_days(days: i64, date: NaiveDate, part: &str) -> Option<i64> {
    let first = |year, month| NaiveDate::from_ymd_opt(year, month, 1).map(|d| i64::from(days_of(d)));
    match part {
        "MONTH" => first(date.year(), date.month()),
        "QUARTER" => first(date.year(), (date.month() - 1) / 3 * 3 + 1),
        "YEAR" => first(date.year(), 1),
        "ISOYEAR" => {
            NaiveDate::from_isoywd_opt(date.iso_week().year(), 1, chrono::Weekday::Mon).map(|d| i64::from(days_of(d)))
        }
        week => Some(days - day_of_week(days, week)),
    }
}

fn extract(micros: i64, part: &str) -> Result<i64, String> {
    let of_day = micros.rem_euclid(MICROS_PER_DAY);
    let clock = match part {
        "MICROSECOND" => Some(of_day % MICROS_PER_SECOND),
        "MILLISECOND" => Some(of_day % MICROS_PER_SECOND / 1_000),
        "SECOND" => Some(of_day / MICROS_PER_SECOND % 60),
        "MINUTE" => Some(of_day / (60 * MICROS_PER_SECOND) % 60),
        "HOUR" => Some(of_day / (3_600 * MICROS_PER_SECOND)),
        _ => None,
    };
    if let Some(value) = clock {
        return Ok(value);
    }
    let (days, date) = day_of(micros)?;
    Ok(match part {
        "DAYOFWEEK" => day_of_week(days, "WEEK") + 1,
        "DAY" => i64::from(date.day()),
        "DAYOFYEAR" => i64::from(date.ordinal()),
        // Days before the year's first start of a week are in week 0.
        week if week.starts_with("WEEK") => (i64::from(date.ordinal0()) + 7 - day_of_week(days, week)) / 7,
        "ISOWEEK" => i64::from(date.iso_week().week()),
        "MONTH" => i64::from(date.month()),
        "QUARTER" => i64::from((date.month() - 1) / 3 + 1),
        "YEAR" => i64::from(date.year()),
        _ => i64::from(date.iso_week().year()),
    })
}

pub(super) fn unix(id: Id) -> Option<Kernel> {
    let unit = match id {
        Id::UnixMicros | Id::TimestampMicros => 1,
        Id::UnixMillis | Id::TimestampMillis => 1_000,
        _ => MICROS_PER_SECOND,
    };
    if matches!(id, Id::UnixMicros | Id::UnixMillis | Id::UnixSeconds) {
        return kernel(move |inputs| {
            inputs.unary::<TimestampMicrosecondArray, i64, Int64Array>(|t| Ok(Some(t.div_euclid(unit))))
        });
    }
    kernel(move |inputs| {
        inputs.unary::<Int64Array, i64, TimestampMicrosecondArray>(|count| {
            let time = count.checked_mul(unit).filter(|t| timestamp_in_range(*t));
            time.map(Some).ok_or_else(|| OUT_OF_RANGE.into())
        })
    })
}

/// DATE of a time, or of a year, month and day.
pub(super) fn date(ty: Type) -> Option<Kernel> {
    if ty == Type::Timestamp {
        return kernel(|inputs| {
            inputs.unary::<TimestampMicrosecondArray, i32, Date32Array>(|t| {
                Ok(i32::try_from(t.div_euclid(MICROS_PER_DAY)).ok())
            })
        });
    }
    kernel(|inputs| -> Computed {
        let (years, months) = (inputs.cells::<Int64Array>(0)?, inputs.cells::<Int64Array>(1)?);
        let days = inputs.cells::<Int64Array>(2)?;
        let rows = (0..inputs.rows).map(|row| {
            let (Some(year), Some(month), Some(day)) = (years.get(row), months.get(row), days.get(row)) else {
                return Ok(None);
            };
            let bad = || format!("{year}-{month}-{day} is no date");
            let (Ok(y), Ok(m), Ok(d)) = (i32::try_from(year), u32::try_from(month), u32::try_from(day)) else {
                return Err(bad());
            };
            let date = NaiveDate::from_ymd_opt(y, m, d).map(days_of);
            date.filter(|d| (DATE_MIN..=DATE_MAX).contains(d)).map(Some).ok_or_else(bad)
        });
        Ok(std::sync::Arc::new(rows.collect::<Result<Date32Array, String>>()?))
    })
}
