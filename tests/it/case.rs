//! Whole runs as data: `tests/case/*.txt` holds a project, inputs, and what must come out.
//!
//! A file has sections that begin with `--- NAME`: the project's files by path, `use PATH` for a file of this
//! repository's own project, `use PATH as PATH` for one that gets another name there, `input NAME SOURCE` with records, `expect RELATION` with one JSON object a row,
//! `expect alerts`, and `expect summary`. An expected object names the fields that matter; every row has to be expected
//! by one of them. What stands before the first section is for readers. Each case also runs with its records dealt out
//! to two files when nothing in it is late: the split must not show. With a section `script` the inputs are live, and
//! their records come as it says ([`super::live`]).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use libtest_mimic::{Failed, Trial};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use tripline::adapter::local::{MemoryInput, MemoryTree, output};
use tripline::plan::{self, Plan};
use tripline::port::{Clock, Input};
use tripline::record::flow;
use tripline::runtime::outlet::{AlertFormat, Outlets};
use tripline::runtime::run::{Progress, RunOptions, run};

use super::TODAY;
use super::live::Script;

const FOLDER: &str = "tests/case";

pub fn cases() -> Vec<Trial> {
    let mut trials = vec![Trial::test("case::a_wrong_expectation_is_noticed", wrong_is_noticed)];
    let Ok(entries) = fs::read_dir(FOLDER) else { return trials };
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        trials.push(Trial::test(format!("case::{name}"), move || {
            let text = fs::read_to_string(&path)?;
            whole(&Case::parse(&text)?)
        }));
    }
    trials
}

/// One file.
struct Case {
    tree: MemoryTree,
    /// (name, source, records)
    inputs: Vec<(String, String, String)>,
    /// By relation, `alerts` and `summary` among them.
    expected: BTreeMap<String, Vec<Value>>,
    script: Option<Script>,
}

impl Case {
    fn parse(text: &str) -> Result<Self, Failed> {
        let mut case =
            Self { tree: MemoryTree::default(), inputs: Vec::new(), expected: BTreeMap::new(), script: None };
        for section in format!("\n{text}").split("\n--- ").skip(1) {
            let (head, body) = section.split_once('\n').unwrap_or((section, ""));
            let words: Vec<&str> = head.split_whitespace().collect();
            match words.as_slice() {
                ["input", name, source] => {
                    case.inputs.push(((*name).to_owned(), (*source).to_owned(), format!("{body}\n")));
                }
                ["expect", relation] => {
                    let rows = body.lines().filter(|line| !line.trim().is_empty());
                    let rows: Result<Vec<Value>, _> = rows.map(serde_json::from_str).collect();
                    let rows = rows.map_err(|error| format!("expect {relation}: {error}"))?;
                    case.expected.insert((*relation).to_owned(), rows);
                }
                ["use", path] => {
                    case.tree = case.tree.with_bytes(*path, file(path)?);
                }
                ["use", path, "as", name] => case.tree = case.tree.with_bytes(*name, file(path)?),
                ["script"] => case.script = Some(Script::parse(body)?),
                [path] => case.tree = case.tree.with(*path, format!("{body}\n")),
                _ => return Err(format!("unknown section `{head}`").into()),
            }
        }
        Ok(case)
    }
}

fn file(path: &str) -> Result<Vec<u8>, Failed> {
    fs::read(path).map_err(|error| format!("use {path}: {error}").into())
}

/// What a run gave: rows by relation, alerts and summary among them.
type Outcome = BTreeMap<String, Vec<Value>>;

fn whole(case: &Case) -> Result<(), Failed> {
    let plan = resolve(case)?;
    let outcome = play(&plan, case, &case.inputs)?;
    compare(case, &outcome)?;
    let late = |field: &str| outcome["summary"][0].pointer(field).and_then(Value::as_u64).unwrap_or(0);
    if case.script.is_some() {
        return Ok(());
    }
    if late("/rows/late") + late("/late_windows") + late("/rows/duplicate") > 0 {
        return Ok(());
    }
    let dealt: Vec<(String, String, String)> = case.inputs.iter().flat_map(deal).collect();
    let again = play(&plan, case, &dealt)?;
    for (relation, rows) in &outcome {
        if relation != "summary" && relation != "rejects" && sorted(rows) != sorted(&again[relation]) {
            return Err(format!("{relation} depends on how records are dealt to files").into());
        }
    }
    Ok(())
}

fn resolve(case: &Case) -> Result<Plan, Failed> {
    let loaded = tripline::definition::load(&case.tree);
    let resolved = plan::resolve(&loaded.project, TODAY);
    let found: Vec<_> = loaded.diagnostics.into_iter().chain(resolved.diagnostics).collect();
    let errors: Vec<_> =
        found.iter().filter(|d| d.severity == tripline::diagnostic::Severity::Error).map(|d| &d.message).collect();
    if errors.is_empty() { Ok(resolved.plan) } else { Err(format!("{errors:?}").into()) }
}

/// Every second record to another file. A CSV's or Zeek's header goes to both.
fn deal(input: &(String, String, String)) -> Vec<(String, String, String)> {
    let (name, source, text) = input;
    if !text.starts_with('{') {
        return vec![input.clone()];
    }
    let mut files = [String::new(), String::new()];
    for (index, line) in text.lines().enumerate() {
        files[index % 2].push_str(line);
        files[index % 2].push('\n');
    }
    let [a, b] = files;
    vec![(format!("{name}-a"), source.clone(), a), (format!("{name}-b"), source.clone(), b)]
}

struct Silent;

impl Progress for Silent {
    fn advanced(&self, _: u64, _: u64, _: u64) {}
}

fn play(plan: &Plan, case: &Case, inputs: &[(String, String, String)]) -> Result<Outcome, Failed> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str, ending: &str| folder.path().join(format!("{name}.{ending}")).display().to_string();
    let relations: Vec<&String> =
        case.expected.keys().filter(|name| !matches!(name.as_str(), "alerts" | "summary")).collect();
    let mut outcome = Outcome::new();
    for ending in ["jsonl", "parquet"] {
        let mut plan = plan.clone();
        plan.show(&relations.iter().map(|name| name.as_str()).collect::<Vec<_>>());
        let taps: Vec<(String, String)> = relations.iter().map(|name| ((*name).clone(), path(name, ending))).collect();
        let alerts = output::text_writer(&path("alerts", "jsonl"))?;
        let mut out = Outlets::new(&plan, &taps, Some((alerts, AlertFormat::Json)), &output::row_writer)?;
        let source = |name: &str| plan.sources.iter().position(|source| source.name == name).unwrap_or(0);
        let sources: Vec<usize> = inputs.iter().map(|(_, from, _)| source(from)).collect();
        let mut run = |inputs: Vec<Arc<dyn Input>>, live: Option<Arc<dyn Clock>>, stop: &AtomicBool| {
            let inputs = sources.iter().copied().zip(inputs).collect();
            let options = RunOptions {
                spill: None,
                inputs,
                live,
                threads: 2,
                generation: "test".to_owned(),
                fault: None,
                watch: None,
                history: None,
            };
            Ok::<_, Failed>(run(&plan, &options, &mut out, &Silent, stop)?)
        };
        let report = match &case.script {
            None => {
                let memory = |(name, _, text): &(String, String, String)| -> Arc<dyn Input> {
                    Arc::new(MemoryInput::new(name, text.clone().into_bytes()))
                };
                run(inputs.iter().map(memory).collect(), None, &AtomicBool::new(false))?
            }
            Some(script) => {
                let names: Vec<String> = inputs.iter().map(|(name, ..)| name.clone()).collect();
                let stage = script.stage(&names);
                let (inputs, stop) = (stage.inputs.clone(), Arc::clone(&stage.stop));
                let clock: Arc<dyn Clock> = Arc::clone(&stage.clock) as _;
                stage.play(script, || run(inputs, Some(clock), &stop))?
            }
        };
        report.verify()?;
        drop(out);
        for name in &relations {
            let rows = read(Path::new(&path(name, ending)))?;
            if let Some(lines) = outcome.insert((*name).clone(), rows.clone())
                && lines != rows
            {
                return Err(format!("{name}: Parquet differs from JSON lines").into());
            }
        }
        outcome.insert("alerts".to_owned(), read(Path::new(&path("alerts", "jsonl")))?);
        outcome.insert("summary".to_owned(), vec![report.json()]);
    }
    Ok(outcome)
}

fn read(path: &Path) -> Result<Vec<Value>, Failed> {
    if path.extension().is_some_and(|ending| ending == "parquet") {
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path)?)?.build()?;
        let mut text = Vec::new();
        let builder = datafusion::arrow::json::writer::WriterBuilder::new().with_explicit_nulls(true);
        let mut writer = builder.build::<_, datafusion::arrow::json::writer::LineDelimited>(&mut text);
        for batch in reader {
            writer.write(&batch?)?;
        }
        writer.finish()?;
        drop(writer);
        return lines(&String::from_utf8(text)?);
    }
    lines(&fs::read_to_string(path)?)
}

fn lines(text: &str) -> Result<Vec<Value>, Failed> {
    let rows: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    Ok(rows?)
}

fn sorted(rows: &[Value]) -> Vec<String> {
    // Where a record came from depends on the files, and so does the watermark before it.
    let mut texts: Vec<String> = rows.iter().map(|row| without_origin(row).to_string()).collect();
    texts.sort();
    texts
}

fn without_origin(row: &Value) -> Value {
    let mut row = row.clone();
    row.as_object_mut().map(|fields| fields.remove(flow::ADMIT_WATERMARK));
    if let Some(flows) = row.get_mut("evidence").and_then(Value::as_array_mut) {
        for flow in flows.iter_mut().filter_map(Value::as_object_mut) {
            flow.remove("origin");
        }
    }
    row
}

fn compare(case: &Case, outcome: &Outcome) -> Result<(), Failed> {
    let mut differences = String::new();
    for (relation, expected) in &case.expected {
        let mut left: Vec<&Value> = outcome[relation].iter().collect();
        for wanted in expected {
            match left.iter().position(|row| contains(row, wanted)) {
                Some(found) => drop(left.remove(found)),
                None => differences.push_str(&format!("{relation} has no {wanted}\n")),
            }
        }
        for row in left {
            differences.push_str(&format!("{relation} also has {row}\n"));
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.into()) }
}

/// Are all fields of `wanted` in `row`?
fn contains(row: &Value, wanted: &Value) -> bool {
    match (row, wanted) {
        (Value::Object(row), Value::Object(wanted)) => {
            wanted.iter().all(|(name, value)| row.get(name).is_some_and(|found| contains(found, value)))
        }
        (Value::Array(row), Value::Array(wanted)) => {
            row.len() == wanted.len() && row.iter().zip(wanted).all(|(row, wanted)| contains(row, wanted))
        }
        (row, wanted) => row == wanted,
    }
}

/// A case whose expectation is off by one fails.
fn wrong_is_noticed() -> Result<(), Failed> {
    let text = fs::read_to_string(Path::new(FOLDER).join("hopping.txt"))?;
    let wrong = text.replacen("\"flows\":2", "\"flows\":3", 1);
    if wrong == text {
        return Err("nothing to change in the case".into());
    }
    match whole(&Case::parse(&wrong)?) {
        Err(_) => Ok(()),
        Ok(()) => Err("a wrong expectation passes".into()),
    }
}
