//! Windowed features: rows to panes, panes to windows.
//!
//! A tumbling window is its only pane and is aggregated directly. A hopping one is put together from panes, each
//! aggregated once; only exact distinct counts keep their values until the window is known.

use crate::language::function::COUNT_DISTINCT_MAX;
use crate::language::tree::{Aggregate, AggregateFunction as F, ExprKind};
use crate::plan::{FeaturePlan, Plan, Upstream};
use crate::record::Type;

use super::expr::{Names, print};
use super::flows::ADMIT_WATERMARK;
use super::query::{Query, Step, filter, select};
use super::scope::{self, Rows, conjuncts, lookup_names};
use super::text::{interval, name};

/// Names of what the steps add; they differ from the key's.
struct Added {
    pane: String,
    late: String,
}

pub(super) fn query(plan: &Plan, feature: &FeaturePlan, ranged: bool) -> Query {
    Builder { plan, feature, ranged, key: feature.key_names().map(name).collect(), added: added(feature) }.query()
}

fn added(feature: &FeaturePlan) -> Added {
    let fresh = |base: &str| {
        let mut name = base.to_owned();
        while feature.scope.iter().chain(&feature.columns).any(|c| c.name.eq_ignore_ascii_case(&name)) {
            name.push('_');
        }
        name
    };
    Added { pane: fresh("pane_start"), late: fresh("late_after") }
}

struct Builder<'a> {
    plan: &'a Plan,
    feature: &'a FeaturePlan,
    ranged: bool,
    key: Vec<String>,
    added: Added,
}

impl Builder<'_> {
    fn query(&self) -> Query {
        let (plan, feature) = (self.plan, self.feature);
        let mut rows = scope::joined(plan, &feature.name, feature.upstream, &feature.joins, &|table| self.range(table));
        let ranged_already = !rows.steps.is_empty();
        rows.compute(plan, &format!("{}__row", feature.name), &feature.row, "Columns per row.");
        let names = self.aggregate_names();
        self.timed(&mut rows, ranged_already);
        let mut steps = std::mem::take(&mut rows.steps);
        let windows = if feature.window.size == feature.window.every {
            steps.push(self.panes(&rows, &names, &direct));
            format!("{}__panes", feature.name)
        } else {
            steps.extend(self.hopping(&rows, &names));
            format!("{}__windows", feature.name)
        };
        self.finish(steps, &name(&windows), names)
    }

    /// The rows that count, each with its pane.
    fn timed(&self, rows: &mut Rows, ranged_already: bool) {
        let lookups = lookup_names(self.plan);
        let names = Names { columns: &rows.columns, lookups: &lookups, event_time: "event_time" };
        let mut conditions: Vec<String> = self.feature.filter.iter().flat_map(|f| conjuncts(f, &names)).collect();
        if !ranged_already {
            conditions.extend(self.range(&rows.from));
        }
        let every = interval(self.feature.window.every.0);
        let pane =
            format!("TIMESTAMP_BUCKET(event_time, {every}, TIMESTAMP '1970-01-01 00:00:00+00') AS {}", self.added.pane);
        let own = name(&format!("{}__rows", self.feature.name));
        let comment = format!("Rows that count, each with its pane of {}.", self.feature.window.every);
        let sql = select(&["*".to_owned(), pane], &rows.from, &conditions);
        rows.steps.push(Step { name: own.clone(), comment, sql });
        rows.from = own;
    }

    /// The columns of the aggregates: the output's own name where it is nothing but the aggregate.
    fn aggregate_names(&self) -> Vec<String> {
        let own = |index: usize| {
            let mut plain = self.feature.outputs.iter();
            plain.find(|item| matches!(item.expr.kind, ExprKind::Column(i) if i == index)).map(|item| name(&item.name))
        };
        (0..self.feature.aggregates.len()).map(|i| own(i).unwrap_or_else(|| format!("aggregate_{}", i + 1))).collect()
    }

    /// Rows that windows of the range may hold.
    fn range(&self, table: &str) -> Vec<String> {
        if !self.ranged {
            return Vec::new();
        }
        let before = interval(self.feature.window.size.0);
        vec![
            format!("{table}.event_time >= TIMESTAMP_SUB(from_time, {before})"),
            format!("{table}.event_time < to_time"),
        ]
    }

    /// A late row whose last window was over counts nowhere.
    fn in_time(&self) -> Vec<String> {
        if self.feature.upstream != Upstream::Flows {
            return Vec::new();
        }
        let last_end = format!("TIMESTAMP_ADD({}, {})", self.added.pane, interval(self.feature.window.size.0));
        vec![format!("({ADMIT_WATERMARK} IS NULL OR {ADMIT_WATERMARK} < {last_end})")]
    }

    /// From when on a pane's rows that came late count: set where its first window was over before they came.
    fn late_after(&self) -> String {
        let first_end = format!("TIMESTAMP_ADD({}, {})", self.added.pane, interval(self.feature.window.every.0));
        format!("IF({ADMIT_WATERMARK} >= {first_end}, {ADMIT_WATERMARK}, NULL)")
    }

    fn late(&self) -> bool {
        self.feature.upstream == Upstream::Flows && self.feature.window.size != self.feature.window.every
    }

    /// What rows of one pane have in common: the key, the pane, and how late they came.
    fn pane_items(&self) -> (Vec<String>, Vec<String>) {
        let mut items = self.key.clone();
        let mut group = self.key.clone();
        items.push(self.added.pane.clone());
        group.push(self.added.pane.clone());
        if self.late() {
            items.push(format!("{} AS {}", self.late_after(), self.added.late));
            group.push(self.added.late.clone());
        }
        (items, group)
    }

    fn panes(
        &self,
        rows: &Rows,
        names: &[String],
        columns: &dyn Fn(&Aggregate, &str) -> Vec<(&'static str, String)>,
    ) -> Step {
        let (mut items, group) = self.pane_items();
        for (aggregate, own) in self.feature.aggregates.iter().zip(names) {
            for (suffix, sql) in columns(aggregate, &self.argument(aggregate, rows)) {
                items.push(format!("{sql} AS {}", suffixed(own, suffix)));
            }
        }
        let mut sql = select(&items, &rows.from, &self.in_time());
        sql.push_str(&format!("\nGROUP BY {}", group.join(", ")));
        let comment = if self.late() { "Each row counted once, in its pane." } else { "Rows by key and window." };
        Step { name: name(&format!("{}__panes", self.feature.name)), comment: comment.to_owned(), sql }
    }

    fn argument(&self, aggregate: &Aggregate, rows: &Rows) -> String {
        let lookups = lookup_names(self.plan);
        let names = Names { columns: &rows.columns, lookups: &lookups, event_time: "event_time" };
        aggregate.arg.as_ref().map(|arg| print(arg, &names)).unwrap_or_default()
    }

    fn hopping(&self, rows: &Rows, names: &[String]) -> Vec<Step> {
        let mut steps = vec![self.panes(rows, names, &pane_states)];
        let panes = format!("{}__panes", self.feature.name);
        let spreads: Vec<String> = self
            .feature
            .aggregates
            .iter()
            .zip(names)
            .filter(|(aggregate, _)| is_spread(aggregate.function))
            .map(|(_, own)| {
                let (n, mean, center) = (suffixed(own, "_n"), suffixed(own, "_mean"), suffixed(own, "_center"));
                format!("SAFE_DIVIDE(SUM({n} * {mean}) OVER one_window, SUM({n}) OVER one_window) AS {center}")
            })
            .collect();
        steps.push(self.hops(&panes, "hops", "Each pane in every window that holds it.", None));
        let mut source = name(&format!("{}__hops", self.feature.name));
        if !spreads.is_empty() {
            let mut items = vec!["*".to_owned()];
            items.extend(spreads);
            let own = name(&format!("{}__centers", self.feature.name));
            let window = format!("\nWINDOW one_window AS (PARTITION BY {})", self.window_key(""));
            let sql = select(&items, &source, &[]) + &window;
            steps.push(Step {
                name: own.clone(),
                comment: "Means of whole windows, for their spreads.".to_owned(),
                sql,
            });
            source = own;
        }
        let mut items = self.window_items("");
        let mut tables = source;
        let mut plain = true;
        for (index, (aggregate, own)) in self.feature.aggregates.iter().zip(names).enumerate() {
            if aggregate.function == F::CountDistinct {
                plain = false;
                steps.extend(self.distinct(index, aggregate, own, rows));
            } else {
                items.push(format!("{} AS {own}", combined(aggregate, own)));
            }
        }
        let group = self.window_key("");
        let comment = "Panes to windows.".to_owned();
        let own = name(&format!("{}__windows", self.feature.name));
        if plain {
            let sql = select(&items, &tables, &[]) + &format!("\nGROUP BY {group}");
            steps.push(Step { name: own, comment, sql });
            return steps;
        }
        let merged = name(&format!("{}__merged", self.feature.name));
        let sql = select(&items, &tables, &[]) + &format!("\nGROUP BY {group}");
        steps.push(Step { name: merged.clone(), comment, sql });
        let mut items = vec!["w.*".to_owned()];
        tables = format!("{merged} AS w");
        for (index, (aggregate, own)) in self.feature.aggregates.iter().zip(names).enumerate() {
            if aggregate.function == F::CountDistinct {
                items.push(format!("LEAST(COALESCE(d{index}.{own}, 0), {COUNT_DISTINCT_MAX}) AS {own}"));
                tables.push_str(&format!(
                    "\nLEFT JOIN {} AS d{index}\n  ON {}",
                    self.distinct_name(index),
                    self.same_window(&format!("d{index}"))
                ));
            }
        }
        let comment = "Windows beside their distinct counts.".to_owned();
        steps.push(Step { name: own, comment, sql: select(&items, &tables, &[]) });
        steps
    }

    fn distinct_name(&self, index: usize) -> String {
        name(&format!("{}__distinct_{}", self.feature.name, index + 1))
    }

    /// A distinct count: the pane's different values, then the windows'.
    fn distinct(&self, index: usize, aggregate: &Aggregate, own: &str, rows: &Rows) -> [Step; 2] {
        let (mut items, _) = self.pane_items();
        let argument = self.argument(aggregate, rows);
        items.push(format!("{argument} AS {own}"));
        let values = format!("{}__values_{}", self.feature.name, index + 1);
        let sql = select(&items, &rows.from, &self.in_time()).replacen("SELECT", "SELECT DISTINCT", 1);
        let first = Step { name: name(&values), comment: format!("Different values of {own}, by pane."), sql };
        let mut step = self.hops(&values, "", "", Some(format!("COUNT(DISTINCT {own}) AS {own}")));
        step.name = self.distinct_name(index);
        step.comment = format!("{own} by window.");
        [first, step]
    }

    /// Panes in every window that holds them; `count` aggregates at once.
    fn hops(&self, panes: &str, suffix: &str, comment: &str, count: Option<String>) -> Step {
        let window = self.feature.window;
        let back = match interval(window.every.0).strip_prefix("INTERVAL ").and_then(|text| text.split_once(' ')) {
            Some(("1", part)) => format!("INTERVAL hop {part}"),
            Some((count, part)) => format!("INTERVAL hop * {count} {part}"),
            None => String::new(),
        };
        let start = format!("TIMESTAMP_SUB({}, {back})", self.added.pane);
        let mut items = if count.is_some() { self.key.clone() } else { vec!["*".to_owned()] };
        items.push(format!("{start} AS window_start"));
        let aggregated = count.is_some();
        items.extend(count);
        let hops = window.size.0 / window.every.0 - 1;
        let tables = format!("{}\nCROSS JOIN UNNEST(GENERATE_ARRAY(0, {hops})) AS hop", name(panes));
        let mut sql = select(&items, &tables, &[]);
        if self.late() {
            let late = &self.added.late;
            let end = format!("TIMESTAMP_ADD({start}, {})", interval(window.size.0));
            sql.push_str(&filter(&[format!("({late} IS NULL OR {late} < {end})")]));
        }
        if aggregated {
            sql.push_str(&format!("\nGROUP BY {}", self.window_key("")));
        }
        Step { name: name(&format!("{}__{suffix}", self.feature.name)), comment: comment.to_owned(), sql }
    }

    fn window_items(&self, table: &str) -> Vec<String> {
        self.key.iter().map(String::as_str).chain(["window_start"]).map(|column| format!("{table}{column}")).collect()
    }

    fn window_key(&self, table: &str) -> String {
        self.window_items(table).join(", ")
    }

    fn same_window(&self, other: &str) -> String {
        let start = format!("w.window_start = {other}.window_start");
        let key = self.key.iter().map(|column| format!("w.{column} IS NOT DISTINCT FROM {other}.{column}"));
        std::iter::once(start).chain(key).collect::<Vec<_>>().join("\n  AND ")
    }

    /// The feature's columns from its windows.
    fn finish(&self, mut steps: Vec<Step>, windows: &str, names: Vec<String>) -> Query {
        let feature = self.feature;
        let tumbling = feature.window.size == feature.window.every;
        let start = if tumbling { self.added.pane.clone() } else { "window_start".to_owned() };
        let end = format!("TIMESTAMP_ADD({start}, {})", interval(feature.window.size.0));
        let event_time = format!("TIMESTAMP_SUB({end}, INTERVAL 1 MICROSECOND)");
        let lookups = lookup_names(self.plan);
        let of = Names { columns: &names, lookups: &lookups, event_time: &event_time };
        let mut items = self.key.clone();
        items.push(if tumbling { format!("{start} AS window_start") } else { start });
        items.push(format!("{end} AS window_end"));
        items.push(format!("{event_time} AS event_time"));
        for item in &feature.outputs {
            let (sql, own) = (print(&item.expr, &of), name(&item.name));
            items.push(if sql == own { own } else { format!("{sql} AS {own}") });
        }
        let conditions =
            if self.ranged { vec![format!("{end} > from_time"), format!("{end} <= to_time")] } else { Vec::new() };
        let comment = format!(
            "features/{}.yaml: windows of {}{}.",
            feature.name,
            feature.window.size,
            if tumbling { String::new() } else { format!(" every {}", feature.window.every) }
        );
        let body = select(&items, windows, &conditions);
        if feature.derive.is_empty() {
            return Query { comment, steps, body };
        }
        let own = name(&format!("{}__outputs", feature.name));
        steps.push(Step { name: own.clone(), comment: "Aggregates.".to_owned(), sql: body });
        let columns = feature.columns[..feature.columns.len() - feature.derive.len()].iter().map(|c| name(&c.name));
        let mut rows = Rows { steps, from: own, columns: columns.collect() };
        rows.compute(self.plan, &format!("{}__derive", feature.name), &feature.derive, "Columns from aggregates.");
        let body = match rows.steps.pop() {
            Some(last) => last.sql,
            None => format!("SELECT * FROM {}", rows.from),
        };
        Query { comment, steps: rows.steps, body }
    }
}

fn suffixed(own: &str, suffix: &str) -> String {
    match own.strip_suffix('`') {
        Some(quoted) => format!("{quoted}{suffix}`"),
        None => format!("{own}{suffix}"),
    }
}

fn is_spread(function: F) -> bool {
    matches!(function, F::StddevSamp | F::StddevPop | F::VarSamp | F::VarPop)
}

/// An aggregate over rows.
fn direct(aggregate: &Aggregate, x: &str) -> Vec<(&'static str, String)> {
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
    };
    vec![("", sql)]
}

/// What a pane keeps of an aggregate.
fn pane_states(aggregate: &Aggregate, x: &str) -> Vec<(&'static str, String)> {
    match aggregate.function {
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
        _ => direct(aggregate, x),
    }
}

fn is_float(aggregate: &Aggregate) -> bool {
    aggregate.arg.as_ref().is_some_and(|arg| arg.ty == Type::Float64)
}

/// An aggregate from panes.
fn combined(aggregate: &Aggregate, own: &str) -> String {
    let part = |suffix: &str| suffixed(own, suffix);
    match aggregate.function {
        F::CountStar | F::Count | F::CountIf | F::Sum => format!("SUM({own})"),
        F::Avg => format!("SAFE_DIVIDE(SUM({}), SUM({}))", part("_sum"), part("_n")),
        F::Min | F::AnyValue => format!("MIN({own})"),
        F::Max => format!("MAX({own})"),
        F::LogicalAnd => format!("LOGICAL_AND({own})"),
        F::LogicalOr => format!("LOGICAL_OR({own})"),
        F::ApproxCountDistinct => format!("HLL_COUNT.MERGE({})", part("_sketch")),
        F::CountDistinct => format!("COUNT(DISTINCT {own})"),
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
