//! What rows of a relation are compared by: their columns, which of them name a row, which say that it is partial.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use serde_json::Value as Json;

use crate::pipeline::batch;
use crate::plan::Plan;
use crate::record::alert::ALERTS;
use crate::record::{Column, Type, Value, flow, key_text};
use crate::runtime::outlet::{HITS, tap_schema};

use super::alerts;

/// A relation as both sides have it.
#[derive(Debug, Clone)]
pub struct Shape {
    pub name: String,
    pub columns: Vec<Column>,
    /// The columns that name a row.
    pub key: Vec<usize>,
    /// Those of the key whose rows stay together when some are left out.
    pub by: Vec<usize>,
    pub time: usize,
    pub partial: Option<usize>,
    pub window_start: Option<usize>,
    pub window_end: Option<usize>,
    /// Texts of JSON, compared by what they say.
    pub json: Vec<usize>,
    /// Not compared, but known.
    pub beside: Vec<usize>,
    /// Of hits and alerts: the rule and its fingerprint.
    pub rule: Option<(usize, usize)>,
}

impl Shape {
    /// `None` for an unknown relation.
    pub fn of(plan: &Plan, name: &str) -> Option<Self> {
        let columns = if name == ALERTS { alerts::columns() } else { columns(plan, name)? };
        let place = |column: &str| columns.iter().position(|c| c.name == column);
        let places = |names: &[&str]| names.iter().filter_map(|name| place(name)).collect::<Vec<_>>();
        let settled = name == HITS || name == ALERTS;
        let (key, by) = if name == ALERTS {
            (places(&["alert_id"]), places(&["alert_id"]))
        } else if name == HITS {
            (places(&["hit_id"]), places(&["hit_id"]))
        } else if name == flow::FLOWS || name == flow::LATE {
            (vec![flow::ROW_ID], vec![flow::ROW_ID])
        } else if let Some(index) = plan.feature(name) {
            let keys = plan.features[index].key.len();
            ((0..keys + 2).collect(), (0..keys).collect())
        } else {
            let rule = plan.rules.iter().find(|rule| rule.name == name)?;
            let window = [rule.window.0, rule.window.1];
            (rule.key.iter().copied().chain(window).collect(), rule.key.clone())
        };
        Some(Self {
            name: name.to_owned(),
            key,
            by,
            time: place("event_time")?,
            partial: place("partial"),
            window_start: place("window_start"),
            window_end: place("window_end"),
            json: if settled { places(&["values", "entities", "key", "params"]) } else { Vec::new() },
            beside: places(&["admit_watermark", "generation"]),
            rule: if settled { place("rule").zip(place("fingerprint")) } else { None },
            columns,
        })
    }

    pub fn schema(&self) -> SchemaRef {
        batch::schema(&self.columns)
    }

    pub fn value(&self, rows: &RecordBatch, row: usize, column: usize) -> Value {
        Value::at(rows.column(column), row, self.columns[column].ty)
    }

    pub fn row(&self, rows: &RecordBatch, row: usize) -> Vec<Value> {
        (0..self.columns.len()).map(|column| self.value(rows, row, column)).collect()
    }

    pub fn key_of(&self, rows: &RecordBatch, row: usize) -> String {
        self.text_of(rows, row, &self.key)
    }

    pub fn text_of(&self, rows: &RecordBatch, row: usize, columns: &[usize]) -> String {
        key_text(&columns.iter().map(|column| self.value(rows, row, *column)).collect::<Vec<_>>())
    }

    /// The key of a row, as [`Self::key_of`] says it.
    pub fn key_text(&self, row: &[Value]) -> String {
        key_text(&self.key.iter().map(|column| row[*column].clone()).collect::<Vec<_>>())
    }

    /// The key for people: `name=value`.
    pub fn key_shown(&self, row: &[Value]) -> String {
        let parts = self.key.iter().map(|column| format!("{}={}", self.columns[*column].name, row[*column].display()));
        parts.collect::<Vec<_>>().join(" ")
    }

    pub fn time_of(&self, row: &[Value]) -> i64 {
        match row.get(self.time) {
            Some(Value::Timestamp(at)) => *at,
            _ => 0,
        }
    }

    /// Columns that every row has a value in: its time, and what names it but for the key's own values.
    pub fn needed(&self) -> impl Iterator<Item = &str> {
        let fixed = ["event_time", "window_start", "window_end", "hit_id", "alert_id", "row_id"];
        let named = self.key.iter().copied().chain([self.time]).map(|column| self.columns[column].name.as_str());
        named.filter(move |name| fixed.contains(name))
    }

    /// Rows of `flows` and `late`.
    pub fn is_flows(&self) -> bool {
        self.name == flow::FLOWS || self.name == flow::LATE
    }

    /// Rows of `hits` and `alerts`.
    pub fn is_settled(&self) -> bool {
        self.rule.is_some()
    }

    /// From where to where flows count in a row.
    pub fn span_of(&self, row: &[Value]) -> (i64, i64) {
        let at = |column: Option<usize>| match column.and_then(|column| row.get(column)) {
            Some(Value::Timestamp(at)) => Some(*at),
            _ => None,
        };
        let time = self.time_of(row);
        let start = at(self.window_start).unwrap_or(time).min(time);
        let end = at(self.window_end).unwrap_or(time).max(at(self.column("last_time")).unwrap_or(time)).max(time);
        (start, end)
    }

    pub fn is_partial(&self, row: &[Value]) -> bool {
        self.partial.is_some_and(|column| row.get(column) == Some(&Value::Bool(true)))
    }

    pub fn text<'r>(&self, row: &'r [Value], column: usize) -> &'r str {
        match row.get(column) {
            Some(Value::String(text)) => text,
            _ => "",
        }
    }

    /// The texts in a row, those in its JSON among them.
    pub fn texts(&self, row: &[Value]) -> BTreeSet<String> {
        let mut texts = BTreeSet::new();
        for (column, value) in row.iter().enumerate() {
            let Value::String(text) = value else { continue };
            match serde_json::from_str::<Json>(text) {
                Ok(Json::Object(fields)) if self.json.contains(&column) => {
                    texts.extend(fields.values().filter_map(|field| field.as_str().map(str::to_owned)));
                }
                _ => {
                    texts.insert(text.clone());
                }
            }
        }
        texts
    }

    /// The rule and its fingerprint.
    pub fn rule_of<'r>(&self, row: &'r [Value]) -> Option<(&'r str, &'r str)> {
        let (rule, fingerprint) = self.rule?;
        Some((self.text(row, rule), self.text(row, fingerprint)))
    }

    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

fn columns(plan: &Plan, name: &str) -> Option<Vec<Column>> {
    let (schema, _) = tap_schema(plan, name)?;
    let column = |field: &Arc<datafusion::arrow::datatypes::Field>| {
        let ty = Type::ALL.into_iter().find(|ty| ty.arrow() == *field.data_type())?;
        Some(Column::new(field.name().clone(), ty, true))
    };
    schema.fields().iter().map(column).collect()
}
