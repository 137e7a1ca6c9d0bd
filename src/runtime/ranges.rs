//! The rows of a table of ranges, in batches: to be written to a file, or loaded into a warehouse.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::ScalarValue;

use crate::mmdb::Damaged;
use crate::plan::LookupPlan;
use crate::port::warehouse::{JobDone, LoadJob, QueryJob, Trouble, Warehouse, WarehouseError};
use crate::record::{Column, Value};
use crate::target::bigquery::{create_waiting_ranges, range_columns, range_rows, replace_ranges};
use crate::target::datafusion::scalar;

use super::ingest::parts::{PART_BYTES, writer};
use super::turn::Turn;

const BATCH_ROWS: usize = 1 << 16;

#[derive(Debug, thiserror::Error)]
pub enum RangesError {
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error("cannot write rows: {0}")]
    Write(#[from] io::Error),
}

pub fn schema(lookup: &LookupPlan) -> SchemaRef {
    Arc::new(Schema::new(range_columns(lookup).iter().map(Column::field).collect::<Vec<_>>()))
}

/// All rows, batch by batch; tells how many.
pub fn each_batch(
    lookup: &LookupPlan,
    write: &mut dyn FnMut(&RecordBatch) -> io::Result<()>,
) -> Result<u64, RangesError> {
    let schema = schema(lookup);
    let mut waiting: Vec<Vec<Value>> = Vec::new();
    let mut count = 0;
    for row in range_rows(lookup)? {
        waiting.push(row?);
        count += 1;
        if waiting.len() == BATCH_ROWS {
            write(&batch(&schema, &waiting)?)?;
            waiting.clear();
        }
    }
    if !waiting.is_empty() {
        write(&batch(&schema, &waiting)?)?;
    }
    Ok(count)
}

fn batch(schema: &SchemaRef, rows: &[Vec<Value>]) -> io::Result<RecordBatch> {
    let column = |at: usize| ScalarValue::iter_to_array(rows.iter().filter_map(|row| row.get(at)).map(scalar));
    let columns: Result<Vec<ArrayRef>, _> = (0..schema.fields().len()).map(column).collect();
    RecordBatch::try_new(Arc::clone(schema), columns.map_err(io::Error::other)?).map_err(io::Error::other)
}

/// Parquet files, none larger than what is sent in one request.
fn write_parts(lookup: &LookupPlan, folder: &Path) -> Result<Vec<PathBuf>, RangesError> {
    let schema = schema(lookup);
    let mut parts: Vec<PathBuf> = Vec::new();
    let mut open: Option<parquet::arrow::ArrowWriter<File>> = None;
    each_batch(lookup, &mut |rows| {
        let out = match &mut open {
            Some(out) => out,
            none => {
                let path = folder.join(format!("{}.parquet", parts.len()));
                parts.push(path.clone());
                none.insert(writer(&path, &schema)?)
            }
        };
        out.write(rows)?;
        if out.bytes_written() + out.in_progress_size() >= PART_BYTES
            && let Some(done) = open.take()
        {
            done.close()?;
        }
        Ok(())
    })?;
    if let Some(done) = open {
        done.close().map_err(io::Error::other)?;
    }
    Ok(parts)
}

/// Loads a lookup's rows and puts them in the place of those that its table has. `job` is the last step, by name.
pub fn load(
    service: &dyn Warehouse,
    lookup: &LookupPlan,
    job: QueryJob,
    stop: &AtomicBool,
) -> Result<JobDone, WarehouseError> {
    let turn = Turn::new("ranges");
    let failed = |error: RangesError| WarehouseError {
        asked: format!("rows of the lookup {}", lookup.name),
        ..turn.error(Trouble::Other, error.to_string(), None)
    };
    let folder = tempfile::Builder::new().prefix("tripline-ranges-").tempdir();
    let folder = folder.map_err(|error| failed(error.into()))?;
    let parts = write_parts(lookup, folder.path()).map_err(failed)?;
    let waiting = format!("tripline_waiting_{}_{}", lookup.name, turn.lot());
    turn.query(service, "waiting", create_waiting_ranges(lookup, &waiting), stop)?;
    for (number, file) in parts.into_iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Err(turn.error(Trouble::Stopped, "stopped".to_owned(), None));
        }
        let name = turn.name(&format!("load-{number}"));
        let load = LoadJob { name, file, table: waiting.clone(), labels: turn.labels(), again: false };
        service.load(&load, stop)?;
    }
    let done = service.run(&QueryJob { sql: replace_ranges(lookup, &waiting), ..job }, stop);
    // It goes by itself too.
    let _ = turn.query(service, "drop", crate::target::bigquery::ingest::drop_waiting(&waiting), stop);
    done
}
