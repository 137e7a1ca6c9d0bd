//! Each mistake: its code, what is underlined, and words of its message or help.

use crate::diagnostic::{Diagnostic, FileId, Severity, Span};
use crate::language::{bind_aggregation, bind_condition, codes};

use super::{bind, scope, text, underlined};

/// (SQL, code, underlined text, words of the message or help).
type Case = (&'static str, &'static str, &'static str, &'static str);

fn words(diagnostic: &Diagnostic) -> String {
    format!("{}; {}", diagnostic.message, diagnostic.help.join("; "))
}

/// What is not as wanted.
fn difference(case: Case, diagnostics: &[Diagnostic]) -> Option<String> {
    let (sql, code, part, said) = case;
    let [diagnostic] = diagnostics else { return Some(format!("{sql}: {diagnostics:#?}")) };
    let right = diagnostic.code == code
        && underlined(sql, diagnostic) == part
        && words(diagnostic).contains(said)
        && diagnostic.severity == Severity::Error;
    let found = (diagnostic.code, underlined(sql, diagnostic), words(diagnostic));
    (!right).then(|| format!("{sql}: {found:?}"))
}

fn check(found: Vec<String>) {
    assert!(found.is_empty(), "{}", found.join("\n"));
}

const EXPRESSIONS: &[Case] = &[
    ("dst_port = '443'", codes::TYPE_MISMATCH, "dst_port = '443'", "dst_port is INT64, '443' is STRING; write 443"),
    ("src_ip = 5", codes::TYPE_MISMATCH, "src_ip = 5", "write '5'"),
    ("src_ip > tx_bytes", codes::TYPE_MISMATCH, "src_ip > tx_bytes", "SAFE_CAST(src_ip AS INT64)"),
    ("dst_port IN (80, '443')", codes::TYPE_MISMATCH, "'443'", "write 443"),
    ("LOWER(dst_port)", codes::TYPE_MISMATCH, "dst_port", "LOWER takes STRING"),
    ("IF(blocked, 1, 'a')", codes::TYPE_MISMATCH, "IF(blocked, 1, 'a')", "one type"),
    ("CASE WHEN blocked THEN 1 ELSE 'a' END", codes::TYPE_MISMATCH, "CASE WHEN blocked THEN 1 ELSE 'a' END", "INT64"),
    ("dst_prot = 1", codes::UNKNOWN_COLUMN, "dst_prot", "did you mean dst_port?"),
    ("dstPort + 1 = 2", codes::UNKNOWN_COLUMN, "dstPort", "in flows"),
    ("pair.host > 1", codes::UNKNOWN_COLUMN, "pair.host", "pair.hosts"),
    ("\"dst_ip\" = '10.0.0.1'", codes::DOUBLE_QUOTED_COLUMN, "\"dst_ip\"", "for the column write dst_ip"),
    ("\"DST_IP\"", codes::DOUBLE_QUOTED_COLUMN, "\"DST_IP\"", "a string"),
    ("tx_bytes / rx_bytes > 100", codes::DIVISION, "tx_bytes / rx_bytes", "tx_bytes > 100 * rx_bytes"),
    ("tx_bytes / rx_bytes", codes::DIVISION, "tx_bytes / rx_bytes", "SAFE_DIVIDE(tx_bytes, rx_bytes)"),
    ("SAFE.in_cidr(src_ip, '10.0.0.0/8')", codes::REFUSED, "SAFE.in_cidr(src_ip, '10.0.0.0/8')", "never fails"),
    ("in_cidr(src_ip, '10.1.0.0/8')", codes::BAD_PATTERN, "'10.1.0.0/8'", "write '10.0.0.0/8'"),
    ("in_cidr(src_ip, '10.0.0.0')", codes::BAD_PATTERN, "'10.0.0.0'", "an address and a prefix length"),
    ("in_cidr(src_ip, dst_ip)", codes::BAD_PATTERN, "dst_ip", "not constant"),
    (
        "geo_km(geo_km(1, 2, 3, 4), 2, 3, 4) > 5",
        codes::REFUSED,
        "geo_km(1, 2, 3, 4)",
        "compute geo_km(…) in a column of its own first",
    ),
    ("JSON_VALUE(src_ip, '$[*]')", codes::BAD_PATTERN, "'$[*]'", "write $.name[0]"),
    ("JSON_QUERY(src_ip, '$..a')", codes::BAD_PATTERN, "'$..a'", "write $.name[0]"),
    ("JSON_QUERY(src_ip, dst_ip)", codes::BAD_PATTERN, "dst_ip", "the path is not constant"),
    ("JSON_VALUE(src_ip, dst_ip)", codes::BAD_PATTERN, "dst_ip", "the path is not constant"),
    ("FORMAT_TIMESTAMP('%c', event_time)", codes::BAD_PATTERN, "'%c'", "%c is not supported here; the elements are %Y"),
    ("FORMAT_TIMESTAMP(src_ip, event_time)", codes::BAD_PATTERN, "src_ip", "the format is not constant"),
    ("PARSE_TIMESTAMP('%F %Y', src_ip)", codes::BAD_PATTERN, "'%F %Y'", "twice"),
    ("PARSE_DATE('%T', src_ip)", codes::BAD_PATTERN, "'%T'", "%T is not supported here"),
    ("REGEXP_INSTR(src_ip, r'a*')", codes::BAD_PATTERN, "r'a*'", "write + instead of *"),
    ("REGEXP_EXTRACT(src_ip, r'a?', 1, 2)", codes::BAD_PATTERN, "r'a?'", "without a character"),
    (
        "DATE(event_time) + INTERVAL 1 DAY",
        codes::REFUSED,
        "DATE(event_time) + INTERVAL 1",
        "DATE_ADD(DATE(event_time), INTERVAL 1 DAY)",
    ),
    ("DATE_ADD(DATE(event_time), INTERVAL 1 HOUR)", codes::WRONG_ARGUMENTS, "INTERVAL 1", "DAY, WEEK, MONTH"),
    ("dst_port = 1 IS DISTINCT FROM 2", codes::SYNTAX, "dst_port = 1", "do not chain"),
    ("SAFE.LOWER(src_ip)", codes::REFUSED, "SAFE.LOWER(src_ip)", "write LOWER(…)"),
    ("SAFE.COUNT(1)", codes::UNKNOWN_FUNCTION, "SAFE.COUNT(1)", "no function is named SAFE.COUNT"),
    ("tx_bytes / 0", codes::DIVISION, "tx_bytes / 0", "by zero"),
    ("MOD(tx_bytes, dst_port)", codes::DIVISION, "MOD(tx_bytes, dst_port)", "MOD(tx_bytes, NULLIF(dst_port, 0))"),
    ("rows > 3", codes::REFUSED, "rows", "rows is a reserved word of GoogleSQL; as a name write `rows`, in backticks"),
    ("EXTRACT(DAY FROM '2026-01-01')", codes::REFUSED, "'2026-01-01'", "write TIMESTAMP '2026-01-01'"),
    ("REGEXP_EXTRACT(src_ip, r'(1)(0)')", codes::BAD_PATTERN, "r'(1)(0)'", "one group at most; write (?:…)"),
    ("REGEXP_CONTAINS(src_ip, r'(a{100}){100}')", codes::BAD_PATTERN, "r'(a{100}){100}'", "at most 1000 times"),
    ("tx_bytes % 2", codes::REFUSED, "tx_bytes % 2", "MOD(tx_bytes, 2)"),
    ("dst_port::text", codes::REFUSED, "dst_port", "write CAST(dst_port AS STRING)"),
    ("tx_bytes::FLOAT64", codes::REFUSED, "tx_bytes", "write CAST(tx_bytes AS FLOAT64)"),
    ("dst_port + NULL > 1", codes::NULL_OPERAND, "dst_port + NULL", "so the result is"),
    ("src_ip LIKE NULL", codes::NULL_OPERAND, "src_ip LIKE NULL", "never TRUE"),
    ("src_ip || '-' || NULL", codes::NULL_OPERAND, "src_ip || '-' || NULL", "so the result is"),
    ("NULL + INTERVAL 90 SECOND", codes::NULL_OPERAND, "NULL + INTERVAL 90", "so the result is"),
    ("NOT NULL", codes::NULL_OPERAND, "NOT NULL", "so the result is"),
    ("dst_port NOT NULL", codes::SYNTAX, "NOT", "unexpected NOT"),
    ("dst_port = X'1f'", codes::REFUSED, "X'1f'", "write a number as 0x1F"),
    ("dst_port == 53", codes::REFUSED, "==", "write ="),
    ("dst_port = 53 && tx_bytes > 5", codes::REFUSED, "&&", "write AND"),
    ("dst_port = 53 || tx_bytes > 5", codes::SYNTAX, "dst_port = 53 || tx_bytes", "between conditions write OR"),
    ("src_ip ~ '^10'", codes::REFUSED, "src_ip ~ '^10'", "REGEXP_CONTAINS(src_ip, '^10')"),
    ("src_ip = ‘a’", codes::REFUSED, "‘", "straight quote"),
    ("dst_port IN [53]", codes::SYNTAX, "[", "write IN (a, b, …)"),
    ("dst_port IN 53", codes::SYNTAX, "53", "write IN (a, b, …)"),
    ("event_time > event_time - INTERVAL '5 minutes'", codes::SYNTAX, "'5 minutes'", "write INTERVAL 5 MINUTE"),
    ("src_ip != 10.0.0.4", codes::SYNTAX, "10.0.0.4", "an address is a text; write '10.0.0.4'"),
    ("dst_port = 1 OR src_ip = fe80::1 OR blocked", codes::SYNTAX, "fe80::1", "write 'fe80::1'"),
    ("src_ip = 2001:db8::1", codes::SYNTAX, "2001:db8::1", "write '2001:db8::1'"),
    ("src_ip IN (10.0.0.0/8)", codes::SYNTAX, "10.0.0.0/8", "how: longest_prefix"),
    ("cidrmatch('10.0.0.0/8', src_ip)", codes::REFUSED, "cidrmatch('10.0.0.0/8', src_ip)", "how: longest_prefix"),
    ("src_ip::inet << '10/8'", codes::REFUSED, "src_ip", "how: longest_prefix"),
    ("CAST(src_ip AS INET) = src_ip", codes::REFUSED, "CAST(src_ip AS INET)", "how: longest_prefix"),
    (
        "event_time - event_time > 5",
        codes::TYPE_MISMATCH,
        "event_time - event_time",
        "write TIMESTAMP_DIFF(event_time, event_time, MINUTE)",
    ),
    ("isnull(rx_bytes)", codes::REFUSED, "isnull(rx_bytes)", "write x IS NULL"),
    ("NOTNULL(rx_bytes)", codes::REFUSED, "NOTNULL(rx_bytes)", "write x IS NOT NULL"),
    ("src_ip ILIKE 'a%'", codes::REFUSED, "src_ip ILIKE 'a%'", "LOWER(src_ip) LIKE LOWER('a%')"),
    ("src_ip || dst_port = ''", codes::TYPE_MISMATCH, "dst_port", "write CAST(dst_port AS STRING)"),
    ("SUM(tx_bytes) OVER () > 1", codes::REFUSED, "SUM(tx_bytes)", "ROW_NUMBER"),
    ("dst_port = (SELECT 1)", codes::REFUSED, "SELECT 1", "IN (SELECT"),
    ("event_time + INTERVAL 1 MONTH > event_time", codes::REFUSED, "INTERVAL 1", "no fixed length"),
    ("CAST(src_ip AS DATETIME)", codes::REFUSED, "CAST(src_ip AS DATETIME)", "TIMESTAMP"),
    ("CAST(src_ip AS VARCHAR)", codes::REFUSED, "CAST(src_ip AS VARCHAR)", "STRING"),
    ("CURRENT_TIMESTAMP() > event_time", codes::REFUSED, "CURRENT_TIMESTAMP()", "event_time"),
    ("LENGHT(src_ip)", codes::UNKNOWN_FUNCTION, "LENGHT(src_ip)", "did you mean LENGTH?"),
    ("SAFE_DIVIDE(1)", codes::WRONG_ARGUMENTS, "SAFE_DIVIDE(1)", "SAFE_DIVIDE(FLOAT64, FLOAT64)"),
    ("EXTRACT(EPOCH FROM event_time)", codes::WRONG_ARGUMENTS, "EXTRACT(EPOCH FROM event_time)", "UNIX_SECONDS"),
    ("TIMESTAMP_TRUNC(event_time, HOURS)", codes::WRONG_ARGUMENTS, "HOURS", "write HOUR"),
    ("dst_port > @limits", codes::UNKNOWN_PARAMETER, "@limits", "did you mean @limit?"),
    ("dst_port > ?", codes::REFUSED, "?", "@name"),
    ("dst_port = NULL", codes::NULL_OPERAND, "dst_port = NULL", "write dst_port IS NULL"),
    ("NULL <> dst_ip", codes::NULL_OPERAND, "NULL <> dst_ip", "write dst_ip IS NOT NULL"),
    ("dst_port IN (1, NULL)", codes::NULL_OPERAND, "NULL", "OR dst_port IS NULL"),
    ("dst_port NOT IN (1, NULL)", codes::NOT_IN_NULLABLE, "NULL", "never TRUE"),
    (
        "src_ip NOT IN (SELECT owner FROM bad_ports)",
        codes::NOT_IN_NULLABLE,
        "src_ip NOT IN (SELECT owner FROM bad_ports)",
        "take `nullable: true` from owner in the lookup, and fill its empty cells",
    ),
    (
        "src_ip IN (SELECT cidr FROM networks)",
        codes::NETWORK_LOOKUP,
        "src_ip IN (SELECT cidr FROM networks)",
        "how: longest_prefix",
    ),
    ("dst_port IN (SELECT port FROM bad_port)", codes::UNKNOWN_LOOKUP, "bad_port", "did you mean bad_ports?"),
    ("dst_port IN (SELECT prt FROM bad_ports)", codes::UNKNOWN_COLUMN, "prt", "did you mean port?"),
    (
        "dst_port IN (SELECT port FROM bad_ports LIMIT 1)",
        codes::REFUSED,
        "LIMIT",
        "IN (SELECT column FROM lookup WHERE …)",
    ),
    ("src_ip = 'a''b'", codes::BAD_LITERAL, "'a''b'", "backslash"),
    (r"src_ip = '\d'", codes::BAD_LITERAL, r"'\d'", "escape"),
    ("event_time > 'yesterday'", codes::BAD_LITERAL, "'yesterday'", "TIMESTAMP"),
    ("event_time > TIMESTAMP '2026-02-30'", codes::BAD_LITERAL, "TIMESTAMP '2026-02-30'", "not a TIMESTAMP"),
    ("dst_port = 9223372036854775808", codes::BAD_LITERAL, "9223372036854775808", "neither"),
    ("REGEXP_CONTAINS(src_ip, dst_ip)", codes::BAD_PATTERN, "dst_ip", "not constant"),
    ("REGEXP_CONTAINS(src_ip, '(')", codes::BAD_PATTERN, "'('", "not read"),
    ("src_ip LIKE 'a\\\\'", codes::BAD_PATTERN, "'a\\\\'", "backslash"),
    ("1 < dst_port < 5", codes::SYNTAX, "1 < dst_port", "do not chain"),
    ("dst_port = 1 IS TRUE", codes::SYNTAX, "dst_port = 1", "do not chain"),
    ("dst_port = ", codes::SYNTAX, "=", "expected"),
    ("dst_port = 1 extra", codes::SYNTAX, "extra", "unexpected"),
    ("COUNT(*) > 1", codes::AGGREGATE, "COUNT(*)", "cannot stand here"),
    ("hosts.a.b = 1", codes::REFUSED, "hosts.a.b", "qualifier"),
];

#[test]
fn expressions() {
    let found = EXPRESSIONS.iter().filter_map(|case| {
        let (expr, diagnostics) = bind(case.0);
        assert!(expr.is_none(), "{} is accepted", case.0);
        difference(*case, &diagnostics)
    });
    check(found.collect());
}

#[test]
fn every_mistake_of_a_text_is_reported() {
    let (_, diagnostics) = bind("dst_prot = 1 AND LENGHT(src_ip) > 2 AND tx_bytes / rx_bytes > 1 AND src_ip = 5");
    let found: Vec<&str> = diagnostics.iter().map(|d| d.code).collect();
    let wanted = [codes::UNKNOWN_COLUMN, codes::UNKNOWN_FUNCTION, codes::DIVISION, codes::TYPE_MISMATCH];
    assert_eq!(found, wanted);
}

#[test]
fn conditions() {
    let cases: &[Case] = &[
        ("dst_port", codes::NOT_BOOLEAN, "dst_port", "BOOL"),
        ("dst_port + 1", codes::NOT_BOOLEAN, "dst_port + 1", "BOOL"),
    ];
    let found = cases.iter().filter_map(|case| {
        let mut diagnostics = Vec::new();
        assert!(bind_condition(&text(case.0), &scope(), &mut diagnostics).is_none());
        difference(*case, &diagnostics)
    });
    check(found.collect());
}

#[test]
fn aggregations() {
    let cases: &[Case] = &[
        ("dst_port + 1", codes::AGGREGATE, "dst_port", "MAX(dst_port)"),
        ("1 + 2", codes::AGGREGATE, "1 + 2", "no aggregate"),
        ("SUM(COUNT(*))", codes::AGGREGATE, "COUNT(*)", "inside"),
        ("SUM(src_ip)", codes::TYPE_MISMATCH, "SUM(src_ip)", "INT64 or FLOAT64"),
        ("SUM(DISTINCT tx_bytes)", codes::REFUSED, "SUM(DISTINCT tx_bytes)", "COUNT(DISTINCT x)"),
        ("COUNT()", codes::WRONG_ARGUMENTS, "COUNT()", "COUNT(*)"),
        ("COUNT(*) FILTER (WHERE blocked)", codes::REFUSED, "COUNT(*) FILTER (WHERE blocked)", "COUNTIF"),
        ("COUNT(*) / COUNT(rx_bytes)", codes::DIVISION, "COUNT(*) / COUNT(rx_bytes)", "SAFE_DIVIDE"),
        ("COUNT(*) / (COUNT(*) - 1)", codes::DIVISION, "COUNT(*) / (COUNT(*) - 1)", "may be zero, and such a row"),
        (
            "SUM(tx_bytes) / GREATEST(COUNTIF(blocked), 0)",
            codes::DIVISION,
            "SUM(tx_bytes) / GREATEST(COUNTIF(blocked), 0)",
            "SAFE_DIVIDE",
        ),
        ("SUM(tx_bytes) / COUNTIF(blocked)", codes::DIVISION, "SUM(tx_bytes) / COUNTIF(blocked)", "SAFE_DIVIDE"),
        ("MEDIAN(tx_bytes)", codes::REFUSED, "MEDIAN(tx_bytes)", "APPROX_QUANTILES(x, 2)"),
        ("APPROX_QUANTILES(tx_bytes, 4)", codes::REFUSED, "APPROX_QUANTILES(tx_bytes, 4)", "OFFSET(50)"),
        ("APPROX_QUANTILES(tx_bytes, 0)[OFFSET(0)]", codes::REFUSED, "0", "OFFSET(50)"),
        ("APPROX_QUANTILES(tx_bytes, 2000)[OFFSET(0)]", codes::REFUSED, "2000", "OFFSET(50)"),
        ("APPROX_QUANTILES(tx_bytes, 4)[ORDINAL(1)]", codes::REFUSED, "ORDINAL(1)", "OFFSET(50)"),
        ("APPROX_QUANTILES(tx_bytes, 4)[OFFSET(5)]", codes::REFUSED, "OFFSET(5)", "OFFSET(50)"),
        (
            "APPROX_QUANTILES(src_ip, 4)[OFFSET(1)]",
            codes::TYPE_MISMATCH,
            "APPROX_QUANTILES(src_ip, 4)[OFFSET(1",
            "takes INT64, FLOAT64",
        ),
        ("ARRAY_AGG(dst_ip)", codes::REFUSED, "ARRAY_AGG(dst_ip)", "[SAFE_OFFSET(0)]"),
        (
            "ARRAY_AGG(dst_ip ORDER BY event_time LIMIT 1)[SAFE_OFFSET(0)]",
            codes::REFUSED,
            "ARRAY_AGG(dst_ip ORDER BY event_time LIMIT 1)[SAFE_OFFSET(0",
            "IGNORE NULLS",
        ),
        (
            "ARRAY_AGG(dst_ip IGNORE NULLS ORDER BY event_time LIMIT 1)[OFFSET(0)]",
            codes::REFUSED,
            "ARRAY_AGG(dst_ip IGNORE NULLS ORDER BY event_time LIMIT 1)[OFFSET(0",
            "SAFE_OFFSET(0)",
        ),
        ("BIT_OR(score)", codes::TYPE_MISMATCH, "BIT_OR(score)", "INT64"),
        ("SUM(dst_port = 53)", codes::TYPE_MISMATCH, "SUM(dst_port = 53)", "write COUNTIF(dst_port = 53)"),
        ("AVG(dst_port = 53)", codes::TYPE_MISMATCH, "AVG(dst_port = 53)", "write COUNTIF(dst_port = 53) / COUNT(*)"),
        (
            "COUNT(DISTINCT src_ip, dst_port)",
            codes::WRONG_ARGUMENTS,
            "COUNT(DISTINCT src_ip, dst_port)",
            "write COUNT(DISTINCT CONCAT(src_ip, ' ', CAST(dst_port AS STRING)))",
        ),
        (
            "STRING_AGG(dst_ip, '|')",
            codes::REFUSED,
            "STRING_AGG(dst_ip, '|')",
            "write STRING_AGG(DISTINCT dst_ip, '|' ORDER BY dst_ip LIMIT 100)",
        ),
        (
            "STRING_AGG(dst_ip ORDER BY dst_ip)",
            codes::REFUSED,
            "STRING_AGG(dst_ip ORDER BY dst_ip)",
            "LIMIT and a number from 1 to 1000",
        ),
        ("STRING_AGG(dst_ip ORDER BY dst_ip LIMIT 0)", codes::REFUSED, "0", "no bound of a list"),
        ("STRING_AGG(dst_ip ORDER BY dst_ip LIMIT 1001)", codes::REFUSED, "1001", "no bound of a list"),
        ("STRING_AGG(dst_ip ORDER BY dst_ip LIMIT dst_port)", codes::AGGREGATE, "dst_port", "MAX(dst_port)"),
        (
            "STRING_AGG(DISTINCT dst_ip ORDER BY event_time LIMIT 5)",
            codes::REFUSED,
            "STRING_AGG(DISTINCT dst_ip ORDER BY event_time LIMIT 5)",
            "DISTINCT texts have no order but their own",
        ),
        ("STRING_AGG(dst_ip, LOWER('A') ORDER BY dst_ip LIMIT 5)", codes::REFUSED, "LOWER('A')", "constant STRING"),
        ("STRING_AGG(MD5(dst_ip), ',' ORDER BY MD5(dst_ip) LIMIT 5)", codes::REFUSED, "','", "constant BYTES"),
        (
            "STRING_AGG(dst_port ORDER BY dst_port LIMIT 5)",
            codes::TYPE_MISMATCH,
            "STRING_AGG(dst_port ORDER BY dst_port LIMIT 5)",
            "STRING or BYTES",
        ),
        ("STRING_AGG()", codes::REFUSED, "STRING_AGG()", "STRING_AGG takes texts"),
        ("GROUP_CONCAT(dst_ip)", codes::REFUSED, "GROUP_CONCAT(dst_ip)", "write STRING_AGG(DISTINCT x"),
        (
            "SUM(tx_bytes ORDER BY tx_bytes)",
            codes::REFUSED,
            "SUM(tx_bytes ORDER BY tx_bytes)",
            "only STRING_AGG and ARRAY_AGG",
        ),
        ("CORR(tx_bytes)", codes::WRONG_ARGUMENTS, "CORR(tx_bytes)", "write CORR(x, y)"),
        ("COVAR_POP(*)", codes::WRONG_ARGUMENTS, "COVAR_POP(*)", "takes two arguments"),
        ("CORR(DISTINCT tx_bytes, score)", codes::REFUSED, "CORR(DISTINCT tx_bytes, score)", "takes no DISTINCT"),
        ("COVAR_SAMP(tx_bytes, src_ip)", codes::TYPE_MISMATCH, "src_ip", "INT64 or FLOAT64"),
        ("CORR(tx_bytes, SUM(tx_bytes))", codes::AGGREGATE, "SUM(tx_bytes)", "inside"),
        ("AVG(score_x)", codes::UNKNOWN_COLUMN, "score_x", "its columns"),
        ("MAX(bytes_seen)", codes::UNKNOWN_COLUMN, "bytes_seen", "`bytes_seen` is computed after"),
    ];
    let found = cases.iter().filter_map(|case| {
        let mut diagnostics = Vec::new();
        assert!(bind_aggregation(&text(case.0), &scope(), &mut diagnostics).is_none(), "{}", case.0);
        difference(*case, &diagnostics)
    });
    check(found.collect());
}

#[test]
fn places_in_a_mapped_text_are_the_files() {
    // The second line of the SQL is indented by four in its file.
    let sql = "dst_port = 1\nAND dst_prot = 2";
    let mut mapped = text(sql);
    mapped.map.pieces = vec![(0, 100), (13, 117)];
    mapped.map.whole = Span { file: FileId(0), start: 100, end: 132 };
    let mut diagnostics = Vec::new();
    crate::language::bind_expression(&mapped, &scope(), &mut diagnostics);
    let span = diagnostics[0].span;
    assert_eq!((span.start, span.end), (117 + 4, 117 + 4 + 8));
}

#[test]
fn every_code_is_listed_once_and_has_a_page() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnostic/codes");
    for (index, (code, summary)) in codes::CODES.iter().enumerate() {
        assert!(code.starts_with("sql.") && !summary.is_empty());
        assert!(codes::CODES.iter().skip(index + 1).all(|(other, _)| other != code), "{code} is listed twice");
        let page = std::fs::read_to_string(folder.join(format!("{code}.md"))).expect(code);
        assert!(page.starts_with(&format!("# {code}")), "{code}");
    }
}
