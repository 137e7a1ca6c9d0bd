//! Aggregates as SQL: over rows, what a pane keeps of one, and a window's from its panes.

use crate::language::function::COUNT_DISTINCT_MAX;
use crate::language::tree::{Aggregate, AggregateFunction as F};
use crate::record::Type;

use super::rule::direction;
use super::text::literal;

/// The columns that keep an aggregate: a suffix of its name, and SQL.
pub(super) type States = Vec<(&'static str, String)>;

/// An aggregate's arguments and the keys of its order, as SQL.
#[derive(Default)]
pub(super) struct Inputs {
    pub x: String,
    pub y: String,
    pub order: Vec<String>,
}

/// What may stand behind an aggregate's name.
pub(super) const STATES: [&str; 14] = [
    "_n",
    "_mean",
    "_var",
    "_min",
    "_max",
    "_sum",
    "_sketch",
    "_center",
    "_mean_y",
    "_var_y",
    "_min_y",
    "_max_y",
    "_center_y",
    "_covar",
];

pub(super) fn suffixed(own: &str, suffix: &str) -> String {
    match own.strip_suffix('`') {
        Some(quoted) => format!("{quoted}{suffix}`"),
        None => format!("{own}{suffix}"),
    }
}

fn is_spread(function: F) -> bool {
    matches!(function, F::StddevSamp | F::StddevPop | F::VarSamp | F::VarPop)
}

/// The means of a whole window, where an aggregate needs them.
pub(super) fn centers(function: F, own: &str) -> Vec<String> {
    let center = |(mean, center): (&str, &str)| {
        let (n, mean, center) = (suffixed(own, "_n"), suffixed(own, mean), suffixed(own, center));
        format!("SAFE_DIVIDE(SUM({n} * {mean}) OVER one_window, SUM({n}) OVER one_window) AS {center}")
    };
    let sides = [("_mean", "_center"), ("_mean_y", "_center_y")];
    let needed = if function.takes_pairs() { 2 } else { usize::from(is_spread(function)) };
    sides.into_iter().take(needed).map(center).collect()
}

/// `a DESC, b NULLS LAST`.
fn ordering(aggregate: &Aggregate, order: &[String]) -> String {
    let keys = aggregate.order.iter().zip(order).map(|(key, sql)| format!("{sql}{}", direction(key)));
    keys.collect::<Vec<_>>().join(", ")
}

/// An aggregate over rows.
pub(super) fn direct(aggregate: &Aggregate, inputs: &Inputs) -> States {
    let Inputs { x, y, order } = inputs;
    let sql = match aggregate.function {
        F::CountStar => "COUNT(*)".to_owned(),
        F::Count => format!("COUNT({x})"),
        F::CountDistinct => format!("LEAST(COUNT(DISTINCT {x}), {COUNT_DISTINCT_MAX})"),
        F::CountIf => format!("COUNTIF({x})"),
        F::Sum => format!("SUM({x})"),
        F::Avg => format!("AVG({x})"),
        F::Min | F::AnyValue => format!("MIN({x})"),
        F::Max => format!("MAX({x})"),
        F::StddevSamp => format!("STDDEV_SAMP({x})"),
        F::StddevPop => format!("STDDEV_POP({x})"),
        F::VarSamp => format!("VAR_SAMP({x})"),
        F::VarPop => format!("VAR_POP({x})"),
        F::LogicalAnd => format!("LOGICAL_AND({x})"),
        F::LogicalOr => format!("LOGICAL_OR({x})"),
        F::ApproxCountDistinct => format!("APPROX_COUNT_DISTINCT({x})"),
        F::BitAnd => format!("BIT_AND({x})"),
        F::BitOr => format!("BIT_OR({x})"),
        F::BitXor => format!("BIT_XOR({x})"),
        F::First => {
            format!("ARRAY_AGG({x} IGNORE NULLS ORDER BY {} LIMIT 1)[SAFE_OFFSET(0)]", ordering(aggregate, order))
        }
        F::StringAgg => string_agg(aggregate, x, order),
        F::Quantile { number, of } => {
            format!(
                "ARRAY_AGG({x} IGNORE NULLS ORDER BY {x})[SAFE_OFFSET({})]",
                rank(number, of, &format!("COUNT({x})"))
            )
        }
        F::Corr => format!("CORR({x}, {y})"),
        F::CovarPop => format!("COVAR_POP({x}, {y})"),
        F::CovarSamp => format!("COVAR_SAMP({x}, {y})"),
    };
    vec![("", sql)]
}

/// What a pane keeps of an aggregate.
pub(super) fn pane_states(aggregate: &Aggregate, inputs: &Inputs) -> States {
    let Inputs { x, y, order } = inputs;
    let by = ordering(aggregate, order);
    match aggregate.function {
        F::First => {
            let row = with_order(x, "first_value", order);
            vec![("", format!("ARRAY_AGG({row} IGNORE NULLS ORDER BY {by} LIMIT 1)[SAFE_OFFSET(0)]"))]
        }
        F::StringAgg => {
            let limit = aggregate.list.as_ref().map_or(0, |list| list.limit);
            let rows = if lists_distinct(aggregate) { format!("DISTINCT {x}") } else { with_order(x, "listed", order) };
            vec![("", format!("ARRAY_AGG({rows} IGNORE NULLS ORDER BY {by} LIMIT {limit})"))]
        }
        F::Quantile { .. } => vec![("", format!("ARRAY_AGG({x} IGNORE NULLS)"))],
        F::Corr | F::CovarPop | F::CovarSamp => pair_states(aggregate.function, x, y),
        F::CountDistinct => Vec::new(),
        F::Avg => vec![("_sum", format!("SUM({x})")), ("_n", format!("COUNT({x})"))],
        function if is_spread(function) => {
            let mut states =
                vec![("_n", format!("COUNT({x})")), ("_mean", format!("AVG({x})")), ("_var", format!("VAR_POP({x})"))];
            if is_float(aggregate) {
                states.extend([("_min", format!("MIN({x})")), ("_max", format!("MAX({x})"))]);
            }
            states
        }
        F::ApproxCountDistinct => vec![("_sketch", format!("HLL_COUNT.INIT({x}, 15)"))],
        _ => direct(aggregate, inputs),
    }
}

/// A row's value with the keys of its order; NULL for NULL.
fn with_order(x: &str, name: &str, order: &[String]) -> String {
    let keys = order.iter().zip(1..).map(|(key, number)| format!("{key} AS order_{number}"));
    let fields: Vec<String> = [format!("{x} AS {name}")].into_iter().chain(keys).collect();
    format!("IF({x} IS NULL, NULL, STRUCT({}))", fields.join(", "))
}

fn lists_distinct(aggregate: &Aggregate) -> bool {
    aggregate.list.as_ref().is_some_and(|list| list.distinct)
}

fn string_agg(aggregate: &Aggregate, x: &str, order: &[String]) -> String {
    let Some(list) = &aggregate.list else { return String::new() };
    let distinct = if list.distinct { "DISTINCT " } else { "" };
    let (delimiter, by) = (literal(&list.delimiter), ordering(aggregate, order));
    format!("STRING_AGG({distinct}{x}, {delimiter} ORDER BY {by} LIMIT {})", list.limit)
}

/// From 0: the place, in order, of the smallest of so many values that has that part of them at or below it.
fn rank(number: u32, of: u32, count: &str) -> String {
    match number {
        0 => "0".to_owned(),
        number => format!("DIV({count} * {number} + {}, {of}) - 1", of - 1),
    }
}

/// Of an array of values.
pub(super) fn quantile_of(values: &str, number: u32, of: u32) -> String {
    let rank = rank(number, of, &format!("ARRAY_LENGTH({values})"));
    format!("ARRAY(SELECT v FROM UNNEST({values}) AS v ORDER BY v)[SAFE_OFFSET({rank})]")
}

/// The result of an aggregate of a window that has been put together: of a list the window has its elements.
pub(super) fn listed_elements(aggregate: &Aggregate, own: &str) -> String {
    if let F::Quantile { number, of } = aggregate.function {
        return quantile_of(own, number, of);
    }
    if aggregate.function != F::StringAgg {
        return own.to_owned();
    }
    let keys = 1..=aggregate.order.len();
    let list = if lists_distinct(aggregate) {
        string_agg(aggregate, "element", &keys.map(|_| "element".to_owned()).collect::<Vec<_>>())
    } else {
        let order: Vec<String> = keys.map(|number| format!("element.order_{number}")).collect();
        string_agg(aggregate, "element.listed", &order)
    };
    format!("(SELECT {list} FROM UNNEST({own}) AS element)")
}

/// Of the pairs of which neither half is NULL.
fn pair_states(function: F, x: &str, y: &str) -> States {
    let (x_of, y_of) = (format!("IF({y} IS NULL, NULL, {x})"), format!("IF({x} IS NULL, NULL, {y})"));
    let mut states = vec![("_n", format!("COUNT({x_of})")), ("_covar", format!("COVAR_POP({x}, {y})"))];
    for (of, [mean, min, max, var]) in
        [(x_of, ["_mean", "_min", "_max", "_var"]), (y_of, ["_mean_y", "_min_y", "_max_y", "_var_y"])]
    {
        states.extend([(mean, format!("AVG({of})")), (min, format!("MIN({of})")), (max, format!("MAX({of})"))]);
        if function == F::Corr {
            states.push((var, format!("VAR_POP({of})")));
        }
    }
    states
}

/// Covariance of panes around the means of the window. Where one side is the same throughout there is none, whatever
/// rounding says; a pane with what is no number has NaN.
fn pairs(function: F, part: &dyn Fn(&str) -> String) -> String {
    let (n, covar) = (part("_n"), part("_covar"));
    let away = |mean: &str, center: &str| format!("({} - {})", part(mean), part(center));
    let (x, y) = (away("_mean", "_center"), away("_mean_y", "_center_y"));
    let common = format!("SUM({n} * ({covar} + {x} * {y}))");
    let same = |min: &str, max: &str| format!("MIN({}) = MAX({})", part(min), part(max));
    let flat = format!("NOT IS_NAN(SUM({n} * {covar})) AND ({} OR {})", same("_min", "_max"), same("_min_y", "_max_y"));
    let several = format!("SUM({n}) > 1");
    match function {
        F::CovarPop => format!("IF({flat}, 0.0, SAFE_DIVIDE({common}, SUM({n})))"),
        F::CovarSamp => format!("IF({several}, IF({flat}, 0.0, SAFE_DIVIDE({common}, SUM({n}) - 1)), NULL)"),
        _ => {
            let spread = |var: &str, away: &str| format!("SQRT(SUM({n} * ({} + POW({away}, 2))))", part(var));
            let both = format!("{} * {}", spread("_var", &x), spread("_var_y", &y));
            format!("IF({several}, IF({flat}, CAST('nan' AS FLOAT64), IEEE_DIVIDE({common}, {both})), NULL)")
        }
    }
}

fn is_float(aggregate: &Aggregate) -> bool {
    aggregate.arg.as_ref().is_some_and(|arg| arg.ty == Type::Float64)
}

/// An aggregate from panes.
pub(super) fn combined(aggregate: &Aggregate, own: &str) -> String {
    let part = |suffix: &str| suffixed(own, suffix);
    match aggregate.function {
        F::CountStar | F::Count | F::CountIf | F::Sum => format!("SUM({own})"),
        F::Avg => format!("SAFE_DIVIDE(SUM({}), SUM({}))", part("_sum"), part("_n")),
        F::Min | F::AnyValue => format!("MIN({own})"),
        F::Max => format!("MAX({own})"),
        F::LogicalAnd => format!("LOGICAL_AND({own})"),
        F::LogicalOr => format!("LOGICAL_OR({own})"),
        F::BitAnd => format!("BIT_AND({own})"),
        F::BitOr => format!("BIT_OR({own})"),
        F::BitXor => format!("BIT_XOR({own})"),
        F::First => {
            let order: Vec<String> =
                (1..=aggregate.order.len()).map(|number| format!("{own}.order_{number}")).collect();
            let by = ordering(aggregate, &order);
            format!("ARRAY_AGG({own} IGNORE NULLS ORDER BY {by} LIMIT 1)[SAFE_OFFSET(0)].first_value")
        }
        F::StringAgg | F::Quantile { .. } => format!("ARRAY_CONCAT_AGG({own})"),
        F::Corr | F::CovarPop | F::CovarSamp => pairs(aggregate.function, &part),
        F::ApproxCountDistinct => format!("HLL_COUNT.MERGE({})", part("_sketch")),
        F::CountDistinct => format!("LEAST(COUNT(DISTINCT {own}), {COUNT_DISTINCT_MAX})"),
        F::StddevSamp | F::StddevPop | F::VarSamp | F::VarPop => spread(aggregate, &part),
    }
}

/// Spreads of panes around the mean of the window; values that are all equal have none, whatever rounding says.
fn spread(aggregate: &Aggregate, part: &dyn Fn(&str) -> String) -> String {
    let (n, mean, var, center) = (part("_n"), part("_mean"), part("_var"), part("_center"));
    let squares = format!("SUM({n} * ({var} + POW({mean} - {center}, 2)))");
    let sample = matches!(aggregate.function, F::StddevSamp | F::VarSamp);
    let count = if sample { format!("NULLIF(SUM({n}), 0) - 1") } else { format!("SUM({n})") };
    let variance = format!("SAFE_DIVIDE({squares}, {count})");
    let root = matches!(aggregate.function, F::StddevSamp | F::StddevPop);
    let value = if root { format!("SQRT({variance})") } else { variance };
    if !is_float(aggregate) {
        return value;
    }
    let equal = format!("MIN({}) = MAX({})", part("_min"), part("_max"));
    let none = if sample { format!("IF(SUM({n}) > 1, 0.0, NULL)") } else { "0.0".to_owned() };
    format!("IF({equal}, {none}, {value})")
}
