//! A project to a plan, with all findings.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::definition::model::{Project, Status};
use crate::diagnostic::{Diagnostic, Severity, Text, suggest};
use crate::language::ParsedQuery;
use crate::language::scope::{Scope, ScopeLookup};
use crate::record::{Column, EventTime, PseudonymKey, Value, flow};

use super::{Plan, Upstream, feature, fingerprint, hits, lookup, order, rule, source, values, wanted};

/// What `check` may be told.
#[derive(Debug, Clone, Copy)]
pub struct ResolveOptions {
    /// The day on which exceptions are judged to have expired.
    pub as_of: EventTime,
}

#[derive(Debug)]
pub struct Resolved {
    /// Whole only when no finding is an error.
    pub plan: Plan,
    pub diagnostics: Vec<Diagnostic>,
}

impl Resolved {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

/// What is known while definitions are bound.
pub struct Resolver<'a> {
    pub(super) project: &'a Project,
    pub(super) plan: Plan,
    pub(super) options: ResolveOptions,
    lookups: Vec<ScopeLookup>,
    used_lookups: RefCell<BTreeSet<String>>,
    /// Features that are defined but have errors: rules over them are not blamed for it.
    broken: BTreeSet<String>,
}

/// Binds a whole project.
pub fn resolve(project: &Project, options: ResolveOptions) -> Resolved {
    let mut diagnostics = Vec::new();
    let mut named = project.clone();
    order::name_all_hits(&mut named);
    let project = &named;
    let plan = Plan {
        evidence_rows: project.config.evidence as usize,
        keys_max: project.config.keys_max,
        look_back_rows: project.config.look_back_rows,
        health: project.config.health,
        lookups: project.lookups.iter().map(|definition| Arc::new(lookup::plan(definition))).collect(),
        keys_table: project.config.warehouse.keys_table.clone().map(|table| table.text),
        pseudonym_keys: project
            .config
            .pseudonym_keys
            .iter()
            .map(|key| PseudonymKey::unread(key.name.as_str(), &key.id, key.place.clone()))
            .collect(),
        ..Plan::default()
    };
    let mut resolver = Resolver {
        project,
        plan,
        options,
        lookups: project.lookups.iter().map(lookup::scope).collect(),
        used_lookups: RefCell::default(),
        broken: BTreeSet::new(),
    };
    for definition in &project.sources {
        let source = source::bind(&resolver, definition, &mut diagnostics);
        source.iter().for_each(|source| values::check_source(source, &mut diagnostics));
        resolver.plan.sources.extend(source);
    }
    let order = order::topological(project, &mut diagnostics);
    resolver.broken = project.features.iter().map(|f| f.name.text.clone()).collect();
    resolver.broken.extend(project.broken.iter().cloned());
    for index in order {
        let definition = &project.features[index];
        let _ = resolver.hits(&definition.from, &mut diagnostics);
        if let Some(feature) = feature::bind(&resolver, definition, &mut diagnostics) {
            values::check_feature(&resolver.plan, &feature, &mut diagnostics);
            resolver.broken.remove(&feature.name);
            resolver.plan.features.push(feature);
        }
    }
    let mut rules: Vec<_> = project.rules.iter().collect();
    rules.sort_by(|a, b| a.name.text.cmp(&b.name.text));
    for definition in rules {
        let plan = rule::bind(&resolver, definition, &mut diagnostics);
        plan.iter().for_each(|plan| values::check_rule(&resolver.plan, plan, &mut diagnostics));
        resolver.plan.rules.extend(plan.filter(|plan| plan.status != Status::Draft).map(Arc::new));
    }
    resolver.check_hits(&mut diagnostics);
    resolver.fingerprint();
    resolver.check_overrides(&mut diagnostics);
    resolver.check_unused(&mut diagnostics);
    let mut plan = resolver.plan;
    wanted::mark(&mut plan, &[]);
    diagnostics.sort_by_key(|d| (d.span, d.code));
    diagnostics.dedup();
    Resolved { plan, diagnostics }
}

impl Resolver<'_> {
    /// When all rules are there: a rule may depend on others.
    fn fingerprint(&mut self) {
        let texts: Vec<String> =
            self.plan.rules.iter().map(|rule| fingerprint::fingerprint(&self.plan, rule)).collect();
        for (rule, text) in self.plan.rules.iter_mut().zip(texts) {
            Arc::make_mut(rule).fingerprint = text;
        }
    }

    /// The scope of expressions over a relation's columns.
    pub(super) fn scope(&self, owner: String, columns: &[Column]) -> Scope {
        let mut scope = Scope::over(owner, columns);
        scope.lookups.clone_from(&self.lookups);
        scope.broken.extend(self.project.broken.iter().cloned());
        scope
    }

    pub(super) fn upstream(&self, name: &Text, diagnostics: &mut Vec<Diagnostic>) -> Option<Upstream> {
        if name.text == flow::FLOWS {
            return Some(Upstream::Flows);
        }
        if let Some(named) = hits::Named::of(name.as_str()) {
            let name = named.name();
            return self.plan.hits.iter().position(|hits| hits.name == name).map(Upstream::Hits);
        }
        let found = self.plan.feature(name.as_str()).map(Upstream::Feature);
        if found.is_none() && !self.is_broken(name) {
            diagnostics.push(self.unknown_relation(name));
        }
        found
    }

    /// Is it defined, with errors of its own? What refers to it is not blamed.
    pub(super) fn is_broken(&self, name: &Text) -> bool {
        self.broken.contains(name.as_str()) || self.project.broken.contains(name.as_str())
    }

    pub(super) fn unknown_relation(&self, name: &Text) -> Diagnostic {
        let names = || {
            let features = self.project.features.iter().map(|f| f.name.as_str());
            std::iter::once(flow::FLOWS).chain(features)
        };
        let finding =
            Diagnostic::error("project.unknown-relation", name.span(), format!("no relation `{}`", name.text));
        if self.project.sources.iter().any(|source| source.name.text == name.text) {
            return finding.label("a source").help("what sources give is read from `flows`");
        }
        if self.project.rules.iter().any(|rule| rule.name.text == name.text) {
            return finding.label("a rule").help(format!("a feature reads its hits: `from: hits({})`", name.text));
        }
        if self.project.lookups.iter().any(|lookup| lookup.name.text == name.text) {
            let finding = finding.label("a lookup");
            return finding
                .help(format!("read it in a condition: x IN (SELECT … FROM {}), or declare a join", name.text));
        }
        if name.text.eq_ignore_ascii_case("hits") {
            return finding.label("whose?").help("name rules: hits(net.scan.vertical, net.bruteforce)");
        }
        let finding = finding.label("neither `flows` nor a feature");
        match suggest(name.as_str(), names()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("relations: {}", names().collect::<Vec<_>>().join(", "))),
        }
    }

    pub(super) fn unknown_lookup(&self, name: &Text) -> Diagnostic {
        let names = self.lookups.iter().map(|l| l.name.as_str());
        let finding = Diagnostic::error("project.unknown-lookup", name.span(), format!("no lookup `{}`", name.text));
        match suggest(name.as_str(), names) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help("lookups are `sql/lookups/NAME.yaml` with `NAME.csv`"),
        }
    }

    /// The index of a lookup, which from now on counts as used.
    pub(super) fn use_lookup(&self, name: &str) -> Option<usize> {
        let index = self.plan.lookups.iter().position(|l| l.name.eq_ignore_ascii_case(name))?;
        self.used_lookups.borrow_mut().insert(self.plan.lookups[index].name.clone());
        Some(index)
    }

    /// Marks the lookups that a text names as used; unknown ones are the binder's findings.
    pub(super) fn use_lookups_of(&self, text: &Text) {
        for (name, _) in crate::language::lookups_of(text) {
            self.use_lookup(&name);
        }
    }

    pub(super) fn use_lookups(&self, query: &ParsedQuery) {
        for (name, _) in query.lookups() {
            self.use_lookup(&name);
        }
    }

    fn check_overrides(&self, diagnostics: &mut Vec<Diagnostic>) {
        let names = || self.project.rules.iter().map(|r| r.name.as_str());
        for over in self.project.config.overrides.values() {
            if names().any(|name| name == over.rule.as_str()) || self.project.broken.contains(over.rule.as_str()) {
                continue;
            }
            let message = format!("no rule `{}`", over.rule.text);
            let mut finding = Diagnostic::error("project.unknown-rule", over.rule.span(), message);
            finding = finding.label("not a rule of this project");
            finding = match suggest(over.rule.as_str(), names()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help("use the name that stands behind `rule:` in a file of `rules`"),
            };
            diagnostics.push(finding);
        }
    }

    fn check_unused(&self, diagnostics: &mut Vec<Diagnostic>) {
        // What could not be read may use any of them.
        if !self.project.broken.is_empty() || diagnostics.iter().any(|d| d.severity == Severity::Error) {
            return;
        }
        let used = self.used_lookups.borrow();
        for lookup in self.project.lookups.iter().filter(|l| !used.contains(l.name.as_str())) {
            let message = format!("lookup `{}` is not used", lookup.name.text);
            let column = lookup.columns.first().map_or("value", |column| column.name.as_str());
            diagnostics.push(
                Diagnostic::warning("lookup.unused", lookup.name.span(), message).label("nothing reads it").help(
                    match lookup.table {
                        Some(_) => "join it, or remove it".to_owned(),
                        None => {
                            format!(
                                "read it with IN (SELECT {column} FROM {}), join it, or remove it",
                                lookup.name.text
                            )
                        }
                    },
                ),
            );
        }
    }
}

/// Parameter values by name, as expressions see them.
pub(super) fn parameters(values: &[(String, Value)]) -> BTreeMap<String, Value> {
    values.iter().cloned().collect()
}
