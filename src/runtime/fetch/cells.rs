//! Cells of a warehouse to rows of `flows`: each value as it was, or an error that names it.

use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{SchemaRef, TimestampMicrosecondType};

use crate::pipeline::batch;
use crate::pipeline::merge::BEFORE_ALL;
use crate::port::warehouse::Cells;
use crate::record::{Column, Day, EventTime, Type, flow};
use crate::target::bigquery::fetch::fetched_columns;

use super::FetchError;

/// Of a value that an error shows.
const SHOWN_MAX: usize = 80;

/// Reads pages of one table.
pub struct Reader {
    /// What a person calls the table.
    table: String,
    columns: Vec<Column>,
    schema: SchemaRef,
}

/// Rows of `flows`, and the watermark before each.
#[derive(Debug)]
pub struct Flows {
    pub rows: RecordBatch,
    pub admit: Vec<i64>,
}

impl Reader {
    pub fn new(table: String) -> Self {
        Self { table, columns: fetched_columns(), schema: batch::schema(&flow::columns()) }
    }

    /// The rows of a page, all of one day.
    pub fn read(&self, day: Day, page: &[Cells]) -> Result<Flows, FetchError> {
        if let Some(row) = page.iter().find(|row| row.len() != self.columns.len()) {
            return Err(FetchError::Width { table: self.table.clone(), found: row.len(), wanted: self.columns.len() });
        }
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(flow::COUNT);
        for at in 0..flow::COUNT {
            columns.push(self.column(at, page)?);
        }
        let times = columns[flow::EVENT_TIME].as_primitive::<TimestampMicrosecondType>();
        if let Some(row) = times.values().iter().position(|time| !day.holds(EventTime(*time))) {
            let wanted = format!("a time of {day}");
            return Err(self.wrong(flow::EVENT_TIME, &EventTime(times.value(row)).to_string(), wanted));
        }
        let admit = self.values::<i64>(flow::COUNT, page)?;
        let rows = batch::batch(&self.schema, columns.into_iter().map(Some).collect(), page.len())?;
        Ok(Flows { rows, admit: admit.into_iter().map(|at| at.unwrap_or(BEFORE_ALL)).collect() })
    }

    fn column(&self, at: usize, page: &[Cells]) -> Result<ArrayRef, FetchError> {
        let array: ArrayRef = match self.columns[at].ty {
            Type::Int64 => Arc::new(Int64Array::from(self.values(at, page)?)),
            Type::Timestamp => {
                Arc::new(TimestampMicrosecondArray::from(self.values::<i64>(at, page)?).with_timezone("UTC"))
            }
            Type::Float64 => Arc::new(Float64Array::from(self.values(at, page)?)),
            _ => Arc::new(page.iter().map(|row| row[at].as_deref()).collect::<StringArray>()),
        };
        if !self.columns[at].nullable && array.null_count() > 0 {
            return Err(self.wrong(at, "NULL", "a value".to_owned()));
        }
        Ok(array)
    }

    fn values<T: FromStr>(&self, at: usize, page: &[Cells]) -> Result<Vec<Option<T>>, FetchError> {
        let value = |row: &Cells| match &row[at] {
            Some(text) => text.parse().map(Some).map_err(|_| {
                let wanted = match self.columns[at].ty {
                    Type::Timestamp => "a number of microseconds".to_owned(),
                    ty => ty.to_string(),
                };
                self.wrong(at, text, wanted)
            }),
            None => Ok(None),
        };
        page.iter().map(value).collect()
    }

    fn wrong(&self, at: usize, value: &str, wanted: String) -> FetchError {
        let mut value = value.escape_debug().take(SHOWN_MAX + 1).collect::<String>();
        if value.chars().count() > SHOWN_MAX {
            value = value.chars().take(SHOWN_MAX).collect::<String>() + "…";
        }
        let column = self.columns[at].name.clone();
        FetchError::Cell { table: self.table.clone(), column, value, wanted }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, AsArray};
    use datafusion::arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};

    use super::{Reader, fetched_columns};
    use crate::pipeline::merge::BEFORE_ALL;
    use crate::port::warehouse::Cells;
    use crate::record::{Day, flow};

    const DAY: i64 = 86_400_000_000;

    fn row(of: &[(&str, Option<&str>)]) -> Cells {
        let mut cells: Cells = vec![None; fetched_columns().len()];
        let needed =
            [("row_id", "1"), ("event_time", "86400000000"), ("outcome", ""), ("sampling", "1"), ("source", "")];
        let needed = needed.iter().map(|(name, value)| (*name, Some(*value)));
        for (name, value) in needed.chain(of.iter().copied()) {
            let at = fetched_columns().iter().position(|column| column.name == name).expect("a column");
            cells[at] = value.map(str::to_owned);
        }
        cells
    }

    fn place(name: &str) -> usize {
        flow::columns().iter().position(|column| column.name == name).expect("a column")
    }

    #[test]
    fn values_come_back_to_the_bit() {
        let texts =
            ["-0", "nan", "-inf", "inf", "4.9406564584124654e-324", "1.7976931348623157e+308", "0.10000000000000001"];
        let floats = [-0.0, f64::NAN, f64::NEG_INFINITY, f64::INFINITY, 5e-324, f64::MAX, 0.1];
        let page: Vec<Cells> = texts.iter().map(|text| row(&[("latitude", Some(text))])).collect();
        let read = Reader::new("t".to_owned()).read(Day(1), &page).expect("rows");
        let found = read.rows.column(place("latitude")).as_primitive::<Float64Type>();
        for (at, float) in floats.iter().enumerate() {
            assert_eq!(found.value(at).to_bits(), float.to_bits(), "{float}");
        }
        let last = (2 * DAY - 1).to_string();
        let odd = row(&[
            ("row_id", Some("-9223372036854775808")),
            ("event_time", Some(&last)),
            ("start_time", Some("-62135596800000000")),
            ("src_ip", Some("")),
            ("dst_ip", Some("ü\n\"\0\u{1f600}")),
            ("tx_bytes", Some("9223372036854775807")),
            ("admit_watermark", Some("172800000001")),
        ]);
        let read = Reader::new("t".to_owned()).read(Day(1), &[odd, row(&[])]).expect("rows");
        let number = |name: &str| read.rows.column(place(name)).as_primitive::<Int64Type>();
        assert_eq!(number("row_id").value(0), i64::MIN);
        assert_eq!((number("tx_bytes").value(0), number("tx_bytes").is_null(1)), (i64::MAX, true));
        let time = |name: &str| read.rows.column(place(name)).as_primitive::<TimestampMicrosecondType>();
        assert_eq!((time("event_time").value(0), time("start_time").value(0)), (2 * DAY - 1, -62_135_596_800_000_000));
        let text = |name: &str| read.rows.column(place(name)).as_string::<i32>();
        assert_eq!((text("src_ip").value(0), text("src_ip").is_null(0), text("src_ip").is_null(1)), ("", false, true));
        assert_eq!(text("dst_ip").value(0), "ü\n\"\0\u{1f600}");
        assert_eq!(read.admit, [172_800_000_001, BEFORE_ALL]);
    }

    #[test]
    fn what_is_no_value_is_named() {
        for (column, value, told) in [
            ("tx_bytes", Some("1.5"), "p:d.flows: the column tx_bytes has `1.5` where INT64 is due"),
            ("tx_bytes", Some("9223372036854775808"), "`9223372036854775808` where INT64 is due"),
            ("latitude", Some("north\n"), "the column latitude has `north\\n` where FLOAT64 is due"),
            ("start_time", Some("2026-01-05"), "`2026-01-05` where a number of microseconds is due"),
            ("admit_watermark", Some("x"), "the column admit_watermark has `x`"),
            ("event_time", Some("172800000000"), "`1970-01-03T00:00:00Z` where a time of 1970-01-02 is due"),
            ("event_time", None, "the column event_time has `NULL` where a value is due"),
            ("sampling", None, "the column sampling has `NULL`"),
        ] {
            let page = [row(&[]), row(&[(column, value)])];
            let error = Reader::new("p:d.flows".to_owned()).read(Day(1), &page).expect_err("no value").to_string();
            assert!(error.contains(told) && error.contains("\nhelp: "), "{error}");
        }
        let error = Reader::new("t".to_owned()).read(Day(1), &[vec![None; 3]]).expect_err("too few").to_string();
        assert!(error.contains("3 cells instead of 23"), "{error}");
    }
}
