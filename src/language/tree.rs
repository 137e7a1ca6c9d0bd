//! The typed tree: what an expression means, independent of the engine that runs it.

use crate::diagnostic::Span;
use crate::record::{Type, Value};

use super::function::Function;

/// A typed expression.
#[derive(Debug, Clone)]
pub struct Expr {
    pub kind: ExprKind,
    pub ty: Type,
    /// May it be NULL?
    pub nullable: bool,
    pub span: Span,
}

impl Expr {
    /// Shows an expression and everything in it, from the outside in.
    pub fn walk<'e>(&'e self, see: &mut dyn FnMut(&'e Self)) {
        see(self);
        match &self.kind {
            ExprKind::Call { args, .. } => args.iter().for_each(|arg| arg.walk(see)),
            ExprKind::Case { branches, otherwise } => {
                for (condition, value) in branches {
                    condition.walk(see);
                    value.walk(see);
                }
                otherwise.iter().for_each(|value| value.walk(see));
            }
            ExprKind::Cast { expr, .. } | ExprKind::InLookup { expr, .. } => expr.walk(see),
            ExprKind::InList { expr, list, .. } => {
                expr.walk(see);
                list.iter().for_each(|item| item.walk(see));
            }
            ExprKind::Column(_) | ExprKind::Literal(_) | ExprKind::Aggregate(_) => {}
        }
    }
}

#[derive(Debug, Clone)]
pub enum ExprKind {
    /// Index into the scope's columns.
    Column(usize),
    /// A literal or the value of a `@param`.
    Literal(Value),
    /// An entry of the function table; operators are entries too.
    Call { function: &'static Function, args: Vec<Expr> },
    /// `CASE` without operand: (condition, result) pairs; `IF` is an entry of the table.
    Case { branches: Vec<(Expr, Expr)>, otherwise: Box<Option<Expr>> },
    /// `CAST` or `SAFE_CAST` to the node's type.
    Cast { expr: Box<Expr>, safe: bool },
    /// `x [NOT] IN (a, b, …)`.
    InList { expr: Box<Expr>, list: Vec<Expr>, negated: bool },
    /// `x [NOT] IN (SELECT column FROM lookup)`: an index into the scope's lookups and one of its columns.
    InLookup { expr: Box<Expr>, lookup: usize, column: usize, negated: bool },
    /// The result of the aggregate with this index; only in [`Aggregation::output`].
    Aggregate(usize),
}

/// An aggregate call.
#[derive(Debug, Clone)]
pub struct Aggregate {
    pub function: AggregateFunction,
    /// `None` for `COUNT(*)`.
    pub arg: Option<Expr>,
    pub ty: Type,
    pub nullable: bool,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    CountStar,
    Count,
    CountDistinct,
    /// Counts TRUE.
    CountIf,
    Sum,
    Avg,
    Min,
    Max,
    StddevSamp,
    StddevPop,
    VarSamp,
    VarPop,
    /// The smallest value, so that it does not depend on order.
    AnyValue,
    LogicalAnd,
    LogicalOr,
    ApproxCountDistinct,
}

/// An expression over aggregates: `SUM(tx_bytes) / COUNT(*)`.
#[derive(Debug, Clone)]
pub struct Aggregation {
    pub aggregates: Vec<Aggregate>,
    pub output: Expr,
}

/// `SELECT items FROM from [WHERE filter]`.
#[derive(Debug, Clone)]
pub struct Select {
    /// The relation's name and its place.
    pub from: (String, Span),
    pub items: Vec<Item>,
    pub filter: Option<Expr>,
}

#[derive(Debug, Clone)]
pub struct Item {
    pub name: String,
    pub expr: Expr,
}
