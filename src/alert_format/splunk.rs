//! An event of Splunk's HTTP Event Collector.

use serde_json::{Map, Value as Json, json};

use super::alert::{micros, text};

const SOURCE: &str = "tripline";
const SOURCE_TYPE: &str = "tripline:alert";
const MICROS_PER_SECOND: i64 = 1_000_000;

pub(super) fn event(alert: &Json) -> Json {
    let mut event = Map::new();
    // Without a time the collector takes its own.
    event.extend(seconds(alert).map(|time| ("time".to_owned(), time)));
    event.insert("host".to_owned(), json!(SOURCE));
    event.insert("source".to_owned(), json!(format!("{SOURCE}:{}", text(alert, "rule"))));
    event.insert("sourcetype".to_owned(), json!(SOURCE_TYPE));
    event.insert("event".to_owned(), alert.clone());
    Json::Object(event)
}

/// Of the last hit, as the number `1767604050.25`.
fn seconds(alert: &Json) -> Option<Json> {
    let time = micros(alert, "last_time")?;
    let (seconds, rest) = (time.div_euclid(MICROS_PER_SECOND), time.rem_euclid(MICROS_PER_SECOND));
    format!("{seconds}.{:03}", rest / 1_000).parse::<f64>().ok().map(|time| json!(time))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::event;
    use crate::alert_format::tests::alert;

    #[test]
    fn the_alert_is_the_event() {
        let alert = alert();
        let event = event(&alert);
        assert_eq!(event["time"].to_string(), "1767604050.25");
        assert_eq!(event["host"], "tripline");
        assert_eq!(event["source"], "tripline:net.bruteforce");
        assert_eq!(event["sourcetype"], "tripline:alert");
        assert_eq!(event["event"], alert);
    }

    #[test]
    fn a_time_that_is_none_is_left_out() {
        let mut alert = alert();
        alert["last_time"] = json!("yesterday");
        assert!(event(&alert).get("time").is_none());
    }
}
