//! Jobs of one call: their names are found again after a break, and by no other call.

use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::port::warehouse::{JobDone, JobName, QueryJob, Trouble, Warehouse, WarehouseError};

pub struct Turn {
    /// `ingest`, `training`: in the jobs' names, and their label.
    what: &'static str,
    lot: String,
}

impl Turn {
    pub fn new(what: &'static str) -> Self {
        let mut bytes = [0; 8];
        // Without the system's lots the time has to do; two calls at one time would take each other's jobs for theirs.
        if getrandom::fill(&mut bytes).is_err() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            bytes = u64::try_from(now.as_nanos()).unwrap_or_default().to_le_bytes();
        }
        Self { what, lot: bytes.iter().map(|byte| format!("{byte:02x}")).collect() }
    }

    /// Another one for each call.
    pub fn lot(&self) -> &str {
        &self.lot
    }

    pub fn name(&self, job: &str) -> JobName {
        JobName(format!("tripline-{}-{}-{job}", self.what, self.lot))
    }

    pub fn labels(&self) -> Vec<(String, String)> {
        vec![("tripline".to_owned(), self.what.to_owned())]
    }

    pub fn query(
        &self,
        service: &dyn Warehouse,
        job: &str,
        sql: String,
        stop: &AtomicBool,
    ) -> Result<JobDone, WarehouseError> {
        let job = QueryJob { name: self.name(job), sql, labels: self.labels(), max_bytes: None, again: false };
        service.run(&job, stop)
    }

    pub fn error(&self, trouble: Trouble, message: String, help: Option<String>) -> WarehouseError {
        WarehouseError { trouble, asked: self.what.to_owned(), reason: None, message, place: None, help }
    }

    /// What is asked of a dataset first: whether it is there.
    pub fn find_dataset(&self, service: &dyn Warehouse) -> Result<(), WarehouseError> {
        if service.has_dataset()? {
            return Ok(());
        }
        let name = service.name();
        Err(self.error(
            Trouble::NotFound,
            format!("there is no dataset {name}"),
            Some(format!("`bq mk {name}` makes it")),
        ))
    }
}
