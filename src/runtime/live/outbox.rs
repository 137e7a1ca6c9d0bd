//! Which alerts are out. A log that is read again gives all of its alerts again, in the same order: those that are out are
//! counted, and left out.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;

use crate::pipeline::alert::AlertRecord;
use crate::pipeline::detect::Hit;
use crate::pipeline::outlet::{Outlet, OutletError, Uncomputed};
use crate::port::disk::{Append, Disk};
use crate::record::{Disposition, Reject};
use crate::state::folder::{Held, hold};
use crate::state::outbox::Position;

use super::super::outlet::RunOutlet;
use super::LiveError;

/// A folder that this run holds, and how far it was.
pub struct Session {
    held: Held,
    position: Position,
    /// Are the definitions those that the position is of?
    same: bool,
}

impl Session {
    /// `lanes`: the names of the queues.
    pub fn open(disk: Arc<dyn Disk>, generation: &str, lanes: &[String]) -> Result<Self, LiveError> {
        let held = hold(disk)?;
        let known = Position::load(&*held.disk)?;
        let program = env!("CARGO_PKG_VERSION").to_owned();
        let (generation, lanes) = (generation.to_owned(), lanes.to_vec());
        let new = Position { generation, program, lanes, file_bytes: u64::MAX, ..Position::default() };
        let position = match known {
            None => {
                new.save(&*held.disk)?;
                new.clone()
            }
            Some(known) if known.lanes != new.lanes => {
                let (known, given) = (known.lanes.join(", "), new.lanes.join(", "));
                return Err(LiveError::Lanes { folder: held.disk.name(), known, given });
            }
            Some(known) => known,
        };
        let same = position.generation == new.generation && position.program == new.program;
        let Position { file_bytes, complete, .. } = position;
        let position = if same { position } else { Position { file_bytes, complete, ..new } };
        Ok(Self { held, position, same })
    }

    /// How long the output was when its alerts were counted last; more than any where nothing was.
    pub fn output_bytes(&self) -> u64 {
        self.position.file_bytes
    }

    /// Has the log flows that other definitions were given?
    pub fn is_changed(&self) -> bool {
        !self.same
    }
}

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
    fn bytes(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// Makes durable what was written, and tells how long the file is.
    fn sync(&self) -> io::Result<u64> {
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

/// Lets through what is not out.
pub struct Outbox<'a> {
    inner: &'a mut dyn RunOutlet,
    session: Session,
    /// Where alerts go, when that is a file.
    file: Option<AlertFile>,
    /// Alerts of other definitions.
    muted: bool,
    /// Alerts that come again and are out.
    skip: u64,
    /// What stands in the output behind those that were counted.
    behind: String,
    /// Some were put out since the position was saved.
    changed: bool,
    /// Goes on under changed definitions although alerts of those before may not be out.
    pub drop_pending: bool,
}

impl<'a> Outbox<'a> {
    /// `behind`: what stands in the file behind the alerts that were counted.
    pub fn new(session: Session, inner: &'a mut dyn RunOutlet, file: Option<AlertFile>, behind: &[u8]) -> Self {
        let skip = session.position.delivered;
        let behind = String::from_utf8_lossy(behind).into_owned();
        Self { inner, session, file, muted: false, skip, behind, changed: false, drop_pending: false }
    }

    pub fn generation(&self) -> &str {
        &self.session.position.generation
    }

    pub(super) fn lanes(&self) -> usize {
        self.session.position.lanes.len()
    }

    pub(super) fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.session.held.disk)
    }

    /// An entry of that number comes again.
    pub(super) fn reread(&mut self, number: u64) {
        self.muted = !self.session.same || number < self.session.position.since;
    }

    /// What comes now is new; so many entries were there.
    pub(super) fn go_on(&mut self, entries: u64) -> Result<(), LiveError> {
        self.muted = false;
        // Before the first alert: where the output began.
        if let Some(file) = self.file.as_ref().filter(|_| self.session.position.file_bytes == u64::MAX) {
            self.session.position.file_bytes = file.bytes();
            self.session.position.save(&*self.session.held.disk)?;
        }
        if self.skip > 0 {
            let out = self.session.position.delivered;
            return Err(LiveError::Outbox { folder: self.session.held.disk.name(), out, found: out - self.skip });
        }
        if !self.session.same {
            if self.session.position.complete < entries && !self.drop_pending {
                return Err(LiveError::Pending { folder: self.session.held.disk.name() });
            }
            self.session.position.since = entries;
            self.session.same = true;
            self.session.position.save(&*self.session.held.disk)?;
        }
        Ok(())
    }

    /// All alerts of so many entries are out.
    pub(super) fn complete(&mut self, entries: u64) -> Result<(), OutletError> {
        (self.session.position.complete, self.changed) = (entries, true);
        self.save()
    }

    fn save(&mut self) -> Result<(), OutletError> {
        if !std::mem::take(&mut self.changed) {
            return Ok(());
        }
        let failed = |name: &str, error| OutletError { name: name.to_owned(), error };
        if let Some(file) = &self.file {
            self.session.position.file_bytes = file.sync().map_err(|error| failed("alerts", error))?;
        }
        let disk = &self.session.held.disk;
        self.session.position.save(&**disk).map_err(|error| failed(&disk.name(), io::Error::other(error)))
    }
}

impl Outlet for Outbox<'_> {
    fn wants(&self, relation: &str) -> bool {
        self.inner.wants(relation)
    }

    fn rows(&mut self, relation: &str, rows: &RecordBatch, partial: bool) -> Result<(), OutletError> {
        self.inner.rows(relation, rows, partial)
    }

    fn flows(&mut self, relation: &str, rows: &RecordBatch, admit: &[i64]) -> Result<(), OutletError> {
        self.inner.flows(relation, rows, admit)
    }

    fn reject(&mut self, reject: Reject) -> Result<(), OutletError> {
        self.inner.reject(reject)
    }

    fn hit(&mut self, rule: &str, hit: &Hit, disposition: Disposition) -> Result<(), OutletError> {
        self.inner.hit(rule, hit, disposition)
    }

    fn alert(&mut self, alert: &AlertRecord) -> Result<(), OutletError> {
        if self.muted {
            return Ok(());
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        // A crash came between writing it and counting it.
        if self.behind.is_empty() || !self.behind.contains(&alert.alert_id) {
            self.inner.alert(alert)?;
        }
        self.session.position.delivered += 1;
        self.changed = true;
        Ok(())
    }

    fn uncomputed(&mut self, rows: &[Uncomputed]) {
        self.inner.uncomputed(rows);
    }
}

impl RunOutlet for Outbox<'_> {
    fn flush(&mut self) -> Result<(), OutletError> {
        self.inner.flush()?;
        self.save()
    }

    fn finish(&mut self) -> Result<(), OutletError> {
        self.inner.finish()?;
        self.save()
    }
}
