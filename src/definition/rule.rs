//! `rules/NAME.yaml`: a detection, without its tests.

use super::case::{self, CASE};
use super::join::{self, JOIN};
use super::model::{Alert, AlertWhen, Entity, Exception, Level, Param, Rule, Score, Status};
use super::scalar;
use super::shape::{Shape, Table, optional, required};
use super::yaml::Node;
use crate::diagnostic::{Diagnostic, Text};
use crate::record::{Micros, Value};

const MERGE_WITHIN: Micros = Micros(3_600_000_000);

pub(super) const STATUS: &[&str] = &["draft", "shadow", "stable", "deprecated"];
const LEVELS: &[&str] = &["info", "low", "medium", "high", "critical"];
const TEXTS: Shape = Shape::List { item: &Shape::Text, empty: true };

pub(super) static RULE: Table = Table {
    name: "a rule",
    doc: "What is worth an alert: a query over a feature or over flows, with its tests",
    keys: &[
        required("rule", Shape::RuleName, "The rule's name, for ever; it is part of its alerts' ids"),
        required("title", Shape::Text, "What it finds, in a few words"),
        optional("description", Shape::Text, "Why this is worth looking at"),
        optional(
            "status",
            Shape::Word(STATUS),
            "draft does not run; shadow runs and alerts nobody; stable (default); deprecated runs, with a warning of `check`",
        ),
        required("severity", Shape::Word(LEVELS), "How bad it is when it is true"),
        optional("owner", Shape::Text, "Who answers for the rule"),
        optional(
            "attack",
            Shape::List { item: &Shape::Technique, empty: true },
            "MITRE ATT&CK techniques: T1046, T1110.001",
        ),
        optional("references", TEXTS, "Addresses of pages to read"),
        optional("false_positives", TEXTS, "What else looks like this"),
        optional(
            "params",
            Shape::Map { name: &Shape::Name, value: &Shape::ShortOr(&Shape::Literal, &PARAM), empty: true },
            "Numbers and texts that a project may override; `@name` in SQL",
        ),
        optional(
            "join",
            Shape::List { item: &Shape::Object(&JOIN), empty: true },
            "Columns of other features and lookups",
        ),
        required("sql", Shape::Sql, "One SELECT over a feature or `flows`; each of its rows is a hit"),
        optional("entities", Shape::List { item: &Shape::Object(&ENTITY), empty: true }, "Who and what a hit is about"),
        optional("score", Shape::Object(&SCORE), "How sure a hit is, for the risk of its entities"),
        optional("alert", Shape::Object(&ALERT), "What becomes of a hit"),
        optional(
            "exceptions",
            Shape::List { item: &Shape::Object(&EXCEPTION), empty: true },
            "Hits that are known to be harmless, with a reason",
        ),
        optional("runbook", Shape::Text, "What to do when it alerts"),
        optional("tests", Shape::List { item: &Shape::Object(&CASE), empty: true }, "Rows, and what must come of them"),
    ],
};

static PARAM: Table = Table {
    name: "a parameter",
    doc: "Its default value, and what it may be set to",
    keys: &[
        required("default", Shape::Literal, "Its value when nobody sets it; it also gives the type"),
        optional("min", Shape::Literal, "The smallest value allowed"),
        optional("max", Shape::Literal, "The largest value allowed"),
        optional("description", Shape::Text, "What it is for"),
    ],
};

static ENTITY: Table = Table {
    name: "an entity",
    doc: "A column that names someone or something, and its part in the story",
    keys: &[
        required("type", Shape::Name, "What it is: ip, user, host, subscriber"),
        required("column", Shape::Name, "A column of the rule"),
        required("role", Shape::Name, "Its part: actor, victim, peer"),
    ],
};

static SCORE: Table = Table {
    name: "a score",
    doc: "How much a hit adds to the risk of its entities",
    keys: &[
        required("value", Shape::Sql, "A FLOAT64 expression over the rule's columns, 0 to 1"),
        optional(
            "weight",
            Shape::Number { min: 0.0, max: 1.0 },
            "How much this rule is worth among others (default 1)",
        ),
    ],
};

static ALERT: Table = Table {
    name: "an alert",
    doc: "When a hit alerts, and how hits become one incident",
    keys: &[
        optional(
            "when",
            Shape::Word(&["always", "risk", "never"]),
            "always (default); risk: only adds to the risk; never: a signal for other rules",
        ),
        optional("title", Shape::Text, "`{column}` is replaced by its value; the rule's title when left out"),
        optional(
            "key",
            Shape::List { item: &Shape::Name, empty: false },
            "Hits that are equal in these columns are one incident; the feature's key when left out",
        ),
        optional(
            "merge_within",
            Shape::Length { zero: true },
            "Hits of one incident are at most this far apart (default 1h)",
        ),
    ],
};

pub(super) static EXCEPTION: Table = Table {
    name: "an exception",
    doc: "Hits that do not alert",
    keys: &[
        required("when", Shape::Sql, "A condition over the rule's columns"),
        required("reason", Shape::Text, "Why these hits are harmless"),
        optional("owner", Shape::Text, "Who decided so"),
        optional("from", Shape::Instant, "Event time from which it holds"),
        optional("to", Shape::Instant, "Event time at which it ends; a date ends as it begins"),
    ],
};

pub(super) fn read(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Rule> {
    let params = params(node, out);
    let join = join::read(node, out);
    let tests = case::read(node, out);
    let name = node.get("rule")?.text().filter(|text| scalar::is_rule_name(text.as_str()))?.clone();
    let title = node.text_at("title").unwrap_or_else(|| name.clone());
    Some(Rule {
        span: name.span(),
        title: title.text.trim_end().to_owned(),
        description: node.string_at("description"),
        status: status(node).unwrap_or(Status::Stable),
        severity: node.get("severity").and_then(Node::text).and_then(|t| level(t.as_str())).unwrap_or(Level::Medium),
        owner: node.string_at("owner"),
        attack: node.texts_at("attack"),
        references: node.strings_at("references"),
        false_positives: node.strings_at("false_positives"),
        params,
        join,
        sql: node.text_at("sql")?,
        entities: node.items_at("entities").iter().filter_map(entity).collect(),
        score: node.get("score").and_then(score),
        alert: alert(node, &title),
        exceptions: exceptions(node),
        runbook: node.string_at("runbook"),
        tests,
        name,
    })
}

pub(super) fn status(node: &Node) -> Option<Status> {
    match node.get("status")?.text()?.as_str() {
        "draft" => Some(Status::Draft),
        "shadow" => Some(Status::Shadow),
        "stable" => Some(Status::Stable),
        "deprecated" => Some(Status::Deprecated),
        _ => None,
    }
}

fn level(word: &str) -> Option<Level> {
    match word {
        "info" => Some(Level::Info),
        "low" => Some(Level::Low),
        "medium" => Some(Level::Medium),
        "high" => Some(Level::High),
        "critical" => Some(Level::Critical),
        _ => None,
    }
}

fn entity(node: &Node) -> Option<Entity> {
    Some(Entity { ty: node.name_at("type")?, column: node.name_at("column")?, role: node.name_at("role")? })
}

fn score(node: &Node) -> Option<Score> {
    Some(Score { value: node.text_at("value")?, weight: node.number_at("weight").unwrap_or(1.0) })
}

fn alert(node: &Node, title: &Text) -> Alert {
    let alert = node.get("alert");
    let when = alert.and_then(|a| a.get("when")).and_then(Node::text).map_or("always", Text::as_str);
    Alert {
        when: match when {
            "risk" => AlertWhen::Risk,
            "never" => AlertWhen::Never,
            _ => AlertWhen::Always,
        },
        title: alert.and_then(|a| a.text_at("title")).unwrap_or_else(|| title.clone()),
        key: alert.filter(|a| a.get("key").is_some()).map(|a| a.texts_at("key")),
        merge_within: alert.and_then(|a| a.length_at("merge_within")).unwrap_or(MERGE_WITHIN),
        merge_within_span: alert.and_then(|a| a.get("merge_within")).map_or(title.span(), |node| node.span),
    }
}

pub(super) fn exceptions(node: &Node) -> Vec<Exception> {
    let exception = |node: &Node| {
        Some(Exception {
            when: node.text_at("when")?,
            reason: node.string_at("reason"),
            owner: node.string_at("owner"),
            from: node.instant_at("from"),
            to: node.instant_at("to"),
            span: node.head(),
        })
    };
    node.items_at("exceptions").iter().filter_map(exception).collect()
}

fn params(node: &Node, out: &mut Vec<Diagnostic>) -> Vec<Param> {
    let param = |(name, node): &(Text, Node)| {
        let default = scalar::literal(node.get("default").unwrap_or(node))?;
        let param = Param {
            name: name.clone(),
            min: bound(node, "min", &default, out),
            max: bound(node, "max", &default, out),
            default,
            description: node.string_at("description"),
        };
        let below = param.min.as_ref().is_some_and(|min| less(&param.default, min));
        let above = param.max.as_ref().is_some_and(|max| less(max, &param.default));
        if below || above {
            let message = format!("the default of `{}` is outside its own bounds", name.as_str());
            let place = node.get("default").unwrap_or(node).span;
            let error = Diagnostic::error("rule.bad-param", place, message);
            let bound = if below { "min" } else { "max" };
            let error = error.label(if below { "smaller than `min`" } else { "larger than `max`" });
            out.push(match node.get(bound) {
                Some(bound) => error.related(bound.span, "the bound"),
                None => error,
            });
        }
        Some(param)
    };
    node.entries_at("params").iter().filter_map(param).collect()
}

/// A bound of the default's type; a whole number will do for a FLOAT64.
fn bound(node: &Node, key: &str, default: &Value, out: &mut Vec<Diagnostic>) -> Option<Value> {
    let place = node.get(key)?;
    let bound = scalar::literal(place)?;
    match (default, &bound) {
        (Value::Float64(_), Value::Int64(_)) => scalar::number(place.text()?.as_str()).map(Value::Float64),
        (Value::Float64(_), Value::Float64(_)) | (Value::Int64(_), Value::Int64(_)) => Some(bound),
        _ => {
            let message = match default {
                Value::Int64(_) | Value::Float64(_) => {
                    format!("`{key}` is {}, but the default is {}", bound.ty(), default.ty())
                }
                _ => format!("a {} parameter has no `{key}`", default.ty()),
            };
            let error = Diagnostic::error("rule.bad-param", place.span, message).label("does not fit the default");
            out.push(error.help("the default gives the type: `0.5` and `1.0` are FLOAT64, `1` is INT64"));
            None
        }
    }
}

fn less(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int64(a), Value::Int64(b)) => a < b,
        (Value::Float64(a), Value::Float64(b)) => a < b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{LEVELS, level};

    #[test]
    fn every_level_of_the_schema_is_read() {
        assert!(LEVELS.iter().all(|word| level(word).is_some()));
        assert_eq!(super::scalar::length("1h"), Some(super::MERGE_WITHIN));
    }
}
