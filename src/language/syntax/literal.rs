//! Decodes GoogleSQL's quoted literals from the text itself.

/// A quoted literal.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Quoted {
    String(String),
    Bytes(Vec<u8>),
}

/// The value of `'…'`, `"…"`, `'''…'''`, with the prefixes `r`, `b`, `rb`, `br`.
pub(in super::super) fn decode(source: &str) -> Result<Quoted, String> {
    let quote_at = source.find(['\'', '"']).ok_or("not a quoted literal")?;
    let (prefix, quoted) = source.split_at(quote_at);
    let prefix = prefix.to_ascii_lowercase();
    let (raw, bytes) = match prefix.as_str() {
        "" => (false, false),
        "r" => (true, false),
        "b" => (false, true),
        "rb" | "br" => (true, true),
        _ => return Err(format!("no literal begins with {prefix}")),
    };
    let quote = if quoted.starts_with('"') { "\"" } else { "'" };
    let triple = quote.repeat(3);
    let (body, multiline) = match quoted.strip_prefix(&triple).and_then(|rest| rest.strip_suffix(&triple)) {
        Some(body) => (body, true),
        None => {
            let body = quoted.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            (body.ok_or("the literal is not closed")?, false)
        }
    };
    if !multiline {
        check_single_line(body, quote)?;
    }
    if ends_escaped(body) {
        return Err("a backslash stands before the closing quote".into());
    }
    if raw {
        let out = body.to_owned();
        return Ok(if bytes { Quoted::Bytes(out.into_bytes()) } else { Quoted::String(out) });
    }
    let out = unescape(body, bytes)?;
    if bytes {
        return Ok(Quoted::Bytes(out));
    }
    String::from_utf8(out).map(Quoted::String).map_err(|_| "an escape makes the text invalid UTF-8".into())
}

/// GoogleSQL does not double quotes to escape them, and ends such literals at the line's end.
fn check_single_line(body: &str, quote: &str) -> Result<(), String> {
    let mut escaped = false;
    for c in body.chars() {
        if c == '\n' || c == '\r' {
            return Err("the literal runs over the end of the line".into());
        }
        if !escaped && quote.starts_with(c) {
            return Err(format!("a quote inside the literal is written \\{quote}"));
        }
        escaped = c == '\\' && !escaped;
    }
    Ok(())
}

fn ends_escaped(body: &str) -> bool {
    let backslashes = body.bytes().rev().take_while(|b| *b == b'\\').count();
    backslashes % 2 == 1
}

fn unescape(body: &str, bytes: bool) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body.chars();
    let mut utf8 = [0; 4];
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
            continue;
        }
        let escape = rest.next().ok_or("a backslash ends the literal")?;
        let simple = match escape {
            'a' => Some(7),
            'b' => Some(8),
            'f' => Some(12),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            't' => Some(b'\t'),
            'v' => Some(11),
            '\\' => Some(b'\\'),
            '?' => Some(b'?'),
            '"' => Some(b'"'),
            '\'' => Some(b'\''),
            '`' => Some(b'`'),
            _ => None,
        };
        if let Some(byte) = simple {
            out.push(byte);
            continue;
        }
        let (digits, radix, first) = match escape {
            'x' | 'X' => (2, 16, None),
            'u' if !bytes => (4, 16, None),
            'U' if !bytes => (8, 16, None),
            '0'..='3' => (2, 8, escape.to_digit(8)),
            _ => return Err(format!("no escape is written \\{escape}")),
        };
        let mut code = first.unwrap_or(0);
        for _ in 0..digits {
            let digit = rest.next().and_then(|d| d.to_digit(radix));
            code = code.wrapping_mul(radix) + digit.ok_or(format!("\\{escape} is cut short"))?;
        }
        push_code(&mut out, code, bytes, escape)?;
    }
    Ok(out)
}

fn push_code(out: &mut Vec<u8>, code: u32, bytes: bool, escape: char) -> Result<(), String> {
    if bytes {
        out.push(u8::try_from(code).map_err(|_| format!("\\{escape} is not a byte"))?);
        return Ok(());
    }
    let c = char::from_u32(code).ok_or(format!("\\{escape} is not a character"))?;
    let mut utf8 = [0; 4];
    out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Quoted, decode};

    #[test]
    fn literals_are_read_as_googlesql_does() {
        let good = [
            ("'a'", "a"),
            ("\"a'b\"", "a'b"),
            (r"'a\'b'", "a'b"),
            (r"'\x41\u00e9\101\n'", "A\u{e9}A\n"),
            (r"r'\d+'", r"\d+"),
            ("'''it's\nhere'''", "it's\nhere"),
            ("''", ""),
        ];
        for (source, value) in good {
            assert_eq!(decode(source), Ok(Quoted::String(value.into())), "{source}");
        }
        assert_eq!(decode(r"b'\xff'"), Ok(Quoted::Bytes(vec![255])));
        for source in ["'a''b'", r"'\d'", r"'\x4'", r"'\ud800'", r"r'\'", "'", "n'a'", r"b'\u0041'"] {
            assert!(decode(source).is_err(), "{source}");
        }
    }
}
