//! One feature as a stage: rows of its upstream in, rows of its windows out.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;

use crate::plan::{FeaturePlan, Upstream, WINDOW_COLUMNS};
use crate::record::{Column, Type};
use crate::target::datafusion::{Lookups, LowerContext, LowerError};

use super::accumulate::AggregateKind;
use super::evict::Evicted;
use super::evidence::{EvidenceRows, FlowsBehind, Picked};
use super::handover::Handover;
use super::input::{Input, Prepared};
use super::key::{KeySpace, Keys};
use super::operator::{Ask, ClosedWindow, Hop, Wanted, WindowError, WindowRows, WindowState};
use super::previous::Previous;
use super::session::Sessions;
use crate::pipeline::batch;
use crate::pipeline::compiled::Compiled;
use crate::pipeline::detect::focus::Focus;
use crate::pipeline::detect::nearest::{Conditions, Nearest};
use crate::pipeline::halve::{Attempt, Failed, RowErrors, by_halves};
use crate::pipeline::past::Closed;
use crate::pipeline::saved::{Loader, Saved, SavedError, Saver, mismatch};

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
    input: Input,
    previous: Option<Box<Previous>>,
    keeps_evidence: bool,
    /// How many columns the key has.
    key: usize,
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
    fn new(plan: &FeaturePlan, evidence_rows: usize, space: Option<&KeySpace>) -> Result<Self, WindowError> {
        let kinds: Vec<AggregateKind> = plan.aggregates.iter().map(AggregateKind::of).collect();
        let key_types = plan.key.iter().map(|i| plan.scope[*i].ty.arrow()).collect();
        let (size, every) = (plan.window.size.0, plan.window.every.0);
        Ok(match plan.window.session_gap {
            Some(gap) => Self::Sessions(Box::new(Sessions::new(gap.0, size, kinds, key_types, evidence_rows)?)),
            None => {
                let keys = match space {
                    Some(space) => space.clone(),
                    None => KeySpace::own(Keys::new(key_types)?),
                };
                let windows = WindowState::of_keys(Hop { size, every }, kinds, keys, evidence_rows);
                Self::Hops(Box::new(windows.filled(plan.fill.map(|expire| expire.0))))
            }
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
    input: Input,
    conditions: Conditions,
    scope: Vec<Column>,
    nearest: Option<Nearest>,
    focus: Focus,
}

/// A window that closed: rows of the feature, and the flows behind each.
pub struct FeatureRows {
    pub rows: RecordBatch,
    /// Of windows: the number of each row's key.
    pub numbers: Vec<u32>,
    pub evidence: Arc<FlowsBehind>,
}

/// What comes with the rows of a batch.
#[derive(Clone, Copy, Default)]
pub struct Beside<'a> {
    pub evidence: Option<&'a dyn EvidenceRows>,
    /// The number of each row's key, where keys are shared.
    pub numbers: Option<&'a [u32]>,
}

/// Keys that features share.
#[derive(Clone, Copy)]
pub struct Shared<'a> {
    pub space: &'a KeySpace,
    /// Do rows come with their key's number?
    pub numbered: bool,
}

impl FeatureStage {
    pub fn new(
        plan: &FeaturePlan,
        upstream_time: usize,
        evidence_rows: usize,
        keys: Option<Shared<'_>>,
        lookups: &Lookups,
    ) -> Result<Self, BuildError> {
        let numbered = keys.is_some_and(|keys| keys.numbered);
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
        let previous = plan.previous.as_ref();
        Ok(Self {
            name: plan.name.clone(),
            upstream: plan.upstream,
            input: Input::new(plan, upstream_time, numbered, lookups)?,
            previous: previous
                .map(|previous| Previous::new(previous, &plan.scope, &plan.key, upstream_time).map(Box::new))
                .transpose()?,
            key: plan.key.len(),
            outputs: outputs.collect::<Result<_, _>>()?,
            derive: derive.collect::<Result<_, _>>()?,
            results_schema: batch::schema(&results),
            schema: batch::schema(&plan.columns),
            keeps_evidence: evidence_rows > 0,
            windows: Windows::new(plan, evidence_rows, keys.map(|keys| keys.space))?,
            errors: RowErrors::default(),
            watched: None,
        })
    }

    /// Could it take the state of that one?
    pub fn fits(&self, before: &Self) -> Result<(), SavedError> {
        match (&self.windows, &before.windows) {
            (Windows::Hops(_), Windows::Hops(_)) | (Windows::Sessions(_), Windows::Sessions(_)) => Ok(()),
            _ => Err(mismatch("windows")),
        }
    }

    /// Takes the state of the same feature in another graph.
    pub fn go_on(&mut self, before: Self, handover: &mut Handover) -> Result<(), SavedError> {
        match (&mut self.windows, before.windows) {
            (Windows::Hops(own), Windows::Hops(before)) => own.go_on(*before, handover),
            (Windows::Sessions(own), Windows::Sessions(before)) => *own = before,
            _ => return Err(mismatch("windows")),
        }
        (self.previous, self.errors) = (before.previous, before.errors);
        Ok(())
    }

    /// The keys of its windows; sessions have theirs for themselves.
    pub fn key_space(&self) -> Option<&KeySpace> {
        match &self.windows {
            Windows::Hops(windows) => Some(windows.key_space()),
            Windows::Sessions(_) => None,
        }
    }

    /// From now on [`Self::nearest`] can tell.
    pub fn watch_for(&mut self, plan: &FeaturePlan, lookups: &Lookups, focus: &Focus) -> Result<(), BuildError> {
        let time = self.input.time();
        let scope = LowerContext { columns: &plan.scope, lookups, event_time: Some(time) };
        self.watched = Some(Watched {
            input: Input::all_rows(plan, time, lookups)?,
            conditions: Conditions::new(plan.filter.as_ref(), scope)?,
            scope: plan.scope.clone(),
            nearest: None,
            focus: focus.clone(),
        });
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
        let (rows, _) = watched.input.alone(rows)?;
        let scope = match watched.input.scope(&rows, closed) {
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

    /// No window that ends later than this is filled in.
    pub fn fill_until(&mut self, end: i64) {
        if let Windows::Hops(windows) = &mut self.windows {
            windows.fill_until(end);
        }
    }

    /// How many keys there may be.
    pub fn keys(&self) -> usize {
        let waiting = self.previous.as_ref().map_or(0, |previous| previous.keys());
        waiting.max(match &self.windows {
            Windows::Hops(windows) => windows.keys(),
            Windows::Sessions(sessions) => sessions.keys(),
        })
    }

    /// Where there are more keys than `keys_max`, those go that were seen last longest ago.
    pub fn evict(&mut self, keys_max: usize) -> Result<Option<Evicted>, StageError> {
        let waiting = self.previous.as_mut().map(|previous| previous.evict(keys_max)).transpose()?.flatten();
        let windows = match &mut self.windows {
            Windows::Hops(windows) => windows.evict(keys_max),
            Windows::Sessions(sessions) => sessions.evict(keys_max),
        };
        Ok(waiting.into_iter().chain(windows).reduce(Evicted::and))
    }

    /// Marks the keys that it needs of those that it shares with others.
    pub fn mark(&self, live: &mut [bool]) {
        if let Windows::Hops(windows) = &self.windows {
            windows.mark(live);
        }
    }

    /// Shared keys have other numbers from now on.
    pub fn rename(&mut self, live: &[bool], renamed: &[u32]) {
        if let Windows::Hops(windows) = &mut self.windows {
            windows.rename(live, renamed);
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
    pub fn push(&mut self, rows: &RecordBatch, closed: Closed<'_>, beside: Beside<'_>) -> Result<(), StageError> {
        self.watch(rows, closed)?;
        let (left, picks) = self.input.alone(rows)?;
        let mut parts = Vec::new();
        let failed = by_halves(&left, &mut |rows, first| {
            parts.push((first, self.input.prepare(rows, closed)?));
            Ok(())
        })?;
        let place = |row: usize| picks.as_ref().map_or(row, |picks| picks[row]);
        self.errors.add(&failed.into_iter().map(|(row, error)| (place(row), error)).collect::<Vec<_>>(), rows);
        for (first, prepared) in parts {
            let places: Vec<usize> = prepared.places(first).into_iter().map(place).collect();
            match &mut self.previous {
                None => self.add(&prepared, &places, beside)?,
                Some(previous) => {
                    previous.push(prepared.scope, &places, beside.evidence.filter(|_| self.keeps_evidence));
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
            parts.push((first, self.input.follow(rows)?));
            Ok(())
        })?;
        self.errors.add(&failed, &ordered.rows);
        let behind = FlowsBehind::Rows(ordered.behind);
        let beside = Beside { evidence: Some(&behind), numbers: None };
        parts.iter().try_for_each(|(first, prepared)| self.add(prepared, &prepared.places(*first), beside))
    }

    /// The places of the rows that `where` lets through; rows that cannot be computed are not among them.
    pub fn chosen(&self, rows: &RecordBatch) -> Result<Vec<usize>, StageError> {
        let (left, picks) = self.input.alone(rows)?;
        let mut chosen = Vec::new();
        by_halves(&left, &mut |rows, first| {
            chosen.extend(self.input.prepare(rows, Closed::default())?.places(first));
            Ok(())
        })?;
        Ok(chosen.into_iter().map(|row| picks.as_ref().map_or(row, |picks| picks[row])).collect())
    }

    /// Adds rows that count; `places` are theirs in what comes beside.
    fn add(&mut self, prepared: &Prepared, places: &[usize], beside: Beside<'_>) -> Result<(), StageError> {
        let numbers = beside.numbers.map(|numbers| places.iter().map(|place| numbers[*place]).collect::<Vec<_>>());
        let picked = beside.evidence.filter(|_| self.keeps_evidence).map(|rows| Picked { rows, places });
        let rows = WindowRows {
            times: &prepared.times,
            keys: &prepared.keys,
            numbers: numbers.as_deref(),
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
        let closed = self.windows.close(end, wanted)?;
        self.rows(closed, end)
    }

    /// From now on [`Self::candidates`] can tell, for each who asks.
    pub fn look_ahead(&mut self, asks: Vec<Ask>) {
        if let Windows::Hops(windows) = &mut self.windows {
            windows.look_ahead(asks);
        }
    }

    /// Of windows that are open: by end, the keys of rows that may meet the condition of somebody who asks.
    pub fn candidates(&mut self) -> BTreeMap<i64, Vec<u32>> {
        match &mut self.windows {
            Windows::Hops(windows) => windows.candidates(),
            Windows::Sessions(_) => BTreeMap::new(),
        }
    }

    /// The rows of these keys in the window that ends at `end`, as far as they are.
    pub fn so_far(&mut self, end: i64, keys: &[u32]) -> Result<FeatureRows, StageError> {
        let rows = match &mut self.windows {
            Windows::Hops(windows) => windows.so_far(end, keys)?,
            Windows::Sessions(_) => ClosedWindow::empty(),
        };
        self.rows(rows, end)
    }

    /// Who asks, by place, has got these keys of a window.
    pub fn met(&mut self, end: i64, place: usize, keys: impl Iterator<Item = u32>) {
        if let Windows::Hops(windows) = &mut self.windows {
            windows.met(end, place, keys);
        }
    }

    /// Who has got a key may get it again.
    pub fn look_again(&mut self) {
        if let Windows::Hops(windows) = &mut self.windows {
            windows.look_again();
        }
    }

    /// Rows of the feature from those of a window that ends at `end`.
    fn rows(&mut self, mut closed: ClosedWindow, end: i64) -> Result<FeatureRows, StageError> {
        let count = closed.starts.len();
        if count == 0 {
            let rows = RecordBatch::new_empty(Arc::clone(&self.schema));
            return Ok(FeatureRows { rows, numbers: Vec::new(), evidence: Arc::new(FlowsBehind::none()) });
        }
        let mut results = closed.columns.split_off(self.key);
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
            return Ok(FeatureRows { rows, numbers: closed.numbers, evidence });
        }
        let mut keep = vec![true; count];
        failed.iter().for_each(|(row, _)| keep[*row] = false);
        let places: Vec<usize> = (0..count).filter(|row| keep[*row]).collect();
        let numbers = places.iter().filter_map(|row| closed.numbers.get(*row).copied()).collect();
        let evidence = Arc::new(evidence.picked(places));
        Ok(FeatureRows { rows: filter_record_batch(&rows, &BooleanArray::from(keep))?, numbers, evidence })
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

impl Saved for FeatureStage {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(&self.errors)?;
        self.previous.iter().try_for_each(|previous| previous.save(out))?;
        match &self.windows {
            Windows::Hops(windows) => windows.save(out),
            Windows::Sessions(sessions) => sessions.save(out),
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        self.errors = from.take()?;
        self.previous.iter_mut().try_for_each(|previous| previous.load(from))?;
        match &mut self.windows {
            Windows::Hops(windows) => windows.load(from),
            Windows::Sessions(sessions) => sessions.load(from),
        }
    }
}
