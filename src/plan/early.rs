//! Which rules fire before a window is over: those of which it can be proven that a row that meets their condition goes on
//! to meet it, whatever else comes.
//!
//! What rows add to only grows: counts, sums of what is never negative, the largest value. What is grown beyond a constant
//! stays beyond it, and so do AND and OR of such. Key, window and what lookups hold for them do not change at all. Of an OR
//! the alternatives count that can be proven: `a >= 10 AND a >= 0.9 * b OR a >= 100` fires at 100.

use crate::definition::model::Status;
use crate::diagnostic::Span;
use crate::language::function::Id;
use crate::language::tree::{Aggregate, AggregateFunction as F, Expr, ExprKind};
use crate::language::{both, conjuncts};
use crate::record::{Type, Value};

use super::asked::bounds;
use super::{AlertWhen, Bound, FeaturePlan, JoinPlan, JoinTarget, Plan, RulePlan, Upstream, WINDOW_COLUMNS};

/// Windows of more steps are not looked into while they are open: it would cost too much at each row.
pub const STEPS_MAX: i64 = 16;
/// Rules over one feature that can fire early.
pub const READERS_MAX: usize = 64;

/// When a rule's hits are certain.
#[derive(Debug, Clone)]
pub enum Early {
    /// Each is a flow: at once.
    Flows,
    /// As soon as a row of an open window meets a condition; by SELECT of the rule that can be proven.
    Windows(Vec<EarlySelect>),
    /// When the window is over.
    Not(NotEarly),
}

#[derive(Debug, Clone)]
pub struct EarlySelect {
    /// Its place among the rule's.
    pub branch: usize,
    pub feature: usize,
    /// What stays true once it is; nothing where every row hits.
    pub condition: Option<Expr>,
    /// The part of it that does not change: a row that does not meet that never will.
    pub fixed: Option<Expr>,
    /// A row has to be within all of one of these first; none where nothing can be told of the aggregates alone.
    pub bounds: Vec<Vec<Bound>>,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotEarly {
    pub why: &'static str,
    pub at: Option<Span>,
}

impl NotEarly {
    fn of(why: &'static str) -> Self {
        Self { why, at: None }
    }

    fn at(why: &'static str, at: Span) -> Self {
        Self { why, at: Some(at) }
    }
}

impl Plan {
    /// By rule.
    pub fn early(&self) -> Vec<Early> {
        let mut readers = vec![0; self.features.len()];
        let mut has_room = |select: &EarlySelect| {
            readers[select.feature] += 1;
            readers[select.feature] <= READERS_MAX
        };
        let rules = self.rules.iter().map(|rule| match self.early_of(rule) {
            Early::Windows(selects) if !selects.iter().all(&mut has_room) => {
                Early::Not(NotEarly::of("64 others fire early over its feature"))
            }
            early => early,
        });
        rules.collect()
    }

    fn early_of(&self, rule: &RulePlan) -> Early {
        if rule.when != AlertWhen::Always || rule.status == Status::Shadow {
            return Early::Not(NotEarly::of("it alerts nobody by itself"));
        }
        if rule.reads_flows() {
            return Early::Flows;
        }
        let mut proven = Vec::new();
        let mut first = None;
        for (branch, select) in rule.branches.iter().enumerate() {
            match self.proven(rule, branch, select.upstream) {
                Ok(select) => proven.push(select),
                Err(why) => first = first.or(Some(why)),
            }
        }
        match (proven.is_empty(), first) {
            (true, Some(why)) => Early::Not(why),
            _ => Early::Windows(proven),
        }
    }

    fn proven(&self, rule: &RulePlan, branch: usize, upstream: Upstream) -> Result<EarlySelect, NotEarly> {
        let select = &rule.branches[branch].select;
        let Upstream::Feature(index) = upstream else { return Err(NotEarly::of("it reads hits of other rules")) };
        let feature = &self.features[index];
        let columns = of_feature(feature)?;
        if !select.ranks.is_empty() {
            return Err(NotEarly::of("it ranks the rows of a window, which are there when it is over"));
        }
        let columns = with_joins(columns, &select.joins)?;
        if let Some(fails) = select.items.iter().map(|item| &item.expr).chain(&select.filter).find(|e| e.can_fail()) {
            return Err(NotEarly::at("it has no value for some rows, which are not hits then", fails.span));
        }
        let of_hit: Vec<Trend> = select.items.iter().map(|item| item.expr.trend(&columns)).collect();
        for exception in &rule.exceptions {
            if exception.when.can_fail() || exception.when.trend(&of_hit) != Trend::Fixed {
                return Err(NotEarly::at("an exception may come to hold while the window fills", exception.when.span));
            }
        }
        if rule.alert_key.iter().any(|column| of_hit.get(*column) != Some(&Trend::Fixed)) {
            return Err(NotEarly::of("a column of its alert key changes while the window fills"));
        }
        let condition = select.filter.as_ref().map(|filter| certain(filter, &columns)).transpose()?;
        let parts = condition.iter().flat_map(|condition| conjuncts(condition));
        let fixed = parts.filter(|part| part.trend(&columns) == Trend::Fixed).cloned().map(Some).fold(None, both);
        let bounds = condition.as_ref().map(|condition| alternatives(feature, condition)).unwrap_or_default();
        Ok(EarlySelect { branch, feature: index, condition, fixed, bounds })
    }
}

/// How the columns of a feature's rows change while rows come to their windows.
fn of_feature(feature: &FeaturePlan) -> Result<Vec<Trend>, NotEarly> {
    if feature.upstream != Upstream::Flows {
        return Err(NotEarly::of("it reads a feature of features, whose rows are there when a window is over"));
    }
    if feature.trailing.is_some() {
        return Err(NotEarly::of("it reads a feature with look-backs"));
    }
    if feature.window.session_gap.is_some() {
        return Err(NotEarly::of("it reads sessions, which end when nothing comes"));
    }
    if feature.previous.is_some() {
        return Err(NotEarly::of("it reads a feature of the row before, which is known when no other can come"));
    }
    if feature.fill.is_some() {
        return Err(NotEarly::of("it reads a feature of which windows without rows are filled in"));
    }
    if feature.window.size.0 / feature.window.every.0.max(1) > STEPS_MAX {
        return Err(NotEarly::of("its windows have more than 16 steps"));
    }
    let computed = feature.outputs.iter().chain(&feature.derive);
    if let Some(fails) = computed.map(|item| &item.expr).find(|expr| expr.can_fail()) {
        return Err(NotEarly::at("a column of its feature has no value for some rows, which are left out", fails.span));
    }
    let of_aggregates: Vec<Trend> = feature.aggregates.iter().map(of_aggregate).collect();
    let mut columns = vec![Trend::Fixed; feature.key.len() + WINDOW_COLUMNS];
    columns.extend(feature.outputs.iter().map(|item| item.expr.trend(&of_aggregates)));
    for item in &feature.derive {
        columns.push(item.expr.trend(&columns));
    }
    Ok(columns)
}

/// Beside a row that does not change, what a lookup holds does not either.
fn with_joins(mut columns: Vec<Trend>, joins: &[JoinPlan]) -> Result<Vec<Trend>, NotEarly> {
    for join in joins {
        match &join.target {
            JoinTarget::Feature { .. } => {
                return Err(NotEarly::of("it joins a feature, whose rows are there when a window is over"));
            }
            JoinTarget::Lookup { on, .. } => {
                let fixed = on.iter().all(|(here, _)| columns.get(*here) == Some(&Trend::Fixed));
                columns.extend(vec![if fixed { Trend::Fixed } else { Trend::Free }; join.columns.len()]);
            }
        }
    }
    Ok(columns)
}

/// How a value changes while rows come. NULL, that of no row, comes before all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trend {
    Fixed,
    /// It never gets smaller; of a BOOL: once TRUE, it stays so.
    Rising,
    /// As [`Trend::Rising`], and never below zero.
    RisingFromZero,
    /// It never gets larger; of a BOOL: once FALSE, it stays so.
    Falling,
    Free,
}

impl Trend {
    fn is_up(self) -> bool {
        matches!(self, Self::Fixed | Self::Rising | Self::RisingFromZero)
    }

    fn is_down(self) -> bool {
        matches!(self, Self::Fixed | Self::Falling)
    }
}

fn of_aggregate(aggregate: &Aggregate) -> Trend {
    let ty = aggregate.arg.as_ref().map(|arg| arg.ty);
    // Among floats NaN comes and stays.
    let ordered = ty.is_some_and(|ty| matches!(ty, Type::Int64 | Type::Timestamp | Type::Date));
    match aggregate.function {
        F::CountStar | F::Count | F::CountIf | F::CountDistinct => Trend::RisingFromZero,
        F::Sum if ty == Some(Type::Int64) && aggregate.arg.as_ref().is_some_and(never_negative) => {
            Trend::RisingFromZero
        }
        F::Max if ordered => Trend::Rising,
        F::LogicalOr => Trend::Rising,
        F::Min | F::AnyValue if ordered => Trend::Falling,
        F::LogicalAnd => Trend::Falling,
        _ => Trend::Free,
    }
}

/// Is it at least zero in every row, or NULL?
fn never_negative(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(Value::Int64(value)) => *value >= 0,
        ExprKind::Literal(Value::Null(_)) => true,
        ExprKind::Call { function, args } => match function.id {
            Id::If => args.iter().skip(1).all(never_negative),
            Id::Coalesce | Id::IfNull | Id::Least => args.iter().all(never_negative),
            Id::Greatest => args.iter().any(never_negative),
            _ => false,
        },
        ExprKind::Case { branches, otherwise } => {
            branches.iter().all(|(_, value)| never_negative(value)) && otherwise.iter().all(never_negative)
        }
        _ => false,
    }
}

impl Expr {
    /// `columns`: how those of its scope change.
    fn trend(&self, columns: &[Trend]) -> Trend {
        if let ExprKind::Column(index) = self.kind {
            return columns.get(index).copied().unwrap_or(Trend::Free);
        }
        let mut fixed = true;
        self.kind.each_child(&mut |child| fixed &= child.trend(columns) == Trend::Fixed);
        if fixed {
            return Trend::Fixed;
        }
        let (function, args) = match &self.kind {
            ExprKind::Call { function, args } => (function, args),
            ExprKind::Cast { expr, .. } if (expr.ty, self.ty) == (Type::Int64, Type::Float64) => {
                return expr.trend(columns);
            }
            _ => return Trend::Free,
        };
        let trends: Vec<Trend> = args.iter().map(|arg| arg.trend(columns)).collect();
        let all_up = trends.iter().all(|trend| trend.is_up());
        let all_down = trends.iter().all(|trend| trend.is_down());
        let either = match (all_up, all_down) {
            (true, _) => Trend::Rising,
            (_, true) => Trend::Falling,
            _ => Trend::Free,
        };
        // Of a BOOL that is not yet TRUE it is not known whether it is FALSE or NULL: it has no order.
        let ordered = args.iter().all(|arg| arg.ty != Type::Bool);
        match (function.id, trends.as_slice(), args.as_slice()) {
            (Id::And | Id::Or, _, _) => either,
            // NULL where one of them is.
            (Id::Greatest | Id::Least, _, _) if ordered => either,
            (Id::Not, [of], _) => match of {
                Trend::Falling => Trend::Rising,
                trend if trend.is_up() => Trend::Falling,
                _ => Trend::Free,
            },
            (Id::GtEq | Id::Gt, [more, less], _) | (Id::LtEq | Id::Lt, [less, more], _) if ordered => {
                match (more.is_up() && less.is_down(), more.is_down() && less.is_up()) {
                    (true, _) => Trend::Rising,
                    (_, true) => Trend::Falling,
                    _ => Trend::Free,
                }
            }
            (Id::IsNotNull, [of], _) if ordered && *of != Trend::Free => Trend::Rising,
            (Id::IsNull, [of], _) if ordered && *of != Trend::Free => Trend::Falling,
            // Zero in the place of no rows is not more than what rows give.
            (Id::Coalesce | Id::IfNull, [Trend::RisingFromZero, _], [_, instead]) => match instead.kind {
                ExprKind::Literal(Value::Int64(0)) => Trend::RisingFromZero,
                ExprKind::Literal(Value::Int64(..0)) => Trend::Rising,
                _ => Trend::Free,
            },
            _ => Trend::Free,
        }
    }
}

/// The part of a condition that stays true once it is, and with it all of the condition.
fn certain(condition: &Expr, columns: &[Trend]) -> Result<Expr, NotEarly> {
    match &condition.kind {
        ExprKind::Call { function, args } if function.id == Id::And => {
            let args = args.iter().map(|arg| certain(arg, columns)).collect::<Result<_, _>>()?;
            Ok(Expr { kind: ExprKind::Call { function, args }, ..condition.clone() })
        }
        ExprKind::Call { function, args } if function.id == Id::Or => {
            let each: Vec<Result<Expr, NotEarly>> = args.iter().map(|arg| certain(arg, columns)).collect();
            let (mut args, mut first) = (Vec::new(), None);
            for alternative in each {
                match alternative {
                    Ok(alternative) => args.push(alternative),
                    Err(why) => first = first.or(Some(why)),
                }
            }
            match (args.len(), first) {
                (0, Some(why)) => Err(why),
                (1, _) => Ok(args.remove(0)),
                _ => Ok(Expr { kind: ExprKind::Call { function, args }, ..condition.clone() }),
            }
        }
        _ if condition.trend(columns).is_up() => Ok(condition.clone()),
        _ => Err(NotEarly::at("rows that come later may undo a part of its condition", condition.span)),
    }
}

/// Bounds on the aggregates, of each alternative; none where one has none.
fn alternatives(feature: &FeaturePlan, condition: &Expr) -> Vec<Vec<Bound>> {
    fn each<'e>(condition: &'e Expr, found: &mut Vec<&'e Expr>) {
        match &condition.kind {
            ExprKind::Call { function, args } if function.id == Id::Or => args.iter().for_each(|arg| each(arg, found)),
            _ => found.push(condition),
        }
    }
    let mut found = Vec::new();
    each(condition, &mut found);
    let of = |alternative: &Expr| -> Option<Vec<Bound>> {
        let bounds = bounds(feature, Some(alternative))?;
        let least: Vec<Bound> = bounds.into_iter().filter(|bound| bound.least > i64::MIN).collect();
        (!least.is_empty()).then_some(least)
    };
    found.into_iter().map(of).collect::<Option<_>>().unwrap_or_default()
}
