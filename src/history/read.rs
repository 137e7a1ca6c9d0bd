//! Flows of a span of time, as a log that a graph can take: pruned by the files' statistics, only the columns that
//! somebody reads, in the order of event time.
//!
//! A late row is put where it was in its log as far as that matters: behind the windows that were over when it came, before
//! those that were not. Rows that missed nothing are as good as in time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, new_null_array};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::statistics::Statistics;

use crate::pipeline::admission::Admission;
use crate::pipeline::batch::{self, AdmittedBatch, FlowBatch};
use crate::pipeline::merge::BEFORE_ALL;
use crate::record::{EventTime, flow};

use super::schema::{ADMIT, POSITION, schema};
use super::{History, HistoryError, Part};

/// Rows of one batch.
pub const BATCH_ROWS: usize = 8_192;

/// What is read.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// By column of `flows`.
    pub columns: Vec<bool>,
    pub from: EventTime,
    /// Before this.
    pub to: EventTime,
    /// Rows that are read at once.
    pub batch_rows: usize,
}

/// The parts, and of each the row groups, that have rows of the span.
pub struct Scan {
    pub parts: Vec<PartScan>,
}

pub struct PartScan {
    /// Where it is now.
    pub path: String,
    pub part: Part,
    /// The place of its ingest among the ingests.
    log: usize,
    metadata: ArrowReaderMetadata,
    row_groups: Vec<usize>,
    columns: Vec<usize>,
    /// Of the row groups and columns that are read.
    pub rows: u64,
    pub bytes: u64,
}

impl Scan {
    pub fn new(history: &History, wanted: &Wanted) -> Result<Self, HistoryError> {
        let mut parts = Vec::new();
        for (log, part) in history.parts() {
            if part.last >= wanted.from.0 && part.first < wanted.to.0 {
                parts.push(PartScan::new(history, log, part, wanted)?);
            }
        }
        parts.sort_by_key(|part| (part.part.first, part.log));
        Ok(Self { parts })
    }

    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows).sum()
    }

    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// A fault that a test plants: the last row group is not read.
    pub fn lose_row_group(&mut self) {
        if let Some(part) = self.parts.last_mut() {
            part.row_groups.pop();
        }
    }

    /// A fault that a test plants: nobody knows which rows were late.
    pub fn lose_watermarks(&mut self) {
        self.parts.iter_mut().for_each(|part| part.columns.retain(|column| *column < ADMIT));
    }
}

impl PartScan {
    fn new(history: &History, log: usize, part: &Part, wanted: &Wanted) -> Result<Self, HistoryError> {
        let path = history.place(part)?;
        let failed = |source| HistoryError::Part { path: format!("{}/{path}", history.store().name()), source };
        let file = history.store().open(&path)?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()).map_err(failed)?;
        let known = schema();
        let mut columns = vec![flow::EVENT_TIME];
        columns.extend(wanted.columns.iter().enumerate().filter(|(_, wanted)| **wanted).map(|(column, _)| column));
        if part.late > 0 {
            columns.extend([ADMIT, POSITION]);
        }
        columns.sort_unstable();
        columns.dedup();
        for column in &columns {
            let field = known.field(*column);
            let found = metadata.schema().fields().get(*column);
            if found.is_none_or(|found| found.name() != field.name() || found.data_type() != field.data_type()) {
                let path = format!("{}/{path}", history.store().name());
                return Err(HistoryError::Column { path, column: field.name().clone() });
            }
        }
        let mut scan =
            Self { path, part: part.clone(), log, metadata, row_groups: Vec::new(), columns, rows: 0, bytes: 0 };
        scan.prune(wanted);
        Ok(scan)
    }

    /// Keeps the row groups that may have rows of the span.
    fn prune(&mut self, wanted: &Wanted) {
        for (index, group) in self.metadata.metadata().row_groups().iter().enumerate() {
            let times = group.column(flow::EVENT_TIME).statistics();
            let outside = match times {
                Some(Statistics::Int64(times)) => {
                    times.max_opt().is_some_and(|last| *last < wanted.from.0)
                        || times.min_opt().is_some_and(|first| *first >= wanted.to.0)
                }
                _ => false,
            };
            if outside {
                continue;
            }
            self.row_groups.push(index);
            self.rows += u64::try_from(group.num_rows()).unwrap_or_default();
            let bytes = self.columns.iter().map(|column| group.column(*column).compressed_size());
            self.bytes += u64::try_from(bytes.sum::<i64>()).unwrap_or_default();
        }
    }
}

/// Flows in the order in which a graph needs them.
pub struct Feed<'a> {
    history: &'a History,
    admission: Admission,
    from: i64,
    to: i64,
    /// Parts that are not open yet, the first to come at the end.
    closed: Vec<PartScan>,
    open: Vec<Lane>,
    /// Late rows that have been read, by watermark, log and place.
    late: BTreeMap<(i64, usize, i64, usize), FlowBatch>,
    /// Ready to be given.
    ready: VecDeque<AdmittedBatch>,
    watermark: i64,
    batch_rows: usize,
    nulls: Vec<ArrayRef>,
    schema: SchemaRef,
    /// Late rows that were left out, for they count nowhere.
    pub left_out: u64,
    /// Late rows in the order in which they were read.
    seen_late: usize,
}

/// An open part.
struct Lane {
    log: usize,
    path: String,
    reader: ParquetRecordBatchReader,
    columns: Vec<usize>,
    rows: RecordBatch,
    times: Vec<i64>,
    admit: Vec<i64>,
    next: usize,
}

impl<'a> Feed<'a> {
    pub fn new(history: &'a History, scan: Scan, wanted: &Wanted, admission: Admission) -> Self {
        let schema = batch::schema(&flow::columns());
        let nulls = schema.fields().iter().map(|field| new_null_array(field.data_type(), wanted.batch_rows)).collect();
        let mut closed = scan.parts;
        closed.reverse();
        Self {
            history,
            admission,
            from: wanted.from.0,
            to: wanted.to.0,
            closed,
            open: Vec::new(),
            late: BTreeMap::new(),
            ready: VecDeque::new(),
            watermark: BEFORE_ALL,
            batch_rows: wanted.batch_rows,
            nulls,
            schema,
            left_out: 0,
            seen_late: 0,
        }
    }

    /// Rows, and the watermark after them: no window that ends at or before it gets a further row.
    pub fn step(&mut self) -> Result<Option<AdmittedBatch>, HistoryError> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            let Some(until) = self.fill()? else {
                return Ok(None);
            };
            let admit = self.late.first_key_value().map(|((admit, ..), _)| *admit);
            match admit {
                Some(admit) if admit <= until => {
                    self.take_in_time(admit.saturating_sub(1), admit);
                    self.take_late(admit)?;
                }
                _ => self.take_in_time(until, until),
            }
        }
    }

    /// Reads until it is known which rows come next; returns the time up to which all rows have been read. `None` at the end.
    fn fill(&mut self) -> Result<Option<i64>, HistoryError> {
        loop {
            let mut lane = 0;
            while lane < self.open.len() {
                if self.load(lane)? {
                    lane += 1;
                } else {
                    self.open.remove(lane);
                }
            }
            let until = self.open.iter().filter_map(|lane| lane.times.last().copied()).min();
            match self.closed.last() {
                Some(part) if until.is_none_or(|until| part.part.first <= until) => {
                    if let Some(part) = self.closed.pop() {
                        self.open(part)?;
                    }
                }
                _ if until.is_none() && self.late.is_empty() => return Ok(None),
                _ => return Ok(Some(until.unwrap_or(i64::MAX))),
            }
        }
    }

    fn open(&mut self, part: PartScan) -> Result<(), HistoryError> {
        let failed = |source| HistoryError::Part { path: part.path.clone(), source };
        let file = self.history.store().open(&part.path)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, part.metadata);
        let mask = ProjectionMask::roots(builder.parquet_schema(), part.columns.iter().copied());
        let builder = builder.with_projection(mask).with_row_groups(part.row_groups).with_batch_size(self.batch_rows);
        let reader = builder.build().map_err(failed)?;
        self.open.push(Lane {
            log: part.log,
            path: part.path,
            reader,
            columns: part.columns,
            rows: RecordBatch::new_empty(Arc::clone(&self.schema)),
            times: Vec::new(),
            admit: Vec::new(),
            next: 0,
        });
        Ok(())
    }

    /// Sees to it that an open part has rows in hand; false when it has ended.
    fn load(&mut self, lane: usize) -> Result<bool, HistoryError> {
        loop {
            let lane = &mut self.open[lane];
            if lane.next < lane.times.len() {
                return Ok(true);
            }
            let failed = |source| HistoryError::Rows { path: lane.path.clone(), source };
            let Some(rows) = lane.reader.next().transpose().map_err(failed)? else { return Ok(false) };
            let (from, to) = (self.from, self.to);
            let late = lane.take(&rows, &self.schema, &self.nulls, from..to, &self.admission)?;
            for row in late {
                if row.counts_nowhere {
                    self.left_out += 1;
                } else {
                    self.seen_late += 1;
                    self.late.insert((row.admit, row.log, row.position, self.seen_late), row.flow);
                }
            }
        }
    }

    /// Gives all rows in hand of at most that time; after them the watermark is the other.
    fn take_in_time(&mut self, until: i64, watermark: i64) {
        let mut batches: Vec<AdmittedBatch> = Vec::new();
        for lane in &mut self.open {
            let end = lane.times.partition_point(|time| *time <= until);
            if end > lane.next {
                let (start, rows) = (lane.next, end - lane.next);
                let flows = FlowBatch {
                    rows: lane.rows.slice(start, rows),
                    times: lane.times[start..end].to_vec(),
                    origins: Vec::new(),
                    duplicates: Vec::new(),
                };
                let admit = lane.admit[start..end].to_vec();
                batches.push(AdmittedBatch { flows, admit, watermark: self.watermark });
                lane.next = end;
            }
        }
        self.watermark = self.watermark.max(watermark);
        if let Some(last) = batches.last_mut() {
            last.watermark = self.watermark;
        }
        self.ready.extend(batches);
    }

    /// Gives the late rows that came at that watermark.
    fn take_late(&mut self, admit: i64) -> Result<(), HistoryError> {
        let mut flows = Vec::new();
        while let Some(entry) = self.late.first_entry() {
            if entry.key().0 != admit {
                break;
            }
            flows.push(entry.remove());
        }
        let rows = concat_batches(&self.schema, flows.iter().map(|flow| &flow.rows))?;
        let times: Vec<i64> = flows.iter().flat_map(|flow| flow.times.iter().copied()).collect();
        self.watermark = self.watermark.max(admit);
        let admit = vec![admit; times.len()];
        let flows = FlowBatch { rows, times, origins: Vec::new(), duplicates: Vec::new() };
        self.ready.push_back(AdmittedBatch { flows, admit, watermark: self.watermark });
        Ok(())
    }
}

/// A row whose place in the log matters.
struct LateRow {
    admit: i64,
    log: usize,
    position: i64,
    counts_nowhere: bool,
    flow: FlowBatch,
}

impl Lane {
    /// Takes what was read of the part; returns the rows that have to wait for their place.
    fn take(
        &mut self,
        read: &RecordBatch,
        schema: &SchemaRef,
        nulls: &[ArrayRef],
        span: std::ops::Range<i64>,
        admission: &Admission,
    ) -> Result<Vec<LateRow>, HistoryError> {
        let column = |wanted: usize| {
            let place = self.columns.iter().position(|column| *column == wanted)?;
            Some(read.column(place))
        };
        let missing = || HistoryError::Column { path: self.path.clone(), column: "event_time".to_owned() };
        let times = column(flow::EVENT_TIME).ok_or_else(missing)?.as_primitive::<TimestampMicrosecondType>();
        let times: &[i64] = times.values();
        let start = times.partition_point(|time| *time < span.start);
        let end = times.partition_point(|time| *time < span.end);
        let rows = end.saturating_sub(start);
        let whole: Vec<Option<ArrayRef>> = (0..flow::COUNT)
            .map(|index| Some(column(index).map_or_else(|| nulls[index].slice(0, rows), |c| c.slice(start, rows))))
            .collect();
        let admit = column(ADMIT).map(|admit| admit.slice(start, rows));
        let position = column(POSITION).map(|position| position.slice(start, rows));
        let times = times[start..start + rows].to_vec();
        self.rows = batch::batch(schema, whole, rows)?;
        self.next = 0;
        self.admit = match &admit {
            Some(admit) => {
                let admit = admit.as_primitive::<TimestampMicrosecondType>();
                admit.iter().map(|at| at.unwrap_or(BEFORE_ALL)).collect()
            }
            None => vec![BEFORE_ALL; rows],
        };
        self.times = times;
        if admit.is_none_or(|admit| admit.null_count() == rows) {
            return Ok(Vec::new());
        }
        self.set_apart(position.as_ref(), admission)
    }

    fn set_apart(&mut self, position: Option<&ArrayRef>, admission: &Admission) -> Result<Vec<LateRow>, HistoryError> {
        let place = |row: usize| {
            let position = position?.as_primitive_opt::<Int64Type>()?;
            position.is_valid(row).then(|| position.value(row))
        };
        let flows = FlowBatch {
            rows: self.rows.clone(),
            times: std::mem::take(&mut self.times),
            origins: Vec::new(),
            duplicates: Vec::new(),
        };
        let (late, kept): (Vec<usize>, Vec<usize>) =
            (0..flows.times.len()).partition(|row| admission.misses_some(flows.times[*row], self.admit[*row]));
        let mut rows = Vec::with_capacity(late.len());
        for row in &late {
            let (time, admit) = (flows.times[*row], self.admit[*row]);
            rows.push(LateRow {
                admit,
                log: self.log,
                position: place(*row).unwrap_or_default(),
                counts_nowhere: admission.misses_all(time, admit),
                flow: flows.take(&[*row])?,
            });
        }
        if late.is_empty() {
            self.times = flows.times;
            return Ok(rows);
        }
        let picks: UInt32Array = kept.iter().map(|row| u32::try_from(*row).ok()).collect();
        self.rows = take_record_batch(&self.rows, &picks)?;
        self.times = kept.iter().map(|row| flows.times[*row]).collect();
        self.admit = kept.iter().map(|row| self.admit[*row]).collect();
        Ok(rows)
    }
}
