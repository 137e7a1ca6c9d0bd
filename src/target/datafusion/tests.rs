//! Lookups, conditional evaluation and errors: what the recorded answers do not reach.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::Schema;

use crate::diagnostic::{FileId, Text};
use crate::language::{Expr, ExprKind, LookupField, LookupValues, Scope, ScopeLookup, bind_expression};
use crate::plan::LookupPlan;
use crate::record::{Column, EventTime, Period, Type, Value};

use super::{EvaluateError, Lookups, LowerContext, evaluate, lower};

fn columns() -> Vec<Column> {
    vec![
        Column::new("event_time", Type::Timestamp, false),
        Column::new("ip", Type::String, true),
        Column::new("n", Type::Int64, true),
    ]
}

fn batch() -> RecordBatch {
    let times = TimestampMicrosecondArray::from(vec![0, 10, 20, 30]).with_timezone("UTC");
    let ips = StringArray::from(vec![Some("10.0.0.1"), Some("10.0.0.2"), None, Some("10.0.0.1")]);
    let numbers = Int64Array::from(vec![Some(1), Some(0), Some(i64::MAX), None]);
    let arrays: Vec<ArrayRef> = vec![Arc::new(times), Arc::new(ips), Arc::new(numbers)];
    let schema = Schema::new(columns().iter().map(Column::field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
}

fn table(rows: Vec<Value>, valid: Vec<Period>, nullable: bool) -> LookupPlan {
    let fields = vec![LookupField { name: "ip".into(), ty: Type::String, nullable, cidr: false }];
    LookupPlan { name: "bad".into(), fields, rows: rows.into_iter().map(|v| vec![v]).collect(), valid, table: None }
}

fn run(sql: &str, lookup: Option<LookupPlan>) -> Result<ArrayRef, EvaluateError> {
    let columns = columns();
    let mut scope = Scope::over("t", &columns);
    let plans: Vec<Arc<LookupPlan>> = lookup.into_iter().map(Arc::new).collect();
    scope.lookups = plans
        .iter()
        .map(|l| ScopeLookup { name: l.name.clone(), columns: l.fields.clone(), joined_only: false })
        .collect();
    let mut diagnostics = Vec::new();
    let text = Text::verbatim(sql, FileId(0), 0);
    let expr = bind_expression(&text, &scope, &mut diagnostics).unwrap_or_else(|| panic!("{sql}: {diagnostics:?}"));
    let context = LowerContext { columns: &columns, lookups: &Lookups::new(&plans), event_time: Some(0) };
    evaluate(&lower(&expr, &context).unwrap(), &batch())
}

fn bools(array: &ArrayRef) -> Vec<Option<bool>> {
    array.as_boolean().iter().collect()
}

fn text(s: &str) -> Value {
    Value::String(s.into())
}

#[test]
fn lookups_are_sets_valid_for_a_time() {
    let valid = |from: Option<i64>, to: Option<i64>| Period { from: from.map(EventTime), to: to.map(EventTime) };
    let always = valid(None, None);
    let (yes, no) = (Some(true), Some(false));
    let one = || vec![text("10.0.0.1")];
    let cases = [
        (table(one(), vec![always], false), [yes, no, None, yes]),
        // Half-open: the row at 30 is the first beyond.
        (table(one(), vec![valid(Some(0), Some(30))], false), [yes, no, None, no]),
        (table(one(), vec![valid(Some(1), None)], false), [no, no, None, yes]),
        // No row is valid at 20, and NULL is in no empty set.
        (table(one(), vec![valid(None, Some(20))], false), [yes, no, no, no]),
        (table(vec![], vec![], false), [no, no, no, no]),
        // Periods apart, touching, and one inside of another.
        (
            table(vec![text("10.0.0.1"); 2], vec![valid(Some(30), None), valid(None, Some(1))], false),
            [yes, no, no, yes],
        ),
        (
            table(vec![text("10.0.0.1"); 2], vec![valid(Some(5), Some(31)), valid(Some(1), Some(5))], false),
            [no, no, None, yes],
        ),
        (
            table(vec![text("10.0.0.1"); 2], vec![valid(None, None), valid(Some(1), Some(5))], false),
            [yes, no, None, yes],
        ),
        (table(vec![text("10.0.0.2"), Value::Null(Type::String)], vec![always; 2], true), [None, yes, None, None]),
    ];
    for (index, (table, wanted)) in cases.into_iter().enumerate() {
        let nullable = table.fields[0].nullable;
        let found = run("ip IN (SELECT ip FROM bad)", Some(table.clone())).unwrap();
        assert_eq!(bools(&found), wanted, "case {index}");
        if !nullable {
            let negated = run("ip NOT IN (SELECT ip FROM bad)", Some(table)).unwrap();
            assert_eq!(bools(&negated), wanted.map(|w| w.map(|w| !w)), "case {index}");
        }
    }
}

#[test]
fn sets_are_of_chosen_rows_and_computed_values() {
    let rows = || table(vec![text("10.0.0.1"), text("10.0.0.9")], vec![Period::default(); 2], false);
    let cases = [
        ("ip IN (SELECT ip FROM bad WHERE ip != '10.0.0.1')", [Some(false), Some(false), None, Some(false)]),
        // No row is left, and NULL is in no empty set.
        ("ip IN (SELECT ip FROM bad WHERE ip = 'x')", [Some(false); 4]),
        ("ip IN (SELECT REPLACE(ip, '.9', '.2') FROM bad)", [Some(true), Some(true), None, Some(true)]),
        (
            "ip IN (SELECT ip FROM bad UNION ALL SELECT '10.0.0.2' AS ip FROM bad WHERE ip = '10.0.0.9')",
            [Some(true), Some(true), None, Some(true)],
        ),
    ];
    for (sql, wanted) in cases {
        assert_eq!(bools(&run(sql, Some(rows())).unwrap()), wanted, "{sql}");
    }
}

#[test]
fn a_row_of_a_lookup_that_cannot_be_computed_is_named() {
    let columns = columns();
    let plan = Arc::new(table(vec![text("10.0.0.1")], vec![Period::default()], false));
    let lookup = ScopeLookup { name: "bad".into(), columns: plan.fields.clone(), joined_only: false };
    let mut scope = Scope::over("t", &columns);
    scope.lookups = vec![lookup];
    let sql = Text::verbatim("n IN (SELECT CAST(ip AS INT64) FROM bad)", FileId(0), 0);
    let expr = bind_expression(&sql, &scope, &mut Vec::new()).unwrap();
    let lookups = Lookups::new(&[plan]);
    let error = lower(&expr, &LowerContext { columns: &columns, lookups: &lookups, event_time: Some(0) }).unwrap_err();
    assert_eq!(error.to_string(), "a row of the lookup bad cannot be computed: CAST: '10.0.0.1' is not a INT64");
}

#[test]
fn sets_and_indexes_are_made_once() {
    let plan = Arc::new(table(vec![text("10.0.0.1")], vec![Period::default()], false));
    let lookups = Lookups::new(&[Arc::clone(&plan), plan]);
    let column = |lookup| {
        let value = Expr {
            kind: ExprKind::Column(0),
            ty: Type::String,
            nullable: false,
            span: Text::verbatim("x", FileId(0), 0).span(),
        };
        LookupValues { lookup, value, filter: None }
    };
    let (first, again) = (lookups.members(&[column(0)]).unwrap(), lookups.members(&[column(0)]).unwrap());
    assert!(Arc::ptr_eq(&first, &again));
    assert!(!Arc::ptr_eq(&first, &lookups.members(&[column(1)]).unwrap()));
    let index = |longest_prefix| lookups.index(0, &[0], longest_prefix).unwrap();
    assert!(Arc::ptr_eq(&index(false), &index(false)));
    assert!(!Arc::ptr_eq(&index(false), &index(true)));
}

#[test]
fn branches_not_taken_do_not_fail() {
    let quiet = [
        "IF(n < 100, n * 2, 0)",
        "CASE WHEN n > 100 THEN 0 WHEN n = 0 THEN 1 ELSE n * 2 END",
        "COALESCE(IF(n > 100, 1, NULL), n * 2)",
        "IFNULL(NULLIF(LEAST(n, 9), 9), 0)",
    ];
    for sql in quiet {
        assert!(run(sql, None).is_ok(), "{sql}");
    }
}

#[test]
fn a_failing_row_fails_the_batch_and_says_why() {
    let cases = [
        ("n * 2", "*", "overflows"),
        ("n + 1", "+", "overflows"),
        ("LN(n)", "LN", "0 has no logarithm"),
        ("CAST(ip AS INT64)", "CAST", "'10.0.0.1' is not a INT64"),
        ("NET.IP_FROM_STRING(CONCAT(ip, '.1'))", "NET.IP_FROM_STRING", "'10.0.0.1.1' is no address"),
        ("IF(n = 0, LN(n), 1.0)", "LN", "0 has no logarithm"),
        ("SUBSTR(ip, 1, n - 1)", "SUBSTR", "negative"),
    ];
    for (sql, function, message) in cases {
        let error = run(sql, None).expect_err(sql);
        assert_eq!(error.function, function, "{sql}");
        assert!(error.message.contains(message), "{sql}: {error}");
    }
}

#[test]
fn constants_fill_the_batch() {
    for (sql, ty) in [("1 + 1", Type::Int64), ("CONCAT('a', 'b')", Type::String), ("NULL", Type::Int64)] {
        let array = run(sql, None).unwrap();
        assert_eq!((array.len(), array.data_type()), (4, &ty.arrow()), "{sql}");
    }
}

#[test]
fn canonical_addresses_are_passed_on_as_they_are() {
    let array = run("NET.IP_TO_STRING(NET.SAFE_IP_FROM_STRING(ip))", None).unwrap();
    let input = batch();
    let ips = input.column(1).as_string::<i32>();
    assert_eq!(array.as_string::<i32>(), ips);
    assert_eq!(array.as_string::<i32>().values().len(), ips.values().len());
}

#[test]
fn an_empty_batch_gives_an_empty_array() {
    let columns = columns();
    let mut diagnostics = Vec::new();
    let sql = Text::verbatim("LN(n) > 1 AND ip LIKE '%a%' OR n / 2 > 1", FileId(0), 0);
    let expr = bind_expression(&sql, &Scope::over("t", &columns), &mut diagnostics).unwrap();
    let context = LowerContext { columns: &columns, lookups: &Lookups::default(), event_time: None };
    let array = evaluate(&lower(&expr, &context).unwrap(), &batch().slice(0, 0)).unwrap();
    assert_eq!(array.as_any().downcast_ref::<BooleanArray>().map(Array::len), Some(0));
}

#[test]
fn a_long_chain_evaluates() {
    let sum = vec!["n"; 100].join(" + ");
    assert!(run(&format!("{sum} > 0"), None).is_err());
    let any = vec!["n = 7"; 500].join(" OR ");
    assert_eq!(bools(&run(&any, None).unwrap())[0], Some(false));
}
