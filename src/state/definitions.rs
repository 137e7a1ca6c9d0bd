//! The files of definitions as they were read. A start after a crash goes on under the ones that were in force, whatever the project
//! has become meanwhile.
//!
//! Each generation has a file of its own: it is there before anything is of that generation, and goes when nothing is any more.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use super::{StateError, failed};
use crate::port::disk::Disk;

const SUFFIX: &str = ".definitions";
/// Fast: it is written at each change and hardly ever read.
const COMPRESSION: i32 = 1;
/// Definitions that say they are longer are none of ours.
const BYTES_MAX: u64 = 8 << 30;

/// Files by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Files as they are kept.
#[derive(Clone)]
pub struct Packed(Vec<u8>);

/// Is it a file of definitions?
pub(super) fn owns(file: &str) -> bool {
    file.ends_with(SUFFIX)
}

fn name(generation: &str) -> String {
    format!("{generation}{SUFFIX}")
}

impl Packed {
    pub fn new(files: &Files) -> io::Result<Self> {
        let bytes = postcard::to_allocvec(files).map_err(io::Error::other)?;
        let mut out = zstd::stream::write::Encoder::new(Vec::new(), COMPRESSION)?;
        out.include_checksum(true)?;
        out.write_all(&bytes)?;
        Ok(Self(out.finish()?))
    }

    fn files(&self) -> io::Result<Files> {
        let mut bytes = Vec::new();
        zstd::stream::read::Decoder::new(&self.0[..])?.take(BYTES_MAX).read_to_end(&mut bytes)?;
        postcard::from_bytes(&bytes).map_err(io::Error::other)
    }
}

/// Is there a copy of these?
pub fn is_there(disk: &dyn Disk, generation: &str) -> Result<bool, StateError> {
    Ok(all(disk)?.contains(&name(generation)))
}

/// They survive a crash from now on.
pub fn save(disk: &dyn Disk, generation: &str, packed: &Packed) -> Result<(), StateError> {
    let file = name(generation);
    disk.replace(&file, &packed.0).map_err(|error| failed(&file, "be written", error))
}

/// `None` where there are none.
pub fn load(disk: &dyn Disk, generation: &str) -> Result<Option<Files>, StateError> {
    let file = name(generation);
    let bytes = match disk.read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&file, "be read", error)),
    };
    let damaged = |error: io::Error| StateError::Damaged { file, at: 0, what: error.to_string() };
    Packed(bytes).files().map(Some).map_err(damaged)
}

/// Those of other generations go.
pub fn keep(disk: &dyn Disk, generation: &str) -> Result<(), StateError> {
    let kept = name(generation);
    let others = all(disk)?.into_iter().filter(|file| *file != kept);
    others.into_iter().try_for_each(|file| disk.remove(&file).map_err(|error| failed(&file, "be removed", error)))
}

fn all(disk: &dyn Disk) -> Result<Vec<String>, StateError> {
    let files = disk.list().map_err(|error| failed(&disk.name(), "be listed", error))?;
    Ok(files.into_iter().filter(|file| owns(file)).collect())
}
