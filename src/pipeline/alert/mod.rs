//! Hits to alerts: exceptions, shadow rules, incidents.
//!
//! A hit is known at its event time, or, when its row was late, at the watermark before that row. Hits wait until the
//! watermark passes that instant and are then taken in the order of (known, event time, rule, key), so that incidents
//! depend neither on the order in which windows were computed nor on which rows came in one batch.

mod carry;
mod early;
mod incident;
pub mod record;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::definition::model::{AlertWhen, Status};
use crate::plan::RulePlan;
use crate::record::alert::Phase;
use crate::record::{Disposition, EventTime, Value};

use super::detect::Hit;
use super::ledger::Ledger;
use super::saved::{Loader, Saved, SavedError, Saver, mismatch};
use early::{Chain, Early, touch};
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
    incidents: BTreeMap<IncidentKey, Incident>,
    /// When each incident can be closed.
    closing: BTreeSet<(i64, IncidentKey)>,
    sequence: u64,
    /// By rule: the end of the last window of which hits may be missing.
    missed: Vec<i64>,
    generation: String,
    /// In a run that does not end.
    early: Option<Early>,
    /// Alerts that definitions before have left.
    owed: Vec<AlertRecord>,
    /// A fault that a test plants: the next hit is counted and lost.
    lose_hit: bool,
}

/// Hits of one incident have it in common: rule, alert key, UTC day of the event time.
type IncidentKey = (usize, String, i64);

/// Order of hits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    known_at: EventTime,
    event_time: EventTime,
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

impl Place {
    fn of(hit: &Hit, sequence: u64) -> Self {
        let key = Self::key(hit);
        Self { known_at: hit.known_at, event_time: hit.event_time, rule: hit.rule, key, sequence }
    }

    /// A hit's key, in order.
    fn key(hit: &Hit) -> Vec<KeyPart> {
        hit.key.iter().map(KeyPart::of).collect()
    }
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
            missed: vec![i64::MIN; rules.len()],
            generation,
            early: None,
            owed: Vec::new(),
            lose_hit,
        }
    }

    /// From now on incidents are told of before they are over.
    pub fn tell_early(&mut self) {
        self.early = Some(Early::new());
    }

    /// Hits that will come for certain: those that begin an incident are told of.
    pub fn certain(&mut self, hits: &[Hit]) -> Settled {
        let mut told = Settled::default();
        let hits: Vec<&Hit> = hits.iter().filter(|hit| self.alone(hit).is_none()).collect();
        let Some(early) = &mut self.early else { return told };
        for hit in hits {
            // It is looked at again after a start: what is said must be the same then.
            if early.awaits(hit) {
                continue;
            }
            let (rule, key) = (&self.rules[hit.rule], incident_key(hit));
            let open = self.incidents.get(&key).is_some_and(|own| own.closes_at(rule.merge_within.0) > hit.known_at.0);
            let opens = early.opens(hit, key.clone(), rule.merge_within.0) && !open;
            early.await_hit(hit, key, opens);
            if opens {
                told.alerts.push(of_open(Phase::First, rule, hit, &self.generation));
            }
        }
        told
    }

    pub fn push(&mut self, hits: Vec<Hit>, ledger: &mut Ledger) {
        for hit in hits {
            ledger.hits += 1;
            if std::mem::take(&mut self.lose_hit) {
                continue;
            }
            self.early.iter_mut().for_each(|early| early.came(&hit));
            self.sequence += 1;
            self.waiting.insert(Place::of(&hit, self.sequence), hit);
        }
    }

    /// Hits of a rule over flows that were known at an instant: those of its flows, and late ones.
    pub fn known_at(&self, rule: usize, at: i64) -> Vec<Hit> {
        let first = |at| Place {
            known_at: EventTime(at),
            event_time: EventTime(i64::MIN),
            rule: 0,
            key: Vec::new(),
            sequence: 0,
        };
        let waiting = self.waiting.range(first(at)..first(at.saturating_add(1)));
        waiting.map(|(_, hit)| hit).filter(|hit| hit.rule == rule).cloned().collect()
    }

    /// Of hits of one rule that were known at one instant, when all before it are settled: those that open an incident.
    pub fn opening<'a>(&self, hits: &'a [Hit]) -> Vec<&'a Hit> {
        let mut opening: Vec<&Hit> = hits.iter().filter(|hit| self.alone(hit).is_none()).collect();
        opening.sort_by_cached_key(|hit| Place::of(hit, 0));
        let mut seen = BTreeSet::new();
        opening.retain(|hit| {
            let key = incident_key(hit);
            let merge_within = self.rules[hit.rule].merge_within.0;
            let open = self.incidents.get(&key).is_some_and(|known| known.closes_at(merge_within) > hit.known_at.0);
            !open && seen.insert(key)
        });
        opening
    }

    /// Hits of a rule's windows that end at `end` may be missing: incidents that are open then are not whole.
    pub fn miss(&mut self, rule: usize, end: i64) {
        self.missed[rule] = end;
        let merge_within = self.rules[rule].merge_within.0;
        let own = (rule, String::new(), i64::MIN)..(rule + 1, String::new(), i64::MIN);
        let open = self.incidents.range_mut(own).map(|(_, incident)| incident);
        open.filter(|known| known.closes_at(merge_within) > end).for_each(|known| known.partial = true);
    }

    /// Would a hit be settled or an incident closed?
    pub fn is_due(&self, watermark: i64) -> bool {
        let waits = self.waiting.first_key_value().is_some_and(|(place, _)| place.known_at.0 < watermark);
        waits || self.closing.first().is_some_and(|(at, _)| *at <= watermark)
    }

    /// Hits that wait, and incidents that are open.
    pub fn open(&self) -> (usize, usize) {
        let waiting = self.waiting.values().filter(|hit| !hit.before);
        (waiting.count(), self.incidents.len() + self.owed.len())
    }

    /// Settles every hit that was known before the watermark and closes incidents that cannot grow, in the order of when
    /// that was sure: alerts come in one order however the watermark steps.
    pub fn advance(&mut self, watermark: i64, ledger: &mut Ledger) -> Settled {
        let mut settled = Settled::default();
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().known_at.0 >= watermark && watermark != i64::MAX {
                break;
            }
            let hit = entry.remove();
            self.take(hit, &mut settled, ledger);
        }
        self.close_before(watermark, &mut settled);
        self.withdraw(watermark, &mut settled);
        settled
    }

    /// Takes back what was told of hits that have not come: their rows went, because there were too many keys.
    fn withdraw(&mut self, watermark: i64, settled: &mut Settled) {
        let Some(early) = &mut self.early else { return };
        for (key, chain, hit) in early.missed(watermark) {
            let rule = &self.rules[hit.rule];
            let own = |other: Chain| touch(chain, other, rule.merge_within.0);
            // There is an incident all the same, or there will be. Another one of the key and day is not it.
            let came = |hit: &Hit| incident_key(hit) == key && own((hit.known_at.0, hit.known_at.0));
            if self.incidents.get(&key).is_some_and(|known| own(known.known())) || self.waiting.values().any(came) {
                continue;
            }
            settled.alerts.push(of_open(Phase::Withdrawn, rule, &hit, &self.generation));
        }
        early.prune(|rule| self.rules.get(rule).map_or(0, |rule| rule.merge_within.0));
    }

    /// The run ends. Of the days before that of `end` all rows have come: their late hits are settled, whenever they were
    /// known, and their incidents closed. Later incidents stay open.
    pub fn stop(&mut self, end: i64, ledger: &mut Ledger) -> Settled {
        let end = day(EventTime(end));
        let later = self.waiting.extract_if(.., |_, hit| day(hit.event_time) >= end).collect();
        let closing = self.closing.extract_if(.., |(_, key)| key.2 >= end).collect();
        // What is certain still comes when the run goes on.
        let early = self.early.take();
        let mut settled = self.advance(i64::MAX, ledger);
        self.early = early;
        (self.waiting, self.closing) = (later, closing);
        // Nothing is sure of the others, so that they alert nobody; what became of each hit is told.
        let mut open = Settled::default();
        while let Some((_, hit)) = self.waiting.pop_first() {
            if hit.before {
                continue;
            }
            self.close_before(hit.known_at.0, &mut open);
            let disposition = self.settle(&hit);
            ledger.dispose(disposition);
            settled.hits.push((hit, disposition));
        }
        ledger.open_incidents += (open.alerts.len() + self.incidents.len()) as u64;
        self.incidents.clear();
        self.closing.clear();
        settled
    }

    fn take(&mut self, hit: Hit, settled: &mut Settled, ledger: &mut Ledger) {
        if hit.before {
            return;
        }
        self.close_before(hit.known_at.0, settled);
        let disposition = self.settle(&hit);
        ledger.dispose(disposition);
        self.tell_of(&hit, disposition, settled);
        settled.hits.push((hit, disposition));
    }

    /// What is said of the incident that a hit has become part of: that there is one, unless it was said before, and each time that
    /// its hits have doubled.
    fn tell_of(&mut self, hit: &Hit, disposition: Disposition, settled: &mut Settled) {
        let Some(early) = &mut self.early else { return };
        if !matches!(disposition, Disposition::Alerted | Disposition::Merged) {
            return;
        }
        let (rule, key) = (&self.rules[hit.rule], incident_key(hit));
        let opens = early.opens(hit, key.clone(), rule.merge_within.0);
        let phase = match disposition {
            Disposition::Alerted => opens.then_some(Phase::First),
            _ => Some(Phase::Update),
        };
        let incident = self.incidents.get(&key);
        let doubled = |incident: &&Incident| incident.hits.is_power_of_two();
        if let (Some(phase), Some(incident)) = (phase, incident.filter(doubled)) {
            settled.alerts.push(AlertRecord::new(phase, rule, incident, &self.generation));
        }
    }

    /// What becomes of a hit that belongs to no incident.
    fn alone(&self, hit: &Hit) -> Option<Disposition> {
        let rule = &self.rules[hit.rule];
        if hit.excepted.is_some() {
            return Some(Disposition::Excepted);
        }
        if rule.status == Status::Shadow {
            return Some(Disposition::Shadow);
        }
        (rule.when != AlertWhen::Always).then_some(Disposition::Signal)
    }

    /// Incidents that cannot take the hit are closed.
    fn settle(&mut self, hit: &Hit) -> Disposition {
        if let Some(disposition) = self.alone(hit) {
            return disposition;
        }
        let key = incident_key(hit);
        let merge_within = self.rules[hit.rule].merge_within.0;
        let (incident, disposition) = match self.incidents.entry(key.clone()) {
            Entry::Vacant(place) => {
                let incident = place.insert(Incident::new(hit));
                // One that is missing may have been before it.
                incident.partial |= self.missed[hit.rule] >= hit.known_at.0.saturating_sub(merge_within);
                (incident, Disposition::Alerted)
            }
            Entry::Occupied(place) => {
                let incident = place.into_mut();
                self.closing.remove(&(incident.closes_at(merge_within), key.clone()));
                incident.add(hit);
                (incident, Disposition::Merged)
            }
        };
        self.closing.insert((incident.closes_at(merge_within), key));
        disposition
    }

    fn close_before(&mut self, watermark: i64, settled: &mut Settled) {
        while let Some((at, key)) = self.closing.first().filter(|(at, _)| *at <= watermark).cloned() {
            self.close(at, key, settled);
        }
    }

    fn close(&mut self, at: i64, key: IncidentKey, settled: &mut Settled) {
        if let Some(incident) = self.incidents.remove(&key) {
            settled.alerts.push(AlertRecord::new(
                Phase::Final,
                &self.rules[incident.rule],
                &incident,
                &self.generation,
            ));
        }
        self.closing.remove(&(at, key));
    }
}

/// An alert of a hit that belongs to no incident yet.
fn of_open(phase: Phase, rule: &RulePlan, hit: &Hit, generation: &str) -> AlertRecord {
    AlertRecord { alert_id: None, ..AlertRecord::new(phase, rule, &Incident::new(hit), generation) }
}

fn incident_key(hit: &Hit) -> IncidentKey {
    (hit.rule, key_text(&hit.alert_key), day(hit.event_time))
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

impl Saved for AlertStage {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(&(self.waiting.len(), self.incidents.len(), self.sequence, &self.missed))?;
        self.waiting.iter().try_for_each(|(place, hit)| {
            out.put(&place.sequence)?;
            hit.save(out)
        })?;
        out.put(&self.owed)?;
        self.incidents.values().try_for_each(|incident| incident.save(out))?;
        self.early.iter().try_for_each(|early| early.save(out))
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        let (waiting, incidents): (usize, usize);
        (waiting, incidents, self.sequence, self.missed) = from.take()?;
        (self.waiting, self.incidents, self.closing) = Default::default();
        for _ in 0..waiting {
            let sequence = from.take()?;
            let hit = Hit::load(from)?;
            self.waiting.insert(Place::of(&hit, sequence), hit);
        }
        self.owed = from.take()?;
        for _ in 0..incidents {
            let incident = Incident::load(from)?;
            let rule = self.rules.get(incident.rule).ok_or_else(|| mismatch("rules"))?;
            let key = incident_key(&incident.representative);
            self.closing.insert((incident.closes_at(rule.merge_within.0), key.clone()));
            self.incidents.insert(key, incident);
        }
        self.early.iter_mut().try_for_each(|early| early.load(from))
    }
}
