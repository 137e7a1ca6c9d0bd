//! What a test expects, against what came.

use datafusion::arrow::array::RecordBatch;

use crate::definition::model::{Case, CaseRow, Scalar};
use crate::diagnostic::{Text, suggest};
use crate::pipeline::alert::AlertRecord;
use crate::plan::Plan;
use crate::record::{Column, Type, Value};

use super::given::{CaseError, scalar};
use super::{Failure, Outcome, columns_of};

/// Rows shown of a relation that has not what is expected.
const SHOWN_ROWS: usize = 5;
/// Relative difference within which floats are equal: what `expect` writes is rounded.
const FLOAT_TOLERANCE: f64 = 1e-9;

pub(super) fn compare(
    plan: &Plan,
    case: &Case,
    seed: Option<u64>,
    outcome: &Outcome,
) -> Result<Vec<Failure>, CaseError> {
    let mut failures = Vec::new();
    // A rule that could not look is not quiet.
    for (name, count, error) in &outcome.errors {
        let rows = if *count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
        let actual = format!("{rows} could not be computed, the first: {}", error.message);
        let failure = Failure::new(seed, format!("rows of {name}"), "all computed", actual);
        failures.push(Failure { failed: Some(error.clone()), ..failure });
    }
    // Why an alert is missing is said once.
    let mut reasons = Some((outcome.near.clone(), outcome.notes.clone()));
    let mut missing = |failure: Failure| match reasons.take() {
        Some((near, notes)) => Failure { near, notes, ..failure },
        None => failure,
    };
    let alerts = &outcome.alerts;
    if let Some(expected) = case.expect.alerts.filter(|expected| *expected != alerts.len() as u64) {
        let other = Failure::new(seed, "alerts", expected.to_string(), describe(alerts));
        failures.push(if (alerts.len() as u64) < expected { missing(other) } else { other });
    }
    for (index, fields) in case.expect.fields.iter().enumerate() {
        let Some(alert) = alerts.get(index) else {
            failures.push(missing(Failure::new(seed, format!("alert {}", index + 1), "an alert", "none")));
            continue;
        };
        for (name, expected) in fields {
            let actual = field(plan, alert, name)?;
            let wanted = scalar(expected, actual.ty())?;
            if !equal(&wanted, &actual) {
                let what = format!("alert {}: {}", index + 1, name.text);
                failures.push(Failure::new(seed, what, wanted.display(), actual.display()));
            }
        }
    }
    for (relation, rows) in &case.expect.rows {
        let Some(columns) = columns_of(plan, relation.as_str()) else {
            return Err(CaseError::new(relation.span(), format!("no relation `{}`", relation.text)));
        };
        let batches = outcome.rows.get(relation.as_str()).map(Vec::as_slice).unwrap_or_default();
        failures.extend(compare_rows(seed, &relation.text, &columns, rows, batches)?);
    }
    Ok(failures)
}

/// The rows that are not among those of a relation; when none is named, the relation must have none.
fn compare_rows(
    seed: Option<u64>,
    relation: &str,
    columns: &[Column],
    rows: &[CaseRow],
    batches: &[RecordBatch],
) -> Result<Vec<Failure>, CaseError> {
    let mut failures = Vec::new();
    if rows.is_empty() && batches.iter().any(|batch| batch.num_rows() > 0) {
        let all: Vec<usize> = (0..columns.len()).collect();
        failures.push(Failure::new(seed, format!("rows of {relation}"), "none", shown(batches, columns, &all)));
    }
    for row in rows {
        let wanted = typed(row, columns)?;
        if batches.iter().any(|batch| (0..batch.num_rows()).any(|at| has(batch, at, columns, &wanted))) {
            continue;
        }
        let fields = wanted.iter().map(|(index, value)| format!("{}: {}", columns[*index].name, value.display()));
        let expected = fields.collect::<Vec<_>>().join(", ");
        let named: Vec<usize> = wanted.iter().map(|(index, _)| *index).collect();
        let actual = shown(batches, columns, &named);
        failures.push(Failure::new(seed, format!("a row of {relation}"), expected, actual));
    }
    Ok(failures)
}

fn describe(alerts: &[AlertRecord]) -> String {
    let titles: Vec<String> = alerts.iter().take(SHOWN_ROWS).map(|alert| alert.title.clone()).collect();
    match titles.len() {
        0 => "0".to_owned(),
        _ => format!("{} ({})", alerts.len(), titles.join("; ")),
    }
}

/// A field of an alert: one of the hit's columns, or of the alert itself.
fn field(plan: &Plan, alert: &AlertRecord, name: &Text) -> Result<Value, CaseError> {
    let own = match name.as_str() {
        "hits" => i64::try_from(alert.hits).ok().map(Value::Int64),
        "score" => Some(Value::Float64(alert.score)),
        "severity" => Some(Value::String(alert.severity.name().to_owned())),
        "title" => Some(Value::String(alert.title.clone())),
        "state" => Some(Value::String(alert.state().to_owned())),
        _ => None,
    };
    let column = alert.values.iter().find(|(column, _)| *column == name.text).map(|(_, value)| value.clone());
    column.or(own).ok_or_else(|| {
        let columns: Vec<Column> = plan.rules.iter().flat_map(|r| &r.columns).cloned().collect();
        no_field(&columns, name)
    })
}

/// The type of a field of an alert, without an alert at hand.
pub(super) fn field_type(columns: &[Column], name: &Text) -> Result<Type, CaseError> {
    let column = columns.iter().find(|column| column.name == name.text).map(|column| column.ty);
    let own = match name.as_str() {
        "hits" => Some(Type::Int64),
        "score" => Some(Type::Float64),
        "severity" | "title" | "state" => Some(Type::String),
        _ => None,
    };
    column.or(own).ok_or_else(|| no_field(columns, name))
}

fn no_field(columns: &[Column], name: &Text) -> CaseError {
    let near = suggest(name.as_str(), columns.iter().map(|c| c.name.as_str()));
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    CaseError::new(name.span(), format!("an alert of this rule has no `{}`{near}", name.text))
}

pub(super) fn typed(row: &[(Text, Scalar)], columns: &[Column]) -> Result<Vec<(usize, Value)>, CaseError> {
    let fields = row.iter().map(|(name, value)| {
        let Some(index) = columns.iter().position(|column| column.name == name.text) else {
            return Err(CaseError::new(name.span(), format!("no column `{}`", name.text)));
        };
        Ok((index, scalar(value, columns[index].ty)?))
    });
    fields.collect()
}

fn has(batch: &RecordBatch, row: usize, columns: &[Column], wanted: &[(usize, Value)]) -> bool {
    wanted.iter().all(|(index, value)| equal(value, &Value::at(batch.column(*index), row, columns[*index].ty)))
}

fn equal(wanted: &Value, actual: &Value) -> bool {
    match (wanted, actual) {
        (Value::Float64(a), Value::Float64(b)) => {
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= FLOAT_TOLERANCE * a.abs().max(b.abs())
        }
        (wanted, actual) => wanted == actual,
    }
}

/// The first rows, with these columns.
fn shown(batches: &[RecordBatch], columns: &[Column], named: &[usize]) -> String {
    let total: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
    let rows = rows.take(SHOWN_ROWS).map(|(batch, row)| {
        let fields = named.iter().map(|index| {
            let column = &columns[*index];
            format!("{}: {}", column.name, Value::at(batch.column(*index), row, column.ty).display())
        });
        fields.collect::<Vec<_>>().join(", ")
    });
    let rows: Vec<String> = rows.collect();
    match total {
        0 => "no rows".to_owned(),
        1 => format!("1 row: {}", rows.join("")),
        _ => format!("{total} rows: {}", rows.join("; ")),
    }
}
