//! Declared joins: the one way to another feature or a lookup, so that keys and times are checked.

use crate::definition::model::{Join, JoinTarget as Declared};
use crate::diagnostic::{Diagnostic, Text, suggest};
use crate::language::scope::{Scope, ScopeColumn};
use crate::record::{Column, Type, Value};

use super::resolve::Resolver;
use super::{JoinPlan, JoinTarget, Upstream, WindowPlan};

/// Binds the joins of one definition and adds their columns to its scope.
pub(super) fn bind(
    resolver: &Resolver,
    joins: &[Join],
    upstream: Upstream,
    scope: &mut Scope,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<JoinPlan> {
    let mut plans: Vec<JoinPlan> = Vec::new();
    for join in joins {
        if plans.iter().any(|p| p.alias.eq_ignore_ascii_case(join.alias.as_str())) {
            let message = format!("two joins have the alias `{}`", join.alias.text);
            let finding = Diagnostic::error("join.duplicate-alias", join.alias.span(), message);
            diagnostics.push(finding.label("already taken").help("give each join a name of its own with `as`"));
            continue;
        }
        let plan = match &join.target {
            Declared::Feature { name } => bind_feature(resolver, join, name, upstream, diagnostics),
            Declared::Lookup { name, pairs, longest_prefix } => {
                bind_lookup(resolver, join, name, pairs, *longest_prefix, scope, diagnostics)
            }
        };
        let Some(plan) = plan else {
            scope.broken.push(join.alias.text.clone());
            continue;
        };
        for column in &plan.columns {
            scope.columns.push(ScopeColumn { qualifier: Some(plan.alias.clone()), column: column.clone() });
        }
        plans.push(plan);
    }
    plans
}

fn bind_feature(
    resolver: &Resolver,
    join: &Join,
    name: &Text,
    upstream: Upstream,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<JoinPlan> {
    let Some(index) = resolver.plan.feature(name.as_str()) else {
        if !resolver.is_broken(name) {
            diagnostics.push(resolver.unknown_relation(name));
        }
        return None;
    };
    let there = &resolver.plan.features[index];
    let Upstream::Feature(here) = upstream else {
        let message = format!("`{}` is joined on the window, but `flows` has no window", name.text);
        diagnostics.push(
            Diagnostic::error("join.window-mismatch", name.span(), message)
                .label("has windows")
                .help("join features in a rule or a feature that reads a feature; lookups can be joined to `flows`"),
        );
        return None;
    };
    let here = &resolver.plan.features[here];
    if here.window != there.window {
        let message = format!(
            "`{}` has windows of {}, `{}` of {}",
            here.name,
            window_text(here.window),
            there.name,
            window_text(there.window)
        );
        diagnostics.push(
            Diagnostic::error("join.window-mismatch", name.span(), message)
                .label("joined with `window: same`")
                .help("give both features the same `size` and `every`"),
        );
        return None;
    }
    let keys: Vec<&str> = there.key_names().collect();
    let on: Vec<(usize, usize)> = keys
        .iter()
        .enumerate()
        .filter_map(|(right, key)| Some((here.key_names().position(|name| name == *key)?, right)))
        .collect();
    for (left, right) in &on {
        let (left, right) = (&here.columns[*left], &there.columns[*right]);
        if left.ty != right.ty {
            let message = format!("key `{}` is {} here and {} in `{}`", left.name, left.ty, right.ty, there.name);
            diagnostics.push(Diagnostic::error("join.type-mismatch", name.span(), message));
            return None;
        }
    }
    if on.len() < keys.len() {
        let missing: Vec<&str> = keys.iter().copied().filter(|k| here.key_names().all(|n| n != *k)).collect();
        let message = format!(
            "`{}` has more than one row for a row of `{}`: its key also has {}",
            there.name,
            here.name,
            list(&missing)
        );
        diagnostics.push(
            Diagnostic::error("join.key-mismatch", name.span(), message)
                .label("its key must be part of the key here")
                .help(
                    "join a feature whose key columns are all key columns here; an empty key is the whole population",
                ),
        );
        return None;
    }
    let columns = there.columns.iter().skip(there.key.len()).cloned().collect::<Vec<_>>();
    // A window that has a row here has one there, when both see the same rows and nothing is filtered there.
    let always = on.is_empty() && there.filter.is_none() && there.upstream == here.upstream;
    finish(join, columns, JoinTarget::Feature { index, on }, always, diagnostics)
}

fn bind_lookup(
    resolver: &Resolver,
    join: &Join,
    name: &Text,
    pairs: &[(Text, Text)],
    longest_prefix: bool,
    scope: &Scope,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<JoinPlan> {
    let Some(index) = resolver.use_lookup(name.as_str()) else {
        if !resolver.is_broken(name) {
            diagnostics.push(resolver.unknown_lookup(name));
        }
        return None;
    };
    let lookup = &resolver.plan.lookups[index];
    let mut on = Vec::new();
    for (here, there) in pairs {
        let Some(left) = find(scope, here, diagnostics) else { continue };
        let Some(right) = lookup.fields.iter().position(|f| f.name == there.text) else {
            let names = lookup.fields.iter().map(|f| f.name.as_str());
            let mut finding = Diagnostic::error(
                "join.unknown-column",
                there.span(),
                format!("lookup `{}` has no column `{}`", lookup.name, there.text),
            );
            let near = suggest(there.as_str(), names);
            finding = match near {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => {
                    let all: Vec<&str> = lookup.fields.iter().map(|f| f.name.as_str()).collect();
                    finding.help(format!("its columns are {}", all.join(", ")))
                }
            };
            diagnostics.push(finding);
            continue;
        };
        let (left_type, field) = (scope.columns[left].column.ty, &lookup.fields[right]);
        if left_type != field.ty {
            let message = format!("`{}` is {left_type}, `{}.{}` is {}", here.text, lookup.name, field.name, field.ty);
            let finding = Diagnostic::error("join.type-mismatch", here.span(), message);
            diagnostics.push(finding.label("of another type").help(format!(
                "match columns of one type, or declare the lookup's column `{}` as {left_type}",
                field.name
            )));
        }
        if left_type == Type::Float64 {
            let message = format!("`{}` is FLOAT64, which cannot be matched", here.text);
            let finding = Diagnostic::error("join.float-key", here.span(), message);
            let finding = finding.label("equal numbers may differ in the last bit");
            diagnostics.push(finding.help("match INT64 or STRING columns"));
        }
        if field.cidr != longest_prefix {
            let (message, help) = if field.cidr {
                ("a column of networks is matched by containment", "add `how: longest_prefix`")
            } else {
                ("`how: longest_prefix` needs a column of networks", "mark the lookup's column with `cidr: true`")
            };
            diagnostics.push(Diagnostic::error("join.prefix", there.span(), message).help(help));
        }
        on.push((left, right));
    }
    if longest_prefix && pairs.len() != 1 {
        let message = "`how: longest_prefix` matches exactly one column";
        let finding = Diagnostic::error("join.prefix", join.span, message);
        diagnostics.push(finding.help("match one address with one column of networks"));
        return None;
    }
    let columns = lookup.fields.iter().map(|f| Column::new(f.name.clone(), f.ty, true)).collect();
    (on.len() == pairs.len())
        .then(|| finish(join, columns, JoinTarget::Lookup { index, on, longest_prefix }, false, diagnostics))
        .flatten()
}

/// Columns of absent rows: NULL, or what `missing` says.
fn finish(
    join: &Join,
    mut columns: Vec<Column>,
    target: JoinTarget,
    always: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<JoinPlan> {
    let mut missing: Vec<Option<Value>> = vec![None; columns.len()];
    for column in &mut columns {
        column.nullable |= !always;
    }
    for (name, value) in &join.missing {
        let Some(index) = columns.iter().position(|c| c.name == name.text) else {
            let mut finding = Diagnostic::error(
                "join.unknown-column",
                name.span(),
                format!("`missing` names `{}`, which `{}` does not have", name.text, join.alias.text),
            );
            let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
            finding = match suggest(name.as_str(), names.iter().copied()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help(format!("its columns are {}", names.join(", "))),
            };
            diagnostics.push(finding);
            continue;
        };
        let value = match (value, columns[index].ty) {
            #[expect(clippy::cast_precision_loss, reason = "GoogleSQL rounds an INT64 literal used as FLOAT64")]
            (Value::Int64(v), Type::Float64) => Value::Float64(*v as f64),
            (value, _) => value.clone(),
        };
        if value.ty() != columns[index].ty {
            let message = format!("`{}` is {}, the value is {}", name.text, columns[index].ty, value.ty());
            let finding = Diagnostic::error("join.type-mismatch", name.span(), message);
            diagnostics.push(finding.help(format!("write a value of type {}", columns[index].ty)));
            continue;
        }
        columns[index].nullable = false;
        missing[index] = Some(value);
    }
    Some(JoinPlan { alias: join.alias.text.clone(), target, columns, missing })
}

/// The scope's own column of that name; unknown ones are findings.
pub(super) fn find(scope: &Scope, name: &Text, diagnostics: &mut Vec<Diagnostic>) -> Option<usize> {
    let own = || scope.columns.iter().filter(|c| c.qualifier.is_none());
    let found =
        scope.columns.iter().position(|c| c.qualifier.is_none() && c.column.name.eq_ignore_ascii_case(name.as_str()));
    if found.is_none() {
        let mut finding = Diagnostic::error(
            "sql.unknown-column",
            name.span(),
            format!("no column is named {} in {}", name.text, scope.owner),
        )
        .label("not a column here");
        let same = |known: &str| known.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case(name.as_str()));
        if let Some((_, help)) = scope.elsewhere.iter().find(|(known, _)| same(known)) {
            diagnostics.push(finding.help(help));
            return None;
        }
        finding = match suggest(name.as_str(), own().map(|c| c.column.name.as_str())) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => {
                let names: Vec<&str> = own().map(|c| c.column.name.as_str()).collect();
                finding.help(format!("its columns are {}", names.join(", ")))
            }
        };
        diagnostics.push(finding);
    }
    found
}

fn window_text(window: WindowPlan) -> String {
    if window.size == window.every {
        window.size.to_string()
    } else {
        format!("{} every {}", window.size, window.every)
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}
