//! A warehouse that runs SQL: statements that are only judged, jobs under names of our own, tables.
//!
//! Every call waits for its answer. A job has a *name* that says what it computes: asked for again it is found, not run
//! again. What an adapter may never do: run a job that is done, or one that runs already, a second time unasked.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::record::Type;

/// Rows of a result, each cell as the service writes it.
pub type Cells = Vec<Option<String>>;

pub trait Warehouse: Send + Sync {
    /// What a user calls it: project and dataset.
    fn name(&self) -> String;

    /// What a statement would read, or why it is wrong; nothing is run.
    fn dry_run(&self, sql: &str) -> Result<DryRun, WarehouseError>;

    /// Whether a job of this name has ended well. `None`: it never has.
    fn find(&self, job: &QueryJob) -> Result<Option<JobDone>, WarehouseError>;

    /// Runs a statement or script and waits for its end, unless a job of this name has ended well or is running.
    fn run(&self, job: &QueryJob, stop: &AtomicBool) -> Result<JobDone, WarehouseError>;

    /// A piece of the rows of a job that is done: the first, or the one that a page before it names.
    fn page(&self, id: &str, from: Option<&str>) -> Result<Page, WarehouseError>;

    /// The rows of a job that is done, page by page.
    fn rows(&self, id: &str, page: &mut dyn FnMut(Vec<Cells>)) -> Result<(), WarehouseError> {
        let mut from = None;
        loop {
            let found = self.page(id, from.as_deref())?;
            page(found.rows);
            match found.next {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Adds a file's rows to those of a table.
    fn load(&self, job: &LoadJob, stop: &AtomicBool) -> Result<JobDone, WarehouseError>;

    fn has_table(&self, table: &str) -> Result<bool, WarehouseError>;

    /// The columns of a table; `None` when it is not there.
    fn columns(&self, table: &str) -> Result<Option<Vec<TableColumn>>, WarehouseError>;

    fn has_dataset(&self) -> Result<bool, WarehouseError>;
}

/// Some rows of a job's result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    pub rows: Vec<Cells>,
    /// How many rows all pages have, when the service says so.
    pub total: Option<u64>,
    /// Names the page behind it. `None`: it is the last.
    pub next: Option<String>,
}

/// A column of a table that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    pub name: String,
    /// `None`: a type that the language does not know, or an array.
    pub ty: Option<Type>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DryRun {
    /// Bytes that would be billed, before rounding.
    pub bytes: u64,
}

/// What a job is, apart from how often it was tried. Letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName(pub String);

impl JobName {
    /// The id under which the service knows one attempt.
    pub fn id(&self, attempt: u32) -> String {
        format!("{}-{attempt}", self.0)
    }
}

#[derive(Debug, Clone)]
pub struct QueryJob {
    pub name: JobName,
    pub sql: String,
    /// Of the job, beside those of the warehouse.
    pub labels: Vec<(String, String)>,
    /// The service refuses to bill more than this.
    pub max_bytes: Option<u64>,
    /// Runs although it has ended well before.
    pub again: bool,
}

#[derive(Debug, Clone)]
pub struct LoadJob {
    pub name: JobName,
    /// Parquet.
    pub file: PathBuf,
    pub table: String,
    pub labels: Vec<(String, String)>,
    pub again: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobDone {
    pub id: String,
    /// It was there already: nothing was run now.
    pub found: bool,
    /// Of the name's attempts, from 1.
    pub attempt: u32,
    pub bytes: u64,
    /// Rows that were changed or loaded, when the service says so.
    pub rows: Option<u64>,
}

/// What went wrong, as far as somebody can act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// The statement is wrong.
    Statement,
    /// A table, dataset, project or job is not there.
    NotFound,
    Permission,
    /// It would read more than is allowed.
    TooManyBytes,
    Quota,
    Credentials,
    /// No answer, or no end, in time.
    Deadline,
    /// Nobody answers, or the service says that it cannot now.
    Unavailable,
    /// The user stopped waiting; the job goes on.
    Stopped,
    Other,
}

/// A statement's line and column, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementPlace {
    pub line: u32,
    pub column: u32,
}

/// What was asked, what the service says, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarehouseError {
    pub trouble: Trouble,
    /// What was asked: `dry run`, `table netlog`, …
    pub asked: String,
    /// The service's word, `notFound`, when there is one.
    pub reason: Option<String>,
    pub message: String,
    pub place: Option<StatementPlace>,
    pub help: Option<String>,
}

impl fmt::Display for WarehouseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.asked, self.message)?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        match &self.help {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for WarehouseError {}

#[cfg(test)]
mod tests {
    use super::{JobName, Trouble, WarehouseError};

    #[test]
    fn an_error_says_what_was_asked_what_came_and_what_to_do() {
        let error = WarehouseError {
            trouble: Trouble::NotFound,
            asked: "table a".to_owned(),
            reason: Some("notFound".to_owned()),
            message: "Not found: Table p:d.a".to_owned(),
            place: None,
            help: Some("make it".to_owned()),
        };
        assert_eq!(error.to_string(), "table a: Not found: Table p:d.a (notFound)\nhelp: make it");
        assert_eq!(JobName("x_1".to_owned()).id(2), "x_1-2");
    }
}
