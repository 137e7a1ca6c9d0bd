//! The inputs of a command, and the sources that they are of.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;

use crate::diagnostic::suggest;
use crate::plan::Plan;
use crate::port::Input;
use crate::runtime::past::Past;
use crate::runtime::replay::relations;

use super::history::{check_days, past};
use super::say::note;
use super::wire;

#[derive(Debug, Args)]
pub struct Inputs {
    /// The source of inputs that do not name one
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// A path, a glob, `gs://BUCKET/OBJECT` or a glob of objects, or `-` for standard input; `SOURCE=PATH` for one of
    /// another source. `.gz` and `.zst` are read too. Several inputs are merged by event time
    #[arg(long, required = true, num_args = 1.., value_name = "INPUT")]
    input: Vec<String>,
}

/// Inputs, or what was ingested from some before.
#[derive(Debug, Args)]
pub struct InputsOrHistory {
    /// The source of inputs that do not name one
    #[arg(long, value_name = "NAME", conflicts_with = "history")]
    source: Option<String>,
    /// A path, a glob, `gs://BUCKET/OBJECT` or a glob of objects, or `-` for standard input; `SOURCE=PATH` for one of
    /// another source. `.gz` and `.zst` are read too. Several inputs are merged by event time
    #[arg(long, num_args = 1.., value_name = "INPUT", conflicts_with = "history")]
    input: Vec<String>,
    /// The folder that `tripline ingest --to` filled, in the place of inputs
    #[arg(long, value_name = "DIR")]
    history: Option<PathBuf>,
    /// The first day of the history (default: its first)
    #[arg(long, value_name = "DAY", requires = "history")]
    from: Option<String>,
    /// The day after the last (default: behind the last on which a row of the history counts)
    #[arg(long, value_name = "DAY", requires = "history")]
    to: Option<String>,
}

impl InputsOrHistory {
    pub fn given(&self) -> bool {
        !self.input.is_empty() || self.history.is_some()
    }

    /// Inputs with their source's index.
    pub fn open(&self, plan: &Plan) -> anyhow::Result<Vec<(usize, Arc<dyn Input>)>> {
        if self.input.is_empty() {
            bail!("nothing to read\nhelp: --source netlog --input flows.jsonl, or --history DIR");
        }
        open(plan, self.source.as_deref(), &self.input)
    }

    /// The days of the history, when there is one; `relations` are those that are read.
    pub fn past(&self, plan: &Plan, generation: &str) -> anyhow::Result<Option<Past>> {
        let Some(folder) = &self.history else { return Ok(None) };
        let past = past(folder, plan, generation, self.from.as_deref(), self.to.as_deref())?;
        check_days(&past.replay(relations(&past.plan)).days(), past.from, past.to)?;
        Ok(Some(past))
    }
}

impl Inputs {
    /// Inputs with their source's index.
    pub fn open(&self, plan: &Plan) -> anyhow::Result<Vec<(usize, Arc<dyn Input>)>> {
        open(plan, self.source.as_deref(), &self.input)
    }
}

/// Inputs with their source's index; `SOURCE=PATH` names one of another source.
pub fn open(plan: &Plan, source: Option<&str>, named: &[String]) -> anyhow::Result<Vec<(usize, Arc<dyn Input>)>> {
    let mut inputs: Vec<(usize, Arc<dyn Input>)> = Vec::new();
    let mut places: HashSet<(usize, PathBuf)> = HashSet::new();
    for input in named {
        let named = input.split_once('=').and_then(|(name, path)| {
            let index = plan.sources.iter().position(|source| source.name == name)?;
            Some((index, path.to_owned()))
        });
        let (source, path) = match named {
            Some(named) => named,
            None => (default_source(plan, source)?, input.clone()),
        };
        for input in wire::inputs(&[path])? {
            if !places.insert((source, place(&input.name()))) && input.size_bytes().is_some() {
                note(&format!("{} is named twice and read once", input.name()));
                continue;
            }
            inputs.push((source, input));
        }
    }
    Ok(inputs)
}

/// Where an input is, under whatever name.
fn place(name: &str) -> PathBuf {
    std::fs::canonicalize(name).unwrap_or_else(|_| PathBuf::from(name))
}

/// The source that inputs are of.
pub fn default_source(plan: &Plan, named: Option<&str>) -> anyhow::Result<usize> {
    let names = || plan.sources.iter().map(|source| source.name.as_str());
    let all = || names().collect::<Vec<_>>().join(", ");
    match named {
        Some(name) => match names().position(|source| source == name) {
            Some(index) => Ok(index),
            None => {
                let near = suggest(name, names());
                let help =
                    near.map_or_else(|| format!("the sources are {}", all()), |near| format!("did you mean `{near}`?"));
                bail!("no source `{name}`\nhelp: {help}")
            }
        },
        None if plan.sources.len() == 1 => Ok(0),
        None => bail!("which source is the input of?\nhelp: add --source with one of {}", all()),
    }
}
