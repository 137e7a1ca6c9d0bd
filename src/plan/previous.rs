//! The row before: columns of it beside each row, of the rows of a key that `where` lets through.
//!
//! What is the row before is known only when `where` has chosen and the key is computed: neither of them reads it.

use crate::definition::model::Feature;
use crate::diagnostic::{Diagnostic, Text};
use crate::language::scope::{Scope, ScopeColumn};
use crate::language::tree::{Expr, ExprKind, Item};
use crate::record::{Column, flow};

use super::feature::{WINDOW_MAX, duplicate};
use super::resolve::Resolver;
use super::wanted::columns_of;
use super::{PreviousPlan, Upstream, join};

/// Adds the columns to the scope.
pub(super) fn bind(
    resolver: &Resolver,
    feature: &Feature,
    upstream: Upstream,
    scope: &mut Scope,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<PreviousPlan> {
    let previous = feature.previous.as_ref()?;
    if previous.max_gap > WINDOW_MAX {
        let message = format!("`max_gap` {} is more than {WINDOW_MAX}", previous.max_gap);
        let finding = Diagnostic::error("feature.previous", previous.max_gap_span, message);
        diagnostics.push(finding.help("use a shorter one"));
    }
    let at = scope.columns.len();
    // Not of the row before that.
    let known = scope.clone();
    let mut of: Vec<usize> = Vec::new();
    for name in &previous.columns {
        let own = format!("previous_{}", name.text);
        let Some(index) = join::find(&known, name, diagnostics) else {
            scope.broken.push(own);
            continue;
        };
        let column = scope.columns[index].column.clone();
        if scope.columns.iter().any(|c| c.qualifier.is_none() && c.column.name.eq_ignore_ascii_case(&own)) {
            diagnostics.push(duplicate(&Text { text: own, map: name.map.clone() }));
            continue;
        }
        scope.columns.push(ScopeColumn { qualifier: None, column: Column::new(own, column.ty, true) });
        of.push(index);
    }
    let ties = match upstream {
        Upstream::Flows => vec![flow::ROW_ID],
        // Of one instant there is one row of each key, and one of each id.
        Upstream::Feature(index) => (0..resolver.plan.features[index].key.len()).collect(),
        Upstream::Hits(_) => vec![0],
    };
    Some(PreviousPlan { of, at, ties, max_gap: previous.max_gap, ready: 0 })
}

/// Puts `row` columns that the row before is not needed for to the front.
pub(super) fn order(mut previous: PreviousPlan, row: &mut Vec<Item>, scope: &mut Scope) -> PreviousPlan {
    let first = scope.columns.len() - row.len();
    let mut needs: Vec<bool> = Vec::with_capacity(row.len());
    for item in row.iter() {
        let mut needed = false;
        columns_of(&item.expr, &mut |index| {
            needed |= match index.checked_sub(first) {
                Some(earlier) => needs.get(earlier).copied().unwrap_or(false),
                None => index >= previous.at,
            };
        });
        needs.push(needed);
    }
    previous.ready = needs.iter().filter(|needed| !**needed).count();
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by_key(|index| needs[*index]);
    let mut places: Vec<usize> = (0..scope.columns.len()).collect();
    order.iter().enumerate().for_each(|(new, old)| places[first + old] = first + new);
    let mut taken: Vec<Option<Item>> = row.drain(..).map(Some).collect();
    row.extend(order.iter().filter_map(|old| taken[*old].take()));
    row.iter_mut().for_each(|item| renumber(&mut item.expr, &places));
    let columns = scope.columns.split_off(first);
    scope.columns.extend(order.iter().map(|old| columns[*old].clone()));
    previous
}

fn renumber(expr: &mut Expr, places: &[usize]) {
    if let ExprKind::Column(index) = &mut expr.kind {
        *index = places.get(*index).copied().unwrap_or(*index);
        return;
    }
    expr.kind = expr.kind.map_children(&mut |child| {
        let mut child = child.clone();
        renumber(&mut child, places);
        child
    });
}

pub(super) fn check_filter(
    previous: Option<&PreviousPlan>,
    filter: &Expr,
    scope: &Scope,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut needed = None;
    columns_of(filter, &mut |index| {
        if previous.is_some_and(|previous| previous.is_needed_for(index)) {
            needed = needed.or(Some(index));
        }
    });
    let Some(name) = needed.map(|index| &scope.columns[index].column.name) else { return };
    let message = format!("`where` chooses the rows before their row before is known, which `{name}` needs");
    let finding = Diagnostic::error("feature.previous", filter.span, message);
    diagnostics
        .push(finding.label("chosen first").help(format!("count what is meant: `COUNTIF({name} …)` under `columns`")));
}

pub(super) fn check_key(
    previous: Option<&PreviousPlan>,
    key: &[Text],
    scope: &Scope,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for name in key {
        let found = scope
            .columns
            .iter()
            .position(|c| c.qualifier.is_none() && c.column.name.eq_ignore_ascii_case(name.as_str()));
        if found.zip(previous).is_some_and(|(index, previous)| previous.is_needed_for(index)) {
            let message = format!("the row before is one of the same key, and `{}` needs it", name.text);
            let finding = Diagnostic::error("feature.previous", name.span(), message);
            diagnostics.push(finding.label("in the key").help("group by it in a feature that reads this one"));
        }
    }
}

impl PreviousPlan {
    /// Is a column of the scope unknown without the row before?
    pub(super) fn is_needed_for(&self, index: usize) -> bool {
        let row = self.at + self.of.len();
        (self.at..row).contains(&index) || index >= row + self.ready
    }
}
