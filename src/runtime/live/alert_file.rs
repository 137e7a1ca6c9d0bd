//! The file that alerts are written to, so that none is lost or there twice when the run dies while it writes.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::port::disk::Append;

/// What stands in an output behind the alerts that were counted: how much of it is whole lines.
pub fn whole_lines(behind: &[u8]) -> usize {
    behind.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1)
}

/// A file to which alerts are appended; both halves of it.
#[derive(Clone)]
pub struct AlertFile(Arc<Mutex<Tail>>);

struct Tail {
    file: Box<dyn Append>,
    /// Of the file, without what is pending.
    bytes: u64,
    pending: Vec<u8>,
    /// Nobody knows what of the pending bytes is in it.
    broken: bool,
}

impl Tail {
    fn flush(&mut self) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("it could not be written before"));
        }
        if !self.pending.is_empty() {
            self.broken = true;
            self.file.append(&self.pending)?;
            self.broken = false;
            self.bytes += self.pending.len() as u64;
            self.pending.clear();
        }
        Ok(())
    }
}

impl AlertFile {
    /// A file of that length.
    pub fn new(file: Box<dyn Append>, bytes: u64) -> Self {
        Self(Arc::new(Mutex::new(Tail { file, bytes, pending: Vec::new(), broken: false })))
    }

    /// How long the file is, without what is pending.
    pub(super) fn bytes(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// Makes durable what was written, and tells how long the file is.
    pub(super) fn sync(&self) -> io::Result<u64> {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.flush()?;
        tail.file.sync()?;
        Ok(tail.bytes)
    }
}

impl Write for AlertFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}
