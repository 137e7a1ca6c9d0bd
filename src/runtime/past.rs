//! Relations over a span of days of a history, for who asks for their rows instead of files: `flows` as they are kept,
//! the others as a backfill has written them, or computed as it would.
//!
//! What it may never do: give other rows than a run over all of the history.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{Schema, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::history::read::BATCH_ROWS;
use crate::history::{Feed, History, HistoryError, Scan, Wanted};
use crate::pipeline::admission::Admission;
use crate::pipeline::alert::AlertRecord;
use crate::pipeline::detect::Hit;
use crate::pipeline::merge::BEFORE_ALL;
use crate::pipeline::outlet::{Outlet, OutletError, Uncomputed};
use crate::plan::Plan;
use crate::port::{RowWriter, Spill};
use crate::record::{Day, Disposition, EventTime, Reject, flow};

use super::outlet::{HITS, Outlets, RunOutlet, tap_schema};
use super::replay::{LocalDays, ReplayError, relations};

/// Days of a history.
pub struct Past {
    /// Of the whole project.
    pub plan: Plan,
    pub history: Arc<History>,
    pub generation: String,
    pub from: Day,
    /// The day after the last.
    pub to: Day,
    /// Where rows of long look-backs go that are too many for memory.
    pub spill: Option<Arc<dyn Spill>>,
}

/// Where the rows of a relation came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Kept,
    Written,
    Computed,
}

/// Takes rows of `flows`, with the watermark before each.
pub type SeeFlows<'a> = dyn FnMut(&RecordBatch, &[i64]) -> Result<(), ReplayError> + 'a;

/// What was read.
#[derive(Debug, Default)]
pub struct PastReport {
    pub origins: BTreeMap<String, Origin>,
    /// Rows of `flows`, those of the look-back among them.
    pub read: u64,
    /// Those of them that were read to compute others.
    pub computed_from: u64,
    pub row_errors: Vec<Uncomputed>,
    /// Sums that stopped at the bounds of INT64.
    pub saturated: u64,
    /// Somebody has stopped it; not all rows have come.
    pub stopped: bool,
}

impl Past {
    pub fn days(&self) -> impl Iterator<Item = Day> + use<> {
        (self.from.0..self.to.0).map(Day)
    }

    /// The days one after another; `relations` are those of taps.
    pub fn replay(&self, relations: Vec<String>) -> LocalDays {
        self.replay_of(self.plan.clone(), relations)
    }

    /// As [`Self::replay`], of other definitions.
    pub fn replay_of(&self, plan: Plan, relations: Vec<String>) -> LocalDays {
        let out = Arc::clone(self.history.store());
        let mut days = LocalDays::new(plan, Arc::clone(&self.history), out, self.generation.clone(), relations);
        days.spill.clone_from(&self.spill);
        days
    }

    /// The rows of each tap's relation go to its writer. `columns`: which of `flows` its tap needs.
    pub fn rows(
        &self,
        mut taps: Vec<(String, Box<dyn RowWriter>)>,
        columns: &[bool],
        stop: &AtomicBool,
    ) -> Result<PastReport, ReplayError> {
        let mut report = PastReport::default();
        let mut computed = Vec::new();
        for (relation, mut writer) in taps.drain(..) {
            let written = if relation == flow::FLOWS { None } else { self.written(&relation)? };
            let origin = match written {
                _ if relation == flow::FLOWS => {
                    report.read += self.flows(columns, writer.as_mut(), stop)?;
                    Origin::Kept
                }
                Some(files) => {
                    self.read(&relation, &files, writer.as_mut(), stop)?;
                    Origin::Written
                }
                None => {
                    computed.push((relation.clone(), writer));
                    Origin::Computed
                }
            };
            report.origins.insert(relation, origin);
        }
        if !computed.is_empty() && !stop.load(Ordering::Relaxed) {
            self.compute(computed, &mut report, stop)?;
        }
        report.stopped = stop.load(Ordering::Relaxed);
        Ok(report)
    }

    fn compute(
        &self,
        taps: Vec<(String, Box<dyn RowWriter>)>,
        report: &mut PastReport,
        stop: &AtomicBool,
    ) -> Result<(), ReplayError> {
        let mut relations: Vec<String> = taps.iter().map(|(relation, _)| relation.clone()).collect();
        let late = relations.iter().any(|relation| relation == flow::LATE);
        if late {
            // What is late depends on all that a run reads.
            relations.push(HITS.to_owned());
        }
        let mut days = self.replay(relations);
        days.keep_late = late;
        let mut out = Within { from: self.from.start(), to: self.to.start(), inner: Outlets::of(&self.plan, taps) };
        report.computed_from = match days.span(self.from.start(), self.to.start(), &mut out, stop)? {
            Some(counts) => {
                report.saturated += counts.saturated;
                counts.read
            }
            None => days.read.load(Ordering::Relaxed),
        };
        report.read += report.computed_from;
        report.row_errors.append(&mut out.inner.uncomputed);
        Ok(out.inner.finish()?)
    }

    /// The files of a backfill, when all days are there of the same definitions and inputs.
    pub fn written(&self, relation: &str) -> Result<Option<Vec<String>>, ReplayError> {
        // A day is known by all that it was made of: that of everything, or of this relation alone.
        for made in [relations(&self.plan), vec![relation.to_owned()]] {
            let days = self.replay(made);
            let with_flows = self.days().filter(|day| days.has_flows(*day));
            let files = with_flows.map(|day| days.written(day, relation)).collect::<Result<Option<Vec<_>>, _>>()?;
            if files.is_some() {
                return Ok(files);
            }
        }
        Ok(None)
    }

    /// Rows of files that a backfill wrote.
    pub fn read(
        &self,
        relation: &str,
        files: &[String],
        to: &mut dyn RowWriter,
        stop: &AtomicBool,
    ) -> Result<(), ReplayError> {
        let schema = tap_schema(&self.plan, relation).map_or_else(Schema::empty, |(schema, _)| schema.as_ref().clone());
        for path in files {
            let failed = |source| HistoryError::Written { path: path.clone(), source };
            let file = self.history.store().open(path)?;
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?;
            let reader = reader.with_batch_size(BATCH_ROWS).build().map_err(failed)?;
            for rows in reader {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let rows = rows.map_err(|error| HistoryError::Written { path: path.clone(), source: error.into() })?;
                let names = |schema: &Schema| schema.fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>();
                if names(&rows.schema()) != names(&schema) {
                    return Err(HistoryError::OtherColumns { path: path.clone() }.into());
                }
                to.write(&rows)?;
            }
        }
        Ok(())
    }

    /// Rows as they are kept, those columns alone, with the watermark before each late one.
    fn flows(&self, columns: &[bool], to: &mut dyn RowWriter, stop: &AtomicBool) -> Result<u64, ReplayError> {
        let schema = tap_schema(&Plan::default(), flow::FLOWS).map(|(schema, _)| schema);
        let mut read = 0;
        self.flow_batches(self.from.start(), columns, stop, &mut |rows, admit| {
            read += rows.num_rows() as u64;
            let times: Vec<Option<i64>> = admit.iter().map(|at| (*at != BEFORE_ALL).then_some(*at)).collect();
            let mut all = rows.columns().to_vec();
            all.push(Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")));
            let schema = schema.clone().unwrap_or_else(|| rows.schema());
            let rows = RecordBatch::try_new(schema, all).map_err(HistoryError::Arrow)?;
            Ok(to.write(&rows)?)
        })?;
        Ok(read)
    }

    /// Flows from an instant on, in the order of their log.
    pub fn flow_batches(
        &self,
        from: EventTime,
        columns: &[bool],
        stop: &AtomicBool,
        see: &mut SeeFlows<'_>,
    ) -> Result<(), ReplayError> {
        let wanted = Wanted { columns: columns.to_vec(), from, to: self.to.start(), batch_rows: BATCH_ROWS };
        let scan = Scan::new(&self.history, &wanted)?;
        let mut feed = Feed::new(&self.history, scan, &wanted, Admission::rows_only());
        while let Some(batch) = feed.step()? {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            see(&batch.flows.rows, &batch.admit)?;
        }
        Ok(())
    }
}

/// Lets through what is of a span of time.
pub struct Within<O> {
    pub from: EventTime,
    /// Before this.
    pub to: EventTime,
    pub inner: O,
}

impl<O> Within<O> {
    fn holds(&self, at: i64) -> bool {
        self.from.0 <= at && at < self.to.0
    }

    /// Which rows are of the span; `None` when all are.
    fn inside(&self, rows: &RecordBatch) -> Option<BooleanArray> {
        let times = rows.column_by_name("event_time")?.as_primitive_opt::<TimestampMicrosecondType>()?;
        let inside: BooleanArray = times.iter().map(|at| Some(at.is_some_and(|at| self.holds(at)))).collect();
        (inside.true_count() < inside.len()).then_some(inside)
    }
}

fn rows_of(rows: &RecordBatch, inside: &BooleanArray) -> Result<RecordBatch, OutletError> {
    filter_record_batch(rows, inside)
        .map_err(|error| OutletError { name: "rows".to_owned(), error: io::Error::other(error) })
}

impl<O: Outlet> Outlet for Within<O> {
    fn wants(&self, relation: &str) -> bool {
        self.inner.wants(relation)
    }

    fn rows(&mut self, relation: &str, rows: &RecordBatch, partial: bool) -> Result<(), OutletError> {
        match self.inside(rows) {
            None => self.inner.rows(relation, rows, partial),
            Some(inside) if inside.true_count() == 0 => Ok(()),
            Some(inside) => self.inner.rows(relation, &rows_of(rows, &inside)?, partial),
        }
    }

    fn flows(&mut self, relation: &str, rows: &RecordBatch, admit: &[i64]) -> Result<(), OutletError> {
        match self.inside(rows) {
            None => self.inner.flows(relation, rows, admit),
            Some(inside) if inside.true_count() == 0 => Ok(()),
            Some(inside) => {
                let admit: Vec<i64> =
                    admit.iter().zip(inside.values()).filter(|(_, inside)| *inside).map(|(at, _)| *at).collect();
                self.inner.flows(relation, &rows_of(rows, &inside)?, &admit)
            }
        }
    }

    fn reject(&mut self, reject: Reject) -> Result<(), OutletError> {
        self.inner.reject(reject)
    }

    fn hit(&mut self, rule: &str, hit: &Hit, disposition: Disposition) -> Result<(), OutletError> {
        if self.holds(hit.event_time.0) { self.inner.hit(rule, hit, disposition) } else { Ok(()) }
    }

    fn alert(&mut self, alert: &AlertRecord) -> Result<(), OutletError> {
        if self.holds(alert.first_time_us) { self.inner.alert(alert) } else { Ok(()) }
    }

    fn uncomputed(&mut self, rows: &[Uncomputed]) {
        self.inner.uncomputed(rows);
    }
}
