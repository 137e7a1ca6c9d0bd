//! A start: the newest snapshot that is whole and of these definitions, and the log behind it. What they gave is there then, and
//! who is to be alerted knows it already.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::pipeline::saved::{Loader, Saved, SavedError};
use crate::state::definitions::{self, Packed};
use crate::state::entry::Entry;
use crate::state::log::{Kind, Log, Opened, confirmed_entries};
use crate::state::{StateError, snapshot};

use super::core::Core;
use super::outbox::{NOWHERE, Outbox};
use super::seen::Messages;
use super::snapshots::{Head, Marks};
use super::vitals::Vitals;
use super::{LiveError, RunError, RunOutlet};

pub struct Recovered {
    pub core: Core,
    pub log: Log,
    pub opened: Opened,
    /// By lane: messages that the log has.
    pub messages: Vec<Messages>,
    pub marks: Marks,
    /// The entries of the newest snapshot.
    pub snapshot: Option<u64>,
    /// Rows that were read again behind it.
    pub rows: u64,
    /// Other definitions than before: all of the log was read again.
    pub changed: bool,
    /// Snapshots that could not be used, and why.
    pub unread: Vec<(u64, String)>,
}

/// `core`: one that was given nothing.
pub fn recover(
    outbox: &mut Outbox<'_>,
    segment_bytes: u64,
    files: Option<&Packed>,
    core: &dyn Fn() -> Result<Core, RunError>,
    stop: &AtomicBool,
    vitals: &Vitals,
) -> Result<Recovered, LiveError> {
    let disk = outbox.disk();
    let confirmed = confirmed_entries(&*disk, Kind::Given);
    vitals.recovers(confirmed);
    // Before all of it is read for nothing.
    outbox.may_change(confirmed)?;
    if let Some(files) = files
        && !definitions::is_there(&*disk, outbox.generation())?
    {
        // Before anything is of them.
        definitions::save(&*disk, outbox.generation(), files)?;
    }
    let first = Log::first(&*disk, Kind::Given)?;
    let mut unread = Vec::new();
    let found = find(outbox, core, &mut unread)?;
    if found.is_none() && !outbox.is_changed() && outbox.began() != first {
        let began = match outbox.began() {
            NOWHERE => ": what a reload took over is not in it".to_owned(),
            began => format!(", not with {began}"),
        };
        // Other alerts than before would come of what is left of the log.
        let what = format!(
            "no snapshot can be read, and its log begins with entry {first}{began}{}",
            unread
                .iter()
                .map(|(entries, why)| format!("; the snapshot of {entries} entries: {why}"))
                .collect::<String>()
        );
        return Err(StateError::Damaged { file: disk.name(), at: 0, what }.into());
    }
    let start = found.as_ref().map(|found| found.entries);
    vitals.recovered(start.unwrap_or(0));
    let State { mut core, mut messages, mut marks, .. } = match found {
        Some(found) => found,
        None => State::new(core()?, outbox.lanes()),
    };
    // A crash may have come before it.
    core.graph.put_out_owed(outbox).map_err(RunError::from)?;
    let mut rows = 0;
    let mut again = |number: u64, bytes: &[u8]| -> Result<(), LiveError> {
        if stop.load(Ordering::Relaxed) {
            return Err(LiveError::Stopped);
        }
        let entry = Entry::read(bytes, core.lanes())?;
        if let Entry::Given(given) = &entry {
            rows += given.flows.times.len() as u64;
            messages.get_mut(given.lane).into_iter().for_each(|messages| messages.extend(&given.messages));
        }
        if outbox.begins_with(number) && !outbox.is_changed() {
            core.graph.told_of_nothing();
        }
        outbox.reread(number);
        core.apply(entry, outbox)?;
        if let Some(ended) = outbox.ended_with(number) {
            core.graph.end_incidents(ended);
        }
        vitals.recovered(number + 1);
        Ok(())
    };
    let (log, opened) = Log::open(&disk, Kind::Given, segment_bytes, start.unwrap_or(first), &mut again)?;
    marks.see(&log, core.merge.watermark());
    let all = snapshot::all(&*disk)?;
    // Those that are of no use must not be counted on.
    let changed = outbox.is_changed();
    if outbox.begins_with(log.end()) {
        core.graph.told_of_nothing();
    }
    let useless = match changed {
        true => all,
        false => all.into_iter().filter(|entries| unread.iter().any(|(own, _)| own == entries)).collect(),
    };
    outbox.go_on(first, log.end())?;
    useless.into_iter().try_for_each(|entries| snapshot::remove(&*disk, entries))?;
    definitions::keep(&*disk, outbox.generation())?;
    outbox.flush().map_err(RunError::from)?;
    Ok(Recovered { core, log, opened, messages, marks, snapshot: start, rows, changed, unread })
}

struct State {
    entries: u64,
    core: Core,
    messages: Vec<Messages>,
    marks: Marks,
}

impl State {
    fn new(core: Core, lanes: usize) -> Self {
        Self { entries: 0, core, messages: vec![Messages::default(); lanes], marks: Marks::default() }
    }
}

/// The state of the newest snapshot that can be read.
fn find(
    outbox: &mut Outbox<'_>,
    core: &dyn Fn() -> Result<Core, RunError>,
    unread: &mut Vec<(u64, String)>,
) -> Result<Option<State>, LiveError> {
    if outbox.is_changed() {
        return Ok(None);
    }
    let disk = outbox.disk();
    for entries in snapshot::all(&*disk)? {
        let mut state = State::new(core()?, outbox.lanes());
        let read = snapshot::read(&disk, entries, &mut |from| -> Result<Head, SnapshotError> {
            let mut from = Loader::new(from);
            let head: Head = from.take()?;
            let same = head.generation == outbox.generation() && head.program == outbox.program();
            if !same || head.base != outbox.base() {
                return Err(SnapshotError::Other);
            }
            state.messages = from.take()?;
            state.marks = from.take()?;
            state.core.load(&mut from)?;
            state.entries = entries;
            Ok(head)
        });
        match read {
            Ok(head) if head.entries != entries => {
                unread.push((entries, format!("it is one of {} entries", head.entries)));
            }
            Ok(head) if outbox.was_given(head.given) => return Ok(Some(state)),
            Ok(head) => unread.push((entries, format!("it counts {} alerts, more than there are", head.given))),
            Err(error) => unread.push((entries, error.to_string())),
        }
    }
    Ok(None)
}

/// Why a snapshot cannot be used. Another may be.
#[derive(Debug, thiserror::Error)]
enum SnapshotError {
    #[error("{}", chain(.0))]
    State(#[from] StateError),
    #[error(transparent)]
    Saved(#[from] SavedError),
    #[error("it is of other definitions, or another program")]
    Other,
}

fn chain(error: &StateError) -> String {
    match error {
        StateError::Io { file, what, error } => format!("{file} cannot {what}: {error}"),
        other => other.to_string(),
    }
}
