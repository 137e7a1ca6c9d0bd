//! `sql/NAME/source.yaml`: a raw record, its clock and its duplicates.

use super::model::{RawColumn, Source};
use super::shape::{Shape, Table, optional, required};
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Text, suggest};
use crate::record::{Carried, Decode, Format, Micros, Type};

const ATTRIBUTE: &str = "source.attribute";
const LATENESS: Micros = Micros(30_000_000);
const FUTURE_SKEW: Micros = Micros(300_000_000);
const IDLE_AFTER: Micros = Micros(300_000_000);

const FORMATS: &[&str] = &["json", "csv", "parquet", "zeek"];
/// As in the tables of a subscription that writes to BigQuery with metadata.
const METADATA: &[&str] = &["subscription_name", "message_id", "publish_time", "ordering_key"];
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
            "pseudonymize",
            Shape::Name,
            "The pseudonym key under which its values become pseudonyms when they are read: nothing behind it has them",
        ),
        optional(
            "field",
            Shape::OneOrMany(&Shape::Text),
            "Its name in the record; of several, the first that is present",
        ),
        optional(
            "attribute",
            Shape::Text,
            "An attribute of the Pub/Sub message, in the place of a field of the record: STRING, NULL where there is none",
        ),
        optional(
            "metadata",
            Shape::Word(METADATA),
            "What Pub/Sub says of the message, in the place of a field of the record; NULL in rows of files",
        ),
        optional("required", Shape::Flag, "Is a record without it rejected? (default false)"),
        optional("description", Shape::Text, "What it holds"),
    ],
};

/// `flows` is the text of `flows.sql`.
pub(super) fn read(node: &Node, flows: Text, out: &mut Vec<Diagnostic>) -> Option<Source> {
    let columns = columns(node, out);
    for name in node.texts_at("dedupe") {
        if columns.iter().any(|column| column.name.text == name.text && column.carried.is_some()) {
            let message = format!("`dedupe` names `{}`, which is of the message and not of the record", name.as_str());
            let error = Diagnostic::error(ATTRIBUTE, name.span(), message).label("NULL in rows of files");
            out.push(error.help("name columns of the record; a message that comes again is known by its id"));
        }
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
    let json = node.get("format").and_then(Node::text).is_none_or(|format| format.as_str() == Format::Json.name());
    let column = |column: &(Text, Node)| {
        let (name, node) = column;
        let ty = node.get("type").unwrap_or(node).text().and_then(|text| Type::from_name(text.as_str()))?;
        let fields = match node.get("field") {
            None => vec![name.text.clone()],
            Some(one) if one.items().is_empty() => one.text().map_or_else(Vec::new, |text| vec![text.text.clone()]),
            Some(_) => node.strings_at("field"),
        };
        let required = node.flag_at("required");
        let decode = decode(node, ty, out);
        let pseudonymize = pseudonymize(node, ty, out);
        let carried = carried(column, ty, json, out);
        Some(RawColumn { name: name.clone(), fields, ty, decode, pseudonymize, carried, required })
    };
    node.entries_at("columns").iter().filter_map(column).collect()
}

/// Pseudonyms are texts.
fn pseudonymize(node: &Node, ty: Type, out: &mut Vec<Diagnostic>) -> Option<Text> {
    let key = node.name_at("pseudonymize")?;
    if ty == Type::String {
        return Some(key);
    }
    let message = format!("`pseudonymize` makes STRING values, but the column is {ty}");
    let error = Diagnostic::error("source.bad-decode", key.span(), message).label("makes STRING");
    out.push(error.help("make the column `type: STRING`: a number is read as its text"));
    None
}

/// What a column is of the message, when it is no field of the record.
fn carried((name, node): &(Text, Node), ty: Type, json: bool, out: &mut Vec<Diagnostic>) -> Option<Carried> {
    let (attribute, metadata) = (node.get("attribute"), node.get("metadata"));
    let given = attribute.or(metadata)?;
    let text = given.text()?;
    let carried = match (attribute, text.as_str()) {
        (Some(_), attribute) => Carried::Attribute(attribute.to_owned()),
        (None, "subscription_name") => Carried::SubscriptionName,
        (None, "message_id") => Carried::MessageId,
        (None, "publish_time") => Carried::PublishTime,
        (None, "ordering_key") => Carried::OrderingKey,
        _ => return None,
    };
    let name = name.as_str();
    let mut wrong = |place: &Node, message: String, label: &str, help: &str| {
        out.push(Diagnostic::error(ATTRIBUTE, place.span, message).label(label).help(help));
    };
    if text.as_str().is_empty() {
        wrong(given, format!("`{name}` is an attribute without a name"), "empty", "write the attribute's name");
    }
    if ty != carried.ty() {
        let place = node.get("type").unwrap_or(node);
        let help = match carried {
            Carried::Attribute(_) => {
                "attributes are texts: make the column `type: STRING`, and SAFE_CAST it in flows.sql"
            }
            Carried::PublishTime => "make the column `type: TIMESTAMP`",
            _ => "make the column `type: STRING`",
        };
        wrong(place, format!("`{name}` is {ty}, but `{}` gives {}", text.as_str(), carried.ty()), "another type", help);
    }
    if !json {
        let message = format!("`{name}` is of a message, and the source's records come in none");
        wrong(
            given,
            message,
            "not of JSON",
            "messages are JSON: make the source `format: json`, or leave the column out",
        );
    }
    if let Some(both) = attribute.and(metadata) {
        let message = format!("`{name}` is an attribute and metadata");
        wrong(both, message, "one of them", "declare a column for each");
    }
    for key in ["field", "decode", "pseudonymize", "required"] {
        let Some(place) = node.get(key) else { continue };
        let message = format!("`{name}` is of the message, and has `{key}`, which is for fields of the record");
        wrong(
            place,
            message,
            "of a record",
            &format!("leave `{key}` out; a condition in flows.sql can require a value"),
        );
    }
    Some(carried)
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
