//! What is accepted, with its type and whether it may be NULL.

use crate::language::{AggregateFunction, ExprKind, bind_aggregation, lookups_of, parameters_of};
use crate::record::{Type, Value};

use super::{bind, scope, text};

#[test]
fn types_and_nulls() {
    let cases = [
        ("dst_port", Type::Int64, false),
        ("DST_PORT", Type::Int64, false),
        ("`dst_port`", Type::Int64, false),
        ("dst_port + 1.5", Type::Float64, false),
        ("dst_port / 2", Type::Float64, false),
        ("SAFE_DIVIDE(tx_bytes, dst_port)", Type::Float64, true),
        ("rx_bytes + 1", Type::Int64, true),
        ("COALESCE(rx_bytes, 0)", Type::Int64, false),
        ("IFNULL(rx_bytes, tx_bytes)", Type::Int64, false),
        ("NULLIF(tx_bytes, 0)", Type::Int64, true),
        ("IF(blocked, 1, 2)", Type::Int64, false),
        ("IF(TRUE, rx_bytes, 2)", Type::Int64, true),
        ("CASE WHEN blocked THEN 1 END", Type::Int64, true),
        ("CASE dst_port WHEN 1 THEN 1 ELSE 2.5 END", Type::Float64, false),
        ("dst_ip IS NULL", Type::Bool, false),
        ("dst_ip = 'a'", Type::Bool, true),
        ("dst_port IN (SELECT port FROM bad_ports)", Type::Bool, false),
        ("dst_port NOT IN (SELECT port FROM bad_ports)", Type::Bool, false),
        ("src_ip IN (SELECT owner FROM bad_ports)", Type::Bool, true),
        ("event_time > @since", Type::Bool, false),
        ("dst_port > @limit", Type::Bool, false),
        ("TIMESTAMP_TRUNC(event_time, WEEK(MONDAY))", Type::Timestamp, false),
        ("event_time - INTERVAL 5 MINUTE", Type::Timestamp, false),
        ("EXTRACT(DAYOFWEEK FROM event_time)", Type::Int64, false),
        ("DATE(event_time)", Type::Date, false),
        ("SAFE_CAST(src_ip AS INT64)", Type::Int64, true),
        ("CAST(dst_port AS STRING)", Type::String, false),
        ("NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(src_ip))", Type::String, true),
        ("pair.hosts + hosts", Type::Int64, false),
        ("score", Type::Float64, true),
        ("pair.score", Type::Int64, false),
        ("SPLIT(src_ip, '.')[SAFE_OFFSET(0)]", Type::String, true),
        ("src_ip LIKE r'10.%' AND NOT src_ip LIKE '%.1'", Type::Bool, false),
        ("dst_port BETWEEN 1 AND 1024 OR dst_port = 0x1F90", Type::Bool, false),
        ("-dst_port < - -1", Type::Bool, false),
        ("-9223372036854775808", Type::Int64, false),
        ("dst_port & 2 = 2", Type::Bool, false),
        ("dst_port << 2 | 1", Type::Int64, false),
        ("tx_bytes / NULLIF(rx_bytes, 0)", Type::Float64, true),
        ("MOD(dst_port, 2) = 0 # a comment", Type::Bool, false),
        ("NULL", Type::Int64, true),
        ("COALESCE(NULL, src_ip)", Type::String, false),
    ];
    for (sql, ty, nullable) in cases {
        let (expr, diagnostics) = bind(sql);
        let expr = expr.unwrap_or_else(|| panic!("{sql}: {diagnostics:#?}"));
        assert!(diagnostics.is_empty(), "{sql}: {diagnostics:#?}");
        assert_eq!((expr.ty, expr.nullable), (ty, nullable), "{sql}");
    }
}

#[test]
fn chains_are_one_call() {
    let (expr, _) = bind("dst_port = 1 AND dst_port = 2 AND dst_port = 3 OR blocked");
    let ExprKind::Call { function, args } = expr.unwrap().kind else { panic!() };
    assert_eq!((function.name, args.len()), ("OR", 2));
    let ExprKind::Call { function, args } = &args[0].kind else { panic!() };
    assert_eq!((function.name, args.len()), ("AND", 3));
}

#[test]
fn literals_take_the_type_that_is_needed() {
    let (expr, _) = bind("dst_port > 1.5");
    let ExprKind::Call { args, .. } = expr.unwrap().kind else { panic!() };
    assert_eq!(args[0].ty, Type::Float64);
    let (expr, _) = bind("score > 1");
    let ExprKind::Call { args, .. } = expr.unwrap().kind else { panic!() };
    assert!(matches!(args[1].kind, ExprKind::Literal(Value::Float64(one)) if one == 1.0));
}

#[test]
fn aggregates() {
    use AggregateFunction as F;
    let cases = [
        ("COUNT(*)", F::CountStar, Type::Int64, false),
        ("COUNT(rx_bytes)", F::Count, Type::Int64, false),
        ("count(distinct dst_ip)", F::CountDistinct, Type::Int64, false),
        ("COUNTIF(dst_port = 22)", F::CountIf, Type::Int64, false),
        ("SUM(tx_bytes)", F::Sum, Type::Int64, false),
        ("SUM(score)", F::Sum, Type::Float64, true),
        ("AVG(tx_bytes)", F::Avg, Type::Float64, false),
        ("MAX(src_ip)", F::Max, Type::String, false),
        ("STDDEV_SAMP(tx_bytes)", F::StddevSamp, Type::Float64, true),
        ("LOGICAL_OR(blocked)", F::LogicalOr, Type::Bool, true),
        ("ANY_VALUE(src_ip)", F::AnyValue, Type::String, false),
        ("BIT_OR(dst_port)", F::BitOr, Type::Int64, false),
        ("BIT_AND(DISTINCT rx_bytes)", F::BitAnd, Type::Int64, true),
        ("BIT_XOR(rx_bytes)", F::BitXor, Type::Int64, true),
        (
            "ARRAY_AGG(LOWER(dst_ip) IGNORE NULLS ORDER BY event_time DESC, src_ip LIMIT 1)[safe_offset(0)]",
            F::First,
            Type::String,
            true,
        ),
        ("STRING_AGG(DISTINCT src_ip, '|' ORDER BY src_ip DESC LIMIT 3)", F::StringAgg, Type::String, false),
        ("STRING_AGG(dst_ip ORDER BY event_time, src_ip LIMIT 1000)", F::StringAgg, Type::String, true),
        ("STRING_AGG(MD5(src_ip), b'-' ORDER BY md5(src_ip) LIMIT 1)", F::StringAgg, Type::Bytes, false),
        ("CORR(tx_bytes, score)", F::Corr, Type::Float64, true),
        ("COVAR_POP(tx_bytes, tx_bytes * 2)", F::CovarPop, Type::Float64, false),
        ("COVAR_POP(rx_bytes, 1.5)", F::CovarPop, Type::Float64, true),
        ("COVAR_SAMP(tx_bytes, tx_bytes)", F::CovarSamp, Type::Float64, true),
        ("MIN(event_time)", F::Min, Type::Timestamp, false),
        ("APPROX_COUNT_DISTINCT(dst_ip)", F::ApproxCountDistinct, Type::Int64, false),
    ];
    for (sql, function, ty, nullable) in cases {
        let mut diagnostics = Vec::new();
        let bound = bind_aggregation(&text(sql), &scope(), &mut diagnostics).unwrap_or_else(|| panic!("{sql}"));
        assert_eq!(bound.aggregates.len(), 1, "{sql}");
        let aggregate = &bound.aggregates[0];
        assert_eq!((aggregate.function, aggregate.ty, aggregate.nullable), (function, ty, nullable), "{sql}");
        assert!(matches!(bound.output.kind, ExprKind::Aggregate(0)), "{sql}");
    }
    let sql = "SAFE_DIVIDE(SUM(tx_bytes), COUNT(*)) > 10 AND COUNT(DISTINCT dst_ip) > @limit";
    let bound = bind_aggregation(&text(sql), &scope(), &mut Vec::new()).unwrap();
    assert_eq!((bound.aggregates.len(), bound.output.ty), (3, Type::Bool));
}

#[test]
fn a_count_of_each_row_divides() {
    for sql in [
        "COUNTIF(blocked) / COUNT(*)",
        "SUM(tx_bytes) / COUNT(src_ip)",
        "SUM(tx_bytes) / COUNT(DISTINCT src_ip)",
        "DIV(SUM(tx_bytes), COUNT(*))",
        "MOD(MAX(tx_bytes), COUNT(*))",
        "SUM(tx_bytes) / CAST(COUNT(*) AS FLOAT64)",
    ] {
        let mut diagnostics = Vec::new();
        assert!(bind_aggregation(&text(sql), &scope(), &mut diagnostics).is_some(), "{sql}: {diagnostics:?}");
    }
}

#[test]
fn names_of_a_text() {
    let sql = text("x > @limit AND (y IN (SELECT port FROM bad_ports) OR z = @other)");
    let names = |found: Vec<(String, crate::diagnostic::Span)>| found.into_iter().map(|f| f.0).collect::<Vec<_>>();
    assert_eq!(names(parameters_of(&sql)), ["limit", "other"]);
    assert_eq!(names(lookups_of(&sql)), ["bad_ports"]);
}
