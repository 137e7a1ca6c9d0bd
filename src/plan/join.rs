//! Declared joins: the one way to another feature or a lookup, so that keys and times are checked.

use crate::definition::model::{AsOf, Join, JoinTarget as Declared};
use crate::diagnostic::{Diagnostic, Text, suggest};
use crate::language::scope::{Scope, ScopeColumn};
use crate::record::{Column, Type, Value};

use super::feature::WINDOW_MAX;
use super::resolve::Resolver;
use super::{FeaturePlan, JoinAt, JoinPlan, JoinTarget, Upstream};

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
            Declared::Feature { name, .. } => bind_feature(resolver, join, name, upstream, scope, diagnostics),
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
    scope: &Scope,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<JoinPlan> {
    let Declared::Feature { pairs, as_of, .. } = &join.target else { return None };
    let Some(index) = resolver.plan.feature(name.as_str()) else {
        if !resolver.is_broken(name) {
            diagnostics.push(resolver.unknown_relation(name));
        }
        return None;
    };
    let there = &resolver.plan.features[index];
    let Upstream::Feature(here) = upstream else {
        let here = if upstream == Upstream::Flows { "`flows`" } else { "hits" };
        let message = format!("`{}` is joined on the window, but {here} have no windows of their own", name.text);
        diagnostics.push(Diagnostic::error("join.window-mismatch", name.span(), message).label("has windows").help(
            "join features in a rule or a feature that reads a feature; lookups can be joined to flows and hits",
        ));
        return None;
    };
    let here = &resolver.plan.features[here];
    if let Some(sessions) = [here, there].into_iter().find(|feature| feature.window.session_gap.is_some()) {
        let message = format!("`{}` has sessions, which begin and end at their own times", sessions.name);
        diagnostics.push(Diagnostic::error("join.window-mismatch", name.span(), message).label("joined by time").help(
            "read the sessions in a feature with a `size`, and join that one; lookups can be joined to sessions",
        ));
        return None;
    }
    let at = match as_of {
        Some(as_of) => bind_as_of(as_of, there, diagnostics)?,
        None => same_window(name, here, there, diagnostics)?,
    };
    let on = match pairs {
        Some(pairs) => bind_pairs(pairs, there, scope, diagnostics)?,
        None => shared_keys(here, there),
    };
    for (left, right) in &on {
        let (here, key) = (&scope.columns[*left].column, &there.columns[*right]);
        if here.ty != key.ty {
            let message =
                format!("`{}` is {} here, key `{}` of `{}` is {}", here.name, here.ty, key.name, there.name, key.ty);
            let pair = pairs.iter().flatten().find(|(_, there)| there.text == key.name);
            let place = pair.map_or(name.span(), |(here, _)| here.span());
            let finding = Diagnostic::error("join.type-mismatch", place, message).label("of another type");
            diagnostics.push(finding.help("match columns of one type; the feature that is read can compute one"));
            return None;
        }
    }
    let keys: Vec<&str> = there.key_names().collect();
    let missing: Vec<&str> =
        keys.iter().enumerate().filter(|(i, _)| on.iter().all(|(_, right)| right != i)).map(|(_, key)| *key).collect();
    if !missing.is_empty() {
        let message = format!(
            "`{}` has more than one row for a row of `{}`: its key also has {}",
            there.name,
            here.name,
            list(&missing)
        );
        let place = pairs.as_ref().and_then(|pairs| Some(pairs.first()?.0.span())).unwrap_or(name.span());
        diagnostics.push(
            Diagnostic::error("join.key-mismatch", place, message)
                .label("every column of its key has to be matched")
                .help(format!(
                    "say which column here is which: `match: {{{}: {}}}`; an empty key is the whole population",
                    missing[0], missing[0]
                )),
        );
        return None;
    }
    let columns = there.columns.iter().skip(there.key.len()).cloned().collect::<Vec<_>>();
    // A window that has a row here has one there, when both see the same rows and nothing is filtered there.
    let alike = there.filter.is_none() && there.trailing.is_none() && there.upstream == here.upstream;
    let always = at == JoinAt::Same && on.is_empty() && alike;
    finish(join, columns, JoinTarget::Feature { index, on, at }, always, diagnostics)
}

fn same_window(
    name: &Text,
    here: &FeaturePlan,
    there: &FeaturePlan,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<JoinAt> {
    if here.window == there.window {
        return Some(JoinAt::Same);
    }
    let message = format!("`{}` has windows of {}, `{}` of {}", here.name, here.window, there.name, there.window);
    diagnostics.push(
        Diagnostic::error("join.window-mismatch", name.span(), message).label("joined with `window: same`").help(
            "give both features the same `size` and `every`, or join the last window before: `as_of: window_start`",
        ),
    );
    None
}

/// Ages of a window that is joined, at most: each is looked for.
const AGES_MAX: i64 = 1_440;

fn bind_as_of(as_of: &AsOf, there: &FeaturePlan, diagnostics: &mut Vec<Diagnostic>) -> Option<JoinAt> {
    let every = there.window.every;
    let max_age = as_of.max_age.unwrap_or(every);
    let mut refused = |message: String, help: String| {
        diagnostics.push(Diagnostic::error("join.max-age", as_of.span, message).help(help));
        None
    };
    if every.0 <= 0 {
        return None;
    }
    if max_age.0 % every.0 != 0 {
        let message =
            format!("`max_age` {max_age} is not a multiple of the {every} after which `{}` ends a window", there.name);
        return refused(message, format!("a window may be joined until one of the next ends: for instance {every}"));
    }
    if max_age > WINDOW_MAX || max_age.0 / every.0 > AGES_MAX {
        let message = format!("within `max_age` {max_age} `{}` ends {} windows", there.name, max_age.0 / every.0);
        let help = format!(
            "at most {AGES_MAX}, and {WINDOW_MAX}: use a shorter `max_age`, or join a feature with a longer `every`"
        );
        return refused(message, help);
    }
    Some(JoinAt::AsOf { edge: as_of.edge, max_age })
}

/// The key columns of a feature that are key columns here, by name.
fn shared_keys(here: &FeaturePlan, there: &FeaturePlan) -> Vec<(usize, usize)> {
    let keys = there.key_names().enumerate();
    keys.filter_map(|(right, key)| Some((here.key_names().position(|name| name == key)?, right))).collect()
}

/// The pairs that `match` declares, in the order of the key there.
fn bind_pairs(
    pairs: &[(Text, Text)],
    there: &FeaturePlan,
    scope: &Scope,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<(usize, usize)>> {
    let mut on: Vec<(usize, usize)> = Vec::with_capacity(pairs.len());
    let mut whole = true;
    for (left, right) in pairs {
        let found = find(scope, left, diagnostics);
        let key = there.key_names().position(|key| key == right.as_str());
        if key.is_none_or(|key| on.iter().any(|(_, other)| *other == key)) {
            let keys: Vec<&str> = there.key_names().collect();
            let what = if key.is_some() { "is matched twice" } else { "is not in its key" };
            let finding = Diagnostic::error(
                "join.unknown-column",
                right.span(),
                format!("`{}` of `{}` {what}", right.text, there.name),
            );
            let near = key.is_none().then(|| suggest(right.as_str(), keys.iter().copied())).flatten();
            diagnostics.push(finding.help(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its key is {}", list(&keys)),
            }));
        }
        match (found, key) {
            (Some(left), Some(right)) => on.push((left, right)),
            _ => whole = false,
        }
    }
    on.sort_by_key(|(_, right)| *right);
    on.dedup_by_key(|(_, right)| *right);
    whole.then_some(on)
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
        if lookup.table.is_some() && !field.cidr {
            let message = format!("`{}` has its rows in a file, which are found by their network alone", lookup.name);
            let finding = Diagnostic::error("join.prefix", there.span(), message).label("not its network");
            let network = lookup.fields.iter().find(|field| field.cidr).map_or("…", |field| field.name.as_str());
            diagnostics
                .push(finding.help(format!("match an address: `match: {{src_ip: {network}}}, how: longest_prefix`")));
        } else if field.cidr != longest_prefix {
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

fn list(names: &[&str]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}
