//! An event of PagerDuty's Events API v2: opens an incident, or is added to the open one of the same id.

use serde_json::{Map, Value as Json, json};

use super::alert::{about, id, is_withdrawn, text, texts};
use super::cut::line;

/// What PagerDuty allows, in characters.
const SUMMARY: usize = 1_024;
const KEY: usize = 255;
/// Of its other texts no limit is promised.
const TEXT_MAX: usize = 255;
/// Of an event, in bytes: 512 KiB, less some room.
const BYTES_MAX: usize = 500_000;
/// Fields of an alert that are told as details, in the order in which they are left out where all are too many.
const DETAILS: [&str; 12] = [
    "evidence",
    "hit",
    "params",
    "runbook",
    "entities",
    "key",
    "references",
    "attack",
    "state",
    "score",
    "hits",
    "owner",
];

pub(super) fn event(alert: &Json, routing_key: &str) -> Json {
    let mut left_out = 0;
    loop {
        let event = with_details(alert, routing_key, DETAILS.get(left_out..).unwrap_or_default());
        if left_out >= DETAILS.len() || event.to_string().len() <= BYTES_MAX {
            return event;
        }
        left_out += 1;
    }
}

fn with_details(alert: &Json, routing_key: &str, details: &[&str]) -> Json {
    let rule = line(text(alert, "rule"), TEXT_MAX);
    let details: Map<String, Json> = details.iter().map(|key| ((*key).to_owned(), alert[*key].clone())).collect();
    let links = texts(alert, "references").filter(|link| link.starts_with("https://") || link.starts_with("http://"));
    json!({
        "routing_key": routing_key,
        "event_action": if is_withdrawn(alert) { "resolve" } else { "trigger" },
        "dedup_key": line(id(alert), KEY),
        "client": "tripline",
        "links": links.map(|link| json!({"href": link, "text": line(link, TEXT_MAX)})).collect::<Vec<_>>(),
        "payload": {
            "summary": summary(alert),
            "source": source(alert),
            "severity": severity(text(alert, "severity")),
            "timestamp": text(alert, "last_time"),
            "class": rule,
            "custom_details": details,
        },
    })
}

/// It must not be empty.
fn summary(alert: &Json) -> String {
    let title = line(text(alert, "title"), SUMMARY);
    if title.trim().is_empty() { line(&format!("Alert of {}", text(alert, "rule")), SUMMARY) } else { title }
}

/// Where it is seen: whom it is about first. It must not be empty.
fn source(alert: &Json) -> String {
    let first = about(alert).into_iter().map(|(_, value)| value).find(|value| !value.trim().is_empty());
    line(&first.unwrap_or_else(|| "tripline".to_owned()), TEXT_MAX)
}

fn severity(ours: &str) -> &'static str {
    match ours {
        "critical" => "critical",
        "high" => "error",
        "medium" => "warning",
        _ => "info",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::{BYTES_MAX, event, severity};
    use crate::alert_format::tests::alert;

    #[test]
    fn an_incident_has_one_key() {
        let event = event(&alert(), "R0");
        assert_eq!(
            [&event["routing_key"], &event["event_action"], &event["dedup_key"]],
            ["R0", "trigger", "a1b2c3d4e5f60718"]
        );
        let payload = &event["payload"];
        assert_eq!(payload["severity"], "error");
        assert_eq!(payload["source"], "10.1.2.3");
        assert_eq!(payload["timestamp"], "2026-01-05T09:07:30.250Z");
        assert_eq!(payload["custom_details"]["hits"], 3);
        assert_eq!(event["links"], json!([{"href": "https://example.org/brute", "text": "https://example.org/brute"}]));
    }

    #[test]
    fn what_was_withdrawn_is_resolved() {
        let mut alert = alert();
        alert["alert_id"] = Json::Null;
        alert["hit"]["hit_id"] = json!("h1");
        let told = event(&alert, "R0");
        alert["phase"] = json!("withdrawn");
        let withdrawn = event(&alert, "R0");
        assert_eq!([&told["event_action"], &told["dedup_key"]], ["trigger", "h1"]);
        assert_eq!([&withdrawn["event_action"], &withdrawn["dedup_key"]], ["resolve", "h1"]);
    }

    #[test]
    fn severities_are_those_of_pagerduty() {
        let levels = ["info", "low", "medium", "high", "critical"];
        assert_eq!(levels.map(severity), ["info", "info", "warning", "error", "critical"]);
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let mut alert = alert();
        alert["title"] = json!("t".repeat(5_000));
        alert["evidence"] = Json::Array(vec![json!({"text": "x".repeat(1_000)}); 1_000]);
        alert["entities"] = json!([]);
        alert["key"] = json!({});
        let event = event(&alert, "R0");
        assert_eq!(event["payload"]["summary"].as_str().map(|text| text.chars().count()), Some(1_024));
        assert!(event.to_string().len() <= BYTES_MAX);
        assert!(event["payload"]["custom_details"]["evidence"].is_null());
        assert_eq!(event["payload"]["custom_details"]["owner"], "soc");
        assert_eq!(event["payload"]["source"], "tripline");
    }
}
