//! Before a run: what its windows and look-backs reach back to comes from a history, so that the first rows are not judged by
//! nothing.
//!
//! Flows of the history from before the inputs go through the graph first, and what they give is not put out. The alerts that
//! follow are those of one run over both.

use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::RecordBatch;

use crate::history::read::BATCH_ROWS;
use crate::history::{Feed, History, HistoryError, Scan, Wanted};
use crate::pipeline::alert::AlertRecord;
use crate::pipeline::batch::AdmittedBatch;
use crate::pipeline::detect::Hit;
use crate::pipeline::graph::{Graph, GraphError};
use crate::pipeline::outlet::{Outlet, OutletError};
use crate::plan::Plan;
use crate::record::{Day, Disposition, EventTime, Reject};

/// What was taken of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warmed {
    pub rows: u64,
    pub from: EventTime,
    /// The first flow of the inputs: later ones of the history are left out.
    pub until: EventTime,
    /// Did the history go on behind it?
    pub overlaps: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum WarmError {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Arrow(#[from] datafusion::arrow::error::ArrowError),
}

/// Gives the graph what it looks back at from `first` on, which is the inputs' first flow; they are at most so late.
/// `None` when it was stopped.
pub fn warm(
    graph: &mut Graph,
    plan: &Plan,
    history: &History,
    first: EventTime,
    lateness: i64,
    stop: &AtomicBool,
) -> Result<Option<Warmed>, WarmError> {
    // Incidents begin at midnight at the earliest.
    let back = plan.look_back(Day::of(first).start());
    let wanted = Wanted { columns: plan.flows_wanted.clone(), from: back.flows, to: first, batch_rows: BATCH_ROWS };
    let scan = Scan::new(history, &wanted)?;
    graph.only_from(plan, &back);
    graph.begins = history.span().map(|(begins, _)| begins.0);
    let known = history.last_watermark().unwrap_or(EventTime::MIN).0;
    let end = known.min(first.0.saturating_sub(lateness));
    let mut feed = Feed::new(history, scan, &wanted, graph.admission());
    let mut rows = 0;
    while let Some(batch) = feed.step()? {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let batch = before(batch, end)?;
        rows += batch.flows.times.len() as u64;
        graph.push(&batch, &mut Nowhere)?;
    }
    graph.advance(end, None, &mut Nowhere)?;
    graph.forget_counts();
    let overlaps = history.span().is_some_and(|(_, last)| last >= first);
    Ok(Some(Warmed { rows, from: back.flows, until: first, overlaps }))
}

/// No window is closed that a flow of the inputs may still count in; what came so late that it would be is left out.
fn before(mut batch: AdmittedBatch, end: i64) -> Result<AdmittedBatch, WarmError> {
    batch.watermark = batch.watermark.min(end);
    let late = |row: usize| batch.flows.times[row] < batch.admit[row] && batch.admit[row] > end;
    let kept: Vec<usize> = (0..batch.admit.len()).filter(|row| !late(*row)).collect();
    if kept.len() < batch.admit.len() {
        batch.flows = batch.flows.take(&kept)?;
        batch.admit = kept.iter().map(|row| batch.admit[*row]).collect();
    }
    batch.admit.iter_mut().for_each(|admit| *admit = (*admit).min(end));
    Ok(batch)
}

/// What was told before is not told again.
struct Nowhere;

impl Outlet for Nowhere {
    fn wants(&self, _: &str) -> bool {
        false
    }

    fn rows(&mut self, _: &str, _: &RecordBatch, _: bool) -> Result<(), OutletError> {
        Ok(())
    }

    fn flows(&mut self, _: &str, _: &RecordBatch, _: &[i64]) -> Result<(), OutletError> {
        Ok(())
    }

    fn reject(&mut self, _: Reject) -> Result<(), OutletError> {
        Ok(())
    }

    fn hit(&mut self, _: &str, _: &Hit, _: Disposition) -> Result<(), OutletError> {
        Ok(())
    }

    fn alert(&mut self, _: &AlertRecord) -> Result<(), OutletError> {
        Ok(())
    }
}
