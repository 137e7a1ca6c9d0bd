//! Incidents and hits of definitions that were in force before: those of rules that mean the same go on, the others end here.

use std::collections::BTreeMap;

use super::early::{Chain, Early, touch};
use super::{AlertRecord, AlertStage, IncidentKey, Place, Settled, incident_key, of_open};
use crate::pipeline::ledger::Ledger;
use crate::record::alert::Phase;

impl AlertStage {
    /// Goes on where `before` was. `rules`: by rule, the one that it was before. What is open of others is closed, and owed: the
    /// definitions that found it were in force. What this stage found itself was before it was in force, and alerts nobody.
    pub fn go_on(&mut self, mut before: Self, rules: &[Option<usize>], ledger: &mut Ledger) -> Settled {
        let mut now = vec![None; before.rules.len()];
        rules
            .iter()
            .enumerate()
            .filter_map(|(own, was)| Some((own, (*was)?)))
            .for_each(|(own, was)| now[was] = Some(own));
        self.incidents.clear();
        self.closing.clear();
        self.waiting.retain(|_, hit| rules[hit.rule].is_none());
        self.waiting.values_mut().for_each(|hit| hit.before = true);
        self.sequence = self.sequence.max(before.sequence);
        for (own, was) in rules.iter().enumerate() {
            self.missed[own] = was.map_or(i64::MIN, |was| before.missed[was]);
        }
        let kept = before.waiting.extract_if(.., |_, hit| now[hit.rule].is_some());
        for (place, mut hit) in kept.collect::<Vec<_>>() {
            hit.rule = now[hit.rule].unwrap_or(hit.rule);
            self.waiting.insert(Place::of(&hit, place.sequence), hit);
        }
        let kept = before.incidents.extract_if(.., |_, incident| now[incident.rule].is_some());
        for (key, mut incident) in kept.collect::<Vec<_>>() {
            let merge_within = before.rules[incident.rule].merge_within.0;
            before.closing.remove(&(incident.closes_at(merge_within), key));
            incident.rule = now[incident.rule].unwrap_or(incident.rule);
            incident.representative.rule = incident.rule;
            let key = incident_key(&incident.representative);
            self.closing.insert((incident.closes_at(merge_within), key.clone()));
            self.incidents.insert(key, incident);
        }
        let found: Vec<(IncidentKey, Chain)> =
            before.incidents.iter().map(|(key, known)| (key.clone(), known.known())).collect();
        let mut early = before.early.take();
        let certain = early.as_mut().map(|early| early.go_on(&now)).unwrap_or_default();
        self.early = early.filter(|_| self.early.is_some());
        let Settled { hits, alerts } = before.advance(i64::MAX, ledger);
        self.owed = before.owed;
        self.owed.extend(alerts);
        // Hits that were told of because they were certain, of rules that do not find them any more.
        let mut told: BTreeMap<IncidentKey, Vec<Chain>> = BTreeMap::new();
        let hits_known = hits.iter().map(|(hit, _)| (incident_key(hit), (hit.known_at.0, hit.known_at.0)));
        found.into_iter().chain(hits_known).for_each(|(key, known)| told.entry(key).or_default().push(known));
        for (chain, hit) in certain {
            let merge_within = before.rules[hit.rule].merge_within.0;
            let told = told.get(&incident_key(&hit)).into_iter().flatten();
            // Another incident of the key and day is not the one that was told of.
            if told.into_iter().any(|known| touch(chain, *known, merge_within)) {
                continue;
            }
            self.owed.push(of_open(Phase::Withdrawn, &before.rules[hit.rule], &hit, &before.generation));
        }
        Settled { hits, alerts: Vec::new() }
    }

    /// Nobody knows of what is certain.
    pub fn told_of_nothing(&mut self) {
        self.early.iter_mut().for_each(Early::told_of_nothing);
    }

    /// Nothing that is open of these rules goes on.
    pub fn end_incidents(&mut self, rules: &[String], ledger: &mut Ledger) {
        let ended: Vec<bool> = self.rules.iter().map(|rule| rules.contains(&rule.name)).collect();
        let open = self.incidents.len();
        self.incidents.retain(|(rule, ..), _| !ended[*rule]);
        self.closing.retain(|(_, (rule, ..))| !ended[*rule]);
        ledger.open_incidents += (open - self.incidents.len()) as u64;
        for hit in self.waiting.values_mut().filter(|hit| ended[hit.rule] && !hit.before) {
            hit.before = true;
            ledger.hits -= 1;
        }
        let now: Vec<Option<usize>> = ended.iter().enumerate().map(|(rule, ended)| (!ended).then_some(rule)).collect();
        self.early.iter_mut().for_each(|early| drop(early.go_on(&now)));
    }

    /// Alerts of the definitions before that are to be put out, each once.
    pub fn owed(&mut self) -> Vec<AlertRecord> {
        std::mem::take(&mut self.owed)
    }
}
