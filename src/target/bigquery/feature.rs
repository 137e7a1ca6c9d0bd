//! Windowed features: rows to panes, panes to windows.
//!
//! A tumbling window is its only pane and is aggregated directly, and so is a session, when its rows are numbered. A hopping
//! window is put together from panes, each aggregated once; only exact distinct counts keep their values until it is known.

use crate::language::tree::{Aggregate, AggregateFunction as F, Expr, ExprKind};
use crate::plan::{FeaturePlan, Plan, PreviousPlan, Upstream};
use crate::record::Micros;
use crate::record::flow::ADMIT_WATERMARK;

use super::aggregate::{Inputs, STATES, States, centers, combined, direct, listed_elements, pane_states, suffixed};
use super::expr::{Names, print};
use super::fill;
use super::query::{Query, Step, select};
use super::scope::{self, Rows, conjuncts, lookup_names};
use super::text::{aliased, fresh, interval, name, pane_start, times};

/// Names of what the steps add; they differ from the key's.
struct Added {
    /// Of sessions: where they are cut.
    pane: String,
    late: String,
    hop: String,
    before: String,
    session: String,
    /// Of windows that are filled in: when the next one with rows begins.
    next: String,
}

pub(super) fn query(plan: &Plan, feature: &FeaturePlan, ranged: bool) -> Query {
    Builder { plan, feature, ranged, key: feature.key_names().map(name).collect(), added: added(feature) }.query()
}

fn added(feature: &FeaturePlan) -> Added {
    let taken = feature.scope.iter().chain(&feature.columns).map(|column| column.name.as_str());
    let own = |base: &str| fresh(base, taken.clone());
    Added {
        pane: own("pane_start"),
        late: own("late_after"),
        hop: own("hop"),
        before: own("time_before"),
        session: own("session"),
        next: own("next_start"),
    }
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
        let mut rows = scope::joined(plan, &feature.name, feature.upstream, &feature.joins, &|table, back| {
            self.range(table, back)
        });
        let (ready, others) = match &feature.previous {
            None => (feature.row.as_slice(), [].as_slice()),
            Some(previous) => {
                let own = previous.of.iter().map(|index| format!("previous_{}", feature.scope[*index].name));
                rows.columns.extend(own.map(|own| name(&own)).collect::<Vec<_>>());
                feature.row.split_at(previous.ready)
            }
        };
        rows.compute(plan, &format!("{}__row", feature.name), ready, "Columns per row.");
        if let Some(previous) = &feature.previous {
            self.follow(previous, &mut rows);
            rows.compute(plan, &format!("{}__then", feature.name), others, "Columns that need the row before.");
        }
        let names = self.aggregate_names();
        self.timed(&mut rows);
        if let Some(gap) = feature.window.session_gap {
            self.number_sessions(gap, &mut rows);
        }
        let mut steps = std::mem::take(&mut rows.steps);
        let windows = if self.aggregated_at_once() {
            steps.push(self.panes(&rows, &names, &direct));
            format!("{}__panes", feature.name)
        } else {
            steps.extend(self.hopping(&rows, &names));
            format!("{}__windows", feature.name)
        };
        self.finish(steps, &name(&windows), names)
    }

    /// The rows that count, each beside what it has of the row before.
    fn follow(&self, previous: &PreviousPlan, rows: &mut Rows) {
        let lookups = lookup_names(self.plan);
        let names = Names { columns: &rows.columns, lookups: &lookups, event_time: "event_time" };
        let mut conditions: Vec<String> = self.feature.filter.iter().flat_map(|f| conjuncts(f, &names)).collect();
        conditions.append(&mut rows.range);
        conditions.extend(self.in_time());
        let gap = "TIMESTAMP_DIFF(event_time, LAG(event_time) OVER key_before, MICROSECOND)";
        let mut items = vec!["*".to_owned()];
        for (index, place) in previous.of.iter().zip(previous.at..) {
            let (column, own) = (&rows.columns[*index], &rows.columns[place]);
            items.push(format!("IF({gap} <= {}, LAG({column}) OVER key_before, NULL) AS {own}", previous.max_gap.0));
        }
        let partition =
            if self.key.is_empty() { String::new() } else { format!("PARTITION BY {} ", self.key.join(", ")) };
        let ties: String = previous.ties.iter().map(|index| format!(", {}", rows.columns[*index])).collect();
        let window = format!("\nWINDOW key_before AS (\n    {partition}ORDER BY UNIX_MICROS(event_time){ties}\n  )");
        let own = name(&format!("{}__previous", self.feature.name));
        let comment =
            format!("Rows that count, each with the key's row before, not longer than {} before.", previous.max_gap);
        rows.steps.push(Step { name: own.clone(), comment, sql: select(&items, &rows.from, &conditions) + &window });
        rows.from = own;
    }

    /// Are windows aggregated without panes?
    fn aggregated_at_once(&self) -> bool {
        self.feature.window.is_tumbling() || self.feature.window.session_gap.is_some()
    }

    /// Each row with the number of its session, by key and cut. Rows of one instant belong together.
    fn number_sessions(&self, gap: Micros, rows: &mut Rows) {
        let Added { pane, before, session, .. } = &self.added;
        let partition: Vec<&str> = self.key.iter().chain([pane]).map(String::as_str).collect();
        let window = format!("PARTITION BY {} ORDER BY UNIX_MICROS(event_time)", partition.join(", "));
        let mut step = |what: &str, comment: &str, item: String, conditions: &[String]| {
            let own = name(&format!("{}__{what}", self.feature.name));
            let sql = select(&["*".to_owned(), item], &rows.from, conditions);
            rows.steps.push(Step { name: own.clone(), comment: comment.to_owned(), sql });
            rows.from = own;
        };
        let item = format!("LAG(event_time) OVER ({window}) AS {before}");
        step("followed", "When the key's row before it was.", item, &self.in_time());
        let begins = format!("TIMESTAMP_DIFF(event_time, {before}, MICROSECOND) < {}", gap.0);
        let item = format!("COUNTIF(NOT COALESCE({begins}, FALSE)) OVER ({window}) AS {session}");
        step("sessions", "Rows numbered by session: one begins when the pause was long enough.", item, &[]);
    }

    /// The rows that count, each with its pane.
    fn timed(&self, rows: &mut Rows) {
        let lookups = lookup_names(self.plan);
        let names = Names { columns: &rows.columns, lookups: &lookups, event_time: "event_time" };
        let mut conditions: Vec<String> = Vec::new();
        if self.feature.previous.is_none() {
            conditions.extend(self.feature.filter.iter().flat_map(|f| conjuncts(f, &names)));
            conditions.append(&mut rows.range);
        }
        let window = self.feature.window;
        let length = if window.session_gap.is_some() { window.size } else { window.every };
        let pane = format!("{} AS {}", pane_start("event_time", length.0), self.added.pane);
        let own = name(&format!("{}__rows", self.feature.name));
        let what = if window.session_gap.is_some() { "cut every" } else { "with its pane of" };
        let comment = format!("Rows that count, each {what} {length}.");
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
    fn range(&self, table: &str, back: Micros) -> Vec<String> {
        if !self.ranged {
            return Vec::new();
        }
        let before = interval(self.feature.look_back().0.saturating_add(back.0));
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
        if self.feature.window.session_gap.is_some() || self.feature.previous.is_some() {
            return vec![format!("({ADMIT_WATERMARK} IS NULL OR {ADMIT_WATERMARK} <= event_time)")];
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
        self.feature.upstream == Upstream::Flows && !self.aggregated_at_once() && self.feature.previous.is_none()
    }

    /// What rows of one pane have in common: the key, the pane, and how late they came.
    fn pane_items(&self) -> (Vec<String>, Vec<String>) {
        let mut items = self.key.clone();
        let mut group = self.key.clone();
        items.push(self.added.pane.clone());
        group.push(self.added.pane.clone());
        if let Some(gap) = self.feature.window.session_gap {
            let end = format!("TIMESTAMP_ADD(MAX(event_time), {})", interval(gap.0));
            let cut = format!("TIMESTAMP_ADD({}, {})", self.added.pane, interval(self.feature.window.size.0));
            items.push("MIN(event_time) AS window_start".to_owned());
            items.push(format!("LEAST({end}, {cut}) AS window_end"));
            group.push(self.added.session.clone());
        }
        if self.late() {
            items.push(format!("{} AS {}", self.late_after(), self.added.late));
            group.push(self.added.late.clone());
        }
        (items, group)
    }

    fn panes(&self, rows: &Rows, names: &[String], columns: &dyn Fn(&Aggregate, &Inputs) -> States) -> Step {
        let (mut items, group) = self.pane_items();
        for (aggregate, own) in self.feature.aggregates.iter().zip(names) {
            for (suffix, sql) in columns(aggregate, &self.inputs(aggregate, rows)) {
                items.push(format!("{sql} AS {}", suffixed(own, suffix)));
            }
        }
        // Of sessions, and of rows with the row before, those that are late are left out already.
        let apart = self.feature.window.session_gap.is_some() || self.feature.previous.is_some();
        let conditions = if apart { Vec::new() } else { self.in_time() };
        let mut sql = select(&items, &rows.from, &conditions);
        sql.push_str(&format!("\nGROUP BY {}", group.join(", ")));
        let comment = if self.late() { "Each row counted once, in its pane." } else { "Rows by key and window." };
        Step { name: name(&format!("{}__panes", self.feature.name)), comment: comment.to_owned(), sql }
    }

    fn inputs(&self, aggregate: &Aggregate, rows: &Rows) -> Inputs {
        let of = |arg: &Option<Expr>| arg.as_ref().map(|arg| self.print(arg, rows)).unwrap_or_default();
        let order = aggregate.order.iter().map(|key| self.print(&key.expr, rows)).collect();
        Inputs { x: of(&aggregate.arg), y: of(&aggregate.second), order }
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
        let centers: Vec<String> =
            self.aggregates(names).flat_map(|(aggregate, own)| centers(aggregate.function, own)).collect();
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
        items.push(format!("{} AS {own}", self.inputs(aggregate, rows).x));
        let conditions = if self.feature.previous.is_some() { Vec::new() } else { self.in_time() };
        let sql = select(&items, &rows.from, &conditions).replacen("SELECT", "SELECT DISTINCT", 1);
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
                pane_states(aggregate, &Inputs::default()).into_iter().map(move |(suffix, _)| suffixed(own, suffix))
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
        let start = format!("TIMESTAMP_SUB({}, {})", self.added.pane, times(hop, window.every.0));
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
        let tumbling = feature.window.is_tumbling();
        let start = if tumbling { self.added.pane.clone() } else { "window_start".to_owned() };
        let end = match feature.window.session_gap {
            Some(_) => "window_end".to_owned(),
            None => format!("TIMESTAMP_ADD({start}, {})", interval(feature.window.size.0)),
        };
        let event_time = format!("TIMESTAMP_SUB({end}, INTERVAL 1 MICROSECOND)");
        let lookups = lookup_names(self.plan);
        let filled = feature.fill.map(|expire| {
            let windows = fill::Windows {
                from: windows,
                key: &self.key,
                start: &start,
                names: &names,
                hop: &self.added.hop,
                next: &self.added.next,
            };
            steps.extend(fill::steps(feature, expire, &windows, self.ranged));
            name(&format!("{}__filled", feature.name))
        });
        let windows = filled.as_deref().unwrap_or(windows);
        let results: Vec<String> = if self.aggregated_at_once() {
            names
        } else {
            self.aggregates(&names).map(|(aggregate, own)| listed_elements(aggregate, own)).collect()
        };
        let of = Names { columns: &results, lookups: &lookups, event_time: &event_time };
        let mut items = self.key.clone();
        items.push(if tumbling { format!("{start} AS window_start") } else { start });
        items.push(if feature.window.session_gap.is_some() { end.clone() } else { format!("{end} AS window_end") });
        items.push(format!("{event_time} AS event_time"));
        for item in &feature.outputs {
            items.push(aliased(print(&item.expr, &of), &item.name));
        }
        let conditions = if self.ranged {
            vec![format!("{end} > tripline_from"), format!("{end} <= tripline_to")]
        } else {
            Vec::new()
        };
        let windows_of = if feature.window.session_gap.is_some() { "" } else { "windows of " };
        let comment = format!("features/{}.yaml: {windows_of}{}.", feature.name, feature.window);
        let body = select(&items, windows, &conditions);
        if feature.derive.is_empty() {
            return Query { comment, steps, body };
        }
        let own = name(&format!("{}__outputs", feature.name));
        steps.push(Step { name: own.clone(), comment: "Aggregates.".to_owned(), sql: body });
        let columns = feature.columns[..feature.columns.len() - feature.derive.len()].iter().map(|c| name(&c.name));
        let mut rows = Rows { steps, from: own, columns: columns.collect(), range: Vec::new() };
        rows.compute(self.plan, &format!("{}__derive", feature.name), &feature.derive, "Columns from aggregates.");
        let body = match rows.steps.pop() {
            Some(last) => last.sql,
            None => format!("SELECT * FROM {}", rows.from),
        };
        Query { comment, steps: rows.steps, body }
    }
}
