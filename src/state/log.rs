//! A log: frames in files one after the other, appended to, made durable, read again, and forgotten from the front.

use std::sync::Arc;

use super::frame::Frame;
use super::segment::{self, HEAD_BYTES};
use super::tail::Tail;
use super::{StateError, confirmed, failed};
use crate::port::disk::Disk;

/// A file that is longer is followed by another.
pub const SEGMENT_BYTES: u64 = 64 << 20;
const SUFFIX: &str = ".log";

/// One log of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What a run was given.
    Given,
    /// The alerts that came of it.
    Alerts,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Given, Self::Alerts];

    fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Alerts => "alerts",
        }
    }

    fn confirmed(self) -> String {
        format!("{}.confirmed", self.name())
    }

    pub(super) fn file(self, first: u64) -> String {
        format!("{}-{first:020}{SUFFIX}", self.name())
    }

    /// The number of a file's first frame, as its name says.
    pub(super) fn first_of(self, file: &str) -> Option<u64> {
        file.strip_prefix(self.name())?.strip_prefix('-')?.strip_suffix(SUFFIX)?.parse().ok()
    }

    /// Is it a file of this log?
    pub(super) fn owns(self, file: &str) -> bool {
        self.first_of(file).is_some() || *file == self.confirmed()
    }
}

pub struct Log {
    disk: Arc<dyn Disk>,
    kind: Kind,
    /// The file that is being written.
    file: Tail,
    /// The first frame of each file; the last is being written.
    firsts: Vec<u64>,
    /// Of the files before it.
    before_bytes: u64,
    /// Of the next frame.
    number: u64,
    syncs: u64,
    /// Something was appended since the last sync.
    changed: bool,
    /// A file that is longer is followed by another.
    pub segment_bytes: u64,
}

/// What was there when a log was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opened {
    /// Entries that were given.
    pub entries: u64,
    /// Behind the last whole entry, never confirmed, and gone now.
    pub cut_bytes: u64,
}

/// Takes an entry by its number.
pub type Each<'a, E> = dyn FnMut(u64, &[u8]) -> Result<(), E> + 'a;

impl Log {
    /// The first entry that a folder has of a log.
    pub fn first(disk: &dyn Disk, kind: Kind) -> Result<u64, StateError> {
        Ok(files(disk, kind)?.first().map_or(0, |(first, _)| *first))
    }

    /// Has a folder files of a log?
    pub fn is_there(disk: &dyn Disk, kind: Kind) -> Result<bool, StateError> {
        Ok(!files(disk, kind)?.is_empty())
    }

    /// Opens the log of a folder, and gives each of its entries from that one on.
    pub fn open<E: From<StateError>>(
        disk: &Arc<dyn Disk>,
        kind: Kind,
        segment_bytes: u64,
        from: u64,
        each: &mut Each<'_, E>,
    ) -> Result<(Self, Opened), E> {
        let confirmed = kind.confirmed();
        let sure = confirmed::read(&**disk, &confirmed)?;
        let mut files = files(&**disk, kind)?;
        let firsts: Vec<u64> = files.iter().map(|(first, _)| *first).collect();
        // Of files that end before it nothing is read.
        let unread = firsts.iter().skip(1).filter(|next| **next <= from).count();
        let mut before_bytes = 0;
        for (_, file) in files.drain(..unread) {
            before_bytes += disk.bytes(&file).map_err(|error| failed(&file, "be read", error))?;
        }
        let mut number = firsts.get(unread).copied().unwrap_or(0);
        let (mut opened, mut last) = (Opened::default(), None);
        for (place, (first, file)) in files.iter().enumerate() {
            let content = disk.read(file).map_err(|error| failed(file, "be read", error))?;
            // A file is followed by another when all of it was confirmed.
            let whole = files.get(place + 1).map(|(next, _)| *next);
            let found = segment::read(file, &content, number, whole.unwrap_or(sure))?;
            for (own, entry) in (number..).zip(&found.entries).filter(|(own, _)| *own >= from) {
                each(own, entry)?;
                opened.entries += 1;
            }
            number += found.entries.len() as u64;
            let cut = (content.len() - found.bytes) as u64;
            if whole.is_some_and(|next| next != number) || *first > number {
                let what = format!("the file that follows does not begin with frame {number}");
                return Err(StateError::Damaged { file: file.clone(), at: found.bytes as u64, what }.into());
            }
            opened.cut_bytes += cut;
            before_bytes += last.replace((file.clone(), found.bytes as u64)).map_or(0, |(_, bytes)| bytes);
        }
        let needed = sure.max(from);
        if number < needed || firsts.first().is_some_and(|first| *first > from) {
            let there = firsts.first().map_or(number..number, |first| *first..number);
            let what = format!("frames {from} to {needed} are needed, and {} to {} are there", there.start, there.end);
            let file = format!("{}-*{SUFFIX}", kind.name());
            return Err(StateError::Damaged { file, at: before_bytes, what }.into());
        }
        let mut firsts = firsts;
        let file = match last {
            Some((name, length)) if length >= HEAD_BYTES as u64 => {
                let file = disk.reopen(&name, length).map_err(|error| failed(&name, "be opened", error))?;
                Tail::new(file, length)
            }
            _ => {
                firsts.retain(|first| *first != number);
                firsts.push(number);
                new_file(&**disk, kind, number)?
            }
        };
        let disk = Arc::clone(disk);
        let log = Self { disk, kind, file, firsts, before_bytes, number, syncs: 0, changed: false, segment_bytes };
        Ok((log, opened))
    }

    /// Appends an entry. It is safe after the next [`Self::sync`].
    pub fn append(&mut self, entry: &[u8]) {
        self.file.with(|out| Frame { number: self.number, payload: entry }.write(out));
        self.number += 1;
        self.changed = true;
    }

    /// Lets readers of the files see what was appended. Where there is no room it may be tried again.
    pub fn flush(&mut self) -> Result<(), StateError> {
        self.file.flush().map_err(|error| failed(&self.name(), "be written", error))
    }

    /// Makes all that was appended durable. Where there is no room it may be tried again; after an error of the sync itself
    /// the log is not to be used any more: nobody knows what is on disk.
    pub fn sync(&mut self) -> Result<(), StateError> {
        if !self.changed {
            return Ok(());
        }
        self.file.sync().map_err(|error| failed(&self.name(), "be written", error))?;
        self.syncs += 1;
        let confirmed = self.kind.confirmed();
        confirmed::write(&*self.disk, &confirmed, self.number, self.syncs)
            .map_err(|error| failed(&confirmed, "be written", error))?;
        if self.file.bytes() >= self.segment_bytes {
            let file = new_file(&*self.disk, self.kind, self.number)?;
            self.before_bytes += self.file.bytes();
            self.file = file;
            self.firsts.push(self.number);
        }
        // Last: what failed is done again.
        self.changed = false;
        Ok(())
    }

    /// Removes files that end before a frame. True when there were some.
    pub fn forget(&mut self, before: u64) -> Result<bool, StateError> {
        let gone = self.firsts.iter().skip(1).filter(|next| **next <= before).count();
        for first in self.firsts.drain(..gone).collect::<Vec<_>>() {
            let file = self.kind.file(first);
            let bytes = self.disk.bytes(&file).map_err(|error| failed(&file, "be read", error))?;
            self.disk.remove(&file).map_err(|error| failed(&file, "be removed", error))?;
            self.before_bytes = self.before_bytes.saturating_sub(bytes);
        }
        Ok(gone > 0)
    }

    /// Of the file that is being written.
    fn name(&self) -> String {
        self.kind.file(self.firsts.last().copied().unwrap_or(0))
    }

    /// The first frame of each file.
    pub fn files(&self) -> &[u64] {
        &self.firsts
    }

    /// Of all files.
    pub fn bytes(&self) -> u64 {
        self.before_bytes + self.file.bytes()
    }

    /// The number of the next frame.
    pub fn end(&self) -> u64 {
        self.number
    }
}

/// How many entries were confirmed, as far as a glance shows; 0 where nobody knows.
pub fn confirmed_entries(disk: &dyn Disk, kind: Kind) -> u64 {
    confirmed::read(disk, &kind.confirmed()).unwrap_or(0)
}

/// A file that begins with that frame. It has its name when its head is durable: half of one would be taken for a damaged one.
fn new_file(disk: &dyn Disk, kind: Kind, first: u64) -> Result<Tail, StateError> {
    let name = kind.file(first);
    let under_way = format!("{name}.new");
    let make = || {
        let mut file = disk.create(&under_way)?;
        file.append(&segment::head(first))?;
        file.sync()?;
        disk.rename(&under_way, &name)?;
        disk.reopen(&name, HEAD_BYTES as u64)
    };
    let file = make().map_err(|error| failed(&name, "be written", error))?;
    Ok(Tail::new(file, HEAD_BYTES as u64))
}

/// The files of a log, with the number of the first frame of each, in order.
fn files(disk: &dyn Disk, kind: Kind) -> Result<Vec<(u64, String)>, StateError> {
    let files = disk.list().map_err(|error| failed(&disk.name(), "be listed", error))?;
    let own = files.into_iter().filter_map(|file| Some((kind.first_of(&file)?, file)));
    let mut own: Vec<(u64, String)> = own.collect();
    own.sort();
    Ok(own)
}

/// Frames of a log that somebody else writes.
pub struct Follower {
    disk: Arc<dyn Disk>,
    kind: Kind,
    /// Of the next frame.
    number: u64,
    /// The file that it is in, by its first frame, and where.
    place: Option<(u64, u64)>,
}

/// What is read of a file at once.
const READ_BYTES: usize = 1 << 20;

impl Follower {
    pub fn new(disk: Arc<dyn Disk>, kind: Kind, number: u64) -> Self {
        Self { disk, kind, number, place: None }
    }

    /// Up to so many frames before `end`, which are in the files.
    pub fn read(&mut self, end: u64, most: usize) -> Result<Vec<(u64, Vec<u8>)>, StateError> {
        let mut read = Vec::new();
        while self.number < end && read.len() < most {
            let known = self.place.take();
            let (first, at) = match known {
                Some(place) => place,
                None => self.find()?,
            };
            let name = self.kind.file(first);
            let failed = |error| failed(&name, "be read", error);
            let mut length = READ_BYTES;
            let mut bytes = match self.disk.read_at(&name, at, length) {
                // All of it was read, and nobody needs it any more: what follows is in another.
                Err(error) if known.is_some() && error.kind() == std::io::ErrorKind::NotFound => continue,
                bytes => bytes.map_err(failed)?,
            };
            // A frame may be longer than what is read at once.
            while Frame::read(&bytes).is_none() && bytes.len() == length {
                length *= 2;
                bytes = self.disk.read_at(&name, at, length).map_err(failed)?;
            }
            let mut used = 0;
            while read.len() < most
                && self.number < end
                && let Some(frame) = Frame::read(&bytes[used..])
            {
                used += frame.bytes();
                match frame.number {
                    number if number == self.number => {
                        read.push((number, frame.payload.to_vec()));
                        self.number += 1;
                    }
                    number if number < self.number => {}
                    _ => return Err(self.damaged(name, at)),
                }
            }
            self.place = Some((first, at + used as u64));
            if used == 0 {
                // The rest is in the file that follows.
                let next = self.find()?;
                if next.0 <= first {
                    return Err(self.damaged(name, at));
                }
                self.place = Some(next);
            }
        }
        Ok(read)
    }

    /// The file that has the next frame, and where its frames begin.
    fn find(&self) -> Result<(u64, u64), StateError> {
        let files = files(&*self.disk, self.kind)?;
        let file = files.iter().rev().find(|(first, _)| *first <= self.number);
        match file {
            Some((first, _)) => Ok((*first, HEAD_BYTES as u64)),
            None => Err(self.damaged(self.kind.file(self.number), 0)),
        }
    }

    fn damaged(&self, file: String, at: u64) -> StateError {
        StateError::Damaged { file, at, what: format!("frame {} is not there", self.number) }
    }
}
