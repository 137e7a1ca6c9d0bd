//! The order of features: each after what it reads; cycles are findings.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::model::{AlertWhen, Feature, Join, JoinTarget, Project, Rule, Status};
use crate::diagnostic::{Diagnostic, Text};
use crate::language;

use super::hits::{ALL, Named, rules_of};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

/// Indexes of features in topological order, without those on a cycle.
pub(super) fn topological(project: &Project, diagnostics: &mut Vec<Diagnostic>) -> Vec<usize> {
    let features = project.features.as_slice();
    let of_rules = OfRules::new(project);
    let reads: Vec<Vec<Text>> = features.iter().map(|feature| reads(&of_rules, feature)).collect();
    let by_name: BTreeMap<&str, usize> = features.iter().enumerate().map(|(i, f)| (f.name.as_str(), i)).collect();
    let mut marks = vec![Mark::New; features.len()];
    let mut order = Vec::with_capacity(features.len());
    for start in 0..features.len() {
        let mut path: Vec<(usize, usize)> = Vec::new();
        if marks[start] == Mark::New {
            marks[start] = Mark::Open;
            path.push((start, 0));
        }
        while let Some((feature, next)) = path.last_mut() {
            let Some(name) = reads[*feature].get(*next) else {
                marks[*feature] = Mark::Done;
                order.push(*feature);
                path.pop();
                continue;
            };
            *next += 1;
            let Some(target) = by_name.get(name.as_str()).copied() else { continue };
            match marks[target] {
                Mark::Done => {}
                Mark::New => {
                    marks[target] = Mark::Open;
                    path.push((target, 0));
                }
                Mark::Open => {
                    let from = path.iter().position(|(f, _)| *f == target).unwrap_or(0);
                    let circle: Vec<&Feature> = path[from..].iter().map(|(f, _)| &features[*f]).collect();
                    let next = circle.iter().skip(1).map(|feature| feature.name.as_str()).chain([name.as_str()]);
                    let mut names = Vec::new();
                    for (feature, next) in circle.iter().zip(next) {
                        names.push(feature.name.as_str());
                        names.extend(of_rules.between(feature, next));
                    }
                    names.push(name.as_str());
                    let finding = Diagnostic::error(
                        "feature.cycle",
                        name.span(),
                        format!("features read each other in a circle: {}", names.join(" → ")),
                    )
                    .label("closes the circle")
                    .help("a feature can read `flows` and features that do not depend on it");
                    diagnostics.push(finding);
                }
            }
        }
    }
    order
}

/// What each rule reads, by its name; none where no feature reads hits.
struct OfRules(BTreeMap<String, Vec<Text>>);

impl OfRules {
    fn new(project: &Project) -> Self {
        let asked = project.features.iter().any(|feature| rules_of(feature.from.as_str()).is_some());
        let rules = project.rules.iter().filter(|_| asked);
        Self(rules.map(|rule| (rule.name.text.clone(), rule_reads(rule))).collect())
    }
}

impl OfRules {
    /// The rule through whose hits a feature reads a relation.
    fn between<'a>(&self, feature: &'a Feature, relation: &str) -> Option<&'a str> {
        let reads = |rule: &&str| self.0.get(*rule).is_some_and(|read| read.iter().any(|read| read.text == relation));
        rules_of(feature.from.as_str())?.into_iter().find(reads)
    }
}

/// What a feature reads; through hits also what their rules read. At the place of its own text.
fn reads(of_rules: &OfRules, feature: &Feature) -> Vec<Text> {
    let mut read = joined(&feature.join);
    match rules_of(feature.from.as_str()) {
        None => read.push(feature.from.clone()),
        Some(names) => {
            let through = names.iter().filter_map(|name| of_rules.0.get(*name)).flatten();
            let mut names: Vec<&str> = through.map(|name| name.text.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            read.extend(names.into_iter().map(|name| Text { text: name.to_owned(), map: feature.from.map.clone() }));
        }
    }
    read
}

fn joined(joins: &[Join]) -> Vec<Text> {
    let joined = joins.iter().filter_map(|join| match &join.target {
        JoinTarget::Feature { name, .. } => Some(name.clone()),
        JoinTarget::Lookup { .. } => None,
    });
    joined.collect()
}

/// The relations that a rule reads, as far as its text can be read: what is wrong with it is said when it is bound.
fn rule_reads(rule: &Rule) -> Vec<Text> {
    let parsed = language::parse_query(&rule.sql, &mut Vec::new());
    let from = parsed.iter().flat_map(|parsed| parsed.relations());
    let from = from.map(|(name, _)| Text { text: name.clone(), map: rule.sql.map.clone() });
    joined(&rule.join).into_iter().chain(from.collect::<Vec<_>>()).collect()
}

/// Names the rules of `hits(*)` and `alerts(*)`.
pub(crate) fn name_all_hits(project: &mut Project) {
    let is_all = |feature: &Feature| rules_of(feature.from.as_str()).is_some_and(|rules| rules == [ALL]);
    if !project.features.iter().any(is_all) {
        return;
    }
    let of_rules = OfRules::new(project);
    let features: BTreeMap<&str, &Feature> =
        project.features.iter().map(|feature| (feature.name.as_str(), feature)).collect();
    let mut names = Vec::new();
    for rule in &project.rules {
        let over = project.config.overrides.get(rule.name.as_str()).and_then(|over| over.status);
        if matches!(over.unwrap_or(rule.status), Status::Draft | Status::Shadow) {
            continue;
        }
        let Some(read) = of_rules.0.get(rule.name.as_str()) else { continue };
        if !stands_on(&of_rules, &features, read, &is_all) {
            names.push(rule);
        }
    }
    let mut texts = Vec::new();
    for (index, feature) in project.features.iter().enumerate().filter(|(_, feature)| is_all(feature)) {
        let opening = Named::of(feature.from.as_str()).is_some_and(|named| named.opening);
        let gives = |rule: &&&Rule| !opening || rule.alert.when == AlertWhen::Always;
        let rules = names.iter().filter(gives).map(|rule| rule.name.as_str()).collect();
        texts.push((index, Named { rules, opening }.name()));
    }
    for (index, text) in texts {
        project.features[index].from.text = text;
    }
}

/// Does what is read depend on such a feature?
fn stands_on(
    of_rules: &OfRules,
    features: &BTreeMap<&str, &Feature>,
    read: &[Text],
    is: &dyn Fn(&Feature) -> bool,
) -> bool {
    let mut open: Vec<String> = read.iter().map(|name| name.text.clone()).collect();
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        let Some(feature) = features.get(next.as_str()) else { continue };
        if is(feature) {
            return true;
        }
        if seen.insert(next) {
            open.extend(reads(of_rules, feature).into_iter().map(|name| name.text));
        }
    }
    false
}

/// Leaves of rules only those that these relations stand on, and of features those that stand on no other rules.
pub(crate) fn cut_down(project: &mut Project, relations: &[&str]) {
    let of_rules = OfRules::new(project);
    let mut rules = BTreeSet::new();
    let mut open: Vec<String> = relations.iter().map(|name| (*name).to_owned()).collect();
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        if !seen.insert(next.clone()) {
            continue;
        }
        if let Some(rule) = project.rules.iter().find(|rule| rule.name.text == next) {
            rules.insert(next);
            open.extend(rule_reads(rule).into_iter().map(|read| read.text));
        } else if let Some(feature) = project.features.iter().find(|feature| feature.name.text == next) {
            open.extend(rules_of(feature.from.as_str()).unwrap_or_default().into_iter().map(str::to_owned));
            open.extend(reads(&of_rules, feature).into_iter().map(|read| read.text));
        }
    }
    project.rules.retain(|rule| rules.contains(&rule.name.text));
    let mut gone: BTreeSet<String> = BTreeSet::new();
    loop {
        let stands = |feature: &Feature| {
            let hits = rules_of(feature.from.as_str()).unwrap_or_default();
            let own = joined(&feature.join).into_iter().chain([feature.from.clone()]);
            hits.iter().all(|rule| rules.contains(*rule)) && own.into_iter().all(|read| !gone.contains(&read.text))
        };
        let (kept, cut): (Vec<Feature>, Vec<Feature>) =
            std::mem::take(&mut project.features).into_iter().partition(|feature| stands(feature));
        project.features = kept;
        if cut.is_empty() {
            return;
        }
        gone.extend(cut.into_iter().map(|feature| feature.name.text));
    }
}
