//! Windowed features: rows to panes, panes to windows.
//!
//! A tumbling window is its only pane and is aggregated directly. A hopping one is put together from panes, each
//! aggregated once; only exact distinct counts keep their values until the window is known.

use crate::language::function::COUNT_DISTINCT_MAX;
use crate::language::tree::{Aggregate, AggregateFunction as F, Expr, ExprKind};
use crate::plan::{FeaturePlan, Plan, Upstream};
use crate::record::Type;
use crate::record::flow::ADMIT_WATERMARK;

use super::expr::{Names, print};
use super::query::{Query, Step, select};
use super::rule::direction;
use super::scope::{self, Rows, conjuncts, lookup_names};
use super::text::{aliased, fresh, interval, name};

/// The columns that keep an aggregate: a suffix of its name, and SQL.
type States = Vec<(&'static str, String)>;

/// Names of what the steps add; they differ from the key's.
struct Added {
    pane: String,
    late: String,
    hop: String,
}

pub(super) fn query(plan: &Plan, feature: &FeaturePlan, ranged: bool) -> Query {
    Builder { plan, feature, ranged, key: feature.key_names().map(name).collect(), added: added(feature) }.query()
}

fn added(feature: &FeaturePlan) -> Added {
    let taken = feature.scope.iter().chain(&feature.columns).map(|column| column.name.as_str());
    let own = |base: &str| fresh(base, taken.clone());
    Added { pane: own("pane_start"), late: own("late_after"), hop: own("hop") }
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
        let columns = || self.feature.scope.iter().chain(&self.feature.columns).map(|column| column.name.as_str());
        // What panes keep of an aggregate is named after it.
        let clashes = |own: &String| {
            STATES
                .iter()
                .any(|suffix| columns().any(|c| c.eq_ignore_ascii_case(suffixed(own, suffix).trim_matches('`'))))
        };
        let numbered = |i: usize| fresh(&format!("aggregate_{}", i + 1), columns());
        (0..self.feature.aggregates.len())
            .map(|i| own(i).filter(|own| !clashes(own)).unwrap_or_else(|| numbered(i)))
            .collect()
    }

    /// Rows that windows of the range may hold.
    fn range(&self, table: &str) -> Vec<String> {
        if !self.ranged {
            return Vec::new();
        }
        let before = interval(self.feature.window.size.0);
        vec![
            format!("{table}.event_time >= TIMESTAMP_SUB(tripline_from, {before})"),
            format!("{table}.event_time < tripline_to"),
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

    fn panes(&self, rows: &Rows, names: &[String], columns: &dyn Fn(&Aggregate, &str, &[String]) -> States) -> Step {
        let (mut items, group) = self.pane_items();
        for (aggregate, own) in self.feature.aggregates.iter().zip(names) {
            let order: Vec<String> = aggregate.order.iter().map(|key| self.print(&key.expr, rows)).collect();
            for (suffix, sql) in columns(aggregate, &self.argument(aggregate, rows), &order) {
                items.push(format!("{sql} AS {}", suffixed(own, suffix)));
            }
        }
        let mut sql = select(&items, &rows.from, &self.in_time());
        sql.push_str(&format!("\nGROUP BY {}", group.join(", ")));
        let comment = if self.late() { "Each row counted once, in its pane." } else { "Rows by key and window." };
        Step { name: name(&format!("{}__panes", self.feature.name)), comment: comment.to_owned(), sql }
    }

    fn argument(&self, aggregate: &Aggregate, rows: &Rows) -> String {
        aggregate.arg.as_ref().map(|arg| self.print(arg, rows)).unwrap_or_default()
    }

    fn print(&self, expr: &Expr, rows: &Rows) -> String {
        let lookups = lookup_names(self.plan);
        print(expr, &Names { columns: &rows.columns, lookups: &lookups, event_time: "event_time" })
    }

    fn hopping(&self, rows: &Rows, names: &[String]) -> Vec<Step> {
        let mut steps = vec![self.panes(rows, names, &pane_states)];
        let values: Vec<(&Aggregate, &String)> =
            self.aggregates(names).filter(|(aggregate, _)| aggregate.function == F::CountDistinct).collect();
        let mut source = steps[0].name.clone();
        if !values.is_empty() {
            steps.extend(values.iter().map(|(aggregate, own)| self.values(aggregate, own, rows)));
            steps.push(self.parts(names, &values));
            source = name(&format!("{}__parts", self.feature.name));
        }
        steps.push(self.hops(&source));
        source = name(&format!("{}__hops", self.feature.name));
        let spreads = self.aggregates(names).filter(|(aggregate, _)| is_spread(aggregate.function));
        let centers: Vec<String> = spreads.map(|(_, own)| center(own)).collect();
        if !centers.is_empty() {
            let items: Vec<String> = std::iter::once("*".to_owned()).chain(centers).collect();
            let window = format!("\nWINDOW one_window AS (PARTITION BY {})", self.window_key());
            let sql = select(&items, &source, &[]) + &window;
            source = name(&format!("{}__centers", self.feature.name));
            let comment = "Means of whole windows, for their spreads.".to_owned();
            steps.push(Step { name: source.clone(), comment, sql });
        }
        let mut items = self.window_items();
        items.extend(self.aggregates(names).map(|(aggregate, own)| format!("{} AS {own}", combined(aggregate, own))));
        let sql = select(&items, &source, &[]) + &format!("\nGROUP BY {}", self.window_key());
        let own = name(&format!("{}__windows", self.feature.name));
        steps.push(Step { name: own, comment: "Panes to windows.".to_owned(), sql });
        steps
    }

    fn aggregates<'n>(&self, names: &'n [String]) -> impl Iterator<Item = (&Aggregate, &'n String)> {
        self.feature.aggregates.iter().zip(names)
    }

    /// The different values of a distinct count, by pane.
    fn values(&self, aggregate: &Aggregate, own: &str, rows: &Rows) -> Step {
        let (mut items, _) = self.pane_items();
        items.push(format!("{} AS {own}", self.argument(aggregate, rows)));
        let sql = select(&items, &rows.from, &self.in_time()).replacen("SELECT", "SELECT DISTINCT", 1);
        Step { name: self.values_name(own), comment: format!("Different values of {own}, by pane."), sql }
    }

    fn values_name(&self, own: &str) -> String {
        name(&format!("{}__values_of_{}", self.feature.name, own.trim_matches('`')))
    }

    /// Panes and values in one table: each has NULL for what the other has.
    fn parts(&self, names: &[String], values: &[(&Aggregate, &String)]) -> Step {
        let (_, pane) = self.pane_items();
        let states: Vec<String> = self
            .aggregates(names)
            .flat_map(|(aggregate, own)| {
                pane_states(aggregate, "", &[]).into_iter().map(move |(suffix, _)| suffixed(own, suffix))
            })
            .collect();
        let branch = |from: &str, has: &dyn Fn(&str) -> bool| {
            let columns = states.iter().map(String::as_str).chain(values.iter().map(|(_, own)| own.as_str()));
            let given = columns.map(|column| if has(column) { column.to_owned() } else { format!("NULL AS {column}") });
            select(&pane.iter().cloned().chain(given).collect::<Vec<_>>(), from, &[])
        };
        let panes = name(&format!("{}__panes", self.feature.name));
        let mut branches = vec![branch(&panes, &|column| states.iter().any(|state| state == column))];
        branches.extend(values.iter().map(|(_, own)| branch(&self.values_name(own), &|column| column == own.as_str())));
        Step {
            name: name(&format!("{}__parts", self.feature.name)),
            comment: "Panes, and the values to be counted.".to_owned(),
            sql: branches.join("\nUNION ALL\n"),
        }
    }

    /// Panes in every window that holds them.
    fn hops(&self, panes: &str) -> Step {
        let (window, hop) = (self.feature.window, &self.added.hop);
        let back = match interval(window.every.0).strip_prefix("INTERVAL ").and_then(|text| text.split_once(' ')) {
            Some(("1", part)) => format!("INTERVAL {hop} {part}"),
            Some((count, part)) => format!("INTERVAL {hop} * {count} {part}"),
            None => String::new(),
        };
        let start = format!("TIMESTAMP_SUB({}, {back})", self.added.pane);
        let items = ["*".to_owned(), format!("{start} AS window_start")];
        let hops = window.size.0 / window.every.0 - 1;
        let tables = format!("{panes}\nCROSS JOIN UNNEST(GENERATE_ARRAY(0, {hops})) AS {hop}");
        let mut conditions = Vec::new();
        if self.late() {
            let late = &self.added.late;
            let end = format!("TIMESTAMP_ADD({start}, {})", interval(window.size.0));
            conditions.push(format!("({late} IS NULL OR {late} < {end})"));
        }
        Step {
            name: name(&format!("{}__hops", self.feature.name)),
            comment: "Each pane in every window that holds it.".to_owned(),
            sql: select(&items, &tables, &conditions),
        }
    }

    fn window_items(&self) -> Vec<String> {
        self.key.iter().map(String::as_str).chain(["window_start"]).map(str::to_owned).collect()
    }

    fn window_key(&self) -> String {
        self.window_items().join(", ")
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
            items.push(aliased(print(&item.expr, &of), &item.name));
        }
        let conditions = if self.ranged {
            vec![format!("{end} > tripline_from"), format!("{end} <= tripline_to")]
        } else {
            Vec::new()
        };
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

/// What may stand behind an aggregate's name.
const STATES: [&str; 8] = ["_n", "_mean", "_var", "_min", "_max", "_sum", "_sketch", "_center"];

fn suffixed(own: &str, suffix: &str) -> String {
    match own.strip_suffix('`') {
        Some(quoted) => format!("{quoted}{suffix}`"),
        None => format!("{own}{suffix}"),
    }
}

fn is_spread(function: F) -> bool {
    matches!(function, F::StddevSamp | F::StddevPop | F::VarSamp | F::VarPop)
}

/// The mean of a whole window.
fn center(own: &str) -> String {
    let (n, mean, center) = (suffixed(own, "_n"), suffixed(own, "_mean"), suffixed(own, "_center"));
    format!("SAFE_DIVIDE(SUM({n} * {mean}) OVER one_window, SUM({n}) OVER one_window) AS {center}")
}

/// `a DESC, b NULLS LAST`.
fn ordering(aggregate: &Aggregate, order: &[String]) -> String {
    let keys = aggregate.order.iter().zip(order).map(|(key, sql)| format!("{sql}{}", direction(key)));
    keys.collect::<Vec<_>>().join(", ")
}

/// An aggregate over rows.
fn direct(aggregate: &Aggregate, x: &str, order: &[String]) -> States {
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
    };
    vec![("", sql)]
}

/// What a pane keeps of an aggregate.
fn pane_states(aggregate: &Aggregate, x: &str, order: &[String]) -> States {
    match aggregate.function {
        F::First => {
            let fields = order.iter().zip(1..).map(|(key, number)| format!("{key} AS order_{number}"));
            let fields: Vec<String> = [format!("{x} AS first_value")].into_iter().chain(fields).collect();
            let by = ordering(aggregate, order);
            let first = format!(
                "ARRAY_AGG(IF({x} IS NULL, NULL, STRUCT({})) IGNORE NULLS ORDER BY {by} LIMIT 1)",
                fields.join(", ")
            );
            vec![("", format!("{first}[SAFE_OFFSET(0)]"))]
        }
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
        _ => direct(aggregate, x, order),
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
        F::BitAnd => format!("BIT_AND({own})"),
        F::BitOr => format!("BIT_OR({own})"),
        F::BitXor => format!("BIT_XOR({own})"),
        F::First => {
            let order: Vec<String> =
                (1..=aggregate.order.len()).map(|number| format!("{own}.order_{number}")).collect();
            let by = ordering(aggregate, &order);
            format!("ARRAY_AGG({own} IGNORE NULLS ORDER BY {by} LIMIT 1)[SAFE_OFFSET(0)].first_value")
        }
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
