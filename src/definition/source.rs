//! `sql/NAME/source.yaml`: a raw record, its clock and its duplicates.

use super::model::{RawColumn, Source};
use super::shape::{Shape, Table, optional, required};
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Text, suggest};
use crate::record::{Decode, Format, Micros, Type};

const LATENESS: Micros = Micros(30_000_000);
const FUTURE_SKEW: Micros = Micros(300_000_000);
const IDLE_AFTER: Micros = Micros(300_000_000);

const FORMATS: &[&str] = &["json", "csv", "parquet", "zeek"];
const DECODES: &[&str] = &["auto", "seconds", "millis", "micros", "tcp_flags"];

pub(super) static SOURCE: Table = Table {
    name: "a source",
    doc: "A raw record: its format, its columns, its event time",
    keys: &[
        required("source", Shape::Name, "The source's name, equal to its folder's"),
        optional("description", Shape::Text, "What these records are and where they come from"),
        required("format", Shape::Word(FORMATS), "How the records are written"),
        required(
            "columns",
            Shape::Map { name: &Shape::Name, value: &Shape::ShortOr(&Shape::Type, &COLUMN), empty: false },
            "The record's fields: a type, or a mapping that says more",
        ),
        required("event_time", Shape::Sql, "A TIMESTAMP expression over the columns; for a flow, its end"),
        optional(
            "lateness",
            Shape::Length { zero: true },
            "How late a row may come and still count everywhere (default 30s)",
        ),
        optional(
            "future_skew",
            Shape::Length { zero: true },
            "Live input: a row further ahead of the clock is rejected (default 5m)",
        ),
        optional(
            "idle_after",
            Shape::Length { zero: false },
            "Live input: after this silence the clock moves the windows on (default 5m)",
        ),
        optional(
            "silent_after",
            Shape::Length { zero: false },
            "Subscriptions: after this silence `tripline.source.silent` alerts (default: three times what is usual, at least 10m)",
        ),
        optional(
            "dedupe",
            Shape::List { item: &Shape::Name, empty: false },
            "Columns that tell a record from every other; without it, the place it was read from does",
        ),
    ],
};

static COLUMN: Table = Table {
    name: "a column of a source",
    doc: "A field of the raw record",
    keys: &[
        required("type", Shape::Type, "Its GoogleSQL type"),
        optional("decode", Shape::Word(DECODES), "How a raw value becomes the type: epoch times and TCP flags"),
        optional(
            "field",
            Shape::OneOrMany(&Shape::Text),
            "Its name in the record; of several, the first that is present",
        ),
        optional("required", Shape::Flag, "Is a record without it rejected? (default false)"),
        optional("description", Shape::Text, "What it holds"),
    ],
};

/// `flows` is the text of `flows.sql`.
pub(super) fn read(node: &Node, flows: Text, out: &mut Vec<Diagnostic>) -> Option<Source> {
    let columns = columns(node, out);
    for name in node.texts_at("dedupe") {
        if columns.iter().any(|column| column.name.text == name.text) {
            continue;
        }
        let message = format!("`dedupe` names `{}`, which is not a column of the source", name.as_str());
        let error = Diagnostic::error("source.unknown-column", name.span(), message);
        let near = suggest(name.as_str(), columns.iter().map(|column| column.name.as_str()));
        out.push(match near {
            Some(near) => error.label(format!("did you mean `{near}`?")),
            None => error.label("not a column").help("use the names under `columns`"),
        });
    }
    let name = node.name_at("source")?;
    Some(Source {
        lateness_span: node.get("lateness").map_or(name.span(), |node| node.span),
        name,
        description: node.string_at("description"),
        format: format(node.get("format")?.text()?.as_str())?,
        columns,
        event_time: node.text_at("event_time")?,
        lateness: node.length_at("lateness").unwrap_or(LATENESS),
        future_skew: node.length_at("future_skew").unwrap_or(FUTURE_SKEW),
        idle_after: node.length_at("idle_after").unwrap_or(IDLE_AFTER),
        silent_after: node.length_at("silent_after"),
        dedupe: node.texts_at("dedupe"),
        flows,
    })
}

fn format(word: &str) -> Option<Format> {
    match word {
        "json" => Some(Format::Json),
        "csv" => Some(Format::Csv),
        "parquet" => Some(Format::Parquet),
        "zeek" => Some(Format::Zeek),
        _ => None,
    }
}

fn columns(node: &Node, out: &mut Vec<Diagnostic>) -> Vec<RawColumn> {
    let column = |(name, node): &(Text, Node)| {
        let ty = node.get("type").unwrap_or(node).text().and_then(|text| Type::from_name(text.as_str()))?;
        let fields = match node.get("field") {
            None => vec![name.text.clone()],
            Some(one) if one.items().is_empty() => one.text().map_or_else(Vec::new, |text| vec![text.text.clone()]),
            Some(_) => node.strings_at("field"),
        };
        let required = node.flag_at("required");
        Some(RawColumn { name: name.clone(), fields, ty, decode: decode(node, ty, out), required })
    };
    node.entries_at("columns").iter().filter_map(column).collect()
}

fn decode(node: &Node, ty: Type, out: &mut Vec<Diagnostic>) -> Decode {
    let plain = if ty == Type::Timestamp { Decode::TimeAuto } else { Decode::Plain };
    let Some(text) = node.get("decode").and_then(Node::text) else { return plain };
    let (decode, of) = match text.as_str() {
        "auto" => (Decode::TimeAuto, Type::Timestamp),
        "seconds" => (Decode::TimeSeconds, Type::Timestamp),
        "millis" => (Decode::TimeMillis, Type::Timestamp),
        "micros" => (Decode::TimeMicros, Type::Timestamp),
        "tcp_flags" => (Decode::TcpFlags, Type::Int64),
        _ => return plain,
    };
    if of == ty {
        return decode;
    }
    let message = format!("`decode: {}` makes {of} values, but the column is {ty}", text.as_str());
    let error = Diagnostic::error("source.bad-decode", text.span(), message).label(format!("makes {of}"));
    out.push(error.help(format!("make the column `type: {of}`, or leave `decode` out")));
    plain
}

#[cfg(test)]
mod tests {
    use super::{FORMATS, format};

    #[test]
    fn every_format_of_the_schema_is_read() {
        assert!(FORMATS.iter().all(|word| format(word).is_some()));
        assert_eq!(crate::definition::scalar::length("30s"), Some(super::LATENESS));
        assert_eq!(crate::definition::scalar::length("5m"), Some(super::FUTURE_SKEW));
        assert_eq!(crate::definition::scalar::length("5m"), Some(super::IDLE_AFTER));
    }
}
