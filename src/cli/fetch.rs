//! `tripline ingest --from bigquery`: which days, and how it is told.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget};
use serde_json::Value as Json;

use crate::history::{History, PartLimits};
use crate::plan::Plan;
use crate::record::Day;
use crate::runtime::fetch::{
    FetchOptions, FetchProgress, FetchReport, FetchedDay, Outcome, Taken, cost, fetch, first_day,
};

use super::exit::Exit;
use super::history::parse_day;
use super::ingest::BIGQUERY;
use super::place::check_local;
use super::project::open_valid;
use super::stop::stop_flag;
use super::summary::progress_bar;
use super::warehouse::WarehousePlace;
use super::wire;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    Bigquery,
}

#[derive(Debug, Args)]
pub struct Fetched {
    /// Takes no inputs, but days of the table `flows` of a dataset, into the history DIR
    #[arg(
        long,
        value_enum,
        value_name = "bigquery",
        hide_possible_values = true,
        conflicts_with_all = ["inputs", "input", "source", "rejects", "strict", "threads"]
    )]
    from: Option<From>,
    /// The first day (default: the first that the rules and features look back to, and one before it)
    #[arg(long, value_name = "DAY", help_heading = "BigQuery")]
    from_day: Option<String>,
    /// The day after the last (default: today, whose rows are not all there)
    #[arg(long, value_name = "DAY", help_heading = "BigQuery")]
    to_day: Option<String>,
    /// Tell by day what would be read, and do nothing
    #[arg(long, conflicts_with = "again", help_heading = "BigQuery")]
    dry_run: bool,
    /// BigQuery refuses a job that would bill more bytes
    #[arg(long, value_name = "BYTES", help_heading = "BigQuery")]
    max_bytes: Option<u64>,
}

/// What else the command line says.
pub struct Asked<'a> {
    pub to: &'a str,
    pub place: &'a WarehousePlace,
    pub project: Option<&'a Path>,
    pub again: bool,
}

/// A report, and which places it is of.
pub struct Told {
    report: FetchReport,
    service: String,
    folder: String,
}

impl Fetched {
    /// Are days asked for, and not inputs?
    pub fn asked(&self) -> anyhow::Result<bool> {
        let of_days = self.from_day.is_some() || self.to_day.is_some() || self.dry_run || self.max_bytes.is_some();
        match self.from {
            Some(From::Bigquery) => Ok(true),
            None if of_days => bail!("--from-day, --max-bytes and the like are of BigQuery\nhelp: --from bigquery"),
            None => Ok(false),
        }
    }

    pub fn run(&self, asked: &Asked<'_>) -> anyhow::Result<Told> {
        if asked.to == BIGQUERY {
            bail!("flows of BigQuery go into a folder\nhelp: --to DIR; a folder of that name is ./{BIGQUERY}");
        }
        check_local(asked.to)?;
        let opened = open_valid(asked.project)?;
        let (from, to) = self.days(&opened.plan)?;
        let (_, service) = asked.place.open(&opened.project.config.warehouse)?;
        let limits = PartLimits::default();
        let options = FetchOptions { from, to, again: asked.again, max_bytes: self.max_bytes, limits };
        let folder = PathBuf::from(asked.to);
        let stop = stop_flag()?;
        let bar = FetchBar(progress_bar(Some(u64::try_from(to.0 - from.0).unwrap_or_default()), "days"));
        let report = if self.dry_run {
            let history = folder.is_dir().then(|| History::read(wire::store(&folder))).transpose()?;
            cost(service.as_ref(), history.as_ref(), &options, &bar, &stop)
        } else {
            let mut history = History::write(wire::store(&folder))?;
            fetch(service.as_ref(), &mut history, &options, &bar, &stop)
        };
        bar.0.finish_and_clear();
        Ok(Told { report: report?, service: service.name(), folder: asked.to.to_owned() })
    }

    /// The first, and the one after the last.
    fn days(&self, plan: &Plan) -> anyhow::Result<(Day, Day)> {
        let named = |text: &Option<String>| text.as_deref().map(parse_day).transpose();
        let today = Day::of(wire::clock().now());
        let to = named(&self.to_day)?.unwrap_or(today);
        if to > today {
            bail!(
                "--to-day {to} is behind today, whose rows are not all there\nhelp: --to-day is the day after the last"
            );
        }
        let from = named(&self.from_day)?.unwrap_or_else(|| first_day(plan, to));
        if from >= to {
            bail!("--from-day {from} is not before --to-day {to}\nhelp: --to-day is the day after the last");
        }
        Ok((from, to))
    }
}

impl Told {
    pub fn json(&self) -> Json {
        self.report.json()
    }

    pub fn exit(&self) -> Exit {
        if self.report.stopped() {
            Exit::Interrupted
        } else if self.report.failed().is_some() || self.report.nothing() {
            Exit::Findings
        } else {
            Exit::Fine
        }
    }

    /// A line a day, and what they give together.
    pub fn text(&self) -> String {
        let mut text: String = self.report.days.iter().map(line).collect();
        let count = |of: fn(&Outcome) -> bool| self.report.days.iter().filter(|day| of(&day.outcome)).count();
        let parts: Vec<String> = [
            (count(|outcome| matches!(outcome, Outcome::Taken(_))), "taken"),
            (count(|outcome| matches!(outcome, Outcome::There)), "there already"),
            (count(|outcome| matches!(outcome, Outcome::Empty { .. })), "without rows"),
            (count(|outcome| matches!(outcome, Outcome::Planned(_))), "to do"),
            (count(|outcome| matches!(outcome, Outcome::Failed(_))), "failed"),
            (count(|outcome| matches!(outcome, Outcome::Stopped | Outcome::NotBegun)), "not done"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        let planned = self.report.days.iter().filter_map(|day| match day.outcome {
            Outcome::Planned(bytes) => Some(bytes),
            _ => None,
        });
        let planned: u64 = planned.sum();
        let reading = if planned > 0 { format!(", reading {}", HumanBytes(planned)) } else { String::new() };
        text.push_str(&format!("days       {}{reading}\n", parts.join(", ")));
        if self.report.taken().next().is_some() {
            let all = self.report.taken().fold(Taken::default(), |all, day| Taken {
                rows: all.rows + day.rows,
                parts: all.parts + day.parts,
                bytes: all.bytes + day.bytes,
                ..all
            });
            text.push_str(&format!(
                "history    {} rows in {}, {}, in {}\n",
                HumanCount(all.rows),
                files(all.parts),
                HumanBytes(all.bytes),
                self.folder
            ));
        }
        if self.report.nothing() {
            text.push_str(&format!(
                "help       {} has no rows of these days: `tripline backfill --target bigquery --relation flows` fills it\n",
                self.service
            ));
        }
        text.push_str(&format!("time       {:.2} s\n", self.report.elapsed.as_secs_f64()));
        text
    }
}

fn line(day: &FetchedDay) -> String {
    let told = match &day.outcome {
        Outcome::There => "there already".to_owned(),
        Outcome::Empty { held: false } => "no rows: not kept, and asked for again the next time".to_owned(),
        Outcome::Empty { held: true } => "no rows: what was there stays".to_owned(),
        Outcome::Stopped => "stopped: nothing of it was kept".to_owned(),
        Outcome::NotBegun => "not begun".to_owned(),
        Outcome::Failed(error) => format!("failed: {error}"),
        Outcome::Planned(bytes) => format!("reads {}", HumanBytes(*bytes)),
        Outcome::Taken(taken) => {
            let late = match taken.late {
                0 => String::new(),
                late => format!(", {} of them behind the watermark", HumanCount(late)),
            };
            let place = if taken.replaced { ", in the place of what was there" } else { "" };
            format!(
                "{} rows{late}, {}, {}{place}, {} billed, {:.2} s",
                HumanCount(taken.rows),
                files(taken.parts),
                HumanBytes(taken.bytes),
                HumanBytes(taken.billed),
                taken.elapsed.as_secs_f64()
            )
        }
    };
    format!("{} {told}\n", day.day)
}

fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

struct FetchBar(ProgressBar);

impl FetchBar {
    fn show(&self) {
        if self.0.is_hidden() && std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            self.0.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

impl FetchProgress for FetchBar {
    fn rows(&self, day: Day, came: u64, of: u64) {
        self.show();
        self.0.set_message(format!("{day}: {} of {} rows", HumanCount(came), HumanCount(of)));
    }

    fn finished(&self, day: &FetchedDay) {
        self.show();
        self.0.set_message(day.day.to_string());
        self.0.inc(1);
    }
}
