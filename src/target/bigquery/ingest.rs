//! What an ingest asks of BigQuery: a table that says what was loaded, tables that rows wait in, and one transaction that
//! puts them where they belong.

use crate::plan::SourcePlan;
use crate::record::flow;

use super::text::{name, string};

/// Says which inputs are in the dataset.
pub const INGESTS: &str = "tripline_ingests";
/// Of a source's table: the ingest that a row came with.
pub(super) const INGEST_ID: &str = "ingest_id";

/// Columns of [`INGESTS`] that tell inputs apart.
const KNOWN: [&str; 5] = ["ingest_id", "source", "input", "bytes", "digest"];

/// How long rows wait for the transaction, at most.
const WAITING_HOURS: u32 = 24;

pub fn create_ingests() -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {INGESTS} (\n  {INGEST_ID} STRING,\n  source STRING,\n  input STRING,\n  bytes INT64,\n  \
         digest STRING,\n  loaded_at TIMESTAMP\n);\n"
    )
}

/// The id, source, name, bytes and digest of every input.
pub fn known_inputs() -> String {
    format!("SELECT {} FROM {INGESTS} ORDER BY 1, 2, 3", KNOWN.join(", "))
}

/// A table for decoded rows of a source, until they are where they belong.
pub fn create_waiting(source: &SourcePlan, table: &str) -> String {
    format!(
        "CREATE TABLE {} (\n  {}\n)\nOPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL {WAITING_HOURS} HOUR));\n",
        name(table),
        super::file::decoded_columns(source).join(",\n  ")
    )
}

/// An input, as it is told in [`INGESTS`].
#[derive(Debug, Clone)]
pub struct LoadedInput {
    pub source: String,
    pub name: String,
    pub bytes: u64,
    pub digest: String,
}

/// Rows that wait, what they are, and what they replace.
pub struct Transaction<'a> {
    pub id: &'a str,
    pub inputs: &'a [LoadedInput],
    /// Ingests whose place it takes.
    pub replaces: &'a [String],
    /// Sources, each with the table that its rows wait in; none where it gave no row.
    pub sources: &'a [(&'a SourcePlan, Option<String>)],
}

/// One transaction: readers see all of an ingest or nothing of it.
pub fn commit(ingest: &Transaction<'_>) -> String {
    let mut text = "BEGIN TRANSACTION;\n".to_owned();
    let id = string(ingest.id);
    // Its own rows too: another process may load the same inputs, and of two transactions that delete one has to wait.
    let gone = ingest.replaces.iter().map(|id| string(id)).chain([id.clone()]).collect::<Vec<_>>().join(", ");
    for (source, _) in ingest.sources {
        text.push_str(&format!("DELETE FROM {} WHERE {INGEST_ID} IN ({gone});\n", name(&source.name)));
    }
    text.push_str(&format!("DELETE FROM {INGESTS} WHERE {INGEST_ID} IN ({gone});\n"));
    for (source, waiting) in ingest.sources {
        let Some(waiting) = waiting else { continue };
        let mut columns: Vec<String> = source.raw.fields.iter().map(|field| name(&field.name)).collect();
        columns.extend([flow::ADMIT_WATERMARK.to_owned(), flow::EVENT_DAY.to_owned()]);
        let columns = columns.join(", ");
        text.push_str(&format!(
            "INSERT INTO {} ({columns}, {INGEST_ID})\nSELECT {columns}, {id} FROM {};\n",
            name(&source.name),
            name(waiting)
        ));
    }
    let inputs = ingest.inputs.iter().map(|input| {
        let (source, name, digest) = (string(&input.source), string(&input.name), string(&input.digest));
        format!("({id}, {source}, {name}, {}, {digest}, CURRENT_TIMESTAMP())", input.bytes)
    });
    text.push_str(&format!(
        "INSERT INTO {INGESTS} ({}, loaded_at)\nVALUES {};\nCOMMIT TRANSACTION;\n",
        KNOWN.join(", "),
        inputs.collect::<Vec<_>>().join(",\n  ")
    ));
    text
}

/// Removes tables that nothing waits in any more.
pub fn drop_waiting(table: &str) -> String {
    format!("DROP TABLE IF EXISTS {};\n", name(table))
}

#[cfg(test)]
mod tests {
    use super::{LoadedInput, Transaction, commit};

    #[test]
    fn readers_see_all_or_nothing() {
        let input = LoadedInput { source: "log".into(), name: "it's".into(), bytes: 3, digest: "d".into() };
        let ingest = Transaction { id: "new", inputs: &[input], replaces: &["old".to_owned()], sources: &[] };
        let wanted = "BEGIN TRANSACTION;\n\
            DELETE FROM tripline_ingests WHERE ingest_id IN ('old', 'new');\n\
            INSERT INTO tripline_ingests (ingest_id, source, input, bytes, digest, loaded_at)\n\
            VALUES ('new', 'log', 'it\\'s', 3, 'd', CURRENT_TIMESTAMP());\n\
            COMMIT TRANSACTION;\n";
        assert_eq!(commit(&ingest), wanted);
    }
}
