//! A SELECT over a SELECT becomes one: columns of the outer are replaced by what the inner computes.

use crate::diagnostic::Span;
use crate::language::codes;
use crate::language::function::Id;
use crate::language::function::{self};
use crate::language::tree::{Expr, ExprKind, Item, OrderKey, Rank, Select};
use crate::record::Type;

use super::select::Bound;

/// Parts of all expressions that a query's inner SELECTs grow to.
const NODES_MAX: usize = 20_000;
const DEPTH_MAX: usize = 250;

/// What has been put in so far.
#[derive(Debug, Default)]
pub(super) struct Budget {
    nodes: usize,
}

/// A SELECT over a relation or a lookup.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub select: Select,
    /// Columns of its scope; ranks follow.
    pub columns: usize,
    pub lookup: Option<usize>,
}

/// Why a SELECT cannot be put on another.
#[derive(Debug, thiserror::Error)]
pub(super) enum Mismatch {
    #[error("the subqueries of this query grow to more than {NODES_MAX} names, literals and operators")]
    Nodes,
    #[error("the subqueries of this query are nested too deep")]
    Depth,
    #[error("a rank of ranked rows is not supported")]
    Ranks,
}

impl Mismatch {
    /// The code and the way out.
    pub fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Nodes | Self::Depth => (codes::TOO_LARGE, "compute what is used often in a feature, under `derive`"),
            Self::Ranks => (codes::REFUSED, "rank once, by all that decides: ORDER BY a DESC, b"),
        }
    }
}

impl Base {
    /// The SELECT `outer` over the rows of this one.
    pub fn put_on(self, outer: &Bound, budget: &mut Budget) -> Result<Self, Mismatch> {
        let Self { select: inner, columns, lookup } = self;
        let ranked = !inner.ranks.is_empty();
        if ranked && !outer.ranks.is_empty() {
            return Err(Mismatch::Ranks);
        }
        let outer_columns = inner.items.len();
        let mut put = Put { items: &inner.items, outer_columns, rank_base: columns, budget };
        let filter = put.option(outer.filter.as_ref())?;
        let qualify = put.option(outer.qualify.as_ref())?;
        let ranks = outer.ranks.iter().map(|rank| put.rank(rank)).collect::<Result<Vec<_>, _>>()?;
        let items = outer.items.iter().map(|item| Ok(Item { name: item.name.clone(), expr: put.expr(&item.expr, 0)? }));
        let items = items.collect::<Result<Vec<_>, Mismatch>>()?;
        let select = if ranked {
            Select { qualify: both(inner.qualify, filter), items, ..inner }
        } else {
            Select { from: inner.from, filter: both(inner.filter, filter), ranks, qualify, items }
        };
        Ok(Self { select, columns, lookup })
    }
}

/// `a AND b`.
pub fn both(a: Option<Expr>, b: Option<Expr>) -> Option<Expr> {
    let (a, b) = match (a, b) {
        (Some(a), Some(b)) => (a, b),
        (one, other) => return one.or(other),
    };
    let (span, nullable): (Span, bool) = (a.span, a.nullable || b.nullable);
    let kind = ExprKind::Call { function: function::by_id(Id::And)?, args: vec![a, b] };
    Some(Expr { kind, ty: Type::Bool, nullable, span })
}

struct Put<'a> {
    items: &'a [Item],
    /// Columns of the outer scope; its ranks follow.
    outer_columns: usize,
    /// Where ranks begin in the inner scope.
    rank_base: usize,
    budget: &'a mut Budget,
}

impl Put<'_> {
    fn option(&mut self, expr: Option<&Expr>) -> Result<Option<Expr>, Mismatch> {
        expr.map(|expr| self.expr(expr, 0)).transpose()
    }

    fn rank(&mut self, rank: &Rank) -> Result<Rank, Mismatch> {
        let partition = rank.partition.iter().map(|expr| self.expr(expr, 0)).collect::<Result<_, _>>()?;
        let order = rank.order.iter().map(|key| Ok(OrderKey { expr: self.expr(&key.expr, 0)?, ..key.clone() }));
        Ok(Rank { partition, order: order.collect::<Result<_, Mismatch>>()?, ..rank.clone() })
    }

    fn expr(&mut self, expr: &Expr, depth: usize) -> Result<Expr, Mismatch> {
        self.budget.nodes += 1;
        if self.budget.nodes > NODES_MAX {
            return Err(Mismatch::Nodes);
        }
        if depth > DEPTH_MAX {
            return Err(Mismatch::Depth);
        }
        if let ExprKind::Column(index) = expr.kind {
            return match self.items.get(index) {
                Some(item) => {
                    self.budget.nodes += size(&item.expr);
                    if depth + height(&item.expr) > DEPTH_MAX {
                        return Err(Mismatch::Depth);
                    }
                    // It is shown where it is used.
                    Ok(Expr { span: expr.span, ..item.expr.clone() })
                }
                None => {
                    let kind = ExprKind::Column(self.rank_base + (index - self.outer_columns));
                    Ok(Expr { kind, ..expr.clone() })
                }
            };
        }
        let mut failed = None;
        let kind = expr.kind.map_children(&mut |child| match self.expr(child, depth + 1) {
            Ok(child) => child,
            Err(error) => {
                failed.get_or_insert(error);
                child.clone()
            }
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(Expr { kind, ..*expr }),
        }
    }
}

fn size(expr: &Expr) -> usize {
    let mut nodes = 0;
    expr.walk(&mut |_| nodes += 1);
    nodes
}

fn height(expr: &Expr) -> usize {
    let mut deepest = 0;
    expr.kind.each_child(&mut |child| deepest = deepest.max(height(child)));
    deepest + 1
}
