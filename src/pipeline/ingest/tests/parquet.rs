//! Parquet files.

use std::fs::File;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float32Array, Int16Array, Int32Array, LargeStringArray,
    ListArray, RecordBatch, StringArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::Int32Type;
use parquet::arrow::ArrowWriter;

use super::{Outcome, drain, outcome, schema};
use crate::adapter::local::input::inputs;
use crate::pipeline::ingest::{Reader, ReaderOptions, Section};
use crate::record::Format;

fn read(columns: Vec<(&str, ArrayRef)>, fields: &[&str], keep_raw: bool) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flows.data");
    let rows = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    let input = inputs(&[path.display().to_string()]).unwrap().remove(0);
    let options = ReaderOptions { keep_raw, ..ReaderOptions::default() };
    let mut outcome = match Reader::open(input, schema(Format::Parquet, fields), &options) {
        Ok(mut reader) => drain(&mut reader, keep_raw),
        Err(error) => Outcome { error: Some(error.to_string()), ..Outcome::default() },
    };
    outcome.error = outcome.error.map(|error| error.replace(&path.display().to_string(), "FILE"));
    outcome
}

#[test]
fn columns_become_of_the_schemas_types() {
    let dictionary: DictionaryArray<Int32Type> = ["x", "y", "x"].into_iter().collect();
    let outcome = read(
        vec![
            ("i", Arc::new(Int16Array::from(vec![Some(1), None, Some(3)]))),
            ("f", Arc::new(Float32Array::from(vec![Some(0.5), Some(f32::NAN), None]))),
            ("s", Arc::new(dictionary)),
            ("n", Arc::new(Int32Array::from(vec![7, 8, 9]))),
            ("t", Arc::new(TimestampMillisecondArray::from(vec![0, 1, -1]).with_timezone("Europe/Rome"))),
            ("ns", Arc::new(TimestampNanosecondArray::from(vec![1_999, 0, 0]))),
            ("b", Arc::new(BooleanArray::from(vec![true, false, true]))),
            ("d", Arc::new(Decimal128Array::from(vec![12_345, 1, 2]).with_precision_and_scale(9, 3).unwrap())),
            ("flags", Arc::new(LargeStringArray::from(vec!["SYN", "18", "SYN-ACK"]))),
            ("z", Arc::new(Int32Array::from(vec![1, 2, 3]))),
        ],
        &[
            "s STRING",
            "i INT64",
            "f FLOAT64",
            "n STRING",
            "t TIMESTAMP",
            "ns TIMESTAMP",
            "b BOOL",
            "d FLOAT64",
            "flags INT64 flags",
            "gone INT64",
        ],
        false,
    );
    assert_eq!(outcome.error, None);
    assert_eq!(
        outcome.rows,
        [
            "1@0: x | 1 | 0.5 | 7 | 1970-01-01T00:00:00Z | 1970-01-01T00:00:00.000001Z | true | 12.345 | 2 | NULL",
            "2@0: y | NULL | NULL | 8 | 1970-01-01T00:00:00.001Z | 1970-01-01T00:00:00Z | false | 0.001 | 18 | NULL",
            "3@0: x | 3 | NULL | 9 | 1969-12-31T23:59:59.999Z | 1970-01-01T00:00:00Z | true | 0.002 | 18 | NULL",
        ]
    );
    assert_eq!(outcome.ignored, [("z".to_owned(), 3)]);
}

#[test]
fn a_value_that_does_not_fit_refuses_its_row() {
    let outcome = read(
        vec![
            ("u", Arc::new(UInt64Array::from(vec![Some(1), Some(u64::MAX), Some(3), None]))),
            ("n", Arc::new(StringArray::from(vec!["1", "2", "three", "4"]))),
        ],
        &["u INT64 required", "n INT64"],
        true,
    );
    assert_eq!(outcome.rows, ["1@0: 1 | 1 <u=1, n=1>"]);
    assert_eq!(
        outcome.rejects,
        [
            "2@0 ingest.bad-value: u: a value out of range is not an INT64 <u=18446744073709551615, n=2>",
            "3@0 ingest.bad-value: n: \"three\" is not an INT64 <u=3, n=three>",
            "4@0 ingest.missing-field: u is null <u=null, n=4>",
        ]
    );
}

#[test]
fn a_column_that_can_never_fit_is_an_error() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)])]);
    let list: ArrayRef = Arc::new(list);
    let outcome = read(vec![("l", Arc::clone(&list))], &["l INT64"], false);
    let error = outcome.error.unwrap();
    assert!(error.starts_with("FILE: column l is List(") && error.ends_with(", which cannot become INT64"), "{error}");
    let outcome = read(vec![("l", Arc::clone(&list))], &["a INT64 required"], false);
    assert_eq!(outcome.error.unwrap(), "FILE has no column a, which the source requires");
    let outcome = read(vec![("l", list)], &["l INT64 required unwanted"], false);
    assert_eq!((outcome.rows.len(), outcome.error), (1, None));
}

#[test]
fn other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    std::fs::write(&path, "{}").unwrap();
    let input = inputs(&[path.display().to_string()]).unwrap().remove(0);
    let error = Reader::open(input, schema(Format::Parquet, &["a INT64"]), &ReaderOptions::default()).err().unwrap();
    assert!(error.to_string().ends_with("must be a file that begins with PAR1"), "{error}");
}

/// The first batch of the head and the tail are the whole, row numbers too.
#[test]
fn a_head_and_its_tail_are_the_whole() {
    for rows in [0, 5, 16, 17, 20_000] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flows.data");
        let column: ArrayRef = Arc::new(Int32Array::from_iter_values(0..rows));
        let batch = RecordBatch::try_from_iter([("i", column)]).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let open = |section| {
            let input = inputs(&[path.display().to_string()]).unwrap().remove(0);
            let options = ReaderOptions { section, ..ReaderOptions::default() };
            Reader::open(input, schema(Format::Parquet, &["i INT64"]), &options).unwrap()
        };
        let whole = drain(&mut open(Section::Whole), false);
        let head = open(Section::Head).next_batch().unwrap();
        let mut all = head.map(|batch| outcome(&batch, false)).unwrap_or_default();
        assert!(all.rows.len() <= 16);
        all.rows.extend(drain(&mut open(Section::Tail), false).rows);
        assert_eq!(all.rows, whole.rows);
        assert_eq!(all.rows.len(), usize::try_from(rows).unwrap());
    }
}
