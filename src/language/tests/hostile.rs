//! Texts that nobody writes: long, deep, broken. None may panic, hang or exhaust the stack.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::language::{bind_aggregation, bind_condition, bind_query, codes, lookups_of, parameters_of, parse_query};

use super::{bind, scope, text};

fn run_all(sql: &str) {
    let text = text(sql);
    let mut diagnostics = Vec::new();
    let scope = scope();
    let _ = bind_condition(&text, &scope, &mut diagnostics);
    let _ = bind_aggregation(&text, &scope, &mut diagnostics);
    if let Some(parsed) = parse_query(&text, &mut diagnostics) {
        let scopes = vec![scope; parsed.relations().len()];
        let _ = bind_query(&parsed, &text, &scopes, &mut diagnostics);
    }
    let _ = (lookups_of(&text), parameters_of(&text));
    for diagnostic in &diagnostics {
        assert!(diagnostic.span.start <= diagnostic.span.end, "{sql}: {diagnostic:?}");
        let end = usize::try_from(diagnostic.span.end).unwrap();
        assert!(end <= sql.len() + 1, "{sql}: {diagnostic:?}");
    }
}

fn code(sql: &str) -> Option<&'static str> {
    let (expr, diagnostics) = bind(sql);
    assert_eq!(expr.is_none(), !diagnostics.is_empty());
    diagnostics.first().map(|d| d.code)
}

#[test]
fn limits() {
    let chain = |n: usize, op: &str| vec!["dst_port"; n].join(op);
    assert_eq!(code(&chain(101, " + ")), None);
    assert_eq!(code(&chain(102, " + ")), Some(codes::TOO_LARGE));
    assert_eq!(code(&chain(100, " * ").replace("dst_port", "(1)")), None);
    assert_eq!(code(&vec!["src_ip"; 500].join(" || ")), None);
    assert_eq!(code(&vec!["dst_port = 1"; 500].join(" OR ")), None);
    assert_eq!(code(&vec!["dst_port = 1"; 501].join(" OR ")), Some(codes::TOO_LARGE));
    assert_eq!(code(&format!("dst_port IN ({})", vec!["1"; 500].join(","))), None);
    assert_eq!(code(&format!("dst_port IN ({})", vec!["1"; 501].join(","))), Some(codes::TOO_LARGE));
    let deep = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(code(&deep(49)), None);
    assert_eq!(code(&deep(51)), Some(codes::TOO_LARGE));
    assert_eq!(code(&deep(20_000)), Some(codes::TOO_LARGE));
    assert_eq!(code(&format!("{}TRUE", "NOT ".repeat(40))), None);
    assert_eq!(code(&format!("{}TRUE", "NOT ".repeat(5_000))), Some(codes::TOO_LARGE));
    assert_eq!(code(&format!("{}1", "- ".repeat(5_000))), Some(codes::TOO_LARGE));
    assert_eq!(code(&format!("{}1{}", "IF(TRUE, 1, ".repeat(45), ")".repeat(45))), None);
    assert_eq!(code(&"CASE WHEN ".repeat(5_000)), Some(codes::TOO_LARGE));
    assert_eq!(code(&format!("'{}'", "a".repeat(70_000))), Some(codes::TOO_LARGE));
    assert_eq!(code(""), Some(codes::SYNTAX));
    assert_eq!(code(" -- only a comment"), Some(codes::SYNTAX));
}

#[test]
fn long_texts_keep_the_stack() {
    let repeated = |first: &str, more: &str, n: usize| format!("{first}{}", more.repeat(n));
    let texts = [
        repeated("dst_port = 1", " OR dst_port = 1", 499),
        repeated("dst_port = 1", " AND dst_port = 1", 499),
        repeated("src_ip", " || src_ip", 499),
        repeated("dst_port", " + 1", 100),
        repeated("dst_port", " = 1", 900),
        repeated("dst_port", " IS NULL", 600),
        repeated("dst_port", "::INT64", 600),
        repeated("dst_port", " BETWEEN 1 AND 2", 400),
        repeated("dst_port", " IN (1)", 400),
        repeated("dst_port", " LIKE 'a'", 400),
        repeated("dst_port", " AT TIME ZONE 'UTC'", 400),
        repeated("dst_port", " COLLATE x", 400),
        repeated("dst_port", "[1]", 400),
        repeated("dst_port", ".x", 900),
        repeated("dst_port", " - - 1", 400),
        repeated("dst_port", " % 1", 900),
        repeated("dst_port", " ? 1", 900),
        repeated("SELECT 1", " UNION ALL SELECT 1", 500),
        repeated("SELECT 1 FROM a", " JOIN a", 900),
        repeated("SELECT 1 AS a FROM flows WHERE TRUE", " OR TRUE", 499),
        format!("{}1{}", "(".repeat(48), " + 1)".repeat(48)),
        format!("{}1{}", "(".repeat(40), " + 1 + 1 + 1)".repeat(40)),
    ];
    for sql in texts {
        run_all(&sql);
    }
}

#[test]
fn deep_texts_are_quick() {
    let wrap = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    let texts = [
        wrap("(", ")", 48),
        wrap("ABS(", ")", 48),
        wrap("CAST(", " AS INT64)", 48),
        wrap("CASE WHEN TRUE THEN ", " END", 40),
        wrap("(SELECT ", ")", 45),
        wrap("1 IN (", ")", 45),
        wrap("STRUCT(", ")", 45),
        wrap("[", "]", 45),
        wrap("ARRAY<STRUCT<", ">>", 45),
        wrap("INTERVAL ", " DAY", 45),
        wrap("x.y(", ")", 45),
        wrap("DATE(", ")", 45),
        wrap("EXTRACT(DAY FROM ", ")", 45),
        wrap("((", "),1)", 22),
        wrap("a[", "]", 45),
        "(".repeat(48),
        "f(".repeat(48),
        "CAST(".repeat(48),
        "STRUCT<a ".repeat(48),
        "NOT ".repeat(40),
        "CASE WHEN ".repeat(40),
        wrap("CAST(", " 1 AS INT64)", 48),
        wrap("TRIM(BOTH ", " FROM)", 48),
        wrap("SUBSTRING(", " FROM 1 1)", 48),
    ];
    for sql in texts {
        let start = Instant::now();
        run_all(&sql);
        assert!(start.elapsed() < Duration::from_secs(2), "{sql} took {:?}", start.elapsed());
    }
}

/// Words that texts of the language are made of.
const WORDS: &[&str] = &[
    "dst_port",
    "src_ip",
    "\"dst_ip\"",
    "pair.hosts",
    "@limit",
    "@",
    "1",
    "2.5",
    "'a'",
    "''",
    "'",
    "\"",
    "r'\\d'",
    "b'x'",
    "NULL",
    "TRUE",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "*",
    "+",
    "-",
    "/",
    "%",
    "=",
    "!=",
    "<",
    ">",
    "<<",
    "::",
    "||",
    "|",
    "&",
    "~",
    "AND",
    "OR",
    "NOT",
    "IS",
    "IN",
    "LIKE",
    "BETWEEN",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "SELECT",
    "FROM",
    "flows",
    "WHERE",
    "CAST",
    "AS",
    "INT64",
    "INTERVAL",
    "DAY",
    "EXTRACT",
    "COUNT",
    "DISTINCT",
    "SUM",
    "IF",
    "NET.IP_TRUNC",
    "SPLIT",
    "SAFE_OFFSET",
    "TIMESTAMP",
    "DATE",
    "'2026-01-01'",
    "bad_ports",
    "port",
    "OVER",
    "FILTER",
    "--",
    "/*",
    "*/",
    "#",
    "\n",
    "é",
    "日",
    "\\",
    "`",
    "0x1F",
    "1e400",
    "9223372036854775808",
    ";",
    "?",
    ":",
    "{",
    "}",
    "STRUCT",
    "ARRAY",
    "LATERAL",
    "WITH",
    "TRIM",
    "SUBSTRING",
    "POSITION",
    "CEIL",
    "TO",
    "ESCAPE",
    "ANY",
    "ALL",
];

/// What may stand before an expression and nests.
const OPENS: &[&str] = &[
    "(",
    "ABS(",
    "CAST(",
    "SAFE_CAST(",
    "TRIM(",
    "SUBSTR(",
    "FLOOR(",
    "EXTRACT(DAY FROM ",
    "POSITION(",
    "EXISTS(",
    "NOT ",
    "- ",
    "CASE WHEN ",
    "CASE ",
    "INTERVAL ",
    "x IN (",
    "(SELECT ",
    "1 + (",
    "STRUCT(",
    "STRUCT<a ",
    "ARRAY[",
    "ARRAY(",
    "DATE(",
    "COUNT(DISTINCT ",
    "x[",
    "CONVERT(",
    "OVERLAY(",
    "1 BETWEEN ",
    "IF(a, ",
    "CEIL(",
    "x.y(",
    "[",
    "(1, ",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_words(words in prop::collection::vec(prop::sample::select(WORDS), 0..24)) {
        run_all(&words.join(" "));
        run_all(&words.concat());
    }

    #[test]
    fn any_text(text in "\\PC{0,60}") {
        run_all(&text);
        run_all(&format!("REGEXP_CONTAINS(src_ip, r'{text}')"));
        run_all(&format!("src_ip LIKE '{text}'"));
    }

    #[test]
    fn any_nesting(opens in prop::collection::vec(prop::sample::select(OPENS), 0..49), closed in any::<bool>()) {
        let mut sql = opens.concat();
        sql.push('1');
        if closed {
            sql.push_str(&")".repeat(sql.matches('(').count()));
        }
        let start = Instant::now();
        run_all(&sql);
        prop_assert!(start.elapsed() < Duration::from_secs(1), "{} took {:?}", sql, start.elapsed());
    }

    #[test]
    fn any_cut(at in 0usize..200, with in "\\PC{0,3}") {
        let sql = "SELECT src_ip, CASE WHEN dst_port IN (SELECT port FROM bad_ports) THEN SAFE_DIVIDE(tx_bytes, 2) \
                   ELSE -1.5e3 END AS x FROM flows AS f WHERE f.src_ip LIKE '10.%' AND NOT blocked IS NULL";
        let at = at.min(sql.len());
        run_all(&sql[..at]);
        run_all(&format!("{}{with}{}", &sql[..at], &sql[at..]));
    }
}
