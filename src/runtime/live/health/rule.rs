//! The rules of health, and what is said when one of them holds.

use serde::{Deserialize, Serialize};

use crate::definition::model::Level;
use crate::pipeline::alert::AlertRecord;
use crate::record::alert::Phase;
use crate::record::{EventTime, Micros, Value, fingerprint64, hit_id, plural};

use super::share::Judged;

/// Version of what they mean.
const VERSION: &str = "1";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HealthRule {
    Silent,
    Nulls,
    Rejected,
    Late,
    Errors,
}

impl HealthRule {
    pub const ALL: [Self; 5] = [Self::Silent, Self::Nulls, Self::Rejected, Self::Late, Self::Errors];

    /// No other rule's name begins as these do.
    pub fn name(self) -> &'static str {
        match self {
            Self::Silent => "tripline.source.silent",
            Self::Nulls => "tripline.source.nulls",
            Self::Rejected => "tripline.source.rejected",
            Self::Late => "tripline.source.late",
            Self::Errors => "tripline.rule.errors",
        }
    }

    /// The columns of its alerts' key.
    pub fn key(self) -> &'static [&'static str] {
        match self {
            Self::Silent | Self::Rejected | Self::Late => &["source", "subscription"],
            Self::Nulls => &["source", "subscription", "column"],
            Self::Errors => &["relation"],
        }
    }

    fn severity(self) -> Level {
        match self {
            Self::Silent | Self::Errors => Level::High,
            Self::Nulls | Self::Rejected | Self::Late => Level::Medium,
        }
    }

    /// What to do.
    fn help(self) -> &'static str {
        match self {
            Self::Silent => {
                "Nothing is detected in the traffic of this source until it comes again. Does the exporter run, does it publish to the \
                 topic, does the subscription belong to that topic? A source that is silent for longer by nature says so: \
                 `silent_after` in its source.yaml."
            }
            Self::Nulls => {
                "Rules that read this column see less than before. Compare a record of today with one of yesterday: a field was renamed, \
                 left out, or has another type. `tripline source profile` counts the values of each field; the column is made in the source's \
                 flows.sql."
            }
            Self::Rejected => {
                "These records are not looked at. `tripline status` counts them by reason; `dead_letters` in tripline.yaml keeps them with the \
                 reason. When the format has changed, change source.yaml and start the run again; the letters can be published once more."
            }
            Self::Late => {
                "Late rows miss windows that are over, and so attacks may be missed. Is the exporter's clock right, or is it behind? When rows \
                 come late by nature, raise `lateness` in source.yaml; `tripline source profile` shows by how much they do."
            }
            Self::Errors => {
                "These rows were left out, and the rule may have missed something in them. The first error is in the values; mostly a cast or an \
                 arithmetic that some values do not allow: write SAFE_CAST, SAFE_DIVIDE or a condition on the row, and add the row as a test."
            }
        }
    }
}

/// What a rule holds of: the columns of the alert's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    pub rule: HealthRule,
    pub key: Vec<(String, String)>,
}

impl Subject {
    pub fn new(rule: HealthRule, key: &[(&str, &str)]) -> Self {
        let key = key.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { rule, key: key.collect() }
    }
}

/// What is said of it.
pub struct Said {
    pub title: String,
    pub values: Vec<(String, Value)>,
    pub params: Vec<(String, Value)>,
    /// Since when it is so.
    pub since: EventTime,
}

/// The first alert of an incident.
pub fn first(subject: &Subject, said: Said, now: EventTime, generation: &str) -> AlertRecord {
    let Subject { rule, key } = subject;
    let key: Vec<(String, Value)> =
        key.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
    let values: Vec<Value> = key.iter().map(|(_, value)| value.clone()).collect();
    let id = hit_id(rule.name(), &values, said.since, said.since);
    AlertRecord {
        phase: Phase::First,
        // Nothing but the end of it is to come, and that has the same.
        alert_id: Some(id.clone()),
        rule: rule.name().to_owned(),
        title: said.title,
        severity: rule.severity(),
        first_time_us: said.since.0,
        last_time_us: now.0,
        hits: 1,
        score: 1.0,
        partial: false,
        warming: false,
        entities: Vec::new(),
        values: key.iter().cloned().chain(said.values).collect(),
        key,
        params: said.params,
        window: (said.since, now),
        hit_id: id,
        attack: Vec::new(),
        references: Vec::new(),
        owner: String::new(),
        runbook: rule.help().to_owned(),
        status: "stable".to_owned(),
        fingerprint: format!("{:016x}", fingerprint64(format!("{} {VERSION}", rule.name()).as_bytes())),
        generation: generation.to_owned(),
        evidence: Vec::new(),
    }
}

/// `what`: "NULL in", "of its records are".
pub fn of_share(what: &str, judged: &Judged, since: EventTime) -> Said {
    let Judged { share, usual, limit } = *judged;
    let percent = |share: f64| format!("{:.0}%", share * 100.0);
    Said {
        title: format!("{what}: {}, usually {}", percent(share), percent(usual)),
        values: vec![("share".to_owned(), Value::Float64(share)), ("usual".to_owned(), Value::Float64(usual))],
        params: vec![("limit".to_owned(), Value::Float64(limit))],
        since,
    }
}

pub fn of_silence(source: &str, reached: bool, (heard, silent): (EventTime, Micros), limit: Micros) -> Said {
    let seconds = |length: Micros| Value::Int64(length.0.div_euclid(1_000_000));
    Said {
        title: match reached {
            true => format!("{source} is silent: nothing has come since {heard}"),
            false => format!("{source} cannot be reached: Pub/Sub does not answer, and nothing has come since {heard}"),
        },
        values: vec![
            ("heard".to_owned(), Value::Timestamp(heard.0)),
            ("silent_seconds".to_owned(), seconds(silent)),
            ("reached".to_owned(), Value::Bool(reached)),
        ],
        params: vec![("silent_after_seconds".to_owned(), seconds(limit))],
        since: heard,
    }
}

pub fn of_errors(name: &str, rows: u64, message: &str, since: EventTime) -> Said {
    let count = i64::try_from(rows).unwrap_or(i64::MAX);
    Said {
        title: format!("{name} could not compute {rows} {}: {message}", plural(rows, "row")),
        values: vec![("rows".to_owned(), Value::Int64(count)), ("error".to_owned(), Value::String(message.to_owned()))],
        params: Vec::new(),
        since,
    }
}
