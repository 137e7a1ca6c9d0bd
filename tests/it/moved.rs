//! A graph goes on as another: its state is written, and read by a new graph of the same plan, whose place a third one takes.

use std::sync::Arc;

use libtest_mimic::Failed;
use tripline::pipeline::graph::Graph;
use tripline::pipeline::outlet::Nowhere;
use tripline::pipeline::saved::{Loader, Saved, Saver};
use tripline::plan::Plan;
use tripline::port::Spill;
use tripline::target::datafusion::Lookups;

/// A new graph in the state of this one; with the place for rows that it has, and how many stay in memory.
pub fn moved(plan: &Plan, graph: &Graph, spill: Option<(&Arc<dyn Spill>, usize)>) -> Result<Graph, Failed> {
    let mut bytes = Vec::new();
    graph.save(&mut Saver::new(&mut bytes))?;
    let mut next = Graph::new(plan, &Lookups::new(&plan.lookups), String::new(), None)?;
    if graph.fires_early() {
        next.fire_early(plan, &Lookups::new(&plan.lookups))?;
    }
    if let Some((spill, rows_max)) = spill {
        next.spill_to(spill, rows_max);
    }
    let mut rest = bytes.as_slice();
    next.load(&mut Loader::new(&mut rest))?;
    if !rest.is_empty() {
        return Err(format!("{} bytes were not read", rest.len()).into());
    }
    // Often enough.
    if bytes.len() % 3 > 0 {
        return Ok(next);
    }
    let mut last = Graph::new(plan, &Lookups::new(&plan.lookups), String::new(), None)?;
    if let Some((spill, rows_max)) = spill {
        last.spill_to(spill, rows_max);
    }
    if graph.fires_early() {
        last.fire_early(plan, &Lookups::new(&plan.lookups))?;
    }
    let same = plan.same_as(plan);
    if !same.missing.is_empty() || same.rules.contains(&None) {
        return Err(format!("a plan is not the same as itself: {same:?}").into());
    }
    last.go_on(next, &same, &mut Nowhere)?;
    Ok(last)
}
