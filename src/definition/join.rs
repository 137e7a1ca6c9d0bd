//! `join:` of features and rules: the one declared way to reach other features and lookups.

use super::model::{Join, JoinTarget};
use super::shape::{Shape, Table, later, optional, required};
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Text};

const HOW: &[&str] = &["equal", "longest_prefix"];

pub(super) static JOIN: Table = Table {
    name: "a join",
    doc: "Columns of another feature (same window) or of a lookup",
    keys: &[
        optional("feature", Shape::Name, "A feature, joined on the window and the key columns that both have"),
        optional("lookup", Shape::Name, "A lookup, joined as `match` says"),
        required("as", Shape::Name, "The name its columns get: `as: a` makes `a.flows`"),
        optional("window", Shape::Word(&["same"]), "Features: which window is joined"),
        optional(
            "match",
            Shape::Map { name: &Shape::Name, value: &Shape::Name, empty: false },
            "Lookups: column here to column of the lookup",
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
        later("as_of", "join the same window: `window: same`"),
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
    if let Some((key, _)) = node.entries().iter().find(|(key, _)| key.as_str() == "match") {
        let error = Diagnostic::error("definition.not-yet", key.span(), "`match` of a feature is not supported yet");
        let error = error.label("a key of a later version");
        out.push(error.help("features are joined on the key columns that both have; leave `match` out"));
    }
    if let Some(how) = node.get("how") {
        out.push(bad(how, "`how` belongs to lookups").help("features are joined on equal keys; leave `how` out"));
    }
    JoinTarget::Feature { name }
}

fn of_lookup(node: &Node, name: Text, out: &mut Vec<Diagnostic>) -> Option<JoinTarget> {
    if let Some(window) = node.get("window") {
        out.push(bad(window, "`window` belongs to features").help("a lookup has no windows; leave `window` out"));
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
