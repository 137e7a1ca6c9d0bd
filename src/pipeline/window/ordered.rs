//! The argument of an aggregate: its value, and what else it needs of each row: an order, or the other half of a pair.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BinaryBuilder, BooleanArray, RecordBatch, StructArray};
use datafusion::arrow::compute::{SortOptions, filter};
use datafusion::arrow::datatypes::{Field, Fields};
use datafusion::arrow::error::ArrowError;

use crate::language::tree::{Aggregate, OrderKey};
use crate::pipeline::compiled::Compiled;
use crate::pipeline::halve::Attempt;
use crate::pipeline::rank::{rows_of, sortable};
use crate::target::datafusion::{LowerContext, LowerError};

pub struct Argument {
    value: Compiled,
    second: Option<Compiled>,
    order: Vec<Compiled>,
    options: Vec<SortOptions>,
}

impl Argument {
    /// `None` for an aggregate without an argument.
    pub fn new(aggregate: &Aggregate, scope: LowerContext<'_>) -> Result<Option<Self>, LowerError> {
        let Some(arg) = &aggregate.arg else { return Ok(None) };
        let options = |key: &OrderKey| SortOptions { descending: key.descending, nulls_first: key.nulls_first };
        Ok(Some(Self {
            value: Compiled::new(arg, scope)?,
            second: aggregate.second.as_ref().map(|second| Compiled::new(second, scope)).transpose()?,
            order: aggregate.order.iter().map(|key| Compiled::new(&key.expr, scope)).collect::<Result<_, _>>()?,
            options: aggregate.order.iter().map(options).collect(),
        }))
    }

    /// The values; with an order, pairs of value and order as bytes that compare; with a second argument, pairs with it.
    pub fn run(&self, rows: &RecordBatch) -> Result<ArrayRef, Attempt> {
        let value = self.value.run(rows)?;
        if let Some(second) = &self.second {
            return Ok(paired(value, second.run(rows)?)?);
        }
        if self.order.is_empty() {
            return Ok(value);
        }
        let columns = self.order.iter().map(|key| Ok(sortable(key.run(rows)?))).collect::<Result<Vec<_>, Attempt>>()?;
        Ok(ordered(value, &columns, &self.options)?)
    }
}

/// Pairs of value and order. Nobody asks for the order of a NULL.
pub fn ordered(value: ArrayRef, order: &[ArrayRef], options: &[SortOptions]) -> Result<ArrayRef, ArrowError> {
    let Some(valid) = value.nulls().filter(|nulls| nulls.null_count() > 0) else {
        let Some(rows) = rows_of(order, options)? else { return Ok(value) };
        return paired(value, Arc::new(rows.try_into_binary()?));
    };
    let chosen = BooleanArray::new(valid.inner().clone(), None);
    let of_chosen = order.iter().map(|column| filter(column, &chosen)).collect::<Result<Vec<_>, _>>()?;
    let Some(rows) = rows_of(&of_chosen, options)? else { return Ok(value) };
    let mut order = BinaryBuilder::with_capacity(value.len(), rows.size());
    let mut rows = rows.iter();
    for valid in valid {
        order.append_option(if valid { rows.next() } else { None });
    }
    let order = order.finish();
    paired(value, Arc::new(order))
}

/// Pairs of a value and something of the same row.
pub fn paired(value: ArrayRef, other: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let field = |name: &str, array: &ArrayRef| Field::new(name, array.data_type().clone(), true);
    let fields = Fields::from(vec![field("value", &value), field("other", &other)]);
    Ok(Arc::new(StructArray::try_new(fields, vec![value, other], None)?))
}
