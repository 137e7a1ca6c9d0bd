//! Columns of flows and values that they never have: compared with one, a condition looks right and is never true.

use crate::diagnostic::{Diagnostic, suggest};
use crate::language::function::Id;
use crate::language::tree::{Aggregate, Expr, ExprKind, Item};
use crate::record::flow::{self, Values};
use crate::record::{Column, Value};

use super::{FeaturePlan, Plan, RulePlan, SourcePlan, Upstream};

/// For each column of a scope what it may hold, where that is known.
type Known = Vec<Option<Values>>;

/// What a normalization writes out as a column's value.
pub(super) fn check_source(source: &SourcePlan, out: &mut Vec<Diagnostic>) {
    for (column, expr) in flow::columns().iter().zip(&source.flows) {
        if let (Some(values), Some(expr)) = (flow::values(&column.name), expr) {
            results(expr, &mut |result| {
                if let ExprKind::Literal(value) = &result.kind
                    && !values.has(value)
                {
                    out.push(impossible(column, values, value, result).label("what reads flows does not know it"));
                }
            });
        }
    }
}

/// The expressions of which one is the value.
fn results(expr: &Expr, see: &mut dyn FnMut(&Expr)) {
    match &expr.kind {
        ExprKind::Call { function, args } => match function.id {
            Id::If => args.iter().skip(1).for_each(|arg| results(arg, see)),
            Id::Coalesce | Id::IfNull => args.iter().for_each(|arg| results(arg, see)),
            _ => {}
        },
        ExprKind::Case { branches, otherwise } => {
            branches.iter().for_each(|(_, result)| results(result, see));
            otherwise.iter().for_each(|result| results(result, see));
        }
        _ => see(expr),
    }
}

pub(super) fn check_feature(plan: &Plan, feature: &FeaturePlan, out: &mut Vec<Diagnostic>) {
    let known = of_feature_scope(plan, feature);
    let args = feature.aggregates.iter().flat_map(Aggregate::inputs);
    let items = feature.row.iter().map(|item| &item.expr);
    for expr in items.chain(&feature.filter).chain(args) {
        check(expr, &feature.scope, &known, out);
    }
    let known = of_feature(plan, feature);
    let emit = feature.trailing.iter().flat_map(|trailing| &trailing.emit);
    let derive = feature.derive.iter().map(|item| &item.expr);
    derive.chain(emit).for_each(|expr| check(expr, &feature.columns, &known, out));
}

pub(super) fn check_rule(plan: &Plan, rule: &RulePlan, out: &mut Vec<Diagnostic>) {
    let mut known: Known = vec![None; rule.columns.len()];
    for branch in &rule.branches {
        let there = of_relation(plan, branch.upstream);
        branch.select.expressions().for_each(|expr| check(expr, &branch.select.scope, &there, out));
        // Of several SELECTs each may say something else of a column.
        if rule.branches.len() == 1 {
            known = branch.select.items.iter().map(|item| same(item, &there)).collect();
        }
    }
    for expr in rule.exceptions.iter().map(|exception| &exception.when).chain(rule.score.iter().map(|s| &s.value)) {
        check(expr, &rule.columns, &known, out);
    }
}

fn of_relation(plan: &Plan, upstream: Upstream) -> Known {
    match upstream {
        Upstream::Flows => flow::columns().iter().map(|column| flow::values(&column.name)).collect(),
        Upstream::Feature(index) => of_feature(plan, &plan.features[index]),
        Upstream::Hits(_) => vec![None; plan.columns(upstream).len()],
    }
}

/// A feature's key holds what the columns behind it hold; the rest is computed.
fn of_feature(plan: &Plan, feature: &FeaturePlan) -> Known {
    let scope = of_feature_scope(plan, feature);
    feature.key.iter().map(|index| scope.get(*index).copied().flatten()).collect()
}

fn of_feature_scope(plan: &Plan, feature: &FeaturePlan) -> Known {
    let mut known = of_relation(plan, feature.upstream);
    known.resize(feature.scope.len() - feature.row.len(), None);
    for item in &feature.row {
        known.push(same(item, &known));
    }
    known
}

/// An item that is a column holds what the column holds.
fn same(item: &Item, known: &[Option<Values>]) -> Option<Values> {
    match item.expr.kind {
        ExprKind::Column(index) => known.get(index).copied().flatten(),
        _ => None,
    }
}

fn check(expr: &Expr, scope: &[Column], known: &[Option<Values>], out: &mut Vec<Diagnostic>) {
    match &expr.kind {
        ExprKind::Call { function, args } => {
            if let (Id::Eq | Id::NotEq, [left, right]) = (function.id, args.as_slice()) {
                compare(left, right, scope, known, out);
                compare(right, left, scope, known, out);
            }
            args.iter().for_each(|arg| check(arg, scope, known, out));
        }
        ExprKind::InList { expr, list, .. } => {
            list.iter().for_each(|item| compare(expr, item, scope, known, out));
            check(expr, scope, known, out);
        }
        _ => expr.kind.each_child(&mut |child| check(child, scope, known, out)),
    }
}

fn compare(side: &Expr, other: &Expr, scope: &[Column], known: &[Option<Values>], out: &mut Vec<Diagnostic>) {
    let ExprKind::Literal(value) = &other.kind else { return };
    let Some((index, instead)) = column(side) else { return };
    let (Some(column), Some(values)) = (scope.get(index), known.get(index).copied().flatten()) else { return };
    if values.has(value) || instead.contains(&value) {
        return;
    }
    out.push(impossible(column, values, value, other).label("equals no row's"));
}

fn impossible(column: &Column, values: Values, value: &Value, place: &Expr) -> Diagnostic {
    let message = format!("`{}` is never {}", column.name, shown(value));
    let warning = Diagnostic::warning("flows.impossible-value", place.span, message);
    let near = match (values, value) {
        (Values::Words(words), Value::String(text)) => suggest(text, words.iter().copied()).map(str::to_owned),
        (Values::Capitals, Value::String(text)) => Some(text.to_uppercase()),
        _ => None,
    };
    match near {
        Some(near) => warning.help(format!("did you mean '{near}'? `{}` is {}", column.name, values.form())),
        None => warning.help(format!("`{}` is {}", column.name, values.form())),
    }
}

/// The column that an expression gives, with the values that stand in for its NULLs.
fn column(expr: &Expr) -> Option<(usize, Vec<&Value>)> {
    match &expr.kind {
        ExprKind::Column(index) => Some((*index, Vec::new())),
        ExprKind::Call { function, args } if matches!(function.id, Id::Coalesce | Id::IfNull) => {
            let (first, rest) = args.split_first()?;
            let (index, mut instead) = column(first)?;
            for arg in rest {
                let ExprKind::Literal(value) = &arg.kind else { return None };
                instead.push(value);
            }
            Some((index, instead))
        }
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        value => value.display(),
    }
}
