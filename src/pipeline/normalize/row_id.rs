//! `row_id`: a fingerprint over the source and all decoded columns, so that it does not depend on the place a row was
//! read from.
//!
//! The source's name and each column give `length:text;`, a NULL gives `-;`. The text is what GoogleSQL casts the value to, but for TIMESTAMP
//! (microseconds since 1970), DATE (days since 1970) and BYTES (hexadecimal). `row_id` is `FARM_FINGERPRINT` of the
//! columns' texts one after the other, in the order of `source.yaml`. `tests/case/row_ids.txt` has the formula in SQL.

use std::io::Write;

use datafusion::arrow::array::{Array, ArrayRef, Int64Array};

use rustc_hash::FxHashMap;

use crate::pipeline::cells::Cells;
use crate::record::{fingerprint64, float_text};

pub(super) fn row_ids(source: &str, columns: &[&ArrayRef], rows: usize) -> Int64Array {
    let (mut texts, columns) = (Texts::default(), cells_of(columns));
    let mut head = Vec::new();
    field(&mut head, source.as_bytes());
    (0..rows).map(|row| Some(fingerprint64(texts.of_row(&head, &columns, row)).cast_signed())).collect()
}

/// 128-bit hashes of the same texts, for duplicates.
pub(super) fn row_hashes(columns: &[&ArrayRef], rows: usize) -> Vec<u128> {
    let (mut texts, columns) = (Texts::default(), cells_of(columns));
    let hashes = (0..rows).map(|row| {
        let text = texts.of_row(&[], &columns, row);
        let low = fingerprint64(text);
        text.push(b'#');
        u128::from(low) | (u128::from(fingerprint64(text)) << 64)
    });
    hashes.collect()
}

fn cells_of<'a>(columns: &[&'a ArrayRef]) -> Vec<Option<Cells<'a>>> {
    columns.iter().map(|column| Cells::of(column)).collect()
}

/// How many texts of FLOAT64 are remembered.
const FLOATS_MAX: usize = 4_096;

/// Writes rows, one after the other.
#[derive(Default)]
struct Texts {
    text: Vec<u8>,
    /// The same coordinates come again and again, and their texts are work.
    floats: FxHashMap<u64, Box<str>>,
}

impl Texts {
    /// The columns' texts behind `head`.
    fn of_row(&mut self, head: &[u8], columns: &[Option<Cells<'_>>], row: usize) -> &mut Vec<u8> {
        let text = &mut self.text;
        text.clear();
        text.extend_from_slice(head);
        for column in columns {
            match column {
                Some(Cells::String(array)) if array.is_valid(row) => field(text, array.value(row).as_bytes()),
                Some(Cells::Bytes(array)) if array.is_valid(row) => hex(text, array.value(row)),
                Some(Cells::Int64(array)) if array.is_valid(row) => number(text, array.value(row)),
                Some(Cells::Timestamp(array)) if array.is_valid(row) => number(text, array.value(row)),
                Some(Cells::Date(array)) if array.is_valid(row) => number(text, array.value(row)),
                Some(Cells::Float64(array)) if array.is_valid(row) => {
                    let value = array.value(row);
                    if self.floats.len() >= FLOATS_MAX {
                        self.floats.clear();
                    }
                    let known = self.floats.entry(value.to_bits());
                    field(text, known.or_insert_with(|| float_text(value).into()).as_bytes());
                }
                Some(Cells::Bool(array)) if array.is_valid(row) => {
                    field(text, if array.value(row) { b"true" } else { b"false" });
                }
                // Raw columns have the language's types.
                _ => text.extend_from_slice(b"-;"),
            }
        }
        text
    }
}

fn field(text: &mut Vec<u8>, value: &[u8]) {
    length(text, value.len());
    text.extend_from_slice(value);
    text.push(b';');
}

fn hex(text: &mut Vec<u8>, value: &[u8]) {
    length(text, 2 * value.len());
    // Writing to memory does not fail.
    value.iter().for_each(|byte| drop(write!(text, "{byte:02x}")));
    text.push(b';');
}

fn number(text: &mut Vec<u8>, value: impl itoa::Integer) {
    field(text, itoa::Buffer::new().format(value).as_bytes());
}

fn length(text: &mut Vec<u8>, value: usize) {
    match u8::try_from(value) {
        Ok(digit @ 0..=9) => text.push(b'0' + digit),
        _ => text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
    }
    text.push(b':');
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::ArrayRef;

    use crate::record::{Value, fingerprint64};

    use super::row_ids;

    /// A row of every type, or NULLs of them.
    fn columns(nulls: bool) -> Vec<ArrayRef> {
        let values = [
            Value::Timestamp(1_767_571_205_000_001),
            Value::String("a;b".into()),
            Value::Int64(-1),
            Value::Float64(0.00005),
            Value::Bool(true),
            Value::Date(20_458),
            Value::Bytes(vec![0, 255]),
        ];
        values.iter().map(|value| if nulls { Value::Null(value.ty()).array(1) } else { value.array(1) }).collect()
    }

    #[test]
    fn ids_are_golden() {
        let values = columns(false);
        let values: Vec<&ArrayRef> = values.iter().collect();
        let nulls = columns(true);
        let nulls: Vec<&ArrayRef> = nulls.iter().collect();
        let text = b"3:log;16:1767571205000001;3:a;b;2:-1;5:5e-05;4:true;5:20458;4:00ff;";
        assert_eq!(row_ids("log", &values, 1).value(0), fingerprint64(text).cast_signed());
        assert_eq!(row_ids("log", &nulls, 1).value(0), fingerprint64(b"3:log;-;-;-;-;-;-;-;").cast_signed());
        assert_eq!(row_ids("log", &values, 1).value(0), -4_930_913_883_248_733_535);
    }
}
