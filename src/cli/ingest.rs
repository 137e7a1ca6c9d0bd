//! `tripline ingest`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use clap::{Args, ValueEnum};
use indicatif::{HumanBytes, HumanCount};

use crate::definition::model::WarehouseConfig;
use crate::history::{History, PartLimits};
use crate::plan::Plan;
use crate::port::Input;
use crate::port::warehouse::Warehouse;
use crate::record::{Day, flow};
use crate::runtime::ingest::log::{LogOptions, ingest_log};
use crate::runtime::ingest::{IngestFailed, IngestOptions, IngestReport, ingest, load};
use crate::runtime::outlet::{Outlets, REJECTS};
use crate::runtime::run::RunFailed;

use super::exit::Exit;
use super::fetch::{Asked, Fetched};
use super::inputs;
use super::place::{check_local, check_outputs};
use super::project::open_valid;
use super::run::default_threads;
use super::say::{note, say};
use super::stop::stop_flag;
use super::summary::{RunBar, counted, row_lines};
use super::warehouse::{Dataset, WarehousePlace, check_all_names};
use super::wire;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct Ingest {
    /// A path, a glob, or `-` for standard input; `SOURCE=PATH` for one of another source. Several are merged by event
    /// time, as one log
    #[arg(value_name = "INPUT")]
    inputs: Vec<String>,
    /// The same
    #[arg(long, num_args = 1.., value_name = "INPUT")]
    input: Vec<String>,
    /// The source of inputs that do not name one
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// In place of inputs: the folder of a run over subscriptions (`run --state`), which may go on. What its log got since the last
    /// time is taken
    #[arg(long, value_name = "DIR", conflicts_with_all = ["inputs", "input", "source", "again", "threads"])]
    state: Option<PathBuf>,
    /// The history: a folder, made when it is not there; or `bigquery`, whose tables of the sources get the decoded rows
    #[arg(long, value_name = "DIR|bigquery")]
    to: String,
    #[command(flatten)]
    fetched: Fetched,
    #[command(flatten)]
    place: WarehousePlace,
    /// Take the place of earlier ingests of these inputs, or days
    #[arg(long)]
    again: bool,
    /// Write refused records there; Parquet by `.parquet`, else JSON lines
    #[arg(long, value_name = "FILE")]
    rejects: Option<String>,
    /// Exit with 1 when a record was rejected
    #[arg(long)]
    strict: bool,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Threads that decode (default: as many as there are processors, at most 4)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
    /// How the summary is written
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// A folder of this name is `./bigquery`.
pub const BIGQUERY: &str = "bigquery";

/// Where flows are kept.
enum To {
    Folder(PathBuf, Box<History>),
    Service(Dataset, Box<dyn Warehouse>),
}

impl To {
    fn name(&self) -> String {
        match self {
            Self::Folder(folder, _) => folder.display().to_string(),
            Self::Service(place, _) => format!("{}:{}", place.project, place.dataset),
        }
    }
}

impl Ingest {
    pub fn run(self) -> anyhow::Result<Exit> {
        if self.fetched.asked()? {
            if self.state.is_some() {
                bail!(
                    "rows come from the log of a run or from BigQuery, not from both\nhelp: leave --state or --from out"
                );
            }
            let asked = Asked { to: &self.to, place: &self.place, project: self.project.as_deref(), again: self.again };
            let report = self.fetched.run(&asked)?;
            let mut out = std::io::stdout().lock();
            match self.format {
                Format::Text => write!(out, "{}", report.text())?,
                Format::Json => writeln!(out, "{}", report.json())?,
            }
            return Ok(report.exit());
        }
        let named: Vec<String> = self.inputs.iter().chain(&self.input).cloned().collect();
        if named.is_empty() && self.state.is_none() {
            bail!("nothing to ingest\nhelp: tripline ingest --source netlog --to history flows.jsonl");
        }
        check_local(&self.to)?;
        self.rejects.as_ref().map_or(Ok(()), check_local)?;
        let opened = open_valid(self.project.as_deref())?;
        let mut plan = opened.plan;
        // What is kept are whole rows; evidence is a run's.
        plan.evidence_rows = 0;
        plan.show(&[flow::FLOWS]);
        if let Some(state) = &self.state {
            return self.of_log(&plan, opened.generation, state, &opened.project.config.warehouse);
        }
        let inputs = inputs::open(&plan, self.source.as_deref(), &named)?;
        let sources: Vec<Arc<dyn Input>> = inputs.iter().map(|(_, input)| Arc::clone(input)).collect();
        let taps = self.taps();
        check_outputs(&taps.iter().map(|(_, file)| file.as_str()).collect::<Vec<_>>(), &sources)?;
        let mut to = self.to(&plan, &opened.project.config.warehouse)?;
        let threads = self.threads.map_or_else(default_threads, usize::from);
        let options = IngestOptions {
            inputs,
            threads,
            generation: opened.generation,
            again: self.again,
            limits: PartLimits::default(),
        };
        let report = self.execute(&plan, &mut to, &options, &taps, &sources)?;
        self.told(&report, &to)
    }

    /// The log of a run.
    fn of_log(&self, plan: &Plan, generation: String, state: &Path, config: &WarehouseConfig) -> anyhow::Result<Exit> {
        if self.to == BIGQUERY {
            bail!("the log of a run goes into a folder\nhelp: --to history");
        }
        check_outputs(&self.rejects.iter().map(String::as_str).collect::<Vec<_>>(), &[])?;
        let mut to = self.to(plan, config)?;
        let To::Folder(_, history) = &mut to else { bail!("the log of a run goes into a folder") };
        let out = Outlets::new(plan, &self.taps(), None, &wire::row_writer)?;
        let options = LogOptions { disk: wire::disk(state), generation, limits: PartLimits::default() };
        let bar = RunBar::new(&[]);
        let stop = stop_flag()?;
        let report = ingest_log(plan, history, &options, out, &bar, &stop);
        bar.clear();
        self.told(&report?, &to)
    }

    fn taps(&self) -> Vec<(String, String)> {
        self.rejects.iter().map(|file| (REJECTS.to_owned(), file.clone())).collect()
    }

    fn told(&self, report: &IngestReport, to: &To) -> anyhow::Result<Exit> {
        report.skipped.iter().for_each(|skipped| match skipped.name == skipped.known {
            true => note(&format!("{} is there already; `--again` replaces it", skipped.name)),
            false => note(&format!("{} is there already, as {}; `--again` replaces it", skipped.name, skipped.known)),
        });
        let mut out = std::io::stdout().lock();
        match self.format {
            Format::Text => write!(out, "{}", text(report, to))?,
            Format::Json => writeln!(out, "{}", report.json())?,
        }
        Ok(self.exit(report))
    }

    fn to(&self, plan: &Plan, config: &WarehouseConfig) -> anyhow::Result<To> {
        if self.to == BIGQUERY {
            check_all_names(plan)?;
            let (dataset, warehouse) = self.place.open(config)?;
            return Ok(To::Service(dataset, warehouse));
        }
        if self.place.given() {
            bail!("a dataset is named, and rows go to a folder\nhelp: --to bigquery");
        }
        let folder = PathBuf::from(&self.to);
        let history = History::write(wire::store(&folder))?;
        Ok(To::Folder(folder, Box::new(history)))
    }

    /// With a progress bar and Ctrl-C.
    fn execute(
        &self,
        plan: &Plan,
        to: &mut To,
        options: &IngestOptions,
        taps: &[(String, String)],
        sources: &[Arc<dyn Input>],
    ) -> anyhow::Result<IngestReport> {
        let out = Outlets::new(plan, taps, None, &wire::row_writer)?;
        let bar = RunBar::of_rows(sources);
        let stop = stop_flag()?;
        let report = match to {
            To::Folder(_, history) => ingest(plan, history, options, out, &bar, &stop),
            To::Service(_, service) => load(plan, service.as_ref(), options, out, &bar, &stop),
        };
        bar.clear();
        Ok(report.inspect_err(|error| {
            if let IngestFailed::Run(RunFailed { report: Some(report), .. }) = error {
                say(&row_lines(report));
                say("nothing was kept\n");
            }
        })?)
    }

    fn exit(&self, report: &IngestReport) -> Exit {
        let Some(run) = &report.run else { return Exit::Fine };
        if run.interrupted {
            return Exit::Interrupted;
        }
        // An hour in which nothing came is nothing wrong.
        let empty = !report.kept && self.state.is_none();
        if empty || (self.strict && run.ledger.rejected_total() > 0) { Exit::Findings } else { Exit::Fine }
    }
}

fn text(report: &IngestReport, to: &To) -> String {
    let (name, kind) = (to.name(), if matches!(to, To::Folder(..)) { "history" } else { "bigquery" });
    let Some(run) = &report.run else {
        return format!("nothing new for {name}\n");
    };
    let mut text = row_lines(run);
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:<10} {value}\n"));
    for (index, (day, rows)) in report.days.iter().enumerate() {
        let late = if rows.late > 0 {
            format!(", {} of them behind the watermark", HumanCount(rows.late))
        } else {
            String::new()
        };
        line(if index == 0 { "days" } else { "" }, format!("{day} {}{late}", counted(rows.rows, "row")));
    }
    if report.kept {
        let files = if report.parts == 1 { "1 file" } else { &format!("{} files", report.parts) };
        line(kind, format!("{files}, {}, in {name}", HumanBytes(report.bytes)));
    } else {
        line(kind, format!("nothing was put into {name}"));
    }
    if report.replaced > 0 {
        line("", format!("in the place of {} earlier", report.replaced));
        if let (true, Some(first), Some(last)) =
            (kind == "bigquery", report.days.keys().next(), report.days.keys().last())
        {
            let again =
                format!("`tripline backfill --target bigquery --from {first} --to {} --again`", Day(last.0 + 1));
            line("help", format!("days that were computed of other rows stay as they are: {again}"));
        }
    }
    line("time", format!("{:.2} s, {:.0} rows/s", run.elapsed.as_secs_f64(), run.rows_per_second()));
    text
}
