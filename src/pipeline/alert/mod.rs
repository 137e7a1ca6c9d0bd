//! Hits to alerts: exceptions, shadow rules, incidents.
//!
//! Hits wait until the watermark passes their event time and are then taken in the order of (event time, rule, key),
//! so that incidents do not depend on the order in which windows were computed.

mod incident;
pub mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::definition::model::{AlertWhen, Status};
use crate::plan::RulePlan;
use crate::record::{Disposition, EventTime, Value};

use super::detect::Hit;
use super::ledger::Ledger;
use incident::Incident;
pub use record::AlertRecord;

const DAY: i64 = 86_400_000_000;

/// What came out of a step: hits with what became of them, and alerts.
#[derive(Debug, Default)]
pub struct Settled {
    pub hits: Vec<(Hit, Disposition)>,
    pub alerts: Vec<AlertRecord>,
}

pub struct AlertStage {
    rules: Vec<Arc<RulePlan>>,
    waiting: BTreeMap<Place, Hit>,
    incidents: BTreeMap<(usize, String), Incident>,
    /// When each incident can be closed.
    closing: BTreeSet<(i64, usize, String)>,
    sequence: u64,
    generation: String,
    /// A fault that a test plants: the next hit is counted and lost.
    lose_hit: bool,
}

/// Order of hits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    event_time: i64,
    rule: usize,
    key: Vec<KeyPart>,
    /// Rows that are equal in all of that are interchangeable.
    sequence: u64,
}

/// A key value in order: NULL first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum KeyPart {
    Null,
    Number(i64),
    Text(String),
}

impl KeyPart {
    fn of(value: &Value) -> Self {
        match value {
            Value::Int64(v) | Value::Timestamp(v) => Self::Number(*v),
            Value::Date(v) => Self::Number((*v).into()),
            other => other.id_text().map_or(Self::Null, Self::Text),
        }
    }
}

impl AlertStage {
    pub fn new(rules: &[Arc<RulePlan>], generation: String, lose_hit: bool) -> Self {
        Self {
            rules: rules.to_vec(),
            waiting: BTreeMap::new(),
            incidents: BTreeMap::new(),
            closing: BTreeSet::new(),
            sequence: 0,
            generation,
            lose_hit,
        }
    }

    pub fn push(&mut self, hits: Vec<Hit>, ledger: &mut Ledger) {
        for hit in hits {
            ledger.hits += 1;
            if std::mem::take(&mut self.lose_hit) {
                continue;
            }
            self.sequence += 1;
            let place = Place {
                event_time: hit.event_time.0,
                rule: hit.rule,
                key: key_parts(&hit.key),
                sequence: self.sequence,
            };
            self.waiting.insert(place, hit);
        }
    }

    /// Settles every hit before the watermark and closes incidents that cannot grow, in the order of when that was
    /// sure: alerts come in one order however the watermark steps.
    pub fn advance(&mut self, watermark: i64, ledger: &mut Ledger) -> Settled {
        let mut settled = Settled::default();
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().event_time >= watermark && watermark != i64::MAX {
                break;
            }
            let hit = entry.remove();
            self.close_before(hit.event_time.0, &mut settled);
            let mut alone = None;
            let disposition = self.settle(&hit, &mut alone);
            ledger.dispose(disposition);
            settled.hits.push((hit, disposition));
            if let Some(incident) = alone {
                self.alert(&incident, &mut settled);
            }
        }
        self.close_before(watermark, &mut settled);
        settled
    }

    /// Incidents that were still open when the run was stopped.
    pub fn abandon(&mut self, ledger: &mut Ledger) -> Settled {
        let mut settled = Settled::default();
        ledger.open_incidents += self.incidents.len() as u64;
        for (_, hit) in std::mem::take(&mut self.waiting) {
            let disposition = self.settle(&hit, &mut None);
            ledger.dispose(disposition);
            ledger.open_incidents += u64::from(disposition == Disposition::Alerted);
            settled.hits.push((hit, disposition));
        }
        self.incidents.clear();
        self.closing.clear();
        settled
    }

    /// `alone` takes the incident of a hit that came when its time was over.
    fn settle(&mut self, hit: &Hit, alone: &mut Option<Incident>) -> Disposition {
        let rule = &self.rules[hit.rule];
        if hit.excepted.is_some() {
            return Disposition::Excepted;
        }
        if rule.status == Status::Shadow {
            return Disposition::Shadow;
        }
        if rule.when != AlertWhen::Always {
            return Disposition::Signal;
        }
        let key = (hit.rule, key_text(&hit.alert_key));
        let merge_within = rule.merge_within.0;
        if let Some(incident) = self.incidents.get_mut(&key) {
            if !incident.takes(hit, merge_within) {
                // Only a late hit: its own time was over before this incident began.
                *alone = Some(Incident::new(hit));
                return Disposition::Alerted;
            }
            self.closing.remove(&(incident.closes_at(merge_within), key.0, key.1.clone()));
            incident.add(hit);
            self.closing.insert((incident.closes_at(merge_within), key.0, key.1));
            return Disposition::Merged;
        }
        let incident = Incident::new(hit);
        self.closing.insert((incident.closes_at(merge_within), key.0, key.1.clone()));
        self.incidents.insert(key, incident);
        Disposition::Alerted
    }

    fn close_before(&mut self, watermark: i64, settled: &mut Settled) {
        while let Some((at, rule, key)) = self.closing.first().cloned() {
            if at > watermark {
                break;
            }
            self.closing.pop_first();
            if let Some(incident) = self.incidents.remove(&(rule, key)) {
                self.alert(&incident, settled);
            }
        }
    }

    fn alert(&self, incident: &Incident, settled: &mut Settled) {
        settled.alerts.push(AlertRecord::new(&self.rules[incident.first.rule], incident, &self.generation));
    }
}

/// A hit's key, in order.
fn key_parts(key: &[Value]) -> Vec<KeyPart> {
    key.iter().map(KeyPart::of).collect()
}

/// One text a key: length-prefixed, so that fields do not run together.
fn key_text(values: &[Value]) -> String {
    let fields = values.iter().map(|value| match value.id_text() {
        Some(text) => format!("{}:{text}", text.len()),
        None => "-1:".to_owned(),
    });
    fields.collect()
}

/// The UTC day of an instant: incidents do not reach over midnight.
fn day(at: EventTime) -> i64 {
    at.0.div_euclid(DAY)
}
