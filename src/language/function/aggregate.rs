//! Aggregates: one value from many rows.

use crate::language::tree::AggregateFunction;
use crate::record::Type;

use super::Class;

/// `STRING_AGG` lists at most so many texts: its LIMIT.
pub const LIST_MAX: usize = 1_000;

/// `COUNT(DISTINCT x)` is `LEAST(exact, COUNT_DISTINCT_MAX)`, on every engine.
pub const COUNT_DISTINCT_MAX: usize = 1_000_000;

/// `APPROX_QUANTILES(x, n)`: into at most so many parts.
pub const QUANTILES_MAX: u32 = 1_000;

/// An aggregate's name and types. `COUNT(*)`, `COUNT(x)` and `COUNT(DISTINCT x)` share a name.
#[derive(Debug)]
pub struct AggregateEntry {
    pub function: AggregateFunction,
    pub name: &'static str,
    pub class: Class,
    pub doc: &'static str,
}

const fn entry(function: AggregateFunction, name: &'static str, class: Class, doc: &'static str) -> AggregateEntry {
    AggregateEntry { function, name, class, doc }
}

use AggregateFunction as F;

pub static AGGREGATES: &[AggregateEntry] = &[
    entry(F::CountStar, "COUNT", Class::Exact, "rows"),
    entry(F::Count, "COUNT", Class::Exact, "rows where the argument is not NULL"),
    entry(F::CountDistinct, "COUNT", Class::Exact, "different values, NULL not counted"),
    entry(F::CountIf, "COUNTIF", Class::Exact, "rows where the condition is TRUE"),
    entry(F::Sum, "SUM", Class::FloatOrder, "sum; beyond INT64 it stops at the bound and is counted"),
    entry(F::Avg, "AVG", Class::FloatOrder, "mean as FLOAT64"),
    entry(F::Min, "MIN", Class::Exact, "smallest value"),
    entry(F::Max, "MAX", Class::Exact, "largest value"),
    entry(F::StddevSamp, "STDDEV_SAMP", Class::FloatOrder, "standard deviation of a sample; NULL for one row"),
    entry(F::StddevSamp, "STDDEV", Class::FloatOrder, "standard deviation of a sample; NULL for one row"),
    entry(F::StddevPop, "STDDEV_POP", Class::FloatOrder, "standard deviation"),
    entry(F::VarSamp, "VAR_SAMP", Class::FloatOrder, "variance of a sample; NULL for one row"),
    entry(F::VarSamp, "VARIANCE", Class::FloatOrder, "variance of a sample; NULL for one row"),
    entry(F::VarPop, "VAR_POP", Class::FloatOrder, "variance"),
    entry(F::AnyValue, "ANY_VALUE", Class::Exact, "a value: the smallest, so that it does not depend on order"),
    entry(F::LogicalAnd, "LOGICAL_AND", Class::Exact, "TRUE when all are"),
    entry(F::LogicalOr, "LOGICAL_OR", Class::Exact, "TRUE when one is"),
    entry(F::BitAnd, "BIT_AND", Class::Exact, "bits that all values have"),
    entry(F::BitOr, "BIT_OR", Class::Exact, "bits that one value has"),
    entry(F::BitXor, "BIT_XOR", Class::Exact, "bits that an odd number of values have"),
    entry(
        F::First,
        "ARRAY_AGG",
        Class::Exact,
        "the value of the first row by an order that tells all rows apart, NULL not counted; the last by DESC",
    ),
    entry(
        F::StringAgg,
        "STRING_AGG",
        Class::Exact,
        "texts in an order that tells all rows apart, or in their own, with a constant text (a comma) between two; NULL not \
         listed; DISTINCT lists each once; LIMIT is at most 1000",
    ),
    entry(
        F::Quantile { number: 1, of: 2 },
        "APPROX_QUANTILES",
        Class::Exact,
        "the smallest value that has k of n parts of all at or below it, NULL not counted; exact here and in what is compiled, \
         where BigQuery's own is an estimate; n is at most 1000, of at most 1,000,000 different values",
    ),
    entry(
        F::Corr,
        "CORR",
        Class::FloatOrder,
        "Pearson's coefficient of the pairs without NULL; NULL for fewer than two; NaN where one side has no variance; \
         within 1e-9 of 1",
    ),
    entry(
        F::CovarPop,
        "COVAR_POP",
        Class::FloatOrder,
        "covariance of the pairs without NULL; within 1e-9 of the product of the standard deviations",
    ),
    entry(
        F::CovarSamp,
        "COVAR_SAMP",
        Class::FloatOrder,
        "covariance of a sample; NULL for fewer than two pairs; within 1e-9 of the product of the standard deviations",
    ),
    entry(F::ApproxCountDistinct, "APPROX_COUNT_DISTINCT", Class::Approximate, "about how many different values"),
];

impl AggregateFunction {
    /// The result's type for an argument's type; `None` when the aggregate does not take it.
    pub fn result(self, arg: Type) -> Option<Type> {
        match self {
            Self::CountStar | Self::Count | Self::ApproxCountDistinct => Some(Type::Int64),
            Self::CountDistinct => (arg != Type::Float64).then_some(Type::Int64),
            Self::CountIf => (arg == Type::Bool).then_some(Type::Int64),
            Self::Sum => arg.is_numeric().then_some(arg),
            Self::Avg | Self::StddevSamp | Self::StddevPop | Self::VarSamp | Self::VarPop => {
                arg.is_numeric().then_some(Type::Float64)
            }
            Self::Corr | Self::CovarPop | Self::CovarSamp => arg.is_numeric().then_some(Type::Float64),
            Self::StringAgg => matches!(arg, Type::String | Type::Bytes).then_some(arg),
            Self::Quantile { .. } => {
                matches!(arg, Type::Int64 | Type::Float64 | Type::Timestamp | Type::Date).then_some(arg)
            }
            Self::Min | Self::Max | Self::AnyValue | Self::First => Some(arg),
            Self::BitAnd | Self::BitOr | Self::BitXor => (arg == Type::Int64).then_some(Type::Int64),
            Self::LogicalAnd | Self::LogicalOr => (arg == Type::Bool).then_some(Type::Bool),
        }
    }

    /// May the result be NULL over at least one row?
    pub fn nullable(self, arg_nullable: bool) -> bool {
        match self {
            Self::CountStar | Self::Count | Self::CountDistinct | Self::CountIf | Self::ApproxCountDistinct => false,
            Self::StddevSamp | Self::VarSamp | Self::Corr | Self::CovarSamp => true,
            _ => arg_nullable,
        }
    }

    /// What the argument may be, for messages.
    pub fn takes(self) -> &'static str {
        match self {
            Self::CountIf | Self::LogicalAnd | Self::LogicalOr => "BOOL",
            Self::Sum | Self::Avg | Self::StddevSamp | Self::StddevPop | Self::VarSamp | Self::VarPop => {
                "INT64 or FLOAT64"
            }
            Self::Corr | Self::CovarPop | Self::CovarSamp => "INT64 or FLOAT64",
            Self::Quantile { .. } => "INT64, FLOAT64, TIMESTAMP or DATE",
            Self::BitAnd | Self::BitOr | Self::BitXor => "INT64",
            Self::StringAgg => "STRING or BYTES",
            Self::CountDistinct => "any type but FLOAT64",
            _ => "any type",
        }
    }
}
