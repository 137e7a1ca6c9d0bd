//! JSON Schemas of the definition files, for editors, from the same tables that the validator uses.

use serde_json::{Map, Value, json};

use super::scalar::NAME_CHARS_MAX;
use super::shape::{Need, Shape, Table};
use super::{config, feature, lookup, rule, source};
use crate::record::Type;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
const NAME: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
const RULE_NAME: &str = r"^(?!tripline\.)[A-Za-z][A-Za-z0-9_]*([.-][A-Za-z0-9_]+)*$";
const RELATION: &str =
    r"^([A-Za-z_][A-Za-z0-9_.\-]*|hits\(\*\)|hits\( *[A-Za-z][A-Za-z0-9_.\-]*( *, *[A-Za-z][A-Za-z0-9_.\-]*)* *\))$";
const LENGTH: &str = "^([0-9]+(us|ms|s|m|h|d))+$";
const TECHNIQUE: &str = "^T[0-9]{4}(\\.[0-9]{3})?$";
const INSTANT: &str =
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?)?$";

/// One schema for each kind of file: (name, schema).
pub fn schemas() -> Vec<(&'static str, Value)> {
    [
        ("tripline", &config::CONFIG),
        ("source", &source::SOURCE),
        ("lookup", &lookup::LOOKUP),
        ("feature", &feature::FEATURE),
        ("rule", &rule::RULE),
    ]
    .into_iter()
    .map(|(name, table)| {
        let mut schema = object(table);
        schema.insert("$schema".into(), json!(DIALECT));
        schema.insert("title".into(), json!(name));
        (name, Value::Object(schema))
    })
    .collect()
}

fn object(table: &Table) -> Map<String, Value> {
    let known = || table.keys.iter().filter(|key| !matches!(key.shape, Shape::Later(_)));
    let properties: Map<String, Value> = known()
        .map(|key| {
            let mut schema = of(&key.shape);
            schema.insert("description".into(), json!(key.doc));
            (key.name.to_owned(), Value::Object(schema))
        })
        .collect();
    let required: Vec<&str> = known().filter(|key| key.need == Need::Required).map(|key| key.name).collect();
    let mut schema = map_of(json!({
        "type": "object",
        "description": table.doc,
        "properties": properties,
        "additionalProperties": false,
    }));
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    schema
}

fn of(shape: &Shape) -> Map<String, Value> {
    map_of(match shape {
        // YAML reads `title: 42` as a number; here it is the text that is written.
        Shape::Text | Shape::Sql | Shape::Literal => json!({"type": ["string", "number", "boolean"]}),
        Shape::Name => json!({"type": "string", "pattern": NAME, "maxLength": NAME_CHARS_MAX}),
        Shape::Relation => json!({"type": "string", "pattern": RELATION}),
        Shape::RuleName => json!({"type": "string", "pattern": RULE_NAME, "maxLength": NAME_CHARS_MAX}),
        Shape::Integer { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Shape::Number { min, max } => json!({"type": "number", "minimum": min, "maximum": max}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Length { .. } => json!({"type": "string", "pattern": LENGTH}),
        Shape::Technique => json!({"type": "string", "pattern": TECHNIQUE}),
        Shape::Instant => json!({"type": "string", "pattern": INSTANT}),
        Shape::Word(words) => json!({"enum": words}),
        Shape::Type => json!({"enum": Type::ALL.map(Type::name)}),
        Shape::Cell => json!({
            "type": ["string", "number", "boolean", "null", "array"],
            "items": {"type": ["string", "number", "boolean", "null"]},
        }),
        Shape::List { item, empty } => json!({"type": "array", "items": of(item), "minItems": u8::from(!empty)}),
        Shape::Map { name, value, empty } => json!({
            "type": "object",
            "propertyNames": of(name),
            "additionalProperties": of(value),
            "minProperties": u8::from(!empty),
        }),
        Shape::Object(table) => return object(table),
        Shape::ShortOr(short, table) => json!({"anyOf": [of(short), object(table)]}),
        Shape::OneOrMany(item) => json!({"anyOf": [of(item), {"type": "array", "items": of(item), "minItems": 1}]}),
        // Never asked for: `object` leaves these keys out.
        Shape::Later(_) => json!({"not": {}}),
    })
}

fn map_of(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The file name of the schema of a definition file, by its path in the project.
pub fn schema_of(path: &str) -> Option<&'static str> {
    let yaml = path.ends_with(".yaml");
    match path.split('/').next() {
        Some("tripline.yaml") => Some("tripline.json"),
        Some("features") if yaml => Some("feature.json"),
        Some("rules") if yaml => Some("rule.json"),
        Some("sql") if path.starts_with("sql/lookups/") && yaml => Some("lookup.json"),
        Some("sql") if path.ends_with("/source.yaml") => Some("source.json"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::schemas;

    /// Every key of every mapping is described, and nothing else is allowed beside the known ones.
    fn assert_described(path: &str, schema: &Value) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            assert_eq!(schema["additionalProperties"], Value::Bool(false), "{path}");
            for (key, value) in properties {
                assert!(value["description"].as_str().is_some_and(|d| d.len() > 5), "{path}.{key} has no description");
            }
            for key in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
                assert!(properties.contains_key(key.as_str().unwrap_or("")), "{path} requires an unknown {key}");
            }
        }
        match schema {
            Value::Object(map) => map.iter().for_each(|(key, v)| assert_described(&format!("{path}.{key}"), v)),
            Value::Array(items) => items.iter().for_each(|v| assert_described(path, v)),
            _ => {}
        }
    }

    #[test]
    fn every_key_is_described() {
        let schemas = schemas();
        assert_eq!(
            schemas.iter().map(|s| s.0).collect::<Vec<_>>(),
            ["tripline", "source", "lookup", "feature", "rule"]
        );
        for (name, schema) in &schemas {
            assert_described(name, schema);
        }
        let rule = &schemas[4].1;
        assert_eq!(rule["properties"]["severity"]["enum"][4], "critical");
        assert!(rule["required"].as_array().is_some_and(|r| r.contains(&"sql".into())));
    }
}
