//! Rows to parts: collected by day, sorted, written when there are many, whatever the order in which the days come.
//!
//! Memory is bounded by rows and bytes over all days: an input that jumps between many days gives more and smaller parts.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray, UInt32Array,
};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use parquet::arrow::ArrowWriter;

use crate::port::Store;
use crate::record::{Day, EventTime, flow};

use super::schema::{ADMIT, properties, schema};
use super::store::{part_path, staged};
use super::{HistoryError, Part};

/// How large things may become.
#[derive(Debug, Clone, Copy)]
pub struct PartLimits {
    /// Rows of one part.
    pub part_rows: usize,
    /// Rows of a row group: few enough that a look-back of minutes reads little, many enough to compress.
    pub row_group_rows: usize,
    /// Bytes that wait, over all days.
    pub waiting_bytes: usize,
}

impl Default for PartLimits {
    fn default() -> Self {
        Self { part_rows: 1 << 20, row_group_rows: 1 << 16, waiting_bytes: 256 << 20 }
    }
}

/// Rows of one ingest on their way into parts.
pub struct PartWriter {
    store: Arc<dyn Store>,
    id: String,
    schema: SchemaRef,
    about: Vec<(&'static str, String)>,
    days: BTreeMap<Day, Waiting>,
    waiting_bytes: usize,
    limits: PartLimits,
    /// The place of the next row in the log.
    position: i64,
    parts: Vec<Part>,
    by_day: BTreeMap<Day, DayRows>,
}

/// What a day got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayRows {
    pub rows: u64,
    pub late: u64,
}

#[derive(Default)]
struct Waiting {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl PartWriter {
    /// `about`: what the files' metadata say of them.
    pub fn new(store: Arc<dyn Store>, id: &str, mut about: Vec<(&'static str, String)>, limits: PartLimits) -> Self {
        about.push(("ingest", id.to_owned()));
        Self {
            store,
            id: id.to_owned(),
            schema: schema(),
            about,
            days: BTreeMap::new(),
            waiting_bytes: 0,
            limits,
            position: 0,
            parts: Vec::new(),
            by_day: BTreeMap::new(),
        }
    }

    /// Takes rows of `flows` in the order of the log, with the watermark before each.
    pub fn push(&mut self, flows: &RecordBatch, admit: &[i64]) -> Result<(), HistoryError> {
        let times = flows.column(flow::EVENT_TIME).as_primitive::<TimestampMicrosecondType>().values();
        let late = |row: usize| admit[row] > times[row];
        let marks = (0..times.len()).map(|row| late(row).then(|| admit[row])).collect::<TimestampMicrosecondArray>();
        let places = (self.position..).zip(0..times.len()).map(|(place, row)| late(row).then_some(place));
        let mut columns = flows.columns().to_vec();
        columns.push(Arc::new(marks.with_timezone("UTC")));
        columns.push(Arc::new(places.collect::<Int64Array>()) as ArrayRef);
        self.position = self.position.saturating_add(i64::try_from(times.len()).unwrap_or(i64::MAX));
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let mut by_day: BTreeMap<Day, Vec<u32>> = BTreeMap::new();
        for (row, time) in (0u32..).zip(times) {
            by_day.entry(Day::of(EventTime(*time))).or_default().push(row);
        }
        match by_day.len() {
            1 => by_day.into_keys().try_for_each(|day| self.add(day, rows.clone())),
            _ => by_day.into_iter().try_for_each(|(day, picks)| {
                let rows = take_record_batch(&rows, &UInt32Array::from(picks))?;
                self.add(day, rows)
            }),
        }
    }

    fn add(&mut self, day: Day, rows: RecordBatch) -> Result<(), HistoryError> {
        let late = rows.num_rows() - rows.column(ADMIT).null_count();
        let counts = self.by_day.entry(day).or_default();
        counts.rows += rows.num_rows() as u64;
        counts.late += late as u64;
        let bytes = bytes_of(&rows);
        let waiting = self.days.entry(day).or_default();
        waiting.rows += rows.num_rows();
        waiting.bytes += bytes;
        waiting.batches.push(rows);
        self.waiting_bytes += bytes;
        if waiting.rows >= self.limits.part_rows {
            self.write(day)?;
        }
        while self.waiting_bytes > self.limits.waiting_bytes {
            let largest = self.days.iter().max_by_key(|(_, waiting)| waiting.bytes).map(|(day, _)| *day);
            let Some(day) = largest else { break };
            self.write(day)?;
        }
        Ok(())
    }

    /// Writes what waits, and returns all parts.
    pub fn finish(&mut self) -> Result<Vec<Part>, HistoryError> {
        while let Some(day) = self.days.keys().next().copied() {
            self.write(day)?;
        }
        Ok(std::mem::take(&mut self.parts))
    }

    pub fn by_day(&self) -> &BTreeMap<Day, DayRows> {
        &self.by_day
    }

    fn write(&mut self, day: Day) -> Result<(), HistoryError> {
        let Some(waiting) = self.days.remove(&day) else { return Ok(()) };
        self.waiting_bytes -= waiting.bytes;
        let rows = sorted(&self.schema, waiting.batches)?;
        let number = self.parts.iter().filter(|part| Day::of(EventTime(part.first)) == day).count();
        let path = part_path(day, &self.id, number);
        let wrong = |source| HistoryError::Write { path: format!("{}/{path}", self.store.name()), source };
        let written = Arc::new(AtomicU64::new(0));
        let file = Counted { inner: self.store.create(&staged(&path))?, written: Arc::clone(&written) };
        let properties = properties(&self.about, self.limits.row_group_rows).map_err(wrong)?;
        let mut writer = ArrowWriter::try_new(file, Arc::clone(&self.schema), Some(properties)).map_err(wrong)?;
        writer.write(&rows).map_err(wrong)?;
        writer.into_inner().map_err(wrong)?.flush()?;
        let times = rows.column(flow::EVENT_TIME).as_primitive::<TimestampMicrosecondType>();
        let late = rows.num_rows() - rows.column(ADMIT).null_count();
        let in_time = (0..rows.num_rows()).find(|row| rows.column(ADMIT).is_null(*row));
        self.parts.push(Part {
            rows: rows.num_rows() as u64,
            late: late as u64,
            first_in_time: in_time.filter(|_| late > 0).map(|row| times.value(row)),
            bytes: written.load(Ordering::Relaxed),
            first: times.values().first().copied().unwrap_or_default(),
            last: times.values().last().copied().unwrap_or_default(),
            path,
        });
        Ok(())
    }
}

/// In the order of (event time, row id).
fn sorted(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<RecordBatch, HistoryError> {
    let rows = concat_batches(schema, &batches)?;
    drop(batches);
    let times = rows.column(flow::EVENT_TIME).as_primitive::<TimestampMicrosecondType>().values();
    let ids = rows.column(flow::ROW_ID).as_primitive::<Int64Type>().values();
    let order = |row: &u32| (times[*row as usize], ids[*row as usize]);
    let mut picks: Vec<u32> = (0u32..).take(rows.num_rows()).collect();
    if picks.is_sorted_by_key(order) {
        return Ok(rows);
    }
    picks.sort_by_key(order);
    Ok(take_record_batch(&rows, &UInt32Array::from(picks))?)
}

/// Of these rows alone: a batch may be a piece of a larger one.
fn bytes_of(rows: &RecordBatch) -> usize {
    let bytes = rows.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or_default());
    bytes.sum()
}

struct Counted {
    inner: Box<dyn Write + Send>,
    written: Arc<AtomicU64>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.written.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
