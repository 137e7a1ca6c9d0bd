//! A lookup whose rows are the networks of a file in MaxMind's format, beside its YAML file or elsewhere in the project.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use super::model::{Lookup, LookupColumn};
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Span, Text, suggest};
use crate::mmdb::{Database, Kind, Path, Source, Table};
use crate::record::Type;

/// Where it is, when the definition does not name a folder.
const FOLDER: &str = "sql/lookups/";
/// Parts of records that help names.
const PARTS_SHOWN: usize = 8;

/// The file that `mmdb:` names, from the project's folder.
pub(super) fn path(name: &Text) -> String {
    if name.as_str().contains('/') { name.text.clone() } else { format!("{FOLDER}{}", name.text) }
}

/// What the YAML file says without `mmdb`, and means nothing there.
pub(super) fn check_without(node: &Node, out: &mut Vec<Diagnostic>) {
    let bad = |node: &Node, what: &str| {
        let error =
            Diagnostic::error("lookup.mmdb-column", node.head(), format!("{what} belongs to a lookup with `mmdb`"));
        error.label("a CSV file has no such thing").help("name the file, `mmdb: geo.mmdb`, or take this out")
    };
    out.extend(node.get("optional").map(|node| bad(node, "`optional`")));
    let columns = node.entries_at("columns").iter();
    out.extend(columns.filter_map(|(_, column)| column.get("path")).map(|node| bad(node, "`path`")));
}

/// Gives a lookup the rows of a file; all that is wrong with both is said. `bytes` is what reading it gave.
pub(super) fn read(
    lookup: &mut Lookup,
    node: &Node,
    name: &Text,
    bytes: io::Result<Vec<u8>>,
    out: &mut Vec<Diagnostic>,
) {
    let columns = columns(lookup, node, name, out);
    let database = open(name, bytes, node.flag_at("optional"), out);
    for column in lookup.columns.iter_mut().filter(|column| !column.cidr) {
        // Any record may lack it.
        column.nullable = true;
    }
    let Some(columns) = columns else { return };
    let table = Table::new(path(name), columns, database);
    look(lookup, node, name, &table, out);
    lookup.table = Some(Arc::new(table));
}

/// Where each column's values come from.
fn columns(lookup: &Lookup, node: &Node, file: &Text, out: &mut Vec<Diagnostic>) -> Option<Vec<(Source, Type)>> {
    let before = out.len();
    let bad = |span: Span, message: String| Diagnostic::error("lookup.mmdb-column", span, message);
    let mut columns = Vec::with_capacity(lookup.columns.len());
    for (column, (_, node)) in lookup.columns.iter().zip(node.entries_at("columns")) {
        let name = column.name.as_str();
        if let Some(nullable) = node.get("nullable").filter(|_| !column.cidr && !column.nullable) {
            let error = bad(nullable.span, format!("`{name}` may be NULL: any record of the file may lack it"));
            out.push(error.label("not for the file to promise").help("take `nullable` out"));
        }
        if matches!(column.ty, Type::Timestamp | Type::Date) {
            let place = node.get("type").unwrap_or(node).span;
            let message = format!("a file in MaxMind's format holds no {}", column.ty);
            let error = Diagnostic::error("lookup.bad-type", place, message).label("no such values");
            out.push(error.help("its values are STRING, INT64, FLOAT64 and BOOL"));
        }
        match (column.cidr, node.get("path")) {
            (true, Some(path)) => {
                let error = bad(path.span, format!("`{name}` is the network itself, which no record holds"));
                out.push(error.label("leads nowhere").help("take `path` out, or `cidr`"));
            }
            (true, None) => columns.push((Source::Network, column.ty)),
            (false, given) => {
                let text = given.and_then(Node::text).unwrap_or(&column.name);
                match Path::parse(text.as_str()) {
                    Some(path) => columns.push((Source::Record(path), column.ty)),
                    None => {
                        let error = bad(text.span(), format!("`{}` is no path", text.as_str()));
                        out.push(error.label("not names between dots").help("write it as `country.iso_code`"));
                    }
                }
            }
        }
    }
    let networks: Vec<&LookupColumn> = lookup.columns.iter().filter(|column| column.cidr).collect();
    match networks.as_slice() {
        [] => {
            let error = bad(file.span(), "no column holds the networks of the file".to_owned());
            out.push(
                error
                    .label("its rows are told apart by them")
                    .help("declare one under `columns`, and name it under `key`: `net: {type: STRING, cidr: true}`"),
            );
        }
        [network] => {
            let wrong = lookup.key.iter().find(|key| key.text != network.name.text);
            if let Some(wrong) = wrong {
                let error = bad(wrong.span(), format!("`{}` does not tell rows apart", wrong.as_str()));
                let error = error.label("many networks share a value");
                out.push(error.help(format!("the key is the network: `key: [{}]`", network.name.as_str())));
            }
        }
        [first, second, ..] => {
            let error = bad(second.name.span(), "a file has one network for each row".to_owned());
            let error = error.label("a second one").related(first.name.span(), "the first");
            out.push(error.help("take `cidr: true` from one of them"));
        }
    }
    (out.len() == before).then_some(columns)
}

fn open(name: &Text, bytes: io::Result<Vec<u8>>, optional: bool, out: &mut Vec<Diagnostic>) -> Option<Database> {
    let path = path(name);
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("there is no file `{path}`");
            let code = "lookup.missing-mmdb";
            out.push(if optional {
                let found = Diagnostic::warning(code, name.span(), message).label("nothing is found in this lookup");
                found.help("put the file there, or leave it: the lookup is `optional`")
            } else {
                let found = Diagnostic::error(code, name.span(), message).label("the lookup has no rows");
                let found = found.help(format!("put the file there; a link will do: `ln -s FILE.mmdb {path}`"));
                found.help("`optional: true` lets the project run without it: nothing is found then")
            });
            return None;
        }
        Err(error) => {
            let message = format!("`{path}` cannot be read: {error}");
            let found = Diagnostic::error("lookup.bad-mmdb", name.span(), message).label("names this file");
            out.push(if error.kind() == io::ErrorKind::InvalidInput {
                found.help("write a path from the project's folder, or the name of a file beside this one; a link may lead elsewhere")
            } else {
                found
            });
            return None;
        }
    };
    match Database::open(bytes) {
        Ok(database) => Some(database),
        Err(damage) => {
            let message = format!("`{path}` is not a file in MaxMind's format, or damaged: {damage}");
            let found = Diagnostic::error("lookup.bad-mmdb", name.span(), message).label("names this file");
            out.push(found.help("get it again; it is a `.mmdb` file, not its archive and not the CSV form"));
            None
        }
    }
}

/// Whether records have what the columns want.
fn look(lookup: &Lookup, node: &Node, file: &Text, table: &Table, out: &mut Vec<Diagnostic>) {
    let survey = match table.glance() {
        Ok(survey) => survey,
        Err(damage) => {
            let found = Diagnostic::error("lookup.bad-mmdb", file.span(), damage.to_string()).label("names this file");
            out.push(found.help("get it again"));
            return;
        }
    };
    let places = node.entries_at("columns").iter().zip(&lookup.columns).zip(&table.columns);
    for ((((name, node), column), (source, ty)), seen) in places.zip(&survey.columns) {
        let Source::Record(path) = source else { continue };
        if survey.records == 0 || (seen.strange == 0 && seen.values > 0) {
            continue;
        }
        let span = node.get("path").and_then(Node::text).unwrap_or(name).span();
        let kinds = seen.kinds.iter().map(Kind::to_string).collect::<Vec<_>>().join(", or ");
        let found = if seen.strange == 0 {
            let message = format!("no record that was looked at has `{path}`");
            let found = Diagnostic::warning("lookup.mmdb-path", span, message);
            found.label(format!("NULL in all {} of them", survey.records))
        } else if seen.values == 0 {
            let message = format!("`{path}` is {kinds}, but `{}` is {ty}", column.name.as_str());
            Diagnostic::error("lookup.mmdb-path", span, message).label("in every record that was looked at and has it")
        } else {
            let message = format!("`{path}` is not {ty} in {} of {} records: {kinds}", seen.strange, survey.records);
            Diagnostic::warning("lookup.mmdb-path", span, message).label("NULL there")
        };
        out.push(if seen.values > seen.strange {
            found.help("that is fine where NULL is right for them")
        } else {
            with_help(found, &path.to_string(), &seen.kinds, &survey.parts)
        });
    }
}

fn with_help(found: Diagnostic, path: &str, kinds: &BTreeSet<Kind>, parts: &BTreeMap<String, Kind>) -> Diagnostic {
    let listed = |parts: Vec<&str>| {
        let more = if parts.len() > PARTS_SHOWN { ", …" } else { "" };
        format!("{}{more}", parts.iter().take(PARTS_SHOWN).copied().collect::<Vec<_>>().join(", "))
    };
    let inside = format!("{path}.");
    let below: Vec<&str> = parts.keys().map(String::as_str).filter(|part| part.starts_with(&inside)).collect();
    if !below.is_empty() {
        return found.help(format!("go on to one of its parts: {}", listed(below)));
    }
    let fitting = kinds.iter().find_map(|kind| match kind {
        Kind::Text => Some("STRING"),
        Kind::Bool => Some("BOOL"),
        Kind::Integer => Some("INT64"),
        Kind::Float => Some("FLOAT64"),
        Kind::Bytes | Kind::Map | Kind::List => None,
    });
    if let Some(ty) = fitting {
        return found.help(format!("declare the column {ty}, or name another part"));
    }
    let all: Vec<&str> = parts.keys().map(String::as_str).collect();
    match suggest(path, all.iter().copied()) {
        Some(near) => found.help(format!("did you mean `{near}`?")),
        None => found.help(format!("the first records have {}", listed(all))),
    }
}
