//! A warehouse that has a table `flows` and nothing else: rows in no order, in small pages, with faults that are planted.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use libtest_mimic::Failed;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tripline::history::History;
use tripline::port::warehouse::{
    Cells, DryRun, JobDone, LoadJob, Page, QueryJob, TableColumn, Trouble, Warehouse, WarehouseError,
};
use tripline::record::{Day, flow};
use tripline::target::bigquery::fetch::fetched_columns;

use crate::random::Random;

/// What goes wrong, in the second page where it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Nothing,
    PageLost,
    PageTwice,
    PageRefused,
    /// Somebody presses Ctrl-C when it is asked for.
    Stopped,
    NoTotal,
    CellCut,
    /// Nobody knows which rows were late.
    NoWatermarks,
}

pub struct Service {
    pub rows: Vec<Cells>,
    pub columns: Option<Vec<TableColumn>>,
    pub page_rows: usize,
    pub wrong: Wrong,
    pub stop: AtomicBool,
    pub jobs: Mutex<BTreeMap<String, Vec<Cells>>>,
    pub asked: Mutex<Vec<QueryJob>>,
    pub random: Mutex<Random>,
}

impl Service {
    pub fn new(rows: Vec<Cells>) -> Self {
        let columns =
            fetched_columns().into_iter().map(|column| TableColumn { name: column.name, ty: Some(column.ty) });
        Self {
            rows,
            columns: Some(columns.collect()),
            page_rows: 7,
            wrong: Wrong::Nothing,
            stop: AtomicBool::new(false),
            jobs: Mutex::default(),
            asked: Mutex::default(),
            random: Mutex::new(Random::new(3)),
        }
    }

    /// All jobs that were asked for.
    pub fn asked(&self) -> Vec<QueryJob> {
        self.asked.lock().expect("jobs").clone()
    }

    pub fn forget(&self) {
        self.asked.lock().expect("jobs").clear();
    }
}

/// The day of a row.
pub fn day_of(row: &Cells) -> Day {
    let time = row[flow::EVENT_TIME].as_deref().and_then(|time| time.parse::<i64>().ok());
    Day::of(tripline::record::EventTime(time.expect("a time")))
}

fn error(message: &str) -> WarehouseError {
    WarehouseError {
        trouble: Trouble::Other,
        asked: "rows".to_owned(),
        reason: None,
        message: message.to_owned(),
        place: None,
        help: None,
    }
}

impl Warehouse for Service {
    fn name(&self) -> String {
        "p:d".to_owned()
    }

    fn dry_run(&self, _: &str) -> Result<DryRun, WarehouseError> {
        Ok(DryRun { bytes: 1_024 })
    }

    fn find(&self, _: &QueryJob) -> Result<Option<JobDone>, WarehouseError> {
        Ok(None)
    }

    fn run(&self, job: &QueryJob, _: &AtomicBool) -> Result<JobDone, WarehouseError> {
        self.asked.lock().expect("jobs").push(job.clone());
        let day = job.sql.split("event_time >= TIMESTAMP '").nth(1).and_then(|rest| Day::parse(rest.get(..10)?));
        let day = day.ok_or_else(|| error("no day"))?;
        let mut rows: Vec<Cells> = self.rows.iter().filter(|row| day_of(row) == day).cloned().collect();
        let mut random = self.random.lock().expect("a number");
        (1..rows.len()).for_each(|at| rows.swap(at, random.below(at + 1)));
        self.jobs.lock().expect("jobs").insert(job.name.0.clone(), rows);
        Ok(JobDone { id: job.name.0.clone(), bytes: 10, ..JobDone::default() })
    }

    fn page(&self, id: &str, from: Option<&str>) -> Result<Page, WarehouseError> {
        let jobs = self.jobs.lock().expect("jobs");
        let rows = jobs.get(id).ok_or_else(|| error("no job"))?;
        let start: usize = from.and_then(|from| from.parse().ok()).unwrap_or_default();
        let end = rows.len().min(start + self.page_rows);
        let second = start == self.page_rows;
        let mut page = Page {
            rows: rows[start..end].to_vec(),
            total: Some(rows.len() as u64),
            next: (end < rows.len()).then(|| end.to_string()),
        };
        match self.wrong {
            Wrong::NoWatermarks => page.rows.iter_mut().for_each(|row| row[flow::COUNT] = None),
            Wrong::NoTotal => page.total = None,
            Wrong::PageLost if second => page.rows.clear(),
            Wrong::PageTwice if second => page.rows.extend(rows[..start].to_vec()),
            Wrong::PageRefused if second => return Err(error("planted")),
            Wrong::Stopped if second => self.stop.store(true, Ordering::Relaxed),
            Wrong::CellCut if second => {
                page.rows.iter_mut().for_each(|row| row[flow::ROW_ID] = Some("12 34".to_owned()))
            }
            _ => {}
        }
        Ok(page)
    }

    fn load(&self, _: &LoadJob, _: &AtomicBool) -> Result<JobDone, WarehouseError> {
        Err(error("nothing is loaded"))
    }

    fn has_table(&self, _: &str) -> Result<bool, WarehouseError> {
        Ok(self.columns.is_some())
    }

    fn columns(&self, table: &str) -> Result<Option<Vec<TableColumn>>, WarehouseError> {
        Ok(self.columns.clone().filter(|_| table == flow::FLOWS))
    }

    fn has_dataset(&self) -> Result<bool, WarehouseError> {
        Ok(true)
    }
}

/// The rows of a history, as the service would write them: what a fetch of it would have to give.
pub fn cells(history: &History) -> Result<Vec<Cells>, Failed> {
    let mut rows = Vec::new();
    for (_, part) in history.parts() {
        let file: File = history.store().open(&history.place(part)?)?;
        for batch in ParquetRecordBatchReaderBuilder::try_new(file)?.build()? {
            let batch = batch?;
            rows.extend((0..batch.num_rows()).map(|row| cells_of(&batch, row)));
        }
    }
    Ok(rows)
}

/// Without the place in the log, which no table has.
fn cells_of(batch: &RecordBatch, row: usize) -> Cells {
    let columns = batch.columns().iter().take(flow::COUNT + 1);
    let cell = |column: &dyn Array| match column.data_type() {
        _ if column.is_null(row) => None,
        DataType::Int64 => Some(column.as_primitive::<Int64Type>().value(row).to_string()),
        DataType::Float64 => Some(format!("{:?}", column.as_primitive::<Float64Type>().value(row))),
        DataType::Utf8 => Some(column.as_string::<i32>().value(row).to_owned()),
        _ => Some(column.as_primitive::<TimestampMicrosecondType>().value(row).to_string()),
    };
    columns.map(|column| cell(column.as_ref())).collect()
}
