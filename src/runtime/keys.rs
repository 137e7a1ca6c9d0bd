//! Pseudonym keys into the table of a warehouse, padded as its statements need them. They are in no statement and in no
//! job's name: they are loaded from a file, which is gone behind it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use datafusion::arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::Schema;

use crate::port::warehouse::{LoadJob, Warehouse, WarehouseError};
use crate::record::pseudonym::BLOCK_BYTES;
use crate::record::{Column, MacKey};
use crate::target::bigquery::{add_keys, create_keys, create_waiting_keys, found_keys, ingest, key_columns};

use super::ingest::parts::writer;
use super::turn::Turn;

#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    #[error("cannot write the keys to a file: {0}\nhelp: TMPDIR names the folder that it is in for a moment")]
    File(#[from] io::Error),
    #[error(
        "{table} has another key with the id `{id}`\nhelp: give the new key an id of its own in `pseudonym_keys` of tripline.yaml"
    )]
    Other { table: String, id: String },
    #[error(
        "{table} has {rows} rows with the id `{id}`, and each statement that needs the key would fail\nhelp: take them away \
         (`DELETE FROM {table} WHERE key_id = '{id}'`), and push again"
    )]
    Rows { table: String, id: String, rows: u64 },
}

/// Adds keys by their ids to a table of the service's dataset, unless they are there; another one under such an id is told.
pub fn push(
    service: &dyn Warehouse,
    table: &str,
    keys: &[(String, Arc<MacKey>)],
    stop: &AtomicBool,
) -> Result<(), KeysError> {
    let turn = Turn::new("keys");
    turn.find_dataset(service)?;
    let folder = tempfile::Builder::new().prefix("tripline-keys-").tempdir()?;
    let file = folder.path().join("keys.parquet");
    let schema = Arc::new(Schema::new(key_columns().iter().map(Column::field).collect::<Vec<_>>()));
    let mut out = writer(&file, &schema)?;
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns(keys)).map_err(io::Error::other)?;
    out.write(&rows).map_err(io::Error::other)?;
    out.close().map_err(io::Error::other)?;
    turn.query(service, "table", create_keys(table), stop)?;
    let waiting = format!("tripline_waiting_keys_{}", turn.lot());
    turn.query(service, "waiting", create_waiting_keys(&waiting), stop)?;
    let load = LoadJob { name: turn.name("load"), file, table: waiting.clone(), labels: turn.labels(), again: false };
    let added =
        service.load(&load, stop).map_err(KeysError::from).and_then(|_| add(service, &turn, table, &waiting, stop));
    // It goes by itself too, later.
    let dropped = turn.query(service, "drop", ingest::drop_waiting(&waiting), stop);
    added?;
    dropped?;
    Ok(())
}

fn add(service: &dyn Warehouse, turn: &Turn, table: &str, waiting: &str, stop: &AtomicBool) -> Result<(), KeysError> {
    let found = |job: &str| -> Result<Vec<Found>, KeysError> {
        let done = turn.query(service, job, found_keys(table, waiting), stop)?;
        let mut rows = Vec::new();
        service.rows(&done.id, &mut |page| rows.extend(page.into_iter().map(Found::of)))?;
        Ok(rows)
    };
    let wrong = |found: Vec<Found>, rows: std::ops::RangeInclusive<u64>| {
        found.into_iter().find_map(|Found { id, found, others }| {
            let table = table.to_owned();
            match (others, rows.contains(&found)) {
                (0, true) => None,
                (0, false) => Some(KeysError::Rows { table, id, rows: found }),
                _ => Some(KeysError::Other { table, id }),
            }
        })
    };
    wrong(found("compare")?, 0..=1).map_or(Ok(()), Err)?;
    turn.query(service, "add", add_keys(table, waiting), stop)?;
    // Another push at the same time has added them too.
    wrong(found("look")?, 1..=1).map_or(Ok(()), Err)
}

/// What a table has of a key: rows with its id, and those of them with another key.
struct Found {
    id: String,
    found: u64,
    others: u64,
}

impl Found {
    /// What cannot be read is not as it should be.
    fn of(cells: Vec<Option<String>>) -> Self {
        let mut cells = cells.into_iter().map(Option::unwrap_or_default);
        let id = cells.next().unwrap_or_default();
        let mut count = || cells.next().and_then(|cell| cell.parse().ok()).unwrap_or(u64::MAX);
        Self { id, found: count(), others: count() }
    }
}

fn columns(keys: &[(String, Arc<MacKey>)]) -> Vec<ArrayRef> {
    let ids: StringArray = keys.iter().map(|(id, _)| Some(id.as_str())).collect();
    let pads: Vec<[[u8; BLOCK_BYTES]; 2]> = keys.iter().map(|(_, key)| key.pads()).collect();
    let pad =
        |which: usize| -> ArrayRef { Arc::new(pads.iter().map(|pads| Some(pads[which])).collect::<BinaryArray>()) };
    vec![Arc::new(ids), pad(0), pad(1)]
}
