//! Which pseudonym keys a folder's rows were made with: a check value for each key's id, by which another key under the
//! same id is known. It says nothing else of a key.

use std::collections::BTreeMap;

use super::{StateError, small};
use crate::port::disk::Disk;

pub const FILE: &str = "pseudonym-keys.json";

/// Check values of keys by their ids.
pub type Checks = BTreeMap<String, String>;

/// One that was noted has to be the same: pseudonyms of another key would stand beside those of this one, and nobody could tell
/// them apart.
pub fn check(disk: &dyn Disk, keys: &Checks) -> Result<(), StateError> {
    known(disk, keys).map(drop)
}

/// Notes keys, before the first row that was made with them is there.
pub fn note(disk: &dyn Disk, keys: &Checks) -> Result<(), StateError> {
    let mut known = known(disk, keys)?;
    let count = known.len();
    known.extend(keys.iter().map(|(id, check)| (id.clone(), check.clone())));
    if known.len() > count { small::save_privately(disk, FILE, &known) } else { Ok(()) }
}

fn known(disk: &dyn Disk, keys: &Checks) -> Result<Checks, StateError> {
    let known: Checks = small::load(disk, FILE)?.unwrap_or_default();
    let other = |(id, check): (&String, &String)| known.get(id).is_some_and(|known| known != check).then(|| id.clone());
    match keys.iter().find_map(other) {
        Some(id) => Err(StateError::OtherKey { folder: disk.name(), id }),
        None => Ok(known),
    }
}
