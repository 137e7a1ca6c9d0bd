//! `tripline mute`: sinks of a run are not told of some alerts for a while.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use crate::diagnostic::suggest;
use crate::plan::{Plan, RulePlan};
use crate::record::{EventTime, Micros};
use crate::runtime::live::health::HealthRule;
use crate::state::folder;
use crate::state::mute::{self, Mute as Muted};

use super::exit::Exit;
use super::project::open_valid;
use super::wire;

#[derive(Debug, Args)]
pub struct Mute {
    /// The rule whose alerts are muted
    #[arg(required_unless_present = "list", value_name = "RULE")]
    rule: Option<String>,
    /// Only those that have this in their alert key; all of it where several are given
    #[arg(value_name = "COLUMN=VALUE")]
    key: Vec<String>,
    /// The folder that `run --state` was told
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// For how long, by the clock
    #[arg(long = "for", default_value = "1d", value_name = "DURATION", value_parser = length)]
    length: Micros,
    /// Why, for whoever asks later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Ends what was muted by the same rule and key
    #[arg(long, conflicts_with_all = ["length", "reason"])]
    end: bool,
    /// Prints what is muted
    #[arg(long, conflicts_with_all = ["rule", "key", "length", "reason", "end"])]
    list: bool,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

fn length(text: &str) -> Result<Micros, String> {
    let length = Micros::parse(text).filter(|length| length.0 > 0);
    length.ok_or_else(|| "write a length of time, such as 7d or 12h".to_owned())
}

impl Mute {
    pub fn run(self) -> anyhow::Result<Exit> {
        if !self.state.is_dir() {
            bail!("{} is no folder\nhelp: name the folder that `run --state` was told", self.state.display());
        }
        let disk = wire::disk(&self.state);
        folder::check(&*disk)?;
        let now = wire::clock().now();
        let mut mutes = mute::load(&*disk)?;
        // Those that have ended are of no use.
        mutes.retain(|mute| mute.until > now);
        let Some(rule) = &self.rule else {
            print(&mutes)?;
            return Ok(Exit::Fine);
        };
        let key = columns(&self.key)?;
        let same = |mute: &Muted| mute.rule == *rule && mute.key == key;
        if self.end {
            if !mutes.iter().any(same) {
                bail!("{} is not muted\nhelp: `tripline mute --list --state DIR` says what is", named(rule, &key));
            }
            mutes.retain(|mute| !same(mute));
            mute::save(&*disk, &mutes)?;
            return Ok(Exit::Fine);
        }
        check(self.project.as_deref(), rule, &key)?;
        mutes.retain(|mute| !same(mute));
        let until = now.plus(self.length);
        let new = Muted { rule: rule.clone(), key, since: now, until, reason: self.reason };
        print(std::slice::from_ref(&new))?;
        mutes.push(new);
        mute::save(&*disk, &mutes)?;
        Ok(Exit::Fine)
    }
}

/// Is there such a rule, with these columns in its key? Otherwise nothing would be muted, and nothing said.
fn check(project: Option<&Path>, rule: &str, key: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let of_health = HealthRule::ALL.into_iter().find(|own| own.name() == rule);
    if let Some(of_health) = of_health {
        return has_columns(rule, key, of_health.key());
    }
    let opened = open_valid(project)?;
    let Plan { rules, .. } = &opened.plan;
    let Some(known) = rules.iter().find(|known| known.name == rule) else {
        let help = match suggest(rule, rules.iter().map(|known| known.name.as_str())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`tripline check` names the project's rules".to_owned(),
        };
        bail!("no rule `{rule}`\nhelp: {help}");
    };
    has_columns(rule, key, &key_names(known))
}

fn has_columns(rule: &str, key: &BTreeMap<String, String>, names: &[&str]) -> anyhow::Result<()> {
    match key.keys().find(|column| !names.contains(&column.as_str())) {
        Some(column) => {
            bail!("`{column}` is not in the alert key of {rule}\nhelp: its columns are {}", names.join(", "))
        }
        None => Ok(()),
    }
}

fn key_names(rule: &RulePlan) -> Vec<&str> {
    rule.alert_key.iter().map(|index| rule.columns[*index].name.as_str()).collect()
}

fn columns(given: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let pair = |text: &String| {
        let (column, value) = text
            .split_once('=')
            .with_context(|| format!("`{text}` names no value\nhelp: write COLUMN=VALUE, such as src_ip=10.0.0.5"))?;
        Ok((column.to_owned(), value.to_owned()))
    };
    given.iter().map(pair).collect()
}

fn named(rule: &str, key: &BTreeMap<String, String>) -> String {
    let key: String = key.iter().map(|(column, value)| format!(" {column}={value}")).collect();
    format!("{rule}{key}")
}

fn print(mutes: &[Muted]) -> anyhow::Result<()> {
    let mut text = String::new();
    for Muted { rule, key, since, until, reason } in mutes {
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        text.push_str(&format!("{} until {}, since {}{reason}\n", named(rule, key), whole(*until), whole(*since)));
    }
    Ok(std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes())?)
}

/// To the second.
fn whole(at: EventTime) -> EventTime {
    EventTime(at.0.div_euclid(1_000_000) * 1_000_000)
}
