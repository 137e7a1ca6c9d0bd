//! A Detection Finding of the Open Cybersecurity Schema Framework, class 2004 of version 1.8.0.

mod flow;
mod observable;

use serde_json::{Map, Value as Json, json};

use super::alert::{id, list, micros, text, texts};

const SCHEMA_VERSION: &str = "1.8.0";
const CATEGORY: u32 = 2;
const CLASS: u32 = 2_004;
/// Of an activity, and of `status_id`.
const CREATE: (u32, &str) = (1, "Create");
const UPDATE: (u32, &str) = (2, "Update");
const CLOSE: (u32, &str) = (3, "Close");
const NEW: (u32, &str) = (1, "New");
const RESOLVED: (u32, &str) = (4, "Resolved");
/// Of an analytic.
const RULE: u32 = 1;
/// What has no place in the class is carried along as it is.
const UNMAPPED: [&str; 9] = ["phase", "state", "hit", "key", "params", "entities", "hits", "score", "owner"];

pub(super) fn finding(alert: &Json) -> Json {
    let (severity_id, severity) = severity(text(alert, "severity"));
    let (activity, status) = match text(alert, "phase") {
        "update" => (UPDATE, NEW),
        "withdrawn" => (CLOSE, RESOLVED),
        _ => (CREATE, NEW),
    };
    let mut finding = json!({
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "activity_id": activity.0,
        "activity_name": activity.1,
        "type_uid": CLASS * 100 + activity.0,
        "type_name": format!("Detection Finding: {}", activity.1),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status.0,
        "status": status.1,
        "is_alert": true,
        "message": text(alert, "title"),
        "time": millis(alert, "last_time"),
        "start_time": millis(alert, "first_time"),
        "end_time": millis(alert, "last_time"),
        "metadata": {
            "version": SCHEMA_VERSION,
            "uid": text(alert, "message_id"),
            "event_code": text(alert, "rule"),
            "product": {"name": "tripline", "vendor_name": "tripline", "version": env!("CARGO_PKG_VERSION")},
        },
        "finding_info": info(alert),
        "unmapped": unmapped(alert),
    });
    if let Json::Object(fields) = &mut finding {
        let observables = observable::of(list(alert, "entities"));
        let evidences: Vec<Json> = list(alert, "evidence").iter().map(flow::evidence).collect();
        let given = [("observables", observables), ("evidences", evidences)];
        fields.extend(
            given.into_iter().filter(|(_, all)| !all.is_empty()).map(|(key, all)| (key.to_owned(), all.into())),
        );
    }
    finding
}

fn info(alert: &Json) -> Json {
    let mut info = json!({
        "uid": id(alert),
        "title": text(alert, "title"),
        "first_seen_time": millis(alert, "first_time"),
        "last_seen_time": millis(alert, "last_time"),
        "created_time": millis(alert, "last_time"),
        "analytic": {
            "type_id": RULE,
            "type": "Rule",
            "name": text(alert, "rule"),
            "uid": text(alert, "rule"),
            "version": text(alert, "fingerprint"),
        },
    });
    if let Json::Object(fields) = &mut info {
        let attacks: Vec<Json> = texts(alert, "attack").map(attack).collect();
        fields.extend((!attacks.is_empty()).then(|| ("attacks".to_owned(), attacks.into())));
        let runbook = text(alert, "runbook");
        fields.extend((!runbook.is_empty()).then(|| ("desc".to_owned(), runbook.into())));
        let first = texts(alert, "references").find(|link| link.starts_with("https://"));
        fields.extend(first.map(|link| ("src_url".to_owned(), link.into())));
    }
    info
}

/// `T1110.001` is a part of `T1110`.
fn attack(id: &str) -> Json {
    match id.split_once('.') {
        Some((technique, _)) => json!({"technique": {"uid": technique}, "sub_technique": {"uid": id}}),
        None => json!({"technique": {"uid": id}}),
    }
}

fn severity(ours: &str) -> (u32, &'static str) {
    match ours {
        "info" => (1, "Informational"),
        "low" => (2, "Low"),
        "medium" => (3, "Medium"),
        "high" => (4, "High"),
        "critical" => (5, "Critical"),
        _ => (0, "Unknown"),
    }
}

/// A time that cannot be read is the beginning of 1970: the class needs one.
fn millis(alert: &Json, key: &str) -> i64 {
    micros(alert, key).map_or(0, |time| time.div_euclid(1_000))
}

fn unmapped(alert: &Json) -> Map<String, Json> {
    UNMAPPED.iter().map(|key| ((*key).to_owned(), alert[*key].clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::finding;
    use crate::alert_format::tests::alert;

    /// What the schema requires: (where, attributes), for those objects that a finding has.
    const REQUIRED: &[(&str, &[&str])] = &[
        (
            "",
            &[
                "activity_id",
                "category_uid",
                "class_uid",
                "finding_info",
                "metadata",
                "severity_id",
                "time",
                "type_uid",
            ],
        ),
        ("/metadata", &["product", "version"]),
        ("/metadata/product", &["name"]),
        ("/finding_info", &["uid"]),
        ("/finding_info/analytic", &["type_id", "name"]),
        ("/finding_info/attacks/0", &["technique"]),
        ("/finding_info/attacks/0/technique", &["uid"]),
        ("/observables/0", &["type_id"]),
        ("/evidences/0", &["src_endpoint"]),
        ("/evidences/0/connection_info", &["direction_id"]),
        ("/evidences/0/src_endpoint", &["ip"]),
    ];

    /// Attributes of the class that are told.
    const KNOWN: &[&str] = &[
        "activity_id",
        "activity_name",
        "category_name",
        "category_uid",
        "class_name",
        "class_uid",
        "end_time",
        "evidences",
        "finding_info",
        "is_alert",
        "message",
        "metadata",
        "observables",
        "severity",
        "severity_id",
        "start_time",
        "status",
        "status_id",
        "time",
        "type_name",
        "type_uid",
        "unmapped",
    ];

    #[test]
    fn everything_that_the_class_requires_is_there() {
        let finding = finding(&alert());
        for (place, attributes) in REQUIRED {
            let object = finding.pointer(place).unwrap_or(&Json::Null);
            for attribute in *attributes {
                assert!(!object[*attribute].is_null(), "{place} has no {attribute}: {object}");
            }
        }
        for attribute in finding.as_object().expect("an object").keys() {
            assert!(KNOWN.contains(&attribute.as_str()), "{attribute} is none of the class");
        }
    }

    #[test]
    fn numbers_are_those_of_the_class() {
        let finding = finding(&alert());
        assert_eq!(
            ["category_uid", "class_uid", "type_uid", "activity_id", "status_id"].map(|key| finding[key].as_i64()),
            [2, 2_004, 200_401, 1, 1].map(Some)
        );
        let levels = ["info", "low", "medium", "high", "critical", "odd"].map(|level| {
            let mut alert = alert();
            alert["severity"] = json!(level);
            super::finding(&alert)["severity_id"].as_i64()
        });
        assert_eq!(levels, [1, 2, 3, 4, 5, 0].map(Some));
    }

    #[test]
    fn times_are_milliseconds_and_techniques_have_parts() {
        let finding = finding(&alert());
        let info = &finding["finding_info"];
        assert_eq!(info["uid"], "a1b2c3d4e5f60718");
        assert_eq!(info["first_seen_time"], 1_767_603_600_000_i64);
        assert_eq!(info["last_seen_time"], 1_767_604_050_250_i64);
        assert_eq!(finding["time"], info["last_seen_time"]);
        assert_eq!(info["attacks"][0], json!({"technique": {"uid": "T1110"}, "sub_technique": {"uid": "T1110.001"}}));
        assert_eq!(info["attacks"][1], json!({"technique": {"uid": "T1046"}}));
        assert_eq!(finding["unmapped"]["hit"]["values"]["flows"], 412);
    }
}
