//! `join:` of features and rules: the one declared way to reach other features and lookups.

use super::model::{AsOf, Edge, Join, JoinTarget};
use super::shape::{Shape, Table, optional, required};
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Text};

const HOW: &[&str] = &["equal", "longest_prefix"];
const EDGES: &[&str] = &["window_start", "window_end"];

pub(super) static JOIN: Table = Table {
    name: "a join",
    doc: "Columns of another feature or of a lookup",
    keys: &[
        optional(
            "feature",
            Shape::Name,
            "A feature, joined on its window, and on the key columns that both have or as `match` says",
        ),
        optional("lookup", Shape::Name, "A lookup, joined as `match` says"),
        required("as", Shape::Name, "The name its columns get: `as: a` makes `a.flows`"),
        optional("window", Shape::Word(&["same"]), "Features: the same window is joined (default)"),
        optional(
            "as_of",
            Shape::Word(EDGES),
            "Features: instead, the last window is joined that ended when this row's began, or ended",
        ),
        optional(
            "max_age",
            Shape::Length { zero: false },
            "With `as_of`: how long after its end a window is joined; without it, until the next may end",
        ),
        optional(
            "match",
            Shape::Map { name: &Shape::Name, value: &Shape::Name, empty: false },
            "Column here to column of the lookup, or to key column of the feature",
        ),
        optional(
            "how",
            Shape::Word(HOW),
            "Lookups: equal values (default), or the longest network that has the address",
        ),
        optional(
            "missing",
            Shape::Map { name: &Shape::Name, value: &Shape::Literal, empty: true },
            "Values of its columns where nothing matches, instead of NULL",
        ),
    ],
};

pub(super) fn read(node: &Node, out: &mut Vec<Diagnostic>) -> Vec<Join> {
    node.items_at("join").iter().filter_map(|node| one(node, out)).collect()
}

fn one(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Join> {
    let target = match (node.get("feature"), node.get("lookup")) {
        (Some(feature), None) => of_feature(node, feature.text()?.clone(), out),
        (None, Some(lookup)) => of_lookup(node, lookup.text()?.clone(), out)?,
        (Some(_), Some(lookup)) => {
            out.push(bad(lookup, "a join reaches a feature or a lookup, not both").help("write two joins"));
            return None;
        }
        (None, None) => {
            out.push(bad(node, "a join needs `feature` or `lookup`").help("name what is joined: `feature: NAME`"));
            return None;
        }
    };
    Some(Join { target, alias: node.name_at("as")?, missing: node.literals_at("missing"), span: node.span })
}

fn of_feature(node: &Node, name: Text, out: &mut Vec<Diagnostic>) -> JoinTarget {
    if let Some(how) = node.get("how") {
        out.push(bad(how, "`how` belongs to lookups").help("features are joined on equal keys; leave `how` out"));
    }
    let pairs = node.get("match").is_some().then(|| node.pairs_at("match"));
    JoinTarget::Feature { name, pairs, as_of: as_of(node, out) }
}

fn as_of(node: &Node, out: &mut Vec<Diagnostic>) -> Option<AsOf> {
    let Some(at) = node.get("as_of") else {
        if let Some(age) = node.get("max_age") {
            let error = bad(age, "`max_age` belongs to `as_of`");
            out.push(error.help("the same window has no age; leave `max_age` out, or write `as_of: window_start`"));
        }
        return None;
    };
    if let Some(window) = node.get("window") {
        let error = bad(window, "`window: same` and `as_of` name different windows");
        out.push(error.help("leave one of them out"));
    }
    let edge = if at.text()?.as_str() == "window_end" { Edge::End } else { Edge::Start };
    Some(AsOf { edge, max_age: node.length_at("max_age"), span: node.get("max_age").unwrap_or(at).head() })
}

fn of_lookup(node: &Node, name: Text, out: &mut Vec<Diagnostic>) -> Option<JoinTarget> {
    for name in ["window", "as_of", "max_age"] {
        if let Some(given) = node.get(name) {
            let error = bad(given, &format!("`{name}` belongs to features"));
            out.push(error.help(format!("a lookup has no windows; leave `{name}` out")));
        }
    }
    if node.get("match").is_none() {
        let error = bad(node, "a join of a lookup needs `match`");
        out.push(error.help("say which columns are equal: `match: {src_ip: value}`"));
        return None;
    }
    let longest_prefix = node.get("how").and_then(Node::text).is_some_and(|how| how.as_str() == "longest_prefix");
    let pairs = node.pairs_at("match");
    if longest_prefix && pairs.len() != 1 {
        let error = bad(node.get("match").unwrap_or(node), "`longest_prefix` matches exactly one column");
        out.push(error.help("match the address alone with the lookup's network"));
        return None;
    }
    Some(JoinTarget::Lookup { name, pairs, longest_prefix })
}

fn bad(node: &Node, message: &str) -> Diagnostic {
    Diagnostic::error("definition.bad-join", node.head(), message)
}
