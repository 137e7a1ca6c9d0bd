//! `tripline run`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::{Args, ValueEnum};

use crate::definition::model::DeadLetters;
use crate::diagnostic::suggest;
use crate::plan::Plan;
use crate::port::Input;
use crate::record::alert::ALERTS;
use crate::record::flow::FLOWS;
use crate::runtime::live::{Left, LiveError};
use crate::runtime::outlet::{AlertFormat, Outlets, own_name, relations, tap_schema};
use crate::runtime::report::RunReport;
use crate::runtime::run::{RunFailed, RunOptions, run};
use crate::state::definitions::{self, Packed};
use crate::state::folder::Held;

use super::exit::{Exit, describe, is_broken_pipe};
use super::history::open_history;
use super::inputs::Inputs;
use super::keys;
use super::live::{Live, Target};
use super::lookups::strange;
use super::place::check_outputs;
use super::project::{Opened, folder_of, lookups, open, open_valid, tree, valid_kept};
use super::reload::{Asks, Begins, Fixed};
use super::say::{note, say};
use super::stop::{Hangups, stop_flag};
use super::summary::{RunBar, summary};
use super::watch::Files;
use super::wire;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Text,
}

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    live_from: Live,
    /// Where alerts go; `-` is standard output
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    output: String,
    /// How alerts are written
    #[arg(long, value_enum, default_value = "json")]
    format: Format,
    /// Writes a relation's rows: flows, a feature, a rule, hits, rejects or late; Parquet by `.parquet`, else JSON lines
    #[arg(long, value_name = "RELATION=FILE")]
    tap: Vec<String>,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// The input happens now: the clock closes idle windows, rows ahead of it are rejected, stopping closes nothing
    #[arg(long)]
    live: bool,
    /// A history of what was before the inputs: what is looked back at comes from there, and is not told again
    #[arg(long, value_name = "DIR")]
    history: Option<PathBuf>,
    /// Exit with 1 when a record was rejected
    #[arg(long)]
    strict: bool,
    /// Threads that decode (default: as many as there are processors, at most 4)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
    /// How the closing summary is written to standard error
    #[arg(long, value_enum, default_value = "text")]
    summary: Format,
}

impl Run {
    pub fn run(self) -> anyhow::Result<Exit> {
        if self.live_from.given() {
            return self.run_live(Hangups::begin()?);
        }
        let opened = open_valid(self.project.as_deref())?;
        let mut plan = opened.plan;
        let taps = self.taps(&plan)?;
        plan.show(&taps.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
        let inputs = self.inputs.open(&plan)?;
        let options = RunOptions {
            spill: Some(wire::spill()),
            live: self.live.then(wire::clock),
            threads: self.threads.map_or_else(default_threads, usize::from),
            generation: opened.generation,
            fault: None,
            watch: None,
            history: self.history.as_deref().map(open_history).transpose()?.map(Arc::new),
            inputs,
        };
        let format = self.alert_format();
        let sources: Vec<Arc<dyn Input>> = options.inputs.iter().map(|(_, input)| Arc::clone(input)).collect();
        self.check(&plan, &taps, &sources)?;
        let alerts = wire::text_writer(&self.output)?;
        let mut out = Outlets::new(&plan, &taps, Some((alerts, format)), &wire::row_writer)?;
        let report = execute(&plan, &options, &mut out).inspect_err(|error| {
            if let Some(RunFailed { report: Some(report), .. }) = error.downcast_ref()
                && !is_broken_pipe(error)
            {
                self.summarize(report);
            }
        })?;
        self.summarize(&report);
        report.verify().context("rows or hits were lost; this is a defect of the program")?;
        Ok(if report.interrupted {
            Exit::Interrupted
        } else if failed(&report, self.strict) {
            Exit::Findings
        } else {
            Exit::Fine
        })
    }

    /// Until it is stopped.
    fn run_live(&self, hangups: Hangups) -> anyhow::Result<Exit> {
        // Nothing is said of a folder that another run has.
        let held = self.live_from.hold()?;
        let files = folder_of(self.project.as_deref()).map(Files::new);
        let mut files = files.map(|files| (files.stamps(), files)).map(|(stamps, files)| (files, stamps));
        let read = tree(self.project.as_deref()).and_then(|tree| valid_kept(tree.as_ref()));
        if let Ok((_, read)) = &read {
            files.iter_mut().for_each(|(files, _)| files.know(read));
        }
        let (opened, kept, begins) = self.begins(held.as_ref(), read, files.is_some())?;
        if files.is_none() && matches!(begins, Begins::Without(_)) {
            files = Some((Files::new(PathBuf::from(".")), None));
        }
        if self.live_from.watches() && files.is_none() {
            bail!(
                "the built-in pack does not change\nhelp: `tripline init DIR` writes a project, which --watch can watch"
            );
        }
        let config = &opened.project.config;
        let (mut plan, texts, generation) = (opened.plan, opened.files, opened.generation);
        let (packed, lookups) = (Packed::new(&kept)?, lookups(&plan, &texts));
        drop((kept, texts));
        let taps = self.taps(&plan)?;
        // The log has all columns, whoever reads them later.
        let shown: Vec<&str> = taps.iter().map(|(name, _)| name.as_str()).chain([FLOWS]).collect();
        plan.show(&shown);
        self.check(&plan, &taps, &[])?;
        let sinks = wire::sinks(config)?;
        let dead_letters = config.dead_letters.as_ref();
        if let Some(DeadLetters::File(path)) = dead_letters {
            let outputs: Vec<&str> = taps.iter().map(|(_, file)| file.as_str()).chain([&*self.output, path]).collect();
            check_outputs(&outputs, &[])?;
        }
        let fixed = Fixed {
            sinks: config.sinks.clone(),
            dead_letters: config.dead_letters.clone(),
            taps: taps.iter().map(|(name, _)| (name.clone(), tap_schema(&plan, name))).collect(),
            shown: shown.iter().map(|name| (*name).to_owned()).collect(),
        };
        let asks = Asks { hangups, files, watched: self.live_from.watches(), begins };
        let target = Target {
            output: &self.output,
            format: self.alert_format(),
            taps: &taps,
            sinks,
            dead_letters,
            files: packed,
            lookups,
            fixed,
            asks,
            held,
        };
        let (report, logged) = match self.live_from.run(plan, self.inputs.source(), &generation, target) {
            Err(error) if matches!(error.downcast_ref(), Some(LiveError::Stopped)) => return Ok(Exit::Interrupted),
            done => done?,
        };
        match self.summary {
            Format::Text => say(&(summary(&report) + &logged.to_string())),
            Format::Json => {
                let mut json = report.json();
                json["log"] = logged.json();
                say(&format!("{json}\n"));
            }
        }
        report.verify().context("rows or hits were lost; this is a defect of the program")?;
        Ok(Exit::Fine)
    }

    /// The definitions to begin with. After a crash that is what was in force, whatever the project has become; where to alerts go
    /// the project says, where it is right.
    fn begins(
        &self,
        held: Option<&Held>,
        read: anyhow::Result<(Opened, definitions::Files)>,
        of_project: bool,
    ) -> anyhow::Result<(Opened, definitions::Files, Begins)> {
        let left = held.and_then(|held| self.live_from.left(&held.disk));
        let other = |left: &Left| read.as_ref().map_or(true, |(opened, _)| opened.generation != left.generation);
        // Keys are beside the project, right or wrong.
        let folder = read.as_ref().map_or_else(|_| self.project.clone(), |(opened, _)| opened.folder.clone());
        let known = |left: Left| of(&left, folder.as_deref()).map(|before| (left, before));
        let Some((left, mut before)) = left.filter(other).and_then(known) else {
            return read.map(|(opened, files)| (opened, files, Begins::Project));
        };
        // The pack of this program never has another generation.
        let read = if of_project { read } else { Err(anyhow!("no tripline.yaml is here any more")) };
        let goes_on = format!(
            "the state was not left cleanly: the run goes on under generation {}, as its definitions are kept there",
            left.generation
        );
        let begins = match read {
            Ok((opened, _)) => {
                note(&format!("{goes_on}, and turns to generation {} of the files then", opened.generation));
                before.project.config = opened.project.config;
                Begins::Kept
            }
            Err(error) => {
                note(&format!(
                    "{goes_on}, with its sinks and dead letters; the project is wrong, and comes in force once it is right and \
                     somebody asks for it (SIGHUP, --watch)"
                ));
                Begins::Without(describe(&error).trim_start_matches("error: ").to_owned())
            }
        };
        Ok((before, left.files, begins))
    }

    fn alert_format(&self) -> AlertFormat {
        match self.format {
            Format::Json => AlertFormat::Json,
            Format::Text => AlertFormat::Text,
        }
    }

    /// All that is written to is known, and destroys nothing.
    fn check(&self, plan: &Plan, taps: &[(String, String)], sources: &[Arc<dyn Input>]) -> anyhow::Result<()> {
        let outputs: Vec<&str> = taps.iter().map(|(_, file)| file.as_str()).chain([self.output.as_str()]).collect();
        check_outputs(&outputs, sources)?;
        if self.output.ends_with(".parquet") {
            bail!(
                "alerts are JSON lines or text, not Parquet\nhelp: `--tap hits={}` writes hits as Parquet",
                self.output
            );
        }
        check_taps(plan, taps)
    }

    fn summarize(&self, report: &RunReport) {
        match self.summary {
            Format::Text => say(&summary(report)),
            Format::Json => say(&format!("{}\n", report.json())),
        }
    }

    fn taps(&self, plan: &Plan) -> anyhow::Result<Vec<(String, String)>> {
        let mut taps: Vec<(String, String)> = Vec::new();
        for tap in &self.tap {
            let Some((relation, file)) = tap.split_once('=') else {
                bail!("`--tap {tap}` names no file\nhelp: write --tap RELATION=FILE");
            };
            let relation = own_name(plan, relation);
            if taps.iter().any(|(name, _)| name == relation) {
                bail!("`--tap {relation}` is given twice");
            }
            taps.push((relation.to_owned(), file.to_owned()));
        }
        Ok(taps)
    }
}

/// Definitions that were in force, where this program still finds them right.
fn of(left: &Left, folder: Option<&Path>) -> Option<Opened> {
    let mut opened = open(wire::files(left.files.clone()).as_ref(), None);
    keys::read(&mut opened.plan, folder);
    (opened.errors() == 0 && opened.generation == left.generation).then_some(opened)
}

/// Nothing of the input was understood.
pub fn all_rejected(report: &RunReport) -> bool {
    let rejected = report.ledger.rejected_total();
    rejected > 0 && rejected == report.ledger.offered
}

/// Nothing of the input was understood; or, when that is asked for, something was not.
fn failed(report: &RunReport, strict: bool) -> bool {
    let rejected = report.ledger.rejected_total();
    all_rejected(report) || (strict && (rejected > 0 || report.ledger.row_errors > 0))
}

/// Unknown relations are said before any file is opened.
fn check_taps(plan: &Plan, taps: &[(String, String)]) -> anyhow::Result<()> {
    let known = relations(plan);
    if let Some((name, _)) = taps.iter().find(|(name, _)| !known.contains(name)) {
        if name == ALERTS {
            bail!("alerts are no tap\nhelp: --output FILE writes them; `tripline query` has the relation `{ALERTS}`");
        }
        let help = suggest(name, known.iter().map(String::as_str)).map_or_else(
            || format!("the relations are {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        bail!("no relation `{name}` to tap\nhelp: {help}");
    }
    Ok(())
}

/// More threads than these wait for the graph.
const THREADS_MAX: usize = 4;

pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(1, THREADS_MAX)
}

/// Runs with a progress bar and Ctrl-C.
pub fn execute(plan: &Plan, options: &RunOptions, out: &mut Outlets) -> anyhow::Result<RunReport> {
    let inputs: Vec<Arc<dyn Input>> = options.inputs.iter().map(|(_, input)| Arc::clone(input)).collect();
    let bar = RunBar::new(&inputs);
    let stop = stop_flag()?;
    let report = run(plan, options, out, &bar, &stop);
    bar.clear();
    let report = report?;
    plan.lookups.iter().for_each(|lookup| strange(lookup));
    Ok(report)
}
