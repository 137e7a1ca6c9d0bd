//! Alerts that sinks are not told of for a while. Somebody else writes them while the run goes on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{StateError, small};
use crate::port::disk::Disk;
use crate::record::EventTime;

pub const FILE: &str = "mutes.json";

/// A rule, or those of its alerts that have these values in their key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    pub rule: String,
    /// By column, as texts.
    pub key: BTreeMap<String, String>,
    pub since: EventTime,
    pub until: EventTime,
    pub reason: Option<String>,
}

impl Mute {
    /// Is an alert one of these, now?
    pub fn covers(&self, alert: &Json, now: EventTime) -> bool {
        let has = |(column, value): (&String, &String)| match &alert["key"][column] {
            Json::String(text) => text == value,
            Json::Null => false,
            other => {
                let text = other.to_string();
                text == *value
            }
        };
        now < self.until && alert["rule"] == self.rule.as_str() && self.key.iter().all(has)
    }
}

pub fn load(disk: &dyn Disk) -> Result<Vec<Mute>, StateError> {
    Ok(small::load(disk, FILE)?.unwrap_or_default())
}

pub fn save(disk: &dyn Disk, mutes: &[Mute]) -> Result<(), StateError> {
    small::save(disk, FILE, &mutes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{EventTime, Mute};

    #[test]
    fn a_mute_covers_what_it_says_until_it_ends() {
        let mute = |key: &[(&str, &str)]| Mute {
            rule: "net.scan".to_owned(),
            key: key.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            since: EventTime(0),
            until: EventTime(10),
            reason: None,
        };
        let alert = json!({"rule": "net.scan", "key": {"src_ip": "10.0.0.5", "dst_port": 22, "name": null}});
        for (key, covered) in [
            (&[][..], true),
            (&[("src_ip", "10.0.0.5")], true),
            (&[("src_ip", "10.0.0.5"), ("dst_port", "22")], true),
            (&[("src_ip", "10.0.0.5"), ("dst_port", "23")], false),
            (&[("src_ip", "10.0.0.50")], false),
            (&[("name", "null")], false),
            (&[("other", "")], false),
        ] {
            assert_eq!(mute(key).covers(&alert, EventTime(9)), covered, "{key:?}");
            assert!(!mute(key).covers(&alert, EventTime(10)), "{key:?} has ended");
        }
        assert!(!mute(&[]).covers(&json!({"rule": "net.scan.slow", "key": {}}), EventTime(9)));
    }
}
