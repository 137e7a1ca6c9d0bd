//! `row_id`: a fingerprint over all decoded columns, so that it does not depend on where a row came from.
//!
//! Each column gives `length:text;`, a NULL gives `-;`. The text is the decimal number for INT64 and for TIMESTAMP
//! (microseconds), `true`/`false`, the STRING itself, and for FLOAT64 the shortest decimal that reads back equal.
//! `row_id` is `FARM_FINGERPRINT` of the columns' texts one after the other, in the order of `source.yaml`.

use std::io::Write;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};

use crate::record::fingerprint64;

pub(super) fn row_ids(columns: &[&ArrayRef], rows: usize) -> Int64Array {
    let mut text = Vec::new();
    (0..rows)
        .map(|row| {
            canonical(columns, row, &mut text);
            Some(fingerprint64(&text).cast_signed())
        })
        .collect()
}

/// 128-bit hashes of the same texts, for duplicates.
pub(super) fn row_hashes(columns: &[&ArrayRef], rows: usize) -> Vec<u128> {
    let mut text = Vec::new();
    let hashes = (0..rows).map(|row| {
        canonical(columns, row, &mut text);
        let low = fingerprint64(&text);
        text.push(b'#');
        u128::from(low) | (u128::from(fingerprint64(&text)) << 64)
    });
    hashes.collect()
}

fn canonical(columns: &[&ArrayRef], row: usize, text: &mut Vec<u8>) {
    text.clear();
    for column in columns {
        if column.is_null(row) {
            text.extend_from_slice(b"-;");
            continue;
        }
        match column.data_type() {
            DataType::Utf8 => field(text, column.as_string::<i32>().value(row).as_bytes()),
            DataType::Binary => field(text, column.as_binary::<i32>().value(row)),
            DataType::Int64 => number(text, column.as_primitive::<Int64Type>().value(row)),
            DataType::Timestamp(_, _) => number(text, column.as_primitive::<TimestampMicrosecondType>().value(row)),
            DataType::Date32 => number(text, column.as_primitive::<Date32Type>().value(row)),
            DataType::Float64 => number(text, column.as_primitive::<Float64Type>().value(row)),
            DataType::Boolean => number(text, column.as_boolean().value(row)),
            _ => text.extend_from_slice(b"?;"),
        }
    }
}

fn field(text: &mut Vec<u8>, value: &[u8]) {
    number_of(text, value.len());
    text.push(b':');
    text.extend_from_slice(value);
    text.push(b';');
}

fn number(text: &mut Vec<u8>, value: impl std::fmt::Display) {
    let start = text.len();
    // Writing to memory does not fail.
    let _ = write!(text, "{value}");
    let digits = text.split_off(start);
    field(text, &digits);
}

fn number_of(text: &mut Vec<u8>, value: usize) {
    let _ = write!(text, "{value}");
}
