//! Training rows: labels and windows in one sequence by time, and a window function that takes the last one before.

use crate::plan::{FeaturePlan, LABEL, LABEL_TIME, Plan, SAMPLED, TrainingPlan};
use crate::record::Value;

use super::query::{Query, Step, comment, select};
use super::text::{aliased, field, interval, literal, name, string};

/// The table that the rows go to.
const TABLE: &str = "training";

/// A script that makes the table anew.
pub fn training_table(plan: &Plan, training: &TrainingPlan, labels: &str) -> String {
    let query = query(plan, training, labels);
    let age = interval(training.max_age.0);
    let labels = name(labels);
    format!(
        "{}-- Windows that no label can have seen are not read.\n\
         DECLARE tripline_from TIMESTAMP DEFAULT (SELECT TIMESTAMP_SUB(MIN({LABEL_TIME}), {age}) FROM {labels});\n\
         DECLARE tripline_to TIMESTAMP DEFAULT (SELECT MAX({LABEL_TIME}) FROM {labels});\n\n\
         CREATE OR REPLACE TABLE {TABLE}\nOPTIONS (labels = [('tripline', 'training')])\nAS\n{};\n",
        comment(&query.comment, ""),
        text(plan, training, &labels, true).trim_end()
    )
}

/// The table of labels, made anew without rows.
pub fn create_labels(training: &TrainingPlan, labels: &str) -> String {
    let columns = training.label_columns();
    let columns: Vec<String> = columns.iter().map(|column| format!("{} {}", name(&column.name), column.ty)).collect();
    format!("CREATE OR REPLACE TABLE {} (\n  {}\n);\n", name(labels), columns.join(",\n  "))
}

/// How many rows the table has, how many are sampled, and of how many each feature said something.
pub fn training_count(features: &[&FeaturePlan], sampled: &str) -> String {
    let known = features.iter().map(|feature| {
        let at = name(&format!("{}_{}", feature.name, feature.columns[feature.key.len() + 1].name));
        format!("COUNTIF({at} IS NOT NULL)")
    });
    let items: Vec<String> = ["COUNT(*)".to_owned(), format!("COUNTIF({sampled})")].into_iter().chain(known).collect();
    let items: Vec<String> = items.iter().zip(1..).map(|(item, number)| format!("{item} AS n{number}")).collect();
    select(&items, TABLE, &[])
}

/// One query over the features' tables and the labels.
pub fn training_query(plan: &Plan, training: &TrainingPlan, labels: &str) -> String {
    let query = query(plan, training, labels);
    format!("{}{}", comment(&query.comment, ""), query.text())
}

fn text(plan: &Plan, training: &TrainingPlan, labels: &str, ranged: bool) -> String {
    Builder { plan, training, labels: labels.to_owned(), ranged }.query().text()
}

fn query(plan: &Plan, training: &TrainingPlan, labels: &str) -> Query {
    Builder { plan, training, labels: name(labels), ranged: false }.query()
}

struct Builder<'a> {
    plan: &'a Plan,
    training: &'a TrainingPlan,
    labels: String,
    /// Only windows that a label can have seen.
    ranged: bool,
}

const ALL: &str = "training__labels";
const NUMBERED: &str = "training__numbered";

impl Builder<'_> {
    fn features(&self) -> impl Iterator<Item = &FeaturePlan> {
        self.training.features.iter().map(|index| &self.plan.features[*index])
    }

    fn query(&self) -> Query {
        let mut steps = vec![self.labelled(), self.numbered()];
        steps.extend(self.features().map(|feature| self.known(feature)));
        let mut items: Vec<String> =
            self.training.key.iter().map(|column| format!("l.{}", name(&column.name))).collect();
        items.extend([LABEL_TIME, LABEL, SAMPLED].map(|column| format!("l.{column}")));
        let mut from = format!("{NUMBERED} AS l");
        for (feature, number) in self.features().zip(1..) {
            let alias = format!("f{number}");
            from.push_str(&format!(
                "\nLEFT JOIN {} AS {alias}\n  ON l.label_number = {alias}.label_number",
                name(&known_name(feature))
            ));
            let carried = TrainingPlan::carried(feature).into_iter().map(|column| &feature.columns[column]);
            items.extend(carried.map(|column| {
                let known = format!("{alias}.known.{}", name(&column.name));
                aliased(known, &format!("{}_{}", feature.name, column.name))
            }));
        }
        let features: Vec<&str> = self.features().map(|feature| feature.name.as_str()).collect();
        let comment = format!(
            "Training rows: each label beside the last window of {} that had ended at its time, at most {} old.",
            features.join(", "),
            self.training.max_age
        );
        Query { comment, steps, body: select(&items, &from, &[]) }
    }

    fn key(&self) -> Vec<String> {
        self.training.key.iter().map(|column| name(&column.name)).collect()
    }

    /// The labels, and the sampled negatives.
    fn labelled(&self) -> Step {
        let mut items = self.key();
        items.extend([LABEL_TIME.to_owned(), LABEL.to_owned(), format!("FALSE AS {SAMPLED}")]);
        let mut sql = select(&items, &self.labels, &[]);
        let mut said = "The labels.".to_owned();
        if let (Some(first), 1..) = (self.features().next(), self.training.negatives) {
            sql.push_str(&format!("\nUNION ALL\n{}", self.negatives(first)));
            said = format!(
                "The labels, and for each {} windows of {} whose entity has no label, by a hash with seed {}.",
                self.training.negatives, first.name, self.training.seed
            );
        }
        Step { name: ALL.to_owned(), comment: said, sql }
    }

    fn negatives(&self, first: &FeaturePlan) -> String {
        let columns = &first.columns[..first.key.len()];
        let text = |table: &str| {
            let fields: Vec<String> =
                columns.iter().map(|c| field(&format!("{table}.{}", name(&c.name)), c.ty)).collect();
            if fields.is_empty() { "''".to_owned() } else { format!("CONCAT({})", fields.join(", ")) }
        };
        let seed = string(&format!("{}:", self.training.seed));
        let hash =
            format!("FARM_FINGERPRINT(CONCAT({seed}, {}, CAST(UNIX_MICROS(f.window_end) AS STRING)))", text("f"));
        let mut items: Vec<String> = self.key().iter().map(|column| format!("f.{column}")).collect();
        items.push(format!("f.window_end AS {LABEL_TIME}"));
        items.push(format!("{} AS {LABEL}", literal(&self.training.negative())));
        items.push(format!("TRUE AS {SAMPLED}"));
        let wanted = format!("(SELECT COUNT(*) * {} AS wanted FROM {}) AS w", self.training.negatives, self.labels);
        let from = format!("{} AS f\nCROSS JOIN {wanted}", name(&first.name));
        let mut conditions = vec![format!("{} NOT IN (SELECT {} FROM {} AS l)", text("f"), text("l"), self.labels)];
        conditions.extend(self.range("f"));
        let body = select(&items, &from, &conditions);
        format!("{body}\nQUALIFY ROW_NUMBER() OVER (ORDER BY {hash}, {}, f.window_end) <= w.wanted", text("f"))
    }

    fn range(&self, table: &str) -> Vec<String> {
        if !self.ranged {
            return Vec::new();
        }
        // Partitions are days of event time, which is just before the window's end.
        vec![
            format!("{table}.event_time >= TIMESTAMP_SUB(tripline_from, INTERVAL 1 MICROSECOND)"),
            format!("{table}.event_time < tripline_to"),
        ]
    }

    /// Labels with a number, by which what features say comes back to them.
    fn numbered(&self) -> Step {
        let key: Vec<String> = self.key();
        let order: Vec<String> =
            [LABEL_TIME.to_owned()].into_iter().chain(key).chain([SAMPLED.to_owned(), LABEL.to_owned()]).collect();
        let number = format!("ROW_NUMBER() OVER (ORDER BY {}) AS label_number", order.join(", "));
        let comment = "Rows that are equal in all of that may change places.".to_owned();
        Step { name: NUMBERED.to_owned(), comment, sql: select(&["*".to_owned(), number], ALL, &[]) }
    }

    /// What a feature said of each label's entity before its time.
    fn known(&self, feature: &FeaturePlan) -> Step {
        let key: Vec<String> = feature.key_names().map(name).collect();
        let carried: Vec<String> =
            TrainingPlan::carried(feature).into_iter().map(|column| name(&feature.columns[column].name)).collect();
        let with_key = |more: &[String]| key.iter().cloned().chain(more.iter().cloned()).collect::<Vec<_>>();
        let window = with_key(&[
            "window_end AS at_time".to_owned(),
            "0 AS is_label".to_owned(),
            format!("{} AS label_number", literal(&Value::Null(crate::record::Type::Int64))),
            format!("STRUCT({}) AS held", carried.iter().map(|c| format!("{c} AS {c}")).collect::<Vec<_>>().join(", ")),
        ]);
        let label = with_key(&[
            format!("{LABEL_TIME} AS at_time"),
            "1 AS is_label".to_owned(),
            "label_number".to_owned(),
            "NULL AS held".to_owned(),
        ]);
        let windows = select(&window, &name(&feature.name), &self.range(&name(&feature.name)));
        let sequence = format!("{windows}\nUNION ALL\n{}", select(&label, NUMBERED, &[]));
        let partition = if key.is_empty() { String::new() } else { format!("PARTITION BY {} ", key.join(", ")) };
        let last = format!(
            "LAST_VALUE(held IGNORE NULLS) OVER ({partition}ORDER BY at_time, is_label\n  \
             ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS held"
        );
        let before = select(
            &["label_number".to_owned(), "at_time".to_owned(), "is_label".to_owned(), last],
            &format!("(\n{}\n)", super::query::indented(&sequence, "  ")),
            &[],
        );
        let age = interval(self.training.max_age.0);
        let known = format!("IF(held.window_end >= TIMESTAMP_SUB(at_time, {age}), held, NULL) AS known");
        let sql = select(
            &["label_number".to_owned(), known],
            &format!("(\n{}\n)", super::query::indented(&before, "  ")),
            &["is_label = 1".to_owned()],
        );
        let comment = format!("The last window of {} before each label.", feature.name);
        Step { name: name(&known_name(feature)), comment, sql }
    }
}

fn known_name(feature: &FeaturePlan) -> String {
    format!("training__known_{}", feature.name)
}
