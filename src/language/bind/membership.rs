//! `IN`: over a list, and over a lookup.

use sqlparser::ast;

use crate::diagnostic::{Diagnostic, Span, suggest};
use crate::language::codes;
use crate::language::scope::{LookupField, Scope};
use crate::language::tree::{Expr, ExprKind, LookupValues};
use crate::record::{Column, Type, Value};

use super::binder::Binder;
use super::coerce;
use super::null_operand::is_null;
use super::query;

impl Binder<'_> {
    pub(super) fn bind_in_list(
        &mut self,
        expr: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        ast: &ast::Expr,
    ) -> Option<Expr> {
        self.check_level(expr)?;
        let value = self.bind(expr);
        let items: Vec<Option<Expr>> = list.iter().map(|item| self.bind(item)).collect();
        let items: Option<Vec<Expr>> = items.into_iter().collect();
        let (value, items) = (value?, items?);
        let span = self.span(ast);
        let Some(ty) = coerce::common(std::iter::once(&value).chain(&items)) else {
            return self.mixed_list(&value, &items);
        };
        if negated && let Some(null) = items.iter().find(|item| item.nullable) {
            let report =
                Diagnostic::error(codes::NOT_IN_NULLABLE, null.span, "NOT IN is never TRUE when the list holds a NULL")
                    .help("leave NULL out of the list, or write COALESCE(x, …)");
            self.report(report);
            return None;
        }
        if let Some(null) = items.iter().find(|item| is_null(item)) {
            let report = Diagnostic::error(codes::NULL_OPERAND, null.span, "nothing is equal to NULL")
                .help(format!("leave it out, and write OR {} IS NULL", self.quoted(value.span)));
            self.report(report);
            return None;
        }
        let value = self.convert(value, ty)?;
        let items: Option<Vec<Expr>> = items.into_iter().map(|item| self.convert(item, ty)).collect();
        let items = items?;
        let nullable = value.nullable || items.iter().any(|i| i.nullable);
        let kind = ExprKind::InList { expr: Box::new(value), list: items, negated };
        Some(Expr { kind, ty: Type::Bool, nullable, span })
    }

    fn mixed_list(&mut self, value: &Expr, items: &[Expr]) -> Option<Expr> {
        for item in items {
            if coerce::common([value, item].into_iter()).is_some() {
                continue;
            }
            let (left, right) = (self.quoted(value.span), self.quoted(item.span));
            let message = format!("{left} is {}, {right} is {}", value.ty, item.ty);
            let mut report = Diagnostic::error(codes::TYPE_MISMATCH, item.span, message);
            report = match (&item.kind, value.ty) {
                (ExprKind::Literal(Value::String(s)), Type::Int64) if s.parse::<i64>().is_ok() => {
                    report.help(format!("write {s}"))
                }
                (ExprKind::Literal(Value::Int64(i)), Type::String) => report.help(format!("write '{i}'")),
                _ => report,
            };
            self.report(report);
            return None;
        }
        self.error(codes::TYPE_MISMATCH, value.span, "the list holds values of different types")
    }

    pub(super) fn bind_in_lookup(
        &mut self,
        expr: &ast::Expr,
        query: &ast::Query,
        negated: bool,
        ast: &ast::Expr,
    ) -> Option<Expr> {
        self.check_level(expr)?;
        let span = self.span(ast);
        let value = self.bind(expr);
        if self.over_lookup {
            let help = "write both conditions beside each other: x IN (SELECT …) AND x IN (SELECT …)";
            return self.refuse(span, "a lookup's rows are chosen by their own columns", help);
        }
        let parts = self.lookup_parts(query)?;
        let value = value?;
        let name = |part: &LookupValues| self.scope.lookups.get(part.lookup).map_or("", |l| l.name.as_str());
        let shown = |part: &LookupValues| match part.plain_column().and_then(|index| self.field(part.lookup, index)) {
            Some(field) => format!("{}.{}", name(part), field.name),
            None => format!("what is read of {}", name(part)),
        };
        for part in &parts {
            let is_network = |index: usize| self.field(part.lookup, index).is_some_and(|field| field.cidr);
            if let ExprKind::Column(index) = part.value.kind
                && is_network(index)
            {
                let message = format!("{} holds networks; IN compares them as text", shown(part));
                let help = format!("join: {{lookup: {}, how: longest_prefix}} matches by containment", name(part));
                let report = Diagnostic::error(codes::NETWORK_LOOKUP, span, message).help(help);
                self.report(report);
                return None;
            }
            if negated && part.value.nullable {
                let message = format!("NOT IN is never TRUE when {} holds a NULL", shown(part));
                let report = Diagnostic::error(codes::NOT_IN_NULLABLE, span, message).help(match part.plain_column() {
                    Some(_) => format!(
                        "take `nullable: true` from {} in the lookup, and fill its empty cells",
                        shown(part).rsplit('.').next().unwrap_or_default()
                    ),
                    None => "write COALESCE(x, …) in the subquery".to_owned(),
                });
                self.report(report);
                return None;
            }
            if coerce::cost(&value, part.value.ty).is_none() {
                let left = self.quoted(value.span);
                let message = format!("{left} is {}, {} is {}", value.ty, shown(part), part.value.ty);
                return self.error(codes::TYPE_MISMATCH, span, message);
            }
        }
        let ty = parts.first()?.value.ty;
        let value = self.convert(value, ty)?;
        let nullable = value.nullable || parts.iter().any(|part| part.value.nullable);
        let kind = ExprKind::InLookup { expr: Box::new(value), set: parts.into(), negated };
        Some(Expr { kind, ty: Type::Bool, nullable, span })
    }

    fn lookup_parts(&mut self, query: &ast::Query) -> Option<Vec<LookupValues>> {
        let (text, places, scope, ctes) = (self.text, self.places, self.scope, self.ctes);
        let mut found = Vec::new();
        let parts = query::lookup_values(query, text, places, scope, ctes, &mut found);
        found.into_iter().for_each(|report| self.report(report));
        parts
    }

    fn field(&self, lookup: usize, column: usize) -> Option<&LookupField> {
        self.scope.lookups.get(lookup)?.columns.get(column)
    }
}

/// The lookup with a name.
pub(super) fn find_lookup(
    scope: &Scope,
    table: &ast::Ident,
    at: Span,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<usize> {
    let lookups = &scope.lookups;
    let found = lookups.iter().position(|l| l.name.eq_ignore_ascii_case(&table.value));
    if let Some(lookup) = found.and_then(|index| lookups.get(index)).filter(|lookup| lookup.joined_only) {
        let name = &lookup.name;
        let message = format!("{name} has its rows in a file of networks, which IN cannot go through");
        let help = format!("join it: {{lookup: {name}, as: …, match: {{ADDRESS: NETWORK}}, how: longest_prefix}}");
        diagnostics.push(Diagnostic::error(codes::JOINED_LOOKUP, at, message).help(help));
        return None;
    }
    if found.is_some() || scope.broken.iter().any(|name| name.eq_ignore_ascii_case(&table.value)) {
        return found;
    }
    let mut report = Diagnostic::error(codes::UNKNOWN_LOOKUP, at, format!("no lookup is named {}", table.value));
    if let Some(near) = suggest(&table.value, lookups.iter().map(|l| l.name.as_str())) {
        report = report.help(format!("did you mean {near}?"));
    }
    let names: Vec<&str> = lookups.iter().map(|l| l.name.as_str()).collect();
    diagnostics.push(if names.is_empty() {
        report.help("a lookup is a file in sql/lookups")
    } else {
        report.help(format!("the lookups are {}", names.join(", ")))
    });
    None
}

/// What a SELECT over a lookup sees. A lookup does not see the row that asks.
pub(super) fn lookup_scope(outer: &Scope, lookup: usize) -> Option<Scope> {
    let found = outer.lookups.get(lookup)?;
    // One with errors of its own has columns that are not known.
    if outer.broken.iter().any(|name| name.eq_ignore_ascii_case(&found.name)) {
        return None;
    }
    let columns: Vec<Column> =
        found.columns.iter().map(|field| Column::new(field.name.clone(), field.ty, field.nullable)).collect();
    let mut scope = Scope::over(format!("the lookup {}", found.name), &columns);
    scope.params.clone_from(&outer.params);
    let row = outer.columns.iter().map(|c| match &c.qualifier {
        Some(qualifier) => format!("{qualifier}.{}", c.column.name),
        None => c.column.name.clone(),
    });
    let help = format!(
        "it is a column of the row, which a subquery cannot read: declare join: {{lookup: {}, match: …}}",
        found.name
    );
    scope.elsewhere = row.map(|name| (name, help.clone())).collect();
    Some(scope)
}
