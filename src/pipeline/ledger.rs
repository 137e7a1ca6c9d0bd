//! The count of everything: each term is counted where it happens, none by subtraction, and the sums must agree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::alert::Phase;
use crate::record::{Disposition, Reject, RejectReason};

use super::ingest::Ignored;

/// Counts of a run.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Records that inputs offered.
    pub offered: u64,
    /// Rows that entered the graph.
    pub accepted: u64,
    /// Rows that a normalization's WHERE left out.
    pub filtered: u64,
    pub rejected: BTreeMap<RejectReason, u64>,
    /// The first that was rejected for each reason, without the record itself.
    pub first_rejects: BTreeMap<RejectReason, Reject>,
    pub duplicate: u64,
    /// Rows for which no window was open any more.
    pub late: u64,
    /// Rows that were read and not yet merged when the run was stopped.
    pub unread: u64,
    /// Windows that were over when a row of theirs came, by feature; the row was accepted and counts in others.
    pub late_windows: u64,
    /// Windows by key that came out.
    pub feature_rows: u64,
    pub windows: u64,
    pub hits: u64,
    pub dispositions: [u64; Disposition::ALL.len()],
    /// Alerts that were written: incidents that are over.
    pub alerts: u64,
    /// All that was said of incidents, by phase.
    pub told: [u64; Phase::ALL.len()],
    /// Incidents that are still open because the run was stopped.
    pub open_incidents: u64,
    /// Rows that a feature or rule could not compute.
    pub row_errors: u64,
    /// Keys that features let go because they had too many, by feature.
    pub evicted_keys: BTreeMap<String, u64>,
    /// Sums that stopped at the bounds of INT64.
    pub saturated: u64,
    /// Records with fields that the source does not declare.
    pub ignored_fields: Ignored,
}

/// A sum that does not agree: something was lost or counted twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{what}: {left} is not {right} ({terms})")]
pub struct Imbalance {
    pub what: &'static str,
    pub left: u64,
    pub right: u64,
    pub terms: String,
}

impl Ledger {
    pub fn reject(&mut self, reject: &Reject) {
        *self.rejected.entry(reject.reason).or_default() += 1;
        self.first_rejects.entry(reject.reason).or_insert_with(|| Reject {
            reason: reject.reason,
            detail: reject.detail.clone(),
            origin: reject.origin.clone(),
            raw: String::new(),
        });
    }

    /// Of a run that goes on with hits that wait and incidents that are open.
    pub fn carried(waiting: usize, incidents: usize) -> Self {
        let mut ledger = Self { hits: (waiting + incidents) as u64, ..Self::default() };
        ledger.dispositions[Self::place(Disposition::Alerted)] = incidents as u64;
        ledger
    }

    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    pub fn dispose(&mut self, disposition: Disposition) {
        self.dispositions[Self::place(disposition)] += 1;
    }

    /// Something was said of an incident.
    pub fn tell(&mut self, phase: Phase) {
        self.alerts += u64::from(phase == Phase::Final);
        self.told[Self::place_of(phase)] += 1;
    }

    pub fn told(&self, phase: Phase) -> u64 {
        self.told[Self::place_of(phase)]
    }

    fn place_of(phase: Phase) -> usize {
        Phase::ALL.iter().position(|known| *known == phase).unwrap_or(0)
    }

    pub fn disposed(&self, disposition: Disposition) -> u64 {
        self.dispositions[Self::place(disposition)]
    }

    fn place(disposition: Disposition) -> usize {
        Disposition::ALL.iter().position(|d| *d == disposition).unwrap_or(0)
    }

    /// Checks every sum.
    pub fn verify(&self) -> Result<(), Imbalance> {
        self.verify_with(0)
    }

    /// The same of a run that goes on, where so many hits wait.
    pub fn verify_with(&self, waiting_hits: u64) -> Result<(), Imbalance> {
        let rows = [
            ("accepted", self.accepted),
            ("filtered", self.filtered),
            ("rejected", self.rejected_total()),
            ("duplicate", self.duplicate),
            ("late", self.late),
            ("unread", self.unread),
        ];
        balance("rows offered", self.offered, &rows)?;
        let hits = Disposition::ALL.iter().map(|d| (d.name(), self.disposed(*d)));
        let waiting = (waiting_hits > 0).then_some(("waiting", waiting_hits));
        let hits: Vec<(&str, u64)> = hits.chain(waiting).collect();
        balance("hits", self.hits, &hits)?;
        let alerts = [("written", self.alerts), ("open", self.open_incidents)];
        balance("incidents", self.disposed(Disposition::Alerted), &alerts)
    }
}

fn balance(what: &'static str, left: u64, terms: &[(&str, u64)]) -> Result<(), Imbalance> {
    let right = terms.iter().map(|(_, n)| n).sum();
    if left == right {
        return Ok(());
    }
    let terms = terms.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(" + ");
    Err(Imbalance { what, left, right, terms })
}

#[cfg(test)]
mod tests {
    use super::Ledger;

    #[test]
    fn a_lost_row_is_noticed() {
        let mut ledger = Ledger { offered: 10, accepted: 8, filtered: 1, late: 1, ..Ledger::default() };
        assert_eq!(ledger.verify(), Ok(()));
        ledger.accepted -= 1;
        assert!(ledger.verify().is_err());
    }

    #[test]
    fn a_lost_hit_is_noticed() {
        let mut ledger = Ledger { hits: 2, alerts: 1, ..Ledger::default() };
        ledger.dispose(crate::record::Disposition::Alerted);
        ledger.dispose(crate::record::Disposition::Merged);
        assert_eq!(ledger.verify(), Ok(()));
        ledger.alerts = 0;
        assert!(ledger.verify().is_err());
        ledger.hits += 1;
        assert!(ledger.verify().is_err());
    }
}
