//! The inputs of a command, and the sources that they are of.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;

use crate::diagnostic::suggest;
use crate::plan::Plan;
use crate::port::Input;
use crate::runtime::past::Past;

use super::history::{check_past, past};
use super::say::note;
use super::wire;

/// Inputs named twice that are told one by one.
const TOLD_MAX: usize = 3;

#[derive(Debug, Args)]
pub struct Inputs {
    /// The source of inputs that do not name one
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// A path, a glob, `gs://BUCKET/OBJECT` or a glob of objects, or `-` for standard input; `SOURCE=PATH` for one of
    /// another source. `.gz` and `.zst` are read too. Several inputs are merged by event time
    #[arg(long, required_unless_present = "subscription", num_args = 1.., value_name = "INPUT")]
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
        if self.from.is_some() || self.to.is_some() {
            bail!(
                "--from and --to are days of a history\nhelp: `tripline ingest` makes one of inputs; then --history DIR"
            );
        }
        open(plan, self.source.as_deref(), &self.input)
    }

    /// The days of the history, when there is one; `relations` are those that are read.
    pub fn past(&self, plan: &Plan, generation: &str) -> anyhow::Result<Option<Past>> {
        let Some(folder) = &self.history else { return Ok(None) };
        let past = past(folder, plan, generation, self.from.as_deref(), self.to.as_deref())?;
        check_past(&past)?;
        Ok(Some(past))
    }
}

impl Inputs {
    /// The source of what does not name one.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// Inputs with their source's index.
    pub fn open(&self, plan: &Plan) -> anyhow::Result<Vec<(usize, Arc<dyn Input>)>> {
        open(plan, self.source.as_deref(), &self.input)
    }
}

/// Inputs with their source's index; `SOURCE=PATH` names one of another source.
pub fn open(plan: &Plan, source: Option<&str>, named: &[String]) -> anyhow::Result<Vec<(usize, Arc<dyn Input>)>> {
    let mut inputs = Vec::new();
    for input in named {
        let (source, path) = of_source(plan, source, input)?;
        inputs.extend(wire::inputs(&[path])?.into_iter().map(|input| (source, input)));
    }
    Ok(once(inputs))
}

/// What is named with its source's index; `SOURCE=NAME` is of another source than the default.
pub fn of_source(plan: &Plan, source: Option<&str>, named: &str) -> anyhow::Result<(usize, String)> {
    let own = named.split_once('=').and_then(|(name, rest)| {
        let index = plan.sources.iter().position(|source| source.name == name)?;
        Some((index, rest.to_owned()))
    });
    own.map_or_else(|| Ok((default_source(plan, source)?, named.to_owned())), Ok)
}

/// Each once, also where several names mean it; that is told. What is of two sources is read for both.
pub fn once<T: PartialEq>(inputs: Vec<(T, Arc<dyn Input>)>) -> Vec<(T, Arc<dyn Input>)> {
    let mut seen: HashMap<String, Vec<usize>> = HashMap::new();
    let mut kept: Vec<(T, Arc<dyn Input>)> = Vec::new();
    let mut again: Vec<String> = Vec::new();
    for (of, input) in inputs {
        let places = seen.entry(input.place()).or_default();
        match places.iter().map(|at| &kept[*at]).find(|(other, _)| *other == of) {
            Some((_, first)) if first.name() == input.name() => again.push(format!("{} is named twice", input.name())),
            Some((_, first)) => again.push(format!("{} and {} are one file", first.name(), input.name())),
            None => {
                places.push(kept.len());
                kept.push((of, input));
            }
        }
    }
    match again.len() {
        0 => {}
        count @ 1..=TOLD_MAX => again.iter().take(count).for_each(|text| note(&format!("{text}: it is read once"))),
        count => note(&format!("{count} inputs are named twice, such as {}: each is read once", kept_name(&again))),
    }
    kept
}

fn kept_name(again: &[String]) -> &str {
    again.first().and_then(|text| text.split(' ').next()).unwrap_or_default()
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
