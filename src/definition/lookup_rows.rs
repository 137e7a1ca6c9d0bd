//! The rows of a lookup: CSV cells to typed values, each mistake at its own cell.

use std::net::IpAddr;

use super::cells::{self, Cell};
use super::lookup_lint;
use super::model::{Lookup, LookupColumn, LookupRow};
use super::scalar;
use super::validate::shortened;
use crate::diagnostic::{Diagnostic, FileId, Span, suggest};
use crate::record::time::parse_day;
use crate::record::{EventTime, Network, Type, Value, network};

/// Bytes of one CSV file.
pub const CSV_BYTES_MAX: usize = 64 << 20;
/// Mistakes after which the rest of a CSV file is not read.
pub const CSV_MISTAKES_MAX: usize = 50;

const VALID_FROM: &str = "valid_from";
const VALID_TO: &str = "valid_to";

pub(super) fn read(lookup: &mut Lookup, file: FileId, source: &str, out: &mut Vec<Diagnostic>) {
    if source.len() > CSV_BYTES_MAX {
        let message = format!("the file has {} bytes, more than the {CSV_BYTES_MAX} allowed", source.len());
        let error = Diagnostic::error("project.too-large", Span { file, start: 0, end: 0 }, message);
        out.push(error.help("a lookup is a small table"));
        return;
    }
    let mut mistakes = Vec::new();
    let records = cells::records(file, source, &mut mistakes);
    match records.split_first() {
        None => {
            let error =
                Diagnostic::error("lookup.bad-header", Span { file, start: 0, end: 0 }, "the file has no header");
            mistakes.push(error.help("the first line names the columns"));
        }
        Some((header, records)) => {
            if let Some(places) = places(lookup, header, &mut mistakes) {
                for record in records {
                    if mistakes.len() >= CSV_MISTAKES_MAX {
                        let span = record.first().map_or(Span::default(), |cell| cell.span);
                        let message = format!("more than {CSV_MISTAKES_MAX} mistakes");
                        mistakes
                            .push(Diagnostic::error("lookup.bad-row", span, message).label("not read from here on"));
                        break;
                    }
                    lookup.rows.extend(places.row(lookup, record, &mut mistakes));
                }
                periods_overlap(lookup, &mut mistakes);
                for (column, place) in lookup.columns.iter().zip(&places.columns) {
                    lookup_lint::lint(column, records.iter().filter_map(|record| record.get(*place)), &mut mistakes);
                }
            }
        }
    }
    out.append(&mut mistakes);
}

/// Which cell of a record belongs to which column.
struct Places {
    columns: Vec<usize>,
    valid_from: Option<usize>,
    valid_to: Option<usize>,
    width: usize,
}

fn places(lookup: &Lookup, header: &[Cell], out: &mut Vec<Diagnostic>) -> Option<Places> {
    let before = out.len();
    let bad = |span: Span, message: String| Diagnostic::error("lookup.bad-header", span, message);
    let declared = || lookup.columns.iter().map(|column| column.name.as_str());
    for (i, cell) in header.iter().enumerate() {
        let name = cell.text.trim();
        if header[..i].iter().any(|other| other.text.trim() == name) {
            out.push(bad(cell.span, format!("the column `{name}` is there twice")).label("again"));
        } else if name != VALID_FROM && name != VALID_TO && !declared().any(|column| column == name) {
            let error = bad(cell.span, format!("the column `{}` is not declared", shortened(name)));
            let error = match suggest(name, declared()) {
                Some(near) => error.label(format!("did you mean `{near}`?")),
                None => error.label("not under `columns`"),
            };
            out.push(error.help("declare it in the lookup's YAML file, or take it out of the CSV file"));
        }
    }
    let find = |name: &str| header.iter().position(|cell| cell.text.trim() == name);
    // What is compiled has both beside the columns when the file has one.
    if [VALID_FROM, VALID_TO].into_iter().any(|name| find(name).is_some()) {
        let own = |name: &str| [VALID_FROM, VALID_TO].into_iter().any(|own| own.eq_ignore_ascii_case(name));
        for column in lookup.columns.iter().filter(|column| own(column.name.as_str())) {
            let message = format!("`{}` says when a row holds: it is no column", column.name.as_str());
            let error = bad(column.name.span(), message).label("declared");
            out.push(error.help("take it out of `columns`; a time that is a value needs another name"));
        }
    }
    let whole = Span { end: header.last()?.span.end, ..header.first()?.span };
    let mut columns = Vec::new();
    for column in &lookup.columns {
        match find(column.name.as_str()) {
            Some(place) => columns.push(place),
            None => {
                let error = bad(whole, format!("the column `{}` is missing", column.name.as_str()));
                out.push(error.label("not in this header").related(column.name.span(), "declared here"));
            }
        }
    }
    let places = Places { columns, valid_from: find(VALID_FROM), valid_to: find(VALID_TO), width: header.len() };
    (out.len() == before).then_some(places)
}

impl Places {
    fn row(&self, lookup: &Lookup, record: &[Cell], out: &mut Vec<Diagnostic>) -> Option<LookupRow> {
        let span = Span { end: record.last()?.span.end, ..record.first()?.span };
        if record.len() != self.width {
            let message = format!("this row has {} cells, the header {}", record.len(), self.width);
            let error = Diagnostic::error("lookup.bad-row", span, message).label("not as many as columns");
            out.push(error.help("put a cell with a comma inside into double quotes"));
            return None;
        }
        let before = out.len();
        let mut values = Vec::with_capacity(self.columns.len());
        for (column, place) in lookup.columns.iter().zip(&self.columns) {
            values.extend(value(lookup, column, &record[*place], out));
        }
        let valid_from = self.valid_from.and_then(|place| instant(&record[place], out));
        let valid_to = self.valid_to.and_then(|place| instant(&record[place], out));
        if let (Some(from), Some(to)) = (valid_from, valid_to)
            && from >= to
        {
            let place = self.valid_to.map_or(span, |place| record[place].span);
            let error = Diagnostic::error("lookup.bad-period", place, "this row is never valid");
            out.push(error.label(format!("not after {VALID_FROM}")).help("valid_from counts, valid_to does not"));
        }
        (out.len() == before).then_some(LookupRow { values, valid_from, valid_to, span })
    }
}

fn instant(cell: &Cell, out: &mut Vec<Diagnostic>) -> Option<EventTime> {
    let text = cell.text.trim();
    if text.is_empty() {
        return None;
    }
    let instant = EventTime::parse(text);
    if instant.is_none() {
        out.push(bad_value(cell, "a date or time").help("write 2026-01-05 or 2026-01-05T09:00:00Z"));
    }
    instant
}

fn bad_value(cell: &Cell, expected: &str) -> Diagnostic {
    let message = format!("`{}` is not {expected}", shortened(cell.text.trim()));
    Diagnostic::error("lookup.bad-value", cell.span, message).label(format!("expected {expected}"))
}

fn value(lookup: &Lookup, column: &LookupColumn, cell: &Cell, out: &mut Vec<Diagnostic>) -> Option<Value> {
    let empty = cell.text.trim().is_empty() && !(cell.quoted && column.ty == Type::String);
    if empty {
        if column.nullable {
            return Some(Value::Null(column.ty));
        }
        let is_key = lookup.key.iter().any(|key| key.text == column.name.text);
        let (code, message) = if is_key {
            ("lookup.null-key", format!("the key column `{}` is empty here", column.name.as_str()))
        } else {
            ("lookup.bad-value", format!("`{}` is empty here, but not nullable", column.name.as_str()))
        };
        let error = Diagnostic::error(code, cell.span, message).label("an empty cell is NULL");
        out.push(if is_key {
            error.help("fill it in or remove the row: one NULL in a list silences `NOT IN`")
        } else if column.ty == Type::String {
            error.help("fill it in, or declare the column `nullable: true`; \"\" is an empty text")
        } else {
            error.help("fill it in, or declare the column `nullable: true`")
        });
        return None;
    }
    if column.cidr {
        return network_text(cell, out).map(Value::String);
    }
    let value = typed(column.ty, cell);
    if value.is_none() {
        let (expected, help) = match column.ty {
            Type::Timestamp => ("a TIMESTAMP", "write `2026-01-05T09:00:00Z`; without a zone it is UTC"),
            Type::Date => ("a DATE", "write `2026-01-05`"),
            Type::Bool => ("a BOOL", "write `true` or `false`"),
            Type::Int64 => ("an INT64", "a whole number; if the column holds names, declare it `STRING`"),
            Type::Float64 => ("a FLOAT64", "a number such as `0.5`"),
            Type::String | Type::Bytes => ("a text", "declare the column `STRING`"),
        };
        out.push(bad_value(cell, expected).help(help));
    }
    value
}

fn typed(ty: Type, cell: &Cell) -> Option<Value> {
    let text = cell.text.trim();
    match ty {
        Type::String => Some(Value::String(cell.text.clone())),
        Type::Int64 => text.parse().ok().map(Value::Int64),
        Type::Float64 => scalar::number(text).map(Value::Float64),
        Type::Bool => scalar::flag(text).map(Value::Bool),
        Type::Timestamp => EventTime::parse(text).map(|time| Value::Timestamp(time.0)),
        Type::Date => parse_day(text).map(Value::Date),
        Type::Bytes => None,
    }
}

/// A network in its canonical text.
fn network_text(cell: &Cell, out: &mut Vec<Diagnostic>) -> Option<String> {
    let text = cell.text.trim();
    let bad = |message: String| Diagnostic::error("lookup.bad-network", cell.span, message);
    let Some((address, length)) = text.split_once('/') else {
        let error = bad(format!("`{}` is not a network", shortened(text))).label("has no length");
        out.push(match text.parse::<IpAddr>() {
            Ok(address) => error.help(format!("for the one address write `{text}/{}`", network::bits(address))),
            Err(_) => error.help("write it as `10.0.0.0/8` or `2001:db8::/32`"),
        });
        return None;
    };
    let address = address.parse::<IpAddr>().ok();
    let network = address.zip(length.parse().ok()).and_then(|(address, length)| Network::of(address, length));
    let Some(network) = network else {
        let error = bad(format!("`{}` is not a network", shortened(text))).label("not an address and a length");
        out.push(error.help("write it as `10.0.0.0/8` or `2001:db8::/32`"));
        return None;
    };
    if Some(network.base()) != address {
        let error = bad(format!("`{text}` has host bits set")).label("an address inside the network, not the network");
        out.push(error.help(format!("the network is `{network}`")));
        return None;
    }
    Some(network.to_string())
}

/// Rows of one key must not be valid at the same time.
fn periods_overlap(lookup: &Lookup, out: &mut Vec<Diagnostic>) {
    let places: Vec<usize> = lookup
        .key
        .iter()
        .filter_map(|key| lookup.columns.iter().position(|column| column.name.text == key.text))
        .collect();
    let key = |row: &LookupRow| -> Vec<String> {
        places.iter().filter_map(|place| row.values.get(*place)).map(|value| format!("{value:?}")).collect()
    };
    let start = |row: &LookupRow| row.valid_from.unwrap_or(EventTime::MIN);
    let mut rows: Vec<(Vec<String>, &LookupRow)> = lookup.rows.iter().map(|row| (key(row), row)).collect();
    rows.sort_by(|(a, x), (b, y)| (a, start(x), x.span).cmp(&(b, start(y), y.span)));
    let mut last: Option<(&[String], EventTime, Span)> = None;
    for (key, row) in rows.iter().filter(|(key, _)| !key.is_empty()) {
        let end = row.valid_to.unwrap_or(EventTime::MAX);
        match last {
            Some((other, until, first)) if other == key.as_slice() => {
                if start(row) < until {
                    let error = Diagnostic::error("lookup.duplicate-key", row.span, "this key is there twice");
                    let error = error.label("again").related(first, "first here");
                    out.push(error.help("rows of one key must not be valid at the same time"));
                }
                if end > until {
                    last = Some((key, end, row.span));
                }
            }
            _ => last = Some((key, end, row.span)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, network_text};
    use crate::diagnostic::Span;

    #[test]
    fn networks_have_no_host_bits() {
        let check = |text: &str| {
            let mut out = Vec::new();
            let cell = Cell { text: text.to_owned(), quoted: false, span: Span::default() };
            (network_text(&cell, &mut out), out.first().and_then(|d| d.help.first().cloned()))
        };
        for text in ["10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32", "2001:db8::/32", "::/0"] {
            assert_eq!(check(text).0.as_deref(), Some(text));
        }
        assert_eq!(check("10.1.2.3/8").1.as_deref(), Some("the network is `10.0.0.0/8`"));
        assert_eq!(check("10.1.2.3").1.as_deref(), Some("for the one address write `10.1.2.3/32`"));
        for text in ["10.0.0.0/33", "10.0.0/8", "x", "/8", "10.0.0.0/-1", "2001:db8::/129"] {
            assert_eq!(check(text).0, None, "{text}");
        }
    }
}
