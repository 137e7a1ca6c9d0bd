//! One object as an input. It is read in ranges of the generation that was there at the first look, so that it is one
//! object's bytes or an error, never parts of two.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::ObjectMeta;
use tempfile::NamedTempFile;

use super::bucket::{Bucket, StorageError, received};
use crate::adapter::local::input::{PARQUET_MAGIC, digest_of, plain};
use crate::port::{Digest, Input, InputBytes};

/// Of the first range, so that a look at the head is cheap; each next is twice as long.
const RANGE_BYTES_MIN: u64 = 256 << 10;
/// Of the longest; one more is read ahead.
const RANGE_BYTES_MAX: u64 = 2 << 20;

pub struct Object {
    bucket: Arc<Bucket>,
    meta: ObjectMeta,
    name: Arc<str>,
    consumed: Arc<AtomicU64>,
    /// The generation that is read.
    generation: Mutex<Option<String>>,
    /// What is read by position, until the input goes.
    kept: Mutex<Option<NamedTempFile>>,
}

impl Object {
    pub fn new(bucket: &Arc<Bucket>, meta: ObjectMeta) -> Self {
        Self {
            name: bucket.full_name(meta.location.as_ref()).into(),
            bucket: Arc::clone(bucket),
            consumed: Arc::default(),
            generation: Mutex::new(meta.version.clone()),
            kept: Mutex::default(),
            meta,
        }
    }

    /// A listing does not tell it.
    fn generation(&self) -> Result<String, StorageError> {
        let mut known = self.generation.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(generation) = &*known {
            return Ok(generation.clone());
        }
        let changed = || StorageError::Changed { name: self.name.to_string() };
        let now = self.bucket.head(&self.meta.location)?.ok_or_else(changed)?;
        let tag = |meta: &ObjectMeta| meta.e_tag.as_ref().map(|tag| tag.trim_matches('"').to_owned());
        if now.size != self.meta.size || tag(&now) != tag(&self.meta) {
            return Err(changed());
        }
        let generation = now.version.ok_or_else(changed)?;
        *known = Some(generation.clone());
        Ok(generation)
    }

    fn ranges(&self, consumed: Arc<AtomicU64>) -> Result<Ranges, StorageError> {
        Ok(Ranges {
            bucket: Arc::clone(&self.bucket),
            meta: self.meta.clone(),
            generation: self.generation()?,
            asked: 0,
            end: self.meta.size,
            length: RANGE_BYTES_MIN,
            ahead: None,
            bytes: io::Cursor::default(),
            consumed,
        })
    }

    /// A file of its own position for each reader; the object is fetched once.
    fn keep(&self, bytes: &mut dyn Read) -> io::Result<File> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |source| StorageError::Keep { name: self.name.to_string(), source };
        let file = match kept.take() {
            Some(file) => file,
            None => {
                let mut file = NamedTempFile::with_prefix("tripline-").map_err(failed)?;
                let mut buffer = vec![0; 256 << 10];
                loop {
                    let read = bytes.read(&mut buffer)?;
                    if read == 0 {
                        break;
                    }
                    io::Write::write_all(&mut file, &buffer[..read]).map_err(failed)?;
                }
                file
            }
        };
        let opened = file.reopen().map_err(failed);
        *kept = Some(file);
        Ok(opened?)
    }
}

impl Input for Object {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn size_bytes(&self) -> Option<u64> {
        Some(self.meta.size)
    }

    fn consumed_bytes(&self) -> Option<u64> {
        Some(self.consumed.load(Ordering::Relaxed))
    }

    /// Over the content, as for a file: the same bytes are known again in another bucket, or on disk.
    fn digest(&self, lengths: &BTreeSet<u64>) -> io::Result<Option<Digest>> {
        let stored = self.ranges(Arc::default())?;
        digest_of(&mut plain(Box::new(stored)), lengths).map(Some)
    }

    fn open(&self) -> io::Result<InputBytes> {
        self.consumed.store(0, Ordering::Relaxed);
        let mut stored = self.ranges(Arc::clone(&self.consumed))?;
        let mut first = Vec::with_capacity(PARQUET_MAGIC.len());
        (&mut stored).take(PARQUET_MAGIC.len() as u64).read_to_end(&mut first)?;
        let parquet = first == PARQUET_MAGIC;
        let mut whole = io::Cursor::new(first).chain(stored);
        Ok(if parquet { InputBytes::File(self.keep(&mut whole)?) } else { InputBytes::Stream(plain(Box::new(whole))) })
    }
}

/// Reads a generation from front to back.
struct Ranges {
    bucket: Arc<Bucket>,
    meta: ObjectMeta,
    generation: String,
    /// Before it everything was asked for.
    asked: u64,
    end: u64,
    length: u64,
    ahead: Option<Receiver<Result<Vec<u8>, StorageError>>>,
    bytes: io::Cursor<Vec<u8>>,
    consumed: Arc<AtomicU64>,
}

impl Ranges {
    fn ask(&mut self) -> Result<(), StorageError> {
        if self.ahead.is_none() && self.asked < self.end {
            let to = self.end.min(self.asked + self.length);
            self.ahead = Some(self.bucket.read(&self.meta.location, &self.generation, self.asked..to)?);
            self.asked = to;
            self.length = RANGE_BYTES_MAX.min(self.length * 2);
        }
        Ok(())
    }
}

impl Read for Ranges {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.bytes.position() == self.bytes.get_ref().len() as u64 {
            self.ask()?;
            let Some(ahead) = &self.ahead else { return Ok(0) };
            // An error stays the answer: what came before it is not the whole.
            let bytes = received(ahead)??;
            self.ahead = None;
            self.bytes = io::Cursor::new(bytes);
            self.ask()?;
        }
        let read = self.bytes.read(into)?;
        self.consumed.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
