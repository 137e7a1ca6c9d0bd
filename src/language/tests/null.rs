//! Which conjuncts a NULL silences.

use crate::language::{conjuncts, null_warnings};

use super::{bind, scope, underlined};

#[test]
fn silent_conjuncts_are_found() {
    // (condition, columns that are underlined)
    let cases: [(&str, &[&str]); 25] = [
        ("dst_port = 1", &[]),
        ("rx_bytes = 0", &[]),
        ("rx_bytes != 0", &["rx_bytes"]),
        ("rx_bytes != 0 AND dst_ip < 'a'", &["rx_bytes", "dst_ip"]),
        ("rx_bytes = score", &["rx_bytes"]),
        ("rx_bytes = tx_bytes", &[]),
        ("NOT (rx_bytes = 0)", &["rx_bytes"]),
        ("dst_ip IN ('a', 'b') OR dst_ip LIKE 'c%'", &[]),
        ("dst_ip NOT LIKE 'c%'", &["dst_ip"]),
        ("rx_bytes IS NOT NULL AND rx_bytes > 1", &[]),
        ("rx_bytes > 1 AND rx_bytes IS NOT NULL", &[]),
        ("NOT rx_bytes IS NULL AND rx_bytes > 1", &[]),
        ("COALESCE(rx_bytes, 0) > 1", &[]),
        ("rx_bytes IS NULL OR rx_bytes > 1", &[]),
        ("dst_ip IS NULL OR rx_bytes > 1", &["rx_bytes"]),
        ("NOT (rx_bytes > 1)", &["rx_bytes"]),
        ("(rx_bytes IS NOT NULL AND rx_bytes > 1) OR dst_port = 1", &[]),
        ("IF(rx_bytes IS NULL, FALSE, rx_bytes > 1)", &[]),
        ("CASE WHEN rx_bytes IS NULL THEN FALSE ELSE rx_bytes > 1 END", &[]),
        ("IF(blocked, TRUE, rx_bytes > 1)", &["rx_bytes"]),
        ("(rx_bytes > 1) IS TRUE", &[]),
        ("dst_ip NOT IN ('a', 'b')", &["dst_ip"]),
        ("SAFE_DIVIDE(tx_bytes, dst_port) > 1", &[]),
        ("blocked", &[]),
        ("NOT blocked", &["blocked"]),
    ];
    for (sql, wanted) in cases {
        let expr = bind(sql).0.unwrap_or_else(|| panic!("{sql}"));
        let warnings = null_warnings(&expr, &scope());
        let found: Vec<&str> = warnings.iter().map(|w| underlined(sql, w)).collect();
        assert_eq!(found, wanted, "{sql}");
    }
}

#[test]
fn conjuncts_are_split_through_parentheses() {
    let expr = bind("dst_port = 1 AND (tx_bytes > 2 AND (blocked OR dst_port = 3))").0.unwrap();
    assert_eq!(conjuncts(&expr).len(), 3);
}
