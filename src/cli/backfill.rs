//! `tripline backfill`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use crate::diagnostic::suggest;
use crate::plan::Plan;
use crate::record::Day;
use crate::runtime::backfill::{BackfillOptions, BackfillReport, Days, backfill};
use crate::runtime::replay::{LocalDays, relations};

use super::backfill_report::{DayBar, write_report};
use super::exit::Exit;
use super::project::{Opened, open_valid};
use super::say::note;
use super::stop::stop_flag;
use super::wire;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Over local files, to local files
    Local,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
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
    /// The day after the last (default: behind the last of the history)
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Where the rows go, a folder a relation (default: the history's folder)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only these relations: features, rules, hits or alerts (default: all)
    #[arg(long, value_name = "NAME", num_args = 1..)]
    relation: Vec<String>,
    /// Tell by day what would be read, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Compute days again that are there
    #[arg(long, conflicts_with = "dry_run")]
    again: bool,
    /// Days side by side
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// How the report is written
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}
