//! Hits and alerts by rule, counted on their way out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::arrow::array::RecordBatch;

use crate::pipeline::alert::AlertRecord;
use crate::pipeline::detect::Hit;
use crate::pipeline::outlet::{Outlet, OutletError, Uncomputed};
use crate::plan::RulePlan;
use crate::record::alert::Phase;
use crate::record::{Disposition, Reject};
use crate::runtime::live::health::HealthRule;
use crate::runtime::outlet::RunOutlet;

use super::Vitals;

/// Of each rule, whether it has hit or not.
pub struct RuleCounts(RwLock<BTreeMap<String, Arc<RuleCount>>>);

#[derive(Default)]
struct RuleCount {
    hits: [AtomicU64; Disposition::ALL.len()],
    told: [AtomicU64; Phase::ALL.len()],
}

impl RuleCounts {
    pub fn of(rules: &[String]) -> Self {
        let counts = Self(RwLock::default());
        counts.add(rules.iter().map(String::as_str).chain(HealthRule::ALL.map(HealthRule::name)));
        counts
    }

    /// Rules that come with other definitions. Those that go are counted no more, and keep their counts.
    pub fn add<'r>(&self, rules: impl Iterator<Item = &'r str>) {
        let mut counts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for rule in rules {
            counts.entry(rule.to_owned()).or_default();
        }
    }

    fn of_rule(&self, rule: &str) -> Option<Arc<RuleCount>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(rule).cloned()
    }

    /// Hits of a rule, by what became of them.
    pub fn hits(&self, rule: &str) -> [(Disposition, u64); Disposition::ALL.len()] {
        let count = self.of_rule(rule);
        let mut counts = Disposition::ALL.map(|disposition| (disposition, 0));
        for (place, (_, hits)) in counts.iter_mut().enumerate() {
            *hits = count.as_ref().map_or(0, |count| count.hits[place].load(Ordering::Relaxed));
        }
        counts
    }

    /// Alerts of a rule that were put out: incidents that are over.
    pub fn alerts(&self, rule: &str) -> u64 {
        self.of_rule(rule).map_or(0, |count| count.told(Phase::Final))
    }

    /// What was said of incidents, of all rules.
    pub fn told(&self, phase: Phase) -> u64 {
        let counts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        counts.values().map(|count| count.told(phase)).sum()
    }

    fn hit(&self, rule: &str, disposition: Disposition) {
        let place = Disposition::ALL.iter().position(|known| *known == disposition);
        if let (Some(count), Some(place)) = (self.of_rule(rule), place) {
            count.hits[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn alert(&self, rule: &str, phase: Phase) {
        if let Some(count) = self.of_rule(rule)
            && let Some(told) = count.of(phase)
        {
            told.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl RuleCount {
    fn of(&self, phase: Phase) -> Option<&AtomicU64> {
        self.told.get(Phase::ALL.iter().position(|known| *known == phase)?)
    }

    fn told(&self, phase: Phase) -> u64 {
        self.of(phase).map_or(0, |told| told.load(Ordering::Relaxed))
    }
}

/// Lets everything through, and counts. It stands behind what keeps alerts back that are out already.
pub struct Counted<'a> {
    inner: &'a mut dyn RunOutlet,
    counts: Arc<RuleCounts>,
}

impl<'a> Counted<'a> {
    pub fn new(vitals: &Vitals, inner: &'a mut dyn RunOutlet) -> Self {
        Self { inner, counts: vitals.rules() }
    }
}

impl Outlet for Counted<'_> {
    fn wants(&self, relation: &str) -> bool {
        self.inner.wants(relation)
    }

    fn rows(&mut self, relation: &str, rows: &RecordBatch, partial: bool) -> Result<(), OutletError> {
        self.inner.rows(relation, rows, partial)
    }

    fn flows(&mut self, relation: &str, rows: &RecordBatch, admit: &[i64]) -> Result<(), OutletError> {
        self.inner.flows(relation, rows, admit)
    }

    fn reject(&mut self, reject: Reject) -> Result<(), OutletError> {
        self.inner.reject(reject)
    }

    fn hit(&mut self, rule: &str, hit: &Hit, disposition: Disposition) -> Result<(), OutletError> {
        self.counts.hit(rule, disposition);
        self.inner.hit(rule, hit, disposition)
    }

    fn alert(&mut self, alert: &AlertRecord) -> Result<(), OutletError> {
        self.inner.alert(alert)?;
        self.counts.alert(&alert.rule, alert.phase);
        Ok(())
    }

    fn uncomputed(&mut self, rows: &[Uncomputed]) {
        self.inner.uncomputed(rows);
    }
}

impl RunOutlet for Counted<'_> {
    fn put_out_by(&mut self, rules: &[Arc<RulePlan>]) -> Result<(), OutletError> {
        self.inner.put_out_by(rules)
    }

    fn flush(&mut self) -> Result<(), OutletError> {
        self.inner.flush()
    }

    fn finish(&mut self) -> Result<(), OutletError> {
        self.inner.finish()
    }
}
