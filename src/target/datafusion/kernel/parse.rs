//! PARSE_TIMESTAMP and PARSE_DATE.

use chrono::NaiveDate;
use datafusion::arrow::array::{Date32Array, StringArray, TimestampMicrosecondArray};

use crate::language::format::{Element, MONTHS, Piece, is_space};
use crate::language::function::Id;
use crate::language::instant::{MICROS_PER_DAY, days_of, timestamp_in_range};
use crate::language::tree::Expr;
use crate::record::time::MICROS_PER_SECOND;
use crate::target::datafusion::LowerError;
use crate::target::datafusion::kernel_expr::Kernel;

use super::{format, kernel};

pub(super) fn of(id: Id, args: &[Expr]) -> Result<Option<Kernel>, LowerError> {
    let pieces = format::pieces(id, args)?;
    let parsed = move |text: &str| {
        const SHOWN_CHARS_MAX: usize = 64;
        let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
        parse(&pieces, text).ok_or_else(|| format!("'{shown}' does not have the format"))
    };
    if id == Id::ParseDate {
        return Ok(kernel(move |inputs| {
            inputs.binary::<StringArray, StringArray, i32, Date32Array>(|_, text| {
                Ok(i32::try_from(parsed(text)?.div_euclid(MICROS_PER_DAY)).ok())
            })
        }));
    }
    Ok(kernel(move |inputs| {
        inputs.binary::<StringArray, StringArray, i64, TimestampMicrosecondArray>(|_, text| parsed(text).map(Some))
    }))
}

/// What a text has said so far; what it does not say is that of 1970-01-01 00:00:00 UTC.
struct Said {
    year: i32,
    month: u32,
    day: u32,
    hour: i64,
    minute: i64,
    second: i64,
    fraction: i64,
    /// Seconds east.
    offset: i64,
    epoch: Option<i64>,
}

fn parse(pieces: &[Piece], text: &str) -> Option<i64> {
    let mut rest = text.trim_start_matches(is_space);
    let mut said =
        Said { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, fraction: 0, offset: 0, epoch: None };
    for (place, piece) in pieces.iter().enumerate() {
        rest = match piece {
            Piece::Text(text) => rest.strip_prefix(text.as_str())?,
            Piece::Space(_) => rest.trim_start_matches(is_space),
            Piece::Element(element) => {
                let element_follows = matches!(pieces.get(place + 1), Some(Piece::Element(_)));
                said.read(*element, rest, if element_follows { 4 } else { 5 })?
            }
        };
    }
    if rest.trim_start_matches(is_space).is_empty() { said.micros() } else { None }
}

impl Said {
    /// Reads an element; what is left of the text.
    fn read<'t>(&mut self, element: Element, text: &'t str, year_digits: usize) -> Option<&'t str> {
        use Element as E;
        let (value, rest) = match element {
            E::Year => number(text, year_digits)?,
            E::Month => within(text, 1, 12)?,
            E::MonthName | E::MonthShort => month(text)?,
            E::Day => within(text, 1, 31)?,
            E::DayPadded => within(text.trim_start_matches(is_space), 1, 31)?,
            E::Hour => within(text, 0, 23)?,
            E::Minute => within(text, 0, 59)?,
            E::Second | E::SecondFraction => within(text, 0, 60)?,
            E::Epoch => signed(text)?,
            E::ZoneOffset => offset(text)?,
            _ => return None,
        };
        let small = || u32::try_from(value).ok();
        match element {
            E::Year => self.year = i32::try_from(value).ok()?,
            E::Month | E::MonthName | E::MonthShort => self.month = small()?,
            E::Day | E::DayPadded => self.day = small()?,
            E::Hour => self.hour = value,
            E::Minute => self.minute = value,
            E::Epoch => self.epoch = Some(value),
            E::ZoneOffset => self.offset = value,
            E::SecondFraction => {
                self.second = value;
                let Some(after) = rest.strip_prefix('.') else { return Some(rest) };
                let digits = after.bytes().take_while(u8::is_ascii_digit).count();
                // What is below a microsecond is cut.
                let kept: String = after.chars().take(digits.min(MICRO_DIGITS)).collect();
                self.fraction = format!("{kept:0<MICRO_DIGITS$}").parse().ok()?;
                return if digits == 0 { None } else { after.get(digits..) };
            }
            _ => self.second = value,
        }
        Some(rest)
    }

    fn micros(&self) -> Option<i64> {
        let seconds = match self.epoch {
            Some(epoch) => epoch,
            None => {
                let date = NaiveDate::from_ymd_opt(self.year, self.month, self.day).filter(|_| self.year > 0)?;
                let clock = (self.hour * 60 + self.minute) * 60 + self.second;
                i64::from(days_of(date)) * SECONDS_PER_DAY + clock - self.offset
            }
        };
        // A leap second is the first of the next minute, whole.
        let fraction = if self.second == 60 { 0 } else { self.fraction };
        let micros = seconds.checked_mul(MICROS_PER_SECOND)?.checked_add(fraction)?;
        Some(micros).filter(|micros| timestamp_in_range(*micros))
    }
}

const MICRO_DIGITS: usize = 6;
const SECONDS_PER_DAY: i64 = 86_400;

/// Up to so many digits.
fn number(text: &str, most: usize) -> Option<(i64, &str)> {
    let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest))
}

fn within(text: &str, least: i64, most: i64) -> Option<(i64, &str)> {
    number(text, 2).filter(|(value, _)| (least..=most).contains(value))
}

fn signed(text: &str) -> Option<(i64, &str)> {
    // A sign and digits; as many as the last second has.
    const SIGNS_MAX: usize = 12;
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (value, rest) = number(digits, SIGNS_MAX - (text.len() - digits.len()))?;
    Some((sign * value, rest))
}

/// A month's name or its first three letters, in any case.
fn month(text: &str) -> Option<(i64, &str)> {
    const SHORT_LETTERS: usize = 3;
    let starts = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let found = |name: &str| {
        if starts(name) {
            return text.get(name.len()..);
        }
        let short = name.get(..SHORT_LETTERS)?;
        if starts(short) { text.get(SHORT_LETTERS..) } else { None }
    };
    MONTHS.iter().zip(1..).find_map(|(name, number)| Some((number, found(name)?)))
}

fn two_digits(text: &str) -> Option<(i64, &str)> {
    number(text, 2).filter(|(_, rest)| text.len() == rest.len() + 2)
}

/// `+HHMM` or `+HH`, as seconds east.
fn offset(text: &str) -> Option<(i64, &str)> {
    const HOURS_MAX: i64 = 14;
    let (sign, rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let (hours, rest) = two_digits(rest)?;
    let (minutes, rest) = two_digits(rest).unwrap_or((0, rest));
    let valid = minutes < 60 && hours * 60 + minutes <= HOURS_MAX * 60;
    valid.then_some((sign * (hours * 60 + minutes) * 60, rest))
}
