//! One SELECT over rows of what it reads. Stateless: ranks are among the rows of one window, which come
//! together.

use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use datafusion::arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;

use crate::plan::{JoinPlan, SelectPlan};
use crate::record::Column;
use crate::target::datafusion::{Lookups, LowerContext};

use super::batch;
use super::compiled::Compiled;
use super::detect::nearest::{Conditions, Nearest};
use super::halve::{Attempt, RowErrors, by_halves};
use super::join::Join;
use super::past::Closed;
use super::rank::RankStage;
use super::window::feature::BuildError;

pub struct SelectStage {
    upstream_columns: usize,
    upstream_time: Option<usize>,
    joins: Vec<Join>,
    /// The upstream and the joins.
    scope: Vec<Column>,
    scope_schema: SchemaRef,
    /// The scope and the ranks.
    ranked_schema: SchemaRef,
    /// The condition: what is asked of a row alone, and the rest.
    alone: Option<Compiled>,
    filter: Option<Compiled>,
    ranks: Vec<RankStage>,
    qualify: Option<Compiled>,
    items: Vec<Compiled>,
    schema: SchemaRef,
    /// The condition's parts, when somebody asks why it does not hold.
    conditions: Option<Conditions>,
}

/// Rows and their places among those that came.
type Placed = (RecordBatch, Vec<usize>);

impl SelectStage {
    pub fn new(
        plan: &SelectPlan,
        upstream_columns: usize,
        upstream_time: Option<usize>,
        schema: &SchemaRef,
        lookups: &Lookups,
    ) -> Result<Self, BuildError> {
        let scope = LowerContext { columns: &plan.scope, lookups, event_time: upstream_time };
        let (alone, rest) = plan.conditions();
        let all = |join: &JoinPlan| Join::new(join, &vec![true; join.columns.len()], lookups);
        let ranked_columns = plan.ranked_scope();
        let ranked = LowerContext { columns: &ranked_columns, ..scope };
        Ok(Self {
            upstream_columns,
            upstream_time,
            joins: plan.joins.iter().map(all).collect::<Result<_, _>>()?,
            scope: plan.scope.clone(),
            scope_schema: batch::schema(&plan.scope),
            ranked_schema: batch::schema(&ranked_columns),
            alone: alone.as_ref().map(|filter| Compiled::new(filter, scope)).transpose()?,
            filter: rest.as_ref().map(|filter| Compiled::new(filter, scope)).transpose()?,
            ranks: plan.ranks.iter().map(|rank| RankStage::new(rank, scope)).collect::<Result<_, _>>()?,
            qualify: plan.qualify.as_ref().map(|qualify| Compiled::new(qualify, ranked)).transpose()?,
            items: plan.items.iter().map(|item| Compiled::new(&item.expr, ranked)).collect::<Result<_, _>>()?,
            schema: SchemaRef::clone(schema),
            conditions: None,
        })
    }

    /// From now on [`Self::nearest`] can tell.
    pub fn watch(&mut self, plan: &SelectPlan, lookups: &Lookups) -> Result<(), BuildError> {
        let scope = LowerContext { columns: &plan.scope, lookups, event_time: self.upstream_time };
        self.conditions = Some(Conditions::new(plan.filter.as_ref(), scope)?);
        Ok(())
    }

    /// The rows that it returns, and their places in `rows`.
    pub fn select(&self, rows: &RecordBatch, closed: Closed<'_>, errors: &mut RowErrors) -> Result<Placed, ArrowError> {
        let schema = rows.schema();
        let (left, first) = parts(&schema, rows, errors, &|rows| self.chosen(rows, self.alone.as_ref()))?;
        let (selected, places) = self.select_of(&left, closed, errors)?;
        Ok((selected, places.into_iter().map(|row| first[row]).collect()))
    }

    /// Of the rows that are left, those that it returns.
    fn select_of(&self, rows: &RecordBatch, closed: Closed<'_>, errors: &mut RowErrors) -> Result<Placed, ArrowError> {
        if rows.num_rows() == 0 {
            return Ok((RecordBatch::new_empty(SchemaRef::clone(&self.schema)), Vec::new()));
        }
        let scope = self.scope(rows, closed)?;
        if self.ranks.is_empty() {
            return parts(&self.schema, &scope, errors, &|rows| self.items(self.chosen(rows, self.filter.as_ref())?));
        }
        // All rows are ranked together; one that cannot be computed has no rank, and the others go on.
        let (chosen, places) =
            parts(&self.scope_schema, &scope, errors, &|rows| self.chosen(rows, self.filter.as_ref()))?;
        let (ranked, kept) = self.ranked(chosen, errors)?;
        let places: Vec<usize> = kept.into_iter().map(|row| places[row]).collect();
        let (selected, own) =
            parts(&self.schema, &ranked, errors, &|rows| self.items(self.chosen(rows, self.qualify.as_ref())?))?;
        Ok((selected, own.into_iter().map(|row| places[row]).collect()))
    }

    /// The rows for which a condition holds.
    fn chosen(&self, rows: &RecordBatch, condition: Option<&Compiled>) -> Result<Placed, Attempt> {
        let Some(condition) = condition else { return Ok((rows.clone(), (0..rows.num_rows()).collect())) };
        let mask = condition.mask(rows)?;
        let places: Vec<usize> = mask.values().set_indices().collect();
        let rows = if places.len() < rows.num_rows() { filter_record_batch(rows, &mask)? } else { rows.clone() };
        Ok((rows, places))
    }

    fn items(&self, (rows, places): Placed) -> Result<Placed, Attempt> {
        let columns = self.items.iter().map(|item| item.run(&rows).map(Some)).collect::<Result<Vec<_>, _>>()?;
        Ok((batch::batch(&self.schema, columns, places.len())?, places))
    }

    /// The rows with their ranks behind them.
    fn ranked(&self, rows: RecordBatch, errors: &mut RowErrors) -> Result<Placed, ArrowError> {
        let mut ordered = Vec::with_capacity(self.ranks.len());
        let mut has_rank = vec![true; rows.num_rows()];
        for rank in &self.ranks {
            let (columns, without) = rank.columns(&rows)?;
            errors.add(&without, &rows);
            without.iter().for_each(|(row, _)| has_rank[*row] = false);
            ordered.push(columns);
        }
        let kept: Vec<usize> = (0..rows.num_rows()).filter(|row| has_rank[*row]).collect();
        let indices: UInt64Array = kept.iter().map(|row| *row as u64).collect();
        let whole = kept.len() == rows.num_rows();
        let rows = if whole { rows } else { take_record_batch(&rows, &indices)? };
        let mut columns: Vec<Option<ArrayRef>> = rows.columns().iter().cloned().map(Some).collect();
        for (rank, ordered) in self.ranks.iter().zip(ordered) {
            columns.push(Some(rank.number(&ordered.take(&indices)?)?));
        }
        Ok((batch::batch(&self.ranked_schema, columns, kept.len())?, kept))
    }

    fn scope(&self, rows: &RecordBatch, closed: Closed<'_>) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<Option<ArrayRef>> =
            rows.columns()[..self.upstream_columns].iter().cloned().map(Some).collect();
        for join in &self.joins {
            // What is joined has windows or periods, and so has an event time.
            let time = self.upstream_time.unwrap_or(0);
            columns.extend(join.columns(rows, time, closed)?.into_iter().map(Some));
        }
        batch::batch(&self.scope_schema, columns, rows.num_rows())
    }

    /// Of some rows, the one that comes nearest to being returned; none without [`Self::watch`].
    pub fn nearest(&self, rows: &RecordBatch, closed: Closed<'_>) -> Result<Option<Nearest>, ArrowError> {
        let Some(conditions) = &self.conditions else { return Ok(None) };
        Ok(conditions.nearest(&self.scope(rows, closed)?, &self.scope))
    }
}

/// Runs `attempt` over all rows but those that cannot be computed, which are counted.
fn parts(
    schema: &SchemaRef,
    rows: &RecordBatch,
    errors: &mut RowErrors,
    attempt: &dyn Fn(&RecordBatch) -> Result<Placed, Attempt>,
) -> Result<Placed, ArrowError> {
    let mut parts = Vec::new();
    let mut places = Vec::new();
    let failed = by_halves(rows, &mut |rows, first| {
        let (part, own) = attempt(rows)?;
        places.extend(own.into_iter().map(|place| first + place));
        parts.push(part);
        Ok(())
    })?;
    errors.add(&failed, rows);
    let whole = if parts.len() == 1 { parts.swap_remove(0) } else { concat_batches(schema, &parts)? };
    Ok((whole, places))
}
