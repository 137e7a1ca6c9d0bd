//! Event time and lengths of time, in microseconds, never a bare integer at an interface.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// An instant of event time: microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventTime(pub i64);

impl EventTime {
    pub const MIN: Self = Self(i64::MIN);
    pub const MAX: Self = Self(i64::MAX);

    /// Parses `2026-01-05`, `2026-01-05T09:00:00Z`, `2026-01-05 09:00:00.5+02:00`; without a zone it is UTC.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Some(Self(time.timestamp_micros()));
        }
        for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"] {
            if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
                return Some(Self(time.and_utc().timestamp_micros()));
            }
        }
        parse_day(text).map(|day| Self(i64::from(day) * MICROS_PER_DAY))
    }

    /// As a part of a file's name: `20260105T090000.000000Z`.
    pub fn compact(self) -> String {
        let time = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        time.format("%Y%m%dT%H%M%S%.6fZ").to_string()
    }

    pub fn plus(self, length: Micros) -> Self {
        Self(self.0.saturating_add(length.0))
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_micros(self.0) {
            Some(t) => f.write_str(&t.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(f, "{}us", self.0),
        }
    }
}

/// A day of UTC, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    pub const LENGTH: Micros = Micros(MICROS_PER_DAY);

    pub fn of(at: EventTime) -> Self {
        // All of i64 in microseconds is fewer days than an i32 counts.
        Self(i32::try_from(at.0.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX))
    }

    /// Parses `2026-01-05`.
    pub fn parse(text: &str) -> Option<Self> {
        parse_day(text).map(Self)
    }

    pub fn start(self) -> EventTime {
        EventTime(i64::from(self.0).saturating_mul(MICROS_PER_DAY))
    }

    /// The first instant of the day after.
    pub fn end(self) -> EventTime {
        self.start().plus(Micros(MICROS_PER_DAY))
    }

    pub fn holds(self, at: EventTime) -> bool {
        Self::of(at) == self
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_micros(self.start().0) {
            Some(day) => write!(f, "{}", day.format("%Y-%m-%d")),
            None => write!(f, "{}d", self.0),
        }
    }
}

/// A span of event time: half-open, an open end is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Period {
    pub from: Option<EventTime>,
    pub to: Option<EventTime>,
}

impl Period {
    pub fn holds(self, at: EventTime) -> bool {
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at < to)
    }
}

/// Days from 1970-01-01 to `2026-01-05`.
pub fn parse_day(text: &str) -> Option<i32> {
    let shape = text.len() == 10 && text.bytes().enumerate().all(|(i, b)| matches!(i, 4 | 7) || b.is_ascii_digit());
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| shape)?;
    i32::try_from(day.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// A length of time, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Micros(pub i64);

impl Micros {
    pub const ZERO: Self = Self(0);

    /// Parses `500us`, `250ms`, `30s`, `5m`, `1h`, `7d` and sums such as `4m50s`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut total: i64 = 0;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let count: i64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let unit = match &rest[..letters] {
                "us" => 1,
                "ms" => 1_000,
                "s" => MICROS_PER_SECOND,
                "m" => 60 * MICROS_PER_SECOND,
                "h" => 3_600 * MICROS_PER_SECOND,
                "d" => 86_400 * MICROS_PER_SECOND,
                _ => return None,
            };
            rest = &rest[letters..];
            total = total.checked_add(count.checked_mul(unit)?)?;
        }
        Some(Self(total))
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if rest == 0 {
            return f.write_str("0s");
        }
        if rest < 0 {
            f.write_str("-")?;
            rest = rest.saturating_neg();
        }
        for (unit, name) in
            [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms"), (1, "us")]
        {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Day, EventTime, MICROS_PER_DAY, Micros};

    #[test]
    fn days_begin_at_midnight() {
        let day = Day::parse("2026-01-05").expect("a day");
        assert_eq!(day.to_string(), "2026-01-05");
        assert_eq!((Day::of(day.start()), Day::of(EventTime(day.end().0 - 1))), (day, day));
        assert_eq!(Day::of(day.end()), Day(day.0 + 1));
        assert_eq!(Day::of(EventTime(-1)), Day(-1));
        assert_eq!(Day(-1).start(), EventTime(-MICROS_PER_DAY));
        for at in [EventTime::MIN, EventTime::MAX] {
            assert!(Day::of(at).holds(at));
        }
    }

    #[test]
    fn instants_are_utc_unless_they_say_otherwise() {
        let nine = Some(EventTime(1_767_603_600_000_000));
        for text in ["2026-01-05T09:00:00Z", "2026-01-05 09:00:00", "2026-01-05T11:00:00+02:00"] {
            assert_eq!(EventTime::parse(text), nine, "{text}");
        }
        assert_eq!(EventTime::parse("1970-01-02"), Some(EventTime(86_400_000_000)));
        for text in ["", "2026-1-5", "2026-02-30", "tomorrow", "2026-01-05T25:00:00Z", "+262142-12-31"] {
            assert_eq!(EventTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn lengths_are_parsed_and_printed() {
        for (text, micros) in [("5m", 300_000_000), ("4m50s", 290_000_000), ("1d", 86_400_000_000), ("250ms", 250_000)]
        {
            assert_eq!(Micros::parse(text), Some(Micros(micros)));
            assert_eq!(Micros(micros).to_string(), text);
        }
        for text in ["", "5", "m", "5 m", "5y", "-5m", "99999999999999d"] {
            assert_eq!(Micros::parse(text), None, "{text}");
        }
    }
}
