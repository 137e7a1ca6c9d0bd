//! Strings, bytes, regular expressions and hashes.

use super::short::{BYTES, INT, STRING, TO_BOOL, TO_BYTES, TO_INT, TO_STRING};
use super::{Function, Guard, Id, NullRule, Signature, Syntax, sig, sig_optional, sig_variadic};

const TEXT: &[Signature] = &[sig(&[STRING], TO_STRING)];
const TEXT_OR_BYTES: &[Signature] = &[sig(&[STRING], TO_STRING), sig(&[BYTES], TO_BYTES)];
const SIZE: &[Signature] = &[sig(&[STRING], TO_INT), sig(&[BYTES], TO_INT)];
const TEST: &[Signature] = &[sig(&[STRING, STRING], TO_BOOL), sig(&[BYTES, BYTES], TO_BOOL)];
const TRIM: &[Signature] = &[sig_optional(&[STRING, STRING], 1, TO_STRING)];
const CUT: &[Signature] = &[sig(&[STRING, INT], TO_STRING), sig(&[BYTES, INT], TO_BYTES)];
const PAD: &[Signature] =
    &[sig_optional(&[STRING, INT, STRING], 1, TO_STRING), sig_optional(&[BYTES, INT, BYTES], 1, TO_BYTES)];
const CODE: &[Signature] = &[sig(&[STRING], TO_INT)];
const HASH: &[Signature] = &[sig(&[BYTES], TO_BYTES), sig(&[STRING], TO_BYTES)];

pub(super) const STRINGS: &[Function] = &[
    Function::new(
        Id::Concat,
        "CONCAT",
        &[sig_variadic(&[STRING], TO_STRING), sig_variadic(&[BYTES], TO_BYTES)],
        "joined; NULL when a part is NULL; also written ||",
    )
    .examples(&[("CONCAT('a', 'b')", "'ab'"), ("CONCAT('a', NULL)", "NULL")]),
    Function::new(Id::Length, "LENGTH", SIZE, "characters of a STRING, bytes of BYTES")
        .examples(&[("LENGTH('é')", "1")]),
    Function::new(Id::CharLength, "CHAR_LENGTH", &[sig(&[STRING], TO_INT)], "characters")
        .aliases(&["CHARACTER_LENGTH"])
        .examples(&[("CHAR_LENGTH('é')", "1")]),
    Function::new(Id::ByteLength, "BYTE_LENGTH", SIZE, "bytes")
        .aliases(&["OCTET_LENGTH"])
        .examples(&[("BYTE_LENGTH('é')", "2")]),
    Function::new(Id::Lower, "LOWER", TEXT, "in lower case").examples(&[("LOWER('Ab')", "'ab'")]),
    Function::new(Id::Upper, "UPPER", TEXT, "in upper case").examples(&[("UPPER('Ab')", "'AB'")]),
    Function::new(Id::Trim, "TRIM", TRIM, "without the given characters (white space) at both ends")
        .examples(&[("TRIM('  a ')", "'a'"), ("TRIM('xxaxx', 'x')", "'a'")]),
    Function::new(Id::LTrim, "LTRIM", TRIM, "without the given characters at the start")
        .examples(&[("LTRIM('00123', '0')", "'123'")]),
    Function::new(Id::RTrim, "RTRIM", TRIM, "without the given characters at the end")
        .examples(&[("RTRIM('a.', '.')", "'a'")]),
    Function::new(
        Id::Substr,
        "SUBSTR",
        &[sig_optional(&[STRING, INT, INT], 1, TO_STRING), sig_optional(&[BYTES, INT, INT], 1, TO_BYTES)],
        "from a position (1 is the first, -1 the last, 0 is 1), up to a length",
    )
    .aliases(&["SUBSTRING"])
    .guard(Guard::Domain)
    .examples(&[("SUBSTR('apple', 2, 2)", "'pp'"), ("SUBSTR('apple', -2)", "'le'")]),
    Function::new(Id::Left, "LEFT", CUT, "the first characters")
        .guard(Guard::Domain)
        .examples(&[("LEFT('apple', 2)", "'ap'")]),
    Function::new(Id::Right, "RIGHT", CUT, "the last characters")
        .guard(Guard::Domain)
        .examples(&[("RIGHT('apple', 2)", "'le'")]),
    Function::new(Id::Replace, "REPLACE", &[sig(&[STRING, STRING, STRING], TO_STRING)], "each occurrence replaced")
        .examples(&[("REPLACE('a-b-c', '-', '.')", "'a.b.c'")]),
    Function::new(Id::Reverse, "REVERSE", TEXT_OR_BYTES, "from the end to the start")
        .examples(&[("REVERSE('abc')", "'cba'")]),
    Function::new(Id::LPad, "LPAD", PAD, "filled on the left with a text (a space) to a length, or cut to it")
        .guard(Guard::Domain)
        .examples(&[("LPAD('7', 3, '0')", "'007'"), ("LPAD('abc', 2)", "'ab'")]),
    Function::new(Id::RPad, "RPAD", PAD, "filled on the right with a text (a space) to a length, or cut to it")
        .guard(Guard::Domain)
        .examples(&[("RPAD('7', 3, '.')", "'7..'")]),
    Function::new(Id::Repeat, "REPEAT", CUT, "many times after one another; beyond 1 MiB the row fails")
        .guard(Guard::Domain)
        .examples(&[("REPEAT('ab', 3)", "'ababab'")]),
    Function::new(
        Id::InitCap,
        "INITCAP",
        &[sig_optional(&[STRING, STRING], 1, TO_STRING)],
        "each word's first letter in upper case, the rest in lower; the second argument has the signs between words",
    )
    .examples(&[("INITCAP('evil CORP')", "'Evil Corp'")]),
    Function::new(
        Id::Translate,
        "TRANSLATE",
        &[sig(&[STRING, STRING, STRING], TO_STRING)],
        "each character of the second argument becomes the one at its place in the third, or goes",
    )
    .guard(Guard::Domain)
    .examples(&[("TRANSLATE('a-b.c', '-.', '_')", "'a_bc'")]),
    Function::new(Id::Ascii, "ASCII", CODE, "code of the first character, 0 for ''; one beyond 127 fails the row")
        .guard(Guard::Domain)
        .examples(&[("ASCII('A')", "65")]),
    Function::new(Id::Unicode, "UNICODE", CODE, "code point of the first character, 0 for ''")
        .examples(&[("UNICODE('é')", "233")]),
    Function::new(Id::Chr, "CHR", &[sig(&[INT], TO_STRING)], "the character with a code point")
        .guard(Guard::Domain)
        .examples(&[("CHR(65)", "'A'")]),
    Function::new(Id::Soundex, "SOUNDEX", TEXT, "code of how an English word sounds")
        .examples(&[("SOUNDEX('Robert')", "'R163'")]),
];

pub(super) const SEARCHES: &[Function] = &[
    Function::new(Id::StartsWith, "STARTS_WITH", TEST, "begins with")
        .examples(&[("STARTS_WITH('10.0.0.1', '10.')", "TRUE")]),
    Function::new(Id::EndsWith, "ENDS_WITH", TEST, "ends with").examples(&[("ENDS_WITH('a.com', '.com')", "TRUE")]),
    Function::new(
        Id::StrPos,
        "STRPOS",
        &[sig(&[STRING, STRING], TO_INT), sig(&[BYTES, BYTES], TO_INT)],
        "where the second argument first stands in the first, from 1; 0 when nowhere",
    )
    .examples(&[("STRPOS('abc', 'c')", "3")]),
    Function::new(
        Id::Instr,
        "INSTR",
        &[sig_optional(&[STRING, STRING, INT, INT], 2, TO_INT), sig_optional(&[BYTES, BYTES, INT, INT], 2, TO_INT)],
        "INSTR(text, part, [position], [occurrence]): where the part stands, searched from a position (from the end when it \
         is negative); 0 when nowhere",
    )
    .guard(Guard::Domain)
    .examples(&[("INSTR('a.b.c', '.', 1, 2)", "4"), ("INSTR('a.b.c', '.', -1)", "4")]),
    Function::new(
        Id::RegexpContains,
        "REGEXP_CONTAINS",
        &[sig(&[STRING, STRING], TO_BOOL)],
        "a part matches the constant RE2 pattern",
    )
    .guard(Guard::ConstantPattern)
    .examples(&[(r"REGEXP_CONTAINS('a1', r'\d')", "TRUE")]),
    Function::new(
        Id::RegexpExtract,
        "REGEXP_EXTRACT",
        &[sig_optional(&[STRING, STRING, INT, INT], 2, TO_STRING)],
        "the part that matches, or its only group; NULL when nothing does. REGEXP_EXTRACT(text, pattern, [position], \
         [occurrence]): with these the pattern matches one character at least",
    )
    .aliases(&["REGEXP_SUBSTR"])
    .null(NullRule::Nullable)
    .guard(Guard::ConstantPattern)
    .examples(&[(r"REGEXP_EXTRACT('a12', r'\d+')", "'12'")]),
    Function::new(
        Id::RegexpInstr,
        "REGEXP_INSTR",
        &[sig_optional(&[STRING, STRING, INT, INT, INT], 3, TO_INT)],
        "REGEXP_INSTR(text, pattern, [position], [occurrence], [0 or 1]): where a match, or its only group, begins (1: the \
         place behind it); 0 when nowhere. The pattern matches one character at least",
    )
    .guard(Guard::ConstantPattern)
    .examples(&[(r"REGEXP_INSTR('ab12', r'\d+')", "3")]),
    Function::new(
        Id::RegexpReplace,
        "REGEXP_REPLACE",
        &[sig(&[STRING, STRING, STRING], TO_STRING)],
        "every match replaced; \\\\1 is the first group",
    )
    .guard(Guard::ConstantPattern)
    .examples(&[(r"REGEXP_REPLACE('a1b2', r'\d', '')", "'ab'")]),
    Function::new(
        Id::SplitPart,
        "SPLIT",
        &[sig(&[STRING, STRING, INT], TO_STRING)],
        "SPLIT(text, delimiter)[SAFE_OFFSET(n)]: the part with number n, from 0; NULL when there is none",
    )
    .syntax(Syntax::Special)
    .null(NullRule::Nullable)
    .examples(&[("SPLIT('a.b', '.')[SAFE_OFFSET(1)]", "'b'")]),
];

pub(super) const JSON: &[Function] = &[
    Function::new(
        Id::JsonValue,
        "JSON_VALUE",
        &[sig_optional(&[STRING, STRING], 1, TO_STRING)],
        "JSON_VALUE(json, '$.a.b[0]'): the text, number or truth at a constant path, as text; NULL for all else and for \
         what is no JSON; nested deeper than 1000 fails the row",
    )
    .null(NullRule::Nullable)
    .guard(Guard::ConstantPath)
    .examples(&[
        (r#"JSON_VALUE('{"a": {"b": [5]}}', '$.a.b[0]')"#, "'5'"),
        (r#"JSON_VALUE('{"a": null}', '$.a')"#, "NULL"),
    ]),
    Function::new(
        Id::JsonQuery,
        "JSON_QUERY",
        &[sig(&[STRING, STRING], TO_STRING)],
        "JSON_QUERY(json, '$.a.b[0]'): what stands at a constant path, as JSON without white space; NULL for null and for \
         what is no JSON; nested deeper than 1000 fails the row",
    )
    .null(NullRule::Nullable)
    .guard(Guard::ConstantPath)
    .examples(&[
        (r#"JSON_QUERY('{"a": {"b": [5, 6]}}', '$.a')"#, r#"'{"b":[5,6]}'"#),
        (r#"JSON_QUERY('{"a": "x"}', '$.a')"#, r#"'"x"'"#),
        (r#"JSON_QUERY('{"a": null}', '$.a')"#, "NULL"),
    ]),
];

pub(super) const HASHES: &[Function] = &[
    Function::new(Id::ToHex, "TO_HEX", &[sig(&[BYTES], TO_STRING)], "as hexadecimal digits")
        .examples(&[("TO_HEX(b'\\x0a')", "'0a'")]),
    Function::new(Id::FromHex, "FROM_HEX", &[sig(&[STRING], TO_BYTES)], "from hexadecimal digits")
        .guard(Guard::Domain)
        .examples(&[("FROM_HEX('0A')", "b'\\x0a'")]),
    Function::new(Id::ToBase64, "TO_BASE64", &[sig(&[BYTES], TO_STRING)], "as Base64")
        .examples(&[("TO_BASE64(b'abcd')", "'YWJjZA=='")]),
    Function::new(Id::FromBase64, "FROM_BASE64", &[sig(&[STRING], TO_BYTES)], "from Base64, white space left out")
        .guard(Guard::Domain)
        .examples(&[("FROM_BASE64('YWJjZA==')", "b'abcd'")]),
    Function::new(
        Id::SafeConvertBytesToString,
        "SAFE_CONVERT_BYTES_TO_STRING",
        &[sig(&[BYTES], TO_STRING)],
        "as text; each byte that is not UTF-8 becomes U+FFFD",
    )
    .examples(&[("SAFE_CONVERT_BYTES_TO_STRING(b'a\\xff')", "'a\u{fffd}'")]),
    Function::new(Id::Md5, "MD5", HASH, "MD5, 16 bytes")
        .examples(&[("TO_HEX(MD5('a'))", "'0cc175b9c0f1b6a831c399e269772661'")]),
    Function::new(Id::Sha1, "SHA1", HASH, "SHA-1, 20 bytes")
        .examples(&[("TO_HEX(SHA1('a'))", "'86f7e437faa5a7fce15d1ddcb9eaeaea377667b8'")]),
    Function::new(Id::Sha256, "SHA256", HASH, "SHA-256, 32 bytes"),
    Function::new(Id::Sha512, "SHA512", HASH, "SHA-512, 64 bytes"),
    Function::new(
        Id::FarmFingerprint,
        "FARM_FINGERPRINT",
        &[sig(&[STRING], TO_INT), sig(&[BYTES], TO_INT)],
        "FarmHash's fingerprint",
    )
    .examples(&[("FARM_FINGERPRINT('a')", "-5528939962900187677")]),
];
