//! Aggregate calls.

use sqlparser::ast::{
    self, DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList,
    FunctionArguments, NullTreatment,
};

use crate::diagnostic::{Diagnostic, Span};
use crate::language::codes;
use crate::language::function::{AGGREGATES, QUANTILES_MAX};
use crate::language::tree::{Aggregate, AggregateFunction, Expr, ExprKind, OrderKey};
use crate::record::Type;

use super::binder::Binder;

pub(super) const FIRST: &str = "write ARRAY_AGG(x IGNORE NULLS ORDER BY event_time, row_id LIMIT 1)[SAFE_OFFSET(0)]";

pub(super) const QUANTILE: &str = "write APPROX_QUANTILES(x, 100)[OFFSET(50)]: the median";

impl Binder<'_> {
    pub(super) fn bind_aggregate(&mut self, name: &str, list: &FunctionArgumentList, span: Span) -> Option<Expr> {
        let upper = name.to_ascii_uppercase();
        if self.inside_aggregate || self.aggregates.is_none() {
            return self.misplaced(&upper, span);
        }
        let distinct = match list.duplicate_treatment {
            Some(DuplicateTreatment::Distinct) => true,
            Some(DuplicateTreatment::All) => return self.refuse(span, "ALL is not GoogleSQL", "leave it out"),
            None => false,
        };
        let entry = AGGREGATES.iter().find(|a| a.name == upper)?;
        if entry.function == F::First {
            return self.refuse(span, "lists of values are not supported", FIRST);
        }
        if matches!(entry.function, F::Quantile { .. }) {
            return self.refuse(span, "lists of values are not supported", QUANTILE);
        }
        if entry.function == F::StringAgg {
            return self.bind_string_agg(list, distinct, span);
        }
        if entry.function.takes_pairs() {
            return self.bind_pairs(entry.function, &upper, list, distinct, span);
        }
        match (list.args.as_slice(), entry.function, distinct) {
            ([FunctionArg::Unnamed(FunctionArgExpr::Wildcard)], AggregateFunction::CountStar, false) => {
                self.push_aggregate(AggregateFunction::CountStar, None, Vec::new(), span)
            }
            ([FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))], function, _) => {
                let arg = self.within_aggregate(arg);
                let function = match (function, distinct) {
                    (AggregateFunction::CountStar, false) => AggregateFunction::Count,
                    (AggregateFunction::CountStar, true) => AggregateFunction::CountDistinct,
                    // Repeated values change nothing.
                    (
                        F::Min
                        | F::Max
                        | F::AnyValue
                        | F::LogicalAnd
                        | F::LogicalOr
                        | F::BitAnd
                        | F::BitOr
                        | F::ApproxCountDistinct,
                        true,
                    ) => function,
                    (_, true) => {
                        let help = "COUNT(DISTINCT x) and STRING_AGG(DISTINCT x, …) alone take DISTINCT";
                        return self.refuse(span, format!("{upper}(DISTINCT x) is not supported"), help);
                    }
                    (function, false) => function,
                };
                self.push_aggregate(function, Some(arg?), Vec::new(), span)
            }
            _ => {
                let usage = match entry.function {
                    AggregateFunction::CountStar if distinct && list.args.len() > 1 => self.joined(&list.args)?,
                    AggregateFunction::CountStar => "COUNT(*) or COUNT(x)".to_owned(),
                    _ => format!("{upper}(x)"),
                };
                let report = Diagnostic::error(codes::WRONG_ARGUMENTS, span, format!("{upper} takes one argument"))
                    .help(format!("write {usage}"));
                self.report(report);
                None
            }
        }
    }

    /// `APPROX_QUANTILES(x, n)[OFFSET(k)]`.
    pub(super) fn bind_quantile(&mut self, call: &Function, index: &ast::Expr, span: Span) -> Option<Expr> {
        let FunctionArguments::List(list) = &call.args else { return self.refuse(span, "this is no list", QUANTILE) };
        if self.inside_aggregate || self.aggregates.is_none() {
            return self.misplaced("APPROX_QUANTILES", span);
        }
        let plain = call.over.is_none() && call.filter.is_none() && list.duplicate_treatment.is_none();
        let (true, [FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)), FunctionArg::Unnamed(FunctionArgExpr::Expr(of))]) =
            (plain && list.clauses.is_empty(), list.args.as_slice())
        else {
            return self.refuse(span, "this form of APPROX_QUANTILES is not supported", QUANTILE);
        };
        let parts = of.to_string().parse::<u32>().ok().filter(|of| (1..=QUANTILES_MAX).contains(of));
        let Some(of) = parts else {
            let message = format!("the number of parts is a number from 1 to {QUANTILES_MAX}");
            return self.refuse(self.span(of), message, QUANTILE);
        };
        let text = index.to_string().to_ascii_uppercase();
        let number = ["OFFSET(", "SAFE_OFFSET("].iter().find_map(|name| text.strip_prefix(name)?.strip_suffix(')'));
        let Some(number) = number.and_then(|number| number.parse::<u32>().ok()).filter(|number| *number <= of) else {
            let message = format!("which of them is OFFSET(k), with a number k from 0 to {of}");
            return self.refuse(self.span(index), message, QUANTILE);
        };
        let arg = self.within_aggregate(arg);
        self.push_aggregate(F::Quantile { number, of }, Some(arg?), Vec::new(), span)
    }

    /// `CORR(x, y)`: both become FLOAT64, as GoogleSQL has it.
    fn bind_pairs(
        &mut self,
        function: AggregateFunction,
        name: &str,
        list: &FunctionArgumentList,
        distinct: bool,
        span: Span,
    ) -> Option<Expr> {
        if distinct {
            return self.refuse(span, format!("{name} takes no DISTINCT"), format!("write {name}(x, y)"));
        }
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(x)), FunctionArg::Unnamed(FunctionArgExpr::Expr(y))] =
            list.args.as_slice()
        else {
            let report = Diagnostic::error(codes::WRONG_ARGUMENTS, span, format!("{name} takes two arguments"))
                .help(format!("write {name}(x, y)"));
            self.report(report);
            return None;
        };
        let (x, y) = (self.within_aggregate(x), self.within_aggregate(y));
        let (x, y) = (x?, y?);
        if let Some(other) = [&x, &y].into_iter().find(|arg| function.result(arg.ty).is_none()) {
            let message = format!("this aggregate takes {}, not {}", function.takes(), other.ty);
            return self.error(codes::TYPE_MISMATCH, other.span, message);
        }
        let (x, y) = (self.convert(x, Type::Float64)?, self.convert(y, Type::Float64)?);
        let nullable = function.nullable(self.scope.empty || x.nullable || y.nullable);
        let found = self.push_aggregate(function, Some(x), Vec::new(), span)?;
        let pushed = self.aggregates.as_mut()?.last_mut()?;
        (pushed.second, pushed.nullable) = (Some(y), nullable);
        Some(Expr { nullable, ..found })
    }

    /// What stands within an aggregate.
    pub(super) fn within_aggregate(&mut self, expr: &ast::Expr) -> Option<Expr> {
        self.inside_aggregate = true;
        let bound = self.bind(expr);
        self.inside_aggregate = false;
        bound
    }

    /// `COUNT(DISTINCT a, b)` as a count of one text.
    fn joined(&mut self, args: &[FunctionArg]) -> Option<String> {
        let mut texts = Vec::with_capacity(args.len());
        for arg in args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) = arg else { continue };
            let bound = self.within_aggregate(arg);
            let source = self.source(arg);
            texts.push(if bound?.ty == Type::String { source } else { format!("CAST({source} AS STRING)") });
        }
        Some(format!("COUNT(DISTINCT CONCAT({}))", texts.join(", ' ', ")))
    }

    /// A key of GROUP BY, which all rows of a group share.
    pub(super) fn any_of_group(&mut self, key: Expr) -> Option<Expr> {
        let (span, nullable) = (key.span, key.nullable);
        let found = self.push_aggregate(AggregateFunction::AnyValue, Some(key), Vec::new(), span)?;
        Some(Expr { nullable, ..found })
    }

    /// An aggregate where none may stand.
    fn misplaced(&mut self, name: &str, span: Span) -> Option<Expr> {
        let report = if self.inside_aggregate {
            Diagnostic::error(codes::AGGREGATE, span, format!("{name} stands inside an aggregate"))
                .help("aggregate in one feature, and again in a feature over it")
        } else {
            Diagnostic::error(codes::AGGREGATE, span, format!("the aggregate {name} cannot stand here"))
                .help("aggregates belong into a feature's row")
        };
        self.report(report);
        None
    }

    /// `ARRAY_AGG(x IGNORE NULLS ORDER BY … LIMIT 1)`, of which the first element is taken.
    pub(super) fn bind_first(&mut self, call: &Function, span: Span) -> Option<Expr> {
        if self.inside_aggregate || self.aggregates.is_none() {
            return self.bind_aggregate(
                "ANY_VALUE",
                &FunctionArgumentList { duplicate_treatment: None, args: Vec::new(), clauses: Vec::new() },
                span,
            );
        }
        let FunctionArguments::List(list) = &call.args else { return self.refuse(span, "this is no list", FIRST) };
        // sqlparser gives IGNORE NULLS to the call that stands before it.
        let mut arg = match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))] => arg.clone(),
            _ => return self.refuse(span, "ARRAY_AGG takes one argument", FIRST),
        };
        let inner = match &mut arg {
            ast::Expr::Function(inner) => inner.null_treatment.take(),
            _ => None,
        };
        let own = list.clauses.iter().find_map(|clause| match clause {
            FunctionArgumentClause::IgnoreOrRespectNulls(treatment) => Some(*treatment),
            _ => None,
        });
        let ignores = inner.or(own).or(call.null_treatment) == Some(NullTreatment::IgnoreNulls);
        let order = list.clauses.iter().find_map(|clause| match clause {
            FunctionArgumentClause::OrderBy(keys) => Some(keys.as_slice()),
            _ => None,
        });
        let one = list
            .clauses
            .iter()
            .any(|clause| matches!(clause, FunctionArgumentClause::Limit(limit) if limit.to_string() == "1"));
        let plain = call.over.is_none() && call.filter.is_none() && list.duplicate_treatment.is_none();
        let (Some(order), true, true, true) = (order, ignores, one, plain) else {
            return self.refuse(span, "this form of ARRAY_AGG is not supported", FIRST);
        };
        let arg = self.within_aggregate(&arg);
        let order: Vec<Option<OrderKey>> = order.iter().map(|key| self.bind_order_within(key)).collect();
        let order: Vec<OrderKey> = order.into_iter().collect::<Option<_>>()?;
        self.push_aggregate(F::First, Some(arg?), order, span)
    }

    pub(super) fn push_aggregate(
        &mut self,
        function: AggregateFunction,
        arg: Option<Expr>,
        order: Vec<OrderKey>,
        span: Span,
    ) -> Option<Expr> {
        let arg_type = arg.as_ref().map_or(Type::Int64, |a| a.ty);
        let Some(ty) = function.result(arg_type) else {
            let message = format!("this aggregate takes {}, not {arg_type}", function.takes());
            let mut report = Diagnostic::error(codes::TYPE_MISMATCH, span, message);
            if let Some(condition) = arg.filter(|_| arg_type == Type::Bool).map(|arg| self.quoted(arg.span)) {
                report = match function {
                    AggregateFunction::Sum => report.help(format!("write COUNTIF({condition})")),
                    AggregateFunction::Avg => report.help(format!("write COUNTIF({condition}) / COUNT(*)")),
                    _ => report,
                };
            }
            self.report(report);
            return None;
        };
        let zero = self.scope.zeros && function == AggregateFunction::Sum;
        let empty = self.scope.empty && !zero;
        let nullable = function.nullable(empty || arg.as_ref().is_some_and(|a| a.nullable));
        let aggregates = self.aggregates.as_mut()?;
        let index = aggregates.len();
        aggregates.push(Aggregate { function, arg, second: None, order, list: None, ty, nullable, span });
        Some(Expr { kind: ExprKind::Aggregate(index), ty, nullable, span })
    }
}

use AggregateFunction as F;
