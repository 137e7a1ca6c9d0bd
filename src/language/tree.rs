//! The typed tree: what an expression means, independent of the engine that runs it.

use std::sync::Arc;

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
        self.kind.each_child(&mut |child| child.walk(see));
    }

    /// Is it written like another, wherever each stands? What looks into a lookup never is.
    pub fn means(&self, other: &Self) -> bool {
        if self.ty != other.ty || !self.kind.is_alike(&other.kind) {
            return false;
        }
        let (mut mine, mut others) = (Vec::new(), Vec::new());
        self.kind.each_child(&mut |child| mine.push(child));
        other.kind.each_child(&mut |child| others.push(child));
        mine.len() == others.len() && mine.iter().zip(others).all(|(mine, other)| mine.means(other))
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
    /// `SAFE.NAME(…)`: the call within, but NULL where it has no value. Its arguments may still fail.
    Safe(Box<Expr>),
    /// `CASE` without operand: (condition, result) pairs; `IF` is an entry of the table.
    Case { branches: Vec<(Expr, Expr)>, otherwise: Box<Option<Expr>> },
    /// `CAST` or `SAFE_CAST` to the node's type.
    Cast { expr: Box<Expr>, safe: bool },
    /// `x [NOT] IN (a, b, …)`.
    InList { expr: Box<Expr>, list: Vec<Expr>, negated: bool },
    /// `x [NOT] IN (SELECT … FROM lookup …)`.
    InLookup { expr: Box<Expr>, set: Arc<[LookupValues]>, negated: bool },
    /// The result of the aggregate with this index; only in [`Aggregation::output`].
    Aggregate(usize),
}

impl ExprKind {
    /// The same, whatever stands directly below.
    fn is_alike(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Column(a), Self::Column(b)) | (Self::Aggregate(a), Self::Aggregate(b)) => a == b,
            // Numbers that are equal and differ, such as 0.0 and -0.0, have other texts.
            (Self::Literal(a), Self::Literal(b)) => a == b && a.display() == b.display(),
            (Self::Call { function: a, .. }, Self::Call { function: b, .. }) => a.id == b.id,
            (Self::Safe(_), Self::Safe(_)) => true,
            (Self::Cast { safe: a, .. }, Self::Cast { safe: b, .. }) => a == b,
            (Self::Case { branches: a, otherwise: x }, Self::Case { branches: b, otherwise: y }) => {
                a.len() == b.len() && x.is_some() == y.is_some()
            }
            (Self::InList { negated: a, .. }, Self::InList { negated: b, .. }) => a == b,
            // What a lookup computes of its own rows is not compared.
            _ => false,
        }
    }

    /// Shows the expressions directly below. What a lookup computes of its own rows is not among them.
    pub fn each_child<'e>(&'e self, see: &mut dyn FnMut(&'e Expr)) {
        match self {
            Self::Call { args, .. } => args.iter().for_each(see),
            Self::Case { branches, otherwise } => {
                for (condition, value) in branches {
                    see(condition);
                    see(value);
                }
                otherwise.iter().for_each(see);
            }
            Self::Safe(expr) | Self::Cast { expr, .. } | Self::InLookup { expr, .. } => see(expr),
            Self::InList { expr, list, .. } => {
                see(expr);
                list.iter().for_each(see);
            }
            Self::Column(_) | Self::Literal(_) | Self::Aggregate(_) => {}
        }
    }

    /// The same with other expressions directly below.
    pub fn map_children(&self, of: &mut dyn FnMut(&Expr) -> Expr) -> Self {
        match self {
            Self::Safe(expr) => Self::Safe(Box::new(of(expr))),
            Self::Cast { expr, safe } => Self::Cast { expr: Box::new(of(expr)), safe: *safe },
            Self::InLookup { expr, set, negated } => {
                Self::InLookup { expr: Box::new(of(expr)), set: Arc::clone(set), negated: *negated }
            }
            Self::Call { function, args } => Self::Call { function, args: args.iter().map(of).collect() },
            Self::Case { branches, otherwise } => {
                let branches = branches.iter().map(|(condition, value)| (of(condition), of(value))).collect();
                Self::Case { branches, otherwise: Box::new(otherwise.as_ref().as_ref().map(of)) }
            }
            Self::InList { expr, list, negated } => {
                let expr = Box::new(of(expr));
                Self::InList { expr, list: list.iter().map(of).collect(), negated: *negated }
            }
            _ => self.clone(),
        }
    }
}

/// Values that rows of a lookup give; a set has the values of all its parts.
#[derive(Debug, Clone)]
pub struct LookupValues {
    /// Index into the scope's lookups.
    pub lookup: usize,
    /// Over the lookup's columns.
    pub value: Expr,
    /// Which of its rows count; over the lookup's columns.
    pub filter: Option<Expr>,
}

impl LookupValues {
    /// The column, where the values are those of one column in all rows.
    pub fn plain_column(&self) -> Option<usize> {
        match (&self.value.kind, &self.filter) {
            (ExprKind::Column(index), None) => Some(*index),
            _ => None,
        }
    }
}

/// An aggregate call.
#[derive(Debug, Clone)]
pub struct Aggregate {
    pub function: AggregateFunction,
    /// `None` for `COUNT(*)`.
    pub arg: Option<Expr>,
    /// The other argument, of those that take pairs.
    pub second: Option<Expr>,
    /// Of what has an order: [`AggregateFunction::First`] and [`AggregateFunction::StringAgg`].
    pub order: Vec<OrderKey>,
    /// Only of [`AggregateFunction::StringAgg`].
    pub list: Option<Arc<Listing>>,
    pub ty: Type,
    pub nullable: bool,
    pub span: Span,
}

/// How texts are listed.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Each text once.
    pub distinct: bool,
    /// Between two texts; of their type.
    pub delimiter: Value,
    /// The most that are listed.
    pub limit: usize,
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
    BitAnd,
    BitOr,
    BitXor,
    /// `ARRAY_AGG(x IGNORE NULLS ORDER BY … LIMIT 1)[SAFE_OFFSET(0)]`.
    First,
    /// `STRING_AGG([DISTINCT] x, delimiter ORDER BY … LIMIT n)`.
    StringAgg,
    /// `APPROX_QUANTILES(x, of)[OFFSET(number)]`, exactly: the smallest value that has that part of all at or below it.
    Quantile {
        number: u32,
        of: u32,
    },
    /// Of pairs, as the next two.
    Corr,
    CovarPop,
    CovarSamp,
}

impl AggregateFunction {
    /// Does it take two arguments, of which rows give pairs?
    pub fn takes_pairs(self) -> bool {
        matches!(self, Self::Corr | Self::CovarPop | Self::CovarSamp)
    }
}

impl Aggregate {
    /// The expressions that it is computed from.
    pub fn inputs(&self) -> impl Iterator<Item = &Expr> {
        self.arg.iter().chain(&self.second).chain(self.order.iter().map(|key| &key.expr))
    }

    /// The same, to be changed.
    pub fn inputs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let order = self.order.iter_mut().map(|key| &mut key.expr);
        self.arg.iter_mut().chain(&mut self.second).chain(order)
    }

    /// Do rows that are equal in the order have equal values? Then it does not matter which of them is first.
    pub fn is_ordered_by_value(&self) -> bool {
        let Some(arg) = self.arg.as_ref().filter(|arg| arg.ty != Type::Float64) else { return false };
        self.order.iter().any(|key| key.expr.means(arg))
    }
}

/// An expression over aggregates: `SUM(tx_bytes) / COUNT(*)`.
#[derive(Debug, Clone)]
pub struct Aggregation {
    pub aggregates: Vec<Aggregate>,
    pub output: Expr,
}

/// A query in its one form: CTEs and subqueries are put in where they are read, and what is left is one SELECT over a
/// relation, or several joined by UNION ALL, whose items have the same names and types.
#[derive(Debug, Clone)]
pub struct Query {
    pub branches: Vec<Select>,
}

/// A query that is asked once, over rows that all are there: it may group, order and limit.
#[derive(Debug, Clone)]
pub struct AdHoc {
    /// What is read; without `group` these are the rows of the result.
    pub query: Query,
    pub group: Option<Group>,
    /// The first columns of the result; the others are only for its order.
    pub columns: usize,
    pub order: Vec<OrderColumn>,
    pub offset: usize,
    pub limit: Option<usize>,
}

impl AdHoc {
    /// The items of the result, with those that only order it.
    pub fn items(&self) -> &[Item] {
        let first = self.query.branches.first().map_or(&[][..], |select| &select.items);
        self.group.as_ref().map_or(first, |group| &group.items)
    }
}

/// `GROUP BY`: one row for each combination of the query's first columns.
#[derive(Debug, Clone)]
pub struct Group {
    pub keys: usize,
    /// Their arguments are columns of the query.
    pub aggregates: Vec<Aggregate>,
    /// Over the aggregates' results.
    pub having: Option<Expr>,
    pub items: Vec<Item>,
}

/// A column of the result that orders it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderColumn {
    pub column: usize,
    pub descending: bool,
    pub nulls_first: bool,
}

/// `SELECT items FROM from WHERE filter QUALIFY qualify`.
#[derive(Debug, Clone)]
pub struct Select {
    /// The relation's name and its place.
    pub from: (String, Span),
    /// Over the relation's scope.
    pub filter: Option<Expr>,
    /// Over the relation's scope, in the rows that are left; each is a column behind the scope's.
    pub ranks: Vec<Rank>,
    /// Over the scope and the ranks; none without ranks.
    pub qualify: Option<Expr>,
    /// Over the scope and the ranks.
    pub items: Vec<Item>,
}

/// `ROW_NUMBER() OVER (PARTITION BY partition ORDER BY order)`: INT64, never NULL.
#[derive(Debug, Clone)]
pub struct Rank {
    pub function: RankFunction,
    pub partition: Vec<Expr>,
    pub order: Vec<OrderKey>,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankFunction {
    RowNumber,
    Rank,
    DenseRank,
}

impl RankFunction {
    pub const ALL: [Self; 3] = [Self::RowNumber, Self::Rank, Self::DenseRank];

    pub fn name(self) -> &'static str {
        match self {
            Self::RowNumber => "ROW_NUMBER",
            Self::Rank => "RANK",
            Self::DenseRank => "DENSE_RANK",
        }
    }
}

#[derive(Debug, Clone)]
pub struct OrderKey {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
}

#[derive(Debug, Clone)]
pub struct Item {
    pub name: String,
    pub expr: Expr,
}
