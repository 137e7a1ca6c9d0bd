//! Which windows over flows a row still counts in, by the watermark before it.

use datafusion::arrow::array::UInt32Array;
use datafusion::arrow::compute::take_record_batch;

use super::batch::FlowBatch;
use super::graph::GraphError;
use super::ledger::Ledger;
use super::past::Closed;
use super::window::evidence::{EvidenceRows, Picked};
use super::window::feature::{Beside, FeatureStage};
use super::window::operator::Hop;

/// What the watermark before a row means to the windows and rules over flows.
#[derive(Debug, Clone)]
pub struct Admission {
    hops: Vec<Hop>,
    /// A rule takes every row.
    always: bool,
}

impl Admission {
    pub fn new(hops: Vec<Hop>, always: bool) -> Self {
        Self { hops, always }
    }

    /// As [`Graph::admission`], for somebody who wants to see every row where it was in its log.
    pub fn of_all(mut self) -> Self {
        self.always = true;
        self
    }

    /// Nothing is computed: every row comes where it was in its log.
    pub fn rows_only() -> Self {
        Self { hops: Vec::new(), always: true }
    }

    /// Did the row miss a window, so that its place in the log matters?
    pub fn misses_some(&self, time: i64, admit: i64) -> bool {
        time < admit && (self.always || self.hops.iter().any(|hop| hop.first_end(time) <= admit))
    }

    /// Does the row count nowhere?
    pub fn misses_all(&self, time: i64, admit: i64) -> bool {
        !self.always && self.hops.iter().all(|hop| hop.last_end(time) <= admit)
    }
}

/// Rows that have an open window go in, those before `since` aside; windows that others missed are counted.
pub fn push_flows(
    stage: &mut FeatureStage,
    flows: &FlowBatch,
    admit: &[i64],
    since: i64,
    beside: Beside<'_>,
    ledger: &mut Ledger,
) -> Result<(), GraphError> {
    let hop = stage.hop();
    // A row that is not older than its watermark is in time for every window.
    let in_time = |time: i64, admit: i64| (time >= admit || hop.first_end(time) > admit) && time >= since;
    let in_time = flows.times.iter().zip(admit).all(|(time, admit)| in_time(*time, *admit));
    if in_time {
        return Ok(stage.push(&flows.rows, Closed::default(), beside)?);
    }
    if flows.times.iter().all(|time| *time < since) {
        return Ok(());
    }
    count_missed(stage, flows, admit, ledger)?;
    let counts = |time: i64, admit: i64| hop.last_end(time) > admit && time >= since;
    let places: Vec<usize> = (0..flows.times.len()).filter(|row| counts(flows.times[*row], admit[*row])).collect();
    let picks: UInt32Array = places.iter().map(|row| u32::try_from(*row).ok()).collect();
    let rows = take_record_batch(&flows.rows, &picks)?;
    let numbers = beside.numbers.map(|numbers| places.iter().map(|row| numbers[*row]).collect::<Vec<_>>());
    let picked = beside.evidence.map(|rows| Picked { rows, places: &places });
    let evidence = picked.as_ref().map(|picked| -> &dyn EvidenceRows { picked });
    Ok(stage.push(&rows, Closed::default(), Beside { evidence, numbers: numbers.as_deref() })?)
}

/// Counts the windows that rows missed. A row that `where` leaves out misses nothing.
pub fn count_missed(
    stage: &FeatureStage,
    flows: &FlowBatch,
    admit: &[i64],
    ledger: &mut Ledger,
) -> Result<(), GraphError> {
    let times = flows.times.iter().zip(admit).map(|(time, admit)| missed_windows(stage.hop(), *time, *admit));
    let missing: Vec<(usize, u64)> = times.enumerate().filter(|(_, missed)| *missed > 0).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let rows: Vec<usize> = missing.iter().map(|(row, _)| *row).collect();
    for place in stage.chosen(&flows.take(&rows)?.rows)? {
        ledger.late_windows += missing[place].1;
    }
    Ok(())
}

/// Windows of a row that had ended when it came.
fn missed_windows(hop: Hop, time: i64, admit: i64) -> u64 {
    let first = hop.first_end(time);
    let last = hop.last_end(time).min(admit);
    if last < first { 0 } else { u64::try_from((last - first) / hop.every + 1).unwrap_or(0) }
}
