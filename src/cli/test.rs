//! `tripline test`.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use anyhow::bail;
use clap::{Args, ValueEnum};

use crate::definition::model::{Case, Rule};
use crate::diagnostic::{Diagnostic, SourceFiles, render_text, suggest};
use crate::plan::ResolveOptions;
use crate::runtime::case::{CaseReport, CaseRunError, Failure, run_case};

use super::exit::Exit;
use super::near::{describe_near, fields, written};
use super::place::check_local;
use super::project::{Judged, Opened, valid};
use super::wire;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Junit,
}

#[derive(Debug, Args)]
pub struct Test {
    /// Rules to test (default: all)
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    #[command(flatten)]
    judged: Judged,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Also writes JUnit XML here
    #[arg(long, value_name = "FILE")]
    junit: Option<String>,
}

type Outcome = Result<CaseReport, CaseRunError>;

impl Test {
    pub fn run(self) -> anyhow::Result<Exit> {
        let opened = valid(self.judged.tree()?.as_ref())?;
        let rules = chosen(&opened, &self.rules)?;
        let options = ResolveOptions { as_of: wire::clock().now() };
        let mut outcomes: Vec<(&Rule, &Case, Outcome)> = Vec::new();
        let mut untested = Vec::new();
        for rule in rules {
            if rule.tests.is_empty() {
                untested.push(rule.name.as_str());
            }
            for case in &rule.tests {
                let outcome = run_case(&opened.project, rule, case, options);
                if self.format == Format::Text {
                    print_outcome(&opened.files, rule, case, &outcome)?;
                }
                outcomes.push((rule, case, outcome));
            }
        }
        let failed = outcomes.iter().filter(|(_, _, outcome)| !passed(outcome)).count();
        if let Some(path) = &self.junit {
            check_local(path)?;
            let mut file = wire::text_writer(path)?;
            write!(file, "{}", junit(&opened.files, &outcomes))?;
            file.flush()?;
        }
        let mut out = std::io::stdout().lock();
        match self.format {
            Format::Junit => write!(out, "{}", junit(&opened.files, &outcomes))?,
            Format::Json => writeln!(out, "{:#}", json(&opened.files, &outcomes))?,
            Format::Text => {
                for rule in &untested {
                    writeln!(out, "note: rule {rule} has no tests")?;
                }
                writeln!(out, "{} passed, {failed} failed", outcomes.len() - failed)?;
            }
        }
        Ok(if failed > 0 { Exit::Findings } else { Exit::Fine })
    }
}

/// Rules that a message lists at most.
const RULES_LISTED_MAX: usize = 24;

fn chosen<'a>(opened: &'a Opened, names: &[String]) -> anyhow::Result<Vec<&'a Rule>> {
    let rules = &opened.project.rules;
    if names.is_empty() {
        return Ok(rules.iter().collect());
    }
    let mut chosen = Vec::new();
    for name in names {
        let Some(rule) = rules.iter().find(|rule| rule.name.text == *name) else {
            let near = suggest(name, rules.iter().map(|rule| rule.name.as_str()));
            let help = near.map_or_else(
                || {
                    let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).take(RULES_LISTED_MAX).collect();
                    format!("the rules are {}{}", names.join(", "), if rules.len() > names.len() { ", …" } else { "" })
                },
                |near| format!("did you mean `{near}`?"),
            );
            bail!("no rule `{name}`\nhelp: {help}");
        };
        chosen.push(rule);
    }
    Ok(chosen)
}

fn passed(outcome: &Outcome) -> bool {
    outcome.as_ref().is_ok_and(|report| report.failures.is_empty())
}

fn print_outcome(files: &SourceFiles, rule: &Rule, case: &Case, outcome: &Outcome) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let (line, _) = files.line_column(case.span.file, case.span.start);
    let word = if passed(outcome) { "ok  " } else { "FAIL" };
    let orders = match outcome {
        Ok(report) if report.orders > 1 => format!(" ({} orders)", report.orders),
        _ => String::new(),
    };
    writeln!(out, "{word} {}: {}{orders}", rule.name.text, case.name.text)?;
    if !passed(outcome) {
        writeln!(out, "     at {}:{line}", files.path(case.span.file))?;
        write!(out, "{}", details(files, outcome, std::io::stdout().is_terminal()))?;
    }
    Ok(())
}

/// Expected against actual, side by side.
fn details(files: &SourceFiles, outcome: &Outcome, color: bool) -> String {
    match outcome {
        Ok(report) => report.failures.iter().map(|failure| describe(files, failure)).collect(),
        Err(CaseRunError::Case(error)) => {
            let mut findings = error.diagnostics.clone();
            if findings.is_empty() {
                findings.push(Diagnostic::error("test.invalid", error.span, error.message.clone()));
            }
            render_text(&findings, files, color)
        }
        Err(CaseRunError::Definition(diagnostics)) => render_text(diagnostics, files, color),
        Err(error) => format!("     {error}\n"),
    }
}

fn describe(files: &SourceFiles, failure: &Failure) -> String {
    let order = failure.seed.map(|seed| format!(" (order of arrival: seed {seed})")).unwrap_or_default();
    let mut text = format!("     {}{order}\n", failure.what);
    text.push_str(&format!("       expected  {}\n", failure.expected));
    text.push_str(&format!("       actual    {}\n", failure.actual));
    for note in &failure.notes {
        text.push_str(&format!("       note: {note}\n"));
    }
    if let Some(failed) = &failure.failed {
        text.push_str(&format!("       in        {}\n", written(files, failed.span)));
        text.push_str(&format!("       of        {}\n", fields(&failed.row)));
    }
    if let Some(near) = &failure.near {
        text.push_str(&describe_near(files, &near.what, &near.row));
    }
    text
}

fn json(files: &SourceFiles, outcomes: &[(&Rule, &Case, Outcome)]) -> serde_json::Value {
    let cases = outcomes.iter().map(|(rule, case, outcome)| {
        let (line, _) = files.line_column(case.span.file, case.span.start);
        serde_json::json!({
            "rule": rule.name.text,
            "test": case.name.text,
            "path": files.path(case.span.file),
            "line": line,
            "passed": passed(outcome),
            "details": if passed(outcome) { String::new() } else { details(files, outcome, false) },
        })
    });
    serde_json::Value::Array(cases.collect())
}

fn junit(files: &SourceFiles, outcomes: &[(&Rule, &Case, Outcome)]) -> String {
    let mut by_rule: BTreeMap<&str, Vec<(&Case, &Outcome)>> = BTreeMap::new();
    for (rule, case, outcome) in outcomes {
        by_rule.entry(rule.name.as_str()).or_default().push((case, outcome));
    }
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (rule, cases) in by_rule {
        let failures = cases.iter().filter(|(_, outcome)| !passed(outcome)).count();
        xml.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\">\n",
            escape(rule),
            cases.len()
        ));
        for (case, outcome) in cases {
            let seconds = outcome.as_ref().map_or(0.0, |report| report.elapsed.as_secs_f64());
            let name = escape(case.name.as_str());
            xml.push_str(&format!(
                "    <testcase classname=\"{}\" name=\"{name}\" time=\"{seconds:.3}\"",
                escape(rule)
            ));
            if passed(outcome) {
                xml.push_str("/>\n");
            } else {
                let text = escape(&details(files, outcome, false));
                xml.push_str(&format!(">\n      <failure message=\"failed\">{text}</failure>\n    </testcase>\n"));
            }
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}
