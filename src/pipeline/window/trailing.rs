//! Look-backs as a stage: rows of a feature in, the same rows with what their keys had before out.
//!
//! A row's frames hold rows that ended at or before the start of its window: rows of windows that overlap it wait until
//! they may be seen, and rows of one instant do not see each other.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{concat_batches, filter_record_batch};
use datafusion::arrow::datatypes::{Schema, SchemaRef};

use crate::pipeline::batch;
use crate::pipeline::compiled::Compiled;
use crate::pipeline::halve::{Attempt, Failed, RowErrors, by_halves};
use crate::pipeline::saved::{Loader, Saved, SavedError, Saver};
use crate::plan::{FeaturePlan, FramePlan, TrailingPlan, Upstream, WINDOW_COLUMNS};
use crate::port::Spill;
use crate::record::{Column, Type};
use crate::target::datafusion::{Lookups, LowerContext};

use super::accumulate::AggregateKind;
use super::evict::Evicted;
use super::evidence::FlowsBehind;
use super::feature::{BuildError, FeatureRows, StageError};
use super::frame::{Frame, Numbers};
use super::ordered::Argument;

pub struct TrailingStage {
    pub name: String,
    pub upstream: Upstream,
    size: i64,
    /// Columns of the upstream.
    read: usize,
    scope_schema: SchemaRef,
    row: Vec<Compiled>,
    filter: Option<Compiled>,
    /// Columns of the scope that stay visible behind the upstream's key and window.
    carried: Vec<usize>,
    leading: usize,
    frames: Vec<FrameStage>,
    outputs: Vec<Compiled>,
    derive: Vec<Compiled>,
    emit: Option<Compiled>,
    results_schema: SchemaRef,
    schema: SchemaRef,
    /// Rows of the window that ends now.
    now: Option<Window>,
    /// Windows whose rows are not in the frames yet.
    waiting: VecDeque<Window>,
    pub errors: RowErrors,
}

struct FrameStage {
    key: Vec<usize>,
    args: Vec<Option<Argument>>,
    frame: Frame,
}

struct Window {
    end: i64,
    parts: Vec<Part>,
    /// Of the upstream's rows.
    behind: Arc<FlowsBehind>,
}

/// Rows that could be computed together.
struct Part {
    scope: RecordBatch,
    /// By frame.
    inputs: Vec<Inputs>,
    /// Places among the upstream's rows.
    places: Vec<usize>,
}

struct Inputs {
    keys: Vec<ArrayRef>,
    args: Vec<Option<ArrayRef>>,
    numbers: Option<Numbers>,
}

impl TrailingStage {
    pub fn new(plan: &FeaturePlan, trailing: &TrailingPlan, lookups: &Lookups) -> Result<Self, BuildError> {
        let leading = plan.key.len() + WINDOW_COLUMNS;
        let time = Some(leading - 1);
        let scope = LowerContext { columns: &plan.scope, lookups, event_time: time };
        let compile = |expr| Compiled::new(expr, scope);
        let mut results: Vec<Column> = plan.aggregates.iter().enumerate().map(result).collect();
        results.push(Column::new("event_time", Type::Timestamp, false));
        let of_results = LowerContext { columns: &results, lookups, event_time: Some(plan.aggregates.len()) };
        let of_relation = LowerContext { columns: &plan.columns, lookups, event_time: time };
        let outputs = plan.outputs.iter().map(|item| Compiled::new(&item.expr, of_results));
        let derive = plan.derive.iter().map(|item| Compiled::new(&item.expr, of_relation));
        let frame = |frame: &FramePlan| -> Result<FrameStage, BuildError> {
            let aggregates = &plan.aggregates[frame.aggregates.clone()];
            let key_types = frame.key.iter().map(|i| plan.scope[*i].ty.arrow()).collect();
            let kinds = aggregates.iter().map(AggregateKind::of).collect();
            let args = aggregates.iter().map(|aggregate| Argument::new(aggregate, scope));
            Ok(FrameStage {
                key: frame.key.clone(),
                args: args.collect::<Result<_, _>>()?,
                frame: Frame::new(frame.size.0, kinds, key_types)?,
            })
        };
        Ok(Self {
            name: plan.name.clone(),
            upstream: plan.upstream,
            size: plan.window.size.0,
            read: plan.scope.len() - plan.row.len(),
            scope_schema: batch::schema(&plan.scope),
            row: plan.row.iter().map(|item| compile(&item.expr)).collect::<Result<_, _>>()?,
            filter: plan.filter.as_ref().map(compile).transpose()?,
            carried: trailing.carried.clone(),
            leading,
            frames: trailing.frames.iter().map(frame).collect::<Result<_, _>>()?,
            outputs: outputs.collect::<Result<_, _>>()?,
            derive: derive.collect::<Result<_, _>>()?,
            emit: trailing.emit.as_ref().map(|emit| Compiled::new(emit, of_relation)).transpose()?,
            results_schema: batch::schema(&results),
            schema: batch::schema(&plan.columns),
            now: None,
            waiting: VecDeque::new(),
            errors: RowErrors::default(),
        })
    }

    /// Takes the state of the same feature in another graph.
    pub fn go_on(&mut self, before: Self) {
        self.frames.iter_mut().zip(before.frames).for_each(|(own, before)| own.frame = before.frame);
        (self.now, self.waiting, self.errors) = (before.now, before.waiting, before.errors);
    }

    /// When the window ends whose rows have come.
    pub fn next_end(&self) -> Option<i64> {
        self.now.as_ref().map(|window| window.end)
    }

    /// How many keys each frame may have.
    pub fn keys(&self) -> usize {
        self.frames.iter().map(|stage| stage.frame.keys()).max().unwrap_or(0)
    }

    /// Of frames with more keys than `keys_max`, those go that had a row last longest ago.
    pub fn evict(&mut self, keys_max: usize) -> Result<Option<Evicted>, StageError> {
        let mut all: Option<Evicted> = None;
        for stage in &mut self.frames {
            let evicted = stage.frame.evict(keys_max)?;
            all = all.into_iter().chain(evicted).reduce(Evicted::and);
        }
        Ok(all)
    }

    /// From now on each frame holds at most about `rows_max` rows in memory.
    pub fn spill_to(&mut self, spill: &Arc<dyn Spill>, rows_max: usize) {
        self.frames.iter_mut().for_each(|stage| stage.frame.spill_to(Arc::clone(spill), rows_max));
    }

    /// From now on each frame holds fewer, and those beyond go at once.
    pub fn hold_at_most(&mut self, rows_max: usize) -> Result<(), StageError> {
        Ok(self.frames.iter_mut().try_for_each(|stage| stage.frame.hold_at_most(rows_max))?)
    }

    /// Rows that the largest frame holds in memory.
    pub fn look_back_rows(&self) -> usize {
        self.frames.iter().map(|stage| stage.frame.rows_held()).max().unwrap_or(0)
    }

    pub fn saturated(&self) -> u64 {
        self.frames.iter().map(|stage| stage.frame.saturated).sum()
    }

    /// Takes the upstream's rows of the window that ends at `end`.
    pub fn push(&mut self, end: i64, rows: &RecordBatch, behind: Arc<FlowsBehind>) -> Result<(), StageError> {
        let mut parts = Vec::new();
        let failed = by_halves(rows, &mut |rows, first| {
            parts.push(self.prepare(rows, first)?);
            Ok(())
        })?;
        self.errors.add(&failed, rows);
        self.now = Some(Window { end, parts, behind });
        Ok(())
    }

    fn prepare(&self, rows: &RecordBatch, first: usize) -> Result<Part, Attempt> {
        let mut columns: Vec<ArrayRef> = rows.columns()[..self.read].to_vec();
        for expr in &self.row {
            let so_far = batch::leading(&self.scope_schema, columns.clone(), rows.num_rows())?;
            columns.push(expr.run(&so_far)?);
        }
        let mut scope = batch::leading(&self.scope_schema, columns, rows.num_rows())?;
        let mut places: Vec<usize> = (first..first + rows.num_rows()).collect();
        if let Some(filter) = &self.filter {
            let keep = filter.mask(&scope)?;
            scope = filter_record_batch(&scope, &keep)?;
            places = keep.values().set_indices().map(|row| first + row).collect();
        }
        let inputs = self.frames.iter().map(|stage| -> Result<Inputs, Attempt> {
            let args = stage.args.iter().map(|arg| arg.as_ref().map(|arg| arg.run(&scope)).transpose());
            let keys = stage.key.iter().map(|i| Arc::clone(scope.column(*i))).collect();
            Ok(Inputs { keys, args: args.collect::<Result<_, _>>()?, numbers: None })
        });
        let inputs = inputs.collect::<Result<_, _>>()?;
        Ok(Part { scope, inputs, places })
    }

    /// Takes out the rows of the window that ends at `end`.
    pub fn close(&mut self, end: i64) -> Result<FeatureRows, StageError> {
        let start = end - self.size;
        while let Some(window) = self.waiting.pop_front_if(|window| window.end <= start) {
            for part in window.parts {
                let rows = part.scope.num_rows();
                for (stage, Inputs { keys, args, numbers }) in self.frames.iter_mut().zip(part.inputs) {
                    stage.frame.add(window.end, &keys, numbers, &args, rows)?;
                }
            }
        }
        let mut window = self.now.take().unwrap_or_else(|| Window::empty(end));
        let (mut batches, mut places) = (Vec::new(), Vec::new());
        for part in &mut window.parts {
            let of_part = std::mem::take(&mut part.places);
            let (rows, keep) = self.look_back(start, part)?;
            places.extend(of_part.into_iter().zip(&keep).filter(|(_, keep)| **keep).map(|(place, _)| place));
            batches.push(rows);
        }
        let behind = std::mem::replace(&mut window.behind, Arc::new(FlowsBehind::none()));
        self.waiting.push_back(window);
        let rows = concat_batches(&self.schema, &batches)?;
        Ok(FeatureRows { rows, numbers: Vec::new(), evidence: Arc::new(behind.picked(places)) })
    }

    /// The rows of a part with their look-backs, and which of them are put out.
    fn look_back(&mut self, start: i64, part: &mut Part) -> Result<(RecordBatch, Vec<bool>), StageError> {
        let count = part.scope.num_rows();
        let mut columns: Vec<ArrayRef> = part.scope.columns()[..self.leading].to_vec();
        columns.extend(self.carried.iter().map(|i| Arc::clone(part.scope.column(*i))));
        let mut results = Vec::new();
        for (stage, inputs) in self.frames.iter_mut().zip(&mut part.inputs) {
            let (columns, numbers) = stage.frame.results(start, &inputs.keys, count)?;
            inputs.numbers = Some(numbers);
            results.extend(columns);
        }
        results.push(Arc::clone(part.scope.column(self.leading - 1)));
        let results = batch::leading(&self.results_schema, results, count)?;
        let mut failed: Vec<Failed> = Vec::new();
        for output in &self.outputs {
            let (column, own) = output.run_rows(&results)?;
            columns.push(column);
            failed.extend(own);
        }
        for derived in &self.derive {
            let so_far = batch::leading(&self.schema, columns.clone(), count)?;
            let (column, own) = derived.run_rows(&so_far)?;
            columns.push(column);
            failed.extend(own);
        }
        let rows = batch::leading(&self.schema, columns, count)?;
        let mut keep = vec![true; count];
        if let Some(emit) = &self.emit {
            let (mask, own) = emit.run_rows(&rows)?;
            let mask = datafusion::arrow::array::AsArray::as_boolean(&mask);
            keep.iter_mut().enumerate().for_each(|(row, keep)| *keep = mask.is_valid(row) && mask.value(row));
            failed.extend(own);
        }
        // A row counts once, however many of its columns fail.
        failed.sort_by_key(|(row, _)| *row);
        failed.dedup_by_key(|(row, _)| *row);
        self.errors.add(&failed, &rows);
        failed.iter().for_each(|(row, _)| keep[*row] = false);
        Ok((filter_record_batch(&rows, &BooleanArray::from(keep.clone()))?, keep))
    }
}

impl Window {
    fn empty(end: i64) -> Self {
        Self { end, parts: Vec::new(), behind: Arc::new(FlowsBehind::none()) }
    }
}

fn result((index, aggregate): (usize, &crate::language::tree::Aggregate)) -> Column {
    Column::new(format!("aggregate_{index}"), aggregate.ty, aggregate.nullable)
}

impl Saved for TrailingStage {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        // Between two instants no window is under way.
        if self.now.is_some() {
            return Err(SavedError::Unknown(format!("a window of {} is under way", self.name)));
        }
        out.put(&self.errors)?;
        self.frames.iter().try_for_each(|stage| stage.frame.save(out))?;
        out.put(&self.waiting.len())?;
        self.waiting.iter().try_for_each(|window| window.save(out))
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        self.errors = from.take()?;
        self.frames.iter_mut().try_for_each(|stage| stage.frame.load(from))?;
        let waiting: usize = from.take()?;
        self.waiting.clear();
        for _ in 0..waiting {
            let mut window = Window::empty(0);
            window.load(from)?;
            self.waiting.push_back(window);
        }
        Ok(())
    }
}

/// One that waits: of its rows only what the frames take is still needed.
impl Saved for Window {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(&(self.end, self.parts.len()))?;
        for part in &self.parts {
            let rows = part.scope.num_rows();
            out.put(&(rows, part.inputs.len()))?;
            for Inputs { keys, args, .. } in &part.inputs {
                let there: Vec<bool> = args.iter().map(Option::is_some).collect();
                out.put(&there)?;
                out.columns(keys, rows)?;
                out.columns(&args.iter().flatten().cloned().collect::<Vec<ArrayRef>>(), rows)?;
            }
        }
        Ok(())
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        let parts: usize;
        (self.end, parts) = from.take()?;
        for _ in 0..parts {
            let (rows, inputs): (usize, usize) = from.take()?;
            let inputs = (0..inputs).map(|_| {
                let there: Vec<bool> = from.take()?;
                let (keys, mut args) = (from.columns()?, from.columns()?.into_iter());
                let args = there.into_iter().map(|there| if there { args.next() } else { None }).collect();
                Ok(Inputs { keys, args, numbers: None })
            });
            let inputs = inputs.collect::<Result<_, SavedError>>()?;
            let nothing = Arc::new(Schema::empty());
            let scope = batch::leading(&nothing, Vec::new(), rows)?;
            self.parts.push(Part { scope, inputs, places: Vec::new() });
        }
        Ok(())
    }
}
