//! The log: frames in files one after the other, appended to, made durable, read again from the first.

use std::sync::Arc;

use super::frame::Frame;
use super::segment::{self, HEAD_BYTES};
use super::{StateError, confirmed};
use crate::port::disk::{Append, Disk};

/// A file that is longer is followed by another.
pub const SEGMENT_BYTES: u64 = 64 << 20;
const SUFFIX: &str = ".log";

pub struct Log {
    disk: Arc<dyn Disk>,
    file: Box<dyn Append>,
    name: String,
    /// Of the file, with what is in `pending`.
    file_bytes: u64,
    /// Of all files.
    bytes: u64,
    /// Of the next frame.
    number: u64,
    syncs: u64,
    pending: Vec<u8>,
    segment_bytes: u64,
}

/// What was there when a log was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opened {
    pub entries: u64,
    /// Behind the last whole entry, never confirmed, and gone now.
    pub cut_bytes: u64,
}

impl Log {
    /// Opens the log of a folder, and gives each entry that is in it.
    pub fn open<E: From<StateError>>(
        disk: &Arc<dyn Disk>,
        segment_bytes: u64,
        each: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(Self, Opened), E> {
        let files = disk.list().map_err(|error| failed(&disk.name(), "be listed", error))?;
        let known = files.iter().any(|file| file == confirmed::FILE);
        let sure = if known { confirmed::read(&read(&**disk, confirmed::FILE)?) } else { 0 };
        let files: Vec<String> = files.into_iter().filter(|file| file.ends_with(SUFFIX)).collect();
        let (mut number, mut opened, mut bytes) = (0, Opened::default(), 0);
        let mut last = None;
        for (place, file) in files.iter().enumerate() {
            let content = read(&**disk, file)?;
            // A file is followed by another when all of it was confirmed.
            let whole = files.get(place + 1).and_then(|next| first_of(next));
            let found = segment::read(file, &content, number, whole.unwrap_or(sure))?;
            for entry in &found.entries {
                each(entry)?;
            }
            number += found.entries.len() as u64;
            let cut = (content.len() - found.bytes) as u64;
            if whole.is_some_and(|next| next != number) || first_of(file) > Some(number) {
                let what = format!("the file that follows does not begin with frame {number}");
                return Err(StateError::Damaged { file: file.clone(), at: found.bytes as u64, what }.into());
            }
            opened.cut_bytes += cut;
            bytes += found.bytes as u64;
            last = Some((file.clone(), found.bytes as u64));
        }
        if number < sure {
            let what = format!("{sure} frames were confirmed, and {number} are there");
            return Err(StateError::Damaged { file: disk.name(), at: bytes, what }.into());
        }
        opened.entries = number;
        let made = match last {
            Some((name, length)) if length >= HEAD_BYTES as u64 => {
                let file = disk.reopen(&name, length).map_err(|error| failed(&name, "be opened", error))?;
                (file, name, length)
            }
            _ => new_file(&**disk, number)?,
        };
        let (file, name, file_bytes) = made;
        let log = Self {
            disk: Arc::clone(disk),
            file,
            name,
            file_bytes,
            bytes: bytes.max(file_bytes),
            number,
            syncs: 0,
            pending: Vec::new(),
            segment_bytes,
        };
        Ok((log, opened))
    }

    /// Appends an entry. It is safe after the next [`Self::sync`].
    pub fn append(&mut self, entry: &[u8]) {
        Frame { number: self.number, payload: entry }.write(&mut self.pending);
        self.number += 1;
    }

    /// Makes all that was appended durable. After an error the log is not to be used any more: nobody knows what is on disk.
    pub fn sync(&mut self) -> Result<(), StateError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let failed = |error| failed(&self.name, "be written", error);
        self.file.append(&self.pending).map_err(failed)?;
        self.file.sync().map_err(failed)?;
        self.file_bytes += self.pending.len() as u64;
        self.bytes += self.pending.len() as u64;
        self.pending.clear();
        self.syncs += 1;
        confirmed::write(&*self.disk, self.number, self.syncs)
            .map_err(|error| self::failed(confirmed::FILE, "be written", error))?;
        if self.file_bytes >= self.segment_bytes {
            (self.file, self.name, self.file_bytes) = new_file(&*self.disk, self.number)?;
            self.bytes += self.file_bytes;
        }
        Ok(())
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn entries(&self) -> u64 {
        self.number
    }
}

/// How many entries were confirmed, as far as a glance shows; 0 where nobody knows.
pub fn confirmed_entries(disk: &dyn Disk) -> u64 {
    disk.read(confirmed::FILE).map_or(0, |content| confirmed::read(&content))
}

fn new_file(disk: &dyn Disk, first: u64) -> Result<(Box<dyn Append>, String, u64), StateError> {
    let name = format!("{first:020}{SUFFIX}");
    let failed = |error| failed(&name, "be written", error);
    let mut file = disk.create(&name).map_err(failed)?;
    file.append(&segment::head(first)).map_err(failed)?;
    file.sync().map_err(failed)?;
    Ok((file, name, HEAD_BYTES as u64))
}

/// The number of a file's first frame, as its name says.
fn first_of(file: &str) -> Option<u64> {
    file.strip_suffix(SUFFIX)?.parse().ok()
}

fn read(disk: &dyn Disk, file: &str) -> Result<Vec<u8>, StateError> {
    disk.read(file).map_err(|error| failed(file, "be read", error))
}

fn failed(file: &str, what: &'static str, error: std::io::Error) -> StateError {
    StateError::Io { file: file.to_owned(), what, error }
}
