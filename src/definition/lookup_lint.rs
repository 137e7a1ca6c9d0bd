//! Cells of a lookup that are valid texts, and match nothing that their author had in mind.

use std::net::IpAddr;

use super::cells::Cell;
use super::model::LookupColumn;
use super::validate::shortened;
use crate::diagnostic::Diagnostic;
use crate::record::{Network, Type};

/// The cells of one column, without its header; one finding of a kind, at the first cell.
pub(super) fn lint<'a>(column: &LookupColumn, cells: impl Iterator<Item = &'a Cell>, out: &mut Vec<Diagnostic>) {
    // Cells of other types are trimmed when they are read.
    if column.ty != Type::String || column.cidr {
        return;
    }
    let cells: Vec<&Cell> = cells.filter(|cell| !cell.text.trim().is_empty()).collect();
    out.extend(white_space(column, &cells));
    out.extend(networks(column, &cells));
}

fn white_space(column: &LookupColumn, cells: &[&Cell]) -> Option<Diagnostic> {
    let mut wide = cells.iter().filter(|cell| cell.text.trim() != cell.text);
    let first = wide.next()?;
    let more = wide.count();
    let others = if more == 0 { String::new() } else { format!(", and around {more} more of `{}`", column.name.text) };
    let message = format!("white space around `{}`{others}", shortened(first.text.trim()));
    let warning = Diagnostic::warning("lookup.white-space", first.span, message).label("is part of the text");
    Some(warning.help("take it away: a text with white space around it equals no text without"))
}

/// `IN` and `=` compare texts: no address equals the text of a network.
fn networks(column: &LookupColumn, cells: &[&Cell]) -> Option<Diagnostic> {
    let mut found = cells.iter().filter(|cell| is_network(cell.text.trim()));
    let first = found.next()?;
    if (found.count() + 1) * 2 <= cells.len() {
        return None;
    }
    let name = column.name.as_str();
    let message = format!("`{name}` holds networks, but is not `cidr`");
    let warning = Diagnostic::warning("lookup.plain-network", column.name.span(), message);
    let warning = warning.label("no address equals the text of a network").related(first.span, "the first network");
    Some(
        warning.help(format!("declare `{name}: {{type: STRING, cidr: true}}`, and join it with `how: longest_prefix`")),
    )
}

/// With host bits too: they are the next finding.
fn is_network(text: &str) -> bool {
    let parts = text.split_once('/').and_then(|(address, length)| Some((address.parse().ok()?, length.parse().ok()?)));
    parts.is_some_and(|(address, length): (IpAddr, u32)| Network::of(address, length).is_some())
}
