//! A whole query: `WITH`, subqueries in `FROM` and `UNION ALL` around SELECTs, put together to the one form that
//! [`Query`] is. Its form is read first; it is bound when the scopes of the relations that it reads are known.

use std::sync::Arc;

use sqlparser::ast::{self, SetExpr, SetOperator, SetQuantifier, TableFactor};

use crate::diagnostic::{Diagnostic, Span, Text};
use crate::language::codes;
use crate::language::scope::{Scope, ScopeColumn};
use crate::language::syntax::{self, Names, Places};
use crate::language::tree::{Item, LookupValues, Query, Select};
use crate::record::Column;

use super::adhoc::{Clauses, Outside};
use super::coerce;
use super::form;
use super::layer::{Base, Budget};
use super::membership;
use super::outer;
use super::select::{self, Around, Bound};

/// SELECTs of one query, each counted as often as it is read.
pub(super) const SELECTS_MAX: usize = 200;

/// A query whose form is right and whose names are not yet looked up.
#[derive(Debug, Clone)]
pub struct ParsedQuery {
    /// Shared: a copy would recurse along its chains.
    query: Arc<ast::Query>,
    places: Places,
    relations: Vec<(String, Span)>,
    names: Names,
}

impl ParsedQuery {
    /// The relations that it reads and their places, each once, in the order of the text.
    pub fn relations(&self) -> &[(String, Span)] {
        &self.relations
    }

    /// Lookups named in `IN (SELECT …)`, and in a WITH that one of these reads.
    pub fn lookups(&self) -> Vec<(String, Span)> {
        self.names.tables.clone()
    }

    /// `query` may be read in part already.
    pub(super) fn of(
        query: Box<ast::Query>,
        places: Places,
        text: &Text,
        clauses: &'static [form::Clause],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let names = syntax::names(text);
        let relations = form::relations(&query, text, &places, (&names, clauses), diagnostics)?;
        Some(Self { query: Arc::from(query), places, relations, names })
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// Parameters, `@` left out.
    pub fn parameters(&self) -> Vec<(String, Span)> {
        self.names.parameters.clone()
    }
}

/// Reads one query.
pub fn parse_query(text: &Text, diagnostics: &mut Vec<Diagnostic>) -> Option<ParsedQuery> {
    let (query, places) = syntax::parse_query(text, diagnostics)?;
    ParsedQuery::of(query, places, text, &form::DEFINITION, diagnostics)
}

/// Binds a query; `scopes` are those of [`ParsedQuery::relations`], none where there is no such relation.
pub fn bind_query(
    parsed: &ParsedQuery,
    text: &Text,
    scopes: &[Scope],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Query> {
    let branches = Queries::over(parsed, text, scopes).whole(parsed, diagnostics)?;
    Some(Query { branches })
}

/// What `WITH` has defined so far, the innermost last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ctes<'a> {
    tables: &'a [ast::Cte],
    outer: Option<&'a Ctes<'a>>,
}

impl<'a> Ctes<'a> {
    /// The query behind a name, and what it may read itself.
    fn find(&self, name: &str) -> Option<(&'a ast::Query, Ctes<'a>)> {
        let found = self.tables.iter().rposition(|cte| cte.alias.name.value.eq_ignore_ascii_case(name));
        match found {
            Some(at) => Some((&self.tables[at].query, Self { tables: &self.tables[..at], outer: self.outer })),
            None => self.outer?.find(name),
        }
    }
}

/// The scopes of the tables that no `WITH` defines.
pub(super) enum BaseScopes<'a> {
    Relations(Vec<(&'a str, &'a Scope)>),
    /// The lookups of a scope.
    Lookups(&'a Scope),
}

/// Where a SELECT stands.
#[derive(Clone, Copy)]
struct Stand<'a> {
    ctes: Ctes<'a>,
    /// Do its items need names?
    named: bool,
    /// It is the outermost of an ad-hoc query.
    outer: Option<&'a Clauses>,
}

pub(super) struct Queries<'a> {
    pub text: &'a Text,
    pub places: &'a Places,
    pub base: BaseScopes<'a>,
    pub budget: Budget,
    pub selects: usize,
    /// What stands around the outermost SELECT, until it is bound.
    pub outer: Option<&'a Clauses>,
    /// What that has given.
    pub outside: Option<Outside>,
}

impl<'a> Queries<'a> {
    fn new(text: &'a Text, places: &'a Places, base: BaseScopes<'a>) -> Self {
        Self { text, places, base, budget: Budget::default(), selects: 0, outer: None, outside: None }
    }

    pub fn over(parsed: &'a ParsedQuery, text: &'a Text, scopes: &'a [Scope]) -> Self {
        let names = parsed.relations.iter().map(|(name, _)| name.as_str());
        Self::new(text, &parsed.places, BaseScopes::Relations(names.zip(scopes).collect()))
    }

    pub fn whole(&mut self, parsed: &ParsedQuery, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<Select>> {
        let branches = self.query(&parsed.query, Ctes::default(), true, diagnostics)?;
        Some(branches.into_iter().map(|branch| branch.select).collect())
    }

    /// `named`: do its items need names? Those of a later SELECT of UNION ALL have the names of the first.
    pub fn query(
        &mut self,
        query: &ast::Query,
        ctes: Ctes<'_>,
        named: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Vec<Base>> {
        match &query.with {
            Some(with) => {
                let inner = Ctes { tables: &with.cte_tables, outer: Some(&ctes) };
                self.body(&query.body, inner, named, diagnostics)
            }
            None => self.body(&query.body, ctes, named, diagnostics),
        }
    }

    fn body(
        &mut self,
        body: &SetExpr,
        ctes: Ctes<'_>,
        named: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Vec<Base>> {
        match body {
            SetExpr::Select(select) => self.select(select, ctes, named, diagnostics),
            SetExpr::Query(query) => self.query(query, ctes, named, diagnostics),
            SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, left, right } => {
                self.outer = None;
                // Both are bound, whatever the first says.
                let left = self.body(left, ctes, named, diagnostics);
                let right = self.body(right, ctes, false, diagnostics);
                self.union(left?, right?, diagnostics)
            }
            // The form was checked.
            _ => None,
        }
    }

    /// Joined by position; the names are those of the first.
    fn union(&self, mut left: Vec<Base>, mut right: Vec<Base>, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<Base>> {
        let items = |branches: &[Base]| branches.first().map(|b| b.select.items.clone()).unwrap_or_default();
        let (above, below) = (items(&left), items(&right));
        let span = below.first().map_or(self.text.span(), |item| item.expr.span);
        if above.len() != below.len() {
            let message = format!("UNION ALL joins {} columns with {}", above.len(), below.len());
            let report = Diagnostic::error(codes::TYPE_MISMATCH, span, message)
                .help("both SELECTs return the same columns, in one order");
            diagnostics.push(report);
            return None;
        }
        for (place, first) in above.iter().enumerate() {
            let all = || left.iter().chain(&right).map(|branch| &branch.select.items[place].expr);
            let Some(ty) = coerce::common(all()) else {
                let here = &below[place].expr;
                let message = format!(
                    "column {} of UNION ALL, {}, is {} above and {} here",
                    place + 1,
                    first.name,
                    first.expr.ty,
                    here.ty
                );
                let report = Diagnostic::error(codes::TYPE_MISMATCH, here.span, message)
                    .related(first.expr.span, "above")
                    .help(format!(
                        "UNION ALL joins by position: write the items in one order, or CAST(… AS {})",
                        first.expr.ty
                    ));
                diagnostics.push(report);
                return None;
            };
            for branch in left.iter_mut().chain(&mut right) {
                let item = &mut branch.select.items[place];
                item.name.clone_from(&first.name);
                item.expr = coerce::to(item.expr.clone(), ty).ok()?;
            }
        }
        left.append(&mut right);
        Some(left)
    }

    /// A SELECT is bound as often as it is read.
    fn count(&mut self, diagnostics: &mut Vec<Diagnostic>) -> Option<()> {
        self.selects += 1;
        if self.selects <= SELECTS_MAX {
            return Some(());
        }
        let message = format!("this query reads more than {SELECTS_MAX} SELECTs");
        diagnostics.push(
            Diagnostic::error(codes::TOO_LARGE, self.text.span(), message)
                .help("a WITH that is read twice counts twice: make rules or features of its parts"),
        );
        None
    }

    fn select(
        &mut self,
        select: &ast::Select,
        ctes: Ctes<'_>,
        named: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Vec<Base>> {
        self.count(diagnostics)?;
        let outer = self.outer.take();
        let [ast::TableWithJoins { relation, .. }] = select.from.as_slice() else { return None };
        let (inner, alias) = match relation {
            TableFactor::Table { name, alias, .. } => {
                let table = name.0.first().and_then(|part| part.as_ident())?;
                let alias = alias.as_ref().map(|alias| alias.name.value.clone());
                let owner = alias.unwrap_or_else(|| table.value.clone());
                match ctes.find(&table.value) {
                    Some((query, ctes)) => (self.query(query, ctes, true, diagnostics)?, Some(owner)),
                    None => {
                        return self
                            .base(select, table, &owner, Stand { ctes, named, outer }, diagnostics)
                            .map(|base| vec![base]);
                    }
                }
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let inner = self.query(subquery, ctes, true, diagnostics)?;
                (inner, alias.as_ref().map(|alias| alias.name.value.clone()))
            }
            _ => return None,
        };
        let scope = self.layer_scope(&inner, alias.as_deref())?;
        let bound = self.bind(select, &scope, alias.as_deref(), Stand { ctes, named, outer }, diagnostics)?;
        if !bound.ranks.is_empty() && inner.len() > 1 {
            let report =
                Diagnostic::error(codes::REFUSED, bound.ranks[0].span, "a rank over UNION ALL is not supported")
                    .help("rank the rows of each SELECT, or write a rule for each");
            diagnostics.push(report);
            return None;
        }
        let put_on = inner.into_iter().map(|base| base.put_on(&bound, &mut self.budget));
        match put_on.collect::<Result<Vec<_>, _>>() {
            Ok(branches) => Some(branches),
            Err(message) => {
                let span = bound.items.first().map_or(self.text.span(), |item| item.expr.span);
                let (code, help) = message.words();
                diagnostics.push(Diagnostic::error(code, span, message.to_string()).help(help));
                None
            }
        }
    }

    /// A SELECT over a table that no `WITH` defines.
    fn base(
        &mut self,
        select: &ast::Select,
        table: &ast::Ident,
        owner: &str,
        stand: Stand<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Base> {
        let span = self.places.span(self.text, self.places.ident(table));
        let (scope, lookup) = match &self.base {
            BaseScopes::Relations(scopes) => {
                let found = scopes.iter().find(|(name, _)| *name == table.value);
                ((*found?.1).clone(), None)
            }
            BaseScopes::Lookups(outer) => {
                let index = membership::find_lookup(outer, table, span, diagnostics)?;
                (membership::lookup_scope(outer, index)?, Some(index))
            }
        };
        let bound = self.bind(select, &scope, Some(owner), stand, diagnostics)?;
        let from = (table.value.clone(), span);
        let Bound { filter, ranks, qualify, items } = bound;
        Some(Base { select: Select { from, filter, ranks, qualify, items }, columns: scope.columns.len(), lookup })
    }

    fn bind(
        &mut self,
        select: &ast::Select,
        scope: &Scope,
        alias: Option<&str>,
        stand: Stand<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Bound> {
        let over_lookup = matches!(self.base, BaseScopes::Lookups(_));
        let Stand { ctes, named, outer } = stand;
        let around = Around { text: self.text, places: self.places, alias, ctes, over_lookup, named };
        match outer {
            None => select::bind(select, scope, around, diagnostics),
            Some(clauses) => {
                let (bound, outside) = outer::bind(select, scope, around, clauses, diagnostics)?;
                self.outside = Some(outside);
                Some(bound)
            }
        }
    }

    /// What a SELECT around these sees: the columns that they return.
    fn layer_scope(&self, inner: &[Base], alias: Option<&str>) -> Option<Scope> {
        let template = match &self.base {
            BaseScopes::Relations(scopes) => scopes.first()?.1,
            BaseScopes::Lookups(outer) => outer,
        };
        let first = inner.first()?;
        let column = |(place, item): (usize, &Item)| {
            let nullable = inner.iter().any(|base| base.select.items[place].expr.nullable);
            ScopeColumn { qualifier: None, column: Column::new(item.name.clone(), item.expr.ty, nullable) }
        };
        Some(Scope {
            columns: first.select.items.iter().enumerate().map(column).collect(),
            params: template.params.clone(),
            lookups: template.lookups.clone(),
            keys: template.keys.clone(),
            broken: template.broken.clone(),
            elsewhere: Vec::new(),
            owner: alias.map_or_else(|| "the inner SELECT".to_owned(), str::to_owned),
            empty: template.empty,
            zeros: template.zeros,
        })
    }
}

/// The values of `IN (query)`; whatever it returns besides the first column is the caller's finding.
pub(super) fn lookup_values(
    query: &ast::Query,
    text: &Text,
    places: &Places,
    scope: &Scope,
    ctes: Ctes<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<LookupValues>> {
    form::check(query, text, places, diagnostics)?;
    let mut queries = Queries::new(text, places, BaseScopes::Lookups(scope));
    let branches = queries.query(query, ctes, false, diagnostics)?;
    branches
        .into_iter()
        .map(|base| {
            let Ok([item]) = <[Item; 1]>::try_from(base.select.items) else {
                let report = Diagnostic::error(codes::REFUSED, base.select.from.1, "IN takes a query of one column");
                diagnostics.push(report.help("write IN (SELECT column FROM lookup)"));
                return None;
            };
            Some(LookupValues { lookup: base.lookup?, value: item.expr, filter: base.select.filter })
        })
        .collect()
}
