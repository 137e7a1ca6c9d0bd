//! Days: what moves, counts and cuts DATEs.

use chrono::{Datelike, Months, NaiveDate};
use datafusion::arrow::array::{Date32Array, Int64Array};

use crate::language::function::Id;
use crate::language::instant::{DATE_MAX, DATE_MIN, MICROS_PER_DAY, date_of, days_of};
use crate::language::tree::{Expr, ExprKind};
use crate::record::Value;
use crate::target::datafusion::LowerError;
use crate::target::datafusion::kernel_expr::Kernel;

use super::kernel;
use super::time::truncate_days;

const OUT_OF_RANGE: &str = "the day is not within the years 1 to 9999";

/// Functions whose last argument is a part, known when lowering.
pub(super) fn with_part(id: Id, args: &[Expr]) -> Result<Option<Kernel>, LowerError> {
    let part = match args.last().map(|a| &a.kind) {
        Some(ExprKind::Literal(Value::String(part))) => part.clone(),
        _ if id == Id::LastDay => "MONTH".to_owned(),
        _ => return Err(LowerError::Arguments("a date function")),
    };
    Ok(match id {
        Id::DateAdd | Id::DateSub => kernel(move |inputs| {
            inputs.binary::<Date32Array, Int64Array, i32, Date32Array>(|day, count| {
                let count = if id == Id::DateSub { count.checked_neg() } else { Some(count) };
                count.and_then(|count| shifted(day, count, &part)).map(Some).ok_or_else(|| OUT_OF_RANGE.into())
            })
        }),
        Id::DateDiff => kernel(move |inputs| {
            inputs.binary::<Date32Array, Date32Array, i64, Int64Array>(|a, b| {
                Ok(Some(ordinal(a, &part) - ordinal(b, &part)))
            })
        }),
        Id::DateTrunc => kernel(move |inputs| {
            inputs.unary::<Date32Array, i32, Date32Array>(|day| in_range(start(day, &part)).map(Some))
        }),
        _ => kernel(move |inputs| {
            // The day before the next period begins.
            inputs.unary::<Date32Array, i32, Date32Array>(|day| in_range(last(day, &part)).map(Some))
        }),
    })
}

/// UNIX_DATE and DATE_FROM_UNIX_DATE.
pub(super) fn unix(id: Id) -> Option<Kernel> {
    if id == Id::UnixDate {
        return kernel(|inputs| inputs.unary::<Date32Array, i64, Int64Array>(|day| Ok(Some(i64::from(day)))));
    }
    kernel(|inputs| inputs.unary::<Int64Array, i32, Date32Array>(|days| in_range(Some(days)).map(Some)))
}

fn in_range(days: Option<i64>) -> Result<i32, String> {
    let days = days.and_then(|days| i32::try_from(days).ok());
    days.filter(|days| (DATE_MIN..=DATE_MAX).contains(days)).ok_or_else(|| OUT_OF_RANGE.into())
}

fn shifted(day: i32, count: i64, part: &str) -> Option<i32> {
    let months = match part {
        "DAY" => return in_range(i64::from(day).checked_add(count)).ok(),
        "WEEK" => return in_range(i64::from(day).checked_add(count.checked_mul(7)?)).ok(),
        "MONTH" => count,
        "QUARTER" => count.checked_mul(3)?,
        _ => count.checked_mul(12)?,
    };
    let by = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let date = date_of(day)?;
    let moved = if months < 0 { date.checked_sub_months(by) } else { date.checked_add_months(by) };
    in_range(moved.map(|date| i64::from(days_of(date)))).ok()
}

/// The first day of the part that a day is in, which may lie before the year 1.
fn start(day: i32, part: &str) -> Option<i64> {
    if part == "DAY" {
        return Some(i64::from(day));
    }
    truncate_days(i64::from(day), date_of(day)?, part)
}

/// A number for each part of time, in order.
fn ordinal(day: i32, part: &str) -> i64 {
    let date = date_of(day).unwrap_or_default();
    let months = i64::from(date.year()) * 12 + i64::from(date.month0());
    match part {
        "MONTH" => months,
        "QUARTER" => months.div_euclid(3),
        "YEAR" => i64::from(date.year()),
        "ISOYEAR" => i64::from(date.iso_week().year()),
        "DAY" => i64::from(day),
        _ => start(day, part).unwrap_or_default().div_euclid(7),
    }
}

fn last(day: i32, part: &str) -> Option<i64> {
    let date = date_of(day)?;
    let first = |year: i32, month: u32| NaiveDate::from_ymd_opt(year, month, 1).map(|d| i64::from(days_of(d)));
    let after_month = |month: u32| if month == 12 { first(date.year() + 1, 1) } else { first(date.year(), month + 1) };
    let next = match part {
        "MONTH" => after_month(date.month()),
        "QUARTER" => after_month(date.month0() / 3 * 3 + 3),
        "YEAR" => first(date.year() + 1, 1),
        "ISOYEAR" => NaiveDate::from_isoywd_opt(date.iso_week().year() + 1, 1, chrono::Weekday::Mon)
            .map(|d| i64::from(days_of(d))),
        _ => start(day, part).map(|start| start + 7),
    };
    next.map(|next| next - 1)
}

/// Midnight of a day.
pub(super) fn midnight(day: i32) -> i64 {
    i64::from(day) * MICROS_PER_DAY
}
