//! The port through which a graph puts out what it finds.

use datafusion::arrow::array::RecordBatch;

use crate::record::{Disposition, Reject};

use super::alert::AlertRecord;
use super::detect::Hit;
use super::halve::FailedRow;

/// Rows that could not be computed: of which feature or rule, how many, and the first one.
pub type Uncomputed = (String, u64, FailedRow);

/// Where rows go. Every method may be called many times; the order is by event time. What an outlet does not say it does not want.
pub trait Outlet {
    /// Does anybody want the rows of this relation?
    fn wants(&self, relation: &str) -> bool {
        let _ = relation;
        false
    }
    fn rows(&mut self, relation: &str, rows: &RecordBatch, partial: bool) -> Result<(), OutletError> {
        let _ = (relation, rows, partial);
        Ok(())
    }
    /// Rows of `flows`, or of `late`, which missed every window; with the watermark before each.
    fn flows(&mut self, relation: &str, rows: &RecordBatch, admit: &[i64]) -> Result<(), OutletError> {
        let _ = (relation, rows, admit);
        Ok(())
    }
    /// A record that was refused, wherever that was.
    fn reject(&mut self, reject: Reject) -> Result<(), OutletError> {
        let _ = reject;
        Ok(())
    }
    fn hit(&mut self, rule: &str, hit: &Hit, disposition: Disposition) -> Result<(), OutletError> {
        let _ = (rule, hit, disposition);
        Ok(())
    }
    fn alert(&mut self, alert: &AlertRecord) -> Result<(), OutletError> {
        let _ = alert;
        Ok(())
    }
    /// At the end: what could not be computed.
    fn uncomputed(&mut self, rows: &[Uncomputed]) {
        let _ = rows;
    }
}

/// Rows could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {name}")]
pub struct OutletError {
    pub name: String,
    #[source]
    pub error: std::io::Error,
}

/// Nobody is told of anything.
pub struct Nowhere;

impl Outlet for Nowhere {}
