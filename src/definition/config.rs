//! `tripline.yaml`: the project's name, its overrides of rules, and what is outside of it.

use super::computed;
use super::dead_letters::{self, DEAD_LETTERS};
use super::model::{Config, HealthConfig, Override, WarehouseConfig};
use super::pseudonym_key::{self, PSEUDONYM_KEY};
use super::rule::{self, EXCEPTION, STATUS};
use super::shape::{Shape, Table, later, optional};
use super::sink::{self, SINK};
use super::yaml::Node;
use crate::diagnostic::Diagnostic;

/// Raw flows kept in an alert when the project does not say.
const EVIDENCE: u32 = 3;
/// Keys that a feature holds when the project does not say.
const KEYS_MAX: usize = 1_000_000;
/// Rows that a look-back holds in memory when the project does not say.
const LOOK_BACK_ROWS: usize = 2_000_000;

const OWN_FLAGS: &str = "give it on the command line for now";

pub(super) static CONFIG: Table = Table {
    name: "`tripline.yaml`",
    doc: "What runs where, and what this project overrides",
    keys: &[
        optional("name", Shape::Text, "The project's name, for people"),
        optional("evidence", Shape::Integer { min: 0, max: 100 }, "How many raw flows an alert keeps (default 3)"),
        optional(
            "keys_max",
            Shape::Integer { min: 1, max: 4_000_000_000 },
            "How many keys each feature holds (default 1000000); beyond, those seen longest ago go, and alerts are `partial`",
        ),
        optional(
            "look_back_rows",
            Shape::Integer { min: 1_000, max: 4_000_000_000 },
            "How many rows each look-back holds in memory (default 2000000); beyond, they go to a temporary file",
        ),
        optional(
            "rules",
            Shape::Map { name: &Shape::RuleName, value: &Shape::Object(&OVERRIDE), empty: true },
            "Overrides, by the rule's name",
        ),
        optional("warehouse", Shape::Object(&WAREHOUSE), "The BigQuery dataset of this project's history"),
        optional(
            "sinks",
            Shape::Map { name: &Shape::RuleName, value: &Shape::Object(&SINK), empty: true },
            "Where alerts of a run over subscriptions go, by a name of your own",
        ),
        optional(
            "dead_letters",
            Shape::Object(&DEAD_LETTERS),
            "Where records go that a run over subscriptions refuses",
        ),
        optional(
            "pseudonym_keys",
            Shape::Map { name: &Shape::Name, value: &Shape::Object(&PSEUDONYM_KEY), empty: true },
            "Secret keys of pseudonyms, by the name that `pseudonymize` is told",
        ),
        optional("health", Shape::Object(&HEALTH), "What a run over subscriptions tells of its sources and rules"),
        later("use", "copy the pack's files into the project for now: `tripline init`"),
        later("sources", OWN_FLAGS),
        later("state", OWN_FLAGS),
        later("model", "leave it out: rules alert without a model"),
        later("risk", "leave it out: rules with `when: always` alert by themselves"),
    ],
};

static HEALTH: Table = Table {
    name: "`health`",
    doc: "Alerts about sources and rules, `tripline.…`; source.yaml may say `silent_after` of one source",
    keys: &[
        optional("alerts", Shape::Flag, "Are there such alerts? (default true)"),
        optional(
            "silent_after",
            Shape::Length { zero: false },
            "Silence after which a source that does not say itself is told of (default: three times what is usual, at least 10m)",
        ),
    ],
};

static OVERRIDE: Table = Table {
    name: "an override",
    doc: "What this project changes in one rule",
    keys: &[
        optional(
            "params",
            Shape::Map { name: &Shape::Name, value: &Shape::Literal, empty: true },
            "Parameters with other values",
        ),
        optional("status", Shape::Word(STATUS), "Another status"),
        optional(
            "exceptions",
            Shape::List { item: &Shape::Object(&EXCEPTION), empty: true },
            "More exceptions, beside the rule's own",
        ),
    ],
};

static WAREHOUSE: Table = Table {
    name: "`warehouse`",
    doc: "Where `compile --verify` asks and `backfill --target bigquery` computes; the command line overrides it",
    keys: &[
        optional("project", Shape::Text, "The Google Cloud project that is billed and holds the dataset"),
        optional("dataset", Shape::Text, "The dataset; it has to be there"),
        optional("location", Shape::Text, "The dataset's location: `EU`, `US`, `europe-west3`"),
        optional(
            "endpoint",
            Shape::Text,
            "Another service that speaks its REST, such as an emulator: `localhost:9050`",
        ),
        optional(
            "keys_table",
            Shape::Text,
            "The table of pseudonym keys (default `tripline_keys`): `DATASET.TABLE` where fewer may read it than the rows",
        ),
        optional(
            "labels",
            Shape::Map { name: &Shape::Name, value: &Shape::Text, empty: true },
            "Labels of every job, beside `tripline`",
        ),
    ],
};

impl Default for Config {
    fn default() -> Self {
        Self {
            name: None,
            evidence: EVIDENCE,
            keys_max: KEYS_MAX,
            look_back_rows: LOOK_BACK_ROWS,
            overrides: std::collections::BTreeMap::new(),
            warehouse: WarehouseConfig::default(),
            sinks: Vec::new(),
            dead_letters: None,
            pseudonym_keys: Vec::new(),
            health: HealthConfig::default(),
            said: None,
        }
    }
}

fn warehouse(node: &Node, out: &mut Vec<Diagnostic>) -> WarehouseConfig {
    let Some(node) = node.get("warehouse") else { return WarehouseConfig::default() };
    let text = |key: &str| node.text_at(key).map(|text| text.text);
    let keys_table = node.text_at("keys_table").filter(|table| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let parts: Vec<&str> = table.as_str().split('.').collect();
        let right = parts.len() <= 3 && parts.iter().all(|part| !part.is_empty() && part.chars().all(plain));
        if !right {
            let message = format!("`{}` is not a table's name", table.as_str());
            let error = Diagnostic::error("definition.bad-value", table.span(), message).label("not of this form");
            out.push(error.help("write `TABLE`, `DATASET.TABLE` or `PROJECT.DATASET.TABLE`"));
        }
        right
    });
    let labels = node.entries_at("labels").iter();
    let labels = labels.filter_map(|(name, value)| Some((name.text.clone(), value.text()?.text.clone())));
    WarehouseConfig {
        project: text("project"),
        dataset: text("dataset"),
        location: text("location"),
        endpoint: text("endpoint"),
        keys_table,
        labels: labels.collect(),
    }
}

fn health(node: &Node) -> HealthConfig {
    let Some(node) = node.get("health") else { return HealthConfig::default() };
    HealthConfig {
        alerts: node.get("alerts").is_none_or(|_| node.flag_at("alerts")),
        silent_after: node.length_at("silent_after"),
    }
}

pub(super) fn read(node: &Node, out: &mut Vec<Diagnostic>) -> Config {
    let overrides = node.entries_at("rules").iter().map(|(name, node)| {
        let change = Override {
            rule: name.clone(),
            params: node.literals_at("params"),
            status: rule::status(node),
            exceptions: rule::exceptions(node),
        };
        (name.text.clone(), change)
    });
    let evidence = node.count_at("evidence").and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= 100);
    let count = |key: &str| node.count_at(key).and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    Config {
        name: node.text_at("name"),
        evidence: evidence.unwrap_or(EVIDENCE),
        keys_max: count("keys_max").unwrap_or(KEYS_MAX),
        look_back_rows: count("look_back_rows").unwrap_or(LOOK_BACK_ROWS),
        overrides: overrides.collect(),
        warehouse: warehouse(node, out),
        sinks: sink::read(node, out),
        dead_letters: dead_letters::read(node, out),
        pseudonym_keys: pseudonym_key::read(node, out),
        health: health(node),
        said: Some((node.span.file, computed::said(node))),
    }
}
