//! What a day of a backfill reads in BigQuery, shown from the SQL: every SELECT that names a table by day bounds its
//! partitions, by the days that are replaced and, of what features read, the length of their window before them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use sqlparser::ast::{BinaryOperator, Expr, JoinOperator, Query, Select, TableFactor, Visit, Visitor};
use sqlparser::ast::{JoinConstraint, SetExpr};
use sqlparser::dialect::BigQueryDialect;
use sqlparser::parser::Parser;
use tripline::adapter::local::Folder;
use tripline::plan::{self, JoinPlan, JoinTarget, Plan, Upstream};
use tripline::port::FileTree;
use tripline::record::Micros;
use tripline::target::bigquery::{UnitKind, Warehouse, rule_table};

use super::TODAY;

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("pruned::a_day_of_the_pack_reads_that_day_and_the_look_back", || {
            whole(&Folder::new(Path::new(".")))
        }),
        Trial::test("pruned::so_does_every_form_of_a_definition", || {
            whole(&Folder::new(Path::new("tests/judge/project")))
        }),
        Trial::test("pruned::a_select_without_bounds_is_noticed", unbounded),
    ]
}

const DAY: i64 = 86_400_000_000;

/// A table that has days, and its column.
type Partitions = BTreeMap<String, &'static str>;

fn whole(tree: &dyn FileTree) -> Result<(), Failed> {
    let plan = plan_of(tree)?;
    let sources: Vec<_> = plan.sources.iter().collect();
    let warehouse = Warehouse { plan: &plan, sources: &sources };
    let units = warehouse.units();
    let column = |kind: UnitKind| match kind {
        UnitKind::Source => Some("event_day"),
        UnitKind::Days => Some("event_time"),
        UnitKind::Lookup | UnitKind::Ranges | UnitKind::Keys => None,
    };
    let tables: Partitions = units.iter().filter_map(|unit| Some((unit.table.clone(), column(unit.kind)?))).collect();
    let mut bounded = 0;
    for unit in units.iter().filter(|unit| unit.kind == UnitKind::Days) {
        let text = warehouse.text(unit, None).ok_or("no text")?;
        let query = between(&text, "USING (\n", "\n) AS computed").ok_or("no query")?;
        let allowed = look_backs(&plan, &unit.table);
        if allowed.iter().max() != Some(&unit.look_back) {
            return Err(format!("{}: {allowed:?}, and it says {}", unit.path, unit.look_back).into());
        }
        let found = reads(query, &tables, &allowed)?;
        if let Some(wrong) = found.iter().find_map(|read| read.wrong.as_ref()) {
            return Err(format!("{}: {wrong}", unit.path).into());
        }
        // Whatever it reads has bounds, and nothing else is read.
        let mut read: Vec<&str> = found.iter().map(|read| read.table.as_str()).collect();
        // Its declaration asks for the last flow.
        read.extend(text.contains("DECLARE tripline_last").then_some("flows"));
        let mut inputs: Vec<&str> =
            unit.inputs.iter().map(String::as_str).filter(|input| tables.contains_key(*input)).collect();
        read.sort_unstable();
        read.dedup();
        inputs.sort_unstable();
        inputs.dedup();
        if read != inputs {
            return Err(format!("{} reads {read:?}, its inputs are {inputs:?}", unit.path).into());
        }
        bounded += found.len();
    }
    if bounded < units.len() { Err(format!("only {bounded} reads").into()) } else { Ok(()) }
}

/// How long before the days that are replaced a relation may read: its windows, and what joins look at before them.
fn look_backs(plan: &Plan, table: &str) -> Vec<Micros> {
    let joined = |joins: &[JoinPlan], upstream: Upstream| -> Vec<i64> {
        let size = match upstream {
            Upstream::Flows | Upstream::Hits(_) => Micros(0),
            Upstream::Feature(index) => plan.features[index].window.size,
        };
        let at = joins.iter().map(move |join| match join.target {
            JoinTarget::Feature { at, .. } => at.look_back(size).unwrap_or_default().0,
            JoinTarget::Lookup { .. } => 0,
        });
        at.chain([0]).collect()
    };
    if let Some(index) = plan.feature(table) {
        let feature = &plan.features[index];
        let own = feature.look_back().0;
        let mut backs = joined(&feature.joins, feature.upstream);
        // Which hits open an incident is told by all of their day.
        if matches!(feature.upstream, Upstream::Hits(hits) if plan.hits[hits].opening) {
            backs.push(DAY);
        }
        return backs.into_iter().map(|back| Micros(own + back)).collect();
    }
    let rule = plan.rules.iter().find(|rule| rule_table(rule) == table);
    let branches = rule.iter().flat_map(|rule| &rule.branches);
    let backs = branches.flat_map(|branch| joined(&branch.select.joins, branch.upstream)).chain([0]);
    backs.map(Micros).collect()
}

fn plan_of(tree: &dyn FileTree) -> Result<Plan, Failed> {
    let loaded = tripline::definition::load(tree);
    let resolved = plan::resolve(&loaded.project, TODAY);
    if resolved.has_errors() { Err(format!("{:?}", resolved.diagnostics).into()) } else { Ok(resolved.plan) }
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    let from = text.find(start)? + start.len();
    Some(&text[from..from + text[from..].rfind(end)?])
}

struct Read {
    table: String,
    /// What is wrong with its bounds.
    wrong: Option<String>,
}

/// Every place that reads a table which has days.
fn reads(query: &str, tables: &Partitions, look_backs: &[Micros]) -> Result<Vec<Read>, Failed> {
    let parsed = Parser::new(&BigQueryDialect {}).try_with_sql(query)?.parse_query()?;
    let mut seen = Seen { tables, look_backs, found: Vec::new() };
    let _ = parsed.visit(&mut seen);
    Ok(seen.found)
}

struct Seen<'a> {
    tables: &'a Partitions,
    look_backs: &'a [Micros],
    found: Vec<Read>,
}

impl Visitor for Seen<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.body(&query.body);
        ControlFlow::Continue(())
    }
}

impl Seen<'_> {
    fn body(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left);
                self.body(right);
            }
            _ => {}
        }
    }

    fn select(&mut self, select: &Select) {
        let filter: Vec<&Expr> = select.selection.iter().flat_map(conjuncts).collect();
        for from in &select.from {
            self.table(&from.relation, &filter);
            for join in &from.joins {
                let on: Vec<&Expr> = match &join.join_operator {
                    JoinOperator::LeftOuter(JoinConstraint::On(on)) | JoinOperator::Left(JoinConstraint::On(on)) => {
                        conjuncts(on)
                    }
                    _ => Vec::new(),
                };
                self.table(&join.relation, &on);
            }
        }
    }

    fn table(&mut self, table: &TableFactor, conditions: &[&Expr]) {
        let TableFactor::Table { name, alias, .. } = table else { return };
        let own = name.to_string().replace('`', "");
        let Some(column) = self.tables.get(&own) else { return };
        let alias = alias.as_ref().map_or_else(|| own.clone(), |alias| alias.name.value.clone());
        let wrong = self.wrong(&alias, column, conditions);
        self.found.push(Read { wrong: wrong.map(|wrong| format!("{own}: {wrong}")), table: own });
    }

    fn wrong(&self, alias: &str, column: &str, conditions: &[&Expr]) -> Option<String> {
        let own = |expr: &Expr| expr.to_string() == format!("{alias}.{column}") || expr.to_string() == column;
        let days = "DATE(tripline_from) AND DATE(TIMESTAMP_SUB(tripline_to, INTERVAL 1 MICROSECOND))";
        let (mut lower, mut upper) = (None, None);
        for condition in conditions {
            match condition {
                Expr::BinaryOp { left, op: BinaryOperator::GtEq, right } if own(left) => {
                    lower = Some(right.to_string())
                }
                Expr::BinaryOp { left, op: BinaryOperator::Lt, right } if own(left) => upper = Some(right.to_string()),
                Expr::Between { expr, negated: false, low, high } if own(expr) => {
                    let found = format!("{low} AND {high}");
                    return (found != days).then(|| format!("{column} BETWEEN {found}"));
                }
                _ => {}
            }
        }
        let from = match lower.as_deref() {
            Some("tripline_from") => Some(0),
            lower => lower.and_then(before).filter(|back| *back > 0),
        };
        if from.is_none_or(|from| !self.look_backs.contains(&Micros(from))) {
            return Some(format!("from {lower:?}, with look-backs of {:?}", self.look_backs));
        }
        (upper.as_deref() != Some("tripline_to")).then(|| format!("to {upper:?}"))
    }
}

/// How long before the days that are replaced.
fn before(lower: &str) -> Option<i64> {
    let length = lower.strip_prefix("TIMESTAMP_SUB(tripline_from, INTERVAL ")?.strip_suffix(')')?;
    let (count, unit) = length.split_once(' ')?;
    let unit = match unit {
        "MICROSECOND" => 1,
        "MILLISECOND" => 1_000,
        "SECOND" => 1_000_000,
        "MINUTE" => 60_000_000,
        "HOUR" => 3_600_000_000,
        "DAY" => 86_400_000_000,
        _ => return None,
    };
    Some(count.parse::<i64>().ok()? * unit)
}

fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => [conjuncts(left), conjuncts(right)].concat(),
        Expr::Nested(inner) => conjuncts(inner),
        other => vec![other],
    }
}

/// Bounds that are missing, too far, or on something else.
fn unbounded() -> Result<(), Failed> {
    let tables = Partitions::from([("flows".to_owned(), "event_time"), ("logs".to_owned(), "event_day")]);
    let minute = &[Micros(60_000_000)];
    let lower = "flows.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 MINUTE)";
    let upper = "flows.event_time < tripline_to";
    let right = format!("WITH a AS (SELECT * FROM flows WHERE {lower} AND {upper}) SELECT * FROM a");
    let wrong = [
        "SELECT * FROM flows".to_owned(),
        format!("SELECT * FROM flows WHERE {lower}"),
        format!("SELECT * FROM flows WHERE {upper}"),
        format!("SELECT * FROM flows WHERE {lower} OR {upper}"),
        format!("SELECT * FROM flows WHERE {upper} AND {}", lower.replace("MINUTE", "HOUR")),
        format!("SELECT * FROM flows WHERE {upper} AND {}", lower.replace("event_time", "end_time")),
        format!("WITH a AS (SELECT *, 1 AS one FROM flows) SELECT * FROM a WHERE {lower} AND {upper}"),
        "SELECT 1 FROM other LEFT JOIN flows AS t ON t.event_time < tripline_to".to_owned(),
        "SELECT 1 FROM logs WHERE event_day BETWEEN DATE(tripline_to) AND DATE(tripline_to)".to_owned(),
    ];
    if reads(&right, &tables, minute)?.iter().any(|read| read.wrong.is_some()) {
        return Err("right bounds are refused".into());
    }
    for query in wrong {
        if !reads(&query, &tables, minute)?.iter().any(|read| read.wrong.is_some()) {
            return Err(format!("{query} has no bounds, and nobody says so").into());
        }
    }
    Ok(())
}
