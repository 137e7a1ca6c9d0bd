//! `features/NAME.yaml`: a windowed aggregation.

use super::join::{self, JOIN};
use super::model::{Feature, Window};
use super::shape::{Shape, Table, later, optional, required};
use super::yaml::Node;
use crate::diagnostic::Diagnostic;

const EXPRESSIONS: Shape = Shape::Map { name: &Shape::Name, value: &Shape::Sql, empty: true };

pub(super) static FEATURE: Table = Table {
    name: "a feature",
    doc: "Columns aggregated over windows of event time, by a key",
    keys: &[
        required("feature", Shape::Name, "The feature's name, equal to its file's"),
        optional("description", Shape::Text, "What it measures"),
        required("from", Shape::Name, "The relation it reads: `flows` or another feature"),
        optional(
            "join",
            Shape::List { item: &Shape::Object(&JOIN), empty: true },
            "Columns of other features and lookups, beside each row before aggregation",
        ),
        optional("row", EXPRESSIONS, "Columns computed per row, before aggregation; usable in where, key and columns"),
        optional("where", Shape::Sql, "Only rows for which this is true count"),
        required(
            "key",
            Shape::List { item: &Shape::Name, empty: true },
            "One row per window for each value of these columns; `[]` is the whole population",
        ),
        required("window", Shape::Object(&WINDOW), "The windows, aligned to the epoch"),
        required(
            "columns",
            Shape::Map { name: &Shape::Name, value: &Shape::Sql, empty: false },
            "The aggregates: name to expression",
        ),
        optional("derive", EXPRESSIONS, "Columns computed from the key and the aggregates"),
        later("previous", "a key's previous row comes with a later version"),
        later("trailing", "look-backs over earlier windows come with a later version"),
        later("fill", "only windows with rows exist in this version"),
        later("expire", "it belongs to `fill`; leave it out"),
        later("emit", "put the condition into the rules that read the feature"),
    ],
};

static WINDOW: Table = Table {
    name: "a window",
    doc: "Its length, and how often one starts",
    keys: &[
        required("size", Shape::Length { zero: false }, "How long a window is"),
        optional("every", Shape::Length { zero: false }, "How often one starts; without it, one after the other"),
        later("session_gap", "use windows with a `size`"),
        later("max", "it belongs to `session_gap`; leave it out"),
    ],
};

pub(super) fn read(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Feature> {
    let join = join::read(node, out);
    let window = window(node, out);
    let name = node.name_at("feature")?;
    Some(Feature {
        span: name.span(),
        name,
        description: node.string_at("description"),
        from: node.name_at("from")?,
        join,
        row: node.pairs_at("row"),
        filter: node.text_at("where"),
        key: node.texts_at("key"),
        window: window?,
        columns: node.pairs_at("columns"),
        derive: node.pairs_at("derive"),
    })
}

fn window(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Window> {
    let window = node.get("window")?;
    let size = window.length_at("size").filter(|size| size.0 > 0)?;
    let every = window.length_at("every").filter(|every| every.0 > 0).unwrap_or(size);
    if every > size || size.0 % every.0 != 0 {
        let place = window.get("every").map_or(window.span, |every| every.span);
        let message = format!("a window of {size} cannot start every {every}");
        let error = Diagnostic::error("feature.bad-window", place, message).label(if every > size {
            "longer than the window: rows between two windows would count nowhere"
        } else {
            "the window is not a multiple of it"
        });
        out.push(error.help(format!("`every` must divide `size`: {}", divisors(size.0))));
        return None;
    }
    Some(Window { size, every, span: window.span })
}

/// A few lengths that would do.
fn divisors(size: i64) -> String {
    let parts = [1, 2, 3, 5, 10, 12, 60].into_iter().filter(|n| size % n == 0);
    let lengths: Vec<String> = parts.map(|n| crate::record::Micros(size / n).to_string()).take(4).collect();
    format!("for example {}", lengths.join(", "))
}
