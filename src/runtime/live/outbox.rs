//! Which alerts are out. A log that is read again gives all of its alerts again, in the same order: those that are out are
//! counted, and left out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::RecordBatch;

use crate::pipeline::alert::AlertRecord;
use crate::pipeline::detect::Hit;
use crate::pipeline::outlet::{Outlet, OutletError, Uncomputed};
use crate::plan::RulePlan;
use crate::port::disk::Disk;
use crate::record::alert::ALERTS;
use crate::record::{Disposition, Reject};
use crate::state::StateError;
use crate::state::folder::{Held, hold};
use crate::state::log::{Kind, Log, SEGMENT_BYTES};
use crate::state::outbox::{self, Position};

use sha2::{Digest, Sha256};

use super::super::outlet::RunOutlet;
use super::super::run::RunError;
use super::LiveError;
use super::alert_file::{AlertFile, FilePlace};
use super::snapshots::Head;

/// What a state is of, beside its definitions: the program, as it was built, and which features it computes.
pub(super) fn program(computed: &[&str]) -> String {
    let features = Sha256::digest(computed.join("\n").as_bytes());
    let features: String = features.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{} {} {features}", env!("CARGO_PKG_VERSION"), env!("TRIPLINE_SOURCES"))
}

/// The first entry of a state that was taken over: no entry of the log is where it began.
pub(super) const NOWHERE: u64 = u64::MAX;

/// A folder that this run holds, and how far it was.
pub struct Session {
    held: Held,
    position: Position,
    /// Are the definitions those that the position is of?
    same: bool,
    /// What the folder was the state of, in words.
    known: String,
    /// Is nothing else than then but which features are computed?
    other_features: bool,
}

/// Is it this program, whatever it computes?
pub(super) fn is_this_build(program: &str) -> bool {
    program.rsplit_once(' ').is_some_and(|(build, _)| self::program(&[]).starts_with(&format!("{build} ")))
}

/// A generation and a program, for people.
fn named(generation: &str, program: &str) -> String {
    let mut parts = program.split(' ');
    let (version, sources) = (parts.next().unwrap_or("?"), parts.next().unwrap_or("?"));
    let sources: String = sources.chars().take(8).collect();
    format!("generation {generation} by version {version} ({sources})")
}

impl Session {
    /// `computed`: the features that are computed; `lanes`: the names of the queues.
    pub fn open(disk: Arc<dyn Disk>, generation: &str, computed: &[&str], lanes: &[String]) -> Result<Self, LiveError> {
        Self::of(hold(disk)?, generation, computed, lanes)
    }

    /// As [`Self::open`], of a folder that is held already.
    pub fn of(held: Held, generation: &str, computed: &[&str], lanes: &[String]) -> Result<Self, LiveError> {
        let known = Position::load(&*held.disk)?;
        let program = program(computed);
        let (generation, lanes) = (generation.to_owned(), lanes.to_vec());
        let new = Position { generation, program, lanes, file_bytes: u64::MAX, ..Position::default() };
        let position = match known {
            // It is made before everything else.
            None if Log::is_there(&*held.disk, Kind::Given)? => {
                let what = "it is not there".to_owned();
                return Err(StateError::Damaged { file: outbox::FILE.to_owned(), at: 0, what }.into());
            }
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
        let known = named(&position.generation, &position.program);
        let same = position.generation == new.generation && position.program == new.program;
        let other_features = !same && position.generation == new.generation && is_this_build(&position.program);
        let (place, complete, turns) = (FilePlace::of(&position), position.complete, position.turns.clone());
        let position = if same {
            position
        } else {
            let mut position = Position { complete, turns, ..new };
            place.put(&mut position);
            position
        };
        Ok(Self { held, position, same, known, other_features })
    }

    /// What was counted of the output.
    pub fn output(&self) -> FilePlace {
        FilePlace::of(&self.position)
    }

    /// Has the log flows that other definitions were given?
    pub fn is_changed(&self) -> bool {
        !self.same
    }
}

/// Lets through what is not out, and keeps all alerts in a log of their own, from which sinks are told.
pub struct Outbox<'a> {
    inner: &'a mut dyn RunOutlet,
    session: Session,
    alerts: Log,
    /// How many alerts can be read in the files of that log.
    readable: Arc<AtomicU64>,
    /// Where alerts go, when that is a file.
    file: Option<AlertFile>,
    /// Alerts of other definitions.
    muted: bool,
    /// Alerts of these definitions that were computed, now or before.
    given: u64,
    /// What stands in the output behind those that were counted.
    behind: String,
    /// Some were put out since the position was saved.
    changed: bool,
    /// Of these definitions' alerts, those that were out then.
    saved: u64,
    /// Alerts can be read once no crash takes them back; otherwise once they are written.
    pub(super) settled: bool,
    /// Goes on under changed definitions although alerts of those before may not be out.
    pub drop_pending: bool,
}

impl<'a> Outbox<'a> {
    /// `behind`: what stands in the file behind the alerts that were counted.
    pub fn new(
        session: Session,
        inner: &'a mut dyn RunOutlet,
        file: Option<AlertFile>,
        behind: &[u8],
    ) -> Result<Self, LiveError> {
        let behind = String::from_utf8_lossy(behind).into_owned();
        let mut each = |_, _: &[u8]| -> Result<(), LiveError> { Ok(()) };
        let from = Log::first(&*session.held.disk, Kind::Alerts)?;
        let (alerts, _) = Log::open(&session.held.disk, Kind::Alerts, SEGMENT_BYTES, from, &mut each)?;
        let readable = Arc::new(AtomicU64::new(alerts.end()));
        let mut session = session;
        // Before the first alert: where the output begins.
        if let Some(file) = &file
            && let Some(place) = file.unnamed()
        {
            place.put(&mut session.position);
            if session.same {
                session.position.save(&*session.held.disk)?;
                file.named();
            }
        }
        let saved = session.position.delivered;
        Ok(Self {
            inner,
            session,
            alerts,
            readable,
            file,
            muted: false,
            given: 0,
            behind,
            changed: false,
            saved,
            settled: false,
            drop_pending: false,
        })
    }

    /// Files of the alerts' own log that are longer are followed by another.
    pub fn alert_files(&mut self, bytes: u64) {
        self.alerts.segment_bytes = bytes;
    }

    pub fn generation(&self) -> &str {
        &self.session.position.generation
    }

    pub(super) fn program(&self) -> &str {
        &self.session.position.program
    }

    pub(super) fn lane_names(&self) -> Vec<String> {
        self.session.position.lanes.clone()
    }

    pub(super) fn lanes(&self) -> usize {
        self.session.position.lanes.len()
    }

    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.session.held.disk)
    }

    /// How many alerts there are, for those that read them.
    pub fn readable(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.readable)
    }

    pub(super) fn is_changed(&self) -> bool {
        self.session.is_changed()
    }

    /// The number that the first of these definitions' alerts has.
    pub(super) fn base(&self) -> u64 {
        self.session.position.base
    }

    /// The first entry that the state of these definitions was computed from.
    pub(super) fn began(&self) -> u64 {
        self.session.position.began
    }

    /// A snapshot says that so many were. False where it cannot be one of this folder.
    pub(super) fn was_given(&mut self, given: u64) -> bool {
        let known = self.alerts.end().saturating_sub(self.session.position.base);
        let fits = given <= known && given <= self.session.position.delivered;
        if fits {
            self.given = given;
        }
        fits
    }

    /// An entry of that number comes again.
    pub(super) fn reread(&mut self, number: u64) {
        self.muted = !self.session.same || number < self.session.position.since;
    }

    /// Of rules with these names incidents ended with an entry that definitions before computed.
    pub(super) fn ended_with(&self, number: u64) -> Option<&[String]> {
        let turn = self.session.position.turns.iter().find(|(entry, _)| self.muted && *entry == number)?;
        Some(&turn.1)
    }

    /// Is nothing told yet of what was computed of so many entries, because it was of other definitions?
    pub(super) fn begins_with(&self, entries: u64) -> bool {
        let Position { since, began, .. } = self.session.position;
        !self.session.same || (since == entries && began != NOWHERE)
    }

    /// May alerts of the definitions before be left behind, when the log has so many entries?
    pub(super) fn may_change(&self, entries: u64) -> Result<(), LiveError> {
        let pending = !self.session.same && self.session.position.complete < entries && !self.drop_pending;
        match pending {
            true if self.session.other_features => Err(LiveError::Taps { folder: self.session.held.disk.name() }),
            true => Err(LiveError::Pending {
                folder: self.session.held.disk.name(),
                known: self.session.known.clone(),
                given: named(self.generation(), self.program()),
            }),
            false => Ok(()),
        }
    }

    /// What comes now is new; so many entries were there, and the first that is left has that number.
    pub(super) fn go_on(&mut self, first: u64, entries: u64) -> Result<(), LiveError> {
        self.muted = false;
        // What stood there was computed again.
        self.behind.clear();
        let position = &mut self.session.position;
        if self.given < position.delivered {
            let (out, found) = (position.delivered, self.given);
            return Err(LiveError::Outbox { folder: self.session.held.disk.name(), out, found });
        }
        if !self.session.same {
            self.may_change(entries)?;
            let position = &mut self.session.position;
            (position.since, position.began, position.base) = (entries, first, self.alerts.end());
            self.session.same = true;
            position.save(&*self.session.held.disk)?;
            self.file.iter().for_each(AlertFile::named);
        }
        Ok(())
    }

    /// Of a snapshot of what was computed of so many entries.
    pub(super) fn head(&self, entries: u64) -> Head {
        Head {
            generation: self.generation().to_owned(),
            program: self.program().to_owned(),
            entries,
            base: self.base(),
            given: self.given,
        }
    }

    /// How many alerts there are, of all definitions.
    pub(super) fn alerts(&self) -> u64 {
        self.alerts.end()
    }

    /// From that entry on other definitions are in force. What was computed before is out, and what comes now is theirs.
    /// Of rules that are `ended` nothing is open.
    pub(super) fn turn_to(
        &mut self,
        (generation, program): (&str, &str),
        since: u64,
        ended: Vec<String>,
    ) -> Result<(), LiveError> {
        let first = Log::first(&*self.session.held.disk, Kind::Given)?;
        let mut turns = self.session.position.turns.clone();
        turns.retain(|(entry, _)| *entry >= first);
        turns.push((since.saturating_sub(1), ended));
        let position = Position {
            turns,
            generation: generation.to_owned(),
            program: program.to_owned(),
            since,
            began: NOWHERE,
            base: self.alerts.end(),
            delivered: 0,
            complete: 0,
            ..self.session.position.clone()
        };
        position.save(&*self.session.held.disk)?;
        self.session.position = position;
        (self.given, self.saved, self.changed) = (0, 0, false);
        Ok(())
    }

    /// Alerts are durable, as far as they were computed: a snapshot may count on them.
    pub(super) fn sync(&mut self) -> Result<(), LiveError> {
        Ok(self.alerts.sync()?)
    }

    /// Alerts before that number are with all sinks.
    pub(super) fn forget(&mut self, before: u64) -> Result<(), LiveError> {
        self.alerts.forget(before)?;
        Ok(())
    }

    /// All alerts of so many entries are out.
    pub(super) fn complete(&mut self, entries: u64) -> Result<(), LiveError> {
        self.sync()?;
        (self.session.position.complete, self.changed) = (entries, true);
        Ok(self.save().map_err(RunError::from)?)
    }

    /// Before alerts are written: the position names the file that they go to.
    fn turn(&mut self) -> Result<(), OutletError> {
        let Some(file) = &self.file else { return Ok(()) };
        file.turn().map_err(failed)?;
        let Some(place) = file.unnamed() else { return Ok(()) };
        let position = &mut self.session.position;
        place.put(position);
        // What is not written does not count yet.
        let position = Position { delivered: self.saved, ..position.clone() };
        position.save(&*self.session.held.disk).map_err(|error| failed(told(error)))?;
        file.named();
        Ok(())
    }

    fn save(&mut self) -> Result<(), OutletError> {
        if !self.changed {
            return Ok(());
        }
        if let Some(file) = &self.file {
            file.sync().map_err(failed)?.put(&mut self.session.position);
        }
        self.session.position.save(&*self.session.held.disk).map_err(|error| failed(told(error)))?;
        (self.saved, self.changed) = (self.session.position.delivered, false);
        Ok(())
    }

    /// Lets sinks see what was computed.
    fn publish(&mut self) -> Result<(), OutletError> {
        let written = if self.settled { self.alerts.sync() } else { self.alerts.flush() };
        written.map_err(|error| OutletError { name: ALERTS.to_owned(), error: told(error) })?;
        self.readable.store(self.alerts.end(), Ordering::Release);
        Ok(())
    }
}

/// How its line in an output is known.
fn said(alert: &AlertRecord) -> String {
    format!("\"message_id\":\"{}\"", alert.message_id())
}

fn failed(error: io::Error) -> OutletError {
    OutletError { name: ALERTS.to_owned(), error }
}

/// As an error of an outlet.
fn told(error: StateError) -> io::Error {
    match error {
        StateError::Io { error, .. } => error,
        other => io::Error::other(other),
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
        let number = self.given;
        self.given += 1;
        // Computed again, it may be there already.
        if self.session.position.base + number >= self.alerts.end() {
            self.alerts.append(alert.json().to_string().as_bytes());
        }
        if number < self.session.position.delivered {
            return Ok(());
        }
        // A crash came between writing it and counting it.
        if self.behind.is_empty() || !self.behind.contains(&said(alert)) {
            self.inner.alert(alert)?;
        }
        self.session.position.delivered = self.given;
        self.changed = true;
        Ok(())
    }

    fn uncomputed(&mut self, rows: &[Uncomputed]) {
        self.inner.uncomputed(rows);
    }
}

impl RunOutlet for Outbox<'_> {
    fn put_out_by(&mut self, rules: &[Arc<RulePlan>]) -> Result<(), OutletError> {
        self.inner.put_out_by(rules)
    }

    fn flush(&mut self) -> Result<(), OutletError> {
        self.publish()?;
        self.turn()?;
        self.inner.flush()?;
        self.save()
    }

    fn finish(&mut self) -> Result<(), OutletError> {
        self.publish()?;
        self.turn()?;
        self.inner.finish()?;
        self.save()
    }
}
