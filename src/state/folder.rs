//! Who holds the folder, and which version wrote it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{StateError, confirmed, outbox};
use crate::port::disk::Disk;

/// Of everything in the folder. Another one is not read.
pub const VERSION: u32 = 1;
const FILE: &str = "version.json";

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
    let failed = |what, error| StateError::Io { file: folder.clone(), what, error };
    let files = disk.list().map_err(|error| failed("be listed", error))?;
    let ours = |file: &String| {
        let file = file.strip_suffix(".new").unwrap_or(file);
        [FILE, confirmed::FILE, outbox::FILE, "lock"].contains(&file) || file.ends_with(".log")
    };
    if let Some(file) = files.iter().find(|file| !ours(file)) {
        return Err(StateError::Strange { folder, file: file.clone() });
    }
    let lock = disk.lock().map_err(|error| failed("be locked", error))?;
    let Some(lock) = lock else { return Err(StateError::Locked { folder }) };
    if files.iter().any(|file| file == FILE) {
        let bytes = disk.read(FILE).map_err(|error| failed("be read", error))?;
        let written: Option<Written> = serde_json::from_slice(&bytes).ok();
        match written.map(|written| written.version) {
            Some(VERSION) => {}
            Some(found) => {
                let help = if found > VERSION {
                    "use the newer program, or a new folder"
                } else {
                    "use the program that wrote it, or a new folder"
                };
                return Err(StateError::Version { folder, found, known: VERSION, help });
            }
            None => {
                return Err(StateError::Damaged {
                    file: FILE.to_owned(),
                    at: 0,
                    what: "it names no version".to_owned(),
                });
            }
        }
    } else {
        let text = serde_json::to_vec(&Written { version: VERSION }).unwrap_or_default();
        disk.replace(FILE, &text).map_err(|error| failed("be written", error))?;
    }
    Ok(Held { disk, _lock: lock })
}
