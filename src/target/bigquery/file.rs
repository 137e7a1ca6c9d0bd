//! One file a relation: its table, and the replacement of a range of its days; and the manifest of them all.

use serde_json::{Value as Json, json};

use crate::plan::{Plan, SourcePlan};
use crate::record::{EventTime, Micros, flow};

use super::fill;
use super::ingest::INGEST_ID;
use super::pseudonym;
use super::query::{comment, indented};
use super::ranges;
use super::text::{name, timestamp};
use super::{Relation, Warehouse, text};

/// Days that are replaced, `[from, to)`; both midnight in UTC.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    pub from: EventTime,
    pub to: EventTime,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// From the output folder.
    pub path: String,
    pub text: String,
}

/// A table and the file that fills it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// What `--relation` calls it; a source's own name.
    pub relation: String,
    pub path: String,
    pub table: String,
    /// The tables that it reads.
    pub inputs: Vec<String>,
    /// How long before a day rows are read that count in it.
    pub look_back: Micros,
    pub kind: UnitKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    /// Only made; its rows are loaded.
    Source,
    /// Only made; keys of pseudonyms are pushed into it.
    Keys,
    /// Made anew, as a whole.
    Lookup,
    /// Only made; a file's networks are loaded, as a whole.
    Ranges,
    /// Replaced by day.
    Days,
}

/// Of a source's table, behind those of `source.yaml`.
pub(super) const ENGINE_COLUMNS: [&str; 3] = [flow::ADMIT_WATERMARK, flow::EVENT_DAY, INGEST_ID];

pub const MANIFEST: &str = "manifest.json";

/// Every relation's file, in the order in which they run, and the manifest.
pub fn files(warehouse: Warehouse<'_>, range: Option<Range>) -> Vec<File> {
    let mut files: Vec<File> =
        warehouse.sources.iter().map(|source| source_file(&source.name, &source_columns(source))).collect();
    if !pseudonym::ids(warehouse.sources).is_empty() {
        files.push(pseudonym::file(warehouse.plan));
    }
    let relations = warehouse.relations();
    files.extend(relations.iter().map(|relation| relation_file(warehouse, *relation, range)));
    let entries: Vec<Json> = relations.iter().map(|relation| entry(warehouse, *relation)).collect();
    let sources: Vec<Json> = warehouse.sources.iter().map(|source| source_entry(source)).collect();
    let manifest = json!({"version": 1, "sources": sources, "relations": entries});
    files.push(File { path: MANIFEST.to_owned(), text: format!("{manifest:#}\n") });
    files
}

impl Warehouse<'_> {
    /// All tables, each after those that it reads.
    pub fn units(&self) -> Vec<Unit> {
        let sources = self.sources.iter().map(|source| Unit {
            relation: source.name.clone(),
            path: format!("sources/{}.sql", source.name),
            table: source.name.clone(),
            inputs: Vec::new(),
            look_back: Micros(0),
            kind: UnitKind::Source,
        });
        let keys = self.makes_keys().then(|| Unit {
            relation: self.plan.keys_table().to_owned(),
            path: pseudonym::PATH.to_owned(),
            table: self.plan.keys_table().to_owned(),
            inputs: Vec::new(),
            look_back: Micros(0),
            kind: UnitKind::Keys,
        });
        let relations = self.relations().into_iter().map(|relation| Unit {
            relation: self.title(relation),
            path: path(*self, relation),
            table: self.table(relation),
            inputs: inputs(*self, relation),
            look_back: look_back(self.plan, relation),
            kind: match relation {
                Relation::Lookup(lookup) if ranges::is_loaded(lookup) => UnitKind::Ranges,
                Relation::Lookup(_) => UnitKind::Lookup,
                _ => UnitKind::Days,
            },
        });
        sources.chain(keys).chain(relations).collect()
    }

    /// The file of a unit, for these days where it has days.
    pub fn text(&self, unit: &Unit, range: Option<Range>) -> Option<String> {
        let file = match unit.kind {
            UnitKind::Source => {
                let source = self.sources.iter().find(|source| source.name == unit.table)?;
                source_file(&source.name, &source_columns(source))
            }
            UnitKind::Keys => pseudonym::file(self.plan),
            UnitKind::Lookup | UnitKind::Ranges | UnitKind::Days => self.file(&unit.table, range)?,
        };
        Some(file.text)
    }

    /// The file's statements one by one, as a dry run can judge them: BigQuery's stops behind the first CREATE, and takes
    /// nothing from variables. Each stands on its lines of the file, with days in the place of variables.
    pub fn judged(&self, unit: &Unit, range: Option<Range>) -> Option<Vec<String>> {
        let text = self.text(unit, range)?;
        if unit.kind != UnitKind::Days {
            return Some(vec![text]);
        }
        let [to, from] = bounds(range);
        let from = from.replace("tripline_to", &to);
        let (create, replace) = (text.find("\nCREATE ")? + 1, text.find("\n-- Replaces ")? + 1);
        let blank = |text: &str| "\n".repeat(text.matches('\n').count());
        let statement = text[replace..].replace(fill::LAST, &fill::last(Some(&from)));
        let statement = statement.replace("tripline_from", &from).replace("tripline_to", &to);
        Some(vec![
            format!("{}{}", blank(&text[..create]), &text[create..replace]),
            format!("{}{statement}", blank(&text[..replace])),
        ])
    }

    /// The file of one relation.
    pub fn file(&self, relation: &str, range: Option<Range>) -> Option<File> {
        Some(relation_file(*self, self.find(relation)?, range))
    }
}

fn path(warehouse: Warehouse<'_>, relation: Relation<'_>) -> String {
    let folder = match relation {
        Relation::Lookup(_) => "lookups/",
        Relation::Feature(_) => "features/",
        Relation::Rule(_) => "rules/",
        Relation::Flows | Relation::Hits | Relation::Alerts => "",
    };
    format!("{folder}{}.sql", warehouse.table(relation))
}

fn kind(relation: Relation<'_>) -> &'static str {
    match relation {
        Relation::Lookup(lookup) if ranges::is_loaded(lookup) => "ranges",
        Relation::Lookup(_) => "lookup",
        Relation::Flows => "flows",
        Relation::Feature(_) => "feature",
        Relation::Rule(_) => "rule",
        Relation::Hits => "hits",
        Relation::Alerts => "alerts",
    }
}

fn entry(warehouse: Warehouse<'_>, relation: Relation<'_>) -> Json {
    let partition = if matches!(relation, Relation::Lookup(_)) { Json::Null } else { json!("DATE(event_time)") };
    let columns = warehouse.columns(relation);
    let columns: Vec<Json> = columns.iter().map(|c| json!({"name": c.name, "type": c.ty.name()})).collect();
    json!({
        "relation": warehouse.title(relation),
        "kind": kind(relation),
        "table": warehouse.table(relation),
        "file": path(warehouse, relation),
        "inputs": inputs(warehouse, relation),
        "columns": columns,
        "look_back": look_back(warehouse.plan, relation).to_string(),
        "partition_by": partition,
        "cluster_by": warehouse.cluster(relation),
        "labels": {"tripline": kind(relation)},
    })
}

fn inputs(warehouse: Warehouse<'_>, relation: Relation<'_>) -> Vec<String> {
    let mut inputs: Vec<String> = warehouse.reads(relation).into_iter().map(|read| warehouse.table(read)).collect();
    if matches!(relation, Relation::Flows) {
        inputs.extend(warehouse.sources.iter().map(|source| source.name.clone()));
        inputs.extend(warehouse.makes_keys().then(|| warehouse.plan.keys_table().to_owned()));
    }
    inputs
}

fn look_back(plan: &Plan, relation: Relation<'_>) -> Micros {
    match relation {
        Relation::Feature(feature) => plan.reads_back(feature),
        Relation::Rule(rule) => {
            let branches = rule.branches.iter();
            let back = branches.map(|branch| plan.joins_back(&branch.select.joins, branch.upstream));
            back.max().unwrap_or_default()
        }
        _ => Micros(0),
    }
}

fn source_entry(source: &SourcePlan) -> Json {
    let columns: Vec<Json> = source.raw.fields.iter().map(|f| json!({"name": f.name, "type": f.ty.name()})).collect();
    json!({"relation": source.name, "columns": columns, "partition_by": flow::EVENT_DAY})
}

/// The table that holds a source's decoded rows.
fn source_file(source: &str, columns: &[String]) -> File {
    let text = format!(
        "-- Decoded rows of {source}. Each row has its partition, the watermark before it (NULL where nothing was late)\n\
         -- and the ingest that it came with.\n\
         CREATE TABLE IF NOT EXISTS {} (\n  {}\n)\nPARTITION BY {}\nOPTIONS (labels = [('tripline', 'source')]);\n",
        name(source),
        columns.join(",\n  "),
        flow::EVENT_DAY
    );
    File { path: format!("sources/{source}.sql"), text }
}

fn source_columns(source: &SourcePlan) -> Vec<String> {
    let mut columns = decoded_columns(source);
    columns.push(format!("{INGEST_ID} STRING"));
    columns
}

/// What a row is made of, wherever it came from.
pub(super) fn decoded_columns(source: &SourcePlan) -> Vec<String> {
    let own = source.raw.fields.iter().map(|f| format!("{} {}", name(&f.name), f.ty));
    own.chain([format!("{} TIMESTAMP", flow::ADMIT_WATERMARK), format!("{} DATE", flow::EVENT_DAY)]).collect()
}

fn relation_file(warehouse: Warehouse<'_>, relation: Relation<'_>, range: Option<Range>) -> File {
    if let Relation::Lookup(lookup) = relation
        && ranges::is_loaded(lookup)
    {
        return ranges::file(lookup, path(warehouse, relation));
    }
    let query = warehouse.query(relation, true);
    let table = name(&warehouse.table(relation));
    let head = comment(&query.comment, "");
    let text = if let Relation::Lookup(_) = relation {
        format!(
            "{head}CREATE OR REPLACE TABLE {table}\nOPTIONS (labels = [('tripline', 'lookup')]) AS\n{};\n",
            query.body
        )
    } else {
        let mut declared = declare(range);
        if query.text().contains(fill::LAST) {
            let last = fill::last(Some("tripline_from"));
            declared.push_str(&format!("DECLARE {} TIMESTAMP DEFAULT {last};\n", fill::LAST));
        }
        let columns: Vec<String> = warehouse.columns(relation).iter().map(|c| name(&c.name)).collect();
        format!("{head}{declared}\n{}\n{}", create(warehouse, relation), replace(&table, &columns, &query.text()))
    };
    File { path: path(warehouse, relation), text }
}

/// Which days are replaced: those given, or yesterday, so that the text stays the same.
fn declare(range: Option<Range>) -> String {
    let [to, from] = bounds(range);
    format!("DECLARE tripline_to TIMESTAMP DEFAULT {to};\nDECLARE tripline_from TIMESTAMP DEFAULT {from};\n")
}

fn bounds(range: Option<Range>) -> [String; 2] {
    match range {
        Some(range) => [timestamp(range.to.0), timestamp(range.from.0)],
        None => [
            "TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), DAY)".to_owned(),
            "TIMESTAMP_SUB(tripline_to, INTERVAL 1 DAY)".to_owned(),
        ],
    }
}

fn create(warehouse: Warehouse<'_>, relation: Relation<'_>) -> String {
    let columns: Vec<String> =
        warehouse.columns(relation).iter().map(|c| format!("{} {}", text::name(&c.name), c.ty)).collect();
    let cluster: Vec<String> = warehouse.cluster(relation).iter().map(|column| name(column)).collect();
    let cluster = if cluster.is_empty() { String::new() } else { format!("\nCLUSTER BY {}", cluster.join(", ")) };
    format!(
        "CREATE TABLE IF NOT EXISTS {} (\n  {}\n)\nPARTITION BY DATE(event_time){cluster}\n\
         OPTIONS (labels = [('tripline', '{}')]);\n",
        name(&warehouse.table(relation)),
        columns.join(",\n  "),
        kind(relation)
    )
}

/// One statement, so that readers see the old days or the new ones.
fn replace(table: &str, columns: &[String], query: &str) -> String {
    let columns = columns.join(", ");
    format!(
        "-- Replaces the rows of these days; it can be run again.\nMERGE {table} AS old\nUSING (\n{}\n) AS computed\nON FALSE\n\
         WHEN NOT MATCHED BY SOURCE AND old.event_time >= tripline_from AND old.event_time < tripline_to THEN DELETE\n\
         WHEN NOT MATCHED BY TARGET THEN INSERT ({columns})\n  VALUES ({columns});\n",
        indented(query.trim_end(), "  ")
    )
}
