//! Secret keys of pseudonyms: read for a plan, said where they are not there, and `tripline keys push`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use clap::{Args, Subcommand};

use crate::diagnostic::Span;
use crate::language::unknown_key;
use crate::plan::Plan;
use crate::record::{MacKey, NoKey, PseudonymKey};
use crate::runtime::keys::push;

use super::exit::Exit;
use super::project::{Opened, open_valid};
use super::say::note;
use super::stop::stop_flag;
use super::warehouse::{WarehousePlace, check_all_names};
use super::wire;

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Add the project's keys to the table of BigQuery that compiled SQL reads them from
    Push(Push),
}

#[derive(Debug, Args)]
pub struct Push {
    /// Only this key of `pseudonym_keys` in tripline.yaml (default: those that sources need)
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(flatten)]
    place: WarehousePlace,
}

impl Keys {
    pub fn run(self) -> anyhow::Result<Exit> {
        let Self::Push(command) = self;
        command.run()
    }
}

impl Push {
    fn run(self) -> anyhow::Result<Exit> {
        let opened = open_valid(self.project.as_deref())?;
        let plan = &opened.plan;
        let keys: Vec<PseudonymKey> = match &self.key {
            Some(name) => vec![named(&opened, name)?],
            None => plan.keys_used().cloned().collect(),
        };
        if keys.is_empty() {
            note("no source makes pseudonyms: there is nothing to push");
            return Ok(Exit::Fine);
        }
        let there = keys.iter().map(|key| Ok((key.id.clone(), Arc::clone(key.key.as_ref().map_err(Clone::clone)?))));
        let there = there.collect::<Result<Vec<(String, Arc<MacKey>)>, NoKey>>()?;
        check_all_names(plan)?;
        let (place, table) = self.place.of_table(plan.keys_table())?;
        let (dataset, service) = place.open(&opened.project.config.warehouse)?;
        push(service.as_ref(), &table, &there, stop_flag()?.as_ref())?;
        let ids: Vec<&str> = there.iter().map(|(id, _)| id.as_str()).collect();
        println!("{}.{table} has the keys {}", dataset.dataset, ids.join(", "));
        Ok(Exit::Fine)
    }
}

/// Reads the keys that sources need. Those that are not there are missed where a value is to become a pseudonym.
pub fn read(plan: &mut Plan, folder: Option<&Path>) {
    let used: Vec<String> = plan.keys_used().map(|key| key.id.clone()).collect();
    for key in plan.pseudonym_keys.iter_mut().filter(|key| used.contains(&key.id)) {
        key.set(wire::key_text(&key.place, folder));
    }
}

/// The key of that name, which was read.
pub fn named(opened: &Opened, name: &str) -> anyhow::Result<PseudonymKey> {
    let keys = &opened.plan.pseudonym_keys;
    let Some(key) = keys.iter().find(|key| key.name == name) else {
        let names: Vec<(String, String)> = keys.iter().map(|key| (key.name.clone(), key.id.clone())).collect();
        let unknown = unknown_key(name, Span::default(), &names);
        bail!("{}\nhelp: {}", unknown.message, unknown.help.join("\nhelp: "));
    };
    let mut key = key.clone();
    key.set(wire::key_text(&key.place, opened.folder.as_deref()));
    Ok(key)
}

/// Definitions are right or wrong without keys, so that this is no finding.
pub fn tell_of_missing(plan: &Plan) {
    for key in plan.keys_used() {
        if let Err(missing) = &key.key {
            let (name, place, why) = (&missing.name, &missing.place, &missing.why);
            note(&format!("the pseudonym key `{name}` is not there: {place} {why}; a run needs it, a check does not"));
        }
    }
}
