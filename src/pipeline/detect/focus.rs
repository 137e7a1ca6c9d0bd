//! Whom somebody asks about, and when: which rows are looked at to say why a rule did not fire.

use datafusion::arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Focus {
    /// A value of some column; every row when there is none.
    pub entity: Option<String>,
    /// Rows whose window holds it; rows without a window within a minute of it.
    pub at: Option<i64>,
}

/// How far rows without a window may lie from the instant that is asked about.
const NEAR: i64 = 60_000_000;

impl Focus {
    /// The rows that are meant.
    pub fn rows(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        if self.entity.is_none() && self.at.is_none() {
            return Ok(rows.clone());
        }
        let keep: BooleanArray =
            (0..rows.num_rows()).map(|row| Some(self.about(rows, row) && self.when(rows, row))).collect();
        filter_record_batch(rows, &keep)
    }

    fn about(&self, rows: &RecordBatch, row: usize) -> bool {
        let Some(entity) = &self.entity else { return true };
        rows.columns().iter().filter(|column| column.is_valid(row)).any(|column| match column.data_type() {
            DataType::Utf8 => column.as_string::<i32>().value(row) == entity,
            DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string() == *entity,
            _ => false,
        })
    }

    fn when(&self, rows: &RecordBatch, row: usize) -> bool {
        let Some(at) = self.at else { return true };
        let time = |name: &str| {
            let column = rows.column_by_name(name)?.as_primitive_opt::<TimestampMicrosecondType>()?;
            column.is_valid(row).then(|| column.value(row))
        };
        match (time("window_start"), time("window_end"), time("event_time")) {
            (Some(start), Some(end), _) => start <= at && at < end,
            (_, _, Some(event_time)) => event_time.abs_diff(at) <= NEAR.unsigned_abs(),
            _ => false,
        }
    }
}
