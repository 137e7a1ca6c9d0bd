//! Whether two values are one.

use serde_json::Value as Json;

use crate::record::Value;

/// Floats this near to each other, as a share of the larger, are equal: a warehouse sums in another order.
const TOLERANCE: f64 = 1e-9;

fn near(a: f64, b: f64) -> bool {
    // An infinity is as far from one as from another.
    let finite = a.is_finite() && b.is_finite();
    a == b || (a.is_nan() && b.is_nan()) || (finite && (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()))
}

/// `json`: texts are compared by what they say.
pub fn equal(emitted: &Value, computed: &Value, json: bool) -> bool {
    match (emitted, computed) {
        (Value::Float64(a), Value::Float64(b)) => near(*a, *b),
        // JSON lines have no other word for them.
        (Value::Null(_), Value::Float64(b)) => !b.is_finite(),
        (Value::String(a), Value::String(b)) if json && a != b => {
            match (serde_json::from_str(a), serde_json::from_str(b)) {
                (Ok(a), Ok(b)) => equal_json(&a, &b),
                _ => false,
            }
        }
        _ => emitted == computed,
    }
}

fn equal_json(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal_json(a, b)))
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal_json(a, b)),
        (Json::Number(a), Json::Number(b)) if a.is_f64() || b.is_f64() => {
            a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| near(a, b))
        }
        _ => a == b,
    }
}

/// The size of a difference between numbers; of times in seconds.
#[expect(clippy::cast_precision_loss, reason = "shown to people")]
pub fn size(emitted: &Value, computed: &Value) -> Option<f64> {
    let number = |value: &Value| match value {
        Value::Int64(v) => Some(*v as f64),
        Value::Float64(v) => Some(*v),
        Value::Timestamp(v) => Some(*v as f64 / 1e6),
        _ => None,
    };
    Some((number(emitted)? - number(computed)?).abs()).filter(|size| size.is_finite())
}

#[cfg(test)]
mod tests {
    use super::{equal, size};
    use crate::record::{Type, Value};

    #[test]
    fn floats_are_equal_within_a_billionth() {
        let float = Value::Float64;
        let same = |a: f64, b: f64| equal(&float(a), &float(b), false);
        assert!(same(1.0, 1.0 + 1e-12) && same(1e12, 1e12 + 1.0) && same(f64::NAN, f64::NAN) && same(0.0, -0.0));
        assert!(!same(1.0, 1.001) && !same(0.0, 1e-12) && !same(f64::NAN, 1.0) && !same(f64::INFINITY, 1.0));
        assert!(equal(&Value::Null(Type::Float64), &float(f64::NAN), false));
        assert!(!equal(&Value::Null(Type::Float64), &float(1.0), false));
    }

    #[test]
    fn texts_of_json_are_compared_by_what_they_say() {
        let text = |text: &str| Value::String(text.to_owned());
        let (a, b) = (text("{\"x\": 1.0, \"y\": [2]}"), text("{\"y\":[2],\"x\":1.0000000000001}"));
        assert!(equal(&a, &b, true) && !equal(&a, &b, false));
        assert!(!equal(&a, &text("{\"x\":1.1,\"y\":[2]}"), true) && !equal(&a, &text("no"), true));
        assert_eq!(size(&Value::Int64(3), &Value::Int64(5)), Some(2.0));
        assert_eq!(size(&text("a"), &text("b")), None);
    }
}
