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
use crate::record::{Column, Decode, Format, Micros, RawField, RawSchema, Type};
use crate::runtime::outlet::Outlets;
use crate::runtime::report::RunReport;
use crate::runtime::run::{RunOptions, run};
use crate::runtime::training::{Label, Negatives, Training, Windows, WindowsTap, labels, schema};

use super::exit::Exit;
use super::inputs::Inputs;
use super::place::check_outputs;
use super::project::open_valid;
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
    inputs: Inputs,
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
        let mut plan = opened.plan;
        let training = self.made.plan(&plan)?;
        let mut all = self.read_labels(&training)?;
        plan.rules.clear();
        plan.evidence_rows = 0;
        let shown: Vec<String> = training.features.iter().map(|index| plan.features[*index].name.clone()).collect();
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
        let given = all.len();
        if let Some(negatives) = Negatives::new(&plan, &training, &all) {
            if sources.iter().any(|input| input.size_bytes().is_none()) {
                bail!("negatives take two passes, and a stream has one\nhelp: write the records to a file first");
            }
            let first = vec![negatives.feature().to_owned()];
            let (mut negatives, report) = windows(&plan, &options, &sources, &first, negatives)?;
            if report.interrupted {
                return Ok(Exit::Interrupted);
            }
            all.extend(negatives.finish());
        }
        let sampled = all.len() - given;
        let state = Training::new(&plan, &training, all);
        let (mut state, report) = windows(&plan, &options, &sources, &shown, state)?;
        if report.interrupted {
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

    /// Every label has to be understood: a lost one would be a wrong set.
    fn read_labels(&self, training: &TrainingPlan) -> anyhow::Result<Vec<Label>> {
        let inputs = wire::inputs(std::slice::from_ref(&self.labels))?;
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
                    let names: Vec<String> = columns.iter().map(|c| format!("{} {}", c.name, c.ty)).collect();
                    bail!(
                        "{name}:{}: {}\nhelp: labels have {}; `--label-type` says what `{LABEL}` is",
                        reject.origin.line,
                        reject.detail,
                        names.join(", ")
                    );
                }
                all.extend(labels(training, &batch.rows));
            }
        }
        if all.is_empty() {
            bail!("{} holds no label", self.labels);
        }
        Ok(all)
    }
}

/// One pass over the inputs, whose windows go to `to`.
fn windows<W: Windows + 'static>(
    plan: &Plan,
    options: &RunOptions,
    sources: &[Arc<dyn Input>],
    features: &[String],
    to: W,
) -> anyhow::Result<(W, RunReport)> {
    let to = Rc::new(RefCell::new(to));
    let open = |path: &str, _: SchemaRef| -> io::Result<Box<dyn RowWriter>> {
        Ok(Box::new(WindowsTap { feature: path.to_owned(), to: Rc::clone(&to) }))
    };
    let taps: Vec<(String, String)> = features.iter().map(|name| (name.clone(), name.clone())).collect();
    let mut outlets = Outlets::new(plan, &taps, None, &open)?;
    let bar = RunBar::new(sources);
    let stop = stop_flag()?;
    let report = run(plan, options, &mut outlets, &bar, &stop);
    bar.clear();
    drop(outlets);
    let report = report?;
    report.verify().context("rows were lost; this is a defect of the program")?;
    let Ok(to) = Rc::try_unwrap(to) else { bail!("a tap outlived its run; this is a defect of the program") };
    Ok((to.into_inner(), report))
}
