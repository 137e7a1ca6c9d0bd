//! `hits(rule, …)`: hits of some rules as a relation, with the same columns whatever rules they are. `alerts(rule, …)`: those
//! of them that open an incident.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::definition::model::{AlertWhen, Rule, Status};
use crate::diagnostic::{Diagnostic, Text, suggest};
use crate::record::{Column, Type};

use super::resolve::Resolver;
use super::{Plan, RulePlan, Upstream};

/// Name, type, may it be NULL, meaning.
const COLUMNS: [(&str, Type, bool, &str); 16] = [
    ("hit_id", Type::String, false, "Tells a hit from every other"),
    ("rule", Type::String, false, "The rule's name"),
    ("window_start", Type::Timestamp, false, "Of the row that hit; of a flow its event time"),
    ("window_end", Type::Timestamp, false, "Of the row that hit; of a flow its event time"),
    (
        "event_time",
        Type::Timestamp,
        false,
        "Of the row that hit: the end of its window, less a microsecond; of a flow its own",
    ),
    ("score", Type::Float64, false, "0 to 1; 1 of a rule that declares none"),
    ("weight", Type::Float64, false, "What the rule is worth among others"),
    ("severity", Type::String, false, "The rule's: info, low, medium, high or critical"),
    ("alert", Type::String, false, "What the rule makes of its hits: always, risk or never"),
    ("actor", Type::String, true, "The first entity of this role, as text"),
    ("victim", Type::String, true, "The first entity of this role, as text"),
    ("peer", Type::String, true, "The first entity of this role, as text"),
    ("subscriber_id", Type::String, true, "The rule's column of this name, if it has one"),
    ("src_ip", Type::String, true, "The rule's column of this name, if it has one"),
    ("dst_ip", Type::String, true, "The rule's column of this name, if it has one"),
    ("dst_port", Type::Int64, true, "The rule's column of this name, if it has one"),
];

pub const HIT_ID: usize = 0;
pub const EVENT_TIME: usize = 4;
/// The first column that comes from the rule's own.
const FROM_RULE: usize = 9;
const ROLES: [&str; 3] = ["actor", "victim", "peer"];

/// The columns of `hits(…)` and `alerts(…)`.
pub fn columns() -> Vec<Column> {
    COLUMNS.iter().map(|(name, ty, nullable, _)| Column::new(*name, *ty, *nullable)).collect()
}

/// Each column and what it means, for people.
pub fn described() -> impl Iterator<Item = (Column, &'static str)> {
    columns().into_iter().zip(COLUMNS.iter().map(|(.., meaning)| *meaning))
}

/// Hits of some rules, that a feature reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HitsPlan {
    /// `hits(a, b)` or `alerts(a, b)`.
    pub name: String,
    pub rules: Vec<String>,
    /// Are they only those that open an incident?
    pub opening: bool,
}

/// Of the columns that come from the rule's own, in order: which of them; its value is taken as text where this is STRING.
pub fn of_rule(rule: &RulePlan) -> Vec<Option<usize>> {
    let role = |role: &str| rule.entities.iter().find(|entity| entity.role == role).map(|entity| entity.column);
    let named = |(name, ty, ..): &(&str, Type, bool, &str)| {
        rule.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name) && column.ty == *ty)
    };
    ROLES.iter().map(|name| role(name)).chain(COLUMNS[FROM_RULE + ROLES.len()..].iter().map(named)).collect()
}

/// What stands for all rules that stand on no feature that reads all of them.
pub(super) const ALL: &str = "*";

/// What a feature names as `hits(a, b)` or `alerts(a, b)`.
pub(super) struct Named<'a> {
    pub rules: Vec<&'a str>,
    pub opening: bool,
}

impl<'a> Named<'a> {
    pub fn of(text: &'a str) -> Option<Self> {
        let whole = |call| text.strip_prefix(call)?.strip_suffix(')');
        let (names, opening) = match whole("hits(") {
            Some(names) => (names, false),
            None => (whole("alerts(")?, true),
        };
        let rules = names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        Some(Self { rules, opening })
    }

    /// One name for the same rules in any order.
    pub fn name(mut self) -> String {
        self.rules.sort_unstable();
        self.rules.dedup();
        format!("{}({})", if self.opening { "alerts" } else { "hits" }, self.rules.join(", "))
    }
}

/// The rules that `hits(a, b)` or `alerts(a, b)` names.
pub fn rules_of(text: &str) -> Option<Vec<&str>> {
    Named::of(text).map(|named| named.rules)
}

impl Resolver<'_> {
    /// The relation of hits that a feature reads; it is one with others of the same rules.
    pub(super) fn hits(&mut self, from: &Text, diagnostics: &mut Vec<Diagnostic>) -> Option<()> {
        let named = Named::of(from.as_str())?;
        let mut whole = true;
        if named.rules.is_empty() {
            let finding =
                Diagnostic::warning("feature.hits", from.span(), "there is no rule whose hits these could be");
            let which = if named.opening { "that alert by themselves and are" } else { "that are" };
            diagnostics
                .push(finding.label("no rows").help(format!("rules count {which} neither drafts nor in the shadow")));
        }
        for name in &named.rules {
            let known = || self.project.rules.iter().map(|rule| rule.name.as_str());
            let Some(rule) = self.project.rules.iter().find(|rule| rule.name.text == *name) else {
                whole = false;
                if self.project.broken.contains(*name) || self.project.broken.contains(&name.replace(['.', '-'], "_")) {
                    continue;
                }
                let finding = Diagnostic::error("project.unknown-rule", from.span(), format!("no rule `{name}`"));
                let finding = finding.label("not a rule of this project");
                diagnostics.push(match suggest(name, known()) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help("use the name that stands behind `rule:` in a file of `rules`"),
                });
                continue;
            };
            diagnostics.extend(self.without_rows(rule, named.opening, from));
        }
        let rules: BTreeSet<&str> = named.rules.iter().copied().collect();
        let rules: Vec<String> = rules.into_iter().map(str::to_owned).collect();
        let (opening, name) = (named.opening, named.name());
        if whole && self.plan.hits.iter().all(|known| known.name != name) {
            self.plan.hits.push(HitsPlan { name, rules, opening });
        }
        whole.then_some(())
    }

    /// What is said of a rule that gives no rows.
    fn without_rows(&self, rule: &Rule, opening: bool, from: &Text) -> Option<Diagnostic> {
        let name = rule.name.as_str();
        let over = self.project.config.overrides.get(name).and_then(|over| over.status);
        let status = over.unwrap_or(rule.status);
        let finding =
            |message: String| Diagnostic::warning("feature.hits", from.span(), message).label("no rows of it");
        if matches!(status, Status::Draft | Status::Shadow) {
            let finding = finding(format!("rule `{name}` is {}: its hits go nowhere", status.name()));
            return Some(finding.help("a rule whose hits only feed others has `alert: {when: never}`"));
        }
        let when = rule.alert.when;
        (opening && when != AlertWhen::Always).then(|| {
            let finding = finding(format!("rule `{name}` has `when: {}`: its hits open no incident", when.name()));
            finding.help("read hits(…), or let the rule alert: `alert: {when: always}`")
        })
    }
}

impl Resolver<'_> {
    /// Columns of hits that no rule fills, because its own of this name is of another type.
    pub(super) fn check_hits(&self, diagnostics: &mut Vec<Diagnostic>) {
        for feature in &self.project.features {
            for name in rules_of(feature.from.as_str()).unwrap_or_default() {
                let Some(rule) = self.plan.rules.iter().find(|rule| rule.name == name) else { continue };
                for (own, ty, ..) in &COLUMNS[FROM_RULE + ROLES.len()..] {
                    let other = |column: &&Column| column.name.eq_ignore_ascii_case(own) && column.ty != *ty;
                    if let Some(other) = rule.columns.iter().find(other) {
                        let message = format!("`{own}` of rule `{name}` is {}, in its hits it is {ty}: NULL", other.ty);
                        let finding = Diagnostic::warning("feature.hits", feature.from.span(), message);
                        diagnostics
                            .push(finding.label("no values").help(format!("return `{own}` as {ty} in the rule")));
                    }
                }
            }
        }
    }
}

/// A step of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// Index into [`Plan::features`].
    Feature(usize),
    /// Index into [`Plan::rules`].
    Rule(usize),
}

impl Plan {
    /// Features and rules, each after what it reads.
    pub fn order(&self) -> Vec<Node> {
        let mut order = Vec::with_capacity(self.features.len() + self.rules.len());
        let mut taken = vec![false; self.rules.len()];
        for (index, feature) in self.features.iter().enumerate() {
            if let Upstream::Hits(hits) = feature.upstream {
                // What these read is before the feature, since it depends on it.
                for (rule, _) in self.rules_behind(hits) {
                    if !std::mem::replace(&mut taken[rule], true) {
                        order.push(Node::Rule(rule));
                    }
                }
            }
            order.push(Node::Feature(index));
        }
        let rest = taken.iter().enumerate().filter(|(_, taken)| !**taken).map(|(rule, _)| Node::Rule(rule));
        order.extend(rest);
        order
    }

    /// The rules whose hits these are, those that run and give some.
    pub fn rules_behind(&self, hits: usize) -> impl Iterator<Item = (usize, &Arc<RulePlan>)> {
        let hits = self.hits.get(hits);
        let names = hits.map(|hits| hits.rules.as_slice()).unwrap_or_default();
        let opening = hits.is_some_and(|hits| hits.opening);
        let gives = move |rule: &RulePlan| rule.feeds && (!opening || rule.when == AlertWhen::Always);
        let rules = self.rules.iter().enumerate();
        rules.filter(move |(_, rule)| names.contains(&rule.name) && gives(rule))
    }

    /// Leaves out rules that nobody wants and whose hits no feature reads that is wanted.
    pub fn keep_rules(&mut self, wanted: &dyn Fn(&str) -> bool, shown: &[&str]) {
        let all = std::mem::take(&mut self.rules);
        let mut kept: BTreeSet<String> =
            all.iter().filter(|rule| wanted(&rule.name)).map(|rule| rule.name.clone()).collect();
        loop {
            self.rules = all.iter().filter(|rule| kept.contains(&rule.name)).cloned().collect();
            self.show(shown);
            let live = self.features.iter().zip(&self.live).filter(|(_, live)| **live);
            let read = live.filter_map(|(feature, _)| match feature.upstream {
                Upstream::Hits(hits) => self.hits.get(hits),
                _ => None,
            });
            let more: Vec<String> =
                read.flat_map(|hits| &hits.rules).filter(|rule| !kept.contains(*rule)).cloned().collect();
            if more.is_empty() {
                return;
            }
            kept.extend(more);
        }
    }
}
