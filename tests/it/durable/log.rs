//! The log: what was confirmed is read again, or opening says that it is damaged. Never is less read and nothing said.

use std::sync::Arc;

use libtest_mimic::Failed;
use tripline::port::disk::Disk;
use tripline::state::StateError;
use tripline::state::log::{Kind, Log, Opened, confirmed_entries};

use super::disk::{MemoryDisk, Mounted};
use crate::random::Random;

/// So that a few entries fill a file.
const SEGMENT_BYTES: u64 = 200;

type Read = Result<(Vec<Vec<u8>>, Opened), StateError>;

fn open(disk: &Arc<MemoryDisk>) -> Result<(Log, Vec<Vec<u8>>, Opened), StateError> {
    let mounted: Arc<dyn Disk> = Arc::new(Mounted(Arc::clone(disk)));
    let mut entries = Vec::new();
    let (log, opened) =
        Log::open(&mounted, Kind::Given, SEGMENT_BYTES, 0, &mut |_, entry| -> Result<(), StateError> {
            entries.push(entry.to_vec());
            Ok(())
        })?;
    Ok((log, entries, opened))
}

fn read(disk: &Arc<MemoryDisk>) -> Read {
    open(disk).map(|(_, entries, opened)| (entries, opened))
}

fn entry(random: &mut Random, number: usize) -> Vec<u8> {
    let mut entry = vec![u8::try_from(number % 251).unwrap_or(0)];
    entry.extend((0..random.below(40)).map(|_| u8::try_from(random.below(256)).unwrap_or(0)));
    entry
}

/// A log of some groups, and its entries.
fn written(random: &mut Random) -> Result<(Arc<MemoryDisk>, Vec<Vec<u8>>), Failed> {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk)?;
    let mut entries = Vec::new();
    for _ in 0..12 {
        for _ in 0..=random.below(3) {
            let entry = entry(random, entries.len());
            log.append(&entry);
            entries.push(entry);
        }
        log.sync()?;
    }
    Ok((disk, entries))
}

fn logs(disk: &Arc<MemoryDisk>) -> Result<Vec<String>, Failed> {
    Ok(Mounted(Arc::clone(disk)).list()?.into_iter().filter(|file| file.ends_with(".log")).collect())
}

/// There is no room at one step of a sync, and then there is: what is synced again is confirmed.
pub fn full() -> Result<(), Failed> {
    let (mut found, mut files) = (0, 0);
    for step in 0..200 {
        let disk = MemoryDisk::new();
        let (mut log, ..) = open(&disk)?;
        let begin = disk.steps();
        disk.full_at(begin + step..begin + step + 1);
        for number in 0..24_u8 {
            log.append(&[number; 20]);
            if let Err(error) = log.sync() {
                if !error.is_full() {
                    return Err(format!("step {step}: {error}").into());
                }
                found += 1;
                log.sync()?;
            }
            let confirmed = confirmed_entries(&Mounted(Arc::clone(&disk)), Kind::Given);
            if confirmed != log.end() {
                return Err(format!("step {step}: {confirmed} of {} entries are confirmed", log.end()).into());
            }
        }
        files = logs(&disk)?.len();
        let entries = read(&disk)?.0;
        if entries.len() != 24 {
            return Err(format!("step {step}: {} entries are there", entries.len()).into());
        }
    }
    if found < 40 || files < 3 { Err(format!("{found} found no room, {files} files").into()) } else { Ok(()) }
}

/// Every bit of every file, flipped; every file cut everywhere, and gone.
pub fn every_bit_and_every_cut() -> Result<(), Failed> {
    let mut random = Random::new(5);
    let (disk, entries) = written(&mut random)?;
    let files = logs(&disk)?;
    if files.len() < 3 || read(&disk)?.0 != entries {
        return Err(format!("{} files, read again {:?}", files.len(), read(&disk)?.1).into());
    }
    let (mut refused, mut whole) = (0, 0);
    let mut judge = |what: String, disk: &Arc<MemoryDisk>| match read(disk) {
        Err(StateError::Damaged { .. }) => {
            refused += 1;
            Ok(())
        }
        Ok((found, _)) if found == entries => {
            whole += 1;
            Ok(())
        }
        Ok((found, opened)) => Err(format!("{what}: {} of {} entries, {opened:?}", found.len(), entries.len())),
        Err(error) => Err(format!("{what}: {error}")),
    };
    for file in files.iter().chain([&"given.confirmed".to_owned()]) {
        let content = disk.content(file);
        for bit in 0..content.len() * 8 {
            let mut flipped = content.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let copy = disk.copy();
            copy.set(file, flipped);
            judge(format!("bit {bit} of {file}"), &copy)?;
        }
        for length in 0..content.len() {
            let copy = disk.copy();
            copy.set(file, content[..length].to_vec());
            judge(format!("{file} cut to {length}"), &copy)?;
        }
    }
    // What is beside the frames is no part of any: a flip of one slot of two is of no harm.
    if refused < 5_000 || whole < 50 { Err(format!("{refused} refused, {whole} whole").into()) } else { Ok(()) }
}

/// Power cuts at every step of random writing: confirmed entries are there, and behind them a beginning of the others.
pub fn power_cuts() -> Result<(), Failed> {
    let mut random = Random::new(11);
    let mut cut = 0;
    for round in 0..600 {
        let disk = MemoryDisk::new();
        let (mut confirmed, mut appended) = (0, Vec::new());
        for _ in 0..4 {
            disk.die_at(disk.steps() + random.next() % 20);
            let Ok((mut log, found, opened)) = open(&disk) else {
                disk.restart(&mut random);
                continue;
            };
            cut += opened.cut_bytes;
            if found.len() < confirmed || !appended.starts_with(&found) {
                return Err(format!("round {round}: {} of {confirmed} confirmed entries", found.len()).into());
            }
            appended = found;
            loop {
                for _ in 0..=random.below(3) {
                    let entry = entry(&mut random, appended.len());
                    log.append(&entry);
                    appended.push(entry);
                }
                if log.sync().is_err() {
                    break;
                }
                confirmed = appended.len();
            }
            disk.restart(&mut random);
        }
        let (_, found, _) = open(&disk)?;
        if found.len() < confirmed || !appended.starts_with(&found) {
            return Err(format!("round {round}: {} of {confirmed} confirmed entries", found.len()).into());
        }
    }
    if cut == 0 { Err("nothing was ever cut off".into()) } else { Ok(()) }
}
