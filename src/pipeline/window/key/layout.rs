//! Keys as bytes: equal keys have equal bytes, and columns can be made of them again.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;

use crate::pipeline::cells::Cells;

/// How keys of some columns are written: of each column a byte that tells NULL, then the value; of texts and bytes their
/// length before them.
pub struct Layout(Vec<Form>);

/// Keys of rows, one behind the other.
pub struct Written {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Written {
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.bytes[std::mem::replace(&mut start, *end)..*end])
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Int64,
    Timestamp,
    Date,
    Bool,
    String,
    Bytes,
}

/// A column that is read.
enum Builder {
    Int64(Int64Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Bool(BooleanBuilder),
    String(StringBuilder),
    Bytes(BinaryBuilder),
}

/// A value as it is written.
enum Cell<'a> {
    Null,
    /// Whatever is no text.
    Number(i64),
    Text(&'a [u8]),
}

const NULL: u8 = 0;
const VALUE: u8 = 1;

impl Layout {
    pub fn new(types: Vec<DataType>) -> Result<Self, ArrowError> {
        let form = |ty: DataType| match ty {
            DataType::Int64 => Ok(Form::Int64),
            DataType::Timestamp(..) => Ok(Form::Timestamp),
            DataType::Date32 => Ok(Form::Date),
            DataType::Boolean => Ok(Form::Bool),
            DataType::Utf8 => Ok(Form::String),
            DataType::Binary => Ok(Form::Bytes),
            other => Err(ArrowError::NotYetImplemented(format!("keys of {other}"))),
        };
        Ok(Self(types.into_iter().map(form).collect::<Result<_, _>>()?))
    }

    /// Writes the key of each row.
    pub fn write(&self, columns: &[ArrayRef], rows: usize) -> Result<Written, ArrowError> {
        let cells = self.0.iter().zip(columns).map(|(form, column)| form.cells(column));
        let cells: Vec<Cells> = cells.collect::<Result<_, _>>()?;
        let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(rows));
        for row in 0..rows {
            cells.iter().for_each(|cells| write(cells, row, &mut bytes));
            ends.push(bytes.len());
        }
        Ok(Written { bytes, ends })
    }

    /// The columns of some keys.
    pub fn read<'k>(&self, keys: impl Iterator<Item = &'k [u8]>, count: usize) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut builders: Vec<Builder> = self.0.iter().map(|form| Builder::new(*form, count)).collect();
        for mut key in keys {
            for (builder, form) in builders.iter_mut().zip(&self.0) {
                builder.append(form.take(&mut key))?;
            }
        }
        Ok(builders.into_iter().map(Builder::finish).collect())
    }

    /// The key at the front of some bytes.
    pub fn front<'k>(&self, bytes: &'k [u8]) -> &'k [u8] {
        let mut behind = bytes;
        for form in &self.0 {
            form.take(&mut behind);
        }
        &bytes[..bytes.len() - behind.len()]
    }

    /// In the order of the values, NULL first.
    pub fn compare(&self, mut one: &[u8], mut other: &[u8]) -> Ordering {
        for form in &self.0 {
            let order = match (form.take(&mut one), form.take(&mut other)) {
                (Cell::Number(a), Cell::Number(b)) => a.cmp(&b),
                (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
                (Cell::Null, Cell::Null) => Ordering::Equal,
                (Cell::Null, _) => Ordering::Less,
                (_, _) => Ordering::Greater,
            };
            if order.is_ne() {
                return order;
            }
        }
        Ordering::Equal
    }
}

impl Form {
    /// A column that is written in this form.
    fn cells(self, column: &ArrayRef) -> Result<Cells<'_>, ArrowError> {
        let cells = Cells::of(column).filter(|cells| {
            matches!(
                (self, cells),
                (Self::Int64, Cells::Int64(_))
                    | (Self::Timestamp, Cells::Timestamp(_))
                    | (Self::Date, Cells::Date(_))
                    | (Self::Bool, Cells::Bool(_))
                    | (Self::String, Cells::String(_))
                    | (Self::Bytes, Cells::Bytes(_))
            )
        });
        cells.ok_or_else(|| ArrowError::SchemaError(format!("a key of {} where {self:?} was", column.data_type())))
    }

    /// Takes the column's value from the front of a key.
    fn take<'k>(self, key: &mut &'k [u8]) -> Cell<'k> {
        match key.split_off_first() {
            Some(&VALUE) => {}
            _ => return Cell::Null,
        }
        if let Self::String | Self::Bytes = self {
            let length = key.split_off(..size_of::<u32>()).and_then(|bytes| bytes.try_into().ok());
            let length = length.map_or(0, u32::from_le_bytes) as usize;
            return Cell::Text(key.split_off(..length).unwrap_or_default());
        }
        let number = key.split_off(..size_of::<i64>()).and_then(|bytes| bytes.try_into().ok());
        Cell::Number(number.map_or(0, i64::from_le_bytes))
    }
}

/// Writes the value that a column has for a row.
fn write(cells: &Cells<'_>, row: usize, key: &mut Vec<u8>) {
    match cells {
        Cells::Int64(array) => number(array.is_valid(row).then(|| array.value(row)), key),
        Cells::Timestamp(array) => number(array.is_valid(row).then(|| array.value(row)), key),
        Cells::Date(array) => number(array.is_valid(row).then(|| array.value(row).into()), key),
        Cells::Bool(array) => number(array.is_valid(row).then(|| array.value(row).into()), key),
        // No key: equal numbers may differ in the last bit.
        Cells::Float64(_) => number(None, key),
        Cells::String(array) => text(array.is_valid(row).then(|| array.value(row).as_bytes()), key),
        Cells::Bytes(array) => text(array.is_valid(row).then(|| array.value(row)), key),
    }
}

fn number(value: Option<i64>, key: &mut Vec<u8>) {
    match value {
        Some(value) => {
            key.push(VALUE);
            key.extend_from_slice(&value.to_le_bytes());
        }
        None => key.push(NULL),
    }
}

fn text(value: Option<&[u8]>, key: &mut Vec<u8>) {
    match value {
        Some(value) => {
            key.push(VALUE);
            // Arrow's offsets are of 31 bits.
            key.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
            key.extend_from_slice(value);
        }
        None => key.push(NULL),
    }
}

impl Builder {
    fn new(form: Form, rows: usize) -> Self {
        match form {
            Form::Int64 => Self::Int64(Int64Builder::with_capacity(rows)),
            Form::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows)),
            Form::Date => Self::Date(Date32Builder::with_capacity(rows)),
            Form::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            Form::String => Self::String(StringBuilder::with_capacity(rows, rows * 12)),
            Form::Bytes => Self::Bytes(BinaryBuilder::with_capacity(rows, rows * 12)),
        }
    }

    fn append(&mut self, cell: Cell<'_>) -> Result<(), ArrowError> {
        let (number, text) = match cell {
            Cell::Null => (None, None),
            Cell::Number(number) => (Some(number), None),
            Cell::Text(text) => (None, Some(text)),
        };
        match self {
            Self::Int64(builder) => builder.append_option(number),
            Self::Timestamp(builder) => builder.append_option(number),
            Self::Date(builder) => builder.append_option(number.and_then(|number| i32::try_from(number).ok())),
            Self::Bool(builder) => builder.append_option(number.map(|number| number != 0)),
            Self::String(builder) => {
                let text = text.map(std::str::from_utf8).transpose();
                builder.append_option(text.map_err(|error| ArrowError::ExternalError(Box::new(error)))?);
            }
            Self::Bytes(builder) => builder.append_option(text),
        }
        Ok(())
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Int64(mut builder) => Arc::new(builder.finish()),
            Self::Timestamp(mut builder) => Arc::new(builder.finish().with_timezone("UTC")),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::Bool(mut builder) => Arc::new(builder.finish()),
            Self::String(mut builder) => Arc::new(builder.finish()),
            Self::Bytes(mut builder) => Arc::new(builder.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;
    use std::sync::Arc;

    use datafusion::arrow::array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    };

    use super::Layout;

    /// Columns of every type, sorted by each of them in turn.
    fn columns() -> Vec<ArrayRef> {
        vec![
            Arc::new(Int64Array::from(vec![None, Some(i64::MIN), Some(-1), Some(0), Some(256), Some(i64::MAX)])),
            Arc::new(StringArray::from(vec![None, Some(""), Some("a"), Some("a\0"), Some("b"), Some("ü")])),
            Arc::new(
                TimestampMicrosecondArray::from(vec![None, Some(-5), Some(0), Some(1), Some(7), Some(1 << 60)])
                    .with_timezone("UTC"),
            ),
            Arc::new(Date32Array::from(vec![None, Some(i32::MIN), Some(-1), Some(0), Some(1), Some(i32::MAX)])),
            Arc::new(BooleanArray::from(vec![None, Some(false), Some(true), Some(true), Some(true), Some(true)])),
            Arc::new(BinaryArray::from_opt_vec(vec![
                None,
                Some(b""),
                Some(b"\0"),
                Some(b"\0\0"),
                Some(b"\x01"),
                Some(b"\xff"),
            ])),
        ]
    }

    fn keys(layout: &Layout, columns: &[ArrayRef]) -> Vec<Vec<u8>> {
        layout.write(columns, 6).expect("writes").keys().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn columns_come_back_and_keys_are_in_order() {
        let all = columns();
        for first in 0..all.len() {
            let columns: Vec<ArrayRef> = (0..all.len()).map(|i| Arc::clone(&all[(first + i) % all.len()])).collect();
            let layout = Layout::new(columns.iter().map(|column| column.data_type().clone()).collect()).expect("types");
            let keys = keys(&layout, &columns);
            assert_eq!(layout.read(keys.iter().map(Vec::as_slice), 6).expect("reads"), columns);
            for (place, key) in keys.iter().enumerate() {
                for (other_place, other) in keys.iter().enumerate() {
                    assert_eq!(layout.compare(key, other), place.cmp(&other_place));
                    assert_eq!(key == other, place == other_place);
                }
            }
        }
        let of_two = |one: &str, other: &str| {
            let texts = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; 6])) };
            let columns = [texts(one), texts(other)];
            let layout = Layout::new(columns.iter().map(|column| column.data_type().clone()).collect()).expect("types");
            (keys(&layout, &columns).swap_remove(0), layout)
        };
        // Where one ends and the next begins is part of the key.
        let ((one, layout), (other, _)) = (of_two("ab", "c"), of_two("a", "bc"));
        assert_eq!(layout.compare(&one, &other), Ordering::Greater);
        assert!(one != other);
    }
}
