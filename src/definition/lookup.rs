//! `sql/lookups/NAME.yaml`: the columns and the key of a small table. Its rows are read in `lookup_rows`.

use super::lookup_rows;
use super::model::{Lookup, LookupColumn};
use super::shape::{Shape, Table, optional, required};
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, FileId, Text, suggest};
use crate::record::Type;

pub(super) static LOOKUP: Table = Table {
    name: "a lookup",
    doc: "A small table: an allow-list, assets, networks. Its rows are in the CSV file of the same name",
    keys: &[
        required("lookup", Shape::Name, "The lookup's name, equal to its files'"),
        optional("description", Shape::Text, "What its rows are, and where they come from"),
        optional("owner", Shape::Text, "Who keeps it up to date"),
        required(
            "columns",
            Shape::Map { name: &Shape::Name, value: &Shape::ShortOr(&Shape::Type, &COLUMN), empty: false },
            "The CSV file's columns: a type, or a mapping that says more",
        ),
        required(
            "key",
            Shape::List { item: &Shape::Name, empty: false },
            "Columns that tell a row from every other; never empty",
        ),
    ],
};

static COLUMN: Table = Table {
    name: "a column of a lookup",
    doc: "A column of the CSV file",
    keys: &[
        required("type", Shape::Type, "Its GoogleSQL type"),
        optional("nullable", Shape::Flag, "May its cells be empty? (default false)"),
        optional("cidr", Shape::Flag, "Does it hold networks such as 10.0.0.0/8? (default false)"),
        optional("description", Shape::Text, "What it holds"),
    ],
};

/// `rows` is the CSV file, if there is one.
pub(super) fn read(node: &Node, rows: Option<(FileId, &str)>, out: &mut Vec<Diagnostic>) -> Option<Lookup> {
    let name = node.name_at("lookup")?;
    let columns: Vec<LookupColumn> = node.entries_at("columns").iter().filter_map(|entry| column(entry, out)).collect();
    // Without one of its columns, the key and the rows would be blamed for it.
    let whole = columns.len() == node.entries_at("columns").len();
    let key = if whole { key(node, &columns, out) } else { Vec::new() };
    let mut lookup =
        Lookup { span: name.span(), name, description: node.string_at("description"), columns, key, rows: Vec::new() };
    match rows {
        Some(_) if !whole => {}
        Some((file, text)) => lookup_rows::read(&mut lookup, file, text, out),
        None => {
            let message = format!("the lookup `{}` has no rows", lookup.name.as_str());
            let error = Diagnostic::error("lookup.missing-csv", lookup.span, message).label("there is no CSV file");
            out.push(error.help("put a CSV file with a header beside this file, with the same name"));
        }
    }
    Some(lookup)
}

fn column((name, node): &(Text, Node), out: &mut Vec<Diagnostic>) -> Option<LookupColumn> {
    let place = node.get("type").unwrap_or(node);
    let ty = place.text().and_then(|text| Type::from_name(text.as_str()))?;
    let cidr = node.flag_at("cidr");
    if ty == Type::Bytes || (cidr && ty != Type::String) {
        let message = match ty {
            Type::Bytes => "a lookup cannot hold BYTES".to_owned(),
            _ => format!("networks are STRING, but `{}` is {ty}", name.as_str()),
        };
        let error = Diagnostic::error("lookup.bad-type", place.span, message).label("expected STRING");
        out.push(error.help("CSV cells are texts: use `type: STRING`"));
    }
    Some(LookupColumn { name: name.clone(), ty, nullable: node.flag_at("nullable"), cidr })
}

fn key(node: &Node, columns: &[LookupColumn], out: &mut Vec<Diagnostic>) -> Vec<Text> {
    let mut key: Vec<Text> = Vec::new();
    for name in node.texts_at("key") {
        match columns.iter().find(|column| column.name.text == name.text) {
            None => {
                let message = format!("the key names `{}`, which is not a column", name.as_str());
                let error = Diagnostic::error("lookup.unknown-key", name.span(), message);
                let near = suggest(name.as_str(), columns.iter().map(|column| column.name.as_str()));
                out.push(match near {
                    Some(near) => error.label(format!("did you mean `{near}`?")),
                    None => error.label("not a column").help("use the names under `columns`"),
                });
            }
            Some(column) if column.nullable => {
                let message = format!("the key column `{}` may be empty", name.as_str());
                let error = Diagnostic::error("lookup.null-key", name.span(), message).label("a key is never NULL");
                let error = error.help("take `nullable: true` from the column: one NULL in a list silences `NOT IN`");
                out.push(error.related(column.name.span(), "declared here"));
            }
            Some(_) => key.push(name),
        }
    }
    key
}
