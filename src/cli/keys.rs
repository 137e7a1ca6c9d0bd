//! Secret keys of pseudonyms: read for a plan, said where they are not there, and `tripline keys push`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::plan::Plan;
use crate::record::{MacKey, NoKey};
use crate::runtime::keys::push;

use super::exit::Exit;
use super::project::open_valid;
use super::pseudonymize::named;
use super::say::note;
use super::stop::stop_flag;
use super::warehouse::WarehousePlace;
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
        let keys = match &self.key {
            Some(name) => vec![named(&plan.pseudonym_keys, name)?],
            None => plan.keys_used().collect(),
        };
        if keys.is_empty() {
            note("no source makes pseudonyms: there is nothing to push");
            return Ok(Exit::Fine);
        }
        let there = keys.iter().map(|key| Ok((key.id.clone(), Arc::clone(key.key.as_ref().map_err(Clone::clone)?))));
        let there = there.collect::<Result<Vec<(String, Arc<MacKey>)>, NoKey>>()?;
        // The table says in which dataset it is, where that is another one.
        let mut config = opened.project.config.warehouse.clone();
        let mut parts = plan.keys_table().rsplit('.');
        let table = parts.next().unwrap_or_default();
        config.dataset = parts.next().map(str::to_owned).or(config.dataset);
        config.project = parts.next().map(str::to_owned).or(config.project);
        let (dataset, service) = self.place.open(&config)?;
        push(service.as_ref(), table, &there, stop_flag()?.as_ref())?;
        let ids: Vec<&str> = there.iter().map(|(id, _)| id.as_str()).collect();
        println!("{}.{table} has the keys {}", dataset.dataset, ids.join(", "));
        Ok(Exit::Fine)
    }
}

/// Reads the keys that a project names. Those that are not there are missed where a value is to become a pseudonym.
pub fn read(plan: &mut Plan) {
    for key in &mut plan.pseudonym_keys {
        let text = wire::key_text(&key.place);
        key.set(text);
    }
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
