//! `tripline backfill`.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use indicatif::{HumanBytes, HumanCount, ProgressBar};

use crate::plan::Plan;
use crate::record::{Day, flow};
use crate::runtime::backfill::{
    BackfillOptions, BackfillReport, DayCounts, DayProgress, DayReport, Days, Outcome, backfill, causes,
};
use crate::runtime::replay::{LocalDays, strangers};
use crate::runtime::warehouse::{WarehouseDays, WarehouseOptions};

use super::exit::Exit;
use super::history::{check_flows, chosen, open_history, span, spans};
use super::lookups::strange;
use super::place::check_local;
use super::project::{Judged, Opened, valid};
use super::say::note;
use super::stop::stop_flag;
use super::summary::{counted, progress_bar};
use super::warehouse::{WarehousePlace, check_all_names};
use super::wire;

const PARALLEL_MAX: u16 = 64;
const NO_HISTORY: &str = "--target local needs --history\nhelp: `tripline ingest --to DIR` makes one: --history DIR";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Over local files, to local files
    Local,
    /// In BigQuery, over its tables, to its tables
    Bigquery,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct Backfill {
    /// Where the definitions are run
    #[arg(long, value_enum, default_value = "local")]
    target: Target,
    /// The folder that `tripline ingest --to` filled
    #[arg(long, value_name = "DIR", required_if_eq("target", "local"))]
    history: Option<PathBuf>,
    /// The first day (default: the first of the history)
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The day after the last (default: behind the last on which a row of the history counts)
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Where the rows go, a folder a relation (default: the history's folder)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only these relations: features, rules (net.scan or rule_net_scan), hits or alerts; in BigQuery
    /// flows too (default: all)
    #[arg(long, value_name = "NAME", num_args = 1..)]
    relation: Vec<String>,
    /// Tell by day what would be read, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Compute days again that are there
    #[arg(long, conflicts_with = "dry_run")]
    again: bool,
    /// Days side by side, each with its memory (default: as many as there are processors)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=PARALLEL_MAX.into()))]
    parallel: Option<u16>,
    /// BigQuery refuses a job that would bill more bytes
    #[arg(long, value_name = "BYTES", help_heading = "BigQuery")]
    max_bytes: Option<u64>,
    #[command(flatten)]
    place: WarehousePlace,
    #[command(flatten)]
    judged: Judged,
    /// How the report is written
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Backfill {
    pub fn run(self) -> anyhow::Result<Exit> {
        self.out.as_ref().map_or(Ok(()), check_local)?;
        let opened = valid(self.judged.tree()?.as_ref())?;
        let relations = self.relations(&opened.plan)?;
        let lookups = opened.plan.lookups.clone();
        let (target, days) = match self.target {
            Target::Local => self.local(opened, relations)?,
            Target::Bigquery => self.bigquery(opened, &relations)?,
        };
        let options = BackfillOptions {
            parallel: self.parallel.map_or_else(default_parallel, usize::from),
            again: self.again,
            dry_run: self.dry_run,
        };
        let stop = stop_flag()?;
        let bar = DayBar(progress_bar(Some(days.len() as u64), "days"));
        let report = backfill(&days, target.as_ref(), options, &bar, &stop);
        bar.0.finish_and_clear();
        lookups.iter().for_each(|lookup| strange(lookup));
        let mut out = std::io::stdout().lock();
        match self.format {
            Format::Text => write!(out, "{}", text(&report))?,
            Format::Json => writeln!(out, "{}", report.json())?,
        }
        Ok(if report.interrupted() {
            Exit::Interrupted
        } else if report.failed() > 0 {
            Exit::Findings
        } else {
            Exit::Fine
        })
    }

    /// The days of local files, and which they are.
    fn local(&self, opened: Opened, relations: Vec<String>) -> anyhow::Result<(Box<dyn Days>, Vec<Day>)> {
        if self.place.given() || self.max_bytes.is_some() {
            bail!("--dataset, --max-bytes and the like are of BigQuery\nhelp: --target bigquery");
        }
        let folder = self.history.as_deref().context(NO_HISTORY)?;
        let history = open_history(folder)?;
        let out = wire::store(self.out.as_deref().unwrap_or(folder));
        let strangers = strangers(&opened.plan, out.as_ref())?;
        let out_name = out.name();
        let mut days = LocalDays::new(opened.plan, history, out, opened.generation, relations);
        days.spill = Some(wire::spill());
        let days = if self.dry_run { days } else { days.alone()? };
        let mut asked = self.days(&days.days())?;
        let without: BTreeSet<Day> = check_flows(&days, &asked)?.into_iter().collect();
        // Nothing can be on them, unless a file is left of flows that were there.
        asked.retain(|day| !without.contains(day) || days.has_files(*day));
        let without: Vec<Day> = without.into_iter().collect();
        if !without.is_empty() {
            note(&format!("no flows of the history count on {}", spans(&without)));
        }
        if !strangers.is_empty() {
            let names = strangers.join(", ");
            note(&format!("{out_name} has rows of {names}, which the project does not have: they stay as they are"));
        }
        Ok((Box::new(days), asked))
    }

    fn days(&self, known: &[Day]) -> anyhow::Result<Vec<Day>> {
        let (from, to) = span(known, self.from.as_deref(), self.to.as_deref())?;
        Ok((from.0..to.0).map(Day).collect())
    }

    fn bigquery(&self, opened: Opened, relations: &[String]) -> anyhow::Result<(Box<dyn Days>, Vec<Day>)> {
        if self.history.is_some() || self.out.is_some() {
            bail!("--history and --out are folders of --target local\nhelp: --dataset names a dataset of BigQuery");
        }
        if self.from.is_none() || self.to.is_none() {
            bail!("BigQuery is not asked which days it has\nhelp: say which: --from 2026-01-05 --to 2026-01-06");
        }
        let days = self.days(&[])?;
        let (Some(from), Some(last)) = (days.first().copied(), days.last().copied()) else {
            bail!("no days\nhelp: --to is the day after the last");
        };
        check_all_names(&opened.plan)?;
        let (_, service) = self.place.open(&opened.project.config.warehouse)?;
        let name = service.name();
        if !service.has_dataset()? {
            bail!("the dataset {name} is not there\nhelp: `bq mk {name}` makes it; --dataset names another");
        }
        let options = WarehouseOptions {
            from,
            to: Day(last.0 + 1),
            max_bytes: self.max_bytes,
            again: self.again,
            dry_run: self.dry_run,
        };
        Ok((Box::new(WarehouseDays::new(opened.plan, service, relations, options)), days))
    }

    fn relations(&self, plan: &Plan) -> anyhow::Result<Vec<String>> {
        // There it is a table that is filled; here it is the history.
        let more: &[&str] = if self.target == Target::Bigquery { &[flow::FLOWS] } else { &[] };
        chosen(plan, &self.relation, more)
    }
}

/// As many days as there are processors: a day is one thread.
fn default_parallel() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(PARALLEL_MAX.into())
}

struct DayBar(ProgressBar);

impl DayProgress for DayBar {
    fn finished(&self, day: &DayReport) {
        if self.0.is_hidden() && std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            self.0.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
        self.0.set_message(day.day.to_string());
        self.0.inc(1);
    }
}

/// A line a day, and one for all.
fn text(report: &BackfillReport) -> String {
    let mut text: String = report.days.iter().map(line).collect();
    let (mut read, mut bytes, mut counts) = (0, 0, [0_usize; 5]);
    for day in &report.days {
        let place = match &day.outcome {
            Outcome::Done(done, _) => {
                read += done.read;
                0
            }
            Outcome::Skipped => 1,
            Outcome::Planned(cost) => {
                read += cost.rows.unwrap_or_default();
                bytes += cost.bytes;
                2
            }
            Outcome::Failed(_) => 3,
            Outcome::Stopped => 4,
        };
        counts[place] += 1;
    }
    let [done, skipped, planned, failed, stopped] = counts;
    let mut parts: Vec<String> =
        [(done, "done"), (skipped, "there already"), (failed, "failed"), (stopped, "not begun")]
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
    if planned > 0 {
        let rows = if read > 0 { format!("{} in ", counted(read, "row")) } else { String::new() };
        parts.push(format!("{planned} to do, reading {rows}{}", HumanBytes(bytes)));
    } else if read > 0 {
        parts.push(format!("{} read", counted(read, "row")));
    }
    text.push_str(&format!("days       {}\ntime       {:.2} s\n", parts.join(", "), report.elapsed.as_secs_f64()));
    text
}

fn line(report: &DayReport) -> String {
    let told = match &report.outcome {
        Outcome::Skipped => "there already".to_owned(),
        Outcome::Stopped => "not computed: stopped".to_owned(),
        Outcome::Failed(error) => format!("failed: {}", causes(error.as_ref()).replace('\n', "\n           ")),
        Outcome::Planned(cost) => {
            let rows = cost.rows.map_or_else(String::new, |rows| format!("{}, ", counted(rows, "row")));
            let files = cost.files.iter();
            let files = files.map(|file| format!("\n           {} {}", file.path, HumanBytes(file.bytes)));
            format!("reads {rows}{}{}", HumanBytes(cost.bytes), files.collect::<String>())
        }
        Outcome::Done(DayCounts { billed: Some(billed), .. }, elapsed) => format!(
            "{} jobs, {} there already, {} billed, {:.2} s",
            billed.jobs,
            billed.found,
            HumanBytes(billed.bytes),
            elapsed.as_secs_f64()
        ),
        Outcome::Done(counts, elapsed) => {
            let of = |relation: &str| counts.relations.get(relation).map(|rows| (relation.to_owned(), *rows));
            let settled = ["hits", "alerts"].into_iter().filter_map(of).map(|(name, rows)| format!(", {rows} {name}"));
            let settled: String = settled.collect();
            let rows: u64 = counts.relations.values().sum();
            let mut told = format!(
                "{} read, {} written{settled}, {:.2} s",
                counted(counts.read, "row"),
                HumanCount(rows),
                elapsed.as_secs_f64()
            );
            if counts.row_errors > 0 {
                told.push_str(&format!(", {} could not be computed", counted(counts.row_errors, "row")));
            }
            if counts.saturated > 0 {
                told.push_str(&format!(", {} stopped at the bounds of INT64", counted(counts.saturated, "sum")));
            }
            told
        }
    };
    format!("{} {told}\n", report.day)
}
