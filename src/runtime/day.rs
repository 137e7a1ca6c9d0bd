//! The rows of one day on their way into files, a file a relation.

mod files;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{SchemaRef, TimestampMicrosecondType};

use crate::pipeline::alert::AlertRecord;
use crate::pipeline::detect::Hit;
use crate::pipeline::outlet::{Outlet, OutletError};
use crate::plan::{Plan, RulePlan};
use crate::port::Store;
use crate::record::alert::ALERTS;
use crate::record::{Day, Disposition, EventTime, flow};

use super::alert::alert_rows;
use super::outlet::{HITS, hit_columns, tap_schema};
use files::DayFiles;

const BUFFER_ROWS: usize = 1_024;

/// Takes what a graph puts out, and keeps the rows of one day.
pub struct DayOutlet {
    day: Day,
    relations: BTreeMap<String, Relation>,
    files: DayFiles,
    rules: Vec<Arc<RulePlan>>,
    hits: Vec<(Hit, Disposition)>,
    alerts: Vec<AlertRecord>,
}

struct Relation {
    /// The number of its file.
    file: usize,
    /// The place of `event_time`.
    time: usize,
    windowed: bool,
    schema: SchemaRef,
    rows: u64,
}

impl DayOutlet {
    /// `paths`: by relation, where its rows go.
    pub fn new(plan: &Plan, day: Day, store: &dyn Store, paths: &[(String, String)]) -> Result<Self, OutletError> {
        let mut relations = BTreeMap::new();
        let mut files = Vec::with_capacity(paths.len());
        for (file, (name, path)) in paths.iter().enumerate() {
            let failed = |error| OutletError { name: path.clone(), error };
            let (schema, windowed) =
                tap_schema(plan, name).ok_or_else(|| failed(io::Error::other("no such relation")))?;
            let time = schema.index_of("event_time").map_err(io::Error::other).map_err(failed)?;
            files.push((path.as_str(), Arc::clone(&schema)));
            relations.insert(name.clone(), Relation { file, time, windowed, schema, rows: 0 });
        }
        let files = DayFiles::new(store, &files)?;
        Ok(Self { day, relations, files, rules: plan.rules.clone(), hits: Vec::new(), alerts: Vec::new() })
    }

    /// Completes the files; returns the rows of each relation.
    pub fn finish(mut self) -> Result<BTreeMap<String, u64>, OutletError> {
        self.flush_hits()?;
        self.flush_alerts()?;
        self.files.finish()?;
        Ok(self.relations.into_iter().map(|(name, relation)| (name, relation.rows)).collect())
    }

    fn flush_hits(&mut self) -> Result<(), OutletError> {
        let hits = std::mem::take(&mut self.hits);
        let columns = hit_columns(&self.rules, &hits);
        self.write_columns(HITS, columns)
    }

    fn flush_alerts(&mut self) -> Result<(), OutletError> {
        let alerts = std::mem::take(&mut self.alerts);
        self.write_columns(ALERTS, alert_rows(&alerts))
    }

    fn write_columns(&mut self, relation: &str, columns: Vec<ArrayRef>) -> Result<(), OutletError> {
        let Some(relation) = self.relations.get_mut(relation) else { return Ok(()) };
        let rows = RecordBatch::try_new(Arc::clone(&relation.schema), columns);
        let rows = rows.map_err(|error| OutletError { name: "rows".to_owned(), error: io::Error::other(error) })?;
        relation.rows += rows.num_rows() as u64;
        self.files.push(relation.file, rows)
    }
}

impl Outlet for DayOutlet {
    fn wants(&self, relation: &str) -> bool {
        relation != flow::FLOWS && self.relations.contains_key(relation)
    }

    fn rows(&mut self, relation: &str, rows: &RecordBatch, partial: bool) -> Result<(), OutletError> {
        let day = self.day;
        let Some(relation) = self.relations.get_mut(relation) else { return Ok(()) };
        let failed = |error| OutletError { name: "rows".to_owned(), error: io::Error::other(error) };
        let times = rows.column(relation.time).as_primitive::<TimestampMicrosecondType>();
        let inside: BooleanArray = times.iter().map(|at| at.map(|at| day.holds(EventTime(at)))).collect();
        let rows = match inside.true_count() {
            0 => return Ok(()),
            count if count == rows.num_rows() => rows.clone(),
            _ => filter_record_batch(rows, &inside).map_err(failed)?,
        };
        let mut columns = rows.columns().to_vec();
        if relation.windowed {
            columns.push(Arc::new(BooleanArray::from(vec![partial; rows.num_rows()])));
        }
        let rows = RecordBatch::try_new(Arc::clone(&relation.schema), columns).map_err(failed)?;
        relation.rows += rows.num_rows() as u64;
        self.files.push(relation.file, rows)
    }

    fn hit(&mut self, _: &str, hit: &Hit, disposition: Disposition) -> Result<(), OutletError> {
        if !self.day.holds(hit.event_time) || !self.relations.contains_key(HITS) {
            return Ok(());
        }
        self.hits.push((hit.clone(), disposition));
        if self.hits.len() >= BUFFER_ROWS { self.flush_hits() } else { Ok(()) }
    }

    fn alert(&mut self, alert: &AlertRecord) -> Result<(), OutletError> {
        if !self.day.holds(EventTime(alert.first_time_us)) || !self.relations.contains_key(ALERTS) {
            return Ok(());
        }
        self.alerts.push(alert.clone());
        if self.alerts.len() >= BUFFER_ROWS { self.flush_alerts() } else { Ok(()) }
    }
}
