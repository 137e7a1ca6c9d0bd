//! Which rows of a feature anything asks for: a rule that wants `flows >= 30` asks for no others.
//!
//! Most rows of a hopping feature meet no rule's condition. Where what can be told of a row from its aggregates alone rules it
//! out for each rule and feature that reads it, the row need not be made. Neither tries its other conditions on such a row
//! (see [`SelectPlan::conditions`](super::SelectPlan::conditions)).

use crate::language::conjuncts;
use crate::language::function::Id;
use crate::language::tree::{AggregateFunction as F, Expr, ExprKind};
use crate::record::{Type, Value};

use super::{FeaturePlan, JoinAt, JoinPlan, JoinTarget, Plan, Upstream};

/// Who asks for rows of a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Something that looks at all of them.
    All,
    /// Conditions of rules and of other features: a row has to be within all bounds of one of these.
    Within(Vec<Vec<Bound>>),
    /// Rules that join the same window to rows of their own.
    Joined,
}

/// What an INT64 aggregate has to be, at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    pub aggregate: usize,
    pub least: i64,
    pub most: i64,
}

impl Plan {
    /// By feature, as far as live features and rules ask.
    pub fn asked(&self) -> Vec<Asked> {
        (0..self.features.len()).map(|index| self.asked_of(index)).collect()
    }

    fn asked_of(&self, index: usize) -> Asked {
        let upstream = Upstream::Feature(index);
        let live = self.features.iter().zip(&self.live).filter(|(_, live)| **live).map(|(feature, _)| feature);
        let readers = live.clone().filter(|reader| reader.upstream == upstream);
        // What looks back computes columns before it asks for anything.
        let by_features = live.clone().any(|reader| joins(&reader.joins, index, |_| true))
            || readers.clone().any(|reader| reader.trailing.is_some());
        let branches = || self.rules.iter().flat_map(|rule| &rule.branches);
        let earlier = branches().any(|branch| joins(&branch.select.joins, index, |at| at != JoinAt::Same));
        let joined = branches().any(|branch| joins(&branch.select.joins, index, |at| at == JoinAt::Same));
        let feature = &self.features[index];
        if by_features || earlier || feature.window.session_gap.is_some() || feature.trailing.is_some() {
            return Asked::All;
        }
        // A row that has no value for some expression is counted, whatever a rule thinks of it.
        let computed = feature.outputs.iter().chain(&feature.derive);
        if computed.map(|item| &item.expr).any(Expr::can_fail) {
            return Asked::All;
        }
        let by_rules = branches().filter(|branch| branch.upstream == upstream);
        let conditions = by_rules.map(|branch| branch.select.filter.as_ref());
        let mut reading = conditions.chain(readers.map(|reader| reader.filter.as_ref())).peekable();
        match (reading.peek().is_some(), joined) {
            // Which keys a window has tells what is filled in later.
            (false, true) if feature.fill.is_none() => return Asked::Joined,
            (true, false) => {}
            _ => return Asked::All,
        }
        let bounds: Option<Vec<Vec<Bound>>> = reading.map(|condition| bounds(feature, condition)).collect();
        bounds.map_or(Asked::All, Asked::Within)
    }
}

fn joins(joins: &[JoinPlan], index: usize, when: impl Fn(JoinAt) -> bool) -> bool {
    joins.iter().any(|join| matches!(join.target, JoinTarget::Feature { index: i, at, .. } if i == index && when(at)))
}

/// What is asked of a row's aggregates; `None` when that is nothing that is tried first.
pub(super) fn bounds(feature: &FeaturePlan, condition: Option<&Expr>) -> Option<Vec<Bound>> {
    let found: Vec<Bound> = conjuncts(condition?).into_iter().flat_map(|part| of_part(feature, part)).collect();
    (!found.is_empty()).then_some(found)
}

/// Of an OR, what all of its alternatives ask for.
fn of_part(feature: &FeaturePlan, part: &Expr) -> Vec<Bound> {
    match &part.kind {
        ExprKind::Call { function, args } if function.id == Id::Or && !part.can_fail() => {
            let each = args.iter().map(|arg| bounds(feature, Some(arg)).unwrap_or_default());
            each.reduce(|some, others| some.iter().filter_map(|bound| either(*bound, &others)).collect())
                .unwrap_or_default()
        }
        _ => bound(feature, part).into_iter().collect(),
    }
}

/// Within a bound, or within one of these on the same aggregate.
fn either(bound: Bound, others: &[Bound]) -> Option<Bound> {
    let other = others.iter().find(|other| other.aggregate == bound.aggregate)?;
    Some(Bound { least: bound.least.min(other.least), most: bound.most.max(other.most), ..bound })
}

fn bound(feature: &FeaturePlan, condition: &Expr) -> Option<Bound> {
    let ExprKind::Call { function, args } = &condition.kind else { return None };
    let (id, column, value) = match (function.id, args.as_slice()) {
        (
            id,
            [Expr { kind: ExprKind::Column(column), .. }, Expr { kind: ExprKind::Literal(Value::Int64(value)), .. }],
        ) => (id, *column, *value),
        (
            id,
            [Expr { kind: ExprKind::Literal(Value::Int64(value)), .. }, Expr { kind: ExprKind::Column(column), .. }],
        ) => (turned(id), *column, *value),
        _ => return None,
    };
    let output = feature.outputs.get(column.checked_sub(feature.outputs_at())?)?;
    let ExprKind::Column(aggregate) = output.expr.kind else { return None };
    let of = feature.aggregates.get(aggregate)?;
    let counts = matches!(of.function, F::CountStar | F::Count | F::CountIf | F::CountDistinct);
    let plain =
        matches!(of.function, F::Sum | F::Min | F::Max) && of.arg.as_ref().is_some_and(|arg| arg.ty == Type::Int64);
    if !counts && !plain {
        return None;
    }
    let (least, most) = match id {
        Id::GtEq => (value, i64::MAX),
        Id::Gt => (value.checked_add(1)?, i64::MAX),
        Id::LtEq => (i64::MIN, value),
        Id::Lt => (i64::MIN, value.checked_sub(1)?),
        Id::Eq => (value, value),
        _ => return None,
    };
    Some(Bound { aggregate, least, most })
}

/// `a < b` is `b > a`.
fn turned(id: Id) -> Id {
    match id {
        Id::GtEq => Id::LtEq,
        Id::Gt => Id::Lt,
        Id::LtEq => Id::GtEq,
        Id::Lt => Id::Gt,
        other => other,
    }
}
