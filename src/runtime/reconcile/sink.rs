//! What a graph puts out, as rows of the shapes that are compared.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, TimestampMicrosecondArray};

use crate::pipeline::alert::AlertRecord;
use crate::pipeline::detect::Hit;
use crate::pipeline::merge::BEFORE_ALL;
use crate::pipeline::outlet::{Outlet, OutletError};
use crate::plan::RulePlan;
use crate::record::alert::ALERTS;
use crate::record::{Disposition, Value};
use crate::runtime::outlet::{HITS, hit_columns};

use super::alerts;
use super::shape::Shape;

const BUFFER_ROWS: usize = 1_024;

/// Takes rows of a shape.
pub trait Sink {
    fn take(&mut self, shape: &Shape, rows: &RecordBatch) -> io::Result<()>;
}

/// An outlet whose rows go to a sink.
pub struct Shaped<'s> {
    shapes: BTreeMap<String, Arc<Shape>>,
    rules: Vec<Arc<RulePlan>>,
    hits: Vec<(Hit, Disposition)>,
    alerts: Vec<Vec<Value>>,
    sink: &'s mut dyn Sink,
}

impl<'s> Shaped<'s> {
    pub fn new(shapes: &[Arc<Shape>], rules: &[Arc<RulePlan>], sink: &'s mut dyn Sink) -> Self {
        Self {
            shapes: shapes.iter().map(|shape| (shape.name.clone(), Arc::clone(shape))).collect(),
            rules: rules.to_vec(),
            hits: Vec::new(),
            alerts: Vec::new(),
            sink,
        }
    }

    pub fn finish(&mut self) -> Result<(), OutletError> {
        self.flush_hits()?;
        self.flush_alerts()
    }

    fn flush_hits(&mut self) -> Result<(), OutletError> {
        let hits = std::mem::take(&mut self.hits);
        if hits.is_empty() { Ok(()) } else { self.give(HITS, hit_columns(&self.rules, &hits)) }
    }

    fn flush_alerts(&mut self) -> Result<(), OutletError> {
        let alerts = std::mem::take(&mut self.alerts);
        let Some(shape) = self.shapes.get(ALERTS).filter(|_| !alerts.is_empty()) else { return Ok(()) };
        let rows = alerts::batch(&alerts).map_err(io::Error::other);
        let taken = rows.and_then(|rows| self.sink.take(shape, &rows));
        taken.map_err(|error| OutletError { name: ALERTS.to_owned(), error })
    }

    fn give(&mut self, relation: &str, columns: Vec<ArrayRef>) -> Result<(), OutletError> {
        let Some(shape) = self.shapes.get(relation) else { return Ok(()) };
        let rows = RecordBatch::try_new(shape.schema(), columns).map_err(io::Error::other);
        let taken = rows.and_then(|rows| self.sink.take(shape, &rows));
        taken.map_err(|error| OutletError { name: relation.to_owned(), error })
    }
}

impl Outlet for Shaped<'_> {
    fn wants(&self, relation: &str) -> bool {
        self.shapes.contains_key(relation)
    }

    fn rows(&mut self, relation: &str, rows: &RecordBatch, partial: bool) -> Result<(), OutletError> {
        let mut columns = rows.columns().to_vec();
        columns.push(Arc::new(BooleanArray::from(vec![partial; rows.num_rows()])));
        self.give(relation, columns)
    }

    fn flows(&mut self, relation: &str, rows: &RecordBatch, admit: &[i64]) -> Result<(), OutletError> {
        let times: Vec<Option<i64>> = admit.iter().map(|at| (*at != BEFORE_ALL).then_some(*at)).collect();
        let mut columns = rows.columns().to_vec();
        columns.push(Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")));
        self.give(relation, columns)
    }

    fn hit(&mut self, _: &str, hit: &Hit, disposition: Disposition) -> Result<(), OutletError> {
        if !self.shapes.contains_key(HITS) {
            return Ok(());
        }
        self.hits.push((hit.clone(), disposition));
        if self.hits.len() >= BUFFER_ROWS { self.flush_hits() } else { Ok(()) }
    }

    fn alert(&mut self, alert: &AlertRecord) -> Result<(), OutletError> {
        if !self.shapes.contains_key(ALERTS) {
            return Ok(());
        }
        self.alerts.extend(alerts::row(&alert.json()));
        if self.alerts.len() >= BUFFER_ROWS { self.flush_alerts() } else { Ok(()) }
    }
}
