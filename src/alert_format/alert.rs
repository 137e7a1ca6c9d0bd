//! An alert's fields, read from its JSON.

use serde_json::Value as Json;

use crate::record::EventTime;
use crate::record::alert::Phase;

/// A text, or nothing.
pub(super) fn text<'a>(alert: &'a Json, key: &str) -> &'a str {
    alert[key].as_str().unwrap_or_default()
}

/// What one may ask for it by: of a hit whose window is open, which has no alert yet, the hit.
pub(super) fn id(alert: &Json) -> &str {
    match text(alert, "alert_id") {
        "" => text(&alert["hit"], "hit_id"),
        id => id,
    }
}

/// Was it said before, and is not so?
pub(super) fn is_withdrawn(alert: &Json) -> bool {
    text(alert, "phase") == Phase::Withdrawn.name()
}

/// A list, or an empty one.
pub(super) fn list<'a>(alert: &'a Json, key: &str) -> &'a [Json] {
    alert[key].as_array().map_or(&[], Vec::as_slice)
}

/// The texts of a list.
pub(super) fn texts<'a>(alert: &'a Json, key: &str) -> impl Iterator<Item = &'a str> {
    list(alert, key).iter().filter_map(Json::as_str)
}

/// A value as a person reads it, without quotes; NULL is nothing.
pub(super) fn shown(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A time in microseconds since 1970.
pub(super) fn micros(alert: &Json, key: &str) -> Option<i64> {
    EventTime::parse(alert[key].as_str()?).map(|time| time.0)
}

/// What it is about: (role and type, value), its key where it names no entities.
pub(super) fn about(alert: &Json) -> Vec<(String, String)> {
    let entities = list(alert, "entities").iter().filter(|entity| !entity["value"].is_null());
    let named: Vec<_> = entities
        .map(|entity| (format!("{} {}", text(entity, "role"), text(entity, "type")), shown(&entity["value"])))
        .collect();
    if !named.is_empty() {
        return named;
    }
    alert["key"].as_object().into_iter().flatten().map(|(name, value)| (name.clone(), shown(value))).collect()
}
