//! `IN`: over a list, and over a lookup.

use sqlparser::ast;

use crate::diagnostic::{Diagnostic, suggest};
use crate::language::codes;
use crate::language::scope::ScopeLookup;
use crate::language::tree::{Expr, ExprKind};
use crate::record::{Type, Value};

use super::binder::Binder;
use super::coerce;
use super::null_operand::is_null;

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
        let Some((column, table)) = lookup_query(query) else {
            let help = "write x IN (SELECT column FROM lookup)";
            return self.refuse(span, "this subquery is not supported", help);
        };
        let (lookup, index) = self.find_lookup(column, table)?;
        let found = self.scope.lookups.get(lookup)?;
        let field = found.columns.get(index)?;
        let value = value?;
        if field.cidr {
            let message = format!("{}.{} holds networks; IN compares them as text", found.name, field.name);
            let help = format!("join: {{lookup: {}, how: longest_prefix}} matches by containment", found.name);
            let report = Diagnostic::error(codes::NETWORK_LOOKUP, span, message).help(help);
            self.report(report);
            return None;
        }
        if negated && field.nullable {
            let message = format!("NOT IN is never TRUE when {}.{} holds a NULL", found.name, field.name);
            let report = Diagnostic::error(codes::NOT_IN_NULLABLE, span, message)
                .help(format!("take `nullable: true` from {} in the lookup, and fill its empty cells", field.name));
            self.report(report);
            return None;
        }
        let (ty, nullable) = (field.ty, field.nullable);
        if coerce::cost(&value, ty).is_none() {
            let left = self.quoted(value.span);
            let message = format!("{left} is {}, {}.{} is {ty}", value.ty, found.name, field.name);
            return self.error(codes::TYPE_MISMATCH, span, message);
        }
        let value = self.convert(value, ty)?;
        let nullable = nullable || value.nullable;
        let kind = ExprKind::InLookup { expr: Box::new(value), lookup, column: index, negated };
        Some(Expr { kind, ty: Type::Bool, nullable, span })
    }

    fn find_lookup(&mut self, column: &ast::Ident, table: &ast::Ident) -> Option<(usize, usize)> {
        let at = self.ident_span(table);
        let lookups = &self.scope.lookups;
        let Some(lookup) = lookups.iter().position(|l| l.name.eq_ignore_ascii_case(&table.value)) else {
            if self.scope.broken.iter().any(|name| name.eq_ignore_ascii_case(&table.value)) {
                return None;
            }
            let mut report =
                Diagnostic::error(codes::UNKNOWN_LOOKUP, at, format!("no lookup is named {}", table.value));
            if let Some(near) = suggest(&table.value, lookups.iter().map(|l| l.name.as_str())) {
                report = report.help(format!("did you mean {near}?"));
            }
            let names: Vec<&str> = lookups.iter().map(|l| l.name.as_str()).collect();
            report = if names.is_empty() {
                report.help("a lookup is a file in sql/lookups")
            } else {
                report.help(format!("the lookups are {}", names.join(", ")))
            };
            self.report(report);
            return None;
        };
        let found: &ScopeLookup = lookups.get(lookup)?;
        let index = found.columns.iter().position(|c| c.name.eq_ignore_ascii_case(&column.value));
        let broken = self.scope.broken.iter().any(|name| name.eq_ignore_ascii_case(&found.name));
        if index.is_none() && !broken {
            let names: Vec<&str> = found.columns.iter().map(|c| c.name.as_str()).collect();
            let message = format!("the lookup {} has no column {}", found.name, column.value);
            let mut report = Diagnostic::error(codes::UNKNOWN_LOOKUP, self.ident_span(column), message);
            if let Some(near) = suggest(&column.value, names.iter().copied()) {
                report = report.help(format!("did you mean {near}?"));
            }
            let report = report.help(format!("its columns are {}", names.join(", ")));
            self.report(report);
        }
        index.map(|index| (lookup, index))
    }
}

/// The column and the table of `SELECT column FROM table` and nothing else.
fn lookup_query(query: &ast::Query) -> Option<(&ast::Ident, &ast::Ident)> {
    let select = super::select::plain_select(query)?;
    let [ast::SelectItem::UnnamedExpr(item)] = select.projection.as_slice() else { return None };
    let table = super::select::plain_table(&select.from)?;
    let column = match item {
        ast::Expr::Identifier(column) => column,
        ast::Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [owner, column] if owner.value.eq_ignore_ascii_case(&table.0.value) => column,
            _ => return None,
        },
        _ => return None,
    };
    if select.selection.is_some() || table.1.is_some() {
        return None;
    }
    Some((column, table.0))
}
