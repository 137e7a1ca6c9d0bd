//! Queries of rules and normalizations.

use crate::diagnostic::Diagnostic;
use crate::language::{Select, bind_select, codes, parse_select};

use super::{scope, text, underlined};

fn select(sql: &str) -> (Option<Select>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let text = text(sql);
    let bound = parse_select(&text, &mut diagnostics)
        .and_then(|parsed| bind_select(&parsed, &text, &scope(), &mut diagnostics));
    (bound, diagnostics)
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
        let (bound, diagnostics) = select(sql);
        let bound = bound.unwrap_or_else(|| panic!("{sql}: {diagnostics:#?}"));
        let found: Vec<&str> = bound.items.iter().map(|i| i.name.as_str()).collect();
        assert_eq!(found, names, "{sql}");
        assert_eq!(bound.from.0, "flows");
        assert_eq!(bound.filter.is_some(), sql.contains("WHERE"));
    }
}

#[test]
fn what_a_query_names_is_known_before_it_is_bound() {
    let sql = "SELECT dst_port IN (SELECT port FROM bad_ports) AS bad FROM flows WHERE tx_bytes > @limit";
    let parsed = parse_select(&text(sql), &mut Vec::new()).unwrap();
    let (name, span) = parsed.from();
    assert_eq!((name, usize::try_from(span.start).unwrap()), ("flows", sql.find("flows").unwrap()));
    assert_eq!(parsed.lookups()[0].0, "bad_ports");
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
    ];
    for (sql, code, part) in cases {
        let (bound, diagnostics) = select(sql);
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
        ("WITH x AS (SELECT 1 LIMIT 5) SELECT * FROM x", "WITH"),
        ("SELECT 1 AS one", "SELECT 1 AS one"),
        ("SELECT src_ip FROM (SELECT * FROM flows)", "FROM"),
        ("SELECT src_ip FROM flows UNION ALL SELECT src_ip FROM flows", "UNION"),
        ("SELECT src_ip FROM a.b", "FROM"),
        ("SELECT src_ip FROM flows |> WHERE TRUE", "|"),
        ("SELECT src_ip FROM flows QUALIFY TRUE", "QUALIFY"),
        ("dst_port = 53", "dst_port"),
    ];
    for (sql, part) in forms {
        let (bound, diagnostics) = select(sql);
        assert!(bound.is_none() && diagnostics.len() == 1, "{sql}: {diagnostics:#?}");
        assert!(matches!(diagnostics[0].code, codes::REFUSED | codes::SYNTAX), "{sql}: {diagnostics:#?}");
        assert!(!diagnostics[0].help.is_empty(), "{sql}");
        assert_eq!(underlined(sql, &diagnostics[0]), part, "{sql}: {diagnostics:#?}");
    }
}
