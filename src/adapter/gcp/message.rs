//! An alert as a message of Pub/Sub.

use google_cloud_pubsub::model::Message;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::alert_format::AlertFormat;
use crate::port::sink::Told;

/// Of a message's data: what Pub/Sub takes, less its attributes and what is around it.
const DATA_BYTES_MAX: usize = 9_900_000;
/// Of an attribute's value, and of an ordering key.
const VALUE_BYTES_MAX: usize = 1_024;

/// What a subscription may filter by, beside the id.
#[derive(Debug, Clone, Copy)]
pub struct Attributes {
    pub id: &'static str,
    pub others: &'static [&'static str],
}

pub const OF_ALERTS: Attributes = Attributes { id: "message_id", others: &["alert_id", "rule", "severity", "phase"] };
/// Of refused records.
pub const OF_LETTERS: Attributes = Attributes { id: "letter_id", others: &["reason", "source", "subscription"] };

/// `Err`: the alert is longer than a message may be; so many bytes.
pub(super) fn message(
    told: &Told,
    format: &AlertFormat,
    attributes: Attributes,
    ordering: bool,
) -> Result<Message, usize> {
    let data = format.bytes(&told.alert);
    if data.len() > DATA_BYTES_MAX {
        return Err(data.len());
    }
    let others = attributes.others.iter().map(|key| (*key, told.alert[*key].as_str().unwrap_or_default()));
    let others = others.filter(|(_, value)| !value.is_empty());
    let attributes = others.chain([(attributes.id, told.id.as_str())]);
    let attributes = attributes.map(|(key, value)| (key.to_owned(), short(value).to_owned()));
    let message = Message::new().set_data(data).set_attributes(attributes);
    Ok(if ordering { message.set_ordering_key(ordering_key(&told.alert)) } else { message })
}

/// The rule and its key: alerts of one thing come in order.
fn ordering_key(alert: &Json) -> String {
    let text = format!("{} {}", alert["rule"].as_str().unwrap_or_default(), alert["key"]);
    if text.len() <= VALUE_BYTES_MAX {
        return text;
    }
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What fits of a value.
fn short(value: &str) -> &str {
    value.get(..value.floor_char_boundary(VALUE_BYTES_MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{DATA_BYTES_MAX, OF_ALERTS, OF_LETTERS, VALUE_BYTES_MAX, message};
    use crate::alert_format::AlertFormat;
    use crate::port::sink::Told;

    fn told(alert: serde_json::Value) -> Told {
        Told { id: "a1".to_owned(), number: 7, alert }
    }

    #[test]
    fn an_alert_is_a_message_with_what_to_filter_by() {
        let told =
            told(json!({"rule": "net.scan", "severity": "high", "phase": "final", "key": {"src_ip": "10.0.0.1"}}));
        let made = message(&told, &AlertFormat::Json, OF_ALERTS, true).expect("a message");
        assert_eq!(made.data, told.alert.to_string());
        for (key, value) in [("message_id", "a1"), ("rule", "net.scan"), ("severity", "high"), ("phase", "final")] {
            assert_eq!(made.attributes.get(key).map(String::as_str), Some(value));
        }
        assert_eq!(made.ordering_key, r#"net.scan {"src_ip":"10.0.0.1"}"#);
        assert_eq!(message(&told, &AlertFormat::Json, OF_ALERTS, false).expect("a message").ordering_key, "");
    }

    #[test]
    fn a_refused_record_has_attributes_of_its_own() {
        let told = told(json!({"reason": "ingest.bad-record", "source": "netlog", "subscription": "s", "rule": "no"}));
        let made = message(&told, &AlertFormat::Json, OF_LETTERS, false).expect("a message");
        for (key, value) in [("letter_id", "a1"), ("reason", "ingest.bad-record"), ("source", "netlog")] {
            assert_eq!(made.attributes.get(key).map(String::as_str), Some(value));
        }
        assert_eq!(made.attributes.get("rule"), None);
    }

    #[test]
    fn nothing_is_longer_than_pubsub_takes() {
        let long = "ö".repeat(VALUE_BYTES_MAX);
        let made = message(&told(json!({"rule": long, "key": {"x": long}})), &AlertFormat::Json, OF_ALERTS, true);
        let made = made.expect("a message");
        assert_eq!(made.ordering_key.len(), 64);
        assert!(made.attributes.get("rule").is_some_and(|rule| rule.len() <= VALUE_BYTES_MAX));
        let huge = message(&told(json!({"x": "x".repeat(DATA_BYTES_MAX)})), &AlertFormat::Json, OF_ALERTS, false);
        assert!(huge.is_err_and(|bytes| bytes > DATA_BYTES_MAX));
    }
}
