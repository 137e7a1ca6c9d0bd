//! A key of the definition files, described from the schemas that `init` writes.

use serde_json::Value as Json;

use crate::definition;

/// Where the key stands in which files, with the keys within it.
pub(super) fn key(name: &str) -> Option<String> {
    let mut text = String::new();
    for (file, schema) in definition::schemas() {
        let mut see = |path: &str, about: &str| {
            let within = path.split('.').any(|part| part.trim_end_matches("[]") == name);
            if within {
                text.push_str(&format!("  {:<10} {path:<26} {about}\n", file));
            }
        };
        keys("", &schema, &mut see);
    }
    (!text.is_empty()).then(|| format!("key {name}, by file\n{text}"))
}

/// Every key below a schema with its meaning; `[]` stands for the items of a list, `NAME` for a name of one's own.
fn keys(above: &str, schema: &Json, see: &mut dyn FnMut(&str, &str)) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{above}{key}");
        see(&path, value["description"].as_str().unwrap_or_default());
        within(&path, value, see);
    }
}

fn within(path: &str, value: &Json, see: &mut dyn FnMut(&str, &str)) {
    keys(&format!("{path}."), value, see);
    if value["items"].is_object() {
        within(&format!("{path}[]"), &value["items"], see);
    }
    if value["additionalProperties"].is_object() {
        within(&format!("{path}.NAME"), &value["additionalProperties"], see);
    }
    for form in value["anyOf"].as_array().into_iter().flatten().filter(|form| form["type"] == "object") {
        within(path, form, see);
    }
}
