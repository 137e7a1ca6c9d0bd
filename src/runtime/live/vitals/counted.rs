//! Hits and alerts by rule, counted on their way out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::RecordBatch;

use crate::pipeline::alert::AlertRecord;
use crate::pipeline::detect::Hit;
use crate::pipeline::outlet::{Outlet, OutletError, Uncomputed};
use crate::record::alert::Phase;
use crate::record::{Disposition, Reject};
use crate::runtime::outlet::RunOutlet;

use super::Vitals;

/// Of each rule, whether it has hit or not.
pub struct RuleCounts(BTreeMap<String, RuleCount>);

#[derive(Default)]
struct RuleCount {
    hits: [AtomicU64; Disposition::ALL.len()],
    told: [AtomicU64; Phase::ALL.len()],
}

impl RuleCounts {
    pub fn of(rules: &[String]) -> Self {
        Self(rules.iter().map(|rule| (rule.clone(), RuleCount::default())).collect())
    }

    /// Hits of a rule, by what became of them.
    pub fn hits(&self, rule: &str) -> [(Disposition, u64); Disposition::ALL.len()] {
        let count = self.0.get(rule);
        let mut counts = Disposition::ALL.map(|disposition| (disposition, 0));
        for (place, (_, hits)) in counts.iter_mut().enumerate() {
            *hits = count.map_or(0, |count| count.hits[place].load(Ordering::Relaxed));
        }
        counts
    }

    /// Alerts of a rule that were put out: incidents that are over.
    pub fn alerts(&self, rule: &str) -> u64 {
        self.0.get(rule).map_or(0, |count| count.told(Phase::Final))
    }

    /// What was said of incidents, of all rules.
    pub fn told(&self, phase: Phase) -> u64 {
        self.0.values().map(|count| count.told(phase)).sum()
    }

    fn hit(&self, rule: &str, disposition: Disposition) {
        let place = Disposition::ALL.iter().position(|known| *known == disposition);
        if let (Some(count), Some(place)) = (self.0.get(rule), place) {
            count.hits[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn alert(&self, rule: &str, phase: Phase) {
        if let Some(told) = self.0.get(rule).and_then(|count| count.of(phase)) {
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
    fn flush(&mut self) -> Result<(), OutletError> {
        self.inner.flush()
    }

    fn finish(&mut self) -> Result<(), OutletError> {
        self.inner.finish()
    }
}
