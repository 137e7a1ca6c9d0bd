//! The file that alerts are written to, so that none is lost or there twice when the run dies while it writes.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::port::disk::Append;
use crate::state::tail::Tail;

/// What stands in an output behind the alerts that were counted: how much of it is whole lines.
pub fn whole_lines(behind: &[u8]) -> usize {
    behind.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1)
}

/// A file to which alerts are appended; both halves of it.
#[derive(Clone)]
pub struct AlertFile(Arc<Mutex<Tail>>);

impl AlertFile {
    /// A file of that length.
    pub fn new(file: Box<dyn Append>, bytes: u64) -> Self {
        Self(Arc::new(Mutex::new(Tail::new(file, bytes))))
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the file is, without what is pending.
    pub(super) fn bytes(&self) -> u64 {
        self.tail().bytes()
    }

    /// Makes durable what was written, and tells how long the file is.
    pub(super) fn sync(&self) -> io::Result<u64> {
        let mut tail = self.tail();
        tail.sync()?;
        Ok(tail.bytes())
    }
}

impl Write for AlertFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tail().append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tail().flush()
    }
}
