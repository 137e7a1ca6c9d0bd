//! Pseudonyms: HMAC-SHA-256 as two calls of SHA256 over padded keys, which are rows of a table. No key is in any text.
//!
//! A key that is not there is an error, and never a NULL in the place of a pseudonym; one that is there twice too.

use crate::plan::{Plan, SourcePlan};
use crate::record::pseudonym::{BLOCK_BYTES, CODE_BYTES};
use crate::record::{Column, RawField, Type};

use super::file::File;
use super::query::Step;
use super::text::{name, string};

/// The keys that a statement needs, as its pseudonyms read them.
const STEP: &str = "tripline__keys";
pub(super) const PATH: &str = "keys.sql";

/// Of every pseudonym.
const FORM: &str = "^[A-Za-z_][A-Za-z0-9_]*_[0-9a-f]{32}$";
const LABELS: &str = "labels = [('tripline', 'keys')]";
/// How long keys wait to be put into their table, at most.
const WAITING: &str = "expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 1 HOUR)";

/// Of the table of keys.
pub fn key_columns() -> [Column; 3] {
    [("key_id", Type::String), ("ipad", Type::Bytes), ("opad", Type::Bytes)]
        .map(|(column, ty)| Column::new(column, ty, false))
}

/// Its name, with the dataset's where it is in another.
pub(super) fn table(plan: &Plan) -> String {
    plan.keys_table().split('.').map(name).collect::<Vec<_>>().join(".")
}

/// The project, the dataset and the table that a table's name says.
pub fn parts(table: &str) -> [Option<String>; 3] {
    let mut parts = table.rsplit('.').map(str::to_owned);
    let (table, dataset, project) = (parts.next(), parts.next(), parts.next());
    [project, dataset, table]
}

/// The ids of the keys under which these sources make pseudonyms there.
pub(super) fn ids(sources: &[&SourcePlan]) -> Vec<String> {
    let mut ids: Vec<String> = sources.iter().flat_map(|source| source.pseudonym_ids()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// None where no key is needed.
pub(super) fn step(plan: &Plan, sources: &[&SourcePlan]) -> Option<Step> {
    let ids = ids(sources);
    if ids.is_empty() {
        return None;
    }
    let list: Vec<String> = ids.iter().map(|id| string(id)).collect();
    let pad = |pad: &str| {
        let missing = format!("ERROR(CONCAT({}, id))", string(&format!("{} has no key ", plan.keys_table())));
        format!("IF(BYTE_LENGTH({pad}) = {BLOCK_BYTES}, {pad}, {missing}) AS {pad}")
    };
    Some(Step {
        name: STEP.to_owned(),
        comment: "Keys of pseudonyms; without one nothing is computed.".to_owned(),
        sql: format!(
            "SELECT\n  id AS key_id,\n  {},\n  {}\nFROM UNNEST([{}]) AS id\nLEFT JOIN {}\n  ON key_id = id",
            pad("ipad"),
            pad("opad"),
            list.join(", "),
            table(plan)
        ),
    })
}

/// Of a value that is printed, under the key with this id.
pub(super) fn pseudonym(value: &str, ty: Type, id: &str) -> String {
    let pad = |pad: &str| format!("(SELECT {pad} FROM {STEP} WHERE key_id = {})", string(id));
    let bytes = if ty == Type::Bytes { value.to_owned() } else { format!("CAST({value} AS BYTES)") };
    format!(
        "CONCAT({}, TO_HEX(SUBSTR(SHA256(CONCAT({}, SHA256(CONCAT({}, {bytes})))), 1, {CODE_BYTES})))",
        string(&format!("{id}_")),
        pad("opad"),
        pad("ipad")
    )
}

/// What else fills a source's table may not know that columns hold pseudonyms: what is none is an error, which does not say it.
pub(super) fn guards(source: &SourcePlan) -> Vec<String> {
    let fields = source.raw.fields.iter().filter(|field| field.pseudonym.is_some());
    let guard = |field: &RawField| {
        let column = name(&field.name);
        let message = format!("{} of {} has a value that is no pseudonym", field.name, source.name);
        format!("IF({column} IS NULL OR REGEXP_CONTAINS({column}, r'{FORM}'), TRUE, ERROR({}))", string(&message))
    };
    fields.map(guard).collect()
}

/// The table of keys, without any.
pub(super) fn file(plan: &Plan) -> File {
    let text = format!(
        "-- Keys of pseudonyms, padded as HMAC has them: who reads this table can tell whose a pseudonym is.\n\
         -- `tripline keys push` fills it; nothing else writes into it.\n\
         {}",
        create(&table(plan), "CREATE TABLE IF NOT EXISTS", LABELS)
    );
    File { path: PATH.to_owned(), text }
}

fn create(table: &str, head: &str, options: &str) -> String {
    let columns: Vec<String> = key_columns().iter().map(|column| format!("{} {}", column.name, column.ty)).collect();
    format!("{head} {table} (\n  {}\n)\nOPTIONS ({options});\n", columns.join(",\n  "))
}

/// The table of keys, where it is not there.
pub fn create_keys(table: &str) -> String {
    create(&name(table), "CREATE TABLE IF NOT EXISTS", LABELS)
}

/// A table for keys until they are where they belong.
pub fn create_waiting_keys(waiting: &str) -> String {
    create(&name(waiting), "CREATE TABLE", WAITING)
}

/// Of each key that waits, its id, how many rows of the table have that id, and how many of these another key, or none.
pub fn found_keys(table: &str, waiting: &str) -> String {
    format!(
        "SELECT\n  w.key_id,\n  COUNT(k.key_id) AS found,\n  COUNTIF(k.key_id IS NOT NULL AND (k.ipad IS DISTINCT FROM w.ipad OR \
         k.opad IS DISTINCT FROM w.opad)) AS others\nFROM {} AS w\nLEFT JOIN {} AS k\n  ON k.key_id = w.key_id\nGROUP BY \
         w.key_id\nORDER BY w.key_id\n",
        name(waiting),
        name(table)
    )
}

/// Adds those that are not there.
pub fn add_keys(table: &str, waiting: &str) -> String {
    let (table, waiting) = (name(table), name(waiting));
    format!(
        "INSERT INTO {table} (key_id, ipad, opad)\nSELECT key_id, ipad, opad\nFROM {waiting}\nWHERE key_id NOT IN (SELECT key_id \
         FROM {table} WHERE key_id IS NOT NULL)\n"
    )
}

/// Whether it is there under its bare name: a table of another dataset is its owners' business.
pub(super) fn is_own(plan: &Plan) -> bool {
    !plan.keys_table().contains('.')
}

/// An empty table in the place of one that is not there.
pub(super) fn absent(plan: &Plan) -> Step {
    let items: Vec<String> =
        key_columns().iter().map(|column| format!("CAST(NULL AS {}) AS {}", column.ty, column.name)).collect();
    Step {
        name: table(plan),
        comment: "Its table is not there.".to_owned(),
        sql: super::query::select(&items, "UNNEST(ARRAY<INT64>[])", &[]),
    }
}
