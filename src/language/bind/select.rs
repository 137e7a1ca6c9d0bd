//! `SELECT items FROM … [WHERE condition] [QUALIFY condition]` over the columns of one scope.

use sqlparser::ast::{self, SelectItem, SelectItemQualifiedWildcardKind};

use crate::diagnostic::{Diagnostic, Span, Text, suggest};
use crate::language::codes;
use crate::language::scope::Scope;
use crate::language::syntax::Places;
use crate::language::tree::{Expr, ExprKind, Item, Rank};

use super::binder::Binder;
use super::query::Ctes;
use super::rank::Ranks;

/// A SELECT's parts over its scope; ranks are columns behind the scope's.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub filter: Option<Expr>,
    pub ranks: Vec<Rank>,
    pub qualify: Option<Expr>,
    pub items: Vec<Item>,
}

/// Where a SELECT stands.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub text: &'a Text,
    pub places: &'a Places,
    /// The name of what it reads.
    pub alias: Option<&'a str>,
    pub ctes: Ctes<'a>,
    /// It reads a lookup.
    pub over_lookup: bool,
    /// Its items need names.
    pub named: bool,
}

pub(super) fn bind(
    select: &ast::Select,
    scope: &Scope,
    around: Around<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Bound> {
    let mut binder = Binder::of_select(scope, around, diagnostics);
    let items = binder.items(&select.projection);
    let filter = binder.filter(select.selection.as_ref());
    binder.aliases = items.clone().unwrap_or_default();
    let qualify = binder.qualify(select.qualify.as_ref());
    let ranks = binder.ranks.take().map(Ranks::into_found).unwrap_or_default();
    let (items, filter, qualify) = (items?, filter?, qualify?);
    if around.named {
        check_names(&items, diagnostics)?;
    }
    Some(Bound { filter, ranks, qualify, items })
}

impl<'a> Binder<'a> {
    pub(super) fn of_select(scope: &'a Scope, around: Around<'a>, diagnostics: &'a mut Vec<Diagnostic>) -> Self {
        let mut binder = Self::new(around.text, around.places, scope, diagnostics);
        // An alias hides the relation's own name.
        binder.relation = around.alias.iter().map(|alias| (*alias).to_owned()).collect();
        binder.ctes = around.ctes;
        binder.over_lookup = around.over_lookup;
        binder.named = around.named;
        binder.ranks = (!around.over_lookup).then(|| Ranks::new(scope.columns.len()));
        binder
    }

    pub(super) fn items(&mut self, projection: &[SelectItem]) -> Option<Vec<Item>> {
        let mut items: Vec<Option<Item>> = Vec::new();
        for item in projection {
            self.bind_item(item, &mut items);
        }
        items.into_iter().collect()
    }

    /// `WHERE`; no rank stands in it, for they are of the rows that it leaves.
    pub(super) fn filter(&mut self, condition: Option<&ast::Expr>) -> Option<Option<Expr>> {
        let Some(condition) = condition else { return Some(None) };
        let ranks = self.ranks.take();
        let bound = self.bind(condition).and_then(|expr| self.condition(expr));
        self.ranks = ranks;
        bound.map(Some)
    }

    pub(super) fn qualify(&mut self, condition: Option<&ast::Expr>) -> Option<Option<Expr>> {
        let Some(condition) = condition else { return Some(None) };
        let bound = self.bind(condition).and_then(|expr| self.condition(expr))?;
        if self.ranks.as_ref().is_none_or(Ranks::is_empty) {
            let help = "write QUALIFY ROW_NUMBER() OVER (PARTITION BY window_end ORDER BY …) <= 10, or WHERE";
            return self.refuse(bound.span, "QUALIFY ranks nothing", help);
        }
        Some(Some(bound))
    }
}

pub(super) fn check_names(items: &[Item], diagnostics: &mut Vec<Diagnostic>) -> Option<()> {
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
    pub(super) fn bind_item(&mut self, item: &SelectItem, items: &mut Vec<Option<Item>>) {
        match item {
            SelectItem::ExprWithAlias { expr, alias } => {
                let bound = match self.grouped_item(expr, Some(alias), items.len()) {
                    Some(bound) => bound,
                    None => self.bind(expr),
                };
                let bound = self.check_reserved(alias).and(bound);
                items.push(bound.map(|expr| Item { name: alias.value.clone(), expr }));
            }
            SelectItem::UnnamedExpr(expr) => {
                let place = items.len();
                items.push(self.bind_unnamed(expr, place));
            }
            SelectItem::Wildcard(options) => {
                let span = self.places.span(self.text, self.places.bytes(options.wildcard_token.0.span));
                self.expand(None, options, span, items);
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                let part = name.0.first().and_then(|p| p.as_ident());
                let Some((qualifier, 1)) = part.map(|ident| (ident, name.0.len())) else {
                    items.push(self.refuse(self.text.span(), "this wildcard is not supported", "write alias.*"));
                    return;
                };
                let span = self.ident_span(qualifier);
                self.expand(Some(&qualifier.value), options, span, items);
            }
            _ => items.push(self.refuse(self.text.span(), "this item is not supported", "write expression AS name")),
        }
    }

    fn bind_unnamed(&mut self, ast: &ast::Expr, place: usize) -> Option<Item> {
        let expr = match self.grouped_item(ast, None, place) {
            Some(bound) => bound?,
            None => self.bind(ast)?,
        };
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
        if !self.named {
            return Some(Item { name: String::new(), expr });
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
        if self.aggregates.is_some() {
            items.push(self.refuse(span, "* cannot be grouped", "name the items"));
            return;
        }
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
        for (place, ident) in except.iter().enumerate() {
            if except[..place].iter().any(|earlier| earlier.value.eq_ignore_ascii_case(&ident.value)) {
                let message = format!("{} is excepted twice", ident.value);
                let report = Diagnostic::error(codes::DUPLICATE_ITEM, self.ident_span(ident), message);
                self.report(report.help("name it once"));
                items.push(None);
            }
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
        if found.iter().all(|(_, column)| except.iter().any(|e| e.value.eq_ignore_ascii_case(&column.name))) {
            items.push(self.refuse(span, "EXCEPT leaves no column", "write the items"));
            return;
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
