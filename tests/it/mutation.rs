//! The tests of the pack's rules, judged: a rule that means something else has to turn one of them red.
//!
//! Each conjunct and each condition is replaced by TRUE, each threshold and each numeric parameter is doubled,
//! each comparison takes its edge in or leaves it out, each member of a list is left out: in the rules, and in
//! the features that they read. What no test notices is a survivor, and there may be none.
//! The edge of a FLOAT64 is left alone: no test should rest on it. Values of `missing` are left alone: in this
//! pack every row has its partner, they only say so to the check of NULLs.

use std::collections::BTreeSet;

use libtest_mimic::{Failed, Trial};
use tripline::adapter::local::{Folder, MemoryTree};
use tripline::definition::model::{AlertWhen, Feature, JoinTarget, Project, Rule};
use tripline::diagnostic::{Span, Text};
use tripline::language::{AggregateFunction, Expr, ExprKind, conjuncts};
use tripline::plan::{self, FeaturePlan, Plan};
use tripline::port::FileTree;
use tripline::record::{Type, Value};
use tripline::runtime::case::run_case;

use super::TODAY;

/// One change of meaning.
struct Mutant {
    /// What was changed, for the list of survivors.
    what: String,
    project: Project,
}

/// One trial for each rule and each feature of the pack, and one for the run itself.
pub fn cases() -> Vec<Trial> {
    let project = pack();
    let rules = project.rules.iter().map(|rule| rule.name.text.clone());
    let features = project.features.iter().map(|feature| feature.name.text.clone());
    // An input for models is judged by `tests/case`.
    let features = features.filter(|name| !readers(&project, name).is_empty());
    // A feature of sums and counts alone has nothing to change; a rule without anything is an error.
    let changeable = features.filter(|name| mutants(&project, name).is_ok_and(|mutants| !mutants.is_empty()));
    let names: Vec<String> = rules.chain(changeable).collect();
    let mut trials: Vec<Trial> =
        names.into_iter().map(|name| Trial::test(format!("mutation::{name}"), move || none_survives(&name))).collect();
    trials.push(Trial::test("mutation::a_useless_conjunct_survives", a_useless_conjunct_survives));
    trials
}

fn pack() -> Project {
    load(&Folder::new(env!("CARGO_MANIFEST_DIR")))
}

fn load(tree: &dyn FileTree) -> Project {
    tripline::definition::load(tree).project
}

/// The pack with a rule whose hits are signals: it has none of its own, and what leaves signals out has to be seen.
fn with_signal() -> Result<Project, Failed> {
    let mut project = pack();
    let mut signal = project.rules.iter().find(|rule| rule.name.text == "net.polling").ok_or("no net.polling")?.clone();
    signal.name.text = "test.signal".to_owned();
    signal.sql.text = "SELECT * FROM contact_1m".to_owned();
    signal.alert.title.text = "signal".to_owned();
    (signal.alert.when, signal.alert.key, signal.score) = (AlertWhen::Never, None, None);
    signal.join.clear();
    signal.params.clear();
    signal.tests.clear();
    project.rules.push(signal);
    Ok(project)
}

/// A bound that only keeps a logarithm from zero: no rule of the pack is as sure.
const GUARD: &str = "0.999999";

fn none_survives(name: &str) -> Result<(), Failed> {
    let (mut survivors, tried) = survivors(&with_signal()?, name)?;
    survivors.retain(|what| !(name == "risk_by_rule_24h" && what.contains(GUARD)));
    if tried == 0 {
        return Err("nothing to change: the rule is not read, or takes every row".into());
    }
    if survivors.is_empty() {
        return Ok(());
    }
    let list = survivors.join("\n  ");
    Err(format!("no test notices {} of {tried} changes:\n  {list}", survivors.len()).into())
}

/// The changes of one rule or feature that no test notices, and how many were tried.
fn survivors(project: &Project, name: &str) -> Result<(Vec<String>, usize), Failed> {
    let readers = readers(project, name);
    if readers.is_empty() {
        return Err(format!("no rule reads {name}").into());
    }
    for rule in &readers {
        if let Some(red) = red_test(project, rule)? {
            return Err(format!("rule {rule}: `{red}` fails without any change").into());
        }
    }
    let mutants = mutants(project, name)?;
    let mut survivors = Vec::new();
    for mutant in &mutants {
        let mut noticed = false;
        for rule in &readers {
            noticed = red_test(&mutant.project, rule).map_err(|e| format!("{}: {e:?}", mutant.what))?.is_some();
            if noticed {
                break;
            }
        }
        if !noticed {
            survivors.push(mutant.what.clone());
        }
    }
    Ok((survivors, mutants.len()))
}

/// The first test of a rule that fails. A test that cannot run is an error: it says nothing of the change.
fn red_test(project: &Project, rule: &str) -> Result<Option<String>, Failed> {
    let rule = project.rules.iter().find(|r| r.name.text == rule).ok_or("no such rule")?;
    for case in &rule.tests {
        let mut case = case.clone();
        // Orders of arrival are another property, and many runs.
        case.shuffle = None;
        let report = run_case(project, rule, &case, TODAY).map_err(|e| format!("{}: {e:?}", case.name.text))?;
        if !report.failures.is_empty() {
            return Ok(Some(case.name.text));
        }
    }
    Ok(None)
}

/// The rule of that name, or the rules that read the feature, also through other features.
fn readers(project: &Project, name: &str) -> Vec<String> {
    if project.rules.iter().any(|rule| rule.name.text == name) {
        return vec![name.to_owned()];
    }
    let mut relations = BTreeSet::from([name.to_owned()]);
    // Each round adds the features that read one of them.
    for _ in &project.features {
        for feature in &project.features {
            let joined = feature.join.iter().any(|join| reads(&join.target, &relations));
            if joined || relations.contains(&feature.from.text) {
                relations.insert(feature.name.text.clone());
            }
        }
    }
    let plan = plan::resolve(project, TODAY).plan;
    let from = |rule: &Rule| {
        let own = plan.rules.iter().find(|r| r.name == rule.name.text);
        own.is_some_and(|own| own.upstreams().any(|upstream| relations.contains(plan.relation_name(upstream))))
    };
    let reading = |rule: &&Rule| from(rule) || rule.join.iter().any(|join| reads(&join.target, &relations));
    project.rules.iter().filter(reading).map(|rule| rule.name.text.clone()).collect()
}

fn reads(target: &JoinTarget, relations: &BTreeSet<String>) -> bool {
    matches!(target, JoinTarget::Feature { name, .. } if relations.contains(&name.text))
}

fn mutants(project: &Project, name: &str) -> Result<Vec<Mutant>, Failed> {
    let plan = plan::resolve(project, TODAY).plan;
    let mut mutants = Vec::new();
    if let Some(index) = project.rules.iter().position(|rule| rule.name.text == name) {
        of_parameters(project, index, &mut mutants);
        of_rule(project, index, &plan, &mut mutants)?;
    } else {
        let index = project.features.iter().position(|f| f.name.text == name).ok_or("no such feature")?;
        let bound = plan.features.iter().find(|f| f.name == name).ok_or("the feature has errors")?;
        of_feature(project, index, bound, &mut mutants);
    }
    Ok(mutants)
}

fn of_parameters(project: &Project, rule: usize, mutants: &mut Vec<Mutant>) {
    for (index, param) in project.rules[rule].params.iter().enumerate() {
        let doubled = match param.default {
            Value::Int64(value) => Value::Int64(value * 2),
            Value::Float64(value) => Value::Float64(value * 2.0),
            _ => continue,
        };
        let mut project = project.clone();
        let changed = &mut project.rules[rule].params[index];
        (changed.default, changed.min, changed.max) = (doubled, None, None);
        mutants.push(Mutant { what: format!("parameter {} doubled", param.name.text), project });
    }
}

fn of_rule(project: &Project, rule: usize, plan: &Plan, mutants: &mut Vec<Mutant>) -> Result<(), Failed> {
    let sql = &project.rules[rule].sql;
    let name = &project.rules[rule].name.text;
    let bound = plan.rules.iter().find(|r| r.name == *name).ok_or("the rule has errors or is a draft")?;
    let mut edits = Vec::new();
    for branch in &bound.branches {
        for condition in branch.select.filter.iter().chain(&branch.select.qualify) {
            conditions(condition, sql, &mut edits);
            within(condition, sql, &mut edits);
        }
        branch.select.items.iter().for_each(|item| within(&item.expr, sql, &mut edits));
    }
    push(project, edits, mutants, |project, text| project.rules[rule].sql = text);
    Ok(())
}

fn of_feature(project: &Project, index: usize, bound: &FeaturePlan, mutants: &mut Vec<Mutant>) {
    let feature = &project.features[index];
    if let (Some(filter), Some(text)) = (&bound.filter, &feature.filter) {
        let mut edits = Vec::new();
        conditions(filter, text, &mut edits);
        within(filter, text, &mut edits);
        push(project, edits, mutants, |project, text| project.features[index].filter = Some(text));
    }
    let of_items = |texts: &[(Text, Text)], items: &[(String, &Expr)]| -> Vec<(usize, Vec<Edit>)> {
        let edits = texts.iter().enumerate().map(|(i, (name, text))| {
            let mut edits = Vec::new();
            let own = items.iter().filter(|(item, _)| *item == name.text);
            own.for_each(|(_, expr)| within(expr, text, &mut edits));
            (i, edits)
        });
        edits.collect()
    };
    let row: Vec<_> = bound.row.iter().map(|item| (item.name.clone(), &item.expr)).collect();
    for (i, edits) in of_items(&feature.row, &row) {
        push(project, edits, mutants, |project, text| project.features[index].row[i].1 = text);
    }
    let derive: Vec<_> = bound.derive.iter().map(|item| (item.name.clone(), &item.expr)).collect();
    for (i, edits) in of_items(&feature.derive, &derive) {
        push(project, edits, mutants, |project, text| project.features[index].derive[i].1 = text);
    }
    of_aggregates(project, index, feature, bound, mutants);
}

/// Conditions and thresholds within aggregates: an aggregate belongs to the column whose text it stands in.
fn of_aggregates(project: &Project, index: usize, feature: &Feature, bound: &FeaturePlan, mutants: &mut Vec<Mutant>) {
    for (i, (_, text)) in feature.aggregates().into_iter().enumerate() {
        let mut edits = Vec::new();
        for aggregate in &bound.aggregates {
            let Some(arg) = aggregate.arg.as_ref().filter(|arg| place(text, arg.span).is_some()) else { continue };
            if aggregate.function == AggregateFunction::CountIf {
                conditions(arg, text, &mut edits);
            }
            within(arg, text, &mut edits);
        }
        let outputs = bound.outputs.iter().filter(|item| place(text, item.expr.span).is_some());
        outputs.for_each(|item| within(&item.expr, text, &mut edits));
        push(project, edits, mutants, |project, text| project.features[index].aggregates_mut()[i].1 = text);
    }
}

/// A text with one part replaced.
struct Edit {
    what: String,
    text: Text,
}

fn push(project: &Project, edits: Vec<Edit>, mutants: &mut Vec<Mutant>, put: impl Fn(&mut Project, Text)) {
    for edit in edits {
        let mut project = project.clone();
        put(&mut project, edit.text);
        mutants.push(Mutant { what: edit.what, project });
    }
}

fn edit(text: &Text, span: Span, new: &str) -> Option<Edit> {
    let (start, end) = place(text, span)?;
    let old = &text.text[start..end];
    let what = format!("`{}` replaced by {new}", old.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut changed = text.clone();
    changed.text.replace_range(start..end, new);
    (old != new).then_some(Edit { what, text: changed })
}

/// Each conjunct of a condition is replaced by TRUE.
fn conditions(condition: &Expr, text: &Text, edits: &mut Vec<Edit>) {
    edits.extend(conjuncts(condition).iter().filter_map(|part| edit(text, part.span, "TRUE")));
}

/// Thresholds doubled, conditions of IF and CASE replaced, members of lists left out, at any depth.
fn within(expr: &Expr, text: &Text, edits: &mut Vec<Edit>) {
    match &expr.kind {
        ExprKind::Literal(Value::Int64(_) | Value::Float64(_)) => edits.extend(doubled(expr.span, text)),
        ExprKind::Call { function, args } => {
            if function.name == "IF" {
                args.iter().take(1).for_each(|condition| conditions(condition, text, edits));
            }
            if let [left, right] = args.as_slice()
                && left.ty != Type::Float64
                && right.ty != Type::Float64
            {
                edits.extend(edge(left.span, right.span, text));
            }
            args.iter().for_each(|arg| within(arg, text, edits));
        }
        ExprKind::Case { branches, .. } => {
            branches.iter().for_each(|(condition, _)| conditions(condition, text, edits));
            expr.kind.each_child(&mut |child| within(child, text, edits));
        }
        ExprKind::InList { expr, list, .. } => {
            within(expr, text, edits);
            for (index, member) in list.iter().enumerate() {
                let other = &list[(index + 1) % list.len()];
                let other = place(text, other.span).map(|(start, end)| text.text[start..end].to_owned());
                edits.extend(other.and_then(|other| edit(text, member.span, &other)));
            }
        }
        _ => expr.kind.each_child(&mut |child| within(child, text, edits)),
    }
}

/// A comparison that takes its edge in, when it left it out, and the other way round.
fn edge(left: Span, right: Span, text: &Text) -> Option<Edit> {
    let ((_, start), (end, _)) = (place(text, left)?, place(text, right)?);
    let written = text.text.get(start..end)?.trim();
    let other = match written {
        "<" => "<=",
        "<=" => "<",
        ">" => ">=",
        ">=" => ">",
        _ => return None,
    };
    let mut changed = text.clone();
    changed.text.replace_range(start..end, &format!(" {other} "));
    let old = text.text[place(text, left.to(right)).map(|(start, end)| start..end)?].to_owned();
    Some(Edit { what: format!("`{old}` with {other}"), text: changed })
}

/// A number as written, doubled; parameters are doubled where they are declared.
fn doubled(span: Span, text: &Text) -> Option<Edit> {
    let (start, end) = place(text, span)?;
    let written = &text.text[start..end];
    let new = match written.parse::<i64>() {
        Ok(value) => (value * 2).to_string(),
        Err(_) => format!("{:?}", written.parse::<f64>().ok()? * 2.0),
    };
    edit(text, span, &new)
}

/// Where a place of the file stands in the text, when it does.
fn place(text: &Text, span: Span) -> Option<(usize, usize)> {
    if span.file != text.map.file || span.start >= span.end {
        return None;
    }
    let offset = |byte: u32| {
        let after = text.map.pieces.partition_point(|(_, place)| *place <= byte);
        let (from, to) = text.map.pieces.get(after.checked_sub(1)?)?;
        usize::try_from(from + (byte - to)).ok()
    };
    // The end belongs to the last byte.
    let (start, end) = (offset(span.start)?, offset(span.end - 1)? + 1);
    (text.text.is_char_boundary(start) && text.text.is_char_boundary(end) && end <= text.text.len())
        .then_some((start, end))
}

/// The run itself can fail: a conjunct that no test needs survives, one that a test needs does not.
fn a_useless_conjunct_survives() -> Result<(), Failed> {
    let project = load(&MemoryTree::from_sections(USELESS));
    let (survivors, tried) = survivors(&project, "net.many")?;
    let expected = ["`dst_ips >= 0` replaced by TRUE"];
    if survivors != expected || tried != 8 {
        return Err(format!("expected {expected:?} of 8, found {survivors:?} of {tried}").into());
    }
    Ok(())
}

const USELESS: &str = "\
--- tripline.yaml
name: useless
--- sql/log/source.yaml
source: log
format: json
columns:
  ip: STRING
  time: {type: TIMESTAMP, field: at}
event_time: time
--- sql/log/flows.sql
SELECT ip AS src_ip FROM log
--- features/many_1m.yaml
feature: many_1m
from: flows
key: [src_ip]
window: {size: 1m}
columns:
  flows: COUNT(*)
  dst_ips: COUNT(DISTINCT dst_ip)
--- rules/net_many.yaml
rule: net.many
title: Many
severity: low
params:
  least: 3
sql: |
  SELECT * FROM many_1m
  WHERE flows >= @least
    AND dst_ips >= 0
    AND flows < 10
alert: {title: '{src_ip}'}
tests:
  - name: three
    start: 2026-01-05T09:00:00Z
    given: [{at: 1s, every: 1s, repeat: 3, row: {src_ip: 10.0.0.1}}]
    expect: {alerts: 1}
  - name: two are quiet
    start: 2026-01-05T09:00:00Z
    given: [{at: 1s, every: 1s, repeat: 2, row: {src_ip: 10.0.0.1}}]
    expect: {alerts: 0}
  - name: ten are quiet
    start: 2026-01-05T09:00:00Z
    given: [{at: 1s, every: 1s, repeat: 10, row: {src_ip: 10.0.0.1}}]
    expect: {alerts: 0}
";
