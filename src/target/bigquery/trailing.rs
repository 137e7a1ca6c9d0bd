//! Look-backs: aggregates over a frame of earlier rows beside each row.

use crate::language::function::COUNT_DISTINCT_MAX;
use crate::language::tree::{Aggregate, AggregateFunction as F};
use crate::plan::{FeaturePlan, FramePlan, Plan, TrailingPlan, WINDOW_COLUMNS};
use crate::record::Micros;

use super::aggregate::{Inputs, direct, quantile_of};
use super::expr::{Names, print};
use super::query::{Query, Step, select};
use super::scope::{self, Rows, conjuncts, lookup_names};
use super::text::{aliased, fresh, interval, name};

pub(super) fn query(plan: &Plan, feature: &FeaturePlan, trailing: &TrailingPlan, ranged: bool) -> Query {
    let before = interval(feature.look_back().0);
    let range = |table: &str, _| {
        let lower = format!("{table}.event_time >= TIMESTAMP_SUB(tripline_from, {before})");
        if ranged { vec![lower, format!("{table}.event_time < tripline_to")] } else { Vec::new() }
    };
    let mut rows = scope::joined(plan, &feature.name, feature.upstream, &feature.joins, &range);
    rows.compute(plan, &format!("{}__row", feature.name), &feature.row, "Columns per row.");
    let own: Vec<String> = numbered(feature);
    frames(plan, feature, trailing, &own, &mut rows);
    let lookups = lookup_names(plan);
    let columns = |count: usize| feature.columns[..count].iter().map(|c| name(&c.name)).collect::<Vec<_>>();
    let leading = feature.key.len() + WINDOW_COLUMNS;
    let mut items = rows.columns[..leading].to_vec();
    items.extend(trailing.carried.iter().map(|i| rows.columns[*i].clone()));
    let results: Vec<String> =
        feature.aggregates.iter().zip(&own).map(|(aggregate, own)| result(aggregate, own)).collect();
    let of = Names { columns: &results, lookups: &lookups, event_time: "event_time" };
    items.extend(feature.outputs.iter().map(|item| aliased(print(&item.expr, &of), &item.name)));
    // What is computed from what the days before gave is put out for the days that are asked for.
    let days = if ranged { ["event_time >= tripline_from", "event_time < tripline_to"].to_vec() } else { Vec::new() };
    let days: Vec<String> = days.into_iter().map(str::to_owned).collect();
    let outputs = name(&format!("{}__outputs", feature.name));
    let sql = select(&items, &rows.from, &days);
    rows.steps.push(Step { name: outputs.clone(), comment: "Rows with their look-backs.".to_owned(), sql });
    let known = columns(feature.columns.len() - feature.derive.len());
    let mut rows = Rows { steps: rows.steps, from: outputs, columns: known, range: Vec::new() };
    rows.compute(plan, &format!("{}__derive", feature.name), &feature.derive, "Columns from aggregates.");
    let of = Names { columns: &rows.columns, lookups: &lookups, event_time: "event_time" };
    let emit: Vec<String> = trailing.emit.iter().flat_map(|emit| conjuncts(emit, &of)).collect();
    let comment = format!("features/{}.yaml: {}.", feature.name, said(&trailing.frames));
    Query { comment, body: select(&columns(feature.columns.len()), &rows.from, &emit), steps: rows.steps }
}

fn said(frames: &[FramePlan]) -> String {
    let frames = frames.iter().map(|frame| format!("{} looks back {}", frame.name, frame.size));
    frames.collect::<Vec<_>>().join(", ")
}

fn numbered(feature: &FeaturePlan) -> Vec<String> {
    let taken = || feature.scope.iter().chain(&feature.columns).map(|column| column.name.as_str());
    (1..=feature.aggregates.len()).map(|number| fresh(&format!("aggregate_{number}"), taken())).collect()
}

/// The rows that count, with the aggregates of each frame.
fn frames(plan: &Plan, feature: &FeaturePlan, trailing: &TrailingPlan, own: &[String], rows: &mut Rows) {
    let lookups = lookup_names(plan);
    let of = Names { columns: &rows.columns, lookups: &lookups, event_time: "event_time" };
    let mut conditions: Vec<String> = feature.filter.iter().flat_map(|filter| conjuncts(filter, &of)).collect();
    conditions.append(&mut rows.range.clone());
    let text = |arg: &Option<crate::language::tree::Expr>| arg.as_ref().map(|arg| print(arg, &of)).unwrap_or_default();
    let (mut items, mut windows) = (vec!["*".to_owned()], Vec::new());
    for frame in &trailing.frames {
        let window = name(&frame.name);
        let numbers = frame.aggregates.clone();
        for (aggregate, own) in feature.aggregates[numbers.clone()].iter().zip(&own[numbers]) {
            let inputs = Inputs { x: text(&aggregate.arg), y: text(&aggregate.second), order: Vec::new() };
            items.push(format!("{} AS {own}", over(aggregate, &inputs, &window)));
        }
        let keys: Vec<&str> = frame.key.iter().map(|i| rows.columns[*i].as_str()).collect();
        let partition = if keys.is_empty() { String::new() } else { format!("PARTITION BY {} ", keys.join(", ")) };
        let Micros(last) = feature.window.size;
        let first = last.saturating_add(frame.size.0) - 1;
        windows.push(format!(
            "{window} AS (\n    {partition}ORDER BY UNIX_MICROS(window_end)\n    RANGE BETWEEN {first} PRECEDING AND {last} \
             PRECEDING\n  )"
        ));
    }
    let from = std::mem::take(&mut rows.from);
    rows.from = name(&format!("{}__frames", feature.name));
    rows.range.clear();
    let sql = format!("{}\nWINDOW\n  {}", select(&items, &from, &conditions), windows.join(",\n  "));
    let comment = "Rows that ended when the row's window began, or before (in microseconds of the ends).".to_owned();
    rows.steps.push(Step { name: rows.from.clone(), comment, sql });
}

/// An aggregate over the frame of a row.
fn over(aggregate: &Aggregate, inputs: &Inputs, window: &str) -> String {
    if matches!(aggregate.function, F::CountDistinct | F::Quantile { .. }) {
        // DISTINCT is not allowed, nor an order of its own, with an ordered frame.
        return format!("ARRAY_AGG({} IGNORE NULLS) OVER {window}", inputs.x);
    }
    let sql: String = direct(aggregate, inputs).into_iter().map(|(_, sql)| sql).collect();
    format!("{sql} OVER {window}")
}

/// An aggregate's result from what its frame gave.
fn result(aggregate: &Aggregate, own: &str) -> String {
    if aggregate.function == F::CountDistinct {
        return format!("LEAST((SELECT COUNT(DISTINCT v) FROM UNNEST({own}) AS v), {COUNT_DISTINCT_MAX})");
    }
    if let F::Quantile { number, of } = aggregate.function {
        return quantile_of(own, number, of);
    }
    own.to_owned()
}
