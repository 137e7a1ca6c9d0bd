//! Raw rows to `flows`: event time, the source's SELECT, `row_id`. What cannot be computed is rejected by row.

mod decoded;
mod row_id;

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use datafusion::arrow::compute::{filter_record_batch, take_record_batch};
use datafusion::arrow::datatypes::{Field, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;

use crate::plan::SourcePlan;
use crate::record::{Column, EventTime, MacKey, Origin, Reject, RejectReason, Type, Value, flow};
use crate::target::datafusion::{Lookups, LowerContext, LowerError, pseudonyms};

use super::batch::{self, FlowBatch};
use super::compiled::Compiled;
use super::halve::{Attempt, by_halves};
use super::ingest::RawBatch;

pub use decoded::{DecodedSchema, decoded};

/// The normalization of one source.
pub struct Normalizer {
    source: String,
    raw_schema: SchemaRef,
    /// The raw columns, and behind them the event time: what lookups hold depends on it.
    scope_schema: SchemaRef,
    /// For each raw column, its place among the wanted ones.
    raw_places: Vec<Option<usize>>,
    raw_ids: Vec<usize>,
    /// Raw columns whose values are known by their pseudonyms alone, each with its key and the key's id.
    pseudonyms: Vec<(usize, Arc<MacKey>, String)>,
    event_time: Compiled,
    filter: Option<Compiled>,
    flows_schema: SchemaRef,
    flows: Vec<FlowColumn>,
    dedupe: Vec<usize>,
    /// Some source has a content key: batches of all sources carry one.
    keyed: bool,
    keep_origins: bool,
    decoded: Option<(usize, Arc<DecodedSchema>)>,
}

/// What is kept beside the columns of `flows`.
#[derive(Debug, Clone, Default)]
pub struct Keep {
    /// Where each row came from.
    pub origins: bool,
    /// Content keys, for some source looks for duplicates.
    pub keys: bool,
    /// The decoded columns, of which this source is the one of that number.
    pub decoded: Option<(usize, Arc<DecodedSchema>)>,
}

/// The latest event time that a row may have, and the clock that says so.
#[derive(Debug, Clone, Copy)]
pub struct Latest {
    pub time: EventTime,
    pub now: EventTime,
}

/// A row that is rejected, by its place in the batch.
type Refused = (usize, RejectReason, String);

/// How a column of `flows` is made.
enum FlowColumn {
    Given(Compiled),
    RowId,
    EventTime,
    Constant(Value),
    Unread,
}

/// What became of a batch of raw rows.
pub struct Normalized {
    pub flows: FlowBatch,
    pub filtered: u64,
    pub rejects: Vec<Reject>,
}

/// Something went wrong that is not a row's fault.
#[derive(Debug, thiserror::Error)]
pub enum NormalizeError {
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

impl Normalizer {
    pub fn new(source: &SourcePlan, wanted: &[bool], keep: Keep, lookups: &Lookups) -> Result<Self, LowerError> {
        let fields = &source.raw.fields;
        let mut columns: Vec<Column> = fields.iter().map(|f| Column::new(f.name.clone(), f.ty, !f.required)).collect();
        columns.push(Column::new("event_time", Type::Timestamp, false));
        let mut next = 0;
        let raw_places = fields.iter().map(|f| {
            let place = next;
            next += usize::from(f.wanted);
            f.wanted.then_some(place)
        });
        let pseudonyms = fields.iter().enumerate().filter(|(_, field)| field.wanted);
        let pseudonyms = pseudonyms.filter_map(|(index, field)| Some((index, field.pseudonym.clone()?)));
        let pseudonyms = pseudonyms.map(|(index, id)| Ok((index, lookups.key(&id)?, id)));
        let raw = &columns[..fields.len()];
        let untimed = LowerContext { columns: raw, lookups, event_time: None };
        let scope = LowerContext { columns: &columns, lookups, event_time: Some(fields.len()) };
        let compile = |expr| Compiled::new(expr, scope);
        let mut flows = Vec::new();
        for ((column, expr), wanted) in flow::columns().iter().zip(&source.flows).zip(wanted) {
            flows.push(match (column.name.as_str(), expr) {
                _ if !wanted => FlowColumn::Unread,
                ("row_id", _) => FlowColumn::RowId,
                ("event_time", _) => FlowColumn::EventTime,
                ("source", _) => FlowColumn::Constant(Value::String(source.name.clone())),
                (_, Some(expr)) => FlowColumn::Given(compile(expr)?),
                ("sampling", None) => FlowColumn::Constant(Value::Int64(1)),
                ("outcome", None) => FlowColumn::Constant(Value::String(flow::OUTCOME_UNKNOWN.to_owned())),
                (_, None) => FlowColumn::Constant(Value::Null(column.ty)),
            });
        }
        Ok(Self {
            source: source.name.clone(),
            raw_schema: batch::schema(raw),
            scope_schema: batch::schema(&columns),
            raw_places: raw_places.collect(),
            pseudonyms: pseudonyms.collect::<Result<_, LowerError>>()?,
            raw_ids: (0..fields.len()).filter(|i| fields[*i].wanted).collect(),
            event_time: Compiled::new(&source.event_time, untimed)?,
            filter: source.filter.as_ref().map(compile).transpose()?,
            flows_schema: flows_schema(keep.decoded.as_ref().map(|(_, schema)| schema.as_ref())),
            flows,
            dedupe: source.dedupe.clone(),
            keyed: keep.keys,
            keep_origins: keep.origins,
            decoded: keep.decoded,
        })
    }

    /// Live input: rows after `latest` are rejected.
    pub fn run(&self, raw: &RawBatch, file: &Arc<str>, latest: Option<Latest>) -> Result<Normalized, NormalizeError> {
        let rows = raw.rows.num_rows();
        let mut columns: Vec<Option<ArrayRef>> =
            self.raw_places.iter().map(|place| place.map(|p| Arc::clone(raw.rows.column(p)))).collect();
        for (index, key, id) in &self.pseudonyms {
            columns[*index] = columns[*index].as_ref().map(|values| pseudonyms(key, id, values)).transpose()?;
        }
        let whole = batch::batch(&self.raw_schema, columns, rows)?;
        let mut out = Parts { filtered: 0, rejects: Vec::new(), batches: Vec::new() };
        let origin = |row: usize| Origin { file: Arc::clone(file), line: raw.lines[row], offset: raw.offsets[row] };
        let text = |row: usize| raw.raw.as_ref().map(|text| text.cut(row)).unwrap_or_default();
        let reject = |row: usize, reason, detail| Reject { reason, detail, origin: origin(row), raw: text(row) };
        let failed = by_halves(&whole, &mut |rows, first| {
            let (flows, filtered, refused) = self.attempt(rows, first, latest, &origin)?;
            out.filtered += filtered;
            out.rejects.extend(refused.into_iter().map(|(row, reason, detail)| reject(row, reason, detail)));
            out.batches.push(flows);
            Ok(())
        })?;
        out.rejects.extend(failed.into_iter().map(|(row, error)| {
            let detail = format!("normalization of {}: {error}", self.source);
            reject(row, RejectReason::BadArithmetic, detail)
        }));
        let flows = match out.batches.len() {
            1 => out.batches.swap_remove(0),
            _ => concat(&self.flows_schema, out.batches)?,
        };
        Ok(Normalized { flows, filtered: out.filtered, rejects: out.rejects })
    }

    fn attempt(
        &self,
        rows: &RecordBatch,
        first: usize,
        latest: Option<Latest>,
        origin: &dyn Fn(usize) -> Origin,
    ) -> Result<(FlowBatch, u64, Vec<Refused>), Attempt> {
        let count = rows.num_rows();
        let event_time = self.event_time.run(rows)?;
        let times = event_time.as_primitive::<TimestampMicrosecondType>();
        let mut refused = Vec::new();
        let mut kept: Vec<usize> = Vec::with_capacity(count);
        for (row, time) in times.iter().enumerate() {
            match (time, latest) {
                (None, _) => {
                    let detail = "the event time is NULL".to_owned();
                    refused.push((first + row, RejectReason::MissingEventTime, detail));
                }
                (Some(time), Some(latest)) if time > latest.time.0 => {
                    let detail = format!("event time {} is ahead of the clock, {}", EventTime(time), latest.now);
                    refused.push((first + row, RejectReason::FutureTimestamp, detail));
                }
                _ => kept.push(row),
            }
        }
        let mut columns = rows.columns().to_vec();
        columns.push(event_time);
        let mut rows = batch::leading(&self.scope_schema, columns, count)?;
        if !refused.is_empty() {
            rows = take_record_batch(&rows, &kept.iter().map(|row| *row as u64).collect::<UInt64Array>())?;
        }
        let timed = kept.len();
        if let Some(filter) = &self.filter {
            let mask = filter.mask(&rows)?;
            if mask.true_count() < rows.num_rows() {
                kept = kept.iter().zip(&mask).filter(|(_, keep)| *keep == Some(true)).map(|(row, _)| *row).collect();
                rows = filter_record_batch(&rows, &mask)?;
            }
        }
        let filtered = (timed - kept.len()) as u64;
        let origins = if self.keep_origins { kept.iter().map(|row| origin(first + row)).collect() } else { Vec::new() };
        Ok((self.flows(&rows, origins)?, filtered, refused))
    }

    fn flows(&self, rows: &RecordBatch, origins: Vec<Origin>) -> Result<FlowBatch, Attempt> {
        let count = rows.num_rows();
        let event_time = rows.column(self.raw_places.len());
        let times = event_time.as_primitive::<TimestampMicrosecondType>().values().to_vec();
        let decoded = || self.raw_ids.iter().map(|i| rows.column(*i)).collect::<Vec<_>>();
        let mut columns: Vec<Option<ArrayRef>> = Vec::with_capacity(self.flows.len());
        for (index, column) in self.flows.iter().enumerate() {
            columns.push(match column {
                FlowColumn::Given(expr) => Some(self.not_null(index, expr.run(rows)?)),
                FlowColumn::RowId => Some(Arc::new(row_id::row_ids(&self.source, &decoded(), count))),
                FlowColumn::EventTime => Some(Arc::clone(event_time)),
                FlowColumn::Constant(value) => Some(value.array(count)),
                FlowColumn::Unread => None,
            });
        }
        if let Some((source, schema)) = &self.decoded {
            columns.push(Some(schema.array(*source, &rows.columns()[..self.raw_places.len()], count)?));
        }
        let duplicates = if !self.keyed {
            Vec::new()
        } else if self.dedupe.is_empty() {
            vec![None; count]
        } else {
            // The source is part of the key: two sources may see the same connection.
            let source = Value::String(self.source.clone()).array(count);
            let columns = self.dedupe.iter().map(|i| rows.column(*i));
            let key: Vec<&ArrayRef> = columns.chain([event_time, &source]).collect();
            let whole = row_id::row_hashes(&decoded(), count);
            row_id::row_hashes(&key, count).into_iter().zip(whole).map(Some).collect()
        };
        Ok(FlowBatch { rows: batch::batch(&self.flows_schema, columns, count)?, times, origins, duplicates })
    }

    /// `outcome` and `sampling` are never NULL.
    fn not_null(&self, index: usize, array: ArrayRef) -> ArrayRef {
        if array.null_count() == 0 {
            return array;
        }
        match self.flows_schema.field(index).name().as_str() {
            "outcome" => {
                let filled = array.as_string::<i32>().iter().map(|v| Some(v.unwrap_or(flow::OUTCOME_UNKNOWN)));
                Arc::new(filled.collect::<StringArray>())
            }
            "sampling" => {
                let filled = array.as_primitive::<Int64Type>().iter().map(|v| Some(v.unwrap_or(1)));
                Arc::new(filled.collect::<datafusion::arrow::array::Int64Array>())
            }
            _ => array,
        }
    }
}

/// The columns of `flows`, and behind them what was decoded when that is kept.
fn flows_schema(decoded: Option<&DecodedSchema>) -> SchemaRef {
    let mut fields: Vec<Field> = flow::columns().iter().map(Column::field).collect();
    fields.extend(decoded.map(DecodedSchema::field));
    Arc::new(Schema::new(fields))
}

struct Parts {
    filtered: u64,
    rejects: Vec<Reject>,
    batches: Vec<FlowBatch>,
}

fn concat(schema: &SchemaRef, batches: Vec<FlowBatch>) -> Result<FlowBatch, ArrowError> {
    let rows = datafusion::arrow::compute::concat_batches(schema, batches.iter().map(|b| &b.rows))?;
    let mut whole = FlowBatch { rows, times: Vec::new(), origins: Vec::new(), duplicates: Vec::new() };
    for part in batches {
        whole.times.extend(part.times);
        whole.origins.extend(part.origins);
        whole.duplicates.extend(part.duplicates);
    }
    Ok(whole)
}
