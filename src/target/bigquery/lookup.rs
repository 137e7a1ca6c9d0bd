//! Lookups: their rows as a query, but for those that are loaded (`ranges`).

use crate::plan::LookupPlan;
use crate::record::{Column, EventTime, Type, Value};

use super::query::Query;
use super::ranges;
use super::scope::has_valid_times;
use super::text::{literal, name};

pub(super) fn columns(lookup: &LookupPlan) -> Vec<Column> {
    if ranges::is_loaded(lookup) {
        return ranges::range_columns(lookup);
    }
    let mut columns: Vec<Column> =
        lookup.fields.iter().map(|f| Column::new(f.name.clone(), f.ty, f.nullable)).collect();
    if has_valid_times(lookup) {
        columns.push(Column::new("valid_from", Type::Timestamp, true));
        columns.push(Column::new("valid_to", Type::Timestamp, true));
    }
    columns
}

pub(super) fn query(lookup: &LookupPlan) -> Query {
    if ranges::is_loaded(lookup) {
        return ranges::query(lookup);
    }
    let columns = columns(lookup);
    let types = columns.iter().map(|c| format!("{} {}", name(&c.name), c.ty)).collect::<Vec<_>>().join(", ");
    let time = |at: Option<EventTime>| at.map_or(Value::Null(Type::Timestamp), |at| Value::Timestamp(at.0));
    // It looks at all rows.
    let has_valid_times = has_valid_times(lookup);
    let rows = lookup.rows.iter().zip(&lookup.valid).map(|(row, valid)| {
        let mut cells: Vec<String> = row.iter().map(literal).collect();
        if has_valid_times {
            cells.extend([literal(&time(valid.from)), literal(&time(valid.to))]);
        }
        // A struct of one column is not a value in parentheses.
        if cells.len() == 1 { format!("STRUCT({})", cells.join("")) } else { format!("({})", cells.join(", ")) }
    });
    let rows: Vec<String> = rows.collect();
    let list = if rows.is_empty() { String::new() } else { format!("\n  {}\n", rows.join(",\n  ")) };
    Query {
        comment: format!("sql/lookups/{}.csv", lookup.name),
        steps: Vec::new(),
        body: format!("SELECT * FROM UNNEST(ARRAY<STRUCT<{types}>>[{list}])"),
    }
}
