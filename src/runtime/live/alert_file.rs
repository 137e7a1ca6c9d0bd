//! The file that alerts are written to, so that none is lost or there twice when the run dies while it writes; closed under another
//! name when it is long or its day is over, and left alone when somebody else has moved it away.
//!
//! What is counted of a file counts of that file only: it has a mark, which no other has. So an alert is written to a file only
//! when the position names it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::port::Clock;
use crate::port::disk::{End, Mark, Output};
use crate::record::EventTime;
use crate::state::outbox::Position;
use crate::state::tail::Tail;

const DAY: i64 = 86_400_000_000;

/// What stands in an output behind the alerts that were counted: how much of it is whole lines.
pub fn whole_lines(behind: &[u8]) -> usize {
    behind.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1)
}

/// When a file is closed, and another is begun.
#[derive(Clone)]
pub struct Rotation {
    pub clock: Arc<dyn Clock>,
    /// Of a file that is not shorter.
    pub bytes: u64,
    /// Of one that was written to on another day.
    pub daily: bool,
}

impl Rotation {
    pub fn never(clock: Arc<dyn Clock>) -> Self {
        Self { clock, bytes: u64::MAX, daily: false }
    }
}

/// What a position says of an output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilePlace {
    /// More than any where nothing was counted.
    pub bytes: u64,
    pub mark: Mark,
    pub day: i64,
    pub closed: i64,
}

impl FilePlace {
    pub fn of(position: &Position) -> Self {
        let Position { file_bytes, file_mark, file_day, file_closed, .. } = position;
        Self { bytes: *file_bytes, mark: file_mark.clone(), day: *file_day, closed: *file_closed }
    }

    pub fn put(self, position: &mut Position) {
        (position.file_bytes, position.file_mark) = (self.bytes, self.mark);
        (position.file_day, position.file_closed) = (self.day, self.closed);
    }
}

/// A file to which alerts are appended; both halves of it.
#[derive(Clone)]
pub struct AlertFile(Arc<Mutex<Inner>>);

struct Inner {
    output: Box<dyn Output>,
    rotation: Rotation,
    tail: Tail,
    place: FilePlace,
    /// The position does not name the file yet.
    new: bool,
}

/// A file that was opened.
pub struct OpenedFile {
    pub file: AlertFile,
    /// What stands in it behind the alerts that were counted.
    pub behind: Vec<u8>,
    /// Somebody has taken some of it away.
    pub shorter: bool,
}

impl AlertFile {
    /// `known`: what was counted, of which file.
    pub fn open(output: Box<dyn Output>, known: FilePlace, rotation: Rotation) -> io::Result<OpenedFile> {
        let found = output.look()?;
        let known_mark = !known.mark.is_empty();
        let other = known_mark && found.as_ref().is_none_or(|(mark, _)| *mark != known.mark);
        // Of another file nothing was counted, and nothing in it is ours.
        let counted = if other { u64::MAX } else { known.bytes };
        let shorter = counted != u64::MAX && found.is_none_or(|(_, bytes)| bytes < counted);
        let End { file, mark, bytes, behind } = output.open(counted, &whole_lines)?;
        let counted = bytes - behind.len() as u64;
        let day = if other || !known_mark { day(&rotation) } else { known.day };
        let new = known.mark != mark || known.bytes != counted;
        let place = FilePlace { bytes: counted, mark, day, closed: known.closed };
        let tail = Tail::new(file, bytes);
        let file = Self(Arc::new(Mutex::new(Inner { output, rotation, tail, place, new })));
        Ok(OpenedFile { file, behind, shorter })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a position has to say of it before something is written to it; `None`: that it says.
    pub(super) fn unnamed(&self) -> Option<FilePlace> {
        let inner = self.inner();
        inner.new.then(|| inner.place.clone())
    }

    pub(super) fn named(&self) {
        self.inner().new = false;
    }

    /// Before something is written to it: is it still the file of that name, and not due? Otherwise it is another from now on.
    pub(super) fn turn(&self) -> io::Result<()> {
        let mut inner = self.inner();
        if inner.tail.is_pending() { inner.turn() } else { Ok(()) }
    }

    /// Makes durable what was written, and tells what is counted now.
    pub(super) fn sync(&self) -> io::Result<FilePlace> {
        let mut inner = self.inner();
        inner.tail.sync()?;
        inner.place.bytes = inner.tail.bytes();
        inner.place.day = day(&inner.rotation);
        Ok(inner.place.clone())
    }
}

impl Inner {
    fn turn(&mut self) -> io::Result<()> {
        let found = self.output.look()?;
        let same = found.as_ref().is_some_and(|(mark, _)| *mark == self.place.mark);
        // Somebody has copied it away and cut it: what follows begins where it ends.
        let cut = same && found.is_some_and(|(_, bytes)| bytes < self.tail.bytes());
        let bytes = self.tail.bytes();
        let is_over = self.rotation.daily && self.place.day != day(&self.rotation);
        if same && !cut && bytes > 0 && (bytes >= self.rotation.bytes || is_over) {
            let now = self.rotation.clock.now().0.max(self.place.closed + 1);
            self.place.closed = now;
            self.output.rename(EventTime(now))?;
        } else if same && !cut {
            return Ok(());
        }
        let End { file, mark, bytes, .. } = self.output.open(u64::MAX, &whole_lines)?;
        self.tail.turn(file, bytes)?;
        self.place = FilePlace { bytes, mark, day: day(&self.rotation), closed: self.place.closed };
        self.new = true;
        Ok(())
    }
}

/// Now, by the clock of UTC.
fn day(rotation: &Rotation) -> i64 {
    rotation.clock.now().0.div_euclid(DAY)
}

impl Write for AlertFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner().tail.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner().tail.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::{AlertFile, Clock, DAY, EventTime, FilePlace, OpenedFile, Rotation};
    use crate::adapter::local::appended::LocalOutput;

    struct At(AtomicI64);

    impl Clock for At {
        fn now(&self) -> EventTime {
            EventTime(self.0.load(Ordering::Relaxed))
        }
    }

    /// As a run writes alerts and counts them.
    fn put(file: &AlertFile, line: &str) -> FilePlace {
        let mut writer = file.clone();
        writeln!(writer, "{line}").expect("pending");
        file.turn().expect("turns");
        file.named();
        writer.flush().expect("writes");
        file.sync().expect("syncs")
    }

    fn open(path: &Path, known: FilePlace, rotation: Rotation) -> OpenedFile {
        AlertFile::open(Box::new(LocalOutput::new(path)), known, rotation).expect("opens")
    }

    fn contents(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
        names.sort();
        names.iter().map(|name| fs::read_to_string(name).expect("reads").replace('\n', " ")).collect()
    }

    #[test]
    fn a_file_is_closed_when_it_is_long_and_when_its_day_is_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("alerts.jsonl");
        let clock = Arc::new(At(AtomicI64::new(3 * DAY)));
        let rotation = Rotation { clock: Arc::clone(&clock) as Arc<dyn Clock>, bytes: 4, daily: true };
        let known = FilePlace { bytes: u64::MAX, ..FilePlace::default() };
        let first = open(&path, known, rotation.clone()).file;
        put(&first, "a");
        put(&first, "b");
        // Of four bytes now; it is closed before the next.
        let known = put(&first, "c");
        assert_eq!(contents(folder.path()), ["a b ", "c "]);
        // Nothing comes for a day, and the run is started again; a clock that goes back does not take a name again.
        clock.0.store(4 * DAY - 1, Ordering::Relaxed);
        let OpenedFile { file, behind, .. } = open(&path, known, rotation);
        assert!(behind.is_empty());
        clock.0.store(4 * DAY, Ordering::Relaxed);
        put(&file, "d");
        clock.0.store(2 * DAY, Ordering::Relaxed);
        put(&file, "e");
        assert_eq!(contents(folder.path()), ["a b ", "c ", "d ", "e "]);
    }

    #[test]
    fn a_file_that_somebody_moves_or_cuts_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("alerts.jsonl");
        let rotation = Rotation::never(Arc::new(At(AtomicI64::new(0))));
        let known = FilePlace { bytes: u64::MAX, ..FilePlace::default() };
        let file = open(&path, known, rotation.clone()).file;
        put(&file, "a");
        fs::rename(&path, folder.path().join("alerts.1")).expect("moves");
        put(&file, "b");
        fs::rename(&path, folder.path().join("alerts.2")).expect("moves");
        fs::write(&path, "of others").expect("writes");
        put(&file, "c");
        assert_eq!(contents(folder.path()), ["a ", "b ", "of others c "]);
        // Copied away and cut.
        fs::copy(&path, folder.path().join("alerts.3")).expect("copies");
        fs::write(&path, "").expect("cuts");
        let known = put(&file, "d");
        assert_eq!(contents(folder.path()), ["a ", "b ", "of others c ", "d "]);
        // Not while the run goes on: what is in another file is not what was counted, though it is longer.
        fs::remove_file(folder.path().join("alerts.3")).expect("removes");
        fs::rename(&path, folder.path().join("alerts.3")).expect("moves");
        fs::write(&path, "1\n2\n3\n4\n").expect("writes");
        let OpenedFile { file, behind, shorter } = open(&path, known.clone(), rotation.clone());
        assert!(behind.is_empty() && !shorter);
        assert_eq!(file.unnamed().map(|place| place.bytes), Some(8));
        // The one that was counted has an alert that was not.
        fs::rename(folder.path().join("alerts.3"), &path).expect("moves");
        let mut more = fs::OpenOptions::new().append(true).open(&path).expect("opens");
        more.write_all(b"e\nf").expect("writes");
        let OpenedFile { file, behind, shorter } = open(&path, known, rotation);
        assert!(!shorter && file.unnamed().is_none());
        assert_eq!(String::from_utf8_lossy(&behind), "e\n");
    }
}
