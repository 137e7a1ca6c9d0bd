//! The log read again: what it gave is there, and who is to be alerted knows it already.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::state::entry::Entry;
use crate::state::log::{Log, Opened, confirmed_entries};

use super::core::Core;
use super::outbox::Outbox;
use super::seen::Seen;
use super::vitals::Vitals;
use super::{LiveError, RunError, RunOutlet};

pub struct Recovered {
    pub log: Log,
    pub opened: Opened,
    /// By lane: messages that the log has.
    pub seen: Vec<Seen>,
}

pub fn recover(
    outbox: &mut Outbox<'_>,
    segment_bytes: u64,
    core: &mut Core,
    stop: &AtomicBool,
    vitals: &Vitals,
) -> Result<Recovered, LiveError> {
    let lanes = outbox.lanes();
    let mut seen: Vec<Seen> = (0..lanes).map(|_| Seen::default()).collect();
    let mut number = 0;
    let disk = outbox.disk();
    vitals.recovers(confirmed_entries(&*disk));
    let (log, opened) = Log::open(&disk, segment_bytes, &mut |bytes| -> Result<(), LiveError> {
        if stop.load(Ordering::Relaxed) {
            return Err(LiveError::Stopped);
        }
        let entry = Entry::read(bytes)?;
        if let Entry::Given(given) = &entry
            && let Some(seen) = seen.get_mut(given.lane)
        {
            given.messages.iter().for_each(|message| {
                seen.insert(*message);
            });
        }
        outbox.reread(number);
        core.apply(entry, outbox)?;
        number += 1;
        vitals.recovered(number);
        Ok(())
    })?;
    outbox.go_on(number)?;
    outbox.flush().map_err(RunError::from)?;
    Ok(Recovered { log, opened, seen })
}
