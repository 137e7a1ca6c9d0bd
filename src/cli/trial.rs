//! Definitions over inputs, for who asks what they find: nothing is written.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;

use crate::pipeline::detect::focus::Focus;
use crate::plan::Plan;
use crate::port::Input;
use crate::runtime::backtest::Tally;
use crate::runtime::report::RunReport;
use crate::runtime::run::{RunOptions, run};

use super::inputs::InputsOrHistory;
use super::run::default_threads;
use super::summary::RunBar;

/// `watch`: of whom the report says which rows came nearest to firing.
pub fn over_inputs(
    inputs: &InputsOrHistory,
    plan: &Plan,
    generation: &str,
    watch: Option<Focus>,
    stop: &AtomicBool,
) -> anyhow::Result<(RunReport, Tally)> {
    let options = RunOptions {
        spill: Some(super::wire::spill()),
        live: None,
        threads: default_threads(),
        generation: generation.to_owned(),
        fault: None,
        watch,
        history: None,
        inputs: inputs.open(plan)?,
    };
    let sources: Vec<Arc<dyn Input>> = options.inputs.iter().map(|(_, input)| Arc::clone(input)).collect();
    let mut tally = Tally::of(plan);
    let bar = RunBar::new(&sources);
    let report = run(plan, &options, &mut tally, &bar, stop);
    bar.clear();
    let report = report?;
    report.verify().context("rows were lost; this is a defect of the program")?;
    Ok((report, tally))
}
