//! Rows to hits: one rule's SELECT over rows of its upstream. Stateless.

pub mod focus;
pub mod nearest;

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use crate::plan::{JoinTarget, RulePlan, Upstream};
use crate::record::{EventTime, Value, hit_id};
use crate::target::datafusion::{Lookups, LowerContext};

use super::batch;
use super::compiled::Compiled;
use super::halve::RowErrors;
use super::past::Closed;
use super::saved::{Loader, SavedError, Saver};
use super::select::SelectStage;
use super::window::evidence::{EvidenceRow, EvidenceRows};
use super::window::feature::BuildError;
use nearest::Nearest;

/// One row of a rule, with what an alert will say of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Index into the plan's rules.
    pub rule: usize,
    pub hit_id: String,
    pub event_time: EventTime,
    /// Its event time, or the watermark before the late row that it comes from.
    pub known_at: EventTime,
    pub window_start: EventTime,
    pub window_end: EventTime,
    /// The rule's columns.
    pub values: Vec<Value>,
    /// Values of the key, for order.
    pub key: Vec<Value>,
    pub alert_key: Vec<Value>,
    pub score: f64,
    pub excepted: Option<usize>,
    /// Its window reaches beyond the last watermark of bounded input.
    pub partial: bool,
    /// It looks back further than the data reaches.
    pub warming: bool,
    /// Other definitions were in force when it was found: features may read it, and nobody is alerted.
    pub before: bool,
    /// Written beside it: many share a flow.
    #[serde(skip)]
    pub evidence: Vec<EvidenceRow>,
}

impl Hit {
    /// Was its row there before the watermark passed its event time?
    pub fn is_in_time(&self) -> bool {
        self.known_at == self.event_time
    }
}

/// What the rows of a rule's upstream do not tell themselves.
#[derive(Clone, Copy, Default)]
pub struct Behind<'a> {
    /// Of flows: the watermark before each.
    pub admit: &'a [i64],
    /// Windows that end behind it are partial.
    pub partial_after: Option<i64>,
    /// Some of the rows that they depend on went, because there were too many keys.
    pub misses: bool,
    pub warming: bool,
    pub evidence: Option<&'a dyn EvidenceRows>,
}

/// One rule as a stage.
pub struct RuleStage {
    pub plan: Arc<RulePlan>,
    index: usize,
    branches: Vec<SelectStage>,
    score: Option<Compiled>,
    exceptions: Vec<Compiled>,
    pub errors: RowErrors,
}

impl RuleStage {
    /// `relation` tells how many columns an upstream has, and which is its event time.
    pub fn new(
        index: usize,
        plan: &Arc<RulePlan>,
        relation: &dyn Fn(Upstream) -> (usize, usize),
        lookups: &Lookups,
    ) -> Result<Self, BuildError> {
        let hit = LowerContext { columns: &plan.columns, lookups, event_time: Some(plan.event_time) };
        let of_hit = |expr| Compiled::new(expr, hit);
        let schema = batch::schema(&plan.columns);
        let branches = plan.branches.iter().map(|branch| {
            let (columns, event_time) = relation(branch.upstream);
            SelectStage::new(&branch.select, columns, Some(event_time), &schema, lookups)
        });
        Ok(Self {
            index,
            branches: branches.collect::<Result<_, _>>()?,
            score: plan.score.as_ref().map(|score| of_hit(&score.value)).transpose()?,
            exceptions: plan.exceptions.iter().map(|e| of_hit(&e.when)).collect::<Result<_, _>>()?,
            plan: Arc::clone(plan),
            errors: RowErrors::default(),
        })
    }

    /// Its SELECTs, by number, with what each reads.
    pub fn branches(&self) -> impl Iterator<Item = (usize, Upstream)> + use<> {
        let upstreams: Vec<Upstream> = self.plan.upstreams().collect();
        upstreams.into_iter().enumerate()
    }

    /// Features that are joined to rows of its upstreams that `have` some.
    pub fn joined(&self, have: impl Fn(usize) -> bool) -> Vec<usize> {
        let some = |upstream: Upstream| matches!(upstream, Upstream::Feature(index) if have(index));
        let branches = self.plan.branches.iter().filter(|branch| some(branch.upstream));
        let targets = branches.flat_map(|branch| &branch.select.joins).filter_map(|join| match join.target {
            JoinTarget::Feature { index, .. } => Some(index),
            JoinTarget::Lookup { .. } => None,
        });
        targets.collect()
    }

    /// From now on [`Self::nearest`] can tell.
    pub fn watch(&mut self, lookups: &Lookups) -> Result<(), BuildError> {
        let plan = Arc::clone(&self.plan);
        self.branches
            .iter_mut()
            .zip(&plan.branches)
            .try_for_each(|(stage, branch)| stage.watch(&branch.select, lookups))
    }

    /// The rows that a SELECT of the rule returns, and their places in `rows`.
    pub fn select(
        &mut self,
        branch: usize,
        rows: &RecordBatch,
        closed: Closed<'_>,
    ) -> Result<(RecordBatch, Vec<usize>), ArrowError> {
        self.branches[branch].select(rows, closed, &mut self.errors)
    }

    /// Hits from selected rows.
    pub fn hits(
        &mut self,
        selected: &RecordBatch,
        places: &[usize],
        behind: &Behind<'_>,
    ) -> Result<Vec<Hit>, ArrowError> {
        let count = selected.num_rows();
        let scores = self.scores(selected)?;
        let excepted = self.excepted(selected)?;
        let hits = (0..count)
            .map(|row| {
                let values: Vec<Value> = self
                    .plan
                    .columns
                    .iter()
                    .zip(selected.columns())
                    .map(|(column, array)| Value::at(array, row, column.ty))
                    .collect();
                let time = |column: usize| match values.get(column) {
                    Some(Value::Timestamp(at)) => EventTime(*at),
                    _ => EventTime(0),
                };
                let key: Vec<Value> = self.plan.key.iter().map(|i| values[*i].clone()).collect();
                let (start, end) = (time(self.plan.window.0), time(self.plan.window.1));
                let kept = behind.evidence.map_or_else(Vec::new, |evidence| evidence.of_row(places[row]).into_vec());
                let event_time = time(self.plan.event_time);
                Hit {
                    rule: self.index,
                    hit_id: hit_id(&self.plan.name, &key, start, end),
                    event_time,
                    known_at: behind
                        .admit
                        .get(places[row])
                        .map_or(event_time, |admit| event_time.max(EventTime(*admit))),
                    window_start: start,
                    window_end: end,
                    alert_key: self.plan.alert_key.iter().map(|i| values[*i].clone()).collect(),
                    key,
                    score: scores[row],
                    excepted: excepted[row],
                    partial: behind.misses || behind.partial_after.is_some_and(|last| end.0 > last),
                    warming: behind.warming,
                    before: false,
                    evidence: kept,
                    values,
                }
            })
            .collect();
        Ok(hits)
    }

    /// Between 0 and 1; 1 where the rule declares none, 0 where it cannot be computed.
    fn scores(&mut self, selected: &RecordBatch) -> Result<Vec<f64>, ArrowError> {
        let count = selected.num_rows();
        let Some(score) = &self.score else { return Ok(vec![1.0; count]) };
        let (array, failed) = score.run_rows(selected)?;
        self.errors.add(&failed, selected);
        let value_of = |row: usize| -> f64 {
            if array.is_null(row) {
                return 0.0;
            }
            #[expect(clippy::cast_precision_loss, reason = "a score is between 0 and 1")]
            let value = match array.data_type() {
                DataType::Int64 => array.as_primitive::<Int64Type>().value(row) as f64,
                DataType::Float64 => array.as_primitive::<Float64Type>().value(row),
                _ => 0.0,
            };
            // Neither NaN nor -0.0 is above zero.
            if value > 0.0 { value.min(1.0) } else { 0.0 }
        };
        Ok((0..count).map(value_of).collect())
    }

    /// The first exception that covers each hit; one that cannot be computed does not.
    fn excepted(&mut self, selected: &RecordBatch) -> Result<Vec<Option<usize>>, ArrowError> {
        let mut excepted = vec![None; selected.num_rows()];
        let times = selected.column(self.plan.event_time);
        let times = times.as_primitive_opt::<TimestampMicrosecondType>();
        for (index, (exception, when)) in self.plan.exceptions.iter().zip(&self.exceptions).enumerate() {
            let (covers, failed) = when.run_rows(selected)?;
            self.errors.add(&failed, selected);
            for (row, covered) in covers.as_boolean().iter().enumerate() {
                let at = EventTime(times.map_or(0, |times| times.value(row)));
                if covered == Some(true) && exception.valid.holds(at) && excepted[row].is_none() {
                    excepted[row] = Some(index);
                }
            }
        }
        Ok(excepted)
    }

    /// Of some rows, the one that comes nearest to firing; none without [`Self::watch`].
    pub fn nearest(
        &self,
        branch: usize,
        rows: &RecordBatch,
        closed: Closed<'_>,
    ) -> Result<Option<Nearest>, ArrowError> {
        self.branches[branch].nearest(rows, closed)
    }
}

impl Hit {
    pub fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(self)?;
        out.flows(&self.evidence)
    }

    pub fn load(from: &mut Loader<'_>) -> Result<Self, SavedError> {
        let hit: Self = from.take()?;
        Ok(Self { evidence: from.flows()?.into_vec(), ..hit })
    }
}
