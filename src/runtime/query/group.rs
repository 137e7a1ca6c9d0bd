//! `GROUP BY` of an ad-hoc query: the states of a feature, in one window that holds all rows.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, new_null_array};
use datafusion::arrow::compute::{SortOptions, filter_record_batch};
use datafusion::arrow::datatypes::SchemaRef;

use crate::language::{Aggregate, AggregateFunction, Expr, ExprKind, Group};
use crate::pipeline::batch;
use crate::pipeline::compiled::Compiled;
use crate::pipeline::halve::RowErrors;
use crate::pipeline::rank::sortable;
use crate::pipeline::window::accumulate::AggregateKind;
use crate::pipeline::window::operator::{Hop, WindowRows, WindowState};
use crate::pipeline::window::ordered::{ordered, paired};
use crate::record::Column;
use crate::target::datafusion::{Lookups, LowerContext};

use super::QueryError;

/// The one window.
const WINDOW: Hop = Hop { size: 1, every: 1 };

/// The columns of an aggregate's inputs.
struct ArgumentColumns {
    value: Option<usize>,
    second: Option<usize>,
    order: Vec<(usize, SortOptions)>,
}

impl ArgumentColumns {
    fn of(aggregate: &Aggregate) -> Self {
        let column = |arg: &Expr| {
            let mut found = None;
            crate::plan::wanted::columns_of(arg, &mut |index| found = Some(index));
            found
        };
        let order = aggregate.order.iter().filter_map(|key| {
            let options = SortOptions { descending: key.descending, nulls_first: key.nulls_first };
            Some((column(&key.expr)?, options))
        });
        Self {
            value: aggregate.arg.as_ref().and_then(column),
            second: aggregate.second.as_ref().and_then(column),
            order: order.collect(),
        }
    }

    /// What the states take.
    fn read(&self, rows: &RecordBatch) -> Result<Option<ArrayRef>, QueryError> {
        let of = |column: usize| Arc::clone(rows.column(column));
        let Some(value) = self.value.map(of) else { return Ok(None) };
        if let Some(second) = self.second {
            return Ok(Some(paired(value, of(second))?));
        }
        let columns: Vec<ArrayRef> = self.order.iter().map(|(column, _)| sortable(of(*column))).collect();
        let options: Vec<SortOptions> = self.order.iter().map(|(_, options)| *options).collect();
        Ok(Some(ordered(value, &columns, &options)?))
    }
}

pub struct GroupStage {
    keys: usize,
    state: WindowState,
    args: Vec<ArgumentColumns>,
    kinds: Vec<AggregateFunction>,
    results: Vec<Column>,
    having: Option<Compiled>,
    items: Vec<Compiled>,
    schema: SchemaRef,
}

impl GroupStage {
    pub fn new(group: &Group, read: &SchemaRef, lookups: &Lookups) -> Result<Self, QueryError> {
        let of = |column: usize| read.field(column).data_type().clone();
        let kinds = group.aggregates.iter().map(AggregateKind::of);
        let results: Vec<Column> = group
            .aggregates
            .iter()
            .enumerate()
            .map(|(index, aggregate)| Column::new(format!("aggregate_{index}"), aggregate.ty, true))
            .collect();
        let context = LowerContext { columns: &results, lookups, event_time: None };
        let compile = |expr: &Expr| Compiled::new(&of_results(expr), context);
        let items = group.items.iter().map(|item| Column::new(item.name.clone(), item.expr.ty, true));
        Ok(Self {
            keys: group.keys,
            state: WindowState::new(WINDOW, kinds.collect(), (0..group.keys).map(of).collect(), 0)?,
            args: group.aggregates.iter().map(ArgumentColumns::of).collect(),
            kinds: group.aggregates.iter().map(|aggregate| aggregate.function).collect(),
            having: group.having.as_ref().map(compile).transpose()?,
            items: group.items.iter().map(|item| compile(&item.expr)).collect::<Result<_, _>>()?,
            schema: batch::schema(&items.collect::<Vec<_>>()),
            results,
        })
    }

    pub fn push(&mut self, rows: &RecordBatch) -> Result<(), QueryError> {
        let times = vec![0i64; rows.num_rows()];
        let args = self.args.iter().map(|arg| arg.read(rows));
        let args: Vec<Option<ArrayRef>> = args.collect::<Result<_, _>>()?;
        let keys = &rows.columns()[..self.keys];
        Ok(self.state.push(&WindowRows { times: &times, keys, numbers: None, args: &args, evidence: None })?)
    }

    /// The groups that HAVING lets through.
    pub fn finish(&mut self, errors: &mut RowErrors) -> Result<RecordBatch, QueryError> {
        let closed = self.state.close(WINDOW.size, None)?;
        let (columns, count) = match (closed.starts.len(), self.keys) {
            // Without keys there is one group, of no rows if need be.
            (0, 0) => (self.of_nothing(), 1),
            (0, _) => return Ok(RecordBatch::new_empty(Arc::clone(&self.schema))),
            (count, keys) => (closed.columns[keys..].to_vec(), count),
        };
        let mut results = batch::leading(&batch::schema(&self.results), columns, count)?;
        if let Some(having) = &self.having {
            let (holds, failed) = having.run_rows(&results)?;
            errors.add(&failed, &results);
            let mask: BooleanArray = holds.as_boolean().iter().map(|holds| Some(holds == Some(true))).collect();
            results = filter_record_batch(&results, &mask)?;
        }
        self.items(&results, errors)
    }

    /// Sums that stopped at the bounds of INT64.
    pub fn saturated(&self) -> u64 {
        self.state.saturated
    }

    fn items(&self, results: &RecordBatch, errors: &mut RowErrors) -> Result<RecordBatch, QueryError> {
        let mut keep = vec![true; results.num_rows()];
        let mut columns = Vec::with_capacity(self.items.len());
        for item in &self.items {
            let (column, failed) = item.run_rows(results)?;
            errors.add(&failed, results);
            failed.iter().for_each(|(row, _)| keep[*row] = false);
            columns.push(column);
        }
        let rows = batch::leading(&self.schema, columns, results.num_rows())?;
        Ok(filter_record_batch(&rows, &BooleanArray::from(keep))?)
    }

    /// Aggregates over no rows: counts are 0, the others NULL.
    fn of_nothing(&self) -> Vec<ArrayRef> {
        use AggregateFunction as F;
        let columns = self.kinds.iter().zip(&self.results).map(|(function, column)| -> ArrayRef {
            match function {
                F::CountStar | F::Count | F::CountDistinct | F::CountIf | F::ApproxCountDistinct => {
                    Arc::new(Int64Array::from(vec![0]))
                }
                _ => new_null_array(&column.ty.arrow(), 1),
            }
        });
        columns.collect()
    }
}

/// Results of aggregates are columns.
fn of_results(expr: &Expr) -> Expr {
    let kind = match expr.kind {
        ExprKind::Aggregate(index) => ExprKind::Column(index),
        _ => expr.kind.map_children(&mut of_results),
    };
    Expr { kind, ..*expr }
}
