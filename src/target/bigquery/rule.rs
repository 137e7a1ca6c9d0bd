//! Rules: rows to hits with their ids, hits to incidents and alerts.

use crate::language::tree::{Expr, OrderKey, Rank};
use crate::plan::{self, AlertWhen, BranchPlan, ExceptionPlan, Plan, RulePlan, Status, TitlePart};
use crate::record::flow::ADMIT_WATERMARK;
use crate::record::{Column, Day, Micros, Type, Value, hit};

use super::expr::{Names, print};
use super::query::{Query, Step, select};
use super::scope::{self, conjuncts, lookup_names};
use super::text::{aliased, field, fresh, id_text, interval, literal, name, string, timestamp};

pub(super) const HITS: &str = "hits";
/// A column of steps: when a hit was known.
const KNOWN_AT: &str = "known_at";

/// The table of a rule's rows.
pub(super) fn table(rule: &RulePlan) -> String {
    let plain = rule.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    format!("rule_{}", plain.collect::<String>())
}

/// The columns of its table: its own and, beside those of flows, the watermark before each.
pub(super) fn columns(rule: &RulePlan) -> Vec<Column> {
    let admit = rule.reads_flows().then(|| Column::new(ADMIT_WATERMARK, Type::Timestamp, true));
    rule.columns.iter().cloned().chain(admit).collect()
}

/// What the rule's SQL returns.
pub(super) fn query(plan: &Plan, rule: &RulePlan, ranged: bool) -> Query {
    let mut comment = format!("Rule {}: {}", rule.name, rule.title);
    for (param, value) in &rule.params {
        comment.push_str(&format!("\n@{param} is {}", literal(value)));
    }
    let mut steps = Vec::new();
    let mut bodies = Vec::with_capacity(rule.branches.len());
    for (branch, number) in rule.branches.iter().zip(1..) {
        let prefix = match rule.branches.len() {
            1 => table(rule),
            _ => format!("{}__{number}", table(rule)),
        };
        bodies.push(branch_body(plan, rule, branch, &prefix, ranged, &mut steps));
    }
    Query { comment, body: bodies.join("\nUNION ALL\n"), steps }
}

/// One SELECT of the rule.
fn branch_body(
    plan: &Plan,
    rule: &RulePlan,
    branch: &BranchPlan,
    prefix: &str,
    ranged: bool,
    steps: &mut Vec<Step>,
) -> String {
    let range = |table: &str, back: Micros| if ranged { in_range_from(table, back) } else { Vec::new() };
    let rows = scope::joined(plan, prefix, branch.upstream, &branch.select.joins, &range);
    let lookups = lookup_names(plan);
    let over =
        |columns: &[String], expr: &Expr| print(expr, &Names { columns, lookups: &lookups, event_time: "event_time" });
    let mut columns = rows.columns.clone();
    columns.extend(branch.select.ranks.iter().map(|rank| rank_call(rank, &|expr| over(&rows.columns, expr))));
    let names = Names { columns: &columns, lookups: &lookups, event_time: "event_time" };
    let items = branch.select.items.iter().zip(&rule.columns);
    let mut items: Vec<String> = items.map(|(item, column)| aliased(print(&item.expr, &names), &column.name)).collect();
    if rule.reads_flows() {
        items.push(ADMIT_WATERMARK.to_owned());
    }
    let mut conditions: Vec<String> =
        branch.select.filter.iter().flat_map(|filter| conjuncts(filter, &names)).collect();
    conditions.extend(rows.range);
    let qualify: Vec<String> = branch.select.qualify.iter().flat_map(|qualify| conjuncts(qualify, &names)).collect();
    steps.extend(rows.steps);
    let qualify = if qualify.is_empty() { String::new() } else { format!("\nQUALIFY {}", qualify.join("\n  AND ")) };
    select(&items, &rows.from, &conditions) + &qualify
}

/// What stands behind a key of ORDER BY. GoogleSQL takes NULL for the smallest value.
pub(super) fn direction(key: &OrderKey) -> &'static str {
    match (key.descending, key.nulls_first) {
        (false, true) => "",
        (false, false) => " NULLS LAST",
        (true, false) => " DESC",
        (true, true) => " DESC NULLS FIRST",
    }
}

/// `ROW_NUMBER() OVER (PARTITION BY … ORDER BY …)`.
fn rank_call(rank: &Rank, text: &dyn Fn(&Expr) -> String) -> String {
    let partition: Vec<String> = rank.partition.iter().map(text).collect();
    let order = rank.order.iter().map(|key| format!("{}{}", text(&key.expr), direction(key)));
    let order = order.collect::<Vec<_>>().join(", ");
    let partition =
        if partition.is_empty() { String::new() } else { format!("PARTITION BY {} ", partition.join(", ")) };
    format!("{}() OVER ({partition}ORDER BY {order})", rank.function.name())
}

/// Rows from so long before the range on.
fn in_range_from(table: &str, back: Micros) -> Vec<String> {
    if back.0 == 0 {
        return in_range(table);
    }
    vec![
        format!("{table}.event_time >= TIMESTAMP_SUB(tripline_from, {})", interval(back.0)),
        format!("{table}.event_time < tripline_to"),
    ]
}

fn in_range(table: &str) -> Vec<String> {
    vec![format!("{table}.event_time >= tripline_from"), format!("{table}.event_time < tripline_to")]
}

/// Hits of all rules, each with what became of it.
pub(super) fn hits(plan: &Plan, ranged: bool) -> Query {
    let mut steps = Vec::new();
    let mut parts = Vec::new();
    for rule in &plan.rules {
        steps.extend(hit_steps(plan, rule, ranged));
        parts.push(format!("SELECT * FROM {}", name(&format!("hits__{}", table(rule)))));
    }
    let comment = "Every row of every rule, with its id, its score and what became of it.".to_owned();
    Query { comment, steps, body: parts.join("\nUNION ALL\n") }
}

/// What the rows of such a relation are.
pub(super) fn said_of(plan: &Plan, hits: usize) -> &'static str {
    if plan.hits[hits].opening {
        "rows of rules that open an incident"
    } else {
        "rows of rules that no exception covers"
    }
}

/// Hits of some rules with the columns that all have: those that no exception covers; of `alerts(…)` those of them that open
/// an incident.
pub(super) fn hits_of(plan: &Plan, hits: usize, range: scope::Range<'_>) -> String {
    let selects = plan.rules_behind(hits).map(|(_, rule)| {
        let t = fresh("t", rule.columns.iter().map(|column| column.name.as_str()));
        let columns: Vec<String> = rule.columns.iter().map(|c| format!("{t}.{}", name(&c.name))).collect();
        let lookups = lookup_names(plan);
        let event_time = columns[rule.event_time].clone();
        let names = Names { columns: &columns, lookups: &lookups, event_time: &event_time };
        let mut values = vec![
            hit_id(rule, &columns),
            string(&rule.name),
            columns[rule.window.0].clone(),
            columns[rule.window.1].clone(),
            event_time.clone(),
            score(rule, &names),
            literal(&Value::Float64(rule.score.as_ref().map_or(1.0, |score| score.weight))),
            string(rule.severity.name()),
            string(rule.when.name()),
        ];
        let own = plan::hits::of_rule(rule);
        for (column, own) in plan::hits::columns()[values.len()..].iter().zip(own) {
            values.push(match own {
                Some(own) if column.ty == Type::String => id_text(&columns[own], rule.columns[own].ty),
                Some(own) => columns[own].clone(),
                None => format!("CAST(NULL AS {})", column.ty),
            });
        }
        let items: Vec<String> = values
            .into_iter()
            .zip(plan::hits::columns())
            .map(|(value, column)| format!("{value} AS {}", name(&column.name)))
            .collect();
        let opening = plan.hits[hits].opening;
        // A day more: all hits of the first day are needed to know which of them open an incident.
        let mut conditions = range(&t, if opening { Day::LENGTH } else { Micros(0) });
        conditions.extend(rule.exceptions.iter().map(|e| format!("NOT COALESCE({}, FALSE)", exception(e, &names))));
        // A late flow's hit is among no others: what read them may be over.
        let in_time = rule.reads_flows().then(|| format!("COALESCE({t}.{ADMIT_WATERMARK} <= {event_time}, TRUE)"));
        if !opening {
            conditions.extend(in_time);
            return select(&items, &format!("{} AS {t}", name(&table(rule))), &conditions);
        }
        let rows = select(&items, &format!("{} AS {t}", name(&table(rule))), &conditions);
        let mut opens = vec![opens(rule, &t, &columns)];
        opens.extend(in_time);
        opens.extend(range(&t, Micros(0)));
        format!("{rows}\nQUALIFY {}", opens.join("\n  AND "))
    });
    let selects: Vec<String> = selects.collect();
    if selects.is_empty() {
        let items: Vec<String> = plan::hits::columns()
            .iter()
            .map(|column| format!("CAST(NULL AS {}) AS {}", column.ty, name(&column.name)))
            .collect();
        return select(&items, "UNNEST(CAST([] AS ARRAY<INT64>))", &[]);
    }
    selects.join("\nUNION ALL\n")
}

/// Does a hit open an incident? Among hits that no exception covers.
fn opens(rule: &RulePlan, t: &str, columns: &[String]) -> String {
    let at = &columns[rule.event_time];
    let (known, days) = match rule.reads_flows() {
        true => {
            let known = known_at(t, at);
            (known.clone(), format!("DATE({at}), DATE({known})"))
        }
        false => (at.clone(), format!("DATE({at})")),
    };
    let mut order = vec![known.clone()];
    order.extend(rule.reads_flows().then(|| at.clone()));
    order.extend(rule.key.iter().map(|index| columns[*index].clone()));
    let partition = format!("{}, {days}", key_text(rule, columns));
    let last = format!("LAG({known}) OVER (PARTITION BY {partition} ORDER BY {})", order.join(", "));
    format!("COALESCE(TIMESTAMP_ADD({last}, {}) < {known}, TRUE)", interval(rule.merge_within.0))
}

/// When a hit of a flow was known.
fn known_at(t: &str, event_time: &str) -> String {
    format!("GREATEST({event_time}, COALESCE({t}.{ADMIT_WATERMARK}, {event_time}))")
}

fn hit_steps(plan: &Plan, rule: &RulePlan, ranged: bool) -> [Step; 3] {
    let prefix = format!("hits__{}", table(rule));
    let t = fresh("t", rule.columns.iter().map(|column| column.name.as_str()));
    let columns: Vec<String> = rule.columns.iter().map(|c| format!("{t}.{}", name(&c.name))).collect();
    let lookups = lookup_names(plan);
    let event_time = columns[rule.event_time].clone();
    let names = Names { columns: &columns, lookups: &lookups, event_time: &event_time };
    let excepted = rule.exceptions.iter().map(|e| format!("COALESCE({}, FALSE)", exception(e, &names)));
    let excepted: Vec<String> = excepted.collect();
    let eligible = rule.status != Status::Shadow && rule.when == AlertWhen::Always;
    let excepted = if excepted.is_empty() { "FALSE".to_owned() } else { excepted.join("\n  OR ") };
    let keys: Vec<&str> = rule.key.iter().map(|index| columns[*index].as_str()).collect();
    let order =
        if keys.is_empty() { "1".to_owned() } else { format!("DENSE_RANK() OVER (ORDER BY {})", keys.join(", ")) };
    let known = Known::of(rule);
    let values = match known.apart {
        true => format!("STRUCT({})", columns.join(", ")),
        false => t.clone(),
    };
    let known_at = format!("{} AS {KNOWN_AT}", known_at(&t, &event_time));
    let items = vec![
        format!("{} AS hit_id", hit_id(rule, &columns)),
        format!("{} AS rule", string(&rule.name)),
        format!("{event_time} AS event_time"),
        format!("{} AS window_start", columns[rule.window.0]),
        format!("{} AS window_end", columns[rule.window.1]),
        format!("{} AS score", score(rule, &names)),
        format!("{excepted} AS excepted"),
        format!("{order} AS key_order"),
        format!("{} AS alert_key", key_text(rule, &columns)),
        format!("{} AS title", title(rule, &columns)),
        format!("TO_JSON_STRING({values}) AS `values`"),
    ];
    let items = [items, Vec::from_iter(known.apart.then_some(known_at))].concat();
    let range = if ranged { in_range(&t) } else { Vec::new() };
    let own = format!("{} AS {t}", name(&table(rule)));
    let rows = Step {
        name: name(&format!("{prefix}__rows")),
        comment: format!("Hits of {}.", rule.name),
        sql: select(&items, &own, &range),
    };
    let incidents = Step {
        name: name(&format!("{prefix}__gaps")),
        comment: format!("One incident while gaps are at most {}, within one UTC day.", rule.merge_within),
        sql: gaps(rule, &rows.name),
    };
    let settled = Step {
        name: name(&prefix),
        comment: "The first hit of an incident opens it, and names its alert.".to_owned(),
        sql: settled(rule, eligible, &incidents.name),
    };
    [rows, incidents, settled]
}

/// How hits of a rule come after each other: as they were known.
struct Known {
    /// A late row is known when it comes, not at its event time.
    apart: bool,
    at: &'static str,
    /// Hits that may share an incident.
    days: &'static str,
    order: &'static str,
}

impl Known {
    fn of(rule: &RulePlan) -> Self {
        if rule.reads_flows() {
            let days = "alert_key, DATE(event_time), DATE(known_at), excepted";
            Self { apart: true, at: KNOWN_AT, days, order: "known_at, event_time, key_order" }
        } else {
            let days = "alert_key, DATE(event_time), excepted";
            Self { apart: false, at: "event_time", days, order: "event_time, key_order" }
        }
    }
}

/// Marks hits that begin an incident.
fn gaps(rule: &RulePlan, rows: &str) -> String {
    let Known { at, days, order, .. } = Known::of(rule);
    let last = format!("LAG({at}) OVER (PARTITION BY {days} ORDER BY {order})");
    let gap = format!("TIMESTAMP_ADD({last}, {})", interval(rule.merge_within.0));
    let items = ["*".to_owned(), format!("COALESCE({gap} < {at}, TRUE) AS opens")];
    select(&items, rows, &[])
}

fn settled(rule: &RulePlan, eligible: bool, incidents: &str) -> String {
    let known = Known::of(rule);
    let alone = match (rule.status, rule.when) {
        (Status::Shadow, _) => "shadow",
        (_, AlertWhen::Always) => "merged",
        _ => "signal",
    };
    let disposition = if eligible {
        "CASE WHEN excepted THEN 'excepted' WHEN opens THEN 'alerted' ELSE 'merged' END".to_owned()
    } else {
        format!("IF(excepted, 'excepted', '{alone}')")
    };
    // Of equal hits the one that opens stands before the others here too.
    let opening = |what: &str, ty: Type| {
        if !eligible {
            return literal(&Value::Null(ty));
        }
        format!(
            "IF(excepted, NULL, LAST_VALUE(IF(opens, {what}, NULL) IGNORE NULLS) OVER (\n  PARTITION BY {} ORDER BY {}, opens \
             DESC\n  ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW\n))",
            known.days, known.order
        )
    };
    let items = [
        if known.apart { "* EXCEPT (known_at, excepted, opens)" } else { "* EXCEPT (excepted, opens)" }.to_owned(),
        format!("{disposition} AS disposition"),
        format!("{} AS alert_id", opening("hit_id", Type::String)),
        format!("{} AS opened_at", opening(known.at, Type::Timestamp)),
        format!("{} AS fingerprint", string(&rule.fingerprint)),
        format!("{} AS severity", string(rule.severity.name())),
    ];
    select(&items, incidents, &[])
}

/// `TO_HEX` of the first half of SHA-256 over length-prefixed fields; see `record/hit.rs`.
fn hit_id(rule: &RulePlan, columns: &[String]) -> String {
    let fixed = |text: &str| format!("{}:{text}", text.len());
    let head = string(&(fixed(hit::ID_VERSION) + &fixed(&rule.name)));
    let key = rule.key.iter().map(|index| field(&columns[*index], rule.columns[*index].ty));
    let times = [rule.window.0, rule.window.1].map(|index| field(&columns[index], Type::Timestamp));
    let fields: Vec<String> = std::iter::once(head).chain(key).chain(times).collect();
    format!("SUBSTR(TO_HEX(SHA256(CONCAT(\n  {}\n))), 1, {})", fields.join(",\n  "), 2 * hit::ID_BYTES)
}

fn key_text(rule: &RulePlan, columns: &[String]) -> String {
    let fields: Vec<String> =
        rule.alert_key.iter().map(|index| field(&columns[*index], rule.columns[*index].ty)).collect();
    if fields.is_empty() { "''".to_owned() } else { format!("CONCAT(\n  {}\n)", fields.join(",\n  ")) }
}

/// Between 0 and 1; 1 where the rule declares none.
fn score(rule: &RulePlan, names: &Names<'_>) -> String {
    let Some(score) = &rule.score else { return "1.0".to_owned() };
    let value = print(&score.value, names);
    let value = if score.value.ty == Type::Int64 { format!("CAST({value} AS FLOAT64)") } else { value };
    // Neither NULL nor NaN is above zero.
    format!("IF({value} > 0.0, LEAST({value}, 1.0), 0.0)")
}

fn exception(exception: &ExceptionPlan, names: &Names<'_>) -> String {
    let mut conditions = conjuncts(&exception.when, names);
    conditions.extend(exception.valid.from.map(|from| format!("{} >= {}", names.event_time, timestamp(from.0))));
    conditions.extend(exception.valid.to.map(|to| format!("{} < {}", names.event_time, timestamp(to.0))));
    conditions.join(" AND ")
}

fn title(rule: &RulePlan, columns: &[String]) -> String {
    let parts = rule.alert_title.iter().map(|part| match part {
        TitlePart::Text(text) => string(text),
        TitlePart::Column(index) => shown(&columns[*index], rule.columns[*index].ty),
    });
    let parts: Vec<String> = parts.collect();
    match parts.as_slice() {
        [] => "''".to_owned(),
        [one] => one.clone(),
        _ => format!("CONCAT({})", parts.join(", ")),
    }
}

/// A value as people read it.
fn shown(sql: &str, ty: Type) -> String {
    let text = match ty {
        Type::Timestamp => format!("FORMAT_TIMESTAMP('%E4Y-%m-%dT%H:%M:%E*SZ', {sql})"),
        Type::Date => format!("CAST({sql} AS STRING)"),
        _ => id_text(sql, ty),
    };
    format!("COALESCE({text}, 'NULL')")
}

/// One row an incident.
pub(super) fn alerts(ranged: bool) -> Query {
    let representative = |column: &str| {
        format!("ARRAY_AGG({column} ORDER BY score DESC, key_order, event_time, hit_id LIMIT 1)[OFFSET(0)] AS {column}")
    };
    let mut items = vec!["alert_id".to_owned(), "rule".to_owned()];
    items.push("ANY_VALUE(severity) AS severity".to_owned());
    items.push("MIN(event_time) AS event_time".to_owned());
    items.push("MAX(event_time) AS last_time".to_owned());
    items.push("COUNT(*) AS hits".to_owned());
    items.push("MAX(score) AS score".to_owned());
    items.extend(["hit_id", "title", "`values`"].map(representative));
    items.push("ANY_VALUE(fingerprint) AS fingerprint".to_owned());
    let mut conditions = vec!["disposition IN ('alerted', 'merged')".to_owned()];
    if ranged {
        conditions.extend(in_range(HITS));
    }
    let body = select(&items, HITS, &conditions) + "\nGROUP BY alert_id, rule, opened_at";
    Query { comment: "Incidents: hits of one alert key that are near in time.".to_owned(), steps: Vec::new(), body }
}

const HIT_COLUMNS: [(&str, Type); 15] = [
    ("hit_id", Type::String),
    ("rule", Type::String),
    ("event_time", Type::Timestamp),
    ("window_start", Type::Timestamp),
    ("window_end", Type::Timestamp),
    ("score", Type::Float64),
    ("key_order", Type::Int64),
    ("alert_key", Type::String),
    ("title", Type::String),
    ("values", Type::String),
    ("disposition", Type::String),
    ("alert_id", Type::String),
    ("opened_at", Type::Timestamp),
    ("fingerprint", Type::String),
    ("severity", Type::String),
];

pub(super) fn hit_columns() -> Vec<Column> {
    HIT_COLUMNS.iter().map(|(name, ty)| Column::new(*name, *ty, true)).collect()
}
