//! Emitted files as rows: JSON lines or Parquet, as a run writes them.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::ReaderBuilder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value as Json;

use crate::port::{Input, InputBytes};
use crate::record::alert::ALERTS;

use super::alerts;
use super::shape::Shape;

const BATCH_ROWS: usize = 4_096;

#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}{}: {error}\nhelp: it has to be what `tripline run` wrote of `{relation}`", at(*line))]
pub struct EmittedError {
    pub path: String,
    /// From 1; 0 where there are none.
    pub line: u64,
    pub relation: String,
    pub error: io::Error,
}

fn at(line: u64) -> String {
    if line == 0 { String::new() } else { format!(", line {line}") }
}

/// Takes rows of a shape.
pub type SeeRows<'a> = dyn FnMut(&RecordBatch) -> io::Result<()> + 'a;

/// Returns what is to be said of its columns.
pub fn read(input: &dyn Input, shape: &Shape, see: &mut SeeRows<'_>) -> Result<Vec<String>, EmittedError> {
    let path = input.name().to_string();
    let failed = |(line, error)| EmittedError { path: path.clone(), line, relation: shape.name.clone(), error };
    match input.open().map_err(|error| failed((0, error)))? {
        InputBytes::File(file) => parquet(file, shape, &path, see).map_err(|error| failed((0, error))),
        InputBytes::Stream(bytes) => {
            Lines { shape, path: &path, notes: Vec::new(), line: 0 }.read(bytes, see).map_err(failed)
        }
    }
}

fn parquet(file: std::fs::File, shape: &Shape, path: &str, see: &mut SeeRows<'_>) -> io::Result<Vec<String>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(io::Error::other)?;
    let names: BTreeSet<String> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
    let notes = unlike(shape, path, &names);
    let schema = shape.schema();
    for rows in reader.with_batch_size(BATCH_ROWS).build().map_err(io::Error::other)? {
        let rows = rows.map_err(io::Error::other)?;
        let column = |field: &Arc<datafusion::arrow::datatypes::Field>| -> io::Result<ArrayRef> {
            let Some(array) = rows.column_by_name(field.name()) else {
                return Err(io::Error::other(format!("it has no column {}", field.name())));
            };
            if array.data_type() != field.data_type() {
                return Err(io::Error::other(format!("column {} is {}", field.name(), array.data_type())));
            }
            Ok(Arc::clone(array))
        };
        let columns = schema.fields().iter().map(column).collect::<io::Result<Vec<_>>>()?;
        see(&RecordBatch::try_new(Arc::clone(&schema), columns).map_err(io::Error::other)?)?;
    }
    Ok(notes)
}

fn unlike(shape: &Shape, path: &str, there: &BTreeSet<String>) -> Vec<String> {
    let here: BTreeSet<String> = shape.columns.iter().map(|column| column.name.clone()).collect();
    let more = there.difference(&here).map(|name| format!("{path}: column {name} is not in {} here", shape.name));
    let less = here.difference(there).map(|name| format!("{path}: it has no column {name}"));
    more.chain(less).collect()
}

/// Of what a run writes; an alert holds a hundred flows at most.
const LINE_BYTES_MAX: u64 = 64 << 20;

type LineError = (u64, io::Error);

struct Lines<'a> {
    shape: &'a Shape,
    path: &'a str,
    notes: Vec<String>,
    /// Read so far.
    line: u64,
}

impl Lines<'_> {
    fn read(mut self, bytes: Box<dyn Read + Send>, see: &mut SeeRows<'_>) -> Result<Vec<String>, LineError> {
        let mut held: Vec<Vec<u8>> = Vec::new();
        let mut bytes = BufReader::new(bytes);
        loop {
            let mut line = Vec::new();
            let read = (&mut bytes).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            let read = read.map_err(|error| (self.line, error))?;
            if read as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
                let message = format!("the line is longer than {} MiB", LINE_BYTES_MAX >> 20);
                return Err((self.line + 1, io::Error::other(message)));
            }
            if read > 0 {
                if self.line == 0 {
                    self.first(&line)?;
                }
                self.line += 1;
                held.push(line);
            }
            if held.len() >= BATCH_ROWS || (read == 0 && !held.is_empty()) {
                let rows = self.rows(&held)?;
                see(&rows).map_err(|error| (self.line, error))?;
                held.clear();
            }
            if read == 0 {
                return Ok(self.notes);
            }
        }
    }

    /// The columns are those of the first line.
    fn first(&mut self, line: &[u8]) -> Result<(), LineError> {
        if self.shape.name == ALERTS {
            return Ok(());
        }
        let found: Json = serde_json::from_slice(line).map_err(|error| (1, error.into()))?;
        let Some(object) = found.as_object() else { return Err((1, io::Error::other("it is no JSON object"))) };
        // What names no row of the relation is of another one.
        if let Some(name) = self.shape.needed().find(|name| !object.contains_key(*name)) {
            return Err((1, io::Error::other(format!("it is no row of {}: it has no {name}", self.shape.name))));
        }
        self.notes = unlike(self.shape, self.path, &object.keys().cloned().collect());
        Ok(())
    }

    fn rows(&self, lines: &[Vec<u8>]) -> Result<RecordBatch, LineError> {
        let before = self.line - lines.len() as u64;
        if self.shape.name == ALERTS {
            let mut rows = Vec::with_capacity(lines.len());
            for (number, line) in (before + 1..).zip(lines) {
                let record: Json = serde_json::from_slice(line).map_err(|error| (number, error.into()))?;
                rows.push(alerts::row(&record).ok_or_else(|| (number, io::Error::other("it is no alert")))?);
            }
            return alerts::batch(&rows).map_err(|error| (0, io::Error::other(error)));
        }
        match self.decoded(lines) {
            Ok(rows) if rows.num_rows() == lines.len() => {
                if let Some(row) = (0..lines.len()).find(|row| rows.column(self.shape.time).is_null(*row)) {
                    let number = before + 1 + row as u64;
                    return Err((number, io::Error::other("its event_time is NULL")));
                }
                Ok(rows)
            }
            all => {
                // One of them is wrong: which?
                for (number, line) in (before + 1..).zip(lines) {
                    match self.decoded(std::slice::from_ref(line)) {
                        Ok(rows) if rows.num_rows() == 1 => {}
                        Ok(_) => return Err((number, io::Error::other("a line holds one JSON object"))),
                        Err(error) => return Err((number, io::Error::other(error))),
                    }
                }
                Err((0, all.map_or_else(io::Error::other, |_| io::Error::other("a line holds one JSON object"))))
            }
        }
    }

    fn decoded(&self, lines: &[Vec<u8>]) -> Result<RecordBatch, ArrowError> {
        let schema = self.shape.schema();
        let mut decoder = ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(BATCH_ROWS * 2).build_decoder()?;
        for line in lines {
            let mut rest = line.as_slice();
            while !rest.is_empty() {
                let taken = decoder.decode(rest)?;
                if taken == 0 {
                    return Err(ArrowError::JsonError("a line holds too many rows".to_owned()));
                }
                rest = &rest[taken..];
            }
        }
        Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(schema)))
    }
}
