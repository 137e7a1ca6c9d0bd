//! Aggregates with an order: rows that are equal in it may not show which of them came first.

use crate::diagnostic::Diagnostic;
use crate::language::tree::{Aggregate, ExprKind, Group};
use crate::record::{Column, flow};

use super::wanted::columns_of;
use super::{Plan, PreviousPlan, SelectPlan, Upstream, WINDOW_COLUMNS, hits};

/// What tells rows of a relation apart: all of `each`, and one of `any` where there are such.
struct Apart {
    each: Vec<usize>,
    any: Vec<usize>,
}

impl Apart {
    fn of(plan: &Plan, upstream: Upstream) -> Self {
        match upstream {
            Upstream::Flows => Self { each: vec![flow::ROW_ID], any: Vec::new() },
            Upstream::Hits(_) => Self { each: vec![hits::HIT_ID], any: Vec::new() },
            Upstream::Feature(index) => {
                let key = plan.features[index].key.len();
                Self { each: (0..key).collect(), any: (key..key + WINDOW_COLUMNS).collect() }
            }
        }
    }
}

/// Of an aggregate over the rows of a feature's scope.
pub(super) fn check(
    plan: &Plan,
    upstream: Upstream,
    previous: Option<&PreviousPlan>,
    aggregate: &Aggregate,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if aggregate.order.is_empty() || aggregate.is_ordered_by_value() {
        return;
    }
    let columns = plan.columns(upstream);
    let mut missing = missing(&Apart::of(plan, upstream), &columns, aggregate);
    // Flows that are equal in everything differ in what was before them.
    if upstream == Upstream::Flows
        && let (Some(previous), Some(arg)) = (previous, &aggregate.arg)
    {
        let mut needed = false;
        columns_of(arg, &mut |index| needed |= previous.is_needed_for(index));
        if needed {
            missing.push(VALUE);
        }
    }
    if !missing.is_empty() {
        diagnostics.push(finding(aggregate, &missing));
    }
}

/// Of the aggregates of an ad-hoc query; their inputs are columns of what its branches give.
pub(super) fn check_group(
    plan: &Plan,
    group: &Group,
    branches: &[(String, SelectPlan)],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<()> {
    let mut fine = Some(());
    for aggregate in group.aggregates.iter().filter(|aggregate| !aggregate.order.is_empty()) {
        // Rows of several branches may be the same.
        let alone = branches.len() == 1;
        for (relation, select) in branches {
            let mut real = aggregate.clone();
            for input in real.inputs_mut() {
                if let ExprKind::Column(index) = input.kind
                    && let Some(item) = select.items.get(index)
                {
                    *input = item.expr.clone();
                }
            }
            if real.is_ordered_by_value() {
                continue;
            }
            let apart = apart(plan, relation).filter(|_| alone);
            let missing = apart.map_or_else(|| Vec::from([VALUE]), |apart| missing(&apart, &select.scope, &real));
            if !missing.is_empty() {
                diagnostics.push(finding(aggregate, &missing));
                fine = None;
                break;
            }
        }
    }
    fine
}

const VALUE: &str = "the value itself";

/// `None` where nothing does.
fn apart(plan: &Plan, relation: &str) -> Option<Apart> {
    if relation == flow::FLOWS || relation == flow::LATE {
        return Some(Apart::of(plan, Upstream::Flows));
    }
    let index = plan.features.iter().position(|feature| feature.name == relation)?;
    Some(Apart::of(plan, Upstream::Feature(index)))
}

/// The columns that the order lacks.
fn missing<'c>(apart: &Apart, columns: &'c [Column], aggregate: &Aggregate) -> Vec<&'c str> {
    let decided = |index: &usize| {
        aggregate.order.iter().any(|key| matches!(key.expr.kind, ExprKind::Column(column) if column == *index))
    };
    let open = apart.each.iter().filter(|index| !decided(index));
    let window = apart.any.first().filter(|_| !apart.any.iter().any(decided));
    window.into_iter().chain(open).filter_map(|index| columns.get(*index)).map(|column| column.name.as_str()).collect()
}

fn finding(aggregate: &Aggregate, missing: &[&str]) -> Diagnostic {
    let message = "this order leaves open which of two equal rows is first".to_owned();
    let finding = Diagnostic::error("feature.order", aggregate.span, message).label("no order among equals");
    let or = if aggregate.list.is_some() && missing != [VALUE] { ", or the texts themselves" } else { "" };
    finding.help(format!("add behind ORDER BY: {}{or}", missing.join(", ")))
}
