//! Normalization: a source's table of decoded rows to `flows`.
//!
//! The table has the columns of `source.yaml`, and three of the engine: `admit_watermark`, the watermark before the row
//! (NULL where nothing was late), `event_day`, its partition, and `ingest_id`, the ingest that it came with.

use crate::language::tree::Expr;
use crate::plan::{Plan, SourcePlan};
use crate::record::{Column, Type, Value, flow};

use super::expr::{Names, print};
use super::pseudonym;
use super::query::{Query, Step, select};
use super::scope::{conjuncts, lookup_names};
use super::text::{aliased, id_text, literal, name, string};

/// `ranged`: only the days of the range.
pub(super) fn query(plan: &Plan, sources: &[&SourcePlan], ranged: bool) -> Query {
    let of_sources: Vec<Step> = sources.iter().map(|source| step(plan, source, ranged)).collect();
    let parts = of_sources.iter().map(|step| format!("SELECT * FROM {}", step.name));
    let body = parts.collect::<Vec<_>>().join("\nUNION ALL\n");
    let steps = pseudonym::step(plan, sources).into_iter().chain(of_sources).collect();
    Query { comment: "Every source's records in one form.".to_owned(), steps, body }
}

fn step(plan: &Plan, source: &SourcePlan, ranged: bool) -> Step {
    let raw: Vec<String> = source.raw.fields.iter().map(|field| name(&field.name)).collect();
    let lookups = lookup_names(plan);
    let bare = Names { columns: &raw, lookups: &lookups, event_time: "event_time" };
    let event_time = print(&source.event_time, &bare);
    let names = Names { columns: &raw, lookups: &lookups, event_time: &event_time };
    let mut items: Vec<String> = flow::columns()
        .iter()
        .zip(&source.flows)
        .map(|(column, expr)| {
            let value = match column.name.as_str() {
                "row_id" => row_id(source),
                "event_time" => event_time.clone(),
                "source" => string(&source.name),
                _ => given(column, expr.as_ref(), &names),
            };
            aliased(value, &column.name)
        })
        .collect();
    items.push(flow::ADMIT_WATERMARK.to_owned());
    let mut conditions = pseudonym::guards(source);
    conditions.push(format!("{event_time} IS NOT NULL"));
    conditions.extend(source.filter.iter().flat_map(|filter| conjuncts(filter, &names)));
    if ranged {
        conditions.push(format!("{event_time} >= tripline_from"));
        conditions.push(format!("{event_time} < tripline_to"));
        conditions.push(format!(
            "{} BETWEEN DATE(tripline_from) AND DATE(TIMESTAMP_SUB(tripline_to, INTERVAL 1 MICROSECOND))",
            flow::EVENT_DAY
        ));
    }
    let mut sql = select(&items, &name(&source.name), &conditions);
    if !source.dedupe.is_empty() {
        let key: Vec<&str> = source.dedupe.iter().map(|index| raw[*index].as_str()).collect();
        sql.push_str(&format!("\nQUALIFY ROW_NUMBER() OVER (PARTITION BY {} ORDER BY row_id) = 1", key.join(", ")));
    }
    Step {
        name: name(&format!("flows__{}", source.name)),
        comment: format!("Normalization of {}: sql/{}/flows.sql", source.name, source.name),
        sql,
    }
}

/// A source's table, without rows.
pub(super) fn absent(source: &SourcePlan) -> Step {
    let own = source.raw.fields.iter().map(|field| (field.name.as_str(), field.ty));
    let columns = own.chain([(flow::ADMIT_WATERMARK, Type::Timestamp), (flow::EVENT_DAY, Type::Date)]);
    let items: Vec<String> = columns.map(|(column, ty)| format!("CAST(NULL AS {ty}) AS {}", name(column))).collect();
    Step {
        name: name(&source.name),
        comment: "Its table is not there.".to_owned(),
        sql: select(&items, "UNNEST(ARRAY<INT64>[])", &[]),
    }
}

/// A column of `flows`; two of them are never NULL.
fn given(column: &Column, expr: Option<&Expr>, names: &Names<'_>) -> String {
    let fallback = match column.name.as_str() {
        "outcome" => Some(Value::String(flow::OUTCOME_UNKNOWN.to_owned())),
        "sampling" => Some(Value::Int64(1)),
        _ => None,
    };
    match (expr, fallback) {
        (Some(expr), Some(value)) if expr.nullable => format!("COALESCE({}, {})", print(expr, names), literal(&value)),
        (Some(expr), _) => print(expr, names),
        (None, Some(value)) => literal(&value),
        (None, None) => literal(&Value::Null(column.ty)),
    }
}

/// The fingerprint of the source and a row's decoded columns: `length:text;` each, `-;` for NULL.
fn row_id(source: &SourcePlan) -> String {
    let fields = source.raw.fields.iter().map(|field| {
        let text = id_text(&name(&field.name), field.ty);
        let length = match field.ty {
            Type::String | Type::Bytes => format!("BYTE_LENGTH({text})"),
            _ => format!("LENGTH({text})"),
        };
        format!("COALESCE(CONCAT(CAST({length} AS STRING), ':', {text}, ';'), '-;')")
    });
    let head = string(&format!("{}:{};", source.name.len(), source.name));
    let fields: Vec<String> = std::iter::once(head).chain(fields).collect();
    format!("FARM_FINGERPRINT(CONCAT(\n  {}\n))", fields.join(",\n  "))
}
