//! GoogleSQL's text forms of TIMESTAMP and DATE, in UTC.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike, Utc};

pub use crate::record::time::MICROS_PER_DAY;
use crate::record::time::MICROS_PER_SECOND;

/// 0001-01-01 00:00:00 UTC.
pub const TIMESTAMP_MIN: i64 = -62_135_596_800_000_000;
/// 9999-12-31 23:59:59.999999 UTC.
pub const TIMESTAMP_MAX: i64 = 253_402_300_799_999_999;
pub const DATE_MIN: i32 = -719_162;
pub const DATE_MAX: i32 = 2_932_896;

/// Days from 0001-01-01 to 1970-01-01, as chrono counts them.
const EPOCH_FROM_CE: i32 = 719_163;

/// Is this a TIMESTAMP that GoogleSQL has?
pub fn timestamp_in_range(micros: i64) -> bool {
    (TIMESTAMP_MIN..=TIMESTAMP_MAX).contains(&micros)
}

/// Days since 1970-01-01.
pub fn days_of(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - EPOCH_FROM_CE
}

pub fn date_of(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH_FROM_CE)?)
}

/// Reads `YYYY-M-D`.
pub fn parse_date(text: &str) -> Option<i32> {
    let (date, rest) = read_date(text)?;
    rest.is_empty().then(|| days_of(date))
}

/// Reads `YYYY-M-D[( |T)H:M:S[.F][zone]]`; without zone it is UTC.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let (date, rest) = read_date(text)?;
    let (mut micros_of_day, mut offset) = (0, 0);
    if !rest.is_empty() {
        let zone;
        (micros_of_day, zone) = read_time(rest.strip_prefix([' ', 'T', 't'])?)?;
        offset = read_zone(zone)?;
    }
    let micros = i64::from(days_of(date)) * MICROS_PER_DAY + micros_of_day - offset;
    timestamp_in_range(micros).then_some(micros)
}

fn read_number(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits < least || digits > most {
        return None;
    }
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

fn read_date(text: &str) -> Option<(NaiveDate, &str)> {
    let (year, rest) = read_number(text, 4, 5)?;
    let (month, rest) = read_number(rest.strip_prefix('-')?, 1, 2)?;
    let (day, rest) = read_number(rest.strip_prefix('-')?, 1, 2)?;
    let year = i32::try_from(year).ok().filter(|y| (1..=9999).contains(y))?;
    Some((NaiveDate::from_ymd_opt(year, month, day)?, rest))
}

fn read_time(text: &str) -> Option<(i64, &str)> {
    let (hour, rest) = read_number(text, 1, 2)?;
    let (minute, rest) = read_number(rest.strip_prefix(':')?, 1, 2)?;
    let (second, mut rest) = read_number(rest.strip_prefix(':')?, 1, 2)?;
    // A leap second is the next minute's first.
    let carry = i64::from(second == 60);
    let time = NaiveTime::from_hms_opt(hour, minute, if carry == 1 { 59 } else { second })?;
    let mut micros = (i64::from(time.num_seconds_from_midnight()) + carry) * MICROS_PER_SECOND;
    if let Some(after) = rest.strip_prefix('.') {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 6 {
            return None;
        }
        let fraction = &after[..digits];
        micros += format!("{fraction:0<6}").parse::<i64>().ok()?;
        rest = &after[digits..];
    }
    Some((micros, rest))
}

/// Reads `Z`, ` UTC`, `+H[H][:M[M]]` or `+HHMM`, as microseconds east.
fn read_zone(text: &str) -> Option<i64> {
    if text.is_empty() || text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case(" utc") {
        return Some(0);
    }
    let (sign, zone) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let joined = zone.len() == 4 && !zone.contains(':');
    let (hours, rest) = read_number(zone.get(..if joined { 2 } else { zone.len() })?, 1, 2)?;
    let minutes = match rest.strip_prefix(':') {
        _ if joined => read_number(zone.get(2..)?, 2, 2)?.0,
        Some(rest) => read_number(rest, 1, 2).filter(|(_, rest)| rest.is_empty())?.0,
        None if rest.is_empty() => 0,
        None => return None,
    };
    if hours > 14 || minutes > 59 || (hours == 14 && minutes > 0) {
        return None;
    }
    Some(sign * i64::from(hours * 60 + minutes) * 60 * MICROS_PER_SECOND)
}

/// As GoogleSQL casts a TIMESTAMP to STRING: `2026-01-01 12:34:56.789+00`.
pub fn timestamp_text(micros: i64) -> Option<String> {
    let time = DateTime::<Utc>::from_timestamp_micros(micros)?;
    let head = format!("{:04}-{:02}-{:02} {}", time.year(), time.month(), time.day(), time.format("%H:%M:%S"));
    let fraction = micros.rem_euclid(MICROS_PER_SECOND);
    let fraction = match fraction {
        0 => String::new(),
        f if f % 1000 == 0 => format!(".{:03}", f / 1000),
        f => format!(".{f:06}"),
    };
    Some(format!("{head}{fraction}+00"))
}

/// As GoogleSQL casts a DATE to STRING.
pub fn date_text(days: i32) -> Option<String> {
    let date = date_of(days)?;
    Some(format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()))
}

#[cfg(test)]
mod tests {
    use super::{DATE_MAX, DATE_MIN, TIMESTAMP_MAX, TIMESTAMP_MIN, parse_date, parse_timestamp, timestamp_text};

    #[test]
    fn times_are_read_and_printed() {
        let cases = [
            ("1970-01-01", 0),
            ("1970-1-1 0:0:1", 1_000_000),
            ("1970-01-01T00:00:00.5Z", 500_000),
            ("1970-01-01 01:00:00+01", 0),
            ("1970-01-01 00:00:00 UTC", 0),
            ("1969-12-31 23:30:00-00:30", 0),
            ("0001-01-01 00:00:00+00", TIMESTAMP_MIN),
            ("9999-12-31 23:59:59.999999+00", TIMESTAMP_MAX),
        ];
        for (text, micros) in cases {
            assert_eq!(parse_timestamp(text), Some(micros), "{text}");
        }
        for text in ["", "1970", "1970-13-01", "1970-01-01 24:00:00", "1970-01-01 00:00:00+15", "1970-01-01x"] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
        assert_eq!(parse_date("0001-01-01"), Some(DATE_MIN));
        assert_eq!(parse_date("9999-12-31"), Some(DATE_MAX));
        assert_eq!(timestamp_text(-1).as_deref(), Some("1969-12-31 23:59:59.999999+00"));
        assert_eq!(timestamp_text(1_500_000).as_deref(), Some("1970-01-01 00:00:01.500+00"));
    }
}
