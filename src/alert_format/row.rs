//! An alert as a row of the table `alerts`, with the columns that a backfill gives it.

use serde_json::Value as Json;

use crate::record::alert::columns;
use crate::record::{EventTime, Type, Value};

/// Where a column is in the alert, when it has another place than its name.
const PLACES: [(&str, &str); 3] = [("event_time", "/first_time"), ("hit_id", "/hit/hit_id"), ("values", "/hit/values")];

/// In the order of the columns; what the alert does not have is NULL.
pub fn row(alert: &Json) -> Vec<Value> {
    let cell = |name: &str, ty| {
        let place = PLACES.iter().find(|(column, _)| *column == name);
        let found = place.map_or_else(|| alert.get(name), |(_, place)| alert.pointer(place));
        found.and_then(|json| value(json, ty)).unwrap_or(Value::Null(ty))
    };
    columns().iter().map(|column| cell(&column.name, column.ty)).collect()
}

fn value(json: &Json, ty: Type) -> Option<Value> {
    match (ty, json) {
        (_, Json::Null) => None,
        (Type::Timestamp, json) => json.as_str().and_then(EventTime::parse).map(|at| Value::Timestamp(at.0)),
        (Type::Int64, json) => json.as_i64().map(Value::Int64),
        (Type::Float64, json) => json.as_f64().map(Value::Float64),
        (_, Json::String(text)) => Some(Value::String(text.clone())),
        (_, json) => Some(Value::String(json.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::row;
    use crate::alert_format::tests::alert;
    use crate::record::{EventTime, Type, Value, alert::columns};

    #[test]
    fn every_column_has_its_value() {
        let at = |text: &str| Value::Timestamp(EventTime::parse(text).expect("a time").0);
        let text = |text: &str| Value::String(text.to_owned());
        let expected = [
            ("alert_id", text("a1b2c3d4e5f60718")),
            ("rule", text("net.bruteforce")),
            ("severity", text("high")),
            ("event_time", at("2026-01-05T09:00:00Z")),
            ("last_time", at("2026-01-05T09:07:30.250Z")),
            ("hits", Value::Int64(3)),
            ("score", Value::Float64(0.75)),
            ("hit_id", text("h1")),
            ("title", text("Brute force from 10.1.2.3 <!channel> & more")),
            ("values", text(r#"{"src_ip":"10.1.2.3","flows":412,"rate":1.5}"#)),
            ("fingerprint", text("f1")),
        ];
        let names: Vec<String> = columns().into_iter().map(|column| column.name).collect();
        let found: Vec<(&str, Value)> = names.iter().map(String::as_str).zip(row(&alert())).collect();
        assert_eq!(found.len(), expected.len());
        for ((name, value), (other, wanted)) in found.into_iter().zip(expected) {
            assert_eq!(name, other);
            match (&value, &wanted) {
                // Keys of an object have no order.
                (Value::String(a), Value::String(b)) if name == "values" => {
                    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
                    assert_eq!(json(a), json(b));
                }
                _ => assert_eq!(value, wanted, "{name}"),
            }
        }
        assert_eq!(row(&serde_json::json!({}))[0], Value::Null(Type::String));
    }
}
