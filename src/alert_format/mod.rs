//! What a sink sends of an alert: pure functions from the alert's JSON, as `docs/alert.schema.json` says, to bytes.
//!
//! | file | makes |
//! |---|---|
//! | `slack.rs` | a message of an incoming webhook |
//! | `pagerduty.rs` | an event that opens an incident |
//! | `splunk.rs` | an event of the HTTP Event Collector |
//! | `ocsf.rs` | a Detection Finding; `ocsf/flow.rs` its evidence, `ocsf/observable.rs` its observables |
//! | `row.rs` | a row of the table `alerts` |
//! | `alert.rs` | reads an alert's fields |
//! | `cut.rs` | texts of the lengths that others allow |
//!
//! An alert is made of log records, which an attacker may have written: nothing in it is a link, a mention or markup there.

mod alert;
mod cut;
mod ocsf;
mod pagerduty;
pub mod row;
mod slack;
mod splunk;

use serde_json::Value as Json;

/// How an alert is written. Not `Debug`: one form has a secret in it.
#[derive(Clone)]
pub enum AlertFormat {
    /// As it is.
    Json,
    Slack,
    PagerDuty {
        routing_key: String,
    },
    Splunk,
    Ocsf,
}

impl AlertFormat {
    pub fn bytes(&self, alert: &Json) -> Vec<u8> {
        let made = match self {
            Self::Json => return alert.to_string().into_bytes(),
            Self::Slack => slack::message(alert),
            Self::PagerDuty { routing_key } => pagerduty::event(alert, routing_key),
            Self::Splunk => splunk::event(alert),
            Self::Ocsf => ocsf::finding(alert),
        };
        made.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::AlertFormat;

    /// An alert with everything in it, and what an attacker would put there.
    pub fn alert() -> Json {
        json!({
            "version": 1, "alert_id": "a1b2c3d4e5f60718", "phase": "final", "state": "ok", "rule": "net.bruteforce",
            "title": "Brute force from 10.1.2.3 <!channel> & more", "severity": "high", "status": "stable",
            "first_time": "2026-01-05T09:00:00Z", "last_time": "2026-01-05T09:07:30.250Z", "hits": 3, "score": 0.75,
            "entities": [
                {"type": "ip", "role": "actor", "value": "10.1.2.3"},
                {"type": "subscriber", "role": "victim", "value": "<@U1>`x`"},
                {"type": "ip", "role": "peer", "value": null}
            ],
            "key": {"src_ip": "10.1.2.3", "dst_port": 22},
            "hit": {
                "hit_id": "h1", "window_start": "2026-01-05T09:00:00Z", "window_end": "2026-01-05T09:05:00Z",
                "values": {"src_ip": "10.1.2.3", "flows": 412, "rate": 1.5}
            },
            "params": {"least": 20}, "attack": ["T1110.001", "T1046"], "owner": "soc",
            "references": ["https://example.org/brute", "not a link"], "runbook": "Look *at* the <host>.",
            "fingerprint": "f1", "generation": "g1", "model": {"state": "absent"},
            "evidence": [
                {"event_time": "2026-01-05T09:00:01Z", "src_ip": "10.1.2.3", "src_port": 50000, "dst_ip": "192.0.2.7",
                 "dst_port": 22, "protocol": "TCP", "protocol_number": 6, "tx_bytes": 120, "rx_bytes": null},
                {"event_time": "2026-01-05T09:00:02Z"}
            ]
        })
    }

    #[test]
    fn json_is_the_alert_itself() {
        let read: Json = serde_json::from_slice(&AlertFormat::Json.bytes(&alert())).expect("JSON");
        assert_eq!(read, alert());
    }

    #[test]
    fn every_format_takes_an_alert_that_has_nothing() {
        let formats = [
            AlertFormat::Json,
            AlertFormat::Slack,
            AlertFormat::PagerDuty { routing_key: "k".to_owned() },
            AlertFormat::Splunk,
            AlertFormat::Ocsf,
        ];
        for format in formats {
            let bytes = format.bytes(&json!({}));
            assert!(serde_json::from_slice::<Json>(&bytes).is_ok());
        }
    }
}
