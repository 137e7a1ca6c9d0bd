//! `tripline demo`: the main job on generated data, with what was planted beside what was found.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use crate::generate::{Options, generate};
use crate::port::Input;
use crate::runtime::outlet::{AlertFormat, Outlets};
use crate::runtime::run::RunOptions;

use super::exit::Exit;
use super::generate::describe;
use super::project::open;
use super::run::{default_threads, execute};
use super::summary::summary;
use super::wire;

#[derive(Debug, Args)]
pub struct Demo {
    /// Rows to generate
    #[arg(long, default_value_t = 200_000)]
    events: u64,
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

impl Demo {
    pub fn run(self) -> anyhow::Result<Exit> {
        let opened = open(wire::embedded().as_ref(), None);
        anyhow::ensure!(opened.errors() == 0, "the built-in pack has errors; this is a defect of the program");
        let mut plan = opened.plan;
        plan.show(&[]);
        let options = Options { events: self.events, seed: self.seed, ..Options::demo() };
        let mut rows = Vec::new();
        let planted = generate(&options, &mut rows, None, &mut |_| {}).context("cannot generate")?;
        let mut text = std::io::stdout();
        write!(text, "Generated NetLog, with these attacks in it:\n{}", describe(&planted))?;
        writeln!(text, "\nAlerts of the built-in pack ({} rules):\n", plan.rules.len())?;
        text.flush()?;
        let source = plan.sources.iter().position(|s| s.name == "netlog").context("no source netlog")?;
        let input: Arc<dyn Input> = wire::memory("generated", rows);
        let run = RunOptions {
            spill: Some(wire::spill()),
            inputs: vec![(source, input)],
            live: None,
            threads: default_threads(),
            generation: opened.generation,
            fault: None,
            watch: None,
            history: None,
        };
        let alerts = wire::text_writer("-")?;
        let mut out = Outlets::new(&plan, &[], Some((alerts, AlertFormat::Text)), &wire::row_writer)?;
        let report = execute(&plan, &run, &mut out)?;
        write!(text, "{}", summary(&report))?;
        report.verify().context("rows or hits were lost; this is a defect of the program")?;
        Ok(Exit::Fine)
    }
}
