//! `STRING_AGG`: texts in an order, with a bound on how many.
//!
//! Without an order the list would show how rows arrived, without a bound a window could hold any number of texts.

use std::sync::Arc;

use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList};

use crate::diagnostic::Span;
use crate::language::function::LIST_MAX;
use crate::language::tree::{AggregateFunction, Expr, ExprKind, Listing, OrderKey};
use crate::record::{Type, Value};

use super::binder::Binder;

/// The clauses behind the arguments.
#[derive(Default)]
struct Clauses<'a> {
    order: &'a [ast::OrderByExpr],
    limit: Option<&'a ast::Expr>,
    other: bool,
}

impl<'a> Clauses<'a> {
    fn of(list: &'a FunctionArgumentList) -> Self {
        let mut clauses = Self::default();
        for clause in &list.clauses {
            match clause {
                FunctionArgumentClause::OrderBy(order) => clauses.order = order,
                FunctionArgumentClause::Limit(limit) => clauses.limit = Some(limit),
                _ => clauses.other = true,
            }
        }
        clauses
    }
}

fn plain(args: &[FunctionArg]) -> Option<Vec<&ast::Expr>> {
    let expr = |arg| match arg {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expr)) => Some(expr),
        _ => None,
    };
    args.iter().map(expr).collect()
}

impl Binder<'_> {
    /// `STRING_AGG([DISTINCT] x, ',' ORDER BY x LIMIT n)`.
    pub(super) fn bind_string_agg(&mut self, list: &FunctionArgumentList, distinct: bool, span: Span) -> Option<Expr> {
        let clauses = Clauses::of(list);
        let args = plain(&list.args).unwrap_or_default();
        let (value, delimiter) = match args.as_slice() {
            [value] => (*value, None),
            [value, delimiter] => (*value, Some(*delimiter)),
            _ => {
                let help = "write STRING_AGG(DISTINCT x, ',' ORDER BY x LIMIT 100)";
                return self.refuse(span, "STRING_AGG takes texts, and what stands between two of them", help);
            }
        };
        let written = self.source(value);
        let between = delimiter.map_or_else(|| "','".to_owned(), |delimiter| self.source(delimiter));
        let form = format!("write STRING_AGG(DISTINCT {written}, {between} ORDER BY {written} LIMIT 100)");
        if clauses.other {
            return self.refuse(span, "this form of STRING_AGG is not supported; NULL is never listed", form);
        }
        if clauses.order.is_empty() {
            return self.refuse(span, "a list without ORDER BY would show the order of arrival", form);
        }
        let limit = self.list_limit(clauses.limit, span)?;
        let arg = self.within_aggregate(value);
        let order: Vec<Option<OrderKey>> = clauses.order.iter().map(|key| self.bind_order_within(key)).collect();
        let (arg, order) = (arg?, order.into_iter().collect::<Option<Vec<_>>>()?);
        if distinct && !order.iter().all(|key| key.expr.means(&arg)) {
            return self.refuse(span, "DISTINCT texts have no order but their own", form);
        }
        let ty = arg.ty;
        let found = self.push_aggregate(AggregateFunction::StringAgg, Some(arg), order, span)?;
        let delimiter = self.delimiter(delimiter, ty)?;
        self.aggregates.as_mut()?.last_mut()?.list = Some(Arc::new(Listing { distinct, delimiter, limit }));
        Some(found)
    }

    fn list_limit(&mut self, limit: Option<&ast::Expr>, span: Span) -> Option<usize> {
        let help = format!("write LIMIT and a number from 1 to {LIST_MAX} behind ORDER BY");
        let Some(limit) = limit else { return self.refuse(span, "a list without LIMIT has no bound", help) };
        let number = match self.bind(limit)?.kind {
            ExprKind::Literal(Value::Int64(number)) => usize::try_from(number).ok(),
            _ => None,
        };
        match number.filter(|number| (1..=LIST_MAX).contains(number)) {
            Some(number) => Some(number),
            None => self.refuse(self.span(limit), "this is no bound of a list", help),
        }
    }

    /// What stands between two texts: a constant of their type, a comma where none is given.
    fn delimiter(&mut self, given: Option<&ast::Expr>, ty: Type) -> Option<Value> {
        let Some(given) = given else {
            let comma = if ty == Type::Bytes { Value::Bytes(b",".to_vec()) } else { Value::String(",".to_owned()) };
            return Some(comma);
        };
        let delimiter = self.bind(given)?;
        match delimiter.kind {
            ExprKind::Literal(value @ (Value::String(_) | Value::Bytes(_))) if delimiter.ty == ty => Some(value),
            _ => {
                let help = format!(
                    "write a literal or a @param: STRING_AGG(x, {} …)",
                    if ty == Type::Bytes { "b','" } else { "','" }
                );
                self.refuse(delimiter.span, format!("what stands between two texts is a constant {ty}"), help)
            }
        }
    }

    /// A key of an aggregate's order.
    pub(super) fn bind_order_within(&mut self, key: &ast::OrderByExpr) -> Option<OrderKey> {
        self.inside_aggregate = true;
        let bound = self.bind_order(key);
        self.inside_aggregate = false;
        bound
    }
}
