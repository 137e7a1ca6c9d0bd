//! Rules: a stateless SELECT over one relation, and what becomes of its rows.

use crate::definition::model::{Override, Param, Rule, Status};
use crate::diagnostic::{Diagnostic, Severity, Span, suggest};
use crate::language::scope::Scope;
use crate::language::{self};
use crate::record::{Column, Micros, Period, Type, Value};

use super::resolve::{Resolver, parameters};
use super::{BranchPlan, EntityPlan, ExceptionPlan, RulePlan, ScorePlan, branch, join, title};

const MERGE_WITHIN_MAX: Micros = Micros(86_400_000_000);

pub(super) fn bind(resolver: &Resolver, rule: &Rule, diagnostics: &mut Vec<Diagnostic>) -> Option<RulePlan> {
    let before = errors(diagnostics);
    let over = resolver.project.config.overrides.get(rule.name.as_str());
    let params = bind_params(rule, over, diagnostics);
    let parsed = language::parse_query(&rule.sql, diagnostics)?;
    resolver.use_lookups(&parsed);
    let relations = branch::relations(resolver, rule, &parsed, &params, diagnostics)?;
    let mut branches = branch::bind(rule, &parsed, &relations, diagnostics)?;
    check_params_used(rule, &parsed.parameters(), diagnostics);

    for (branch, _) in &branches {
        branch::check_ranks(resolver, branch, diagnostics);
    }
    let identity = branch::identity(resolver, rule, &mut branches, diagnostics);
    let branches: Vec<BranchPlan> = branches.into_iter().map(|(branch, _)| branch).collect();
    let columns = branch::columns(&branches);
    let mut hit = hit_scope(resolver, rule, &columns, &params);
    hit.elsewhere = relations.iter().flat_map(|relation| left_out(&relation.scope)).collect();
    let entities = bind_entities(rule, &hit, diagnostics);
    let score = bind_score(resolver, rule, &hit, diagnostics);
    let alert_title = title::parse(rule, &columns, diagnostics);
    let alert_key = match &rule.alert.key {
        Some(names) => names.iter().filter_map(|name| join::find(&hit, name, diagnostics)).collect(),
        None => identity.as_ref().map(|i| i.key.clone()).unwrap_or_default(),
    };
    if rule.alert.merge_within > MERGE_WITHIN_MAX {
        let message = format!("`merge_within` {} is more than {MERGE_WITHIN_MAX}", rule.alert.merge_within);
        let finding = Diagnostic::error("rule.merge-within", rule.alert.merge_within_span, message);
        diagnostics.push(finding.label("too long").help("an incident that lasts longer is shown again each day"));
    }
    let exceptions = bind_exceptions(resolver, rule, over, &hit, diagnostics);
    let status = bind_status(rule, over, diagnostics);
    let identity = identity?;
    (errors(diagnostics) == before).then(|| RulePlan {
        name: rule.name.text.clone(),
        title: rule.title.clone(),
        status,
        feeds: status != Status::Shadow,
        severity: rule.severity,
        owner: rule.owner.clone(),
        attack: rule.attack.iter().map(|t| t.text.clone()).collect(),
        references: rule.references.clone(),
        runbook: rule.runbook.clone(),
        branches,
        fingerprint: String::new(),
        columns,
        key: identity.key,
        window: identity.window,
        event_time: identity.event_time,
        entities,
        score,
        when: rule.alert.when,
        alert_title,
        alert_key,
        merge_within: rule.alert.merge_within,
        exceptions,
        params,
    })
}

/// The rule's status, as `tripline.yaml` or the rule itself says.
fn bind_status(rule: &Rule, over: Option<&Override>, diagnostics: &mut Vec<Diagnostic>) -> Status {
    let (status, place) = match over.and_then(|over| Some((over.status?, over.rule.span()))) {
        Some(overridden) => overridden,
        None => (rule.status, rule.name.span()),
    };
    if status == Status::Deprecated {
        let finding = Diagnostic::warning("rule.deprecated", place, format!("rule `{}` is deprecated", rule.name.text));
        let finding = finding.label("still runs").help("read its description for what replaces it");
        diagnostics.push(finding.help("`status: draft` switches it off; `status: stable` says that it stays"));
    }
    status
}

fn errors(diagnostics: &[Diagnostic]) -> usize {
    diagnostics.iter().filter(|d| d.severity == Severity::Error).count()
}

/// Values of the rule's parameters: defaults, then `tripline.yaml`.
fn bind_params(rule: &Rule, over: Option<&Override>, diagnostics: &mut Vec<Diagnostic>) -> Vec<(String, Value)> {
    let overridden = over.map(|o| o.params.as_slice()).unwrap_or_default();
    for (name, _) in overridden {
        if rule.params.iter().any(|p| p.name.text == name.text) {
            continue;
        }
        let message = format!("rule `{}` has no parameter `{}`", rule.name.text, name.text);
        let mut finding = Diagnostic::error("rule.unknown-parameter", name.span(), message);
        let names: Vec<&str> = rule.params.iter().map(|p| p.name.as_str()).collect();
        finding = match suggest(name.as_str(), names.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None if names.is_empty() => finding.help("this rule has no parameters"),
            None => finding.help(format!("its parameters are {}", names.join(", "))),
        };
        diagnostics.push(finding);
    }
    let mut values = Vec::new();
    for param in &rule.params {
        let given = overridden.iter().find(|(name, _)| name.text == param.name.text);
        let place = given.map_or(param.name.span(), |(name, _)| name.span());
        let value = as_type(given.map_or(&param.default, |(_, value)| value), param.default.ty());
        if value.ty() != param.default.ty() {
            let message =
                format!("parameter `{}` is {}, the value is {}", param.name.text, param.default.ty(), value.ty());
            let help = format!("write a value like its default, {}", param.default.display());
            diagnostics.push(Diagnostic::error("rule.parameter-type", place, message).help(help));
            values.push((param.name.text.clone(), param.default.clone()));
            continue;
        }
        let below = param.min.as_ref().is_some_and(|min| number(&value) < number(min));
        let above = param.max.as_ref().is_some_and(|max| number(&value) > number(max));
        // A default outside of its own bounds was found when the definition was read.
        if given.is_some() && (below || above) {
            diagnostics.push(out_of_range(param, &value, below, place));
        }
        values.push((param.name.text.clone(), value));
    }
    values
}

fn out_of_range(param: &Param, value: &Value, below: bool, place: Span) -> Diagnostic {
    let (words, bound) = if below { ("below its `min` of", &param.min) } else { ("above its `max` of", &param.max) };
    let bound = bound.as_ref().map(Value::display).unwrap_or_default();
    let message = format!("parameter `{}` is {}, {words} {bound}", param.name.text, value.display());
    let help = format!("choose another value, or change `{}` in the rule", if below { "min" } else { "max" });
    Diagnostic::error("rule.parameter-range", place, message).help(help)
}

/// An integer given for a FLOAT64 parameter is one.
#[expect(clippy::cast_precision_loss, reason = "GoogleSQL rounds an INT64 literal used as FLOAT64")]
fn as_type(value: &Value, ty: Type) -> Value {
    match (value, ty) {
        (Value::Int64(v), Type::Float64) => Value::Float64(*v as f64),
        _ => value.clone(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "bounds of parameters are small")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int64(v) => Some(*v as f64),
        Value::Float64(v) => Some(*v),
        _ => None,
    }
}

fn check_params_used(rule: &Rule, used: &[(String, Span)], diagnostics: &mut Vec<Diagnostic>) {
    let score = rule.score.as_ref().map(|s| language::parameters_of(&s.value)).unwrap_or_default();
    let exceptions = rule.exceptions.iter().flat_map(|e| language::parameters_of(&e.when));
    let used: Vec<String> = used.iter().cloned().chain(score).chain(exceptions).map(|(name, _)| name).collect();
    for param in &rule.params {
        if !used.iter().any(|name| name.eq_ignore_ascii_case(param.name.as_str())) {
            let message = format!("parameter `{}` is not used", param.name.text);
            diagnostics.push(
                Diagnostic::warning("rule.unused-parameter", param.name.span(), message)
                    .help(format!("write @{} in the SQL, or remove it", param.name.text)),
            );
        }
    }
}

/// What `score`, `entities`, `exceptions` and `alert.key` may name: the hit's columns.
fn hit_scope(resolver: &Resolver, rule: &Rule, columns: &[Column], params: &[(String, Value)]) -> Scope {
    let mut scope = resolver.scope(format!("rule {}", rule.name.text), columns);
    scope.params = parameters(params);
    scope
}

/// The columns that the SELECT reads from, for what may name only those that it returns.
fn left_out(scope: &Scope) -> Vec<(String, String)> {
    let columns = scope.columns.iter().map(|c| match &c.qualifier {
        Some(qualifier) => {
            let name = format!("{qualifier}.{}", c.column.name);
            (name.clone(), format!("the rule does not return it: add `{name} AS {}` to its SELECT", c.column.name))
        }
        None => {
            let name = c.column.name.clone();
            (name.clone(), format!("the rule does not return it: add `{name}` to its SELECT"))
        }
    });
    columns.collect()
}

fn bind_entities(rule: &Rule, hit: &Scope, diagnostics: &mut Vec<Diagnostic>) -> Vec<EntityPlan> {
    let entities = rule.entities.iter().filter_map(|entity| {
        let column = join::find(hit, &entity.column, diagnostics)?;
        Some(EntityPlan { ty: entity.ty.text.clone(), role: entity.role.text.clone(), column })
    });
    entities.collect()
}

fn bind_score(resolver: &Resolver, rule: &Rule, hit: &Scope, diagnostics: &mut Vec<Diagnostic>) -> Option<ScorePlan> {
    let score = rule.score.as_ref()?;
    resolver.use_lookups_of(&score.value);
    let value = language::bind_expression(&score.value, hit, diagnostics)?;
    if !value.ty.is_numeric() {
        let message = format!("a score is FLOAT64, this is {}", value.ty);
        let finding = Diagnostic::error("rule.score", value.span, message);
        diagnostics.push(finding.help("write a number from 0 to 1, for instance LEAST(1.0, flows / 100)"));
    }
    Some(ScorePlan { value, weight: score.weight })
}

fn bind_exceptions(
    resolver: &Resolver,
    rule: &Rule,
    over: Option<&Override>,
    hit: &Scope,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<ExceptionPlan> {
    let mut plans = Vec::new();
    let own = rule.exceptions.iter();
    for exception in own.chain(over.map(|o| o.exceptions.as_slice()).unwrap_or_default()) {
        if exception.from.zip(exception.to).is_some_and(|(from, to)| from >= to) {
            let message = format!("an exception of rule `{}` ends before it begins", rule.name.text);
            let finding = Diagnostic::error("rule.bad-period", exception.span, message).label("never holds");
            diagnostics.push(finding.help("`from` counts, `to` does not: the second must be after the first"));
        } else if let Some(to) = exception.to.filter(|to| *to <= resolver.options.as_of) {
            let message = format!("the exception of rule `{}` expired at {to}", rule.name.text);
            diagnostics.push(
                Diagnostic::warning("rule.expired-exception", exception.span, message)
                    .label(format!("reason: {}", exception.reason))
                    .help("remove it, or renew `to` after a review"),
            );
        }
        resolver.use_lookups_of(&exception.when);
        let Some(when) = language::bind_condition(&exception.when, hit, diagnostics) else { continue };
        let valid = Period { from: exception.from, to: exception.to };
        plans.push(ExceptionPlan { when, reason: exception.reason.clone(), valid });
    }
    plans
}
