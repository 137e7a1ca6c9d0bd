//! Before a run: what its windows and look-backs reach back to comes from a history, so that the first rows are not judged by
//! nothing.
//!
//! The history's flows go through the graph first, and what they give is not put out: windows up to the history's last
//! watermark were told by the run that made it. The inputs come behind them in the log, with that watermark before their first
//! row: what is told from then on is what one run over all of the log tells.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::history::read::BATCH_ROWS;
use crate::history::{Feed, History, HistoryError, Scan, Wanted};
use crate::pipeline::graph::{Graph, GraphError};
use crate::pipeline::outlet::Nowhere;
use crate::plan::Plan;
use crate::record::{Day, EventTime};

/// What was taken of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warmed {
    pub rows: u64,
    /// Its last watermark: windows that end later are told by this run.
    pub until: EventTime,
}

#[derive(Debug, thiserror::Error)]
pub enum WarmError {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// Gives the graph what rows depend on that end behind the history's last watermark. `None` when it was stopped.
pub fn warm(graph: &mut Graph, plan: &Plan, history: &History, stop: &AtomicBool) -> Result<Option<Warmed>, WarmError> {
    let (Some(until), Some((_, last))) = (history.last_watermark(), history.span()) else {
        return Ok(Some(Warmed { rows: 0, until: EventTime::MIN }));
    };
    // Incidents begin at midnight at the earliest.
    let back = plan.look_back(Day::of(until).start());
    let to = EventTime(last.0.saturating_add(1));
    let wanted = Wanted { columns: plan.flows_wanted.clone(), from: back.flows, to, batch_rows: BATCH_ROWS };
    let scan = Scan::new(history, &wanted)?;
    graph.only_from(plan, &back);
    graph.begins = history.begins().map(|first| first.0);
    let mut feed = Feed::new(history, scan, &wanted, graph.admission());
    let mut rows = 0;
    while let Some(mut batch) = feed.step()? {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        batch.watermark = batch.watermark.min(until.0);
        rows += batch.flows.times.len() as u64;
        graph.push(&batch, &mut Nowhere)?;
    }
    graph.advance(until.0, None, &mut Nowhere)?;
    graph.forget_counts();
    Ok(Some(Warmed { rows, until }))
}
