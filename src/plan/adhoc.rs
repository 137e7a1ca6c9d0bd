//! An ad-hoc query over any relation of a project.

use crate::diagnostic::{Diagnostic, Span, Text, suggest};
use crate::language::scope::{Scope, ScopeLookup};
use crate::language::tree::{AdHoc, Group, OrderColumn, Select};
use crate::language::{self};
use crate::record::Column;

use super::wanted::columns_of;
use super::{Plan, SelectPlan, ties};

/// A query that is asked once.
#[derive(Debug, Clone)]
pub struct AdHocPlan {
    /// Each reads one relation; their rows are joined by UNION ALL.
    pub branches: Vec<(String, SelectPlan)>,
    pub group: Option<Group>,
    /// The result's columns, and behind them those that only order it.
    pub items: Vec<Column>,
    pub columns: usize,
    pub order: Vec<OrderColumn>,
    pub offset: usize,
    pub limit: Option<usize>,
}

impl AdHocPlan {
    /// The relations that it reads, each once.
    pub fn relations(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.branches.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Which of so many columns of a relation it reads.
    pub fn columns_of(&self, relation: &str, count: usize) -> Vec<bool> {
        let mut read = vec![false; count];
        let mut see = |index: usize| {
            if let Some(read) = read.get_mut(index) {
                *read = true;
            }
        };
        for (_, select) in self.branches.iter().filter(|(name, _)| name == relation) {
            select.expressions().for_each(|expr| columns_of(expr, &mut see));
        }
        read
    }

    /// Do rows have to be there all before the first comes out?
    pub fn collects(&self) -> bool {
        self.group.is_some()
            || !self.order.is_empty()
            || self.branches.iter().any(|(_, select)| !select.ranks.is_empty())
    }
}

/// Binds a query; `columns_of` knows the relations, and their names are for messages.
pub fn bind_adhoc(
    plan: &Plan,
    text: &Text,
    columns_of: &dyn Fn(&str) -> Option<Vec<Column>>,
    names: &[String],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<AdHocPlan> {
    let parsed = language::parse_adhoc(text, diagnostics)?;
    let lookups: Vec<ScopeLookup> = plan
        .lookups
        .iter()
        .map(|lookup| ScopeLookup {
            name: lookup.name.clone(),
            columns: lookup.fields.clone(),
            joined_only: lookup.table.is_some(),
        })
        .collect();
    let mut scopes = Vec::new();
    for (name, place) in parsed.query.relations() {
        let Some(columns) = columns_of(name) else {
            diagnostics.push(unknown(plan, name, *place, names));
            continue;
        };
        let mut scope = Scope::over(name.clone(), &columns);
        scope.lookups.clone_from(&lookups);
        scopes.push(scope);
    }
    if scopes.len() < parsed.query.relations().len() {
        return None;
    }
    let AdHoc { query, group, columns, order, offset, limit } =
        language::bind_adhoc(&parsed, text, &scopes, diagnostics)?;
    let branches: Vec<(String, SelectPlan)> = query
        .branches
        .into_iter()
        .filter_map(|select| {
            let at = parsed.query.relations().iter().position(|(name, _)| *name == select.from.0)?;
            Some((select.from.0.clone(), select_plan(&scopes[at], select)))
        })
        .collect();
    if let Some(group) = &group {
        ties::check_group(plan, group, &branches, diagnostics)?;
    }
    let items = items(&branches, group.as_ref());
    Some(AdHocPlan { branches, group, items, columns, order, offset, limit })
}

/// What comes out: groups, or the rows of all branches.
fn items(branches: &[(String, SelectPlan)], group: Option<&Group>) -> Vec<Column> {
    if let Some(group) = group {
        let items = group.items.iter();
        return items.map(|item| Column::new(item.name.clone(), item.expr.ty, item.expr.nullable)).collect();
    }
    let first = branches.first().map(|(_, select)| select.items.as_slice()).unwrap_or_default();
    let items = first.iter().enumerate().map(|(place, item)| {
        let nullable = branches.iter().any(|(_, select)| select.items[place].expr.nullable);
        Column::new(item.name.clone(), item.expr.ty, nullable)
    });
    items.collect()
}

fn select_plan(scope: &Scope, select: Select) -> SelectPlan {
    let Select { from: _, filter, ranks, qualify, items } = select;
    let scope = scope.columns.iter().map(|column| column.column.clone()).collect();
    let mut plan = SelectPlan { joins: Vec::new(), scope, filter, ranks, qualify, items };
    plan.drop_unread_ranks();
    plan
}

fn unknown(plan: &Plan, name: &str, place: Span, names: &[String]) -> Diagnostic {
    let finding = Diagnostic::error("project.unknown-relation", place, format!("no relation `{name}`"));
    if plan.lookups.iter().any(|lookup| lookup.name == name) {
        let help = format!("read it in a condition: x IN (SELECT … FROM {name})");
        return finding.label("a lookup").help(help);
    }
    if plan.sources.iter().any(|source| source.name == name) {
        return finding.label("a source").help("what sources give is read from `flows`");
    }
    match suggest(name, names.iter().map(String::as_str)) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help(format!("the relations are {}", names.join(", "))),
    }
}
