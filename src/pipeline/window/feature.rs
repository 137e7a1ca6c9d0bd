//! One feature as a stage: rows of its upstream in, rows of its windows out.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;

use crate::plan::{FeaturePlan, Upstream, WINDOW_COLUMNS};
use crate::record::{Column, Type};
use crate::target::datafusion::{Lookups, LowerContext, LowerError};

use super::accumulate::AggregateKind;
use super::evidence::{EvidenceRows, FlowsBehind, SeeFlow};
use super::operator::{ClosedWindow, Hop, Wanted, WindowError, WindowRows, WindowState};
use super::ordered::Argument;
use super::previous::Previous;
use super::session::Sessions;
use crate::pipeline::batch;
use crate::pipeline::compiled::Compiled;
use crate::pipeline::detect::focus::Focus;
use crate::pipeline::detect::nearest::{Conditions, Nearest};
use crate::pipeline::halve::{Attempt, Failed, RowErrors, by_halves};
use crate::pipeline::join::Join;
use crate::pipeline::past::Closed;

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
    /// How many of them are known before the row before is.
    ready: usize,
    filter: Option<Compiled>,
    previous: Option<Box<Previous>>,
    keeps_evidence: bool,
    key: Vec<usize>,
    args: Vec<Option<Argument>>,
    outputs: Vec<Compiled>,
    derive: Vec<Compiled>,
    results_schema: SchemaRef,
    schema: SchemaRef,
    windows: Windows,
    pub errors: RowErrors,
    watched: Option<Watched>,
}

/// The windows that rows of the feature are in.
enum Windows {
    Hops(Box<WindowState>),
    Sessions(Box<Sessions>),
}

impl Windows {
    fn new(plan: &FeaturePlan, evidence_rows: usize) -> Result<Self, WindowError> {
        let kinds: Vec<AggregateKind> = plan.aggregates.iter().map(AggregateKind::of).collect();
        let key_types = plan.key.iter().map(|i| plan.scope[*i].ty.arrow()).collect();
        let (size, every) = (plan.window.size.0, plan.window.every.0);
        Ok(match plan.window.session_gap {
            Some(gap) => Self::Sessions(Box::new(Sessions::new(gap.0, size, kinds, key_types, evidence_rows)?)),
            None => Self::Hops(Box::new(WindowState::new(Hop { size, every }, kinds, key_types, evidence_rows)?)),
        })
    }

    fn close(&mut self, end: i64, wanted: Wanted<'_>) -> Result<ClosedWindow, WindowError> {
        match self {
            Self::Hops(windows) => windows.close(end, wanted),
            Self::Sessions(sessions) => sessions.close(end),
        }
    }
}

/// Of the rows that came, the one nearest to being counted, when somebody asks why none is.
struct Watched {
    conditions: Conditions,
    scope: Vec<Column>,
    nearest: Option<Nearest>,
    focus: Focus,
}

/// A window that closed: rows of the feature, and the flows behind each.
pub struct FeatureRows {
    pub rows: RecordBatch,
    pub evidence: Arc<FlowsBehind>,
}

impl FeatureStage {
    pub fn new(
        plan: &FeaturePlan,
        upstream_columns: usize,
        upstream_time: usize,
        evidence_rows: usize,
        lookups: &Lookups,
    ) -> Result<Self, BuildError> {
        let scope = LowerContext { columns: &plan.scope, lookups, event_time: Some(upstream_time) };
        let compile = |expr| Compiled::new(expr, scope);
        let args = plan.aggregates.iter().map(|aggregate| Argument::new(aggregate, scope));
        let results = plan.aggregates.iter().enumerate();
        let mut results: Vec<Column> =
            results.map(|(i, a)| Column::new(format!("aggregate_{i}"), a.ty, a.nullable)).collect();
        // What lookups hold for an output depends on the window's event time.
        results.push(Column::new("event_time", Type::Timestamp, false));
        let result_time = Some(plan.aggregates.len());
        let of_results = LowerContext { columns: &results, lookups, event_time: result_time };
        let outputs = plan.outputs.iter().map(|item| Compiled::new(&item.expr, of_results));
        let time = Some(plan.key.len() + WINDOW_COLUMNS - 1);
        let of_relation = LowerContext { columns: &plan.columns, lookups, event_time: time };
        let derive = plan.derive.iter().map(|item| Compiled::new(&item.expr, of_relation));
        Ok(Self {
            name: plan.name.clone(),
            upstream: plan.upstream,
            upstream_columns,
            upstream_time,
            joins: plan.joins.iter().map(|join| Join::new(join, lookups)).collect::<Result<_, _>>()?,
            scope_schema: batch::schema(&carried(plan)),
            row: plan.row.iter().map(|item| compile(&item.expr)).collect::<Result<_, _>>()?,
            ready: plan.previous.as_ref().map_or(plan.row.len(), |previous| previous.ready),
            filter: plan.filter.as_ref().map(compile).transpose()?,
            previous: plan
                .previous
                .as_ref()
                .map(|previous| Previous::new(previous, &plan.scope, &plan.key, upstream_time).map(Box::new))
                .transpose()?,
            key: plan.key.clone(),
            args: args.collect::<Result<_, _>>()?,
            outputs: outputs.collect::<Result<_, _>>()?,
            derive: derive.collect::<Result<_, _>>()?,
            results_schema: batch::schema(&results),
            schema: batch::schema(&plan.columns),
            keeps_evidence: evidence_rows > 0,
            windows: Windows::new(plan, evidence_rows)?,
            errors: RowErrors::default(),
            watched: None,
        })
    }

    /// From now on [`Self::nearest`] can tell.
    pub fn watch_for(&mut self, plan: &FeaturePlan, lookups: &Lookups, focus: &Focus) -> Result<(), BuildError> {
        let scope = LowerContext { columns: &plan.scope, lookups, event_time: Some(self.upstream_time) };
        let conditions = Conditions::new(plan.filter.as_ref(), scope)?;
        self.watched = Some(Watched { conditions, scope: plan.scope.clone(), nearest: None, focus: focus.clone() });
        Ok(())
    }

    /// The row that came nearest to meeting `where`; none without [`Self::watch_for`].
    pub fn nearest(&self) -> Option<&Nearest> {
        self.watched.as_ref()?.nearest.as_ref()
    }

    fn watch(&mut self, rows: &RecordBatch, closed: Closed<'_>) -> Result<(), ArrowError> {
        let Some(watched) = &self.watched else { return Ok(()) };
        let rows = &watched.focus.rows(rows)?;
        // A row whose scope cannot be computed is among the errors.
        let scope = match self.scope(rows, closed) {
            Ok(scope) => scope,
            Err(Attempt::Row(_)) => return Ok(()),
            Err(Attempt::Arrow(error)) => return Err(error),
        };
        if let Some(watched) = &mut self.watched {
            Nearest::keep(&mut watched.nearest, watched.conditions.nearest(&scope, &watched.scope));
        }
        Ok(())
    }

    /// Where a row counts. In a session, or as the row before another, it counts when it is not older than the watermark, as
    /// in a window of a microsecond.
    pub fn hop(&self) -> Hop {
        match &self.windows {
            Windows::Hops(windows) if self.previous.is_none() => windows.hop(),
            _ => Hop { size: 1, every: 1 },
        }
    }

    pub fn saturated(&self) -> u64 {
        match &self.windows {
            Windows::Hops(windows) => windows.saturated,
            Windows::Sessions(sessions) => sessions.saturated,
        }
    }

    pub fn next_end(&self) -> Option<i64> {
        match &self.windows {
            Windows::Hops(windows) => windows.next_end(),
            Windows::Sessions(sessions) => sessions.next_end(),
        }
    }

    /// Adds rows of the upstream; each still has an open window here. `closed` are the windows that may be joined.
    pub fn push(
        &mut self,
        rows: &RecordBatch,
        closed: Closed<'_>,
        evidence: Option<&dyn EvidenceRows>,
    ) -> Result<(), StageError> {
        let mut parts = Vec::new();
        let failed = by_halves(rows, &mut |rows, first| {
            parts.push((first, self.prepare(rows, closed)?));
            Ok(())
        })?;
        self.errors.add(&failed, rows);
        self.watch(rows, closed)?;
        for (first, prepared) in parts {
            match &mut self.previous {
                None => self.add(&prepared, first, evidence)?,
                Some(previous) => {
                    let chosen: Option<Vec<usize>> = prepared.mask.map(|mask| mask.values().set_indices().collect());
                    let place = |row: usize| first + chosen.as_ref().map_or(row, |chosen| chosen[row]);
                    previous.push(prepared.scope, &place, evidence.filter(|_| self.keeps_evidence));
                }
            }
        }
        Ok(())
    }

    /// No row before `watermark` will come any more: those that have waited know their row before.
    pub fn release(&mut self, watermark: i64) -> Result<(), StageError> {
        let released = self.previous.as_mut().map(|previous| previous.release(watermark));
        let Some(ordered) = released.transpose()?.flatten() else {
            return Ok(());
        };
        let mut parts = Vec::new();
        let failed = by_halves(&ordered.rows, &mut |rows, first| {
            let mut columns = rows.columns().to_vec();
            let known = columns.len() - self.row.len();
            for (index, expr) in self.row.iter().enumerate().skip(self.ready) {
                let so_far = batch::leading(&self.scope_schema, columns[..known + index].to_vec(), rows.num_rows())?;
                columns[known + index] = expr.run(&so_far)?;
            }
            let scope = batch::leading(&self.scope_schema, columns, rows.num_rows())?;
            parts.push((first, self.inputs(scope, None)?));
            Ok(())
        })?;
        self.errors.add(&failed, &ordered.rows);
        let behind = FlowsBehind::Rows(ordered.behind);
        for (first, prepared) in &parts {
            self.add(prepared, *first, Some(&behind))?;
        }
        Ok(())
    }

    /// The places of the rows that `where` lets through; rows that cannot be computed are not among them.
    pub fn chosen(&self, rows: &RecordBatch) -> Result<Vec<usize>, StageError> {
        let mut chosen = Vec::new();
        by_halves(rows, &mut |rows, first| {
            let prepared = self.prepare(rows, Closed::default())?;
            match prepared.mask {
                Some(mask) => chosen.extend(mask.values().set_indices().map(|row| first + row)),
                None => chosen.extend(first..first + rows.num_rows()),
            }
            Ok(())
        })?;
        Ok(chosen)
    }

    /// Rows of the upstream with what is joined and computed beside them; NULL stands for what needs the row before.
    fn scope(&self, rows: &RecordBatch, closed: Closed<'_>) -> Result<RecordBatch, Attempt> {
        let mut columns: Vec<ArrayRef> = rows.columns()[..self.upstream_columns].to_vec();
        for join in &self.joins {
            columns.extend(join.columns(rows, self.upstream_time, closed)?);
        }
        let unknown = |columns: &mut Vec<ArrayRef>, until: usize| {
            let fields = self.scope_schema.fields()[columns.len()..until].iter();
            columns.extend(fields.map(|field| new_null_array(field.data_type(), rows.num_rows())));
        };
        unknown(&mut columns, self.scope_schema.fields().len() - self.row.len());
        for expr in &self.row[..self.ready] {
            let so_far = batch::leading(&self.scope_schema, columns.clone(), rows.num_rows())?;
            columns.push(expr.run(&so_far)?);
        }
        unknown(&mut columns, self.scope_schema.fields().len());
        Ok(batch::leading(&self.scope_schema, columns, rows.num_rows())?)
    }

    fn prepare(&self, rows: &RecordBatch, closed: Closed<'_>) -> Result<Prepared, Attempt> {
        let mut scope = self.scope(rows, closed)?;
        let mut mask = None;
        if let Some(filter) = &self.filter {
            let keep = filter.mask(&scope)?;
            scope = filter_record_batch(&scope, &keep)?;
            mask = Some(keep);
        }
        if self.previous.is_some() {
            return Ok(Prepared { scope, times: Vec::new(), keys: Vec::new(), args: Vec::new(), mask });
        }
        self.inputs(scope, mask)
    }

    /// What rows bring to their windows.
    fn inputs(&self, scope: RecordBatch, mask: Option<BooleanArray>) -> Result<Prepared, Attempt> {
        let args = self.args.iter().map(|arg| arg.as_ref().map(|arg| arg.run(&scope)).transpose());
        Ok(Prepared {
            times: scope.column(self.upstream_time).as_primitive::<TimestampMicrosecondType>().values().to_vec(),
            keys: self.key.iter().map(|i| Arc::clone(scope.column(*i))).collect(),
            args: args.collect::<Result<_, _>>()?,
            mask,
            scope,
        })
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
        match &mut self.windows {
            Windows::Hops(windows) => windows.push(&rows)?,
            Windows::Sessions(sessions) => sessions.push(&rows)?,
        }
        Ok(())
    }

    /// Windows that ended at or before `watermark` are over, those without rows too.
    pub fn pass(&mut self, watermark: i64) {
        if let Windows::Hops(windows) = &mut self.windows {
            windows.pass(watermark);
        }
    }

    /// Leaves out the window that ends at `end`: nothing asks for it.
    pub fn skip(&mut self, end: i64) -> Result<(), StageError> {
        match &mut self.windows {
            Windows::Hops(windows) => windows.skip(end),
            Windows::Sessions(sessions) => drop(sessions.close(end)?),
        }
        Ok(())
    }

    /// Takes out the window that ends at `end`: the rows that are `wanted`.
    pub fn close(&mut self, end: i64, wanted: Wanted<'_>) -> Result<FeatureRows, StageError> {
        let mut closed = self.windows.close(end, wanted)?;
        let count = closed.starts.len();
        if count == 0 {
            let rows = RecordBatch::new_empty(Arc::clone(&self.schema));
            return Ok(FeatureRows { rows, evidence: Arc::new(FlowsBehind::none()) });
        }
        let mut results = closed.columns.split_off(self.key.len());
        let mut columns = closed.columns;
        for times in [closed.starts, vec![end; count], vec![end - 1; count]] {
            columns.push(Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")));
        }
        results.extend(columns.last().cloned());
        let results = batch::leading(&self.results_schema, results, count)?;
        let failed = self.compute(&results, &mut columns)?;
        let rows = batch::leading(&self.schema, columns, count)?;
        let evidence = Arc::new(closed.evidence);
        if failed.is_empty() {
            return Ok(FeatureRows { rows, evidence });
        }
        let mut keep = vec![true; count];
        failed.iter().for_each(|(row, _)| keep[*row] = false);
        let evidence = Arc::new(evidence.picked((0..count).filter(|row| keep[*row]).collect()));
        Ok(FeatureRows { rows: filter_record_batch(&rows, &BooleanArray::from(keep))?, evidence })
    }

    /// Adds outputs and derived columns; returns the rows that could not be computed.
    fn compute(&mut self, results: &RecordBatch, columns: &mut Vec<ArrayRef>) -> Result<Vec<Failed>, StageError> {
        let mut failed: Vec<Failed> = Vec::new();
        for output in &self.outputs {
            let (column, own) = output.run_rows(results)?;
            columns.push(column);
            failed.extend(own);
        }
        for derived in &self.derive {
            let so_far = batch::leading(&self.schema, columns.clone(), results.num_rows())?;
            let (column, own) = derived.run_rows(&so_far)?;
            columns.push(column);
            failed.extend(own);
        }
        // A row counts once, however many of its columns fail.
        failed.sort_by_key(|(row, _)| *row);
        failed.dedup_by_key(|(row, _)| *row);
        self.errors.add(&failed, &batch::leading(&self.schema, columns.clone(), results.num_rows())?);
        Ok(failed)
    }
}

/// The scope's columns; those that wait for the row before may be NULL until it is known.
fn carried(plan: &FeaturePlan) -> Vec<Column> {
    let mut columns = plan.scope.clone();
    if let Some(previous) = &plan.previous {
        let known = columns.len() - plan.row.len() + previous.ready;
        columns[known..].iter_mut().for_each(|column| column.nullable = true);
    }
    columns
}

struct Prepared {
    /// Rows that count.
    scope: RecordBatch,
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
