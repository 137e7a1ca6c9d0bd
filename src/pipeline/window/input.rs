//! What a feature takes of its upstream's rows: which of them count, what is joined and computed beside them, their keys and
//! the arguments of the aggregates.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::arrow::error::ArrowError;

use crate::plan::{FeaturePlan, Reads};
use crate::target::datafusion::{Lookups, LowerContext};

use super::feature::BuildError;
use super::lean::Lean;
use super::ordered::Argument;
use crate::pipeline::compiled::Compiled;
use crate::pipeline::halve::Attempt;
use crate::pipeline::join::Join;
use crate::pipeline::past::Closed;

pub struct Input {
    time: usize,
    upstream_columns: usize,
    joins: Vec<Join>,
    row: Vec<Compiled>,
    /// How many of them are known before the row before is.
    ready: usize,
    /// What is asked of a row alone, and the rest of `where`.
    alone: Option<Compiled>,
    filter: Option<Compiled>,
    /// Do rows wait for the row before?
    waits: bool,
    /// Of rows that come with their key's numbers: nothing.
    key: Vec<usize>,
    args: Vec<Option<Argument>>,
    /// The upstream and lookups.
    leaving: Lean,
    joining: Lean,
    counting: Lean,
}

/// Rows that count.
pub struct Prepared {
    pub scope: RecordBatch,
    /// Of rows that wait for the row before: none.
    pub times: Vec<i64>,
    pub keys: Vec<ArrayRef>,
    pub args: Vec<Option<ArrayRef>>,
    /// Which rows they were; `None` for all.
    pub mask: Option<BooleanArray>,
}

impl Input {
    /// `numbered`: rows come with their key's numbers.
    pub fn new(plan: &FeaturePlan, time: usize, numbered: bool, lookups: &Lookups) -> Result<Self, BuildError> {
        let input = Self::reading(plan, time, plan.reads(time, numbered), lookups)?;
        Ok(if numbered { Self { key: Vec::new(), ..input } } else { input })
    }

    /// Asks nothing of rows alone and keeps all columns of the scope, whoever reads them.
    pub fn all_rows(plan: &FeaturePlan, time: usize, lookups: &Lookups) -> Result<Self, BuildError> {
        let all = || vec![true; plan.scope.len()];
        let input = Self::reading(plan, time, Reads { joining: all(), counting: all() }, lookups)?;
        Ok(Self { alone: None, ..input })
    }

    fn reading(plan: &FeaturePlan, time: usize, reads: Reads, lookups: &Lookups) -> Result<Self, BuildError> {
        let Reads { joining, counting } = reads;
        let scope = LowerContext { columns: &plan.scope, lookups, event_time: Some(time) };
        let compile = |expr| Compiled::new(expr, scope);
        let (alone, rest) = plan.conditions();
        let args = plan.aggregates.iter().map(|aggregate| Argument::new(aggregate, scope));
        let mut left: Vec<usize> = (0..plan.upstream_columns()).collect();
        let (mut joins, mut at) = (Vec::new(), left.len());
        for join in &plan.joins {
            let columns = at..at + join.columns.len();
            joins.push(Join::new(join, &joining[columns.clone()], lookups)?);
            at = columns.end;
            if joins.last().is_some_and(Join::is_lookup) {
                left.extend(columns);
            }
        }
        let of = |columns: &[usize]| columns.iter().map(|index| plan.scope[*index].clone()).collect::<Vec<_>>();
        Ok(Self {
            time,
            upstream_columns: plan.upstream_columns(),
            joins,
            row: plan.row.iter().map(|item| compile(&item.expr)).collect::<Result<_, _>>()?,
            ready: plan.previous.as_ref().map_or(plan.row.len(), |previous| previous.ready),
            alone: alone.as_ref().map(compile).transpose()?,
            filter: rest.as_ref().map(compile).transpose()?,
            waits: plan.previous.is_some(),
            key: plan.key.clone(),
            args: args.collect::<Result<_, _>>()?,
            leaving: Lean::new(&of(&left), left.iter().map(|index| joining[*index]).collect()),
            joining: Lean::new(&plan.scope, joining),
            counting: Lean::new(&plan.scope, counting),
        })
    }

    /// The event time's place.
    pub fn time(&self) -> usize {
        self.time
    }

    /// The rows that are left when what is asked of each alone has been tried, with what lookups have for them, and their
    /// places; `None` for all.
    pub fn alone(&self, rows: &RecordBatch) -> Result<(RecordBatch, Option<Vec<usize>>), ArrowError> {
        let mask = self.alone.as_ref().map(|alone| alone.mask(rows)).transpose();
        // It has a value for every row.
        let mask = mask.map_err(|error| ArrowError::ComputeError(error.to_string()))?;
        let mut columns: Vec<ArrayRef> = rows.columns()[..self.upstream_columns].to_vec();
        // For all rows: other features ask the same lookup for the same column of them.
        for join in self.joins.iter().filter(|join| join.is_lookup()) {
            columns.extend(join.columns(rows, self.time, Closed::default())?);
        }
        let left = self.leaving.rows(&columns, rows.num_rows(), mask.as_ref())?;
        Ok((left, mask.map(|mask| mask.values().set_indices().collect())))
    }

    /// Of rows that are left, those that count.
    pub fn prepare(&self, rows: &RecordBatch, closed: Closed<'_>) -> Result<Prepared, Attempt> {
        let scope = self.scope(rows, closed)?;
        let mask = self.filter.as_ref().map(|filter| filter.mask(&scope)).transpose()?;
        let scope = self.counting.rows(scope.columns(), scope.num_rows(), mask.as_ref())?;
        if self.waits {
            return Ok(Prepared { scope, times: Vec::new(), keys: Vec::new(), args: Vec::new(), mask });
        }
        self.inputs(scope, mask)
    }

    /// Rows that are left, with what is joined and computed beside them; NULL stands for what needs the row before.
    pub fn scope(&self, rows: &RecordBatch, closed: Closed<'_>) -> Result<RecordBatch, Attempt> {
        let count = rows.num_rows();
        let (own, looked_up) = rows.columns().split_at(self.upstream_columns);
        let (mut columns, mut looked_up) = (own.to_vec(), looked_up.iter());
        for join in &self.joins {
            if join.is_lookup() {
                columns.extend(looked_up.by_ref().take(join.count()).cloned());
            } else {
                columns.extend(join.columns(rows, self.time, closed)?);
            }
        }
        self.joining.fill(&mut columns, self.joining.len() - self.row.len(), count);
        for expr in &self.row[..self.ready] {
            columns.push(expr.run(&self.joining.leading(columns.clone(), count)?)?);
        }
        self.joining.fill(&mut columns, self.joining.len(), count);
        Ok(self.joining.leading(columns, count)?)
    }

    /// Rows whose row before is known by now.
    pub fn follow(&self, rows: &RecordBatch) -> Result<Prepared, Attempt> {
        let count = rows.num_rows();
        let mut columns = rows.columns().to_vec();
        let known = columns.len() - self.row.len();
        for (index, expr) in self.row.iter().enumerate().skip(self.ready) {
            columns[known + index] = expr.run(&self.counting.leading(columns[..known + index].to_vec(), count)?)?;
        }
        self.inputs(self.counting.leading(columns, count)?, None)
    }

    /// What rows bring to their windows.
    fn inputs(&self, scope: RecordBatch, mask: Option<BooleanArray>) -> Result<Prepared, Attempt> {
        let args = self.args.iter().map(|arg| arg.as_ref().map(|arg| arg.run(&scope)).transpose());
        Ok(Prepared {
            times: scope.column(self.time).as_primitive::<TimestampMicrosecondType>().values().to_vec(),
            keys: self.key.iter().map(|i| Arc::clone(scope.column(*i))).collect(),
            args: args.collect::<Result<_, _>>()?,
            mask,
            scope,
        })
    }
}

impl Prepared {
    /// The places of the rows among those that were left, the first of which is at `first`.
    pub fn places(&self, first: usize) -> Vec<usize> {
        match &self.mask {
            Some(mask) => mask.values().set_indices().map(|row| first + row).collect(),
            None => (first..first + self.scope.num_rows()).collect(),
        }
    }
}
