//! The documentation as tests: its commands are run, its tables are compared with the tables of the program.
//!
//! In a `console` block a line `$ COMMAND` is run by bash, and the lines below it have to appear in what it prints, in
//! their order; `…` stands for anything, alone for any lines. A block ` ```yaml file=PATH ` is written to PATH.
//! `BLESS=1` writes generated tables anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value as Json, json};
use tripline::diagnostic::{FileId, Text};
use tripline::language::function::{AGGREGATES, Guard, Signature};
use tripline::language::{AggregateFunction, ExprKind, Scope, bind_expression, functions};
use tripline::record::{Column, Type, flow};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Between the outputs of two commands.
const MARK: &str = "@@@ next command @@@";
/// What a reader types in the clone, where the program is not yet built.
const BUILT: [(&str, &str); 2] = [("cargo run -- ", "tripline "), ("cargo run --release -- ", "tripline ")];
/// Commands that cannot be run from inside a test of the same build.
const NOT_RUN: [&str; 2] = ["cargo test", "cargo build"];

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("docs::readme", || commands("README.md")),
        Trial::test("docs::tutorial", || commands("docs/tutorial.md")),
        Trial::test("docs::recipes", || commands("docs/recipes.md")),
        Trial::test("docs::correlation", || commands("docs/correlation.md")),
        Trial::test("docs::operations", || commands("docs/operations.md")),
        Trial::test("docs::history", || commands("docs/history.md")),
        Trial::test("docs::bigquery", || commands("docs/bigquery.md")),
        Trial::test("docs::pack", || commands("docs/pack.md")),
        Trial::test("docs::reconcile", || commands("docs/reconcile.md")),
        Trial::test("docs::privacy", || commands("docs/privacy.md")),
        Trial::test("docs::training", || commands("docs/training.md")),
        Trial::test("docs::equivalence", || generated("docs/equivalence.md", &equivalence()?)),
        Trial::test("docs::language", || generated("docs/language.md", &language())),
        Trial::test("docs::completion", completion),
        Trial::test("docs::flows", || generated("docs/flows.md", &flows())),
        Trial::test("docs::hits", || generated("docs/correlation.md", &hits())),
        Trial::test("docs::definitions", || generated("docs/definitions.md", &definitions())),
        Trial::test("docs::links", links),
        Trial::test("docs::a_wrong_page_is_noticed", a_wrong_page_is_noticed),
    ]
}

/// What a page asks for, in order.
enum Step {
    File { path: String, text: String },
    Command { text: String, expected: Vec<String> },
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some((_, path)) = info.split_once("file=") {
            steps.push(Step::File { path: path.to_owned(), text: block.join("\n") + "\n" });
        }
        if info != "console" {
            continue;
        }
        for line in block {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(text), _) => steps.push(Step::Command { text: text.to_owned(), expected: Vec::new() }),
                (None, Some(Step::Command { expected, .. })) => expected.push(line.to_owned()),
                (None, _) => {}
            }
        }
    }
    steps
}

/// The page as one bash script; each command's output ends with the mark.
fn script(steps: &[Step]) -> String {
    let mut script = String::from("exec 2>&1\n");
    for step in steps {
        match step {
            Step::File { path, text } => script.push_str(&format!("cat > '{path}' <<'@END@'\n{text}@END@\n")),
            Step::Command { text, .. } => {
                let command = BUILT.iter().fold(text.clone(), |text, (typed, run)| text.replacen(typed, run, 1));
                if !NOT_RUN.contains(&command.trim()) {
                    script.push_str(&command);
                    script.push('\n');
                }
                script.push_str(&format!("echo; echo '{MARK}'\n"));
            }
        }
    }
    script
}

fn commands(page: &str) -> Result<(), Failed> {
    run_page(page, &fs::read_to_string(Path::new(ROOT).join(page))?)
}

fn run_page(name: &str, page: &str) -> Result<(), Failed> {
    let steps = steps(page);
    let clone = tempfile::tempdir()?;
    let program = Path::new(env!("CARGO_BIN_EXE_tripline"));
    let folder = program.parent().ok_or("the program has no folder")?;
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .args(["-c", &script(&steps)])
        .current_dir(clone.path())
        .env("PATH", path)
        .env("HOME", clone.path())
        .stdin(Stdio::null())
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut outputs = printed.split(MARK);
    for step in &steps {
        let Step::Command { text, expected } = step else { continue };
        let actual = outputs.next().ok_or_else(|| format!("{name}: `{text}` was not reached:\n{printed}"))?;
        if let Some(line) = missing(expected, actual) {
            return Err(format!("{name}: `{text}` does not print\n  {line}\nbut\n{actual}").into());
        }
    }
    Ok(())
}

/// The first expected line that does not come.
fn missing<'a>(expected: &'a [String], actual: &str) -> Option<&'a str> {
    let mut rest = actual.lines();
    let mut wanted = expected.iter().filter(|line| !line.trim().is_empty() && line.trim() != "…");
    wanted.find(|line| !rest.any(|actual| fits(line, actual))).map(String::as_str)
}

/// Does a line fit a pattern in which `…` is anything?
fn fits(pattern: &str, line: &str) -> bool {
    let (pattern, line) = (pattern.trim_end(), line.trim_end());
    let Some((first, rest_of_pattern)) = pattern.split_once('…') else { return pattern == line };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest_of_pattern.split('…').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The part of a page between its two `generated` comments is what the program's own tables say.
fn generated(page: &str, tables: &str) -> Result<(), Failed> {
    const START: &str = "<!-- generated: BLESS=1 cargo test --test it docs -->\n";
    const END: &str = "<!-- end of the generated part -->";
    let path = Path::new(ROOT).join(page);
    let text = fs::read_to_string(&path)?;
    let start = text.find(START).ok_or("no start of the generated part")? + START.len();
    let end = text.find(END).ok_or("no end of the generated part")?;
    let whole = format!("{}\n{tables}\n{}", &text[..start], &text[end..]);
    if whole == text {
        return Ok(());
    }
    if std::env::var_os("BLESS").is_some() {
        return Ok(fs::write(&path, whole)?);
    }
    let differs = text.lines().zip(whole.lines()).find(|(now, shall)| now != shall);
    Err(format!("{page} is not what the program says; BLESS=1 writes it. The first difference: {differs:#?}").into())
}

/// How often each function was judged: recorded answers, and random expressions.
fn equivalence() -> Result<String, Failed> {
    let read = |path: &str| -> Result<Json, Failed> {
        Ok(serde_json::from_str(&fs::read_to_string(Path::new(ROOT).join("tests/golden").join(path))?)?)
    };
    let (recorded, judged) = (read("functions.json")?, read("judged.json")?);
    let mut answers: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for case in recorded.as_array().into_iter().flatten() {
        let count = case["answers"].as_array().map_or(0, Vec::len);
        for name in named(case)? {
            let entry = answers.entry(name).or_default();
            *entry = (entry.0 + 1, entry.1 + count);
        }
    }
    let mut text = String::from(
        "| function | class | recorded: expressions, answers | random: expressions, rows | kinds of values |\n\
         |---|---|---|---|---|\n",
    );
    let mut unjudged = Vec::new();
    // What needs a key is judged with relations.
    for function in functions().iter().filter(|function| function.guard != Guard::ConstantKey) {
        let (expressions, rows) = answers.get(function.name).copied().unwrap_or_default();
        let random = &judged[function.name];
        let number = |key: &str| random[key].as_u64().unwrap_or(0);
        let kinds: Vec<&str> =
            random["kinds"].as_object().into_iter().flatten().map(|(kind, _)| kind.as_str()).collect();
        if expressions == 0 {
            unjudged.push(function.name);
        }
        text.push_str(&format!(
            "| `{}` | {} | {expressions}, {rows} | {}, {} | {} |\n",
            function.name.replace('|', "\\|"),
            function.class.name(),
            number("expressions"),
            number("rows"),
            kinds.join(", ")
        ));
    }
    if unjudged.is_empty() { Ok(text) } else { Err(format!("no recorded answer of {unjudged:?}").into()) }
}

/// The functions in a recorded expression, each once.
fn named(case: &Json) -> Result<BTreeSet<&'static str>, Failed> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let columns: Vec<Column> = case["columns"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|column| Some(Column::new(text(&column[0]), Type::from_name(column[1].as_str()?)?, true)))
        .collect();
    let sql = Text::verbatim(text(&case["expression"]), FileId(0), 0);
    let mut findings = Vec::new();
    let bound = bind_expression(&sql, &Scope::over("t", &columns), &mut findings);
    let bound = bound.ok_or_else(|| format!("{}: {findings:?}", sql.as_str()))?;
    let mut names = BTreeSet::new();
    bound.walk(&mut |part| {
        if let ExprKind::Call { function, .. } = &part.kind {
            names.insert(function.name);
        }
    });
    Ok(names)
}

fn language() -> String {
    let mut text = String::from("| form | types | NULL | against BigQuery | meaning |\n|---|---|---|---|---|\n");
    for function in functions() {
        let types: Vec<String> = function.signatures.iter().map(Signature::form).collect();
        let aliases = if function.aliases.is_empty() {
            String::new()
        } else {
            format!(" (also {})", function.aliases.iter().map(|a| format!("`{a}`")).collect::<Vec<_>>().join(", "))
        };
        text.push_str(&row(&[
            format!("`{}`{aliases}{}", function.form(), if function.is_own() { ", tripline's own" } else { "" }),
            types.join("; "),
            format!("{:?}", function.null).to_lowercase(),
            function.class.name().to_owned(),
            function.doc.to_owned(),
        ]));
    }
    text.push_str("\n## Aggregates\n\n| aggregate | takes | against BigQuery | meaning |\n|---|---|---|---|\n");
    for entry in AGGREGATES {
        let takes = if entry.function == AggregateFunction::CountStar { "" } else { entry.function.takes() };
        let class = entry.class.name().to_owned();
        text.push_str(&row(&[format!("`{}`", entry.form()), takes.to_owned(), class, entry.doc.to_owned()]));
    }
    text
}

/// What editors offer, from the same tables.
fn completion() -> Result<(), Failed> {
    let functions: Vec<Json> = functions()
        .iter()
        .map(|function| {
            let examples = function.examples.iter().map(|(sql, value)| json!({"sql": sql, "value": value}));
            json!({
                "name": function.name,
                "aliases": function.aliases,
                "form": function.form(),
                "signatures": function.signatures.iter().map(Signature::form).collect::<Vec<_>>(),
                "null": format!("{:?}", function.null).to_lowercase(),
                "against_bigquery": function.class.name(),
                "own": function.is_own(),
                "doc": function.doc,
                "examples": examples.collect::<Vec<_>>(),
            })
        })
        .collect();
    let aggregates: Vec<Json> = AGGREGATES
        .iter()
        .map(|entry| {
            let takes = if entry.function == AggregateFunction::CountStar { "" } else { entry.function.takes() };
            json!({
                "name": entry.name,
                "form": entry.form(),
                "takes": takes,
                "against_bigquery": entry.class.name(),
                "doc": entry.doc,
            })
        })
        .collect();
    let all = json!({"functions": functions, "aggregates": aggregates});
    let text = serde_json::to_string_pretty(&all)? + "\n";
    let path = Path::new(ROOT).join("docs/completion.json");
    if std::env::var_os("BLESS").is_some() {
        return Ok(fs::write(&path, text)?);
    }
    if fs::read_to_string(&path)? == text {
        return Ok(());
    }
    Err("docs/completion.json is not what the program says; BLESS=1 writes it".into())
}

fn flows() -> String {
    let mut text = String::from("| column | type | NULL | meaning |\n|---|---|---|---|\n");
    for column in flow::columns() {
        let null = if column.nullable { "may be" } else { "never" };
        let doc = flow::doc(&column.name).unwrap_or_default();
        let cells = [format!("`{}`", column.name), column.ty.name().to_owned(), null.to_owned(), doc.to_owned()];
        text.push_str(&row(&cells));
    }
    text
}

fn hits() -> String {
    let mut text = String::from("| column | type | NULL | meaning |\n|---|---|---|---|\n");
    for (column, meaning) in tripline::plan::hits::described() {
        let null = if column.nullable { "may be" } else { "never" };
        let cells = [format!("`{}`", column.name), column.ty.name().to_owned(), null.to_owned(), meaning.to_owned()];
        text.push_str(&row(&cells));
    }
    text
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

fn definitions() -> String {
    let mut text = String::new();
    for (name, schema) in tripline::definition::schemas() {
        let file = match name {
            "tripline" => "tripline.yaml",
            "source" => "sql/SOURCE/source.yaml",
            "lookup" => "sql/lookups/NAME.yaml",
            "feature" => "features/*.yaml",
            _ => "rules/*.yaml",
        };
        let about = schema["description"].as_str().unwrap_or_default();
        text.push_str(&format!("## `{file}`\n\n{about}\n\n| key | value | meaning |\n|---|---|---|\n"));
        keys("", &schema, &mut text);
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

/// A row for each key, then for the keys within it.
fn keys(above: &str, schema: &Json, text: &mut String) {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{above}{key}");
        let needed = if required.contains(&key.as_str()) { "**required**, " } else { "" };
        let about = value["description"].as_str().unwrap_or_default();
        text.push_str(&row(&[format!("`{path}`"), format!("{needed}{}", kind(value)), about.to_owned()]));
        within(&path, value, text);
    }
}

fn within(path: &str, value: &Json, text: &mut String) {
    if value.get("properties").is_some() {
        keys(&format!("{path}."), value, text);
    } else if let Some(items) = value.get("items") {
        within(&format!("{path}[]"), items, text);
    } else if let Some(each) = value.get("additionalProperties").filter(|each| each.is_object()) {
        within(&format!("{path}.NAME"), each, text);
    } else if let Some(forms) = value["anyOf"].as_array() {
        forms.iter().filter(|form| form["type"] == "object").for_each(|form| within(path, form, text));
    }
}

fn kind(value: &Json) -> String {
    if let Some(words) = value["enum"].as_array() {
        return words.iter().filter_map(Json::as_str).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ");
    }
    if let Some(forms) = value["anyOf"].as_array() {
        return forms.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    match &value["type"] {
        Json::String(one) if one == "array" => format!("list of {}", kind(&value["items"])),
        Json::String(one) if one == "object" => "mapping".to_owned(),
        Json::String(one) if one == "string" && value["pattern"].as_str().is_some_and(|p| p.contains("us|ms")) => {
            "length of time, such as `5m`".to_owned()
        }
        Json::String(one) if one == "string" && value["pattern"].as_str().is_some_and(|p| p.contains("{4}-")) => {
            "instant, such as `2026-01-05T09:00:00Z`".to_owned()
        }
        Json::String(one) if one == "string" && value["pattern"].as_str().is_some_and(|p| p.starts_with("^T")) => {
            "id, such as `T1046`".to_owned()
        }
        Json::String(one) if one == "string" && value.get("pattern").is_some() => "name".to_owned(),
        Json::String(one) => match (value["minimum"].as_i64(), value["maximum"].as_i64()) {
            (Some(min), Some(max)) => format!("{one}, {min} to {max}"),
            _ => one.clone(),
        },
        Json::Array(several) if several.contains(&"array".into()) => "value".to_owned(),
        _ => "text".to_owned(),
    }
}

/// Links between pages lead somewhere.
fn links() -> Result<(), Failed> {
    let mut pages = vec![PathBuf::from(ROOT).join("README.md")];
    pages.extend(fs::read_dir(Path::new(ROOT).join("docs"))?.flatten().map(|entry| entry.path()));
    for page in pages.iter().filter(|page| page.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(page)?;
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if target.contains("://") || file.is_empty() {
                continue;
            }
            if !page.parent().is_some_and(|folder| folder.join(file).exists()) {
                return Err(format!("{}: no `{target}`", page.display()).into());
            }
        }
    }
    Ok(())
}

/// These tests can fail.
fn a_wrong_page_is_noticed() -> Result<(), Failed> {
    let wrong = "```console\n$ tripline --version\ntripline 0.0.0-never\n```\n";
    let right = "```console\n$ tripline --version\ntripline …\n```\n";
    run_page("right", right)?;
    if run_page("wrong", wrong).is_ok() {
        return Err("a wrong output passed".into());
    }
    if !fits("a … c", "a b c")
        || fits("a … c", "a b")
        || fits("a", "ab")
        || !fits("a…", "ab")
        || !fits("{…b…}", "{a{b}c}")
    {
        return Err("patterns do not fit as they shall".into());
    }
    Ok(())
}
