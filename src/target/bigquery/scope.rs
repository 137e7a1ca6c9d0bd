//! What a feature or rule reads: its upstream with joined columns and computed ones, as steps.

use crate::language::tree::{Expr, ExprKind, Item};
use crate::language::{self, function::Id};
use crate::plan::wanted::columns_of;
use crate::plan::{Edge, JoinAt, JoinPlan, JoinTarget, LookupPlan, Plan, Upstream};
use crate::record::{Column, Micros, Type, Value};

use super::expr::{LookupName, Names, print};
use super::query::{Step, select};
use super::text::{fresh, literal, name, pane_start, times};
use super::{ranges, rule};

/// Rows under construction: where they come from, and what each column of the scope is called there.
pub(super) struct Rows {
    pub steps: Vec<Step>,
    pub from: String,
    pub columns: Vec<String>,
    /// Conditions on the event time for the SELECT that reads the table itself, so that partitions are pruned.
    pub range: Vec<String>,
}

/// The relation's table.
pub(super) fn relation(plan: &Plan, upstream: Upstream) -> String {
    name(plan.relation_name(upstream))
}

pub(super) fn lookup_names(plan: &Plan) -> Vec<LookupName> {
    let names = plan.lookups.iter().map(|lookup| LookupName {
        table: lookup.name.clone(),
        columns: lookup.fields.iter().map(|f| name(&f.name)).collect(),
        valid: has_valid_times(lookup),
    });
    names.collect()
}

pub(super) fn has_valid_times(lookup: &LookupPlan) -> bool {
    lookup.valid.iter().any(|valid| valid.from.is_some() || valid.to.is_some())
}

/// The upstream's rows beside what is joined to them. `range`: conditions on the event time for a table, of which rows
/// are needed from so long before on.
pub(super) fn joined(plan: &Plan, prefix: &str, upstream: Upstream, joins: &[JoinPlan], range: Range<'_>) -> Rows {
    let own: Vec<String> = plan.columns(upstream).iter().map(|c| name(&c.name)).collect();
    let mut steps = Vec::new();
    let mut from = relation(plan, upstream);
    // Of hits the bounds are where the rules' tables are read.
    let of_rules = matches!(upstream, Upstream::Hits(_));
    let bounds = |table: &str| if of_rules { Vec::new() } else { range(table, Micros(0)) };
    if let Upstream::Hits(hits) = upstream {
        from = name(&format!("{prefix}__hits"));
        steps.push(Step {
            name: from.clone(),
            comment: format!("{}: {}.", plan.relation_name(upstream), rule::said_of(plan, hits)),
            sql: rule::hits_of(plan, hits, range),
        });
    }
    if joins.is_empty() {
        let range = bounds(&from);
        return Rows { steps, from, columns: own, range };
    }
    let names = || own.iter().map(String::as_str);
    let mut aliases: Vec<String> = Vec::with_capacity(joins.len());
    for join in joins {
        let taken = aliases.iter().map(|alias| alias.trim_matches('`'));
        let alias = fresh(&join.alias, names().chain(taken));
        aliases.push(name(&alias));
    }
    let base = fresh("t", names().chain(aliases.iter().map(String::as_str)));
    let mut items = vec![format!("{base}.*")];
    let mut tables = format!("{from} AS {base}");
    let mut columns = own.clone();
    let scope: Vec<String> = own.iter().map(|column| format!("{base}.{column}")).collect();
    for (join, alias) in joins.iter().zip(&aliases) {
        let ours = Sides { base: &base, alias };
        let (table, absent, there) = match &join.target {
            JoinTarget::Feature { index, on, at: JoinAt::Same } => feature(plan, ours, *index, on, &scope, range),
            JoinTarget::Feature { index, on, at: at @ JoinAt::AsOf { edge, max_age } } => {
                let size = match upstream {
                    Upstream::Feature(index) => plan.features[index].window.size,
                    Upstream::Flows | Upstream::Hits(_) => Micros(0),
                };
                let step = format!("{prefix}__as_of_{}", join.alias);
                let reached = AsOf { edge: *edge, max_age: *max_age, back: at.look_back(size).unwrap_or_default() };
                feature_as_of(plan, ours, *index, on, reached, &scope, range, step, &mut steps)
            }
            JoinTarget::Lookup { index, on, longest_prefix: false } => lookup(plan, ours, *index, on, &scope),
            JoinTarget::Lookup { index, on, .. } if ranges::is_loaded(&plan.lookups[*index]) => {
                let rows = Rows {
                    steps: Vec::new(),
                    from: format!("{from} AS {base}"),
                    columns: scope.clone(),
                    range: bounds(&base),
                };
                ranges(plan, ours, *index, on, &rows, &format!("{prefix}__{}", join.alias), &mut steps)
            }
            JoinTarget::Lookup { index, on, longest_prefix: true } => network(plan, ours, *index, on, &scope),
        };
        tables.push_str(&table);
        for ((column, missing), there) in join.columns.iter().zip(&join.missing).zip(there) {
            let value = match missing {
                Some(value) => format!("IF({absent} IS NULL, {}, {alias}.{there})", literal(value)),
                None => format!("{alias}.{there}"),
            };
            let own = name(&joined_name(join, column));
            items.push(format!("{value} AS {own}"));
            columns.push(own);
        }
    }
    let step = Step {
        name: name(&format!("{prefix}__joined")),
        comment: "Each row beside what is joined to it.".to_owned(),
        sql: select(&items, &tables, &bounds(&base)),
    };
    let from = step.name.clone();
    steps.push(step);
    Rows { from, steps, columns, range: Vec::new() }
}

/// What a joined column is called beside the others.
pub(super) fn joined_name(join: &JoinPlan, column: &Column) -> String {
    format!("{}__{}", join.alias, column.name)
}

/// Conditions on the event time for a table, of which rows are needed from so long before on.
pub(super) type Range<'a> = &'a dyn Fn(&str, Micros) -> Vec<String>;

/// The names of the two sides of a join.
#[derive(Clone, Copy)]
struct Sides<'a> {
    base: &'a str,
    alias: &'a str,
}

/// The same window of another feature. Gives the join, a column that is NULL without a match, the columns there.
fn feature(
    plan: &Plan,
    Sides { base, alias }: Sides<'_>,
    index: usize,
    on: &[(usize, usize)],
    scope: &[String],
    range: Range<'_>,
) -> (String, String, Vec<String>) {
    let there = &plan.features[index];
    let mut conditions =
        vec![format!("{base}.window_start = {alias}.window_start"), format!("{base}.window_end = {alias}.window_end")];
    for (left, right) in on {
        let column = &there.columns[*right];
        conditions.extend(same_key(&scope[*left], &format!("{alias}.{}", name(&column.name)), column));
    }
    conditions.extend(range(alias, Micros(0)));
    let table = format!("\nLEFT JOIN {} AS {alias}\n  ON {}", name(&there.name), conditions.join("\n  AND "));
    let columns = there.columns[on.len()..].iter().map(|c| name(&c.name)).collect();
    (table, format!("{alias}.window_start"), columns)
}

/// Which window of another feature is joined.
#[derive(Clone, Copy)]
struct AsOf {
    edge: Edge,
    max_age: Micros,
    /// How long before the end of a row's window it may have ended.
    back: Micros,
}

/// The last window of another feature that had ended. Joined by equality alone: with more than one possible age, each
/// window stands for every end of a window at which it is the last of its key.
#[expect(clippy::too_many_arguments, reason = "what a join has on both sides")]
fn feature_as_of(
    plan: &Plan,
    Sides { base, alias }: Sides<'_>,
    index: usize,
    on: &[(usize, usize)],
    AsOf { edge, max_age, back }: AsOf,
    scope: &[String],
    range: Range<'_>,
    step: String,
    steps: &mut Vec<Step>,
) -> (String, String, Vec<String>) {
    let there = &plan.features[index];
    let every = there.window.every;
    let ended = pane_start(&format!("{base}.{}", edge.column()), every.0);
    let key = on.iter().map(|(left, right)| (left, &there.columns[*right]));
    let mut conditions: Vec<String> = key
        .flat_map(|(left, column)| same_key(&scope[*left], &format!("{alias}.{}", name(&column.name)), column))
        .collect();
    let table = if max_age == every {
        conditions.insert(0, format!("{alias}.window_end = {ended}"));
        conditions.extend(range(alias, back));
        name(&there.name)
    } else {
        let names = || there.columns.iter().map(|column| column.name.as_str());
        let [age, at, next] = ["age", "as_of", "next_end"].map(|base| fresh(base, names()));
        let own = name(&there.name);
        let keys: Vec<String> = there.key_names().map(name).collect();
        let partition = if keys.is_empty() { String::new() } else { format!("PARTITION BY {} ", keys.join(", ")) };
        let followed = format!("{step}_ends");
        steps.push(Step {
            name: followed.clone(),
            comment: "When the next window of the key ends.".to_owned(),
            sql: select(
                &["*".to_owned(), format!("LEAD(window_end) OVER ({partition}ORDER BY window_end) AS {next}")],
                &own,
                &range(&own, back),
            ),
        });
        let last = max_age.0 / every.0 - 1;
        let ages = format!(
            "LEAST({last}, COALESCE(DIV(TIMESTAMP_DIFF({next}, window_end, MICROSECOND), {}) - 1, {last}))",
            every.0
        );
        let items = ["*".to_owned(), format!("TIMESTAMP_ADD(window_end, {}) AS {at}", times(&age, every.0))];
        let tables = format!("{followed}\nCROSS JOIN UNNEST(GENERATE_ARRAY(0, {ages})) AS {age}");
        let comment = format!("For {max_age} after its end, each window is the last of its key until the next ends.");
        steps.push(Step { name: step.clone(), comment, sql: select(&items, &tables, &[]) });
        conditions.insert(0, format!("{alias}.{at} = {ended}"));
        step
    };
    let table = format!("\nLEFT JOIN {table} AS {alias}\n  ON {}", conditions.join("\n  AND "));
    let columns = there.columns[on.len()..].iter().map(|c| name(&c.name)).collect();
    (table, format!("{alias}.window_start"), columns)
}

/// NULL is a key like any other. Equations of the two sides only: everything else would compare each row with each.
fn same_key(here: &str, there: &str, column: &Column) -> Vec<String> {
    if !column.nullable {
        return vec![format!("{here} = {there}")];
    }
    let any = literal(&match column.ty {
        Type::Bool => Value::Bool(false),
        Type::Int64 => Value::Int64(0),
        Type::Float64 => Value::Float64(0.0),
        Type::String => Value::String(String::new()),
        Type::Bytes => Value::Bytes(Vec::new()),
        Type::Timestamp => Value::Timestamp(0),
        Type::Date => Value::Date(0),
    });
    vec![format!("COALESCE({here}, {any}) = COALESCE({there}, {any})"), format!("({here} IS NULL) = ({there} IS NULL)")]
}

fn lookup(
    plan: &Plan,
    Sides { base, alias }: Sides<'_>,
    index: usize,
    on: &[(usize, usize)],
    scope: &[String],
) -> (String, String, Vec<String>) {
    let there = &plan.lookups[index];
    let field = |index: usize| name(&there.fields[index].name);
    let mut conditions: Vec<String> =
        on.iter().map(|(left, right)| format!("{} = {alias}.{}", scope[*left], field(*right))).collect();
    if has_valid_times(there) {
        conditions.push(valid(base, alias));
    }
    let table = format!("\nLEFT JOIN {} AS {alias}\n  ON {}", name(&there.name), conditions.join("\n  AND "));
    let absent = on.first().map(|(_, right)| format!("{alias}.{}", field(*right))).unwrap_or_default();
    (table, absent, (0..there.fields.len()).map(field).collect())
}

fn valid(base: &str, alias: &str) -> String {
    format!(
        "({alias}.valid_from IS NULL OR {alias}.valid_from <= {base}.event_time)\n  AND \
         ({alias}.valid_to IS NULL OR {base}.event_time < {alias}.valid_to)"
    )
}

/// The network of a loaded table that has the address, found in a step of its own.
fn ranges(
    plan: &Plan,
    Sides { alias, .. }: Sides<'_>,
    index: usize,
    on: &[(usize, usize)],
    rows: &Rows,
    step: &str,
    steps: &mut Vec<Step>,
) -> (String, String, Vec<String>) {
    let there = &plan.lookups[index];
    let field = |index: usize| name(&there.fields[index].name);
    let (address, network) =
        on.first().map(|(left, right)| (rows.columns[*left].as_str(), field(*right))).unwrap_or_default();
    let (step, found) = ranges::step(there, address, rows, step);
    let table = format!("\nLEFT JOIN {} AS {alias}\n  ON {alias}.{found} = {address}", step.name);
    steps.push(step);
    (table, format!("{alias}.{network}"), (0..there.fields.len()).map(field).collect())
}

/// The longest network that has the address.
fn network(
    plan: &Plan,
    Sides { base, alias }: Sides<'_>,
    index: usize,
    on: &[(usize, usize)],
    scope: &[String],
) -> (String, String, Vec<String>) {
    let there = &plan.lookups[index];
    let field = |index: usize| name(&there.fields[index].name);
    let (address, cidr) = on.first().map(|(left, right)| (scope[*left].clone(), field(*right))).unwrap_or_default();
    let address = format!("NET.SAFE_IP_FROM_STRING({address})");
    let network = format!("NET.IP_FROM_STRING(SPLIT(l.{cidr}, '/')[SAFE_OFFSET(0)])");
    let bits = format!("8 * BYTE_LENGTH({network})");
    let length = format!("COALESCE(CAST(SPLIT(l.{cidr}, '/')[SAFE_OFFSET(1)] AS INT64), {bits})");
    let mut conditions = vec![
        format!("BYTE_LENGTH({address}) = BYTE_LENGTH({network})"),
        format!(
            "NET.IP_TRUNC({address}, LEAST({length}, 8 * BYTE_LENGTH({address}))) = NET.IP_TRUNC({network}, {length})"
        ),
    ];
    if has_valid_times(there) {
        conditions.push(valid(base, "l"));
    }
    // Over an array, because a subquery over a table may not depend on the row by inequality.
    let rows = format!("UNNEST((SELECT ARRAY_AGG(r) FROM {} AS r)) AS l", name(&there.name));
    let table = format!(
        "\nLEFT JOIN UNNEST(ARRAY(\n  SELECT AS STRUCT l.*\n  FROM {rows}\n  WHERE {}\n  ORDER BY {length} DESC\n  LIMIT \
         1\n)) AS {alias}",
        conditions.join("\n    AND ")
    );
    (table, format!("{alias}.{cidr}"), (0..there.fields.len()).map(field).collect())
}

impl Rows {
    /// Adds computed columns: those that need one another stand in steps of their own.
    pub fn compute(&mut self, plan: &Plan, prefix: &str, items: &[Item], comment: &str) {
        let lookups = lookup_names(plan);
        let mut rest = items;
        let mut number = 1;
        while !rest.is_empty() {
            let known = self.columns.len();
            let ready = rest.iter().take_while(|item| reads_below(&item.expr, known)).count().max(1);
            let (now, later) = rest.split_at(ready);
            let names = Names { columns: &self.columns, lookups: &lookups, event_time: "event_time" };
            let mut lines = vec!["*".to_owned()];
            lines.extend(now.iter().map(|item| format!("{} AS {}", print(&item.expr, &names), name(&item.name))));
            let own = name(&format!("{prefix}_{number}"));
            let sql = select(&lines, &self.from, &std::mem::take(&mut self.range));
            self.steps.push(Step { name: own.clone(), comment: comment.to_owned(), sql });
            self.from = own;
            self.columns.extend(now.iter().map(|item| name(&item.name)));
            rest = later;
            number += 1;
        }
    }
}

fn reads_below(expr: &Expr, columns: usize) -> bool {
    let mut below = true;
    columns_of(expr, &mut |index| below &= index < columns);
    below
}

/// A condition, an operand of its AND a line.
pub(super) fn conjuncts(expr: &Expr, names: &Names<'_>) -> Vec<String> {
    let operands = language::conjuncts(expr).into_iter().map(|operand| match &operand.kind {
        ExprKind::Call { function, .. } if function.id == Id::Or => format!("({})", print(operand, names)),
        _ => print(operand, names),
    });
    operands.collect()
}
