//! `ROW_NUMBER`, `RANK` and `DENSE_RANK` over the rows of a batch, in GoogleSQL's order.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt64Array};
use datafusion::arrow::compute::{SortOptions, take};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, Rows, SortField};

use crate::language::tree::{Rank, RankFunction};
use crate::target::datafusion::{LowerContext, LowerError};

use super::compiled::Compiled;
use super::halve::Failed;

pub struct RankStage {
    function: RankFunction,
    partition: Vec<Compiled>,
    order: Vec<Compiled>,
    options: Vec<SortOptions>,
}

/// What rows are ranked by.
pub struct RankColumns {
    partition: Vec<ArrayRef>,
    order: Vec<ArrayRef>,
}

impl RankColumns {
    pub fn take(&self, rows: &UInt64Array) -> Result<Self, ArrowError> {
        let all = |columns: &[ArrayRef]| -> Result<Vec<ArrayRef>, ArrowError> {
            columns.iter().map(|column| take(column, rows, None)).collect()
        };
        Ok(Self { partition: all(&self.partition)?, order: all(&self.order)? })
    }
}

impl RankStage {
    pub fn new(rank: &Rank, scope: LowerContext<'_>) -> Result<Self, LowerError> {
        let options =
            |key: &crate::language::OrderKey| SortOptions { descending: key.descending, nulls_first: key.nulls_first };
        Ok(Self {
            function: rank.function,
            partition: rank.partition.iter().map(|expr| Compiled::new(expr, scope)).collect::<Result<_, _>>()?,
            order: rank.order.iter().map(|key| Compiled::new(&key.expr, scope)).collect::<Result<_, _>>()?,
            options: rank.order.iter().map(options).collect(),
        })
    }

    /// What the rows are ranked by, and those for which that cannot be computed.
    pub fn columns(&self, rows: &RecordBatch) -> Result<(RankColumns, Vec<Failed>), ArrowError> {
        let mut failed = Vec::new();
        let mut all = |exprs: &[Compiled]| -> Result<Vec<ArrayRef>, ArrowError> {
            let columns = exprs.iter().map(|expr| {
                let (column, without) = expr.run_rows(rows)?;
                failed.extend(without);
                Ok(column)
            });
            columns.collect()
        };
        let (partition, order) = (all(&self.partition)?, all(&self.order)?);
        let order = order.into_iter().map(sortable).collect();
        Ok((RankColumns { partition, order }, failed))
    }

    /// The rank of each row.
    pub fn number(&self, columns: &RankColumns) -> Result<ArrayRef, ArrowError> {
        let count = columns.order.first().map_or(0, |column| column.len());
        let partition = rows_of(&columns.partition, &vec![SortOptions::default(); columns.partition.len()])?;
        let order = rows_of(&columns.order, &self.options)?;
        let part = |row: usize| partition.as_ref().map(|rows| rows.row(row));
        let place = |row: usize| order.as_ref().map(|rows| rows.row(row));
        let mut sorted: Vec<usize> = (0..count).collect();
        sorted.sort_by(|a, b| part(*a).cmp(&part(*b)).then_with(|| place(*a).cmp(&place(*b))));
        let mut numbers = vec![0i64; count];
        let (mut number, mut dense, mut shared) = (0i64, 0i64, 0i64);
        for (at, row) in sorted.iter().enumerate() {
            let before = at.checked_sub(1).map(|before| sorted[before]).filter(|before| part(*before) == part(*row));
            if before.is_none() {
                (number, dense, shared) = (0, 0, 0);
            }
            number += 1;
            if before.is_none_or(|before| place(before) != place(*row)) {
                dense += 1;
                shared = number;
            }
            numbers[*row] = match self.function {
                RankFunction::RowNumber => number,
                RankFunction::Rank => shared,
                RankFunction::DenseRank => dense,
            };
        }
        Ok(Arc::new(Int64Array::from(numbers)))
    }
}

/// Rows in an order that compares as bytes; none without columns.
pub fn rows_of(columns: &[ArrayRef], options: &[SortOptions]) -> Result<Option<Rows>, ArrowError> {
    if columns.is_empty() {
        return Ok(None);
    }
    let fields = columns.iter().zip(options);
    let fields = fields.map(|(column, options)| SortField::new_with_options(column.data_type().clone(), *options));
    Ok(Some(RowConverter::new(fields.collect())?.convert_columns(columns)?))
}

/// GoogleSQL orders NaN before all numbers, and takes -0.0 for 0.0; Arrow does neither.
pub fn sortable(column: ArrayRef) -> ArrayRef {
    if *column.data_type() != DataType::Float64 {
        return column;
    }
    let number = |f: f64| {
        let bits = if f == 0.0 { 0 } else { f.to_bits().cast_signed() };
        match (f.is_nan(), bits < 0) {
            (true, _) => i64::MIN,
            (false, false) => bits,
            // A larger magnitude is a smaller number.
            (false, true) => i64::MIN.wrapping_sub(bits),
        }
    };
    Arc::new(column.as_primitive::<Float64Type>().iter().map(|f| f.map(number)).collect::<Int64Array>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_ordered_as_googlesql_orders_them() {
        let values =
            [f64::NAN, f64::NEG_INFINITY, f64::MIN, -1.5, -1.0, -5e-324, 0.0, 5e-324, 1.0, f64::MAX, f64::INFINITY];
        let column: ArrayRef = Arc::new(datafusion::arrow::array::Float64Array::from(values.to_vec()));
        let numbers = sortable(column);
        let numbers = numbers.as_primitive::<datafusion::arrow::datatypes::Int64Type>().values().to_vec();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        let zeros: ArrayRef = Arc::new(datafusion::arrow::array::Float64Array::from(vec![-0.0, 0.0]));
        let zeros = sortable(zeros);
        assert_eq!(zeros.as_primitive::<datafusion::arrow::datatypes::Int64Type>().values().to_vec(), [0, 0]);
    }
}
