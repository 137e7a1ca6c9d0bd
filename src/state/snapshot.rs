//! The state of a run when its log had so many entries: with it a start reads only those behind it.
//!
//! A snapshot is compressed and cut into frames; the last is empty. It comes to have its name when it is whole and durable.

use std::io::{self, Read, Write};
use std::sync::Arc;

use super::frame::Frame;
use super::{StateError, failed};
use crate::port::disk::{Append, Disk};

const SUFFIX: &str = ".snapshot";
/// Says what the file is, and which form it has.
const MAGIC: &[u8; 8] = b"tripsnp1";
/// Fast: a snapshot is written often and read seldom.
const COMPRESSION: i32 = 1;
const PIECE_BYTES: usize = 1 << 20;

fn file(entries: u64) -> String {
    format!("{entries:020}{SUFFIX}")
}

fn entries_of(file: &str) -> Option<u64> {
    file.strip_suffix(SUFFIX)?.parse().ok()
}

/// Is it a file of a snapshot?
pub(super) fn owns(file: &str) -> bool {
    entries_of(file).is_some()
}

/// The snapshots of a folder by their entries, the newest first.
pub fn all(disk: &dyn Disk) -> Result<Vec<u64>, StateError> {
    let files = disk.list().map_err(|error| failed(&disk.name(), "be listed", error))?;
    let mut all: Vec<u64> = files.iter().filter_map(|file| entries_of(file)).collect();
    all.sort_unstable_by(|one, other| other.cmp(one));
    Ok(all)
}

pub fn remove(disk: &dyn Disk, entries: u64) -> Result<(), StateError> {
    disk.remove(&file(entries)).map_err(|error| failed(&file(entries), "be removed", error))
}

/// Writes a snapshot, whose content `write` gives; returns its length.
pub fn write<E: From<StateError>>(
    disk: &Arc<dyn Disk>,
    entries: u64,
    write: &mut dyn FnMut(&mut dyn Write) -> Result<(), E>,
) -> Result<u64, E> {
    let name = file(entries);
    let failed = |error| failed(&name, "be written", error);
    let under_way = format!("{name}.new");
    let mut file = disk.create(&under_way).map_err(failed)?;
    file.append(MAGIC).map_err(failed)?;
    let mut pieces = Pieces { file, piece: Vec::with_capacity(PIECE_BYTES), number: 0, bytes: MAGIC.len() as u64 };
    {
        let mut compressed = zstd::stream::write::Encoder::new(&mut pieces, COMPRESSION).map_err(failed)?;
        write(&mut compressed)?;
        compressed.finish().map_err(failed)?;
    }
    let bytes = pieces.finish().map_err(failed)?;
    disk.rename(&under_way, &name).map_err(failed)?;
    Ok(bytes)
}

/// Gives the content of a snapshot to `read`. It is whole when that has read to its end.
pub fn read<T, E: From<StateError>>(
    disk: &Arc<dyn Disk>,
    entries: u64,
    read: &mut dyn FnMut(&mut dyn Read) -> Result<T, E>,
) -> Result<T, E> {
    let name = file(entries);
    let failed = |error| failed(&name, "be read", error);
    let mut file = Framed { disk: Arc::clone(disk), name: name.clone(), at: 0, number: 0, piece: Vec::new(), used: 0 };
    file.begin().map_err(failed)?;
    let mut content = zstd::stream::read::Decoder::new(file).map_err(failed)?;
    let found = read(&mut content)?;
    // What is behind it was not written.
    match io::copy(&mut content, &mut io::sink()).map_err(failed)? {
        0 => Ok(found),
        more => Err(failed(io::Error::other(format!("it has {more} bytes that nobody knows"))).into()),
    }
}

/// Bytes to frames.
struct Pieces {
    file: Box<dyn Append>,
    piece: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl Pieces {
    fn put(&mut self) -> io::Result<()> {
        let mut framed = Vec::with_capacity(self.piece.len() + 64);
        Frame { number: self.number, payload: &self.piece }.write(&mut framed);
        self.piece.clear();
        self.number += 1;
        self.bytes += framed.len() as u64;
        self.file.append(&framed)
    }

    fn finish(mut self) -> io::Result<u64> {
        if !self.piece.is_empty() {
            self.put()?;
        }
        self.put()?;
        self.file.sync()?;
        Ok(self.bytes)
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE_BYTES {
            self.put()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Frames to bytes.
struct Framed {
    disk: Arc<dyn Disk>,
    name: String,
    at: u64,
    /// Of the next frame; none behind the last.
    number: u64,
    piece: Vec<u8>,
    used: usize,
}

impl Framed {
    fn begin(&mut self) -> io::Result<()> {
        let magic = self.disk.read_at(&self.name, 0, MAGIC.len())?;
        self.at = MAGIC.len() as u64;
        if magic == MAGIC { Ok(()) } else { Err(damaged("it is none of ours")) }
    }

    fn next(&mut self) -> io::Result<()> {
        // A frame is at most a piece and its head.
        let bytes = self.disk.read_at(&self.name, self.at, PIECE_BYTES + 64)?;
        let frame = Frame::read(&bytes).filter(|frame| frame.number == self.number);
        let frame = frame.ok_or_else(|| damaged(&format!("frame {} cannot be read", self.number)))?;
        self.at += frame.bytes() as u64;
        self.number = if frame.payload.is_empty() { u64::MAX } else { self.number + 1 };
        (self.piece, self.used) = (frame.payload.to_vec(), 0);
        Ok(())
    }
}

impl Read for Framed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.used == self.piece.len() && self.number != u64::MAX {
            self.next()?;
        }
        let rest = &self.piece[self.used..];
        let taken = rest.len().min(into.len());
        into[..taken].copy_from_slice(&rest[..taken]);
        self.used += taken;
        Ok(taken)
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
