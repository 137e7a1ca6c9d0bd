//! One feature as a stage: rows of its upstream in, rows of its windows out.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, SchemaRef, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;

use crate::plan::{FeaturePlan, Upstream};
use crate::target::datafusion::{LookupTable, LowerError};

use super::accumulate::AggregateKind;
use super::evidence::{EvidenceRow, EvidenceRows, SeeFlow};
use super::operator::{Hop, WindowError, WindowRows, WindowState};
use crate::pipeline::batch;
use crate::pipeline::compiled::Compiled;
use crate::pipeline::halve::{Attempt, by_halves};
use crate::pipeline::join::Join;

/// Why a stage could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Lower(#[from] LowerError),
    #[error(transparent)]
    Window(#[from] WindowError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

/// Why a stage could not go on. Errors of single rows are counted instead.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error(transparent)]
    Window(#[from] WindowError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

pub struct FeatureStage {
    pub name: String,
    pub upstream: Upstream,
    upstream_columns: usize,
    upstream_time: usize,
    joins: Vec<Join>,
    scope_schema: SchemaRef,
    row: Vec<Compiled>,
    filter: Option<Compiled>,
    key: Vec<usize>,
    args: Vec<Option<Compiled>>,
    outputs: Vec<Compiled>,
    derive: Vec<Compiled>,
    aggregate_schema: SchemaRef,
    schema: SchemaRef,
    state: WindowState,
    /// Rows that could not be computed.
    pub row_errors: u64,
    pub first_row_error: Option<String>,
}

/// A window that closed: rows of the feature, and the flows behind each.
pub struct FeatureRows {
    pub rows: RecordBatch,
    pub evidence: Vec<Vec<EvidenceRow>>,
}

impl FeatureStage {
    pub fn new(
        plan: &FeaturePlan,
        upstream_columns: usize,
        upstream_time: usize,
        evidence_rows: usize,
        lookups: &[Arc<LookupTable>],
    ) -> Result<Self, BuildError> {
        let compile = |expr| Compiled::new(expr, &plan.scope, lookups);
        let args = plan.aggregates.iter().map(|a| a.arg.as_ref().map(compile).transpose());
        let kinds: Vec<AggregateKind> = plan
            .aggregates
            .iter()
            .map(|a| AggregateKind { function: a.function, arg: a.arg.as_ref().map(|arg| arg.ty) })
            .collect();
        let results: Vec<crate::record::Column> = plan
            .aggregates
            .iter()
            .enumerate()
            .map(|(i, a)| crate::record::Column::new(format!("aggregate_{i}"), a.ty, a.nullable))
            .collect();
        let key_types = plan.key.iter().map(|i| plan.scope[*i].ty.arrow()).collect();
        let hop = Hop { size: plan.window.size.0, every: plan.window.every.0 };
        let mut derive = Vec::new();
        let first_derived = plan.columns.len() - plan.derive.len();
        for (i, item) in plan.derive.iter().enumerate() {
            derive.push(Compiled::new(&item.expr, &plan.columns[..first_derived + i], lookups)?);
        }
        Ok(Self {
            name: plan.name.clone(),
            upstream: plan.upstream,
            upstream_columns,
            upstream_time,
            joins: plan.joins.iter().map(|join| Join::new(join, lookups)).collect::<Result<_, _>>()?,
            scope_schema: batch::schema(&plan.scope),
            row: plan.row.iter().map(|item| compile(&item.expr)).collect::<Result<_, _>>()?,
            filter: plan.filter.as_ref().map(compile).transpose()?,
            key: plan.key.clone(),
            args: args.collect::<Result<_, _>>()?,
            outputs: plan
                .outputs
                .iter()
                .map(|item| Compiled::new(&item.expr, &results, lookups))
                .collect::<Result<_, _>>()?,
            derive,
            aggregate_schema: batch::schema(&results),
            schema: batch::schema(&plan.columns),
            state: WindowState::new(hop, kinds, key_types, evidence_rows)?,
            row_errors: 0,
            first_row_error: None,
        })
    }

    pub fn hop(&self) -> Hop {
        self.state.hop()
    }

    pub fn state(&self) -> &WindowState {
        &self.state
    }

    pub fn next_end(&self) -> Option<i64> {
        self.state.next_end()
    }

    /// Adds rows of the upstream; each still has an open window here. `others` are windows closed at this instant.
    pub fn push(
        &mut self,
        rows: &RecordBatch,
        others: &[Option<RecordBatch>],
        evidence: Option<&dyn EvidenceRows>,
    ) -> Result<(), StageError> {
        let mut parts = Vec::new();
        let failed = by_halves(rows, &mut |rows, first| {
            parts.push((first, self.prepare(rows, others)?));
            Ok(())
        })?;
        self.row_errors += failed.len() as u64;
        if let Some((_, error)) = failed.first() {
            self.first_row_error.get_or_insert_with(|| error.to_string());
        }
        for (first, prepared) in &parts {
            self.add(prepared, *first, evidence)?;
        }
        Ok(())
    }

    /// The places of the rows that `where` lets through; rows that cannot be computed are not among them.
    pub fn chosen(&self, rows: &RecordBatch) -> Result<Vec<usize>, StageError> {
        let mut chosen = Vec::new();
        by_halves(rows, &mut |rows, first| {
            let prepared = self.prepare(rows, &[])?;
            match prepared.mask {
                Some(mask) => chosen.extend(mask.values().set_indices().map(|row| first + row)),
                None => chosen.extend(first..first + rows.num_rows()),
            }
            Ok(())
        })?;
        Ok(chosen)
    }

    fn prepare(&self, rows: &RecordBatch, others: &[Option<RecordBatch>]) -> Result<Prepared, Attempt> {
        let mut columns: Vec<ArrayRef> = rows.columns()[..self.upstream_columns].to_vec();
        for join in &self.joins {
            columns.extend(join.columns(rows, self.upstream_time, others)?);
        }
        for expr in &self.row {
            let so_far = self.scope_batch(&columns, rows.num_rows())?;
            columns.push(expr.run(&so_far)?);
        }
        let mut scope = self.scope_batch(&columns, rows.num_rows())?;
        let mut mask = None;
        if let Some(filter) = &self.filter {
            let keep = filter.mask(&scope)?;
            scope = filter_record_batch(&scope, &keep)?;
            mask = Some(keep);
        }
        let args = self.args.iter().map(|arg| arg.as_ref().map(|arg| arg.run(&scope)).transpose());
        Ok(Prepared {
            times: scope.column(self.upstream_time).as_primitive::<TimestampMicrosecondType>().values().to_vec(),
            keys: self.key.iter().map(|i| Arc::clone(scope.column(*i))).collect(),
            args: args.collect::<Result<_, _>>()?,
            mask,
        })
    }

    /// The scope with the columns that exist so far; later ones are NULL.
    fn scope_batch(&self, columns: &[ArrayRef], rows: usize) -> Result<RecordBatch, ArrowError> {
        let mut all: Vec<Option<ArrayRef>> = columns.iter().cloned().map(Some).collect();
        all.resize(self.scope_schema.fields().len(), None);
        batch::batch(&self.scope_schema, all, rows)
    }

    fn add(
        &mut self,
        prepared: &Prepared,
        first: usize,
        evidence: Option<&dyn EvidenceRows>,
    ) -> Result<(), StageError> {
        let picked = evidence.map(|rows| Picked::new(rows, first, prepared.mask.as_ref(), prepared.times.len()));
        let rows = WindowRows {
            times: &prepared.times,
            keys: &prepared.keys,
            args: &prepared.args,
            evidence: picked.as_ref().map(|p| -> &dyn EvidenceRows { p }),
        };
        Ok(self.state.push(&rows)?)
    }

    /// Windows that ended at or before `watermark` are over, those without rows too.
    pub fn pass(&mut self, watermark: i64) {
        self.state.pass(watermark);
    }

    /// Takes out the window that ends at `end`.
    pub fn close(&mut self, end: i64) -> Result<FeatureRows, StageError> {
        let start = end - self.state.hop().size;
        let mut closed = self.state.close(end)?;
        let count = closed.rows;
        if count == 0 {
            return Ok(FeatureRows { rows: RecordBatch::new_empty(Arc::clone(&self.schema)), evidence: Vec::new() });
        }
        let results = closed.columns.split_off(self.key.len());
        let results = batch::batch(&self.aggregate_schema, results.into_iter().map(Some).collect(), count)?;
        let mut columns = closed.columns;
        for at in [start, end, end - 1] {
            columns.push(Arc::new(TimestampMicrosecondArray::from(vec![at; count]).with_timezone("UTC")));
        }
        let keep = self.compute(&results, &mut columns, count)?;
        let rows = batch::batch(&self.schema, columns.into_iter().map(Some).collect(), count)?;
        match keep {
            None => Ok(FeatureRows { rows, evidence: closed.evidence }),
            Some(keep) => {
                let evidence = closed.evidence.into_iter().zip(&keep).filter(|(_, keep)| *keep == Some(true));
                let evidence = evidence.map(|(rows, _)| rows).collect();
                Ok(FeatureRows { rows: filter_record_batch(&rows, &keep)?, evidence })
            }
        }
    }

    /// Adds outputs and derived columns; returns which rows could be computed when some could not.
    fn compute(
        &mut self,
        results: &RecordBatch,
        columns: &mut Vec<ArrayRef>,
        count: usize,
    ) -> Result<Option<BooleanArray>, StageError> {
        let mut failed = vec![false; count];
        for i in 0..self.outputs.len() + self.derive.len() {
            let place = columns.len();
            let (expr, input) = match self.outputs.get(i) {
                Some(output) => (output, results.clone()),
                None => {
                    let mut so_far: Vec<Option<ArrayRef>> = columns.iter().cloned().map(Some).collect();
                    so_far.resize(self.schema.fields().len(), None);
                    (&self.derive[i - self.outputs.len()], batch::batch(&self.schema, so_far, count)?)
                }
            };
            let column = match expr.run(&input) {
                Ok(column) => column,
                Err(_) => {
                    let ty = self.schema.field(place).data_type();
                    let (column, first) = by_row(expr, &input, ty, &mut failed)?;
                    if self.first_row_error.is_none() {
                        self.first_row_error = first;
                    }
                    column
                }
            };
            debug_assert_eq!(column.data_type(), self.schema.field(place).data_type());
            columns.push(column);
        }
        let errors = failed.iter().filter(|failed| **failed).count();
        self.row_errors += errors as u64;
        Ok((errors > 0).then(|| failed.iter().map(|failed| Some(!failed)).collect()))
    }
}

/// Evaluates row by row; failing rows give NULL and are marked.
fn by_row(
    expr: &Compiled,
    input: &RecordBatch,
    ty: &DataType,
    failed: &mut [bool],
) -> Result<(ArrayRef, Option<String>), ArrowError> {
    let mut parts: Vec<Option<ArrayRef>> = Vec::with_capacity(input.num_rows());
    let mut first = None;
    for (row, failed) in failed.iter_mut().enumerate() {
        match expr.run(&input.slice(row, 1)) {
            Ok(value) => parts.push(Some(value)),
            Err(error) => {
                *failed = true;
                first.get_or_insert_with(|| error.to_string());
                parts.push(None);
            }
        }
    }
    let null = datafusion::arrow::array::new_null_array(ty, 1);
    let arrays: Vec<&dyn Array> = parts.iter().map(|part| part.as_ref().unwrap_or(&null).as_ref()).collect();
    Ok((datafusion::arrow::compute::concat(&arrays)?, first))
}

struct Prepared {
    times: Vec<i64>,
    keys: Vec<ArrayRef>,
    args: Vec<Option<ArrayRef>>,
    mask: Option<BooleanArray>,
}

/// Evidence of the rows that a filter kept.
struct Picked<'a> {
    rows: &'a dyn EvidenceRows,
    places: Vec<usize>,
}

impl<'a> Picked<'a> {
    fn new(rows: &'a dyn EvidenceRows, first: usize, mask: Option<&BooleanArray>, count: usize) -> Self {
        let places = match mask {
            Some(mask) => mask.values().set_indices().map(|row| first + row).collect(),
            None => (first..first + count).collect(),
        };
        Self { rows, places }
    }
}

impl EvidenceRows for Picked<'_> {
    fn for_each(&self, row: usize, see: &mut SeeFlow) {
        self.rows.for_each(self.places[row], see);
    }
}
