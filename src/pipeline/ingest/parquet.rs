//! Parquet files: columns are matched by name and become of the schema's types, value by
//! value as the text formats do, so that a value that does not fit refuses its row alone.
//! A column that can never fit is an error before the first row.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use datafusion::arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::batch::{RawBatch, RawText, row_text};
use super::chunk::length;
use super::csv::Columns;
use super::decode::Part;
use super::error::IngestError;
use super::fields::{Fields, Kind};
use super::reader::{Control, ReaderOptions, Section};
use super::rows::{Rows, Span};
use super::value::RawValue;
use crate::port::{Input, InputBytes};
use crate::record::Reject;

const BATCH_ROWS: usize = 8_192;
/// Rows of a head's batch.
const HEAD_ROWS: usize = 16;
/// Of a row, to make batches about as long as the chunks of other formats.
const ROW_BYTES: usize = 128;

pub(super) struct ParquetParts {
    file: Arc<str>,
    reader: ParquetRecordBatchReader,
    /// Of the columns that are read.
    columns: Columns,
    /// Of all the file's columns: counts the undeclared ones.
    all: Columns,
    rows: Rows,
    keep_raw: bool,
    control: Arc<Control>,
    stored: u64,
    rows_total: u64,
    rows_read: u64,
}

impl ParquetParts {
    pub(super) fn open(input: &dyn Input, fields: &Arc<Fields>, options: &ReaderOptions) -> Result<Self, IngestError> {
        let file = input.name();
        let bytes = match input.open() {
            Ok(InputBytes::File(bytes)) => bytes,
            Ok(InputBytes::Stream(_)) => return Err(IngestError::NotParquet { file }),
            Err(source) => return Err(IngestError::Open { file, source }),
        };
        let failed = |source| IngestError::Parquet { file: Arc::clone(&file), source };
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(failed)?;
        let schema = Arc::clone(builder.schema());
        let all = Columns::new(schema.fields().iter().map(|field| field.name().as_str()), fields);
        let read = read_columns(&schema, &all, fields, &file)?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), read.iter().copied());
        let columns = Columns::new(read.iter().map(|index| schema.field(*index).name().as_str()), fields);
        let rows_total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
        let bytes = options.chunk_bytes.min(options.control.chunk_bytes_max.load(Ordering::Relaxed));
        let rows = if options.section == Section::Head { HEAD_ROWS } else { bytes / ROW_BYTES };
        let passed = if options.section == Section::Tail { HEAD_ROWS } else { 0 };
        let builder = builder.with_projection(mask).with_batch_size(rows.clamp(HEAD_ROWS, BATCH_ROWS));
        let reader = builder.with_offset(passed).build().map_err(failed)?;
        Ok(Self {
            reader,
            columns,
            all,
            rows: Rows::new(Arc::clone(fields), Arc::clone(&file), options.keep_raw),
            keep_raw: options.keep_raw,
            control: Arc::clone(&options.control),
            stored: input.size_bytes().unwrap_or_default(),
            rows_total,
            rows_read: length(passed).min(rows_total),
            file,
        })
    }

    /// Rows before the first that is read.
    pub(super) fn passed(&self) -> u64 {
        self.rows_read
    }

    pub(super) fn next(&mut self) -> Result<Option<Part>, IngestError> {
        if self.control.stopped() {
            return Ok(None);
        }
        let failed = |source| IngestError::Batch { file: Arc::clone(&self.file), source };
        let Some(columns) = self.reader.next().transpose().map_err(failed)? else { return Ok(None) };
        let cells = columns.columns().iter().map(Cells::new).collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let mut offered = 0;
        for row in 0..columns.num_rows() {
            offered += 1;
            let span = Span { start: 0, end: 0, line: length(row) };
            self.rows.push(&[], span, |slot| self.columns.of_slot(slot).map(|index| cells[index].get(row)));
        }
        self.all.count_undeclared(offered, &mut self.rows);
        let mut decoded = self.rows.finish().map_err(failed)?;
        let place = |line: u64| usize::try_from(line).unwrap_or(usize::MAX);
        for reject in decoded.rejects.iter_mut().filter(|_| self.keep_raw) {
            reject.raw = Reject::cut(row_text(&columns, place(reject.origin.line)).as_bytes());
        }
        let lines: Vec<u64> = decoded.spans.iter().map(|span| span.line).collect();
        let raw = self.keep_raw.then(|| RawText::of_columns(columns, lines.iter().map(|line| place(*line)).collect()));
        let before = self.progress();
        self.rows_read += offered;
        let batch = RawBatch {
            rows: decoded.rows,
            offsets: vec![0; lines.len()],
            lines,
            raw,
            rejects: decoded.rejects,
            offered,
            ignored: decoded.ignored,
            bytes: self.progress() - before,
        };
        Ok(Some(Part { batch, lines: offered, spare: None }))
    }

    /// Stored bytes read, as the rows read tell.
    fn progress(&self) -> u64 {
        let read = u128::from(self.stored) * u128::from(self.rows_read) / u128::from(self.rows_total.max(1));
        u64::try_from(read).unwrap_or(self.stored).min(self.stored)
    }
}

/// The columns to read, in the file's order.
fn read_columns(
    schema: &SchemaRef,
    all: &Columns,
    fields: &Fields,
    file: &Arc<str>,
) -> Result<Vec<usize>, IngestError> {
    let mut read = Vec::new();
    for field in &fields.fields {
        let present: Vec<usize> = field.slots.iter().filter_map(|slot| all.of_slot(*slot)).collect();
        if field.required && present.is_empty() {
            let column = fields.slots[field.slots[0]].clone();
            return Err(IngestError::MissingColumn { file: Arc::clone(file), column });
        }
        // A file has a column in all its rows, so that the first name counts for all.
        let Some(index) = present.first() else { continue };
        let column = schema.field(*index);
        if field.wanted && !fits(column.data_type(), field.kind) {
            return Err(IngestError::ColumnType {
                file: Arc::clone(file),
                column: column.name().clone(),
                found: column.data_type().to_string(),
                wanted: field.ty,
            });
        }
        read.push(*index);
    }
    read.sort_unstable();
    read.dedup();
    Ok(read)
}

/// Can values of this type become of that kind?
fn fits(found: &DataType, kind: Kind) -> bool {
    use DataType as T;
    match found {
        T::Dictionary(_, values) => fits(values, kind),
        T::Null | T::Utf8 | T::LargeUtf8 | T::Utf8View => true,
        T::Boolean => kind == Kind::Bool,
        T::Timestamp(_, _) => matches!(kind, Kind::Timestamp(_)),
        T::Date32 | T::Date64 => matches!(kind, Kind::Timestamp(_) | Kind::Date),
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => kind == Kind::Bytes,
        _ if found.is_numeric() => !matches!(kind, Kind::Bool | Kind::Bytes | Kind::Date),
        _ => false,
    }
}

/// A column's values in the widest type of their sort.
enum Values {
    Null,
    Long(Int64Array),
    Double(Float64Array),
    Text(StringArray),
    Bool(BooleanArray),
    Instant(TimestampMicrosecondArray),
    Day(Date32Array),
    Binary(BinaryArray),
    /// Of no type that is decoded: only there or not there.
    Opaque,
}

struct Cells {
    /// As read: tells a NULL from a value that the widest type cannot hold.
    read: ArrayRef,
    values: Values,
}

impl Cells {
    fn new(read: &ArrayRef) -> Result<Self, ArrowError> {
        use DataType as T;
        let sort = match read.data_type() {
            T::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        let to = |ty: DataType| cast(read, &ty);
        let values = match sort {
            T::Null => Values::Null,
            T::Boolean => Values::Bool(to(T::Boolean)?.as_boolean().clone()),
            T::Utf8 | T::LargeUtf8 | T::Utf8View => Values::Text(to(T::Utf8)?.as_string::<i32>().clone()),
            T::Float16 | T::Float32 | T::Float64 => {
                Values::Double(to(T::Float64)?.as_primitive::<Float64Type>().clone())
            }
            // The zone stays: leaving it out would shift the clock.
            T::Timestamp(_, zone) => {
                let micros = to(T::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
                Values::Instant(micros.as_primitive::<TimestampMicrosecondType>().clone())
            }
            T::Date32 | T::Date64 => Values::Day(to(T::Date32)?.as_primitive::<Date32Type>().clone()),
            T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => {
                Values::Binary(to(T::Binary)?.as_binary::<i32>().clone())
            }
            _ if sort.is_integer() => Values::Long(to(T::Int64)?.as_primitive::<Int64Type>().clone()),
            // Decimals: their text is exact.
            _ if sort.is_numeric() => Values::Text(to(T::Utf8)?.as_string::<i32>().clone()),
            _ => Values::Opaque,
        };
        Ok(Self { read: Arc::clone(read), values })
    }

    fn get(&self, row: usize) -> RawValue<'_> {
        let value = match &self.values {
            Values::Null => return RawValue::Null,
            Values::Opaque => None,
            Values::Long(all) => all.is_valid(row).then(|| RawValue::Int(all.value(row))),
            Values::Double(all) => all.is_valid(row).then(|| RawValue::Double(all.value(row))),
            Values::Text(all) => all.is_valid(row).then(|| RawValue::Text(all.value(row).as_bytes())),
            Values::Bool(all) => all.is_valid(row).then(|| RawValue::Bool(all.value(row))),
            Values::Instant(all) => all.is_valid(row).then(|| RawValue::Instant(all.value(row))),
            Values::Day(all) => all.is_valid(row).then(|| RawValue::Day(all.value(row))),
            Values::Binary(all) => all.is_valid(row).then(|| RawValue::Binary(all.value(row))),
        };
        match value {
            Some(value) => value,
            None if self.read.is_null(row) => RawValue::Null,
            None => RawValue::OutOfRange,
        }
    }
}
