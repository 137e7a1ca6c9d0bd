//! `tests:` of a rule: rows that are given, and what is expected of them.

use super::model::{Case, CaseRow, Expect, Given, Shuffle};
use super::scalar;
use super::shape::{Shape, Table, optional, required};
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Text};
use crate::record::Micros;

/// Rows of one `given` entry.
pub const REPEAT_MAX: i64 = 1_000_000;
/// Orders that one test is run in.
pub const SEEDS_MAX: i64 = 10_000;

static ROW: Shape = Shape::Map { name: &Shape::Name, value: &Shape::Cell, empty: true };
static ROWS: Shape = Shape::List { item: &ROW, empty: true };
static FIELDS: Shape = Shape::Map { name: &Shape::Text, value: &Shape::Cell, empty: false };

pub(super) static CASE: Table = Table {
    name: "a test",
    doc: "Rows, and what must come of them",
    keys: &[
        required("name", Shape::Text, "What it shows"),
        required("start", Shape::Instant, "The event time that `at` counts from"),
        required("given", Shape::List { item: &Shape::Object(&GIVEN), empty: true }, "The flows that come in"),
        optional(
            "lookups",
            Shape::Map { name: &Shape::Name, value: &ROWS, empty: true },
            "Lookups with other rows, for this test",
        ),
        optional(
            "params",
            Shape::Map { name: &Shape::Name, value: &Shape::Cell, empty: true },
            "Parameters with other values, for this test",
        ),
        optional("shuffle", Shape::Object(&SHUFFLE), "Run it in other orders of arrival too: all must give the same"),
        required("expect", Shape::Object(&EXPECT), "What must come of it"),
    ],
};

static GIVEN: Table = Table {
    name: "a given",
    doc: "One flow, or `repeat` flows of which each is `every` later",
    keys: &[
        optional("at", Shape::Length { zero: true }, "Event time of the first, after `start` (default 0s)"),
        optional("every", Shape::Length { zero: true }, "Time between two (default 0s)"),
        optional("repeat", Shape::Integer { min: 1, max: REPEAT_MAX }, "How many (default 1); `i` counts from 0"),
        required("row", ROW_OF_FLOW, "Columns of `flows`; `${…}` in a text is computed with `i`"),
    ],
};

const ROW_OF_FLOW: Shape = Shape::Map { name: &Shape::Name, value: &Shape::Cell, empty: true };

static SHUFFLE: Table = Table {
    name: "a shuffle",
    doc: "Other orders of arrival",
    keys: &[
        required("max_delay", Shape::Length { zero: true }, "How late a row may come; at most the source's lateness"),
        required("seeds", Shape::Integer { min: 1, max: SEEDS_MAX }, "How many orders are tried"),
    ],
};

static EXPECT: Table = Table {
    name: "an expectation",
    doc: "What must come of the given rows",
    keys: &[
        optional("alerts", Shape::Integer { min: 0, max: i64::MAX }, "How many alerts of this rule"),
        optional(
            "fields",
            Shape::List { item: &FIELDS, empty: true },
            "Fields of the alerts, one mapping an alert, in order of time",
        ),
        optional(
            "rows",
            Shape::Map { name: &Shape::Relation, value: &ROWS, empty: true },
            "Rows that `flows`, a feature or the rule must have among its own; `[]`: none at all",
        ),
    ],
};

pub(super) fn read(node: &Node, out: &mut Vec<Diagnostic>) -> Vec<Case> {
    node.items_at("tests").iter().filter_map(|node| one(node, out)).collect()
}

fn one(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Case> {
    let expect = node.get("expect")?;
    let says_nothing = |key: &str| expect.items_at(key).is_empty() && expect.entries_at(key).is_empty();
    if expect.get("alerts").is_none() && says_nothing("fields") && says_nothing("rows") {
        let error = Diagnostic::error("rule.empty-expect", expect.span, "this test expects nothing, so it cannot fail");
        out.push(error.label("empty").help("say how many alerts there must be: `expect: {alerts: 1}`"));
    }
    Some(Case {
        name: node.text_at("name")?,
        start: node.instant_at("start")?,
        given: node.items_at("given").iter().filter_map(given).collect(),
        lookups: node.entries_at("lookups").iter().map(rows).collect(),
        params: node.get("params").map(scalar::cells).unwrap_or_default(),
        shuffle: node.get("shuffle").and_then(shuffle),
        expect: Expect {
            alerts: expect.count_at("alerts"),
            fields: expect.items_at("fields").iter().map(scalar::cells).collect(),
            rows: expect.entries_at("rows").iter().map(rows).collect(),
        },
        span: node.head(),
    })
}

fn given(node: &Node) -> Option<Given> {
    Some(Given {
        at: node.length_at("at").unwrap_or(Micros::ZERO),
        every: node.length_at("every").unwrap_or(Micros::ZERO),
        repeat: node.count_at("repeat").unwrap_or(1),
        row: scalar::cells(node.get("row")?),
        span: node.head(),
    })
}

fn shuffle(node: &Node) -> Option<Shuffle> {
    let max_delay = node.length_at("max_delay")?;
    let max_delay_span = node.get("max_delay")?.span;
    Some(Shuffle { max_delay, max_delay_span, seeds: node.count_at("seeds")? })
}

fn rows((name, node): &(Text, Node)) -> (Text, Vec<CaseRow>) {
    (name.clone(), node.items().iter().map(scalar::cells).collect())
}
