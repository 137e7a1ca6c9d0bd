//! `SELECT items FROM relation [AS alias] [WHERE condition]`: read first, bound when its relation is known.

use std::sync::Arc;

use sqlparser::ast::{self, GroupByExpr, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor};

use crate::diagnostic::{Diagnostic, Span, Text, suggest};
use crate::language::codes;
use crate::language::scope::Scope;
use crate::language::syntax::{self, Names, Places};
use crate::language::tree::{Expr, ExprKind, Item, Select};

use super::binder::Binder;

/// A query whose form is right and whose names are not yet looked up.
#[derive(Debug, Clone)]
pub struct ParsedSelect {
    /// Shared: a copy would recurse along its chains.
    select: Arc<ast::Select>,
    places: Places,
    from: (String, Span),
    alias: Option<String>,
    names: Names,
}

impl ParsedSelect {
    /// The relation's name and its place.
    pub fn from(&self) -> (&str, Span) {
        (&self.from.0, self.from.1)
    }

    /// Lookups named in `IN (SELECT …)`.
    pub fn lookups(&self) -> Vec<(String, Span)> {
        self.names.lookups.clone()
    }

    /// Parameters, `@` left out.
    pub fn parameters(&self) -> Vec<(String, Span)> {
        self.names.parameters.clone()
    }
}

/// Reads one query.
pub fn parse_select(text: &Text, diagnostics: &mut Vec<Diagnostic>) -> Option<ParsedSelect> {
    let (query, places) = syntax::parse_query(text, diagnostics)?;
    let Some(select) = plain_select(&query) else {
        diagnostics.push(refuse_query(&query, text, &places));
        return None;
    };
    let Some((table, alias)) = plain_table(&select.from) else {
        let joined = places.words(text, &["JOIN"]).or_else(|| places.words(text, &["FROM"]));
        let report = Diagnostic::error(codes::REFUSED, places.span(text, joined), "FROM names one relation")
            .help("write SELECT … FROM relation [WHERE …]; joins are declared: join: {lookup: …}");
        diagnostics.push(report);
        return None;
    };
    let from = (table.value.clone(), places.span(text, places.ident(table)));
    let alias = alias.map(|a| a.value.clone());
    let names = syntax::names(text);
    let SetExpr::Select(select) = *query.body else { return None };
    Some(ParsedSelect { select: Arc::from(select), from, alias, names, places })
}

/// Says which clause of a query is refused.
fn refuse_query(query: &ast::Query, text: &Text, places: &Places) -> Diagnostic {
    const CLAUSES: &[(&[&str], &str, &str)] = &[
        (&["WITH"], "WITH is not supported yet", "write a feature for the inner query"),
        (&["UNION"], "UNION is not supported yet", "write a rule for each SELECT"),
        (&["SELECT", "DISTINCT"], "DISTINCT is not supported", "a feature has one row for each key and window"),
        (&["GROUP", "BY"], "GROUP BY is not supported in a query", "write a feature: its key and window group rows"),
        (
            &["HAVING"],
            "HAVING is not supported in a query",
            "write a feature, and its condition as WHERE over the feature",
        ),
        (&["QUALIFY"], "QUALIFY is not supported", "write WHERE over a feature"),
        (&["ORDER", "BY"], "ORDER BY has no meaning over a stream", "leave it out"),
        (&["LIMIT"], "LIMIT has no meaning over a stream", "leave it out"),
    ];
    let refuse = |at, what: &str, help: &str| Diagnostic::error(codes::REFUSED, at, what).help(help);
    for (words, what, help) in CLAUSES {
        if let Some(range) = places.words(text, words) {
            return refuse(places.span(text, Some(range)), what, help);
        }
    }
    match &*query.body {
        SetExpr::Select(_) => {
            refuse(text.span(), "this form of SELECT is not supported", "write SELECT … FROM relation [WHERE …]")
        }
        _ => refuse(text.span(), "only SELECT … FROM … WHERE … is supported", "write one SELECT"),
    }
}

/// The SELECT of a query that has nothing but items, FROM and WHERE.
pub(super) fn plain_select(query: &ast::Query) -> Option<&ast::Select> {
    let bare = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && query.locks.is_empty()
        && query.for_clause.is_none()
        && query.settings.is_none()
        && query.format_clause.is_none()
        && query.pipe_operators.is_empty();
    let SetExpr::Select(select) = &*query.body else { return None };
    let groups = !matches!(&select.group_by, GroupByExpr::Expressions(e, m) if e.is_empty() && m.is_empty());
    let plain = select.distinct.is_none()
        && select.select_modifiers.is_none()
        && select.top.is_none()
        && select.exclude.is_none()
        && select.into.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.connect_by.is_empty()
        && !groups
        && select.cluster_by.is_empty()
        && select.distribute_by.is_empty()
        && select.sort_by.is_empty()
        && select.having.is_none()
        && select.named_window.is_empty()
        && select.qualify.is_none()
        && select.value_table_mode.is_none()
        && matches!(select.flavor, ast::SelectFlavor::Standard);
    (bare && plain).then_some(&**select)
}

/// The name and alias of the one table in FROM.
pub(super) fn plain_table(from: &[ast::TableWithJoins]) -> Option<(&ast::Ident, Option<&ast::Ident>)> {
    let [ast::TableWithJoins { relation, joins }] = from else { return None };
    let TableFactor::Table {
        name,
        alias,
        args: None,
        with_hints,
        version: None,
        with_ordinality: false,
        partitions,
        json_path: None,
        sample: None,
        index_hints,
    } = relation
    else {
        return None;
    };
    let [part] = name.0.as_slice() else { return None };
    let plain = joins.is_empty() && with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty();
    let alias = match alias {
        Some(alias) if !alias.columns.is_empty() || alias.at.is_some() => return None,
        Some(alias) => Some(&alias.name),
        None => None,
    };
    if plain { Some((part.as_ident()?, alias)) } else { None }
}

/// Binds a query over its relation's columns.
pub fn bind_select(
    parsed: &ParsedSelect,
    text: &Text,
    scope: &Scope,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Select> {
    let mut binder = Binder::new(text, &parsed.places, scope, diagnostics);
    // An alias hides the relation's own name.
    binder.relation = vec![parsed.alias.clone().unwrap_or_else(|| parsed.from.0.clone())];
    let mut items: Vec<Option<Item>> = Vec::new();
    for item in &parsed.select.projection {
        binder.bind_item(item, text, &mut items);
    }
    let filter = match &parsed.select.selection {
        Some(condition) => {
            let bound = binder.bind(condition).and_then(|expr| binder.condition(expr));
            Some(bound)
        }
        None => None,
    };
    let items: Option<Vec<Item>> = items.into_iter().collect();
    let items = items?;
    let filter = match filter {
        Some(bound) => Some(bound?),
        None => None,
    };
    check_names(&items, diagnostics)?;
    Some(Select { from: parsed.from.clone(), items, filter })
}

fn check_names(items: &[Item], diagnostics: &mut Vec<Diagnostic>) -> Option<()> {
    let mut unique = true;
    for (index, item) in items.iter().enumerate() {
        let earlier = items.iter().take(index).find(|other| other.name.eq_ignore_ascii_case(&item.name));
        if let Some(earlier) = earlier {
            unique = false;
            let report =
                Diagnostic::error(codes::DUPLICATE_ITEM, item.expr.span, format!("two items are named {}", item.name))
                    .related(earlier.expr.span, "the first is here")
                    .help("give one another name with AS");
            diagnostics.push(report);
        }
    }
    unique.then_some(())
}

impl Binder<'_> {
    fn bind_item(&mut self, item: &SelectItem, text: &Text, items: &mut Vec<Option<Item>>) {
        match item {
            SelectItem::ExprWithAlias { expr, alias } => {
                let bound = self.bind(expr);
                items.push(bound.map(|expr| Item { name: alias.value.clone(), expr }));
            }
            SelectItem::UnnamedExpr(expr) => items.push(self.bind_unnamed(expr)),
            SelectItem::Wildcard(options) => {
                let span = self.places.span(text, self.places.bytes(options.wildcard_token.0.span));
                self.expand(None, options, span, items);
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                let part = name.0.first().and_then(|p| p.as_ident());
                let Some((qualifier, 1)) = part.map(|ident| (ident, name.0.len())) else {
                    items.push(self.refuse(text.span(), "this wildcard is not supported", "write alias.*"));
                    return;
                };
                let span = self.ident_span(qualifier);
                self.expand(Some(&qualifier.value), options, span, items);
            }
            _ => items.push(self.refuse(text.span(), "this item is not supported", "write expression AS name")),
        }
    }

    fn bind_unnamed(&mut self, ast: &ast::Expr) -> Option<Item> {
        let expr = self.bind(ast)?;
        let name = match ast {
            ast::Expr::Identifier(ident) if !ident.value.starts_with('@') => Some(ident.value.clone()),
            ast::Expr::CompoundIdentifier(parts) => parts.last().map(|p| p.value.clone()),
            _ => None,
        };
        if let Some(name) = name {
            // The column's own spelling, whatever the query's.
            let own = match expr.kind {
                ExprKind::Column(index) => self.scope.columns.get(index).map(|c| c.column.name.clone()),
                _ => None,
            };
            return Some(Item { name: own.unwrap_or(name), expr });
        }
        let report = Diagnostic::error(codes::UNNAMED_ITEM, expr.span, "this item has no name")
            .help(format!("write {} AS name", self.quoted(expr.span)));
        self.report(report);
        None
    }

    fn expand(
        &mut self,
        qualifier: Option<&str>,
        options: &ast::WildcardAdditionalOptions,
        span: Span,
        items: &mut Vec<Option<Item>>,
    ) {
        if options.opt_replace.is_some()
            || options.opt_rename.is_some()
            || options.opt_ilike.is_some()
            || options.opt_exclude.is_some()
            || options.opt_alias.is_some()
        {
            items.push(self.refuse(span, "only EXCEPT may follow *", "write the items"));
            return;
        }
        let except: Vec<&ast::Ident> = match &options.opt_except {
            Some(except) => std::iter::once(&except.first_element).chain(&except.additional_elements).collect(),
            None => Vec::new(),
        };
        let own = qualifier.is_none_or(|q| self.relation.iter().any(|r| r.eq_ignore_ascii_case(q)));
        let mut found = Vec::new();
        for (index, column) in self.scope.columns.iter().enumerate() {
            let listed = match (&column.qualifier, qualifier) {
                (None, _) => own,
                (Some(of), Some(q)) => of.eq_ignore_ascii_case(q),
                (Some(_), None) => false,
            };
            if listed {
                found.push((index, column.column.clone()));
            }
        }
        if found.is_empty() {
            let message = format!("nothing is named {}", qualifier.unwrap_or("*"));
            items.push(self.error(codes::UNKNOWN_COLUMN, span, message));
            return;
        }
        for ident in &except {
            if !found.iter().any(|(_, c)| c.name.eq_ignore_ascii_case(&ident.value)) {
                let message = format!("no column is named {}", ident.value);
                let mut report = Diagnostic::error(codes::UNKNOWN_COLUMN, self.ident_span(ident), message);
                report = match suggest(&ident.value, found.iter().map(|(_, column)| column.name.as_str())) {
                    Some(near) => report.help(format!("did you mean {near}?")),
                    None => report.help("leave it out: there is nothing to except"),
                };
                self.report(report);
                items.push(None);
            }
        }
        for (index, column) in found {
            if except.iter().any(|e| e.value.eq_ignore_ascii_case(&column.name)) {
                continue;
            }
            let kind = ExprKind::Column(index);
            let expr = Expr { kind, ty: column.ty, nullable: column.nullable, span };
            items.push(Some(Item { name: column.name, expr }));
        }
    }
}
