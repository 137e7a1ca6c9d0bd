//! Traits that adapters fill: what the program asks of the world outside.

pub mod disk;
pub mod pages;
pub mod sink;
pub mod standing;
pub mod subscription;
pub mod table;
pub mod warehouse;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;

use crate::record::EventTime;

/// The files of a detection project, by path relative to its root, `/` between parts.
pub trait FileTree {
    /// All paths, sorted.
    fn paths(&self) -> io::Result<Vec<String>>;
    fn read(&self, path: &str) -> io::Result<String>;
    /// A file that is no text; it need not be among the paths.
    fn read_bytes(&self, path: &str) -> io::Result<Vec<u8>>;
    /// Where it is, if it is a folder: other files that definitions name are found from there.
    fn folder(&self) -> Option<&Path> {
        None
    }
}

/// One input of a run.
pub trait Input: Send + Sync {
    /// What a user calls it: a path, or `-`.
    fn name(&self) -> Arc<str>;
    /// Where it is: the same for one file, whatever it is called.
    fn place(&self) -> String {
        self.name().to_string()
    }
    /// Bytes as stored, when known: for progress.
    fn size_bytes(&self) -> Option<u64>;
    fn open(&self) -> io::Result<InputBytes>;
    /// Stored bytes read since it was opened, when they are counted: for progress.
    fn consumed_bytes(&self) -> Option<u64> {
        None
    }
    /// What it holds when it is not compressed, and of what it is longer than `lengths` the beginnings. The same for the
    /// same content, compressed or not; it is read once. `None` where that can be read only once in all.
    fn digest(&self, lengths: &BTreeSet<u64>) -> io::Result<Option<Digest>> {
        let _ = lengths;
        Ok(None)
    }
}

/// Hashes over a content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    pub bytes: u64,
    pub whole: String,
    /// Over its first bytes, by how many.
    pub first: BTreeMap<u64, String>,
}

/// An opened input.
pub enum InputBytes {
    /// Decompressed bytes, read once from front to back.
    Stream(Box<dyn Read + Send>),
    /// A file that is read by position (Parquet).
    File(File),
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// Lines of JSON.
    Json,
    Csv,
    Parquet,
    /// For people.
    Table,
}

/// A file, or another place, that takes rows of one relation.
pub trait RowWriter {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()>;
    /// Lets readers see what was written, where the form allows it.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Completes what was written; nothing may be written after it.
    fn finish(&mut self) -> io::Result<()>;
}

/// A place for what does not fit into memory; what is in it is gone with the program.
pub trait Spill: Send + Sync {
    /// Puts pieces there and gives each a number.
    fn put(&self, pieces: &[Vec<u8>]) -> io::Result<Vec<u64>>;
    /// A piece, which stays there.
    fn read(&self, piece: u64) -> io::Result<Vec<u8>>;
    /// A piece, which is not there any more afterwards.
    fn take(&self, piece: u64) -> io::Result<Vec<u8>>;
    /// Pieces that nobody wants.
    fn forget(&self, pieces: &[u64]) -> io::Result<()>;
}

/// Real time, for live input only.
pub trait Clock: Send + Sync {
    fn now(&self) -> EventTime;
}

/// A folder whose files come to be whole or not at all. Paths are relative to it, `/` between parts.
pub trait Store: Send + Sync {
    /// What a user calls it.
    fn name(&self) -> String;
    /// The files below a folder, sorted; none when it is not there.
    fn list(&self, folder: &str) -> io::Result<Vec<StoredFile>>;
    /// The folders right below one, or at the top where none is named, sorted; none when it is not there.
    fn folders(&self, folder: Option<&str>) -> io::Result<Vec<String>> {
        let _ = folder;
        Ok(Vec::new())
    }
    /// `None` when it is not there.
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>>;
    /// How long a file is; `None` when it is not there.
    fn bytes(&self, path: &str) -> io::Result<Option<u64>> {
        match self.open(path) {
            Ok(file) => Ok(Some(file.metadata()?.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
    /// For reading by position.
    fn open(&self, path: &str) -> io::Result<File>;
    /// A new file under a temporary name; what was there is replaced.
    fn create(&self, path: &str) -> io::Result<Box<dyn Write + Send>>;
    /// Gives a file its last name, replacing what had it; after it the file survives a crash.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// A file, or a folder with all that is in it; nothing when it is not there.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Held until it is dropped; `None` when others are in the way.
    fn lock(&self, path: &str, share: Share) -> io::Result<Option<Box<dyn Send + Sync>>>;
}

/// A file of a [`Store`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    pub path: String,
    pub bytes: u64,
}

/// Who else may hold a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Others that only read.
    Readers,
    Nobody,
}
