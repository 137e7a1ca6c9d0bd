//! Timestamps and dates. All in UTC, in microseconds.

use super::short::{DATE, INT, TIME, TO_DATE, TO_INT, TO_TIME};
use super::{Function, Guard, Id, Param, Signature, Syntax, sig};

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
    "ISOWEEK",
    "MONTH",
    "QUARTER",
    "YEAR",
    "ISOYEAR",
]);

const EXTRACT_DATE: Param =
    Param::Part(&["DAYOFWEEK", "DAY", "DAYOFYEAR", "WEEK", "ISOWEEK", "MONTH", "QUARTER", "YEAR", "ISOYEAR"]);

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
        Id::DateOf,
        "DATE",
        &[sig(&[TIME], TO_DATE), sig(&[INT, INT, INT], TO_DATE)],
        "the day of a time in UTC, or a day from year, month and day",
    )
    .guard(Guard::Domain)
    .examples(&[("DATE(TIMESTAMP '2026-01-01 12:34:56+00')", "DATE '2026-01-01'")]),
];
