//! Text and numbers to instants, in microseconds since 1970-01-01 UTC. Digits beyond the
//! microsecond are cut off. Years 0001 to 9999, as in GoogleSQL; anything else is refused.

use super::decimal::Decimal;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
pub(super) const MICROS_PER_DAY: i64 = SECONDS_PER_DAY * MICROS_PER_SECOND;
/// 0001-01-01T00:00:00Z.
const MICROS_MIN: i64 = -62_135_596_800_000_000;
/// 9999-12-31T23:59:59.999999Z.
const MICROS_MAX: i64 = 253_402_300_799_999_999;

/// Below this, an epoch number counts seconds (as seconds: the year 5138) …
const SECONDS_BELOW: i128 = 100_000_000_000;
/// … below this, milliseconds (1973 to 5138) …
const MILLIS_BELOW: i128 = 100_000_000_000_000;
/// … below this, microseconds; above, nanoseconds.
const MICROS_BELOW: i128 = 100_000_000_000_000_000;

/// What an epoch number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Epoch {
    /// Told by its size: see the limits above.
    Auto,
    Seconds,
    Millis,
    Micros,
}

/// An instant from an epoch number's decimal text.
pub(super) fn instant_of_number(text: &[u8], epoch: Epoch) -> Option<i64> {
    let number = Decimal::parse(text)?;
    let scale = match epoch {
        Epoch::Seconds => 6,
        Epoch::Millis => 3,
        Epoch::Micros => 0,
        Epoch::Auto => match number.scaled(0)?.unsigned_abs() {
            x if x < SECONDS_BELOW.unsigned_abs() => 6,
            x if x < MILLIS_BELOW.unsigned_abs() => 3,
            x if x < MICROS_BELOW.unsigned_abs() => 0,
            _ => -3,
        },
    };
    in_range(i64::try_from(number.scaled(scale)?).ok()?)
}

/// An instant from text: ISO-8601, or an epoch number.
pub(super) fn instant_of_text(text: &[u8], epoch: Epoch) -> Option<i64> {
    iso_instant(text).or_else(|| instant_of_number(text, epoch))
}

/// Days since 1970-01-01 from `YYYY-MM-DD`.
pub(super) fn day_of_text(text: &[u8]) -> Option<i32> {
    if text.len() == 10 { i32::try_from(day(text)?).ok() } else { None }
}

/// `YYYY-MM-DD[(T| )hh:mm[:ss[.fraction]][ ][Z|UTC|±hh[[:]mm]]]`; no zone is UTC.
fn iso_instant(text: &[u8]) -> Option<i64> {
    let days = day(text)?;
    let clock = text.get(10..)?;
    let (seconds, micros, offset) = match clock {
        [] => (0, 0, 0),
        [b'T' | b't' | b' ', clock @ ..] => time_of_day(clock)?,
        _ => return None,
    };
    in_range((days * SECONDS_PER_DAY + seconds - offset) * MICROS_PER_SECOND + micros)
}

/// Seconds of the day, microseconds, and the zone's offset in seconds.
fn time_of_day(text: &[u8]) -> Option<(i64, i64, i64)> {
    let (hours, minutes) = (two(text, 0)?, two(text, 3)?);
    if text.get(2) != Some(&b':') || hours > 23 || minutes > 59 {
        return None;
    }
    let mut rest = text.get(5..)?;
    let (mut seconds, mut micros) = (0, 0);
    if let [b':', tail @ ..] = rest {
        seconds = two(tail, 0)?;
        // 60 is a leap second: the next minute's first, as in GoogleSQL.
        if seconds > 60 {
            return None;
        }
        rest = tail.get(2..)?;
        if let [b'.' | b',', fraction @ ..] = rest {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            for place in 0..6 {
                let digit = fraction.get(place).filter(|_| place < digits).map_or(0, |b| b - b'0');
                micros = micros * 10 + i64::from(digit);
            }
            rest = fraction.get(digits..)?;
        }
        if seconds == 60 {
            micros = 0;
        }
    }
    Some((hours * 3_600 + minutes * 60 + seconds, micros, zone(rest)?))
}

fn zone(text: &[u8]) -> Option<i64> {
    let text = match text {
        [b' ', rest @ ..] if !rest.is_empty() => rest,
        _ => text,
    };
    let (sign, rest) = match text {
        [] | [b'Z' | b'z'] | b"UTC" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let hours = two(rest, 0)?;
    let minutes = match (rest.len(), rest.get(2)) {
        (2, _) => 0,
        (4, _) => two(rest, 2)?,
        (5, Some(b':')) => two(rest, 3)?,
        _ => return None,
    };
    if hours > 23 || minutes > 59 { None } else { Some(sign * (hours * 3_600 + minutes * 60)) }
}

/// Days since 1970-01-01 from the first ten bytes.
fn day(text: &[u8]) -> Option<i64> {
    if text.get(4) != Some(&b'-') || text.get(7) != Some(&b'-') {
        return None;
    }
    let year = two(text, 0)? * 100 + two(text, 2)?;
    let (month, day) = (two(text, 5)?, two(text, 8)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if year == 0 || day == 0 || day > last {
        return None;
    }
    // Counted in years that begin in March, so that the leap day is the last one.
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, of_era) = (shifted / 400, shifted % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Two digits at a place.
fn two(text: &[u8], at: usize) -> Option<i64> {
    match text.get(at..at + 2) {
        Some([a @ b'0'..=b'9', b @ b'0'..=b'9']) => Some(i64::from(a - b'0') * 10 + i64::from(b - b'0')),
        _ => None,
    }
}

/// An instant of the years 0001 to 9999.
pub(super) fn in_range(micros: i64) -> Option<i64> {
    (MICROS_MIN..=MICROS_MAX).contains(&micros).then_some(micros)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};

    use super::{Epoch, MICROS_MAX, MICROS_MIN, day_of_text, instant_of_number, instant_of_text};

    #[test]
    fn iso_text_is_an_instant() {
        for (text, rfc3339) in [
            ("2026-01-01T00:00:00.123Z", "2026-01-01T00:00:00.123Z"),
            ("2026-01-01 00:00:00", "2026-01-01T00:00:00Z"),
            ("2026-01-01", "2026-01-01T00:00:00Z"),
            ("2026-01-01T12:30Z", "2026-01-01T12:30:00Z"),
            ("2026-01-01t12:30:05z", "2026-01-01T12:30:05Z"),
            ("2026-01-01T12:30:05.123456789Z", "2026-01-01T12:30:05.123456Z"),
            ("2026-01-01T12:30:05,5Z", "2026-01-01T12:30:05.5Z"),
            ("2026-01-01T12:30:05+02:00", "2026-01-01T10:30:05Z"),
            ("2026-01-01T12:30:05-0530", "2026-01-01T18:00:05Z"),
            ("2026-01-01T12:30:05+02", "2026-01-01T10:30:05Z"),
            ("2026-01-01 12:30:05 UTC", "2026-01-01T12:30:05Z"),
            ("2024-02-29T23:59:60.5Z", "2024-03-01T00:00:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
        ] {
            let expected = DateTime::parse_from_rfc3339(rfc3339).unwrap().timestamp_micros();
            assert_eq!(instant_of_text(text.as_bytes(), Epoch::Auto), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_instant() {
        for text in [
            "",
            "now",
            "2026-13-01",
            "2026-02-29",
            "2026-00-10",
            "2026-01-00",
            "0000-01-01",
            "2026-1-1",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T",
            "2026-01-01T00",
            "2026-01-01X00:00:00",
            "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00 ",
            "2026-01-01T00:00:00 Europe/Rome",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "2026/01/01",
            "1e40",
        ] {
            assert_eq!(instant_of_text(text.as_bytes(), Epoch::Auto), None, "{text}");
        }
    }

    #[test]
    fn epoch_numbers_are_exact() {
        for (text, epoch, micros) in [
            ("1588205199.82437", Epoch::Auto, Some(1_588_205_199_824_370)),
            ("1588205199", Epoch::Auto, Some(1_588_205_199_000_000)),
            ("1588205199824", Epoch::Auto, Some(1_588_205_199_824_000)),
            ("1588205199824370", Epoch::Auto, Some(1_588_205_199_824_370)),
            ("1588205199824370999", Epoch::Auto, Some(1_588_205_199_824_370)),
            ("99999999999", Epoch::Auto, Some(99_999_999_999_000_000)),
            ("100000000000", Epoch::Auto, Some(100_000_000_000_000)),
            ("-1", Epoch::Auto, Some(-1_000_000)),
            ("0", Epoch::Auto, Some(0)),
            ("1.5", Epoch::Millis, Some(1_500)),
            ("1.9", Epoch::Micros, Some(1)),
            ("253402300800", Epoch::Seconds, None),
            ("1e300", Epoch::Auto, None),
            ("253402300799.999999", Epoch::Seconds, Some(MICROS_MAX)),
            ("-62135596800", Epoch::Seconds, Some(MICROS_MIN)),
            ("-62135596800.000001", Epoch::Seconds, None),
        ] {
            assert_eq!(instant_of_number(text.as_bytes(), epoch), micros, "{text}");
        }
    }

    #[test]
    fn days_agree_with_chrono() {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        let mut date = NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
        while let Some(next) = date.checked_add_days(chrono::Days::new(97)) {
            let text = date.format("%Y-%m-%d").to_string();
            if text.len() > 10 {
                break;
            }
            let days = i32::try_from(date.signed_duration_since(epoch).num_days()).unwrap();
            assert_eq!(day_of_text(text.as_bytes()), Some(days), "{text}");
            date = next;
        }
    }
}
