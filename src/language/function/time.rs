//! Timestamps and dates. All in UTC, in microseconds.

use super::short::{DATE, INT, STRING, TIME, TO_DATE, TO_INT, TO_STRING, TO_TIME};
use super::{Function, Guard, Id, Param, Signature, Syntax, sig, sig_optional};

/// Parts of a fixed length, which an interval on a TIMESTAMP may have.
const FIXED: Param = Param::Part(&["MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY"]);

const TRUNCATE: Param = Param::Part(&[
    "MICROSECOND",
    "MILLISECOND",
    "SECOND",
    "MINUTE",
    "HOUR",
    "DAY",
    "WEEK",
    "WEEK(SUNDAY)",
    "WEEK(MONDAY)",
    "WEEK(TUESDAY)",
    "WEEK(WEDNESDAY)",
    "WEEK(THURSDAY)",
    "WEEK(FRIDAY)",
    "WEEK(SATURDAY)",
    "ISOWEEK",
    "MONTH",
    "QUARTER",
    "YEAR",
    "ISOYEAR",
]);

const EXTRACT: Param = Param::Part(&[
    "MICROSECOND",
    "MILLISECOND",
    "SECOND",
    "MINUTE",
    "HOUR",
    "DAYOFWEEK",
    "DAY",
    "DAYOFYEAR",
    "WEEK",
    "WEEK(SUNDAY)",
    "WEEK(MONDAY)",
    "WEEK(TUESDAY)",
    "WEEK(WEDNESDAY)",
    "WEEK(THURSDAY)",
    "WEEK(FRIDAY)",
    "WEEK(SATURDAY)",
    "ISOWEEK",
    "MONTH",
    "QUARTER",
    "YEAR",
    "ISOYEAR",
]);

const EXTRACT_DATE: Param = Param::Part(&[
    "DAYOFWEEK",
    "DAY",
    "DAYOFYEAR",
    "WEEK",
    "WEEK(SUNDAY)",
    "WEEK(MONDAY)",
    "WEEK(TUESDAY)",
    "WEEK(WEDNESDAY)",
    "WEEK(THURSDAY)",
    "WEEK(FRIDAY)",
    "WEEK(SATURDAY)",
    "ISOWEEK",
    "MONTH",
    "QUARTER",
    "YEAR",
    "ISOYEAR",
]);

/// Parts that a day moves by.
pub(crate) const DATE_SHIFT: &[&str] = &["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];

const PERIODS: Param = Param::Part(&[
    "WEEK",
    "WEEK(SUNDAY)",
    "WEEK(MONDAY)",
    "WEEK(TUESDAY)",
    "WEEK(WEDNESDAY)",
    "WEEK(THURSDAY)",
    "WEEK(FRIDAY)",
    "WEEK(SATURDAY)",
    "ISOWEEK",
    "MONTH",
    "QUARTER",
    "YEAR",
    "ISOYEAR",
]);

const DATE_PERIODS: Param = Param::Part(&[
    "DAY",
    "WEEK",
    "WEEK(SUNDAY)",
    "WEEK(MONDAY)",
    "WEEK(TUESDAY)",
    "WEEK(WEDNESDAY)",
    "WEEK(THURSDAY)",
    "WEEK(FRIDAY)",
    "WEEK(SATURDAY)",
    "ISOWEEK",
    "MONTH",
    "QUARTER",
    "YEAR",
    "ISOYEAR",
]);

const SHIFT_DATE: &[Signature] = &[sig(&[DATE, INT, Param::Part(DATE_SHIFT)], TO_DATE)];

const SHIFT: &[Signature] = &[sig(&[TIME, INT, FIXED], TO_TIME)];
const UNIX: &[Signature] = &[sig(&[TIME], TO_INT)];
const FROM_UNIX: &[Signature] = &[sig(&[INT], TO_TIME)];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(Id::TimestampAdd, "TIMESTAMP_ADD", SHIFT, "TIMESTAMP_ADD(t, INTERVAL n part), up to DAY")
        .guard(Guard::Domain)
        .examples(&[(
            "TIMESTAMP_ADD(TIMESTAMP '2026-01-01 00:00:00+00', INTERVAL 1 HOUR)",
            "TIMESTAMP '2026-01-01 01:00:00+00'",
        )]),
    Function::new(Id::TimestampSub, "TIMESTAMP_SUB", SHIFT, "TIMESTAMP_SUB(t, INTERVAL n part), up to DAY")
        .guard(Guard::Domain)
        .examples(&[(
            "TIMESTAMP_SUB(TIMESTAMP '2026-01-01 00:00:00+00', INTERVAL 1 SECOND)",
            "TIMESTAMP '2025-12-31 23:59:59+00'",
        )]),
    Function::new(
        Id::TimestampDiff,
        "TIMESTAMP_DIFF",
        &[sig(&[TIME, TIME, FIXED], TO_INT)],
        "whole parts from the second time to the first, cut towards zero",
    )
    .guard(Guard::Domain)
    .examples(&[("TIMESTAMP_DIFF(TIMESTAMP '2026-01-01 01:59:00+00', TIMESTAMP '2026-01-01 00:00:00+00', HOUR)", "1")]),
    Function::new(
        Id::TimestampTrunc,
        "TIMESTAMP_TRUNC",
        &[sig(&[TIME, TRUNCATE], TO_TIME)],
        "the start of the part in UTC; WEEK starts on Sunday, ISOWEEK on Monday",
    )
    .guard(Guard::Domain)
    .examples(&[("TIMESTAMP_TRUNC(TIMESTAMP '2026-01-01 12:34:56+00', HOUR)", "TIMESTAMP '2026-01-01 12:00:00+00'")]),
    Function::new(
        Id::Extract,
        "EXTRACT",
        &[sig(&[TIME, EXTRACT], TO_INT), sig(&[DATE, EXTRACT_DATE], TO_INT)],
        "EXTRACT(part FROM t) in UTC; DAYOFWEEK is 1 (Sunday) to 7",
    )
    .syntax(Syntax::Special)
    .examples(&[("EXTRACT(HOUR FROM TIMESTAMP '2026-01-01 12:34:56+00')", "12")]),
    Function::new(Id::UnixMicros, "UNIX_MICROS", UNIX, "microseconds since 1970")
        .examples(&[("UNIX_MICROS(TIMESTAMP '1970-01-01 00:00:01+00')", "1000000")]),
    Function::new(Id::UnixMillis, "UNIX_MILLIS", UNIX, "milliseconds since 1970, rounded down"),
    Function::new(Id::UnixSeconds, "UNIX_SECONDS", UNIX, "seconds since 1970, rounded down"),
    Function::new(Id::TimestampMicros, "TIMESTAMP_MICROS", FROM_UNIX, "from microseconds since 1970")
        .guard(Guard::Domain)
        .examples(&[("TIMESTAMP_MICROS(0)", "TIMESTAMP '1970-01-01 00:00:00+00'")]),
    Function::new(Id::TimestampMillis, "TIMESTAMP_MILLIS", FROM_UNIX, "from milliseconds since 1970")
        .guard(Guard::Domain),
    Function::new(Id::TimestampSeconds, "TIMESTAMP_SECONDS", FROM_UNIX, "from seconds since 1970").guard(Guard::Domain),
    Function::new(
        Id::TimestampOf,
        "TIMESTAMP",
        &[sig(&[STRING], TO_TIME), sig(&[DATE], TO_TIME)],
        "a time from its text, or the start of a day in UTC",
    )
    .guard(Guard::Domain)
    .examples(&[("TIMESTAMP(DATE '2026-01-31')", "TIMESTAMP '2026-01-31 00:00:00+00'")]),
    Function::new(Id::StringOf, "STRING", &[sig(&[TIME], TO_STRING)], "a time as text, in UTC")
        .examples(&[("STRING(TIMESTAMP '2026-01-31 12:00:00+00')", "'2026-01-31 12:00:00+00'")]),
    Function::new(
        Id::DateOf,
        "DATE",
        &[sig(&[TIME], TO_DATE), sig(&[INT, INT, INT], TO_DATE)],
        "the day of a time in UTC, or a day from year, month and day",
    )
    .guard(Guard::Domain)
    .examples(&[("DATE(TIMESTAMP '2026-01-01 12:34:56+00')", "DATE '2026-01-01'")]),
];

pub(super) const DATES: &[Function] = &[
    Function::new(
        Id::DateAdd,
        "DATE_ADD",
        SHIFT_DATE,
        "DATE_ADD(d, INTERVAL n part), DAY to YEAR; in a shorter month it is the month's last day",
    )
    .guard(Guard::Domain)
    .examples(&[("DATE_ADD(DATE '2026-01-31', INTERVAL 1 MONTH)", "DATE '2026-02-28'")]),
    Function::new(Id::DateSub, "DATE_SUB", SHIFT_DATE, "DATE_SUB(d, INTERVAL n part), DAY to YEAR")
        .guard(Guard::Domain)
        .examples(&[("DATE_SUB(DATE '2026-01-01', INTERVAL 1 DAY)", "DATE '2025-12-31'")]),
    Function::new(
        Id::DateDiff,
        "DATE_DIFF",
        &[sig(&[DATE, DATE, DATE_PERIODS], TO_INT)],
        "how many starts of the part lie between the second day and the first",
    )
    .examples(&[("DATE_DIFF(DATE '2026-01-01', DATE '2025-12-31', YEAR)", "1")]),
    Function::new(
        Id::DateTrunc,
        "DATE_TRUNC",
        &[sig(&[DATE, DATE_PERIODS], TO_DATE)],
        "the first day of the part; WEEK starts on Sunday, ISOWEEK on Monday",
    )
    .guard(Guard::Domain)
    .examples(&[("DATE_TRUNC(DATE '2026-01-31', MONTH)", "DATE '2026-01-01'")]),
    Function::new(
        Id::LastDay,
        "LAST_DAY",
        &[sig_optional(&[DATE, PERIODS], 1, TO_DATE)],
        "the last day of the part, of the month without one",
    )
    .guard(Guard::Domain)
    .examples(&[("LAST_DAY(DATE '2026-02-01')", "DATE '2026-02-28'")]),
    Function::new(Id::UnixDate, "UNIX_DATE", &[sig(&[DATE], TO_INT)], "days since 1970")
        .examples(&[("UNIX_DATE(DATE '1970-01-02')", "1")]),
    Function::new(Id::DateFromUnixDate, "DATE_FROM_UNIX_DATE", &[sig(&[INT], TO_DATE)], "from days since 1970")
        .guard(Guard::Domain)
        .examples(&[("DATE_FROM_UNIX_DATE(1)", "DATE '1970-01-02'")]),
];

pub(super) const FORMATS: &[Function] = &[
    Function::new(
        Id::FormatTimestamp,
        "FORMAT_TIMESTAMP",
        &[sig(&[STRING, TIME], TO_STRING)],
        "a time by a constant format, in UTC; see [Formats](#formats)",
    )
    .guard(Guard::ConstantFormat)
    .examples(&[("FORMAT_TIMESTAMP('%F %R', TIMESTAMP '2026-01-31 12:34:56+00')", "'2026-01-31 12:34'")]),
    Function::new(
        Id::FormatDate,
        "FORMAT_DATE",
        &[sig(&[STRING, DATE], TO_STRING)],
        "a day by a constant format; see [Formats](#formats)",
    )
    .guard(Guard::ConstantFormat)
    .examples(&[("FORMAT_DATE('%d %b %Y', DATE '2026-01-31')", "'31 Jan 2026'")]),
    Function::new(
        Id::ParseTimestamp,
        "PARSE_TIMESTAMP",
        &[sig(&[STRING, STRING], TO_TIME)],
        "a time read by a constant format, UTC without a zone; another text fails the row; see [Formats](#formats)",
    )
    .guard(Guard::ConstantFormat)
    .examples(&[(
        "PARSE_TIMESTAMP('%d/%b/%Y:%T %z', '31/Jan/2026:13:34:56 +0100')",
        "TIMESTAMP '2026-01-31 12:34:56+00'",
    )]),
    Function::new(
        Id::ParseDate,
        "PARSE_DATE",
        &[sig(&[STRING, STRING], TO_DATE)],
        "a day read by a constant format; another text fails the row; see [Formats](#formats)",
    )
    .guard(Guard::ConstantFormat)
    .examples(&[("PARSE_DATE('%Y%m%d', '20260131')", "DATE '2026-01-31'")]),
];
