//! `tripline training`: labels, each beside what features said of its entity before its time.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use datafusion::arrow::datatypes::SchemaRef;

use crate::pipeline::ingest::{Reader, ReaderOptions};
use crate::plan::{LABEL, LABEL_TIME, Plan, TrainingPlan};
use crate::port::{Input, RowWriter};
use crate::record::{Column, Decode, Format, Micros, RawField, RawSchema, Type, Value};
use crate::runtime::outlet::Outlets;
use crate::runtime::past::Past;
use crate::runtime::run::{RunOptions, run};
use crate::runtime::training::{Label, Negatives, Training, Windows, WindowsTap, labels, schema};

use super::exit::Exit;
use super::history::tell_origins;
use super::inputs::InputsOrHistory;
use super::place::check_outputs;
use super::project::{Opened, open_valid};
use super::run::default_threads;
use super::say::say;
use super::stop::stop_flag;
use super::summary::RunBar;
use super::wire;

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
        if self.features.is_empty() {
            let names: Vec<&str> = plan.features.iter().map(|feature| feature.name.as_str()).collect();
            bail!("of which features?\nhelp: --features {}", names.join(","));
        }
        Ok(TrainingPlan::new(plan, &self.features, label, max_age, self.negatives, self.seed)?)
    }
}

#[derive(Debug, Args)]
pub struct MakeTraining {
    /// CSV, JSON lines or Parquet, by its extension: the key columns, `label_time` and `label`
    #[arg(long, value_name = "FILE")]
    labels: String,
    #[command(flatten)]
    made: Made,
    #[command(flatten)]
    inputs: InputsOrHistory,
    /// Where the rows go: Parquet, CSV or JSON lines, by its extension
    #[arg(long, value_name = "FILE")]
    out: String,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

impl MakeTraining {
    pub fn run(self) -> anyhow::Result<Exit> {
        let opened = open_valid(self.project.as_deref())?;
        let training = self.made.plan(&opened.plan)?;
        let mut all = self.read_labels(&training)?;
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
        let mut out = wire::row_writer_by_extension(&self.out, schema(&plan, &training))?;
        out.write(&rows)?;
        out.finish()?;
        say(&format!("{} training rows: {given} labels and {sampled} sampled negatives\n", given + sampled));
        for (feature, count) in counts {
            say(&format!("  {feature:<24} known for {count} of {}\n", given + sampled));
        }
        Ok(Exit::Fine)
    }

    fn flows(&self, opened: Opened, shown: &[String]) -> anyhow::Result<Flows> {
        if let Some(past) = self.inputs.past(&opened.plan, &opened.generation)? {
            check_outputs(&[self.out.as_str()], &[])?;
            return Ok(Flows::Past(Box::new(past)));
        }
        let mut plan = opened.plan;
        plan.rules.clear();
        plan.evidence_rows = 0;
        plan.show(&shown.iter().map(String::as_str).collect::<Vec<_>>());
        let options = RunOptions {
            live: None,
            threads: default_threads(),
            generation: opened.generation,
            fault: None,
            inputs: self.inputs.open(&plan)?,
        };
        let sources: Vec<Arc<dyn Input>> = options.inputs.iter().map(|(_, input)| Arc::clone(input)).collect();
        check_outputs(&[self.out.as_str()], &sources)?;
        Ok(Flows::Inputs { plan: Box::new(plan), options, sources })
    }

    /// Every label has to be understood: a lost one would be a wrong set.
    fn read_labels(&self, training: &TrainingPlan) -> anyhow::Result<Vec<Label>> {
        let inputs = wire::inputs(std::slice::from_ref(&self.labels))?;
        check_outputs(&[self.out.as_str()], &inputs)?;
        let extension = self.labels.trim_end_matches(".gz").trim_end_matches(".zst");
        let format = match Path::new(extension).extension().and_then(|extension| extension.to_str()) {
            Some("parquet") => Format::Parquet,
            Some("json" | "jsonl" | "ndjson") => Format::Json,
            _ => Format::Csv,
        };
        let field = |column: &Column| RawField {
            name: column.name.clone(),
            fields: vec![column.name.clone()],
            ty: column.ty,
            decode: if column.ty == Type::Timestamp { Decode::TimeAuto } else { Decode::Plain },
            required: column.name == LABEL_TIME || column.name == LABEL,
            wanted: true,
        };
        let columns = training.label_columns();
        let schema = Arc::new(RawSchema { format, fields: columns.iter().map(field).collect() });
        let mut all = Vec::new();
        for input in inputs {
            let name = input.name();
            let mut reader = Reader::open(input, Arc::clone(&schema), &ReaderOptions::default())
                .with_context(|| format!("cannot read {name}"))?;
            while let Some(batch) = reader.next_batch().with_context(|| format!("cannot read {name}"))? {
                if let Some(reject) = batch.rejects.first() {
                    bail!(
                        "{name}:{}: {}\nhelp: labels have {}; `--label-type` says what `{LABEL}` is",
                        reject.origin.line,
                        reject.detail,
                        names(&columns)
                    );
                }
                all.extend(labels(training, &batch.rows));
            }
        }
        if all.is_empty() {
            bail!("{} holds no label\nhelp: each is a line with {}", self.labels, names(&columns));
        }
        // A column under another name would make every entity unknown.
        let empty = |place: usize| all.iter().all(|label| label.key.get(place).is_none_or(Value::is_null));
        if let Some(column) = (0..training.key.len()).find(|place| empty(*place)).map(|place| &training.key[place]) {
            bail!(
                "no label of {} has a value of `{}`\nhelp: labels have {}",
                self.labels,
                column.name,
                names(&columns)
            );
        }
        Ok(all)
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
    report.verify().context("rows were lost; this is a defect of the program")?;
    Ok(!report.interrupted)
}

/// `src_ip STRING, label_time TIMESTAMP`.
fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| format!("{} {}", column.name, column.ty)).collect::<Vec<_>>().join(", ")
}
