//! An ad-hoc query over relations of a run: rows come from taps, and the result goes to a writer.

mod group;
mod order;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;

use crate::pipeline::batch;
use crate::pipeline::halve::RowErrors;
use crate::pipeline::past::Closed;
use crate::pipeline::select::SelectStage;
use crate::pipeline::window::feature::BuildError;
use crate::plan::{AdHocPlan, Plan, SelectPlan};
use crate::port::RowWriter;
use crate::record::alert::ALERTS;
use crate::record::{Column, Type};
use crate::target::bigquery::rule_table;
use crate::target::datafusion::{Lookups, LowerError};

use super::outlet::{relations, tap_schema};
use group::GroupStage;
use order::Sorter;

/// Rows that wait for others, in memory.
const COLLECTED_BYTES_MAX: usize = 4 << 30;

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Window(#[from] crate::pipeline::window::operator::WindowError),
    /// Not transparent: a closed pipe is known by its cause.
    #[error("{0}")]
    Write(#[from] io::Error),
    #[error(
        "more than {} GiB of rows wait to be ordered or ranked\nhelp: narrow them by WHERE, or add LIMIT",
        COLLECTED_BYTES_MAX >> 30
    )]
    Memory,
}

/// The name of a relation in a query, as its table is named in BigQuery; and its own.
pub fn names(plan: &Plan) -> Vec<(String, String)> {
    let table = |name: &String| plan.rules.iter().find(|rule| rule.name == *name).map(|rule| rule_table(rule));
    let all = relations(plan).into_iter().chain([ALERTS.to_owned()]);
    all.map(|name| (table(&name).unwrap_or_else(|| name.clone()), name)).collect()
}

/// The columns of a tap.
pub fn columns(plan: &Plan, tap: &str) -> Option<Vec<Column>> {
    let (schema, _) = tap_schema(plan, tap)?;
    let column = |field: &datafusion::arrow::datatypes::FieldRef| {
        let ty = Type::ALL.into_iter().find(|ty| ty.arrow() == *field.data_type())?;
        Some(Column::new(field.name().clone(), ty, field.is_nullable()))
    };
    schema.fields().iter().map(column).collect()
}

/// A query while its rows come.
pub struct Query {
    branches: Vec<Branch>,
    /// The result with what only orders it.
    schema: SchemaRef,
    columns: usize,
    group: Option<GroupStage>,
    sorter: Option<Sorter>,
    offset: usize,
    limit: Option<usize>,
    out: Box<dyn RowWriter>,
    /// Rows written.
    pub rows: u64,
    /// Rows that could not be computed.
    pub errors: RowErrors,
    /// Sums that stopped at the bounds of INT64.
    pub saturated: u64,
}

struct Branch {
    relation: String,
    stage: SelectStage,
    /// Rows that are ranked when all are there.
    waiting: Option<Vec<RecordBatch>>,
}

impl Query {
    pub fn new(plan: &AdHocPlan, lookups: &Lookups, out: Box<dyn RowWriter>) -> Result<Self, QueryError> {
        let read = plan.branches.first().map(|(_, select)| read_columns(select)).unwrap_or_default();
        let read = batch::schema(&read);
        let branches = plan.branches.iter().map(|(relation, select)| {
            let time = select.scope.iter().position(|c| c.name == "event_time" && c.ty == Type::Timestamp);
            let stage = SelectStage::new(select, select.scope.len(), time, &read, lookups)?;
            let waiting = (!select.ranks.is_empty()).then(Vec::new);
            Ok::<_, QueryError>(Branch { relation: relation.clone(), stage, waiting })
        });
        let schema = batch::schema(&plan.items);
        Ok(Self {
            branches: branches.collect::<Result<_, _>>()?,
            group: plan.group.as_ref().map(|group| GroupStage::new(group, &read, lookups)).transpose()?,
            sorter: (!plan.order.is_empty()).then(|| Sorter::new(&plan.order, plan.limit.map(|n| n + plan.offset))),
            schema,
            columns: plan.columns,
            offset: plan.offset,
            limit: plan.limit,
            out,
            rows: 0,
            errors: RowErrors::default(),
            saturated: 0,
        })
    }

    /// Rows of a relation.
    pub fn push(&mut self, relation: &str, rows: &RecordBatch) -> Result<(), QueryError> {
        for index in 0..self.branches.len() {
            let branch = &mut self.branches[index];
            if branch.relation != relation {
                continue;
            }
            if let Some(waiting) = &mut branch.waiting {
                waiting.push(rows.clone());
                let bytes: usize = waiting.iter().map(RecordBatch::get_array_memory_size).sum();
                if bytes > COLLECTED_BYTES_MAX {
                    return Err(QueryError::Memory);
                }
                continue;
            }
            let (selected, _) = branch.stage.select(rows, Closed::default(), &mut self.errors)?;
            self.selected(selected)?;
        }
        Ok(())
    }

    fn selected(&mut self, rows: RecordBatch) -> Result<(), QueryError> {
        match &mut self.group {
            Some(group) => group.push(&rows),
            None => self.result(rows),
        }
    }

    fn result(&mut self, rows: RecordBatch) -> Result<(), QueryError> {
        match &mut self.sorter {
            Some(sorter) => {
                sorter.push(rows)?;
                if sorter.bytes() > COLLECTED_BYTES_MAX { Err(QueryError::Memory) } else { Ok(()) }
            }
            None => self.write(&rows),
        }
    }

    /// Do rows wait for all others before they are written?
    pub fn waits(&self) -> bool {
        self.group.is_some() || self.sorter.is_some() || self.branches.iter().any(|branch| branch.waiting.is_some())
    }

    /// Is there nothing more to come?
    pub fn is_full(&self) -> bool {
        self.limit == Some(0) && self.sorter.is_none() && self.group.is_none()
    }

    /// All rows have come.
    pub fn finish(&mut self) -> Result<(), QueryError> {
        for index in 0..self.branches.len() {
            let branch = &mut self.branches[index];
            let Some(waiting) = branch.waiting.take() else { continue };
            let Some(first) = waiting.first() else { continue };
            let rows = concat_batches(&first.schema(), &waiting)?;
            let (selected, _) = branch.stage.select(&rows, Closed::default(), &mut self.errors)?;
            self.selected(selected)?;
        }
        if let Some(mut group) = self.group.take() {
            let rows = group.finish(&mut self.errors)?;
            self.saturated = group.saturated();
            self.result(rows)?;
        }
        if let Some(sorter) = self.sorter.take() {
            let rows = sorter.finish(&self.schema)?;
            self.write(&rows)?;
        }
        Ok(self.out.finish()?)
    }

    fn write(&mut self, rows: &RecordBatch) -> Result<(), QueryError> {
        let skipped = self.offset.min(rows.num_rows());
        self.offset -= skipped;
        let left = rows.num_rows() - skipped;
        let count = self.limit.map_or(left, |limit| limit.min(left));
        self.limit = self.limit.map(|limit| limit - count);
        if count == 0 {
            return Ok(());
        }
        let shown = rows.columns()[..self.columns].to_vec();
        let schema = visible(&self.schema, self.columns);
        let rows = RecordBatch::try_new(schema, shown)?.slice(skipped, count);
        self.out.write(&rows)?;
        self.rows += count as u64;
        Ok(())
    }
}

/// The schema of what is written.
pub fn visible(schema: &SchemaRef, columns: usize) -> SchemaRef {
    SchemaRef::new(Schema::new(schema.fields()[..columns].to_vec()))
}

fn read_columns(select: &SelectPlan) -> Vec<Column> {
    let items = select.items.iter();
    // Nullable throughout: other branches may give NULL.
    items.map(|item| Column::new(item.name.clone(), item.expr.ty, true)).collect()
}

/// Rows of one tap go into a query.
pub struct QueryTap {
    /// Its name in the query.
    pub relation: String,
    pub query: Rc<RefCell<Query>>,
    /// Set when no further row is wanted.
    pub stop: Arc<AtomicBool>,
}

impl RowWriter for QueryTap {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        let mut query = self.query.borrow_mut();
        query.push(&self.relation, rows).map_err(|error| match error {
            // A closed pipe has to be known as one.
            QueryError::Write(error) => error,
            other => io::Error::other(other),
        })?;
        if query.is_full() {
            self.stop.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
