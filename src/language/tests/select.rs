//! Queries of rules and normalizations.

use crate::diagnostic::Diagnostic;
use crate::language::tree::{Expr, ExprKind};
use crate::language::{Query, codes, conjuncts, parse_query};

use super::{scope, text, underlined};

fn query(sql: &str) -> (Option<Query>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let text = text(sql);
    let bound = parse_query(&text, &mut diagnostics).and_then(|parsed| {
        let scopes = vec![scope(); parsed.relations().len()];
        crate::language::bind_query(&parsed, &text, &scopes, &mut diagnostics)
    });
    (bound, diagnostics)
}

/// Expressions, short: `$1` is a column, `#1` the second rank.
fn short(expr: &Expr) -> String {
    let columns = scope().columns.len();
    match &expr.kind {
        ExprKind::Column(index) if *index >= columns => format!("#{}", index - columns),
        ExprKind::Column(index) => scope().columns[*index].column.name.clone(),
        ExprKind::Literal(value) => value.display(),
        ExprKind::Call { function, args } => {
            let args: Vec<String> = args.iter().map(short).collect();
            format!("{}({})", function.name, args.join(" "))
        }
        ExprKind::InLookup { expr, set, .. } => {
            let parts = set.iter().map(|part| {
                let filter =
                    part.filter.as_ref().map_or(String::new(), |filter| format!(" where {}", in_lookup(filter)));
                format!("{}{filter}", in_lookup(&part.value))
            });
            format!("{} in [{}]", short(expr), parts.collect::<Vec<_>>().join(", "))
        }
        kind => format!("{kind:?}"),
    }
}

fn in_lookup(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Column(index) => scope().lookups[0].columns[*index].name.clone(),
        ExprKind::Call { function, args } => {
            let args: Vec<String> = args.iter().map(in_lookup).collect();
            format!("{}({})", function.name, args.join(" "))
        }
        _ => short(expr),
    }
}

#[test]
fn subqueries_become_one_select() {
    let cases = [
        (
            "SELECT port + 1 AS next FROM (SELECT dst_port AS port, src_ip FROM flows WHERE tx_bytes > 5) WHERE src_ip = 'a'",
            "next: +(dst_port 1) | >(tx_bytes 5) and =(src_ip a)",
        ),
        (
            "WITH big AS (SELECT * FROM flows WHERE tx_bytes > 5), far AS (SELECT b.dst_port AS p FROM big AS b) SELECT p FROM far",
            "p: dst_port | >(tx_bytes 5)",
        ),
        // A name of WITH is meant before a relation's.
        (
            "WITH flows AS (SELECT src_ip FROM flows WHERE dst_port = 1) SELECT * FROM flows",
            "src_ip: src_ip | =(dst_port 1)",
        ),
        (
            "WITH t AS (SELECT src_ip, dst_port FROM flows) SELECT src_ip FROM t WHERE dst_port = 1 UNION ALL SELECT src_ip FROM t WHERE dst_port = 2",
            "src_ip: src_ip | =(dst_port 1); src_ip: src_ip | =(dst_port 2)",
        ),
        (
            "SELECT ip FROM (SELECT src_ip AS ip FROM flows UNION ALL SELECT dst_ip AS other FROM flows) WHERE ip != 'a'",
            "ip: src_ip | !=(src_ip a); ip: dst_ip | !=(dst_ip a)",
        ),
        (
            "SELECT src_ip FROM flows QUALIFY ROW_NUMBER() OVER (PARTITION BY dst_port ORDER BY tx_bytes DESC, src_ip) <= 3",
            "src_ip: src_ip | | ROW_NUMBER by dst_port order -tx_bytes, src_ip | <=(#0 3)",
        ),
        (
            "SELECT src_ip, RANK() OVER (ORDER BY tx_bytes) AS place FROM flows WHERE dst_port = 1 QUALIFY place = 1",
            "src_ip: src_ip, place: #0 | =(dst_port 1) | RANK by  order tx_bytes | =(#0 1)",
        ),
        (
            "SELECT src_ip FROM (SELECT *, DENSE_RANK() OVER (ORDER BY tx_bytes + 1) AS place FROM flows) AS r WHERE r.place = 2 AND dst_port = 7",
            "src_ip: src_ip | | DENSE_RANK by  order +(tx_bytes 1) | =(#0 2) and =(dst_port 7)",
        ),
        (
            "SELECT port, RANK() OVER (ORDER BY port DESC NULLS FIRST) AS place FROM (SELECT dst_port AS port FROM flows)",
            "port: dst_port, place: #0 | | RANK by  order -dst_port nulls | ",
        ),
        (
            "SELECT src_ip FROM flows WHERE dst_port IN (SELECT port FROM bad_ports WHERE owner = 'x' UNION ALL SELECT port + 1 FROM bad_ports)",
            "src_ip: src_ip | dst_port in [port where =(owner x), +(port 1)]",
        ),
        (
            "WITH mine AS (SELECT port AS p FROM bad_ports WHERE owner = 'x') SELECT src_ip FROM flows WHERE dst_port IN (SELECT p FROM mine WHERE p > @limit)",
            "src_ip: src_ip | dst_port in [port where AND(=(owner x) >(port 100))]",
        ),
    ];
    for (sql, expected) in cases {
        let (bound, diagnostics) = query(sql);
        let bound = bound.unwrap_or_else(|| panic!("{sql}: {diagnostics:#?}"));
        let branches = bound.branches.iter().map(|select| {
            let items: Vec<String> = select.items.iter().map(|i| format!("{}: {}", i.name, short(&i.expr))).collect();
            let parts = |condition: &Option<Expr>| {
                let parts: Vec<String> = condition.iter().flat_map(conjuncts).map(short).collect();
                parts.join(" and ")
            };
            let mut text = format!("{} | {}", items.join(", "), parts(&select.filter));
            for rank in &select.ranks {
                let partition: Vec<String> = rank.partition.iter().map(short).collect();
                let order = rank.order.iter().map(|key| {
                    let nulls = if key.nulls_first == key.descending { " nulls" } else { "" };
                    format!("{}{}{nulls}", if key.descending { "-" } else { "" }, short(&key.expr))
                });
                let order: Vec<String> = order.collect();
                let name = rank.function.name();
                text.push_str(&format!("| {name} by {} order {} | ", partition.join(", "), order.join(", ")));
                text.push_str(&parts(&select.qualify));
            }
            text
        });
        let found = branches.collect::<Vec<_>>().join("; ");
        assert_eq!(found.replace(' ', ""), expected.replace(' ', ""), "{sql}");
    }
}

#[test]
fn what_grows_without_end_is_refused() {
    let mut doubling = "WITH a0 AS (SELECT tx_bytes AS x FROM flows)".to_owned();
    for n in 1..40 {
        doubling.push_str(&format!(", a{n} AS (SELECT x + x AS x FROM a{})", n - 1));
    }
    let mut branching = "WITH a0 AS (SELECT src_ip FROM flows)".to_owned();
    for n in 1..40 {
        branching.push_str(&format!(", a{n} AS (SELECT * FROM a{0} UNION ALL SELECT * FROM a{0})", n - 1));
    }
    let mut deep = "WITH a0 AS (SELECT tx_bytes AS x FROM flows)".to_owned();
    for n in 1..100 {
        deep.push_str(&format!(", a{n} AS (SELECT ABS(ABS(ABS(x + 1))) AS x FROM a{})", n - 1));
    }
    for (sql, column, last) in [(doubling, "x", 39), (branching, "src_ip", 39), (deep, "x", 99)] {
        let (bound, diagnostics) = query(&format!("{sql} SELECT {column} FROM a{last}"));
        assert!(bound.is_none());
        assert_eq!(diagnostics[0].code, codes::TOO_LARGE, "{diagnostics:#?}");
        assert!(!diagnostics[0].help.is_empty());
    }
}

#[test]
fn items_have_names() {
    let cases: [(&str, &[&str]); 7] = [
        ("SELECT src_ip, dst_port AS port FROM flows", &["src_ip", "port"]),
        ("SELECT SRC_IP FROM flows WHERE dst_port > 1;", &["src_ip"]),
        ("SELECT f.src_ip, pair.hosts FROM flows AS f", &["src_ip", "hosts"]),
        ("SELECT f.src_ip FROM flows f WHERE f.dst_port = 1 AND hosts > 2", &["src_ip"]),
        ("SELECT pair.*, flows.src_ip FROM flows", &["hosts", "score", "src_ip"]),
        (
            "SELECT * FROM flows",
            &["event_time", "src_ip", "dst_ip", "dst_port", "tx_bytes", "rx_bytes", "score", "blocked"],
        ),
        (
            "SELECT * EXCEPT (score, blocked), 1 AS one FROM flows",
            &["event_time", "src_ip", "dst_ip", "dst_port", "tx_bytes", "rx_bytes", "one"],
        ),
    ];
    for (sql, names) in cases {
        let (bound, diagnostics) = query(sql);
        let bound = bound.unwrap_or_else(|| panic!("{sql}: {diagnostics:#?}"));
        let bound = &bound.branches[0];
        let found: Vec<&str> = bound.items.iter().map(|i| i.name.as_str()).collect();
        assert_eq!(found, names, "{sql}");
        assert_eq!(bound.from.0, "flows");
        assert_eq!(bound.filter.is_some(), sql.contains("WHERE"));
    }
}

#[test]
fn what_a_query_names_is_known_before_it_is_bound() {
    let sql = "SELECT dst_port IN (SELECT port FROM bad_ports) AS bad FROM flows WHERE tx_bytes > @limit";
    let parsed = parse_query(&text(sql), &mut Vec::new()).unwrap();
    let (name, span) = &parsed.relations()[0];
    assert_eq!((name.as_str(), usize::try_from(span.start).unwrap()), ("flows", sql.find("flows").unwrap()));
    assert!(parsed.lookups().iter().any(|(name, _)| name == "bad_ports"));
    assert_eq!(parsed.parameters()[0].0, "limit");
}

#[test]
fn refused() {
    let cases = [
        ("SELECT dst_port + 1 FROM flows", codes::UNNAMED_ITEM, "dst_port + 1"),
        ("SELECT src_ip, dst_ip AS SRC_IP FROM flows", codes::DUPLICATE_ITEM, "dst_ip"),
        ("SELECT flows.src_ip FROM flows AS f", codes::UNKNOWN_COLUMN, "flows.src_ip"),
        ("SELECT src_ip FROM flows WHERE dst_port", codes::NOT_BOOLEAN, "dst_port"),
        ("SELECT * EXCEPT (bytes) FROM flows", codes::UNKNOWN_COLUMN, "bytes"),
        ("SELECT src_ip AS a FROM flows WHERE a = 'x'", codes::UNKNOWN_COLUMN, "a"),
        ("SELECT x.* FROM flows", codes::UNKNOWN_COLUMN, "x"),
        ("SELECT COUNT(*) AS n FROM flows", codes::AGGREGATE, "COUNT(*)"),
        ("SELECT dst_ip FROM (SELECT src_ip FROM flows)", codes::UNKNOWN_COLUMN, "dst_ip"),
        ("SELECT f.src_ip FROM (SELECT src_ip FROM flows) AS x", codes::UNKNOWN_COLUMN, "f.src_ip"),
        ("SELECT src_ip FROM (SELECT nothing FROM flows)", codes::UNKNOWN_COLUMN, "nothing"),
        ("SELECT src_ip FROM flows UNION ALL SELECT dst_port FROM flows", codes::TYPE_MISMATCH, "dst_port"),
        ("SELECT src_ip FROM flows UNION ALL SELECT src_ip, dst_ip FROM flows", codes::TYPE_MISMATCH, "src_ip"),
        ("SELECT src_ip FROM flows QUALIFY TRUE", codes::REFUSED, "TRUE"),
        ("SELECT src_ip FROM flows WHERE RANK() OVER (ORDER BY src_ip) = 1", codes::REFUSED, "RANK()"),
        ("SELECT src_ip, RANK() OVER (PARTITION BY dst_port) AS r FROM flows", codes::REFUSED, "RANK()"),
        ("SELECT SUM(tx_bytes) OVER () AS s FROM flows", codes::REFUSED, "SUM(tx_bytes)"),
        ("SELECT src_ip, RANK() OVER (ORDER BY 1) AS r FROM flows", codes::REFUSED, "1"),
        ("SELECT src_ip, RANK() OVER (PARTITION BY score ORDER BY src_ip) AS r FROM flows", codes::REFUSED, "score"),
        (
            "SELECT dst_ip AS src_ip, RANK() OVER (ORDER BY src_ip) AS r FROM flows QUALIFY r = 1 AND src_ip = 'x'",
            codes::AMBIGUOUS_COLUMN,
            "src_ip",
        ),
        (
            "SELECT r, RANK() OVER (ORDER BY r) AS q FROM (SELECT RANK() OVER (ORDER BY src_ip) AS r FROM flows)",
            codes::REFUSED,
            "r",
        ),
        (
            "SELECT src_ip FROM flows WHERE dst_port IN (SELECT port FROM bad_ports WHERE owner = src_ip)",
            codes::UNKNOWN_COLUMN,
            "src_ip",
        ),
        ("SELECT src_ip FROM flows WHERE dst_port IN (SELECT port, owner FROM bad_ports)", codes::REFUSED, "bad_ports"),
        (
            "SELECT src_ip FROM flows WHERE src_ip NOT IN (SELECT owner FROM bad_ports WHERE port > 1)",
            codes::NOT_IN_NULLABLE,
            "src_ip NOT IN (SELECT owner FROM bad_ports WHERE port > 1)",
        ),
        ("WITH x AS (SELECT src_ip FROM flows) SELECT dst_port FROM flows", codes::REFUSED, "x"),
        (
            "WITH x AS (SELECT 1 AS a FROM flows), x AS (SELECT src_ip FROM flows) SELECT src_ip FROM x",
            codes::REFUSED,
            "x",
        ),
        ("WITH `at` AS (SELECT src_ip FROM flows) SELECT src_ip FROM at", codes::REFUSED, "at"),
        ("SELECT src_ip FROM flows AS hash", codes::REFUSED, "hash"),
        ("WITH x (a) AS (SELECT src_ip FROM flows) SELECT a FROM x", codes::REFUSED, "x"),
    ];
    for (sql, code, part) in cases {
        let (bound, diagnostics) = query(sql);
        assert!(bound.is_none(), "{sql}");
        let [diagnostic] = diagnostics.as_slice() else { panic!("{sql}: {diagnostics:#?}") };
        assert_eq!((diagnostic.code, underlined(sql, diagnostic)), (code, part), "{sql}: {diagnostic:?}");
    }
    // With what is underlined.
    let forms = [
        ("SELECT src_ip FROM flows GROUP BY src_ip HAVING TRUE", "GROUP BY"),
        ("SELECT src_ip FROM flows HAVING TRUE", "HAVING"),
        ("SELECT DISTINCT src_ip FROM flows", "SELECT DISTINCT"),
        ("SELECT src_ip FROM flows ORDER BY 1", "ORDER BY"),
        ("SELECT src_ip FROM flows LIMIT 5", "LIMIT"),
        ("SELECT src_ip FROM flows, other", "FROM"),
        ("SELECT a.src_ip FROM flows a JOIN other b ON TRUE", "JOIN"),
        ("WITH x AS (SELECT src_ip FROM flows LIMIT 5) SELECT * FROM x", "LIMIT"),
        ("SELECT * FROM (SELECT src_ip FROM flows GROUP BY src_ip)", "GROUP BY"),
        ("SELECT src_ip FROM flows WHERE dst_port IN (SELECT port FROM bad_ports ORDER BY port)", "ORDER BY"),
        ("SELECT src_ip FROM flows UNION DISTINCT SELECT src_ip FROM flows", "UNION DISTINCT"),
        ("SELECT src_ip FROM flows EXCEPT DISTINCT SELECT src_ip FROM flows", "EXCEPT DISTINCT"),
        ("SELECT src_ip FROM flows WINDOW w AS (ORDER BY src_ip)", "WINDOW"),
        ("SELECT 1 AS one", "SELECT 1 AS one"),
        ("SELECT src_ip FROM a.b", "FROM"),
        ("SELECT src_ip FROM flows |> WHERE TRUE", "|"),
        ("dst_port = 53", "dst_port"),
    ];
    for (sql, part) in forms {
        let (bound, diagnostics) = query(sql);
        assert!(bound.is_none() && diagnostics.len() == 1, "{sql}: {diagnostics:#?}");
        assert!(matches!(diagnostics[0].code, codes::REFUSED | codes::SYNTAX), "{sql}: {diagnostics:#?}");
        assert!(!diagnostics[0].help.is_empty(), "{sql}");
        assert_eq!(underlined(sql, &diagnostics[0]), part, "{sql}: {diagnostics:#?}");
    }
}
