//! What an answer means for the alert: taken, to be told again, or refused.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;

use crate::port::sink::Trouble;

/// Characters of an answer that are told.
const TOLD_MAX: usize = 200;
/// No place is believed that it needs longer.
const AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);

/// `None`: the alert was taken. `body` is the beginning of the answer's.
pub(super) fn trouble(
    status: StatusCode,
    retry_after: Option<&str>,
    body: &str,
    now: DateTime<Utc>,
) -> Option<Trouble> {
    if status.is_success() {
        return None;
    }
    let what = format!("{}{}{}", said(status), printable(body), help(status));
    // What an operator can mend holds alerts up, and is seen; refused, they would be passed over.
    let mended = matches!(status.as_u16(), 401 | 403 | 404 | 405 | 407 | 410);
    let busy = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
    let passes = busy || mended || status.is_redirection();
    Some(if passes {
        Trouble::Later { what, after: retry_after.and_then(|value| after(value, now)) }
    } else {
        Trouble::Refused { what }
    })
}

fn said(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("answered {} {reason}", status.as_u16()),
        None => format!("answered {}", status.as_u16()),
    }
}

fn help(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => "\nhelp: redirects are not followed: write the URL that it leads to",
        401 | 403 => "\nhelp: the token, the secret or a header may be wrong or have run out",
        404 | 410 => "\nhelp: the URL may be wrong, or its receiver was taken away",
        _ => "",
    }
}

/// The first line or so of an answer, without control characters.
fn printable(body: &str) -> String {
    let words = body.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return line;
    }
    let cut: String = line.chars().take(TOLD_MAX).collect();
    let more = if cut.len() < line.len() { "…" } else { "" };
    format!(": {cut}{more}")
}

/// Retry-After: seconds, or a date.
fn after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    let after = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(value).ok()?.to_utc() - now).to_std().unwrap_or_default(),
    };
    Some(after.min(AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, Utc};
    use reqwest::StatusCode;

    use super::{after, printable, trouble};
    use crate::port::sink::Trouble;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(784_111_777, 0).unwrap_or_default()
    }

    #[test]
    fn a_status_says_whether_to_come_again() {
        for (status, expected) in [
            (200, "taken"),
            (201, "taken"),
            (204, "taken"),
            (301, "later"),
            (302, "later"),
            (307, "later"),
            (400, "refused"),
            (401, "later"),
            (403, "later"),
            (404, "later"),
            (408, "later"),
            (413, "refused"),
            (422, "refused"),
            (429, "later"),
            (500, "later"),
            (503, "later"),
            (599, "later"),
        ] {
            let found = match trouble(StatusCode::from_u16(status).expect("a status"), None, "", now()) {
                None => "taken",
                Some(Trouble::Later { .. }) => "later",
                Some(Trouble::Refused { .. }) => "refused",
            };
            assert_eq!(found, expected, "{status}");
        }
    }

    #[test]
    fn a_place_says_when_it_wants_it_again() {
        let seconds = |text| after(text, now()).map(|after| after.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:51:37 GMT"), Some(120));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        assert_eq!(seconds("99999999999"), Some(86_400));
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds("-5"), None);
        assert_eq!(after("1.5", now()), None::<Duration>);
    }

    #[test]
    fn little_of_an_answer_is_told() {
        assert_eq!(printable(" invalid\r\n\u{1b}[2Jtoken\u{7} "), ": invalid [2Jtoken");
        assert_eq!(printable(" \n"), "");
        assert_eq!(printable(&"x".repeat(999)).chars().count(), 203);
    }
}
