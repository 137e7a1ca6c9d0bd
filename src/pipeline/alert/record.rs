//! An alert as it is written: one JSON object, or a few lines for people.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::definition::model::Level;
use crate::plan::{RulePlan, TitlePart};
use crate::record::alert::Phase;
use crate::record::{EventTime, Value};

use super::incident::Incident;
use crate::pipeline::evidence::json_of;

/// Version of the alert's shape.
pub const ALERT_VERSION: u32 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AlertRecord {
    pub phase: Phase,
    /// Of a hit whose window is open there is none: which hit begins an incident is known when it is over.
    pub alert_id: Option<String>,
    pub rule: String,
    pub title: String,
    pub severity: Level,
    pub first_time_us: i64,
    pub last_time_us: i64,
    pub hits: u64,
    pub score: f64,
    pub partial: bool,
    pub warming: bool,
    /// (type, role, value)
    pub entities: Vec<(String, String, Value)>,
    pub key: Vec<(String, Value)>,
    /// The representative hit's columns.
    pub values: Vec<(String, Value)>,
    pub params: Vec<(String, Value)>,
    pub window: (EventTime, EventTime),
    pub hit_id: String,
    pub attack: Vec<String>,
    pub references: Vec<String>,
    pub owner: String,
    pub runbook: String,
    pub status: String,
    pub fingerprint: String,
    pub generation: String,
    /// Flows, each a JSON object.
    #[serde(with = "texts")]
    pub evidence: Vec<Json>,
}

/// JSON as texts: what a snapshot is made of does not say of itself what it is.
mod texts {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value as Json;

    pub fn serialize<S: Serializer>(values: &[Json], out: S) -> Result<S::Ok, S::Error> {
        values.iter().map(Json::to_string).collect::<Vec<String>>().serialize(out)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Json>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| serde_json::from_str(text).map_err(D::Error::custom)).collect()
    }
}

impl AlertRecord {
    pub fn new(phase: Phase, rule: &RulePlan, incident: &Incident, generation: &str) -> Self {
        let hit = &incident.representative;
        let name = |index: &usize| rule.columns[*index].name.clone();
        let named = |indexes: &[usize]| indexes.iter().map(|i| (name(i), hit.values[*i].clone())).collect();
        let all: Vec<usize> = (0..rule.columns.len()).collect();
        let entities = rule.entities.iter().map(|e| (e.ty.clone(), e.role.clone(), hit.values[e.column].clone()));
        Self {
            phase,
            alert_id: Some(incident.alert_id.clone()),
            rule: rule.name.clone(),
            title: title(rule, &hit.values),
            severity: rule.severity,
            first_time_us: incident.first_time.0,
            last_time_us: incident.last_time.0,
            hits: incident.hits,
            score: hit.score,
            partial: incident.partial,
            warming: incident.warming,
            entities: entities.collect(),
            key: named(&rule.alert_key),
            values: named(&all),
            params: rule.params.clone(),
            window: (hit.window_start, hit.window_end),
            hit_id: hit.hit_id.clone(),
            attack: rule.attack.clone(),
            references: rule.references.clone(),
            owner: rule.owner.clone(),
            runbook: rule.runbook.clone(),
            status: rule.status.name().to_owned(),
            fingerprint: rule.fingerprint.clone(),
            generation: generation.to_owned(),
            evidence: hit.evidence.iter().filter_map(|row| json_of(&row.flow)).collect(),
        }
    }

    /// The same for the same input and definitions, and another for each thing that is said of an incident. Other definitions may
    /// say again what was taken back when they came.
    pub fn message_id(&self) -> String {
        let id = self.alert_id.as_ref().unwrap_or(&self.hit_id);
        let by = self.generation.get(..8).unwrap_or(&self.generation);
        match self.phase {
            Phase::Final => id.clone(),
            Phase::Update => format!("{id}.{}.{by}", self.hits),
            Phase::First | Phase::Withdrawn => format!("{}.{}.{by}", self.hit_id, self.phase.name()),
        }
    }

    /// `ok`; `partial` where a window reaches beyond the end of the data or keys of it were let go, `warming` where a look-back reaches beyond its
    /// beginning.
    pub fn state(&self) -> &'static str {
        match (self.partial, self.warming) {
            (true, _) => "partial",
            (false, true) => "warming",
            (false, false) => "ok",
        }
    }

    pub fn json(&self) -> Json {
        let entities: Vec<Json> = self
            .entities
            .iter()
            .map(|(ty, role, value)| json!({"type": ty, "role": role, "value": value.json()}))
            .collect();
        json!({
            "version": ALERT_VERSION,
            "message_id": self.message_id(),
            "alert_id": self.alert_id,
            "phase": self.phase.name(),
            "state": self.state(),
            "rule": self.rule,
            "title": self.title,
            "severity": self.severity.name(),
            "status": self.status,
            "first_time": EventTime(self.first_time_us).to_string(),
            "last_time": EventTime(self.last_time_us).to_string(),
            "hits": self.hits,
            "score": self.score,
            "entities": entities,
            "key": object(&self.key),
            "hit": {
                "hit_id": self.hit_id,
                "window_start": self.window.0.to_string(),
                "window_end": self.window.1.to_string(),
                "values": object(&self.values),
            },
            "params": object(&self.params),
            "attack": self.attack,
            "owner": self.owner,
            "references": self.references,
            "runbook": self.runbook,
            "fingerprint": self.fingerprint,
            "generation": self.generation,
            "model": {"state": "absent"},
            "evidence": self.evidence,
        })
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let first = EventTime(self.first_time_us);
        let last = EventTime(self.last_time_us);
        let mut text = format!(
            "{:<8} {}  {}{}\n         {} to {} · {} {} · score {:.2} · {}\n",
            self.severity.name().to_uppercase(),
            self.rule,
            self.said(),
            printable(&self.title),
            first,
            last,
            self.hits,
            if self.hits == 1 { "hit" } else { "hits" },
            self.score,
            if self.attack.is_empty() { "no ATT&CK tag".to_owned() } else { self.attack.join(" ") },
        );
        let about = self.about();
        if !about.is_empty() {
            text.push_str(&format!("         {}\n", about.join(" · ")));
        }
        if self.partial {
            text.push_str("         partial: a window reaches beyond the data, or some of its keys were let go\n");
        } else if self.warming {
            text.push_str("         warming: it looks back further than the data reaches\n");
        }
        text
    }
}

impl AlertRecord {
    /// Of what is not the last word.
    fn said(&self) -> &'static str {
        match self.phase {
            Phase::Final => "",
            Phase::First => "first: ",
            Phase::Update => "update: ",
            Phase::Withdrawn => "withdrawn: ",
        }
    }

    /// Who and what it is about: its entities, or its key where the rule names none.
    fn about(&self) -> Vec<String> {
        if self.entities.is_empty() {
            return self.key.iter().map(|(name, value)| format!("{name} {}", printable(&value.display()))).collect();
        }
        let entities = self.entities.iter();
        entities.map(|(ty, role, value)| format!("{role} {ty} {}", printable(&value.display()))).collect()
    }
}

/// Text from logs on a terminal: control characters are shown, not obeyed.
fn printable(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() });
    shown.collect()
}

fn title(rule: &RulePlan, values: &[Value]) -> String {
    let parts = rule.alert_title.iter().map(|part| match part {
        TitlePart::Text(text) => text.clone(),
        TitlePart::Column(index) => values[*index].display(),
    });
    parts.collect()
}

fn object(fields: &[(String, Value)]) -> Map<String, Json> {
    fields.iter().map(|(name, value)| (name.clone(), value.json())).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn control_characters_from_logs_are_shown_not_obeyed() {
        let hostile = "\u{1b}[2J\u{7}ok\nHIGH forged";
        assert_eq!(printable(hostile), "\\u{1b}[2J\\u{7}ok\\u{a}HIGH forged");
    }
}
