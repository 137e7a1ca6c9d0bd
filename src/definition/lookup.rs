//! `sql/lookups/NAME.yaml`: the columns and the key of a table. Its rows are read in `lookup_rows`, or are a file's
//! (`lookup_file`).

use std::io;

use super::model::{Lookup, LookupColumn};
use super::shape::{Shape, Table, optional, required};
use super::yaml::Node;
use super::{lookup_file, lookup_rows};
use crate::diagnostic::{Diagnostic, FileId, Text, suggest};
use crate::record::Type;

pub(super) static LOOKUP: Table = Table {
    name: "a lookup",
    doc: "A table: an allow-list, assets, networks. Its rows are in the CSV file of the same name, or in a file in MaxMind's \
          format",
    keys: &[
        required("lookup", Shape::Name, "The lookup's name, equal to its files'"),
        optional("description", Shape::Text, "What its rows are, and where they come from"),
        optional("owner", Shape::Text, "Who keeps it up to date"),
        required(
            "columns",
            Shape::Map { name: &Shape::Name, value: &Shape::ShortOr(&Shape::Type, &COLUMN), empty: false },
            "The columns: a type, or a mapping that says more",
        ),
        optional(
            "mmdb",
            Shape::Text,
            "A file in MaxMind's format (.mmdb) whose networks are the rows, instead of a CSV file: its name beside this file, or \
             its path from the project's folder",
        ),
        optional(
            "optional",
            Shape::Flag,
            "With `mmdb`: may the file be missing? Nothing is found then, and `check` warns (default false)",
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
    doc: "A column of a lookup's file",
    keys: &[
        required("type", Shape::Type, "Its GoogleSQL type"),
        optional("nullable", Shape::Flag, "May its cells be empty? (default false)"),
        optional("cidr", Shape::Flag, "Does it hold networks such as 10.0.0.0/8? (default false)"),
        optional(
            "path",
            Shape::Text,
            "With `mmdb`: where a record has it, such as `country.names.en`; a number is a place in a list, from 0 (default: the \
             column's name)",
        ),
        optional("description", Shape::Text, "What it holds"),
    ],
};

/// Where the rows are.
pub(super) enum Rows<'a> {
    Csv(FileId, &'a str),
    /// The file that `mmdb` names, and what reading it gave.
    Networks(&'a Text, io::Result<Vec<u8>>),
    Nowhere,
}

pub(super) fn read(node: &Node, rows: Rows<'_>, out: &mut Vec<Diagnostic>) -> Option<Lookup> {
    let name = node.name_at("lookup")?;
    let columns: Vec<LookupColumn> = node.entries_at("columns").iter().filter_map(|entry| column(entry, out)).collect();
    // Without one of its columns, the key and the rows would be blamed for it.
    let whole = columns.len() == node.entries_at("columns").len();
    let key = if whole { key(node, &columns, out) } else { Vec::new() };
    let mut lookup = Lookup {
        span: name.span(),
        name,
        description: node.string_at("description"),
        columns,
        key,
        rows: Vec::new(),
        table: None,
    };
    if !matches!(rows, Rows::Networks(..)) {
        lookup_file::check_without(node, out);
    }
    match rows {
        Rows::Csv(..) | Rows::Networks(..) if !whole => {}
        Rows::Csv(file, text) => lookup_rows::read(&mut lookup, file, text, out),
        Rows::Networks(name, bytes) => lookup_file::read(&mut lookup, node, name, bytes, out),
        Rows::Nowhere => {
            let message = format!("the lookup `{}` has no rows", lookup.name.as_str());
            let error = Diagnostic::error("lookup.missing-csv", lookup.span, message).label("there is no CSV file");
            let error = error.help("put a CSV file with a header beside this file, with the same name");
            out.push(error.help("or name a file in MaxMind's format: `mmdb: FILE.mmdb`"));
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
