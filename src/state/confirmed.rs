//! Up to where a log was synced: a small file that is written after each sync and not synced itself. What it says is true
//! whenever it can be read; after a power cut it may say less than was.

use std::io;

use super::{StateError, failed};
use crate::port::disk::Disk;

/// A number and its checksum.
const SLOT_BYTES: usize = 8 + 4;

pub fn write(disk: &dyn Disk, file: &str, number: u64, turn: u64) -> io::Result<()> {
    let mut slot = Vec::with_capacity(SLOT_BYTES);
    slot.extend_from_slice(&number.to_le_bytes());
    slot.extend_from_slice(&crc32fast::hash(&number.to_le_bytes()).to_le_bytes());
    // One of two in turn: where one is torn, the other says nearly as much.
    disk.write_at(file, (turn % 2) * SLOT_BYTES as u64, &slot)
}

/// The number of frames that were confirmed; 0 where nobody knows.
pub fn read(disk: &dyn Disk, file: &str) -> Result<u64, StateError> {
    let bytes = match disk.read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(failed(file, "be read", error)),
    };
    let number = |slot: &[u8]| {
        let (number, sum) = (slot.get(..8)?, slot.get(8..SLOT_BYTES)?);
        let whole = crc32fast::hash(number).to_le_bytes() == *sum;
        whole.then_some(u64::from_le_bytes(number.try_into().ok()?))
    };
    Ok(bytes.chunks(SLOT_BYTES).filter_map(number).max().unwrap_or(0))
}
