//! JSON_VALUE and JSON_QUERY: what stands at a path in a JSON text.
//!
//! Texts are read as GoogleSQL reads them: only up to the value, quotes may be single, and what is no JSON is NULL.

use std::borrow::Cow;
use std::fmt::Write;

use datafusion::arrow::array::StringArray;

use crate::language::function::Id;
use crate::language::json_path;
use crate::language::tree::{Expr, ExprKind};
use crate::record::Value;
use crate::target::datafusion::LowerError;
use crate::target::datafusion::kernel_expr::Kernel;

use super::kernel;

/// Arrays and objects within one another.
const DEPTH_MAX: usize = 1_000;

pub(super) fn of(id: Id, args: &[Expr]) -> Result<Option<Kernel>, LowerError> {
    let path = match args.get(1).map(|arg| &arg.kind) {
        Some(ExprKind::Literal(Value::String(path))) => path.as_str(),
        _ => "$",
    };
    let path = json_path::keys(path).map_err(|(message, _)| LowerError::Pattern(message))?;
    let whole = id == Id::JsonQuery;
    let of = move |text: &str| {
        let mut reader = Reader { rest: text, depth: 0, whole, out: None };
        match reader.find(&path) {
            Err(Stop::Found(value)) => Ok(value),
            Err(Stop::TooDeep) => Err(format!("the JSON is nested deeper than {DEPTH_MAX}")),
            Ok(()) | Err(Stop::NoJson) => Ok(None),
        }
    };
    if args.len() < 2 {
        return Ok(kernel(move |inputs| inputs.unary::<StringArray, String, StringArray>(&of)));
    }
    Ok(kernel(move |inputs| inputs.binary::<StringArray, StringArray, String, StringArray>(|text, _| of(text))))
}

/// Why reading ends.
enum Stop {
    /// At the path; `None` for null, and for what is no scalar where one is looked for.
    Found(Option<String>),
    NoJson,
    TooDeep,
}

struct Reader<'t> {
    rest: &'t str,
    depth: usize,
    /// Whatever stands at the path is looked for, not a scalar alone.
    whole: bool,
    /// What stands at the path, as it is written again.
    out: Option<String>,
}

type Read<T> = Result<T, Stop>;

const NULL: &str = "null";

enum Scalar<'t> {
    Null,
    /// A number or a truth, as it is written.
    Bare(&'t str),
    Text(Cow<'t, str>),
}

impl Scalar<'_> {
    fn into_text(self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Bare(text) => Some(text.to_owned()),
            Self::Text(text) => Some(text.into_owned()),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str(NULL),
            Self::Bare(text) => out.push_str(text),
            Self::Text(text) => write_string(text, out),
        }
    }
}

/// A text in quotes, with the escapes that GoogleSQL writes.
fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

impl<'t> Reader<'t> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    }

    /// Takes a sign, behind white space.
    fn take(&mut self, sign: char) -> bool {
        self.space();
        let after = self.rest.strip_prefix(sign);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    /// Reads a value in which the keys lead on; none of them: it is the one.
    fn find(&mut self, keys: &[String]) -> Read<()> {
        self.space();
        if self.whole && keys.is_empty() {
            self.out = Some(String::new());
            self.skip()?;
            return Err(Stop::Found(self.out.take().filter(|found| found != NULL)));
        }
        match self.rest.chars().next() {
            Some('{' | '[') if keys.is_empty() => Err(Stop::Found(None)),
            Some('{') => self.within(|reader| reader.object(Some(keys))),
            Some('[') => self.within(|reader| reader.array(Some(keys))),
            _ => {
                let value = self.scalar()?;
                if keys.is_empty() { Err(Stop::Found(value.into_text())) } else { Ok(()) }
            }
        }
    }

    /// Reads over a value.
    fn skip(&mut self) -> Read<()> {
        self.space();
        match self.rest.chars().next() {
            Some('{') => self.within(|reader| reader.object(None)),
            Some('[') => self.within(|reader| reader.array(None)),
            _ => {
                let value = self.scalar()?;
                if let Some(out) = &mut self.out {
                    value.write(out);
                }
                Ok(())
            }
        }
    }

    /// Writes a sign of an array or object that is taken whole.
    fn put(&mut self, sign: &str) {
        if let Some(out) = &mut self.out {
            out.push_str(sign);
        }
    }

    fn within(&mut self, read: impl FnOnce(&mut Self) -> Read<()>) -> Read<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Stop::TooDeep);
        }
        self.rest = self.rest.get(1..).unwrap_or_default();
        read(self)?;
        self.depth -= 1;
        Ok(())
    }

    /// A member: on along the keys where it has the first of them.
    fn member(&mut self, keys: Option<&[String]>, name: &str) -> Read<()> {
        match keys.and_then(|keys| keys.split_first()) {
            Some((first, others)) if first == name => self.find(others),
            _ => self.skip(),
        }
    }

    fn object(&mut self, keys: Option<&[String]>) -> Read<()> {
        self.put("{");
        let mut closed = self.take('}');
        while !closed {
            self.space();
            let Some(quote @ ('"' | '\'')) = self.rest.chars().next() else { return Err(Stop::NoJson) };
            let name = self.string(quote)?;
            if !self.take(':') {
                return Err(Stop::NoJson);
            }
            if let Some(out) = &mut self.out {
                write_string(&name, out);
                out.push(':');
            }
            self.member(keys, &name)?;
            let more = self.take(',');
            closed = self.take('}');
            match (closed, more) {
                (true, _) => {}
                (false, true) => self.put(","),
                (false, false) => return Err(Stop::NoJson),
            }
        }
        self.put("}");
        Ok(())
    }

    /// Elements may be left out: they are null.
    fn array(&mut self, keys: Option<&[String]>) -> Read<()> {
        self.put("[");
        for index in 0usize.. {
            if self.take(']') {
                break;
            }
            if index > 0 {
                self.put(",");
            }
            self.space();
            if self.rest.starts_with(',') {
                self.put(NULL);
            } else {
                self.member(keys, &index.to_string())?;
            }
            if !self.take(',') {
                if self.take(']') {
                    break;
                }
                return Err(Stop::NoJson);
            }
        }
        self.put("]");
        Ok(())
    }

    fn scalar(&mut self) -> Read<Scalar<'t>> {
        for word in ["true", "false", NULL] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(if word == NULL { Scalar::Null } else { Scalar::Bare(word) });
            }
        }
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => self.string(quote).map(Scalar::Text),
            _ => {
                let (number, rest) = number(self.rest).ok_or(Stop::NoJson)?;
                self.rest = rest;
                Ok(Scalar::Bare(number))
            }
        }
    }

    fn string(&mut self, quote: char) -> Read<Cow<'t, str>> {
        let text = self.rest.get(1..).unwrap_or_default();
        let end = text.find([quote, '\\']).ok_or(Stop::NoJson)?;
        if text[end..].starts_with(quote) {
            self.rest = &text[end + 1..];
            return Ok(Cow::Borrowed(&text[..end]));
        }
        let mut out = text[..end].to_owned();
        let mut rest = &text[end..];
        loop {
            let at = rest.find([quote, '\\']).ok_or(Stop::NoJson)?;
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if rest[at..].starts_with(quote) {
                self.rest = after;
                return Ok(Cow::Owned(out));
            }
            let (c, left) = escape(after).ok_or(Stop::NoJson)?;
            out.push(c);
            rest = left;
        }
    }
}

/// What stands behind a backslash. A half of a surrogate pair is no character.
fn escape(text: &str) -> Option<(char, &str)> {
    let first = text.chars().next()?;
    let rest = text.get(first.len_utf8()..)?;
    let code = |digits: &str, radix: u32| {
        let code = u32::from_str_radix(digits, radix).ok()?;
        Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    };
    let hex = |count: usize| {
        let digits = rest.get(..count).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        Some((code(digits, 16)?, rest.get(count..)?))
    };
    Some(match first {
        'b' => ('\u{8}', rest),
        'f' => ('\u{c}', rest),
        'n' => ('\n', rest),
        'r' => ('\r', rest),
        't' => ('\t', rest),
        'v' => ('\u{b}', rest),
        'u' => hex(4)?,
        'x' => hex(2)?,
        '0'..='7' => {
            const OCTAL_MAX: usize = 3;
            let digits = text.bytes().take(OCTAL_MAX).take_while(|b| (b'0'..=b'7').contains(b)).count();
            (code(text.get(..digits)?, 8)?, text.get(digits..)?)
        }
        other => (other, rest),
    })
}

/// A number as it is written, and what follows.
fn number(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let mut end = usize::from(text.starts_with('-'));
    end += match bytes.get(end)? {
        b'0' => 1,
        b'1'..=b'9' => digits(end),
        _ => return None,
    };
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent == 0 {
            return None;
        }
        end += 1 + sign + exponent;
    }
    text.split_at_checked(end)
}
