//! `tripline check`.

use std::io::{IsTerminal, Write};

use clap::{Args, ValueEnum};

use crate::diagnostic::{render_json, render_text};
use crate::plan::Early;
use crate::runtime::{case, names};

use super::exit::Exit;
use super::keys;
use super::project::{Judged, open, parse_time};
use super::say::note;
use super::wire;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    judged: Judged,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Warnings fail too
    #[arg(long)]
    strict: bool,
    /// The day on which exceptions are judged to have expired (default: today)
    #[arg(long, value_name = "DATE")]
    as_of: Option<String>,
    /// Ends when it has worked for so long
    #[arg(long, hide = true, requires = "limit_bytes", value_name = "SECONDS")]
    limit_seconds: Option<u64>,
    /// Takes no more memory
    #[arg(long, hide = true, requires = "limit_seconds", value_name = "BYTES")]
    limit_bytes: Option<u64>,
}

impl Check {
    pub fn run(self) -> anyhow::Result<Exit> {
        if let (Some(seconds), Some(bytes)) = (self.limit_seconds, self.limit_bytes)
            && let Err(error) = wire::limit(seconds, bytes)
        {
            // Whoever asked for it ends it in time all the same.
            note(&format!("the limits of the process cannot be set: {error}"));
        }
        let as_of = self.as_of.as_deref().map(parse_time).transpose()?;
        let tree = self.judged.tree()?;
        let mut opened = open(tree.as_ref(), as_of);
        opened.diagnostics.extend(case::check(&opened.project, &opened.plan));
        if opened.errors() == 0 {
            opened.diagnostics.extend(names::check(&opened.project, &opened.plan));
        }
        opened.diagnostics.sort_by_key(|d| (d.span, d.code));
        keys::tell_of_missing(&opened.plan);
        let mut out = std::io::stdout().lock();
        match self.format {
            Format::Json => writeln!(out, "{:#}", render_json(&opened.diagnostics, &opened.files))?,
            Format::Text if opened.diagnostics.is_empty() => writeln!(
                out,
                "{} sources, {} features, {} rules ({} fire early), {} lookups: no findings",
                opened.project.sources.len(),
                opened.project.features.len(),
                opened.project.rules.len(),
                opened.plan.early().iter().filter(|early| !matches!(early, Early::Not(_))).count(),
                opened.project.lookups.len()
            )?,
            Format::Text => {
                let color = std::io::stdout().is_terminal();
                write!(out, "{}", render_text(&opened.diagnostics, &opened.files, color))?;
            }
        }
        let failed = opened.errors() > 0 || (self.strict && opened.warnings() > 0);
        Ok(if failed { Exit::Findings } else { Exit::Fine })
    }
}
