//! `tripline generate`.

use std::io::Write;

use anyhow::{Context, anyhow};
use clap::Args;

use crate::generate::{Attack, Options, Summary, generate};

use super::exit::Exit;
use super::place::check_local;
use super::project::parse_time;
use super::say::say;
use super::summary::progress_bar;
use super::wire;

#[derive(Debug, Args)]
pub struct Generate {
    /// Rows, those of attacks included
    #[arg(long, default_value_t = 100_000)]
    events: u64,
    /// Rows a second of event time, on average
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Event time of the first row
    #[arg(long, default_value = "2026-01-05T09:00:00Z", value_name = "TIME")]
    start: String,
    /// port_scan, host_scan, syn_flood, exfiltration, beacon, brute_force; travel and silence, for which a run has to last
    /// eight days; or `all`
    #[arg(long, value_delimiter = ',')]
    attacks: Vec<String>,
    /// How many subscribers (default: what suits the rate)
    #[arg(long)]
    subscribers: Option<u32>,
    /// Where the rows go; `-` is standard output
    #[arg(long, short, default_value = "-", value_name = "FILE")]
    output: String,
    /// Writes which rows belong to attacks, as CSV: line, label, class, detail
    #[arg(long, value_name = "FILE")]
    labels: Option<String>,
}

impl Generate {
    pub fn run(self) -> anyhow::Result<Exit> {
        let attacks = if self.attacks == ["all"] {
            Attack::ALL.to_vec()
        } else {
            self.attacks.iter().map(|a| a.parse().map_err(|e: String| anyhow!(e))).collect::<Result<_, _>>()?
        };
        let options = Options {
            events: self.events,
            rate: self.rate,
            seed: self.seed,
            start: parse_time(&self.start)?,
            attacks,
            subscribers: self.subscribers.unwrap_or_else(|| Options::subscribers_for(self.rate)),
            ..Options::demo()
        };
        check_local(&self.output)?;
        self.labels.as_ref().map_or(Ok(()), check_local)?;
        let mut rows = wire::text_writer(&self.output)?;
        let mut labels = self.labels.as_deref().map(wire::text_writer).transpose()?;
        let bar = progress_bar(Some(self.events), "rows");
        let labels_to = labels.as_mut().map(|labels| -> &mut dyn Write { labels });
        let summary =
            generate(&options, &mut rows, labels_to, &mut |done| bar.set_position(done)).context("cannot generate")?;
        rows.flush()?;
        if let Some(labels) = &mut labels {
            labels.flush()?;
        }
        bar.finish_and_clear();
        say(&describe(&summary));
        Ok(Exit::Fine)
    }
}

/// What was generated, for people.
pub fn describe(summary: &Summary) -> String {
    let mut text = format!("{} rows", summary.rows);
    if let (Some(first), Some(last)) = (summary.first, summary.last) {
        text.push_str(&format!(" from {first} to {last}"));
    }
    text.push('\n');
    for attack in &summary.attacks {
        text.push_str(&format!(
            "  {:<12} {:>6} rows  {} → {}  from {}{}\n",
            attack.attack.name(),
            attack.rows,
            attack.actor,
            attack.victim,
            attack.start,
            attack.note.as_ref().map(|note| format!("  ({note})")).unwrap_or_default()
        ));
    }
    text
}
