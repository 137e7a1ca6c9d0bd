//! A condition in two: what is asked of a row alone is tried first.

use crate::language::conjuncts;
use crate::language::tree::{Expr, ExprKind};

use super::wanted::columns_of;
use super::{FeaturePlan, JoinPlan, SelectPlan};

/// What is asked of a row alone and has a value for every row; and the rest, which is tried on the rows that are left, when
/// joins have been made. `own`: how many columns a row has by itself.
fn in_two(filter: Option<&Expr>, own: usize) -> (Option<Expr>, Option<Expr>) {
    let Some(filter) = filter else { return (None, None) };
    let alone = |part: &&Expr| {
        let mut alone = !part.can_fail();
        columns_of(part, &mut |index| alone &= index < own);
        alone
    };
    let (first, rest): (Vec<&Expr>, Vec<&Expr>) = conjuncts(filter).into_iter().partition(alone);
    (all_of(filter, &first), all_of(filter, &rest))
}

/// Some conjuncts of a condition.
fn all_of(condition: &Expr, parts: &[&Expr]) -> Option<Expr> {
    let (first, others) = parts.split_first()?;
    let ExprKind::Call { function, .. } = &condition.kind else { return Some((*first).clone()) };
    let both = |a: Expr, b: &&Expr| {
        let kind = ExprKind::Call { function, args: vec![a, (*b).clone()] };
        Expr { kind, ..condition.clone() }
    };
    Some(others.iter().fold((*first).clone(), both))
}

fn joined(joins: &[JoinPlan]) -> usize {
    joins.iter().map(|join| join.columns.len()).sum()
}

impl SelectPlan {
    /// See [`in_two`].
    pub fn conditions(&self) -> (Option<Expr>, Option<Expr>) {
        in_two(self.filter.as_ref(), self.scope.len() - joined(&self.joins))
    }
}

impl FeaturePlan {
    /// How many of its scope's columns are its upstream's.
    pub fn upstream_columns(&self) -> usize {
        let previous = self.previous.as_ref().map_or(0, |previous| previous.of.len());
        self.scope.len() - self.row.len() - previous - joined(&self.joins)
    }

    /// See [`in_two`].
    pub fn conditions(&self) -> (Option<Expr>, Option<Expr>) {
        in_two(self.filter.as_ref(), self.upstream_columns())
    }
}
