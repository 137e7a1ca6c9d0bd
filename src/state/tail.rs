//! The end of a file: what was appended, what of it is durable, and what nobody knows.

use std::io;

use crate::port::disk::Append;

pub struct Tail {
    file: Box<dyn Append>,
    /// Of the file, without what is pending.
    bytes: u64,
    pending: Vec<u8>,
    /// Some of what is pending may be in the file.
    torn: bool,
    /// Nobody knows what of the file is on disk.
    lost: bool,
}

impl Tail {
    /// Of a file of that length.
    pub fn new(file: Box<dyn Append>, bytes: u64) -> Self {
        Self { file, bytes, pending: Vec::new(), torn: false, lost: false }
    }

    pub fn append(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Appends with what writes to a vector.
    pub fn with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.pending);
    }

    /// Is there something that is not in the file?
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Goes on at the end of another file, of that length; what is pending goes there.
    pub fn turn(&mut self, file: Box<dyn Append>, bytes: u64) -> io::Result<()> {
        if std::mem::take(&mut self.torn) {
            self.file.cut(self.bytes)?;
        }
        (self.file, self.bytes, self.lost) = (file, bytes, false);
        Ok(())
    }

    /// Lets readers of the file see what was appended. Where there is no room it may be tried again.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if self.torn {
            self.file.cut(self.bytes)?;
        }
        self.torn = true;
        self.file.append(&self.pending)?;
        self.torn = false;
        self.bytes += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Makes what was appended durable. An error of the sync itself is the last word: what it lost no later one brings back.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.lost {
            return Err(io::Error::other("it could not be synced before"));
        }
        self.flush()?;
        self.lost = true;
        // Another kind: it must not be taken for one that may be tried again.
        self.file.sync().map_err(|error| io::Error::other(error.to_string()))?;
        self.lost = false;
        Ok(())
    }

    /// Of the file, without what is pending.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
