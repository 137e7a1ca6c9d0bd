//! The JSON decoder against a plain one: same rows, same rejects, on lines that were
//! generated and then damaged.

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use serde_json::Value;

use super::{read_text, schema};
use crate::record::Format;

const FIELDS: [&str; 5] = ["s STRING", "i|j INT64", "f FLOAT64", "b BOOL required", "u STRING unwanted"];

/// The value that counts, and its text: by `serde_json` alone, member by member.
fn members(line: &str) -> Option<Vec<(String, Value, String)>> {
    let Value::Object(_) = serde_json::from_str(line).ok()? else { return None };
    let mut rest = line.trim_ascii_start().strip_prefix('{')?;
    let mut members = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', ',']);
        if rest.starts_with('}') {
            return Some(members);
        }
        let mut keys = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        let key = keys.next()?.ok()?;
        rest = rest[keys.byte_offset()..].trim_start_matches([' ', '\t', '\r', ':']);
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let value = values.next()?.ok()?;
        members.push((key, value, rest[..values.byte_offset()].to_owned()));
        rest = &rest[values.byte_offset()..];
    }
}

/// A whole number, by moving the point in its text.
fn whole(text: &str) -> Option<i64> {
    if !text.bytes().all(|b| b"0123456789.eE+-".contains(&b)) {
        return None;
    }
    text.parse::<f64>().ok()?;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (before, after) = digits.trim_start_matches('+').split_once('.').unwrap_or((digits, ""));
    let digits = format!("{before}{after}").trim_start_matches(['+', '0']).to_owned();
    if digits.is_empty() {
        return Some(0);
    }
    let moved = exponent.parse::<i64>().ok()? - after.len() as i64;
    let zeros = usize::try_from(moved.unsigned_abs()).ok()?;
    match moved {
        0.. if zeros > 30 => None,
        0.. => format!("{sign}{digits}{}", "0".repeat(zeros)).parse().ok(),
        _ if zeros >= digits.len() || digits[digits.len() - zeros..].contains(|c| c != '0') => None,
        _ => format!("{sign}{}", &digits[..digits.len() - zeros]).parse().ok(),
    }
}

/// A row as shown, or the code of its reject.
fn reference(line: &str) -> Result<String, &'static str> {
    let members = members(line).ok_or("ingest.bad-record")?;
    let last = |name: &str| members.iter().rev().find(|(key, _, _)| key == name);
    let bad = "ingest.bad-value";
    let string = match last("s") {
        None | Some((_, Value::Null, _)) => "NULL".to_owned(),
        Some((_, Value::String(text), _)) => text.clone(),
        Some((_, Value::Number(_), text)) => text.clone(),
        Some(_) => return Err(bad),
    };
    let whole = |text: &str| match text.trim_ascii() {
        "" => Ok("NULL".to_owned()),
        text => whole(text).map(|whole| whole.to_string()).ok_or(bad),
    };
    let int = match last("i").or(last("j")) {
        None | Some((_, Value::Null, _)) => "NULL".to_owned(),
        Some((_, Value::String(text), _)) => whole(text)?,
        Some((_, Value::Number(_), text)) => whole(text)?,
        Some(_) => return Err(bad),
    };
    let float = match last("f") {
        None | Some((_, Value::Null, _)) => "NULL".to_owned(),
        Some((_, value @ (Value::String(_) | Value::Number(_)), text)) => {
            let text = value.as_str().unwrap_or(text).trim_ascii();
            match text.parse::<f64>() {
                Ok(float) if float.is_finite() => format!("{float:?}"),
                Ok(_) if !text.contains(|c: char| c.is_ascii_digit()) => "NULL".to_owned(),
                Err(_) if text.is_empty() => "NULL".to_owned(),
                _ => return Err(bad),
            }
        }
        Some(_) => return Err(bad),
    };
    let bool = match last("b") {
        None | Some((_, Value::Null, _)) => return Err("ingest.missing-field"),
        Some((_, Value::Bool(value), _)) => value.to_string(),
        Some((_, Value::String(text), _)) => match text.trim_ascii().to_ascii_lowercase().as_str() {
            "" => return Err("ingest.missing-field"),
            word @ ("true" | "false") => word.to_owned(),
            _ => return Err(bad),
        },
        Some(_) => return Err(bad),
    };
    // Nobody wants it, and yet it has to be a text.
    match last("u") {
        None | Some((_, Value::Null | Value::String(_) | Value::Number(_), _)) => {}
        Some(_) => return Err(bad),
    }
    Ok(format!("{string} | {int} | {float} | {bool}"))
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("null".to_owned()),
        8 => any::<i32>().prop_map(|i| i.to_string()),
        4 => any::<bool>().prop_map(|b| b.to_string()),
        8 => "[a-z0-9é \u{1F600}]{0,12}".prop_map(|s| format!("\"{s}\"")),
        2 => "[0-9]{1,3}".prop_map(|s| format!("\"{s}\"")),
        4 => "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        1 => any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| format!("{f:e}")),
        1 => Just("0.000".to_owned()),
        1 => Just("-0".to_owned()),
        1 => Just("12345678901234567890123".to_owned()),
        1 => Just("1e999".to_owned()),
        1 => Just("01".to_owned()),
        1 => Just("\"\\u00e9\\n\"".to_owned()),
        1 => Just("\"\\ud83d\\ude00\"".to_owned()),
        1 => Just("\"\\ud800\"".to_owned()),
        1 => Just("[1,{\"b\":true}]".to_owned()),
        1 => Just("{\"s\":1}".to_owned()),
    ]
}

fn key() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["s", "i", "j", "f", "b", "b", "b", "u", "other", "\\u0073", "b.c", ""])
}

fn line() -> impl Strategy<Value = String> {
    let blank = || proptest::sample::select(vec!["", "", "", "", " ", "\t"]);
    let member =
        (key(), value(), blank(), blank()).prop_map(|(key, value, a, b)| format!("{a}\"{key}\"{b}:{a}{value}{b}"));
    let members = (proptest::collection::vec(member, 0..8), any::<bool>()).prop_map(|(mut members, flagged)| {
        if flagged {
            members.push("\"b\":true".to_owned());
        }
        members.join(",")
    });
    (members, blank()).prop_map(|(members, a)| format!("{a}{{{a}{members}}}{a}"))
}

/// A line with a character removed, replaced or doubled.
fn damaged() -> impl Strategy<Value = String> {
    (
        line(),
        any::<proptest::sample::Index>(),
        0..4,
        proptest::sample::select("{}[]\",:\\0-.e tnx\u{1}é".chars().collect::<Vec<_>>()),
    )
        .prop_map(|(line, index, how, other)| {
            let mut chars: Vec<char> = line.chars().collect();
            let at = index.index(chars.len());
            match how {
                0 => drop(chars.remove(at)),
                1 => chars[at] = other,
                2 => chars.insert(at, other),
                _ => chars.truncate(at),
            }
            chars.into_iter().collect()
        })
}

/// Floats are shown in several ways: here as Rust shows them.
fn same_floats(row: &str) -> String {
    let mut columns: Vec<String> = row.split(" | ").map(str::to_owned).collect();
    if let Ok(float) = columns[2].parse::<f64>() {
        columns[2] = format!("{float:?}");
    }
    columns.join(" | ")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn every_line_is_what_serde_json_says(lines in proptest::collection::vec(prop_oneof![3 => line(), 2 => damaged()], 1..12)) {
        let outcome = read_text(lines.join("\n"), &schema(Format::Json, &FIELDS));
        let (mut rows, mut rejects) = (outcome.rows.iter(), outcome.rejects.iter());
        for (index, line) in lines.iter().enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let place = format!("{}@", index + 1);
            match reference(line) {
                Ok(row) => {
                    let found = rows.next().filter(|found| found.starts_with(&place));
                    let found = found.map(|found| same_floats(found.split_once(": ").unwrap().1));
                    prop_assert_eq!(found, Some(row), "{}", line);
                }
                Err(code) => {
                    let found = rejects.next().filter(|found| found.starts_with(&place));
                    let found = found.map(|f| f.split(' ').nth(1).unwrap().trim_end_matches(':').to_owned());
                    prop_assert_eq!(found, Some(code.to_owned()), "{}", line);
                }
            }
        }
        prop_assert_eq!(rows.next(), None);
        prop_assert_eq!(rejects.next(), None);
    }
}
