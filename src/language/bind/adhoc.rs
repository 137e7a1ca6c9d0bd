//! A query that is asked once: `GROUP BY`, `HAVING`, `DISTINCT`, `ORDER BY` and `LIMIT` around what a rule may write.

use std::ops::ControlFlow;

use sqlparser::ast::{self, GroupByExpr, LimitClause, OrderByKind, SetExpr, visit_expressions};

use crate::diagnostic::{Diagnostic, Text};
use crate::language::codes;
use crate::language::function::AGGREGATES;
use crate::language::scope::Scope;
use crate::language::syntax;
use crate::language::tree::{AdHoc, Group, OrderColumn, Query};

use super::form;
use super::query::{ParsedQuery, Queries};

/// An ad-hoc query whose form is right and whose names are not yet looked up.
#[derive(Debug, Clone)]
pub struct ParsedAdHoc {
    pub query: ParsedQuery,
    clauses: Clauses,
}

/// What stands around the outermost SELECT.
#[derive(Debug, Clone, Default)]
pub(super) struct Clauses {
    pub distinct: bool,
    /// With GROUP BY, HAVING or an aggregate.
    pub grouped: bool,
    pub group_by: Vec<ast::Expr>,
    pub having: Option<ast::Expr>,
    pub order_by: Vec<ast::OrderByExpr>,
    limit: Option<usize>,
    offset: usize,
}

/// Reads one query.
pub fn parse_adhoc(text: &Text, diagnostics: &mut Vec<Diagnostic>) -> Option<ParsedAdHoc> {
    let (mut query, places) = syntax::parse_query(text, diagnostics)?;
    let refuse = |words: &[&str], message: &str, help: &str| {
        Diagnostic::error(codes::REFUSED, places.span(text, places.words(text, words, None)), message).help(help)
    };
    let mut clauses = Clauses::default();
    match query.limit_clause.take() {
        None => {}
        Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
            let limit = limit.as_ref().map(count);
            let offset = offset.as_ref().map(|offset| count(&offset.value));
            let (Some(limit), Some(offset)) = (limit.map_or(Some(None), |n| n.map(Some)), offset.unwrap_or(Some(0)))
            else {
                diagnostics.push(refuse(&["LIMIT"], "LIMIT takes a number", "write LIMIT 10, or LIMIT 10 OFFSET 20"));
                return None;
            };
            (clauses.limit, clauses.offset) = (limit, offset);
        }
        Some(_) => {
            diagnostics.push(refuse(&["LIMIT"], "this form of LIMIT is not GoogleSQL", "write LIMIT 10 OFFSET 20"));
            return None;
        }
    }
    if let Some(order) = query.order_by.take() {
        let OrderByKind::Expressions(keys) = order.kind else {
            diagnostics.push(refuse(&["ORDER", "BY"], "ORDER BY ALL is not supported", "name the columns"));
            return None;
        };
        clauses.order_by = keys;
    }
    if let SetExpr::Select(select) = &mut *query.body {
        clauses.distinct = matches!(select.distinct, Some(ast::Distinct::Distinct));
        if clauses.distinct {
            select.distinct = None;
        }
        let group_by = std::mem::replace(&mut select.group_by, GroupByExpr::Expressions(Vec::new(), Vec::new()));
        match group_by {
            GroupByExpr::Expressions(keys, modifiers) if modifiers.is_empty() => clauses.group_by = keys,
            _ => {
                diagnostics.push(refuse(
                    &["GROUP", "BY"],
                    "this form of GROUP BY is not supported",
                    "name its columns",
                ));
                return None;
            }
        }
        clauses.having = select.having.take();
        clauses.grouped = !clauses.group_by.is_empty() || aggregates(select);
        if clauses.having.is_some() && !clauses.grouped {
            diagnostics.push(refuse(
                &["HAVING"],
                "HAVING is over groups, and there are none",
                "write WHERE; or GROUP BY, or an aggregate as an item",
            ));
            return None;
        }
        if clauses.grouped && clauses.distinct {
            diagnostics.push(refuse(
                &["SELECT", "DISTINCT"],
                "DISTINCT of groups is not supported",
                "leave it out where each key of GROUP BY is an item: such rows differ already",
            ));
            return None;
        }
    }
    let query = ParsedQuery::of(query, places, text, &form::QUESTION, diagnostics)?;
    Some(ParsedAdHoc { query, clauses })
}

fn count(expr: &ast::Expr) -> Option<usize> {
    match expr {
        ast::Expr::Value(value) => match &value.value {
            ast::Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// Does an item call an aggregate?
fn aggregates(select: &ast::Select) -> bool {
    let found = visit_expressions(&select.projection, |expr| match expr {
        ast::Expr::Function(call) if call.over.is_none() && is_aggregate(&call.name.to_string()) => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

fn is_aggregate(name: &str) -> bool {
    AGGREGATES.iter().any(|entry| entry.name.eq_ignore_ascii_case(name))
}

/// Binds a query; `scopes` are those of the relations that it reads.
pub fn bind_adhoc(
    parsed: &ParsedAdHoc,
    text: &Text,
    scopes: &[Scope],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<AdHoc> {
    let clauses = &parsed.clauses;
    let mut queries = Queries::over(&parsed.query, text, scopes);
    queries.outer = Some(clauses);
    let branches = queries.whole(&parsed.query, diagnostics)?;
    let query = Query { branches };
    let outer = queries.outside.take();
    let (group, order, columns) = match outer {
        Some(outside) => (outside.group, outside.order, outside.columns),
        None => {
            let columns = query.branches.first()?.items.len();
            (None, order_of_union(parsed, text, &query, diagnostics)?, columns)
        }
    };
    Some(AdHoc { query, group, columns, order, offset: clauses.offset, limit: clauses.limit })
}

/// What binding the outermost SELECT has found besides its query.
#[derive(Debug)]
pub(super) struct Outside {
    pub group: Option<Group>,
    pub order: Vec<OrderColumn>,
    pub columns: usize,
}

/// UNION ALL is ordered by its own columns.
fn order_of_union(
    parsed: &ParsedAdHoc,
    text: &Text,
    query: &Query,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<OrderColumn>> {
    let items = &query.branches.first()?.items;
    let keys = parsed.clauses.order_by.iter().map(|key| {
        let column = match &key.expr {
            ast::Expr::Identifier(name) => items.iter().position(|item| item.name.eq_ignore_ascii_case(&name.value)),
            other => count(other).and_then(|number| number.checked_sub(1)).filter(|column| *column < items.len()),
        };
        let Some(column) = column else {
            let places = parsed.query.places();
            let at = places.span(text, places.expr(&key.expr));
            let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
            let report = Diagnostic::error(codes::UNKNOWN_COLUMN, at, "UNION ALL is ordered by its own columns");
            diagnostics.push(report.help(format!("they are {}", names.join(", "))));
            return None;
        };
        Some(order_column(key, column))
    });
    keys.collect()
}

pub(super) fn order_column(key: &ast::OrderByExpr, column: usize) -> OrderColumn {
    let descending = key.options.asc == Some(false);
    OrderColumn { column, descending, nulls_first: key.options.nulls_first.unwrap_or(!descending) }
}

/// `ORDER BY 2`, `GROUP BY 1`: the number.
pub(super) fn ordinal(expr: &ast::Expr) -> Option<usize> {
    count(expr)
}
