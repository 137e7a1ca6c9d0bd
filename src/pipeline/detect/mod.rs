//! Rows to hits: one rule's SELECT over rows of its upstream. Stateless.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef, TimestampMicrosecondType};
use datafusion::arrow::error::ArrowError;

use crate::diagnostic::Span;
use crate::language::conjuncts;
use crate::language::tree::Expr;
use crate::plan::{RulePlan, Upstream};
use crate::record::{Column, EventTime, Type, Value, hit_id};
use crate::target::datafusion::{LookupTable, LowerError};

pub mod nearest;

use super::batch;
use super::compiled::Compiled;
use super::halve::{Attempt, by_halves};
use super::join::Join;
use super::window::evidence::{EvidenceRow, EvidenceRows};
use super::window::feature::BuildError;
use nearest::{Condition, Nearest};

/// One row of a rule, with what an alert will say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Index into the plan's rules.
    pub rule: usize,
    pub hit_id: String,
    pub event_time: EventTime,
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
    pub evidence: Vec<EvidenceRow>,
}

/// One rule as a stage.
pub struct RuleStage {
    pub plan: RulePlan,
    index: usize,
    upstream_columns: usize,
    upstream_time: usize,
    joins: Vec<Join>,
    scope_schema: SchemaRef,
    filter: Option<Compiled>,
    /// The condition's parts, for explanations.
    conditions: Vec<CompiledCondition>,
    items: Vec<Compiled>,
    schema: SchemaRef,
    score: Option<Compiled>,
    exceptions: Vec<Compiled>,
    pub row_errors: u64,
    pub first_row_error: Option<String>,
}

impl RuleStage {
    pub fn new(
        index: usize,
        plan: &RulePlan,
        upstream_columns: usize,
        upstream_time: usize,
        lookups: &[Arc<LookupTable>],
    ) -> Result<Self, BuildError> {
        let compile = |expr| Compiled::new(expr, &plan.scope, lookups);
        let of_hit = |expr| Compiled::new(expr, &plan.columns, lookups);
        let conditions = plan.filter.iter().flat_map(conjuncts);
        let conditions = conditions.map(|expr| CompiledCondition::new(expr, &plan.scope, lookups));
        Ok(Self {
            index,
            upstream_columns,
            upstream_time,
            joins: plan.joins.iter().map(|join| Join::new(join, lookups)).collect::<Result<_, _>>()?,
            scope_schema: batch::schema(&plan.scope),
            filter: plan.filter.as_ref().map(compile).transpose()?,
            conditions: conditions.collect::<Result<_, _>>()?,
            items: plan.items.iter().map(|item| compile(&item.expr)).collect::<Result<_, _>>()?,
            schema: batch::schema(&plan.columns),
            score: plan.score.as_ref().map(|score| of_hit(&score.value)).transpose()?,
            exceptions: plan.exceptions.iter().map(|e| of_hit(&e.when)).collect::<Result<_, _>>()?,
            plan: plan.clone(),
            row_errors: 0,
            first_row_error: None,
        })
    }

    pub fn upstream(&self) -> Upstream {
        self.plan.upstream
    }

    /// The rows that the rule returns, and their places in `rows`.
    pub fn select(
        &mut self,
        rows: &RecordBatch,
        others: &[Option<RecordBatch>],
    ) -> Result<(RecordBatch, Vec<usize>), ArrowError> {
        let mut parts = Vec::new();
        let mut places = Vec::new();
        let failed = by_halves(rows, &mut |rows, first| {
            let (selected, own) = self.attempt(rows, others)?;
            places.extend(own.into_iter().map(|place| first + place));
            parts.push(selected);
            Ok(())
        })?;
        self.row_errors += failed.len() as u64;
        if let Some((_, error)) = failed.first() {
            self.first_row_error.get_or_insert_with(|| error.to_string());
        }
        let selected = match parts.len() {
            1 => parts.swap_remove(0),
            _ => datafusion::arrow::compute::concat_batches(&self.schema, &parts)?,
        };
        Ok((selected, places))
    }

    fn attempt(
        &self,
        rows: &RecordBatch,
        others: &[Option<RecordBatch>],
    ) -> Result<(RecordBatch, Vec<usize>), Attempt> {
        let mut scope = self.scope(rows, others)?;
        let places = match &self.filter {
            Some(filter) => {
                let mask = filter.mask(&scope)?;
                let places: Vec<usize> = mask.values().set_indices().collect();
                if places.len() < scope.num_rows() {
                    scope = filter_record_batch(&scope, &mask)?;
                }
                places
            }
            None => (0..scope.num_rows()).collect(),
        };
        let columns = self.items.iter().map(|item| item.run(&scope).map(Some)).collect::<Result<Vec<_>, _>>()?;
        Ok((batch::batch(&self.schema, columns, places.len())?, places))
    }

    fn scope(&self, rows: &RecordBatch, others: &[Option<RecordBatch>]) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<Option<ArrayRef>> =
            rows.columns()[..self.upstream_columns].iter().cloned().map(Some).collect();
        for join in &self.joins {
            columns.extend(join.columns(rows, self.upstream_time, others)?.into_iter().map(Some));
        }
        batch::batch(&self.scope_schema, columns, rows.num_rows())
    }

    /// Hits from selected rows.
    pub fn hits(
        &mut self,
        selected: &RecordBatch,
        places: &[usize],
        partial_after: Option<i64>,
        evidence: Option<&dyn EvidenceRows>,
    ) -> Vec<Hit> {
        let count = selected.num_rows();
        let scores = self.scores(selected);
        let excepted = self.excepted(selected);
        (0..count)
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
                let mut kept = Vec::new();
                if let Some(evidence) = evidence {
                    evidence.for_each(places[row], &mut |event_time, row_id, flow| {
                        kept.push(EvidenceRow { event_time, row_id, flow: flow() });
                    });
                }
                Hit {
                    rule: self.index,
                    hit_id: hit_id(&self.plan.name, &key, start, end),
                    event_time: time(self.plan.event_time),
                    window_start: start,
                    window_end: end,
                    alert_key: self.plan.alert_key.iter().map(|i| values[*i].clone()).collect(),
                    key,
                    score: scores[row],
                    excepted: excepted[row],
                    partial: partial_after.is_some_and(|last| end.0 > last),
                    evidence: kept,
                    values,
                }
            })
            .collect()
    }

    /// Between 0 and 1; 1 where the rule declares none, 0 where it cannot be computed.
    fn scores(&mut self, selected: &RecordBatch) -> Vec<f64> {
        let count = selected.num_rows();
        let Some(score) = &self.score else { return vec![1.0; count] };
        let value_of = |array: &ArrayRef, row: usize| -> f64 {
            if array.is_null(row) {
                return 0.0;
            }
            #[expect(clippy::cast_precision_loss, reason = "a score is between 0 and 1")]
            let value = match array.data_type() {
                DataType::Int64 => array.as_primitive::<Int64Type>().value(row) as f64,
                DataType::Float64 => array.as_primitive::<Float64Type>().value(row),
                _ => 0.0,
            };
            if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
        };
        match score.run(selected) {
            Ok(array) => (0..count).map(|row| value_of(&array, row)).collect(),
            Err(error) => {
                self.first_row_error.get_or_insert_with(|| error.to_string());
                let mut scores = Vec::with_capacity(count);
                for row in 0..count {
                    let one = score.run(&selected.slice(row, 1));
                    self.row_errors += u64::from(one.is_err());
                    scores.push(one.map_or(0.0, |array| value_of(&array, 0)));
                }
                scores
            }
        }
    }

    /// The first exception that covers each hit; one that cannot be computed does not.
    fn excepted(&mut self, selected: &RecordBatch) -> Vec<Option<usize>> {
        let mut excepted = vec![None; selected.num_rows()];
        let times = selected.column(self.plan.event_time);
        let times = times.as_primitive_opt::<TimestampMicrosecondType>();
        for (index, (exception, when)) in self.plan.exceptions.iter().zip(&self.exceptions).enumerate() {
            let covered: Vec<usize> = match when.mask(selected) {
                Ok(mask) => mask.values().set_indices().collect(),
                // One row that fails must not switch the exception off for the others.
                Err(error) => {
                    self.first_row_error.get_or_insert_with(|| error.to_string());
                    let mut covered = Vec::new();
                    for row in 0..selected.num_rows() {
                        match when.mask(&selected.slice(row, 1)) {
                            Ok(mask) if mask.value(0) => covered.push(row),
                            Ok(_) => {}
                            Err(_) => self.row_errors += 1,
                        }
                    }
                    covered
                }
            };
            for row in covered {
                let at = times.map_or(0, |times| times.value(row));
                let valid = exception.from.is_none_or(|from| from.0 <= at) && exception.to.is_none_or(|to| at < to.0);
                if valid && excepted[row].is_none() {
                    excepted[row] = Some(index);
                }
            }
        }
        excepted
    }

    /// Of some rows, the one that comes nearest to firing.
    pub fn nearest(&self, rows: &RecordBatch, others: &[Option<RecordBatch>]) -> Result<Option<Nearest>, ArrowError> {
        let scope = self.scope(rows, others)?;
        let mut best: Option<Nearest> = None;
        let columns: Vec<ConditionColumns> = self
            .conditions
            .iter()
            .map(|condition| {
                let mask = condition.whole.mask(&scope).ok();
                let held = (0..scope.num_rows()).map(|row| mask.as_ref().map(|mask| mask.value(row))).collect();
                let sides = condition.sides.as_ref();
                (held, sides.and_then(|(left, right)| Some((left.run(&scope).ok()?, right.run(&scope).ok()?))))
            })
            .collect();
        for row in 0..scope.num_rows() {
            let conditions = self.conditions.iter().zip(&columns).map(|(condition, (held, sides))| Condition {
                span: condition.span,
                held: held[row] == Some(true),
                sides: sides.as_ref().map(|(left, right)| {
                    (Value::at(left, row, condition.types.0), Value::at(right, row, condition.types.1))
                }),
            });
            let candidate = Nearest { row: Vec::new(), conditions: conditions.collect() };
            if best.as_ref().is_none_or(|best| candidate.beats(best)) {
                let named = self.plan.scope.iter().zip(scope.columns());
                let named = named.map(|(column, array)| (column.name.clone(), Value::at(array, row, column.ty)));
                best = Some(Nearest { row: named.collect(), ..candidate });
            }
        }
        Ok(best)
    }
}

/// For each row whether a condition holds, and both sides of a comparison.
type ConditionColumns = (Vec<Option<bool>>, Option<(ArrayRef, ArrayRef)>);

/// One part of a rule's condition.
struct CompiledCondition {
    span: Span,
    whole: Compiled,
    sides: Option<(Compiled, Compiled)>,
    types: (Type, Type),
}

impl CompiledCondition {
    fn new(expr: &Expr, columns: &[Column], lookups: &[Arc<LookupTable>]) -> Result<Self, LowerError> {
        let compile = |expr| Compiled::new(expr, columns, lookups);
        let sides = nearest::sides(expr);
        Ok(Self {
            span: expr.span,
            whole: compile(expr)?,
            types: sides.map_or((Type::Bool, Type::Bool), |(left, right)| (left.ty, right.ty)),
            sides: sides.map(|(left, right)| Ok::<_, LowerError>((compile(left)?, compile(right)?))).transpose()?,
        })
    }
}
