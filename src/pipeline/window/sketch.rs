//! HyperLogLog++ sketches for `APPROX_COUNT_DISTINCT`, byte-compatible with BigQuery's `HLL_COUNT`.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use zetasketch::HyperLogLogPlusPlus;

/// BigQuery's precision for approximate counts.
const PRECISION: i32 = 15;

/// Adds the value of a row that is not NULL.
pub fn add(state: &mut Option<Box<HyperLogLogPlusPlus>>, array: &ArrayRef, row: usize) -> Result<(), String> {
    let text = |e: zetasketch::Error| e.to_string();
    let integers = !matches!(array.data_type(), DataType::Utf8 | DataType::Binary | DataType::Float64);
    let sketch = match state {
        Some(sketch) => sketch,
        None if integers => state.insert(Box::new(HyperLogLogPlusPlus::for_longs(PRECISION).map_err(text)?)),
        None => state.insert(Box::new(HyperLogLogPlusPlus::for_strings(PRECISION).map_err(text)?)),
    };
    match array.data_type() {
        DataType::Int64 => sketch.add_long(array.as_primitive::<Int64Type>().value(row)),
        DataType::Timestamp(_, _) => sketch.add_long(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Date32 => sketch.add_long(array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Boolean => sketch.add_long(array.as_boolean().value(row).into()),
        DataType::Float64 => {
            sketch.add_bytes(&(array.as_primitive::<Float64Type>().value(row) + 0.0).to_bits().to_le_bytes())
        }
        DataType::Utf8 => sketch.add_str(array.as_string::<i32>().value(row)),
        _ => sketch.add_bytes(array.as_binary::<i32>().value(row)),
    }
    .map_err(text)
}

pub fn merge(state: &mut Option<Box<HyperLogLogPlusPlus>>, other: &HyperLogLogPlusPlus) -> Result<(), String> {
    match state {
        Some(sketch) => sketch.merge_ref(other).map_err(|e| e.to_string()),
        None => {
            *state = Some(Box::new(other.clone()));
            Ok(())
        }
    }
}
