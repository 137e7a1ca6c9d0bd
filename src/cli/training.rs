//! `tripline training`: labels, each beside what features said of its entity before its time.

mod labels;

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use datafusion::arrow::datatypes::SchemaRef;

use crate::plan::{Plan, TrainingPlan};
use crate::port::{Input, RowWriter};
use crate::record::{Micros, Type};
use crate::runtime::outlet::Outlets;
use crate::runtime::past::Past;
use crate::runtime::run::{RunOptions, run};
use crate::runtime::training::place::{LABELS, make};
use crate::runtime::training::{KnownOf, Label, Negatives, Training, Windows, WindowsTap, labels, schema};

use super::exit::Exit;
use super::history::tell_origins;
use super::inputs::InputsOrHistory;
use super::place::{check_local, check_outputs, format_of};
use super::project::{Opened, open_valid};
use super::run::default_threads;
use super::say::{note, say};
use super::stop::stop_flag;
use super::summary::{RunBar, note_evicted, note_uncomputed};
use super::warehouse::{WarehousePlace, check_all_names};
use super::wire;

use self::labels::read_labels;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LabelType {
    Int64,
    Float64,
    Bool,
    String,
}

/// What training rows are made of.
#[derive(Debug, Args)]
pub struct Made {
    /// Features, by comma; labels have the key columns of all of them
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    features: Vec<String>,
    /// What the column `label` holds
    #[arg(long, value_enum, default_value = "int64")]
    label_type: LabelType,
    /// How old what is known may be at the label's time
    #[arg(long, value_name = "LENGTH", default_value = "1d")]
    max_age: String,
    /// So many windows of the first feature for each label, of entities that no label is about
    #[arg(long, value_name = "N", default_value = "0")]
    negatives: u32,
    /// Another seed, other negatives
    #[arg(long, value_name = "N", default_value = "1")]
    seed: i64,
}

impl Made {
    pub fn plan(&self, plan: &Plan) -> anyhow::Result<TrainingPlan> {
        let label = match self.label_type {
            LabelType::Int64 => Type::Int64,
            LabelType::Float64 => Type::Float64,
            LabelType::Bool => Type::Bool,
            LabelType::String => Type::String,
        };
        let max_age = Micros::parse(&self.max_age).filter(|age| age.0 > 0);
        let Some(max_age) = max_age else {
            bail!("`{}` is not a length of time\nhelp: write 12h, 7d, 30m", self.max_age);
        };
        if plan.features.is_empty() {
            bail!(
                "the project has no features, and training rows are made of them\nhelp: write one: features/NAME.yaml"
            );
        }
        if self.features.is_empty() {
            let names: Vec<&str> = plan.features.iter().map(|feature| feature.name.as_str()).collect();
            bail!("of which features?\nhelp: --features {}", names.join(","));
        }
        Ok(TrainingPlan::new(plan, &self.features, label, max_age, self.negatives, self.seed)?)
    }
}

/// A file has an extension.
const BIGQUERY: &str = "bigquery";

#[derive(Debug, Args)]
pub struct MakeTraining {
    /// CSV, JSON lines or Parquet, by its extension: the key columns, `label_time` and `label`
    #[arg(long, value_name = "FILE")]
    labels: String,
    #[command(flatten)]
    made: Made,
    #[command(flatten)]
    inputs: InputsOrHistory,
    /// Where the rows go: Parquet, CSV or JSON lines, by its extension; or `bigquery`, where they are made from the
    /// features' tables that `backfill --target bigquery` filled
    #[arg(long, value_name = "FILE|bigquery")]
    out: String,
    #[command(flatten)]
    place: WarehousePlace,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

impl MakeTraining {
    pub fn run(self) -> anyhow::Result<Exit> {
        let opened = open_valid(self.project.as_deref())?;
        let training = self.made.plan(&opened.plan)?;
        if self.out == BIGQUERY {
            return self.in_warehouse(&opened, &training);
        }
        if self.place.given() {
            bail!("a dataset is named, and rows go to a file\nhelp: --out bigquery");
        }
        check_local(&self.out)?;
        let format = format_of(&self.out, "")?;
        let read = read_labels(&self.labels, Some(&self.out), &training)?;
        let mut all: Vec<Label> = read.iter().flat_map(|rows| labels(&training, rows)).collect();
        let plan = opened.plan.clone();
        let shown: Vec<String> = training.features.iter().map(|index| plan.features[*index].name.clone()).collect();
        let flows = self.flows(opened, &shown)?;
        let given = all.len();
        if let Some(negatives) = Negatives::new(&plan, &training, &all) {
            if flows.once() {
                bail!("negatives take two passes, and a stream has one\nhelp: write the records to a file first");
            }
            let first = vec![negatives.feature().to_owned()];
            let (mut negatives, whole) = flows.windows(&first, negatives)?;
            if !whole {
                return Ok(Exit::Interrupted);
            }
            all.extend(negatives.finish());
        }
        let sampled = all.len() - given;
        let state = Training::new(&plan, &training, all);
        let (mut state, whole) = flows.windows(&shown, state)?;
        if !whole {
            say("nothing is written: labels would lack what was not read\n");
            return Ok(Exit::Interrupted);
        }
        state.finish();
        let (counts, rows) = (state.counts(), state.rows()?);
        let mut out = wire::whole_writer(&self.out, schema(&plan, &training), format)?;
        out.write(&rows)?;
        out.finish()?;
        self.tell(given as u64, sampled as u64, &counts);
        Ok(Exit::Fine)
    }

    /// What was made, and what is missing of it.
    fn tell(&self, given: u64, sampled: u64, known: &[KnownOf]) {
        let rows = given + sampled;
        say(&format!("{rows} training rows: {given} labels and {sampled} sampled negatives\n"));
        let mut unknown = Vec::new();
        for KnownOf { feature, rows: count, labels } in known {
            say(&format!("  {feature:<24} known for {count} of {rows}\n"));
            if *labels == 0 {
                unknown.push(feature.as_str());
            }
        }
        let wanted = given.saturating_mul(self.made.negatives.into());
        if sampled < wanted {
            note(&format!(
                "{wanted} negatives were asked for, and there are {sampled} windows of entities that no label is about"
            ));
        }
        if !unknown.is_empty() {
            note(&format!(
                "no label has anything of {}\nhelp: keys are compared as they are written; `label_time` is after a \
                 window's end, by at most --max-age ({})",
                unknown.join(", "),
                self.made.max_age
            ));
        }
    }

    /// Over the tables that are there: no flow is read here.
    fn in_warehouse(&self, opened: &Opened, training: &TrainingPlan) -> anyhow::Result<Exit> {
        if self.inputs.given() {
            bail!(
                "with `--out {BIGQUERY}` rows are made from the features' tables there, and nothing else is read\n\
                 help: leave out --input and --history; `tripline backfill --target bigquery` fills the tables"
            );
        }
        check_all_names(&opened.plan)?;
        let rows = read_labels(&self.labels, None, training)?;
        let (dataset, service) = self.place.open(&opened.project.config.warehouse)?;
        let made = make(&opened.plan, training, &rows, service.as_ref(), stop_flag()?.as_ref())?;
        let given = made.rows.saturating_sub(made.sampled);
        // The service does not tell labels from negatives here.
        let known = |(feature, rows): &(String, u64)| KnownOf { feature: feature.clone(), rows: *rows, labels: *rows };
        self.tell(given, made.sampled, &made.known.iter().map(known).collect::<Vec<_>>());
        say(&format!("in {}:{}.training; the labels are in {LABELS}\n", dataset.project, dataset.dataset));
        Ok(Exit::Fine)
    }

    fn flows(&self, opened: Opened, shown: &[String]) -> anyhow::Result<Flows> {
        if let Some(past) = self.inputs.past(&opened.plan, &opened.generation)? {
            check_outputs(&[self.out.as_str()], &[])?;
            return Ok(Flows::Past(Box::new(past)));
        }
        let mut plan = opened.plan;
        plan.evidence_rows = 0;
        plan.keep_rules(&|_| false, &shown.iter().map(String::as_str).collect::<Vec<_>>());
        let options = RunOptions {
            spill: Some(wire::spill()),
            live: None,
            threads: default_threads(),
            generation: opened.generation,
            fault: None,
            watch: None,
            history: None,
            inputs: self.inputs.open(&plan)?,
        };
        let sources: Vec<Arc<dyn Input>> = options.inputs.iter().map(|(_, input)| Arc::clone(input)).collect();
        check_outputs(&[self.out.as_str()], &sources)?;
        Ok(Flows::Inputs { plan: Box::new(plan), options, sources })
    }
}

/// Where windows are computed from.
enum Flows {
    Inputs { plan: Box<Plan>, options: RunOptions, sources: Vec<Arc<dyn Input>> },
    Past(Box<Past>),
}

impl Flows {
    /// Can they be read only once?
    fn once(&self) -> bool {
        match self {
            Self::Inputs { sources, .. } => sources.iter().any(|input| input.size_bytes().is_none()),
            Self::Past(_) => false,
        }
    }

    /// One pass, whose windows go to `to`; and whether all of them have come.
    fn windows<W: Windows + 'static>(&self, features: &[String], to: W) -> anyhow::Result<(W, bool)> {
        let to = Rc::new(RefCell::new(to));
        let whole = match self {
            Self::Inputs { plan, options, sources } => over_inputs(plan, options, sources, features, &to)?,
            Self::Past(past) => {
                let tap = |name: &String| (name.clone(), tap(name, &to));
                let report = past.rows(features.iter().map(tap).collect(), &[], stop_flag()?.as_ref())?;
                tell_origins(past, &report);
                !report.stopped
            }
        };
        let Ok(to) = Rc::try_unwrap(to) else { bail!("a tap outlived its run; this is a defect of the program") };
        Ok((to.into_inner(), whole))
    }
}

fn tap<W: Windows + 'static>(feature: &str, to: &Rc<RefCell<W>>) -> Box<dyn RowWriter> {
    Box::new(WindowsTap { feature: feature.to_owned(), to: Rc::clone(to) })
}

fn over_inputs<W: Windows + 'static>(
    plan: &Plan,
    options: &RunOptions,
    sources: &[Arc<dyn Input>],
    features: &[String],
    to: &Rc<RefCell<W>>,
) -> anyhow::Result<bool> {
    let open = |path: &str, _: SchemaRef| -> io::Result<Box<dyn RowWriter>> { Ok(tap(path, to)) };
    let taps: Vec<(String, String)> = features.iter().map(|name| (name.clone(), name.clone())).collect();
    let mut outlets = Outlets::new(plan, &taps, None, &open)?;
    let bar = RunBar::new(sources);
    let stop = stop_flag()?;
    let report = run(plan, options, &mut outlets, &bar, &stop);
    bar.clear();
    let report = report?;
    note_uncomputed(&report.row_errors, report.ledger.saturated);
    note_evicted(&report.ledger.evicted_keys);
    report.verify().context("rows were lost; this is a defect of the program")?;
    Ok(!report.interrupted)
}
