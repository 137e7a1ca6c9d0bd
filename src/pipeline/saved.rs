//! State as bytes and back: what a graph holds between two entries of the log, so that a run goes on without reading all of
//! them again.
//!
//! Only what rows have changed is written; what a plan says is made from the plan again. A stage that was loaded gives what
//! the one that was saved would have given. Flows that windows keep for alerts are shared by many of them: each is
//! written once.

use std::io::{self, Read, Write};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::error::ArrowError;
use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ipc;
use super::window::evidence::{EvidenceRow, FirstRows};
use crate::record::EventTime;

/// What has state beside its plan.
pub trait Saved {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError>;
    /// Takes the place of the state that it has.
    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError>;
}

#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it cannot be read: {0}")]
    Unknown(String),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

impl From<postcard::Error> for SavedError {
    fn from(error: postcard::Error) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// The other values than a plan asks for.
pub fn mismatch(what: &str) -> SavedError {
    SavedError::Unknown(format!("{what} are those of another plan"))
}

pub struct Saver<'a> {
    out: &'a mut dyn Write,
    room: Vec<u8>,
    /// By its place in memory, the number of a flow that was written.
    flows: FxHashMap<usize, u32>,
}

impl<'a> Saver<'a> {
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, room: Vec::new(), flows: FxHashMap::default() }
    }

    /// A value, behind its length.
    pub fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SavedError> {
        let mut room = std::mem::take(&mut self.room);
        room.clear();
        self.room = postcard::to_extend(value, room)?;
        self.out.write_all(&(self.room.len() as u64).to_le_bytes())?;
        Ok(self.out.write_all(&self.room)?)
    }

    pub fn batch(&mut self, rows: &RecordBatch) -> Result<(), SavedError> {
        let mut bytes = Vec::new();
        ipc::write(rows, &mut bytes)?;
        self.out.write_all(&(bytes.len() as u64).to_le_bytes())?;
        Ok(self.out.write_all(&bytes)?)
    }

    /// Columns of so many rows.
    pub fn columns(&mut self, columns: &[ArrayRef], rows: usize) -> Result<(), SavedError> {
        let field =
            |(place, column): (usize, &ArrayRef)| Field::new(place.to_string(), column.data_type().clone(), true);
        let fields: Vec<Field> = columns.iter().enumerate().map(field).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns.to_vec(), &options)?;
        self.batch(&batch)
    }

    /// Flows behind some rows.
    pub fn flows_behind(&mut self, rows: &[FirstRows]) -> Result<(), SavedError> {
        self.put(&rows.len())?;
        rows.iter().try_for_each(|kept| self.flows(kept))
    }

    pub fn flows(&mut self, kept: &[EvidenceRow]) -> Result<(), SavedError> {
        let mut written: Vec<KeptFlow<'_>> = Vec::with_capacity(kept.len());
        for row in kept {
            let next = u32::try_from(self.flows.len()).unwrap_or(u32::MAX);
            let number = *self.flows.entry(row.flow.as_ptr().addr()).or_insert(next);
            let flow = if number == next { Flow::New(&row.flow) } else { Flow::Known(number) };
            written.push(KeptFlow { event_time: row.event_time.0, row_id: row.row_id, flow });
        }
        self.put(&written)
    }
}

#[derive(Serialize, Deserialize)]
struct KeptFlow<'a> {
    event_time: i64,
    row_id: i64,
    #[serde(borrow)]
    flow: Flow<'a>,
}

#[derive(Serialize, Deserialize)]
enum Flow<'a> {
    /// It has the next number.
    New(#[serde(borrow)] &'a [u8]),
    Known(u32),
}

pub struct Loader<'a> {
    from: &'a mut dyn Read,
    room: Vec<u8>,
    flows: Vec<Arc<[u8]>>,
}

impl<'a> Loader<'a> {
    pub fn new(from: &'a mut dyn Read) -> Self {
        Self { from, room: Vec::new(), flows: Vec::new() }
    }

    fn next(&mut self) -> Result<(), SavedError> {
        let mut length = [0; 8];
        self.from.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        self.room.clear();
        self.from.take(length).read_to_end(&mut self.room)?;
        match self.room.len() as u64 == length {
            true => Ok(()),
            false => Err(SavedError::Unknown("it ends too early".to_owned())),
        }
    }

    pub fn take<T: DeserializeOwned>(&mut self) -> Result<T, SavedError> {
        self.next()?;
        Ok(postcard::from_bytes(&self.room)?)
    }

    pub fn batch(&mut self) -> Result<RecordBatch, SavedError> {
        self.next()?;
        Ok(ipc::read(&self.room)?)
    }

    pub fn columns(&mut self) -> Result<Vec<ArrayRef>, SavedError> {
        Ok(self.batch()?.columns().to_vec())
    }

    pub fn flows_behind(&mut self) -> Result<Vec<FirstRows>, SavedError> {
        let rows: usize = self.take()?;
        (0..rows).map(|_| self.flows()).collect()
    }

    pub fn flows(&mut self) -> Result<FirstRows, SavedError> {
        self.next()?;
        let written: Vec<KeptFlow<'_>> = postcard::from_bytes(&self.room)?;
        let flows = &mut self.flows;
        let row = |kept: KeptFlow<'_>| {
            let flow = match kept.flow {
                Flow::New(bytes) => {
                    flows.push(Arc::from(bytes));
                    flows.last()
                }
                Flow::Known(number) => flows.get(number as usize),
            };
            let flow = flow.cloned().ok_or_else(|| SavedError::Unknown("a flow is missing".to_owned()))?;
            Ok(EvidenceRow { event_time: EventTime(kept.event_time), row_id: kept.row_id, flow })
        };
        written.into_iter().map(row).collect()
    }
}
