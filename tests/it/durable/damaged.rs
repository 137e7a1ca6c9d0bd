//! Entries of a log and snapshots whose checksums are right and whose content is not: a start reads them, or says that it cannot.
//!
//! Only what this program writes itself is damaged. Rows are written and read by Arrow, whose reader believes what it reads.

use std::cell::Cell;
use std::sync::Arc;

use libtest_mimic::Failed;
use tripline::pipeline::saved::{Loader, Saved, Saver};
use tripline::port::disk::Disk;
use tripline::state::StateError;
use tripline::state::entry::{Entry, Rejected};
use tripline::state::log::{Kind, Log};

use super::disk::{MemoryDisk, Mounted};
use super::queue::Message;
use super::reload::{Judge, entries_of};
use super::{Machine, PROJECT, machine, messages};
use crate::fuzz::damage::{Random, damage};
use crate::fuzz::iterate;
use crate::plan_of;

const ITERATIONS: u64 = 300;

fn halves() -> (Vec<Message>, Vec<Message>) {
    let all = messages(&mut crate::random::Random::new(13), 120);
    let (first, second) = all.split_at(all.len() / 2);
    (first.to_vec(), second.to_vec())
}

/// A start on this disk with more messages ends in some way.
fn goes_on(plan: &tripline::plan::Plan, disk: Arc<MemoryDisk>, second: &[Message]) -> bool {
    let next = Machine { snapshot_rows: 20, disk, ..machine(second, 14) };
    next.start(plan, "one").is_ok()
}

/// An entry with another head: its length, and behind that the rows.
fn damaged(random: &mut Random, compressed: &[u8]) -> Result<Vec<u8>, String> {
    let bytes = zstd::stream::decode_all(compressed).map_err(|error| error.to_string())?;
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or("no length")?;
    let (head, rows) = rest.split_at(u32::from_le_bytes(*length) as usize);
    let mut head = head.to_vec();
    damage(random, &mut head);
    let mut length = u32::try_from(head.len()).unwrap_or(0);
    if random.below(20) == 0 {
        length = length.wrapping_add(u32::try_from(random.below(9)).unwrap_or(0)).wrapping_sub(4);
    }
    let bytes = [&length.to_le_bytes(), head.as_slice(), rows].concat();
    zstd::bulk::compress(&bytes, 1).map_err(|error| error.to_string())
}

/// The values of a snapshot, each behind its length; those that Arrow wrote begin with its mark.
fn values(mut content: &[u8]) -> Result<Vec<&[u8]>, Failed> {
    let mut values = Vec::new();
    while let Some((length, rest)) = content.split_first_chunk::<8>() {
        let length = usize::try_from(u64::from_le_bytes(*length))?;
        let (value, rest) = rest.split_at_checked(length).ok_or("a value is cut")?;
        values.push(value);
        content = rest;
    }
    Ok(values)
}

pub fn entries() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let (first, second) = halves();
    let machine = Machine { snapshot_rows: u64::MAX, ..super::machine(&first, 13) };
    machine.start(&plan, "one")?;
    // Without the snapshot of the stop the log is read.
    let mut entries: Vec<Vec<u8>> = Vec::new();
    let disk: Arc<dyn Disk> = Arc::new(Mounted(machine.disk.copy()));
    Log::open::<StateError>(&disk, Kind::Given, 4_000, 0, &mut |_, entry| {
        entries.push(entry.to_vec());
        Ok(())
    })?;
    if entries.len() < 8 {
        return Err(format!("{} entries", entries.len()).into());
    }
    let (read, went_on) = (Cell::new(0_u64), Cell::new(0_u64));
    iterate(ITERATIONS, &|index| {
        let mut random = Random::new(index);
        let mut entries = entries.clone();
        for _ in 0..=random.below(2) {
            let place = random.below(entries.len());
            let other = damaged(&mut random, &entries[place])?;
            let _ = Rejected::read(&other);
            if let Ok(entry) = Entry::read(&other, usize::MAX) {
                read.set(read.get() + 1);
                // What was read is written and read again.
                let again = entry.write().map_err(|error| error.to_string())?;
                let again = Entry::read(&again, usize::MAX).map_err(|error| error.to_string())?;
                if format!("{entry:?}") != format!("{again:?}") {
                    return Err(format!("{entry:?} was written, and {again:?} read"));
                }
            }
            entries[place] = other;
        }
        let files = machine.disk.copy();
        let gone = |name: &String| name.ends_with(".snapshot") || name.starts_with("given");
        files.names("").iter().filter(|name| gone(name)).for_each(|name| files.forget(name));
        let disk: Arc<dyn Disk> = Arc::new(Mounted(Arc::clone(&files)));
        let opened = Log::open::<StateError>(&disk, Kind::Given, 4_000, 0, &mut |_, _| Ok(()));
        let (mut log, _) = opened.map_err(|error| error.to_string())?;
        entries.iter().for_each(|entry| log.append(entry));
        log.sync().map_err(|error| error.to_string())?;
        drop((log, disk));
        went_on.set(went_on.get() + u64::from(goes_on(&plan, files, &second)));
        Ok(())
    })?;
    // Damage reaches what is behind the reading.
    if read.get() < 10 || went_on.get() < 5 {
        return Err(format!("{} entries were read, {} starts went on", read.get(), went_on.get()).into());
    }
    Ok(())
}

/// Only loading: numbers that stand for places elsewhere in a snapshot are believed later.
pub fn snapshots() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let (first, _) = halves();
    let machine = machine(&first, 13);
    machine.start(&plan, "one")?;
    let mut judge = Judge::new(&plan, "one")?;
    judge.take(&entries_of(&machine.disk)?)?;
    let mut content = Vec::new();
    judge.graph.save(&mut Saver::new(&mut content))?;
    let values = values(&content)?;
    let own: Vec<usize> = (0..values.len()).filter(|place| !values[*place].starts_with(&[255; 4])).collect();
    let loaded = Cell::new(0_u64);
    iterate(10 * ITERATIONS, &|index| {
        let mut random = Random::new(index);
        let place = random.pick(&own).copied().unwrap_or_default();
        let mut other = values[place].to_vec();
        damage(&mut random, &mut other);
        let mut content = Vec::new();
        for (number, value) in values.iter().enumerate() {
            let value = if number == place { other.as_slice() } else { value };
            content.extend_from_slice(&(value.len() as u64).to_le_bytes());
            content.extend_from_slice(value);
        }
        let mut next = Judge::new(&plan, "one").map_err(|error| format!("{error:?}"))?;
        let done = next.graph.load(&mut Loader::new(&mut content.as_slice()));
        loaded.set(loaded.get() + u64::from(done.is_ok()));
        Ok(())
    })?;
    if loaded.get() < 5 { Err(format!("{} were loaded", loaded.get()).into()) } else { Ok(()) }
}
