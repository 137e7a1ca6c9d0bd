//! Alerts as rows of columns, from their records.

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use serde_json::Value as Json;

use crate::pipeline::batch;
use crate::record::alert::{OWN_RULES, Phase};
use crate::record::{Column, EventTime, Type, Value};
use crate::target::datafusion::scalar;

/// Name, type, and where it is in a record.
const COLUMNS: [(&str, Type, &str); 18] = [
    ("alert_id", Type::String, "/alert_id"),
    ("rule", Type::String, "/rule"),
    ("event_time", Type::Timestamp, "/first_time"),
    ("last_time", Type::Timestamp, "/last_time"),
    ("severity", Type::String, "/severity"),
    ("status", Type::String, "/status"),
    ("title", Type::String, "/title"),
    ("hits", Type::Int64, "/hits"),
    ("score", Type::Float64, "/score"),
    ("hit_id", Type::String, "/hit/hit_id"),
    ("window_start", Type::Timestamp, "/hit/window_start"),
    ("window_end", Type::Timestamp, "/hit/window_end"),
    ("key", Type::String, "/key"),
    ("values", Type::String, "/hit/values"),
    ("entities", Type::String, "/entities"),
    ("params", Type::String, "/params"),
    ("fingerprint", Type::String, "/fingerprint"),
    ("generation", Type::String, "/generation"),
];

pub fn columns() -> Vec<Column> {
    let mut columns: Vec<Column> = COLUMNS.iter().map(|(name, ty, _)| Column::new(*name, *ty, true)).collect();
    columns.push(Column::new("partial", Type::Bool, true));
    columns
}

/// The columns of a record; `None` where it is not an alert, or one of an incident that is not over, or about the run itself.
pub fn row(record: &Json) -> Option<Vec<Value>> {
    record.get("alert_id")?.as_str()?;
    if record.get("phase").is_some_and(|phase| phase != Phase::Final.name()) {
        return None;
    }
    if record["rule"].as_str().is_some_and(|rule| rule.starts_with(OWN_RULES)) {
        return None;
    }
    let mut row: Vec<Value> = COLUMNS.iter().map(|(_, ty, path)| value(record.pointer(path), *ty)).collect();
    let EventTime(_) = match row[2] {
        Value::Timestamp(at) => EventTime(at),
        _ => return None,
    };
    row.push(Value::Bool(record["state"] == "partial"));
    Some(row)
}

fn value(json: Option<&Json>, ty: Type) -> Value {
    let Some(json) = json.filter(|json| !json.is_null()) else { return Value::Null(ty) };
    let found = match ty {
        Type::Timestamp => json.as_str().and_then(EventTime::parse).map(|at| Value::Timestamp(at.0)),
        Type::Int64 => json.as_i64().map(Value::Int64),
        Type::Float64 => json.as_f64().map(Value::Float64),
        _ => Some(Value::String(json.as_str().map_or_else(|| json.to_string(), str::to_owned))),
    };
    found.unwrap_or(Value::Null(ty))
}

pub fn batch(rows: &[Vec<Value>]) -> Result<RecordBatch, ArrowError> {
    let columns = columns();
    let schema = batch::schema(&columns);
    if rows.is_empty() {
        return Ok(RecordBatch::new_empty(schema));
    }
    let array = |column: usize| -> Result<ArrayRef, ArrowError> {
        let values = rows.iter().map(|row| scalar(&row[column]));
        ScalarValue::iter_to_array(values).map_err(|error| ArrowError::ExternalError(Box::new(error)))
    };
    RecordBatch::try_new(schema, (0..columns.len()).map(array).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::row;

    #[test]
    fn what_is_compared_is_what_rules_of_a_project_found() {
        let compared = |rule: &str, phase: &str| {
            let alert = json!({
                "alert_id": "a", "phase": phase, "rule": rule, "first_time": "2026-01-05T09:00:00Z",
            });
            row(&alert).is_some()
        };
        assert!(compared("net.scan", "final"));
        assert!(compared("tripline", "final"));
        assert!(!compared("net.scan", "first"));
        assert!(!compared("tripline.source.silent", "final"));
    }
}
