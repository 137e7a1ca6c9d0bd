//! `ROW_NUMBER() OVER (PARTITION BY … ORDER BY …)` and its like: a rank among the rows that a SELECT reads.

use sqlparser::ast::{self, FunctionArguments, WindowType};

use crate::diagnostic::Span;
use crate::language::tree::{Expr, ExprKind, OrderKey, Rank, RankFunction};
use crate::record::Type;

use super::binder::Binder;

/// Ranks found while a SELECT is bound.
#[derive(Debug)]
pub(super) struct Ranks {
    /// Columns of the scope; ranks follow.
    base: usize,
    found: Vec<Rank>,
}

impl Ranks {
    pub fn new(base: usize) -> Self {
        Self { base, found: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub fn into_found(self) -> Vec<Rank> {
        self.found
    }
}

const FORM: &str = "write ROW_NUMBER() OVER (PARTITION BY window_end ORDER BY flows DESC, src_ip)";

impl Binder<'_> {
    /// A call with OVER.
    pub(super) fn bind_over(&mut self, call: &ast::Function, over: &WindowType, span: Span) -> Option<Expr> {
        let name = call.name.to_string();
        let Some(function) = RankFunction::ALL.into_iter().find(|f| f.name().eq_ignore_ascii_case(&name)) else {
            let help = "a feature with a window of its own says the same: see features/";
            return self.refuse(
                span,
                "of functions with OVER only ROW_NUMBER, RANK and DENSE_RANK are supported",
                help,
            );
        };
        if self.ranks.is_none() {
            let help =
                if self.over_lookup { "a lookup is a set" } else { "write it in QUALIFY, or name it as an item" };
            return self.refuse(span, format!("{} cannot stand here", function.name()), help);
        }
        let bare =
            matches!(&call.args, FunctionArguments::List(list) if list.args.is_empty() && list.clauses.is_empty());
        let WindowType::WindowSpec(spec) = over else {
            return self.refuse(span, "a named window is not supported", FORM);
        };
        let plain = call.filter.is_none() && call.null_treatment.is_none() && call.within_group.is_empty();
        if !bare || !plain || spec.window_name.is_some() || spec.window_frame.is_some() {
            return self.refuse(span, format!("this form of {} is not supported", function.name()), FORM);
        }
        if spec.order_by.is_empty() {
            return self.refuse(span, format!("{} without ORDER BY has no meaning", function.name()), FORM);
        }
        // A rank may not be ranked in turn.
        let ranks = self.ranks.take();
        let partition: Vec<Option<Expr>> = spec.partition_by.iter().map(|expr| self.bind_partition(expr)).collect();
        let order: Vec<Option<OrderKey>> = spec.order_by.iter().map(|key| self.bind_order(key)).collect();
        self.ranks = ranks;
        let partition = partition.into_iter().collect::<Option<Vec<_>>>()?;
        let order = order.into_iter().collect::<Option<Vec<_>>>()?;
        let ranks = self.ranks.as_mut()?;
        let kind = ExprKind::Column(ranks.base + ranks.found.len());
        ranks.found.push(Rank { function, partition, order, span });
        Some(Expr { kind, ty: Type::Int64, nullable: false, span })
    }

    fn bind_partition(&mut self, ast: &ast::Expr) -> Option<Expr> {
        let expr = self.bind(ast)?;
        if expr.ty == Type::Float64 {
            let help = "compute an INT64 or STRING: CAST(ROUND(x) AS INT64)";
            return self.refuse(expr.span, "FLOAT64 cannot stand in PARTITION BY", help);
        }
        Some(expr)
    }

    pub(super) fn bind_order(&mut self, key: &ast::OrderByExpr) -> Option<OrderKey> {
        let expr = self.bind(&key.expr)?;
        if matches!(expr.kind, ExprKind::Literal(_)) {
            return self.refuse(expr.span, "a constant orders nothing", "name a column");
        }
        if key.with_fill.is_some() {
            return self.refuse(expr.span, "WITH FILL is not GoogleSQL", "leave it out");
        }
        let descending = key.options.asc == Some(false);
        Some(OrderKey { expr, descending, nulls_first: key.options.nulls_first.unwrap_or(!descending) })
    }
}
