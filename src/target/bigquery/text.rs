//! Names and literals as GoogleSQL text.

use std::fmt::Write;

use crate::language::instant::date_text;
use crate::language::is_reserved;
use crate::record::{EventTime, MICROS_PER_SECOND, Type, Value};

/// A column's or table's name.
pub(super) fn name(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && !is_reserved(name);
    if plain { name.to_owned() } else { format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`")) }
}

/// An item under its name, which is left out where it is the item.
pub(super) fn aliased(sql: String, own: &str) -> String {
    let own = name(own);
    if sql == own { own } else { format!("{sql} AS {own}") }
}

/// A value as a literal of its type.
pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::Null(ty) => format!("CAST(NULL AS {ty})"),
        Value::Bool(true) => "TRUE".to_owned(),
        Value::Bool(false) => "FALSE".to_owned(),
        Value::Int64(i) => i.to_string(),
        Value::Float64(f) => float(*f),
        Value::String(text) => string(text),
        Value::Bytes(bytes) => {
            let mut text = "b'".to_owned();
            for byte in bytes {
                // Writing to a String does not fail.
                let _ = write!(text, "\\x{byte:02x}");
            }
            text + "'"
        }
        Value::Timestamp(micros) => timestamp(*micros),
        Value::Date(days) => match date_text(*days) {
            Some(text) => format!("DATE '{text}'"),
            None => format!("DATE_FROM_UNIX_DATE({days})"),
        },
    }
}

fn float(value: f64) -> String {
    if !value.is_finite() {
        return format!("CAST('{}' AS FLOAT64)", if value.is_nan() { "nan".to_owned() } else { value.to_string() });
    }
    // The shortest digits that read back as the same number, with a point or an exponent.
    format!("{value:?}")
}

/// A string in single quotes.
pub(super) fn string(text: &str) -> String {
    let mut quoted = "'".to_owned();
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\'' => quoted.push_str("\\'"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

/// A name that none of these has, in any case: underscores are put behind it.
pub(super) fn fresh<'a>(base: &str, taken: impl Iterator<Item = &'a str> + Clone) -> String {
    let mut own = base.to_owned();
    while taken.clone().any(|other| other.trim_matches('`').eq_ignore_ascii_case(&own)) {
        own.push('_');
    }
    own
}

/// An instant.
pub(super) fn timestamp(micros: i64) -> String {
    let shown = EventTime(micros).to_string();
    // Years of four digits; what lies beyond has no literal.
    match shown.strip_suffix('Z') {
        Some(text) if shown.as_bytes().get(4) == Some(&b'-') => format!("TIMESTAMP '{}+00'", text.replace('T', " ")),
        _ => format!("TIMESTAMP_MICROS({micros})"),
    }
}

/// A length of time: `INTERVAL 5 MINUTE`, in the longest part that says it.
pub(super) fn interval(micros: i64) -> String {
    let (count, part) = parts(micros);
    format!("INTERVAL {count} {part}")
}

/// The start of the pane of that length that holds an instant. An INTERVAL is of whole seconds.
pub(super) fn pane_start(instant: &str, micros: i64) -> String {
    if micros == 1 {
        return instant.to_owned();
    }
    if micros % MICROS_PER_SECOND == 0 {
        return format!("TIMESTAMP_BUCKET({instant}, {}, TIMESTAMP '1970-01-01 00:00:00+00')", interval(micros));
    }
    let at = format!("UNIX_MICROS({instant})");
    format!("TIMESTAMP_MICROS({at} - MOD(MOD({at}, {micros}) + {micros}, {micros}))")
}

/// A length of time, as often as an INT64 says.
pub(super) fn times(count: &str, micros: i64) -> String {
    match parts(micros) {
        (1, part) => format!("INTERVAL {count} {part}"),
        (each, part) => format!("INTERVAL {count} * {each} {part}"),
    }
}

fn parts(micros: i64) -> (i64, &'static str) {
    const PARTS: [(i64, &str); 5] = [
        (86_400_000_000, "DAY"),
        (3_600_000_000, "HOUR"),
        (60_000_000, "MINUTE"),
        (1_000_000, "SECOND"),
        (1_000, "MILLISECOND"),
    ];
    let part = PARTS.iter().find(|(length, _)| micros % length == 0 && micros != 0);
    part.map_or((micros, "MICROSECOND"), |(length, part)| (micros / length, *part))
}

/// The text of a value in ids, or NULL; the same as `Value::id_text`.
pub(super) fn id_text(sql: &str, ty: Type) -> String {
    match ty {
        Type::String => sql.to_owned(),
        Type::Bytes => format!("TO_HEX({sql})"),
        Type::Timestamp => format!("CAST(UNIX_MICROS({sql}) AS STRING)"),
        Type::Date => format!("CAST(UNIX_DATE({sql}) AS STRING)"),
        Type::Bool | Type::Int64 | Type::Float64 => format!("CAST({sql} AS STRING)"),
    }
}

/// `length:text`, `-1:` for NULL.
pub(super) fn field(sql: &str, ty: Type) -> String {
    let text = id_text(sql, ty);
    let length = if ty == Type::String { "BYTE_LENGTH" } else { "LENGTH" };
    format!("COALESCE(CONCAT(CAST({length}({text}) AS STRING), ':', {text}), '-1:')")
}

#[cfg(test)]
mod tests {
    use super::{interval, literal, name, timestamp};
    use crate::record::{Type, Value};

    #[test]
    fn names_are_quoted_where_they_must_be() {
        assert_eq!(name("src_ip"), "src_ip");
        assert_eq!(name("From"), "`From`");
        assert_eq!(name("id.orig_h"), "`id.orig_h`");
        assert_eq!(name("9a"), "`9a`");
        assert_eq!(name("a`b"), "`a\\`b`");
    }

    #[test]
    fn literals_read_back() {
        assert_eq!(literal(&Value::String("it's\\\n\u{1}é".into())), "'it\\'s\\\\\\n\\u0001é'");
        assert_eq!(literal(&Value::Bytes(vec![0, 255])), "b'\\x00\\xff'");
        assert_eq!(literal(&Value::Float64(1.0)), "1.0");
        assert_eq!(literal(&Value::Float64(1e300)), "1e300");
        assert_eq!(literal(&Value::Float64(f64::NEG_INFINITY)), "CAST('-inf' AS FLOAT64)");
        assert_eq!(literal(&Value::Null(Type::Int64)), "CAST(NULL AS INT64)");
        assert_eq!(timestamp(1_500_000), "TIMESTAMP '1970-01-01 00:00:01.500+00'");
        assert_eq!(interval(90_000_000), "INTERVAL 90 SECOND");
        assert_eq!(interval(3_600_000_000), "INTERVAL 1 HOUR");
        assert_eq!(interval(1), "INTERVAL 1 MICROSECOND");
    }
}
