//! `tripline explain`: what a code means, what a rule or feature reads and gives.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use crate::diagnostic::{codes, page, suggest};
use crate::plan::{FeaturePlan, JoinTarget, Plan, RulePlan};
use crate::record::Column;

use super::exit::Exit;
use super::project::open_valid;

#[derive(Debug, Args)]
pub struct Explain {
    /// A diagnostic code (`sql.unknown-column`), a rule or a feature; `codes` lists all codes
    name: String,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

impl Explain {
    pub fn run(self) -> anyhow::Result<Exit> {
        let mut out = std::io::stdout().lock();
        if self.name == "codes" {
            for code in codes() {
                writeln!(out, "{:<32} {}", code.code, code.summary)?;
            }
            return Ok(Exit::Fine);
        }
        if let Some(page) = page(&self.name) {
            write!(out, "{page}")?;
            return Ok(Exit::Fine);
        }
        let opened = open_valid(self.project.as_deref())?;
        let plan = &opened.plan;
        if let Some(rule) = plan.rules.iter().find(|rule| rule.name == self.name) {
            write!(out, "{}", explain_rule(plan, rule))?;
            return Ok(Exit::Fine);
        }
        if let Some(index) = plan.feature(&self.name) {
            write!(out, "{}", explain_feature(plan, &plan.features[index]))?;
            return Ok(Exit::Fine);
        }
        let all = codes();
        let names = all.iter().map(|code| code.code);
        let names = names.chain(plan.rules.iter().map(|r| r.name.as_str()));
        let names = names.chain(plan.features.iter().map(|f| f.name.as_str()));
        match suggest(&self.name, names) {
            Some(near) => bail!("neither a code nor a rule or feature: `{}`\nhelp: did you mean `{near}`?", self.name),
            None => bail!(
                "neither a code nor a rule or feature: `{}`\nhelp: `tripline explain codes` lists the codes",
                self.name
            ),
        }
    }
}

fn explain_rule(plan: &Plan, rule: &RulePlan) -> String {
    let mut text = format!("rule {}: {}\n", rule.name, rule.title);
    text.push_str(&format!(
        "  {} · {} · {} · fingerprint {}\n",
        rule.status.name(),
        rule.severity.name(),
        rule.attack.join(" "),
        rule.fingerprint
    ));
    text.push_str(&format!("  reads    {}\n", plan.relation_name(rule.upstream)));
    for join in &rule.joins {
        text.push_str(&format!("  joins    {} as {}\n", joined(plan, &join.target), join.alias));
    }
    for (name, value) in &rule.params {
        text.push_str(&format!("  @{name:<8} {}\n", value.display()));
    }
    text.push_str("  returns\n");
    text.push_str(&columns(&rule.columns));
    let key: Vec<&str> = rule.alert_key.iter().map(|i| rule.columns[*i].name.as_str()).collect();
    text.push_str(&format!("  alerts   one per ({}) while gaps are at most {}\n", key.join(", "), rule.merge_within));
    text
}

fn explain_feature(plan: &Plan, feature: &FeaturePlan) -> String {
    let mut text = format!("feature {}\n", feature.name);
    text.push_str(&format!("  reads    {}\n", plan.relation_name(feature.upstream)));
    for join in &feature.joins {
        text.push_str(&format!("  joins    {} as {}\n", joined(plan, &join.target), join.alias));
    }
    let window = feature.window;
    let panes = if window.every.0 > 0 { window.size.0 / window.every.0 } else { 1 };
    text.push_str(&format!("  window   {} every {} ({panes} panes)\n", window.size, window.every));
    text.push_str("  gives\n");
    text.push_str(&columns(&feature.columns));
    let readers: Vec<&str> = plan
        .rules
        .iter()
        .filter(|rule| plan.relation_name(rule.upstream) == feature.name)
        .map(|rule| rule.name.as_str())
        .collect();
    if !readers.is_empty() {
        text.push_str(&format!("  read by  {}\n", readers.join(", ")));
    }
    text
}

fn joined<'a>(plan: &'a Plan, target: &JoinTarget) -> &'a str {
    match target {
        JoinTarget::Feature { index, .. } => &plan.features[*index].name,
        JoinTarget::Lookup { index, .. } => &plan.lookups[*index].name,
    }
}

fn columns(columns: &[Column]) -> String {
    let lines = columns.iter().map(|column| {
        format!("    {:<24} {}{}\n", column.name, column.ty, if column.nullable { ", may be NULL" } else { "" })
    });
    lines.collect()
}
