//! Who holds the folder, and which version wrote it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::log::Kind;
use super::{StateError, definitions, failed, keys, mute, outbox, snapshot};
use crate::port::disk::Disk;

/// Of everything in the folder. Another one is not read.
pub const VERSION: u32 = 2;
const FILE: &str = "version.json";
/// How a file's name ends that is not whole.
const UNDER_WAY: &str = ".new";

#[derive(Debug, Serialize, Deserialize)]
struct Written {
    version: u32,
}

/// Nobody else uses the folder while this is there.
pub struct Held {
    pub disk: Arc<dyn Disk>,
    _lock: Box<dyn Send + Sync>,
}

/// Takes a folder, which is new or holds the state of a run.
pub fn hold(disk: Arc<dyn Disk>) -> Result<Held, StateError> {
    let folder = disk.name();
    let files = disk.list().map_err(|error| failed(&folder, "be listed", error))?;
    let known = files.iter().any(|file| file == FILE);
    let strange = files.iter().find(|file| !owns(file)).cloned();
    // What another version calls its files is not known.
    if let Some(file) = strange.clone().filter(|_| !known) {
        return Err(StateError::Strange { folder, file });
    }
    let lock = disk.lock().map_err(|error| failed(&folder, "be locked", error))?;
    let Some(lock) = lock else { return Err(StateError::Locked { folder }) };
    if known {
        check(&*disk)?;
    } else {
        let text = serde_json::to_vec(&Written { version: VERSION }).unwrap_or_default();
        disk.replace(FILE, &text).map_err(|error| failed(FILE, "be written", error))?;
    }
    if let Some(file) = strange {
        return Err(StateError::Strange { folder, file });
    }
    // A crash came while they were written. Mutes somebody else may be writing now.
    let left = files.iter().filter(|file| file.strip_suffix(UNDER_WAY).is_some_and(|file| file != mute::FILE));
    for file in left {
        disk.remove(file).map_err(|error| failed(file, "be removed", error))?;
    }
    Ok(Held { disk, _lock: lock })
}

/// Is it the state of a run, which this program can read? Whoever holds it.
pub fn check(disk: &dyn Disk) -> Result<(), StateError> {
    let folder = disk.name();
    let bytes = match disk.read(FILE) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(StateError::None { folder }),
        Err(error) => return Err(failed(FILE, "be read", error)),
    };
    let written: Option<Written> = serde_json::from_slice(&bytes).ok();
    match written.map(|written| written.version) {
        Some(VERSION) => Ok(()),
        Some(found) => {
            let help = if found > VERSION {
                "use the newer program, or a new folder"
            } else {
                "use the program that wrote it, or a new folder"
            };
            Err(StateError::Version { folder, found, known: VERSION, help })
        }
        None => {
            let what = "it names no version".to_owned();
            Err(StateError::Damaged { file: FILE.to_owned(), at: 0, what })
        }
    }
}

fn owns(file: &str) -> bool {
    let file = file.strip_suffix(UNDER_WAY).unwrap_or(file);
    let alone = [FILE, outbox::FILE, mute::FILE, keys::FILE, "lock"].contains(&file);
    alone
        || snapshot::owns(file)
        || outbox::owns(file)
        || definitions::owns(file)
        || Kind::ALL.into_iter().any(|kind| kind.owns(file))
}
