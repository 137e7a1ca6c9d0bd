//! Windowed features: scope, key, window, aggregates, derived columns.

use crate::definition::model::{Feature, FeatureKind, Fill, Window};
use crate::diagnostic::{Diagnostic, Text};
use crate::language::scope::{Scope, ScopeColumn};
use crate::language::tree::{Aggregate, Aggregation, Expr, ExprKind, Item};
use crate::language::{self};
use crate::record::{Column, Micros, Type};

use super::resolve::Resolver;
use super::{FeaturePlan, JoinPlan, PreviousPlan, Upstream, WINDOW_NAMES, WindowPlan, join, previous, ties, trailing};

pub(super) const WINDOW_MAX: Micros = Micros(366 * 86_400_000_000);
/// Panes of one window: each close combines them all.
const PANES_MAX: i64 = 1_440;

pub(super) fn bind(resolver: &Resolver, feature: &Feature, diagnostics: &mut Vec<Diagnostic>) -> Option<FeaturePlan> {
    let before = diagnostics.iter().filter(|d| d.severity == crate::diagnostic::Severity::Error).count();
    let upstream = resolver.upstream(&feature.from, diagnostics)?;
    let name = feature.name.text.clone();
    let relation = resolver.plan.relation_name(upstream);
    let mut scope = resolver.scope(format!("{relation} (read by feature {name})"), &resolver.plan.columns(upstream));
    scope.elsewhere = computed(feature);
    let joins = join::bind(resolver, &feature.join, upstream, &mut scope, diagnostics);
    let previous = previous::bind(resolver, feature, upstream, &mut scope, diagnostics);
    let mut row = bind_row(resolver, feature, &mut scope, diagnostics);
    let previous = previous.map(|found| previous::order(found, &mut row, &mut scope));
    let filter = feature.filter.as_ref().and_then(|text| {
        resolver.use_lookups_of(text);
        language::bind_condition(text, &scope, diagnostics)
    });
    if let Some(filter) = &filter {
        diagnostics.extend(language::null_warnings(filter, &scope));
        previous::check_filter(previous.as_ref(), filter, &scope, diagnostics);
    }
    let read = Read { resolver, feature, upstream, scope, joins, previous, row, filter };
    let plan = match &feature.kind {
        FeatureKind::Windows { key, window, columns, fill } => {
            let plan = windows(read, key, window, columns, fill.as_ref(), diagnostics);
            FeaturePlan { fill: fill.as_ref().map(|fill| fill.expire), ..plan }
        }
        FeatureKind::Trailing { frames, emit } => trailing::bind(read, frames, emit.as_ref(), diagnostics)?,
    };
    let after = diagnostics.iter().filter(|d| d.severity == crate::diagnostic::Severity::Error).count();
    (after == before).then_some(plan)
}

/// A feature's rows before anything is aggregated.
pub(super) struct Read<'a> {
    pub resolver: &'a Resolver<'a>,
    pub feature: &'a Feature,
    pub upstream: Upstream,
    pub scope: Scope,
    pub joins: Vec<JoinPlan>,
    pub previous: Option<PreviousPlan>,
    pub row: Vec<Item>,
    pub filter: Option<Expr>,
}

fn windows(
    read: Read<'_>,
    key: &[Text],
    window: &Window,
    texts: &[(Text, Text)],
    fill: Option<&Fill>,
    diagnostics: &mut Vec<Diagnostic>,
) -> FeaturePlan {
    let names = key;
    let key = bind_key(key, &read.scope, diagnostics);
    previous::check_key(read.previous.as_ref(), names, &read.scope, diagnostics);
    let window = bind_window(read.resolver, window, read.upstream, diagnostics);
    let mut columns: Vec<Column> = key.iter().map(|i| read.scope.columns[*i].column.clone()).collect();
    columns.extend(WINDOW_NAMES.map(|name| Column::new(name, Type::Timestamp, false)));
    if let Some(fill) = fill.filter(|fill| fill.expire > WINDOW_MAX) {
        let message = format!("`expire` {} is more than {WINDOW_MAX}", fill.expire);
        diagnostics.push(Diagnostic::error("feature.window", fill.span, message).help("use a shorter one"));
    }
    let mut results = Results { filled: fill.is_some(), ..Results::default() };
    results.bind(&read, texts, &mut columns, diagnostics);
    let derive = bind_derived(&read, &read.feature.derive, &mut columns, diagnostics);
    FeaturePlan {
        name: read.feature.name.text.clone(),
        upstream: read.upstream,
        joins: read.joins,
        scope: read.scope.columns.into_iter().map(|c| c.column).collect(),
        previous: read.previous,
        row: read.row,
        filter: read.filter,
        key,
        window,
        aggregates: results.aggregates,
        outputs: results.outputs,
        derive,
        columns,
        fill: None,
        trailing: None,
    }
}

/// The feature's own columns, for expressions that come before them.
fn computed(feature: &Feature) -> Vec<(String, String)> {
    let derived = feature.derive.iter().map(|(name, _)| name.text.clone());
    let names = feature.computed().into_iter().map(|name| name.text).chain(derived);
    names
        .map(|name| {
            let help = format!(
                "`{name}` is computed by this feature: what is computed from it stands under `derive`, a condition \
                 over it in the rule"
            );
            (name, help)
        })
        .collect()
}

fn bind_row(resolver: &Resolver, feature: &Feature, scope: &mut Scope, diagnostics: &mut Vec<Diagnostic>) -> Vec<Item> {
    let mut row = Vec::new();
    for (name, text) in &feature.row {
        resolver.use_lookups_of(text);
        let Some(expr) = language::bind_expression(text, scope, diagnostics) else {
            scope.broken.push(name.text.clone());
            continue;
        };
        let same = |c: &ScopeColumn| c.qualifier.is_none() && c.column.name.eq_ignore_ascii_case(name.as_str());
        let taken = scope.columns.iter().any(same);
        if taken {
            diagnostics.push(duplicate(name));
            continue;
        }
        let column = Column::new(name.text.clone(), expr.ty, expr.nullable);
        scope.columns.push(ScopeColumn { qualifier: None, column });
        row.push(Item { name: name.text.clone(), expr });
    }
    row
}

/// The key's columns in the scope: each once, of a type whose equality means something.
pub(super) fn bind_key(names: &[Text], scope: &Scope, diagnostics: &mut Vec<Diagnostic>) -> Vec<usize> {
    let mut key = Vec::new();
    for name in names {
        let Some(index) = join::find(scope, name, diagnostics) else { continue };
        let column = &scope.columns[index].column;
        if key.contains(&index) {
            let finding = Diagnostic::error(
                "feature.duplicate-column",
                name.span(),
                format!("the key has `{}` twice", name.text),
            );
            diagnostics.push(finding.label("again").help("name it once"));
        } else if WINDOW_NAMES.contains(&column.name.as_str()) {
            let message = format!("every feature has a column `{}`", column.name);
            let finding = Diagnostic::error("feature.duplicate-column", name.span(), message);
            let finding = finding.label("cannot be in the key too");
            diagnostics.push(finding.help(format!("give it another name in `row`: `of_flow: {}`", column.name)));
        } else if column.ty == Type::Float64 {
            let message = format!("`{}` is FLOAT64, which cannot be a key", name.text);
            let finding = Diagnostic::error("feature.float-key", name.span(), message);
            let finding = finding.label("equal numbers may differ in the last bit");
            diagnostics.push(finding.help("compute an INT64 or STRING in `row`: `CAST(ROUND(x) AS INT64)`"));
        }
        key.push(index);
    }
    key
}

fn bind_window(
    resolver: &Resolver,
    window: &Window,
    upstream: Upstream,
    diagnostics: &mut Vec<Diagnostic>,
) -> WindowPlan {
    let mut finding = |message: String, help: &str| {
        diagnostics.push(Diagnostic::error("feature.window", window.span, message).help(help));
    };
    let (size, every) = (window.size.0, window.every.0);
    if size <= 0 || every <= 0 {
        finding("a window's `size` and `every` are more than zero".into(), "for instance {size: 5m, every: 1m}");
    } else if window.session_gap.is_none() && size % every != 0 {
        finding(
            format!("`size` {} is not a multiple of `every` {}", window.size, window.every),
            "windows are made of panes as long as `every`",
        );
    } else if window.size > WINDOW_MAX {
        let key = if window.session_gap.is_some() { "max" } else { "size" };
        finding(format!("`{key}` {} is more than {WINDOW_MAX}", window.size), "use a shorter one");
    } else if window.session_gap.is_none() && size / every > PANES_MAX {
        finding(format!("a window of {} panes is more than {PANES_MAX}", size / every), "use a longer `every`");
    }
    if let Upstream::Feature(index) = upstream {
        let there = &resolver.plan.features[index];
        let aligned = window.session_gap.is_some() || there.window.every.0 <= 0 || every % there.window.every.0 == 0;
        if every > 0 && !aligned {
            finding(
                format!("`every` {} is not a multiple of `{}`'s {}", window.every, there.name, there.window.every),
                "start windows only when one there starts: otherwise they hold different numbers of its rows",
            );
        }
    }
    WindowPlan { size: window.size, every: window.every, session_gap: window.session_gap }
}

/// Aggregates, and columns computed from them.
#[derive(Default)]
pub(super) struct Results {
    pub aggregates: Vec<Aggregate>,
    pub outputs: Vec<Item>,
    /// Are there windows without rows?
    pub filled: bool,
}

impl Results {
    pub fn bind(
        &mut self,
        read: &Read<'_>,
        texts: &[(Text, Text)],
        columns: &mut Vec<Column>,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        for (name, text) in texts {
            read.resolver.use_lookups_of(text);
            let mut scope = read.scope.clone();
            scope.empty |= self.filled;
            scope.zeros = self.filled;
            // `bytes: SUM(bytes)` means another column than itself.
            scope.elsewhere.retain(|(other, _)| *other != name.text);
            let bound = language::bind_aggregation(text, &scope, diagnostics);
            let Some(Aggregation { aggregates: own, mut output }) = bound else { continue };
            if columns.iter().any(|c| c.name.eq_ignore_ascii_case(name.as_str())) {
                diagnostics.push(duplicate(name));
                continue;
            }
            let plan = &read.resolver.plan;
            let previous = read.previous.as_ref();
            own.iter().for_each(|aggregate| ties::check(plan, read.upstream, previous, aggregate, diagnostics));
            shift(&mut output, self.aggregates.len());
            self.aggregates.extend(own);
            columns.push(Column::new(name.text.clone(), output.ty, output.nullable));
            self.outputs.push(Item { name: name.text.clone(), expr: output });
        }
    }
}

pub(super) fn bind_derived(
    read: &Read<'_>,
    texts: &[(Text, Text)],
    columns: &mut Vec<Column>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Item> {
    let mut derived = Vec::new();
    let absent = |name: &Text| columns.iter().all(|c| !c.name.eq_ignore_ascii_case(name.as_str()));
    let mut broken: Vec<String> = read.feature.computed().into_iter().filter(absent).map(|name| name.text).collect();
    for (name, text) in texts {
        read.resolver.use_lookups_of(text);
        let mut scope = read.resolver.scope(format!("feature {}", read.feature.name.text), columns);
        scope.broken.extend(broken.iter().cloned());
        let Some(expr) = language::bind_expression(text, &scope, diagnostics) else {
            // What is computed from it is not blamed.
            broken.push(name.text.clone());
            continue;
        };
        if columns.iter().any(|c| c.name.eq_ignore_ascii_case(name.as_str())) {
            diagnostics.push(duplicate(name));
            continue;
        }
        columns.push(Column::new(name.text.clone(), expr.ty, expr.nullable));
        derived.push(Item { name: name.text.clone(), expr });
    }
    derived
}

pub(super) fn duplicate(name: &Text) -> Diagnostic {
    Diagnostic::error("feature.duplicate-column", name.span(), format!("column `{}` already exists", name.text))
        .label("second column of this name")
        .help("choose another name: the key, window_start, window_end and event_time are columns too")
}

/// Aggregate `i` of one column becomes column `base + i` of the feature's results.
fn shift(expr: &mut Expr, base: usize) {
    if let ExprKind::Aggregate(index) = expr.kind {
        expr.kind = ExprKind::Column(base + index);
        return;
    }
    expr.kind = expr.kind.map_children(&mut |child| {
        let mut child = child.clone();
        shift(&mut child, base);
        child
    });
}
