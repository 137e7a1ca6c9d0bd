//! FORMAT_TIMESTAMP and FORMAT_DATE.

use std::fmt::{self, Write};

use chrono::{DateTime, Datelike, Timelike, Utc};
use datafusion::arrow::array::{Date32Array, StringArray, TimestampMicrosecondArray};

use crate::language::format::{self, Element, MONTHS, Piece};
use crate::language::function::Id;
use crate::language::tree::{Expr, ExprKind};
use crate::record::Value;
use crate::record::time::MICROS_PER_SECOND;
use crate::target::datafusion::LowerError;
use crate::target::datafusion::kernel_expr::Kernel;

use super::date::midnight;
use super::kernel;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const SHORT_LETTERS: usize = 3;

/// The constant format of a call; of NULL any will do, nothing is computed by it.
pub(super) fn pieces(id: Id, args: &[Expr]) -> Result<Vec<Piece>, LowerError> {
    let text = match args.first().map(|arg| &arg.kind) {
        Some(ExprKind::Literal(Value::String(text))) => text.as_str(),
        _ => "",
    };
    format::pieces(text, format::purpose(id)).map_err(|(message, _)| LowerError::Pattern(message))
}

pub(super) fn of(id: Id, args: &[Expr]) -> Result<Option<Kernel>, LowerError> {
    let pieces = pieces(id, args)?;
    if id == Id::FormatDate {
        return Ok(kernel(move |inputs| {
            inputs.binary::<StringArray, Date32Array, String, StringArray>(|_, day| text(&pieces, midnight(day)))
        }));
    }
    Ok(kernel(move |inputs| {
        inputs.binary::<StringArray, TimestampMicrosecondArray, String, StringArray>(|_, time| text(&pieces, time))
    }))
}

fn text(pieces: &[Piece], micros: i64) -> Result<Option<String>, String> {
    let time = DateTime::<Utc>::from_timestamp_micros(micros).ok_or("the time is out of range")?;
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Space(space) => out.push(*space),
            Piece::Element(element) => write_element(&mut out, *element, time, micros).map_err(|e| e.to_string())?,
        }
    }
    Ok(Some(out))
}

fn write_element(out: &mut String, element: Element, time: DateTime<Utc>, micros: i64) -> fmt::Result {
    use Element as E;
    let month = usize::try_from(time.month0()).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or_default();
    let from_sunday = time.weekday().num_days_from_sunday();
    let weekday = usize::try_from(from_sunday).ok().and_then(|at| WEEKDAYS.get(at)).copied().unwrap_or_default();
    let short = |name: &'static str| name.get(..SHORT_LETTERS).unwrap_or(name);
    let fraction = micros.rem_euclid(MICROS_PER_SECOND);
    match element {
        E::Year => write!(out, "{}", time.year()),
        E::YearOfFour => write!(out, "{:04}", time.year()),
        E::YearOfCentury => write!(out, "{:02}", time.year() % 100),
        E::Month => write!(out, "{:02}", time.month()),
        E::MonthName => out.write_str(month),
        E::MonthShort => out.write_str(short(month)),
        E::Day => write!(out, "{:02}", time.day()),
        E::DayPadded => write!(out, "{:2}", time.day()),
        E::DayOfYear => write!(out, "{:03}", time.ordinal()),
        E::WeekdayName => out.write_str(weekday),
        E::WeekdayShort => out.write_str(short(weekday)),
        E::WeekdayFromMonday => write!(out, "{}", time.weekday().number_from_monday()),
        E::WeekdayFromSunday => write!(out, "{from_sunday}"),
        E::IsoYear => write!(out, "{}", time.iso_week().year()),
        E::IsoWeek => write!(out, "{:02}", time.iso_week().week()),
        E::WeekFromSunday => write!(out, "{:02}", (time.ordinal0() + 7 - from_sunday) / 7),
        E::WeekFromMonday => write!(out, "{:02}", (time.ordinal0() + 7 - (from_sunday + 6) % 7) / 7),
        E::Hour => write!(out, "{:02}", time.hour()),
        E::HourOfTwelve => write!(out, "{:02}", time.hour12().1),
        E::Minute => write!(out, "{:02}", time.minute()),
        E::Second => write!(out, "{:02}", time.second()),
        E::SecondFraction if fraction == 0 => write!(out, "{:02}", time.second()),
        E::SecondFraction => {
            let digits = format!("{fraction:06}");
            write!(out, "{:02}.{}", time.second(), digits.trim_end_matches('0'))
        }
        E::SecondDigits(digits) => {
            let all = format!("{fraction:06}");
            write!(out, "{:02}.{}", time.second(), all.get(..digits).unwrap_or(&all))
        }
        E::HalfOfDay => out.write_str(if time.hour12().0 { "PM" } else { "AM" }),
        E::Epoch => write!(out, "{}", micros.div_euclid(MICROS_PER_SECOND)),
        E::ZoneName => out.write_str("UTC"),
        E::ZoneOffset => out.write_str("+0000"),
        E::ZoneColon => out.write_str("+00:00"),
    }
}
