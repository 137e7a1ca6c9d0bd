//! `tripline reconcile`: what a run wrote against what a history gives.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value as Json, json};

use crate::diagnostic::suggest;
use crate::plan::Plan;
use crate::port::Input;
use crate::record::alert::ALERTS;
use crate::record::{Day, flow};
use crate::runtime::outlet::{REJECTS, own_name, relations};
use crate::runtime::past::Past;
use crate::runtime::reconcile::compare::Kind;
use crate::runtime::reconcile::explain::{Cause, Finding};
use crate::runtime::reconcile::shape::Shape;
use crate::runtime::reconcile::{ReconcileReport, RelationReport, RunProject, reconcile};

use super::exit::Exit;
use super::history::{check_past, past, spans};
use super::inputs::once;
use super::project::open_valid;
use super::say::{note, say};
use super::stop::stop_flag;
use super::summary::Waiting;
use super::wire;

/// Rows of a relation that are shown.
const SHOWN: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct Reconcile {
    /// The folder of the history
    #[arg(long, value_name = "DIR")]
    history: PathBuf,
    /// What `run` wrote: RELATION=FILE of `--tap`, alerts=FILE of `--output`, or a folder of files named RELATION.jsonl or
    /// RELATION.parquet
    #[arg(long, required = true, value_name = "RELATION=FILE", num_args = 1..)]
    emitted: Vec<String>,
    /// The first day (default: the first of the history)
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The day after the last (default: behind the last on which a row of the history counts)
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Compares one key of so many, chosen by a hash of the key
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    sample: u64,
    /// The project as the run had it: explains what definitions and lookups have changed since
    #[arg(long, value_name = "DIR")]
    run_project: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

type EmittedInputs = Vec<(Arc<Shape>, Arc<dyn Input>)>;

impl Reconcile {
    pub fn run(self) -> anyhow::Result<Exit> {
        let opened = open_valid(self.project.as_deref())?;
        // What a row is said to be compared with is whole, however many keys there are.
        let plan = Plan { keys_max: usize::MAX, ..opened.plan.clone() };
        let past = past(&self.history, &plan, &opened.generation, self.from.as_deref(), self.to.as_deref())?;
        let emitted = self.inputs(&past.plan)?;
        let run = match &self.run_project {
            Some(folder) => {
                let run = open_valid(Some(folder))?;
                Some(RunProject { plan: run.plan, generation: run.generation })
            }
            None => None,
        };
        let waiting = Waiting::on(format!("computing {} to {}", past.from, Day(past.to.0 - 1)));
        let report = reconcile(&past, run.as_ref(), &emitted, self.sample, stop_flag()?.as_ref())?;
        drop(waiting);
        let Some(report) = report else {
            say("stopped, nothing is known\n");
            return Ok(Exit::Interrupted);
        };
        report.notes.iter().for_each(|text| note(text));
        let days = check_past(&past);
        match &days {
            Ok(without) if without.is_empty() => {}
            Ok(without) => note(&format!("no flows of the history count on {}", spans(without))),
            Err(none) => note(&none.to_string()),
        }
        let shown = match self.format {
            Format::Text => text(&report, &past),
            Format::Json => format!("{}\n", as_json(&report, &past)),
        };
        std::io::stdout().write_all(shown.as_bytes())?;
        if report.relations.iter().all(|relation| unexplained(relation).next().is_none()) {
            // Nothing was compared with nothing.
            return Ok(if days.is_ok() { Exit::Fine } else { Exit::Findings });
        }
        say(&help(&report));
        Ok(Exit::Findings)
    }

    fn inputs(&self, plan: &Plan) -> anyhow::Result<EmittedInputs> {
        let mut found = Vec::new();
        for named in &self.emitted {
            if let Some((relation, file)) = named.split_once('=') {
                let shape = shape(plan, relation)?;
                found.extend(wire::inputs(&[file.to_owned()])?.into_iter().map(|input| (Arc::clone(&shape), input)));
            } else if Path::new(named).is_dir() {
                found.extend(folder(plan, Path::new(named))?);
            } else {
                bail!("`--emitted {named}` names no relation\nhelp: write --emitted RELATION=FILE, or name a folder");
            }
        }
        let named = found.into_iter().map(|(shape, input): (Arc<Shape>, _)| (Named(shape), input)).collect();
        Ok(once(named).into_iter().map(|(Named(shape), input)| (shape, input)).collect())
    }
}

/// A relation by its name.
struct Named(Arc<Shape>);

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

fn folder(plan: &Plan, folder: &Path) -> anyhow::Result<EmittedInputs> {
    let mut found = Vec::new();
    let mut paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let known = path.is_file() && matches!(extension, "jsonl" | "json" | "parquet");
        let Some(shape) = Shape::of(plan, own_name(plan, stem)).filter(|_| known) else {
            note(&format!("{} is not of a relation, and is left out", path.display()));
            continue;
        };
        let shape = Arc::new(shape);
        let inputs = wire::inputs(&[path.display().to_string()])?;
        found.extend(inputs.into_iter().map(|input| (Arc::clone(&shape), input)));
    }
    if found.is_empty() {
        bail!("{} has no file of a relation\nhelp: name them RELATION.jsonl or RELATION.parquet", folder.display());
    }
    Ok(found)
}

fn shape(plan: &Plan, relation: &str) -> anyhow::Result<Arc<Shape>> {
    if relation == REJECTS {
        bail!("a history keeps no rejects\nhelp: `tripline ingest --rejects FILE` writes them");
    }
    let Some(shape) = Shape::of(plan, own_name(plan, relation)) else {
        let known: Vec<String> = relations(plan).into_iter().chain([ALERTS.to_owned()]).collect();
        let help = suggest(relation, known.iter().map(String::as_str)).map_or_else(
            || format!("the relations are {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        bail!("no relation `{relation}`\nhelp: {help}");
    };
    Ok(Arc::new(shape))
}

fn unexplained(relation: &RelationReport) -> impl Iterator<Item = &Finding> {
    relation.findings.iter().filter(|finding| !finding.cause.explains())
}

fn count(relation: &RelationReport, kind: Kind) -> usize {
    relation.findings.iter().filter(|finding| finding.difference.kind == kind).count()
}

/// Of the rows that are on both sides.
#[expect(clippy::cast_precision_loss, reason = "shown to people")]
fn rate(relation: &RelationReport, rows: u64) -> f64 {
    let both = relation.matched + count(relation, Kind::Different) as u64;
    if both == 0 { 0.0 } else { rows as f64 / both as f64 }
}

fn causes(relation: &RelationReport) -> BTreeMap<Cause, usize> {
    let mut causes = BTreeMap::new();
    for finding in &relation.findings {
        *causes.entry(finding.cause).or_insert(0) += 1;
    }
    causes
}

fn text(report: &ReconcileReport, past: &Past) -> String {
    let mut text = format!("{} to {}\n\n", past.from, Day(past.to.0 - 1));
    let heads = ["emitted", "computed", "same", "missing", "extra", "repeated", "different", "unexplained"];
    text.push_str(&format!("{:<24}", "relation"));
    heads.iter().for_each(|head| text.push_str(&format!(" {head:>11}")));
    text.push('\n');
    for relation in &report.relations {
        text.push_str(&format!("{:<24}", relation.shape.name));
        let kinds = [Kind::Missing, Kind::Extra, Kind::Repeated, Kind::Different].map(|kind| count(relation, kind));
        let sides = [relation.emitted, relation.computed, relation.matched];
        sides.iter().for_each(|rows| text.push_str(&format!(" {rows:>11}")));
        kinds.iter().for_each(|rows| text.push_str(&format!(" {rows:>11}")));
        text.push_str(&format!(" {:>11}\n", unexplained(relation).count()));
    }
    for relation in &report.relations {
        describe(relation, &mut text);
    }
    text
}

fn describe(relation: &RelationReport, text: &mut String) {
    let name = &relation.shape.name;
    if relation.outside > 0 {
        text.push_str(&format!("\n{name}: {} emitted rows are of other days\n", relation.outside));
    }
    if relation.findings.is_empty() {
        return;
    }
    let causes: Vec<String> = causes(relation).iter().map(|(cause, rows)| format!("{} {rows}", cause.name())).collect();
    text.push_str(&format!("\n{name}: {}\n", causes.join(", ")));
    for (column, stats) in relation.shape.columns.iter().zip(&relation.columns).filter(|(_, stats)| stats.rows > 0) {
        let percent = 100.0 * rate(relation, stats.rows);
        let largest = if stats.sized > 0 { format!(", largest {}", stats.largest) } else { String::new() };
        text.push_str(&format!("  column {} differs in {} rows, {percent:.3} %{largest}\n", column.name, stats.rows));
    }
    // One of each cause is enough of what is explained.
    let mut seen = Vec::new();
    for finding in relation.findings.iter().filter(|finding| finding.cause.explains()) {
        if !seen.contains(&finding.cause) {
            seen.push(finding.cause);
            shown(relation, finding, text);
        }
    }
    unexplained(relation).take(SHOWN).for_each(|finding| shown(relation, finding, text));
    let more = unexplained(relation).count().saturating_sub(SHOWN);
    if more > 0 {
        text.push_str(&format!("  and {more} more unexplained\n"));
    }
}

fn shown(relation: &RelationReport, finding: &Finding, text: &mut String) {
    let difference = &finding.difference;
    let key = relation.shape.key_shown(difference.row());
    text.push_str(&format!("  {}, {}: {key}\n", finding.cause.name(), difference.kind.name()));
    if !finding.event.is_empty() {
        text.push_str(&format!("    {}\n", finding.event));
    }
    if let (Some(emitted), Some(computed)) = (&difference.emitted, &difference.computed) {
        for column in &difference.columns {
            let name = &relation.shape.columns[*column].name;
            let (emitted, computed) = (emitted[*column].display(), computed[*column].display());
            text.push_str(&format!("    {name}: emitted {emitted}, computed {computed}\n"));
        }
    }
}

fn as_json(report: &ReconcileReport, past: &Past) -> Json {
    let relations: Vec<Json> = report.relations.iter().map(relation_json).collect();
    let unexplained: usize = report.relations.iter().map(|relation| unexplained(relation).count()).sum();
    json!({
        "from": past.from.to_string(),
        "to": past.to.to_string(),
        "generation": past.generation,
        "unexplained": unexplained,
        "relations": relations,
        "notes": report.notes,
    })
}

fn relation_json(relation: &RelationReport) -> Json {
    let causes: Map<String, Json> =
        causes(relation).into_iter().map(|(cause, rows)| (cause.name().to_owned(), rows.into())).collect();
    let columns = relation.shape.columns.iter().zip(&relation.columns).filter(|(_, stats)| stats.rows > 0);
    let columns = columns.map(|(column, stats)| {
        let largest = (stats.sized > 0).then_some(stats.largest);
        json!({"column": column.name, "rows": stats.rows, "rate": rate(relation, stats.rows), "largest": largest})
    });
    let rows = unexplained(relation).take(SHOWN).map(|finding| {
        let difference = &finding.difference;
        let columns = difference.columns.iter().map(|column| {
            let value = |row: &Option<Vec<crate::record::Value>>| row.as_ref().map(|row| row[*column].json());
            let name = &relation.shape.columns[*column].name;
            json!({"column": name, "emitted": value(&difference.emitted), "computed": value(&difference.computed)})
        });
        json!({
            "kind": difference.kind.name(),
            "cause": finding.cause.name(),
            "event": finding.event,
            "key": relation.shape.key_shown(difference.row()),
            "columns": columns.collect::<Vec<_>>(),
        })
    });
    json!({
        "relation": relation.shape.name,
        "emitted": relation.emitted,
        "outside": relation.outside,
        "computed": relation.computed,
        "same": relation.matched,
        "missing": count(relation, Kind::Missing),
        "extra": count(relation, Kind::Extra),
        "repeated": count(relation, Kind::Repeated),
        "different": count(relation, Kind::Different),
        "unexplained": unexplained(relation).count(),
        "causes": causes,
        "columns": columns.collect::<Vec<_>>(),
        "rows": rows.collect::<Vec<_>>(),
    })
}

fn help(report: &ReconcileReport) -> String {
    let mut help = Vec::new();
    let has = |cause: Cause| report.relations.iter().flat_map(unexplained).any(|finding| finding.cause == cause);
    if has(Cause::LostFlow) {
        help.push(
            "the history lacks flows of the run: `tripline ingest` of its inputs, `--rejects FILE` shows rejects",
        );
    }
    if has(Cause::UnseenFlow) {
        help.push("the history has flows that the run did not read: compare the inputs of both");
    }
    if has(Cause::Repeated) {
        help.push("rows were emitted twice: are two runs in one file?");
    }
    if has(Cause::Unknown) {
        let tapped = |name: &str| report.relations.iter().any(|relation| relation.shape.name == name);
        help.push(if tapped(flow::FLOWS) && tapped(flow::LATE) {
            "no flow and no fingerprint accounts for the unknown: `--run-project DIR` tells what definitions and lookups have \
             changed since; were files changed after the run?"
        } else {
            "`run --tap flows=FILE --tap late=FILE` writes what the run had read; with both more can be explained"
        });
    }
    let mut text = "rows differ, and nothing explains it\n".to_owned();
    help.iter().for_each(|line| text.push_str(&format!("help: {line}\n")));
    text
}
