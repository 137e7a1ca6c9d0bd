//! Which pseudonym keys a folder's rows were made with: a check value for each key's id, by which another key under the
//! same id is known. It says nothing else of a key.

use std::collections::BTreeMap;

use super::{StateError, small};
use crate::port::disk::Disk;

pub const FILE: &str = "pseudonym-keys.json";

/// Notes the check values of keys by their ids. One that was noted has to be the same: pseudonyms of another key would stand
/// beside those of this one, and nobody could tell them apart.
pub fn note(disk: &dyn Disk, keys: &BTreeMap<String, String>) -> Result<(), StateError> {
    let mut known: BTreeMap<String, String> = small::load(disk, FILE)?.unwrap_or_default();
    let other = |(id, check): (&String, &String)| known.get(id).is_some_and(|known| known != check).then(|| id.clone());
    if let Some(id) = keys.iter().find_map(other) {
        return Err(StateError::OtherKey { folder: disk.name(), id });
    }
    let count = known.len();
    known.extend(keys.iter().map(|(id, check)| (id.clone(), check.clone())));
    if known.len() > count { small::save(disk, FILE, &known) } else { Ok(()) }
}
