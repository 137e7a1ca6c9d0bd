//! `tripline check`.

use std::io::{IsTerminal, Write};

use clap::{Args, ValueEnum};

use crate::diagnostic::{Diagnostic, Text, render_json, render_text};
use crate::plan::SourcePlan;
use crate::runtime::case;
use crate::target::bigquery::Warehouse;

use super::exit::Exit;
use super::project::{Judged, Opened, open, parse_time};

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
}

impl Check {
    pub fn run(self) -> anyhow::Result<Exit> {
        let as_of = self.as_of.as_deref().map(parse_time).transpose()?;
        let tree = self.judged.tree()?;
        let mut opened = open(tree.as_ref(), as_of);
        opened.diagnostics.extend(case::check(&opened.project, &opened.plan));
        opened.diagnostics.extend(unclear_in_bigquery(&opened));
        opened.diagnostics.sort_by_key(|d| (d.span, d.code));
        let mut out = std::io::stdout().lock();
        match self.format {
            Format::Json => writeln!(out, "{:#}", render_json(&opened.diagnostics, &opened.files))?,
            Format::Text if opened.diagnostics.is_empty() => writeln!(
                out,
                "{} sources, {} features, {} rules, {} lookups: no findings",
                opened.project.sources.len(),
                opened.project.features.len(),
                opened.project.rules.len(),
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

/// A name that is clear here and not in BigQuery: `compile` would refuse the project.
fn unclear_in_bigquery(opened: &Opened) -> Option<Diagnostic> {
    if opened.errors() > 0 {
        return None;
    }
    let sources: Vec<&SourcePlan> = opened.plan.sources.iter().collect();
    let collision = Warehouse { plan: &opened.plan, sources: &sources }.collision()?;
    let project = &opened.project;
    let names = project.features.iter().map(|feature| &feature.name).chain(project.rules.iter().map(|rule| &rule.name));
    let names = names.chain(project.lookups.iter().map(|lookup| &lookup.name));
    let place = names.chain(project.sources.iter().map(|source| &source.name)).find(|name| name.text == collision.who);
    let place = place.map(Text::span)?;
    let finding = Diagnostic::warning("project.bigquery-name", place, collision.to_string());
    Some(finding.label("clear here, and not there").help("give it another name before it is compiled for BigQuery"))
}
