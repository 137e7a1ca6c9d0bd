//! What a run keeps on disk: the log of all that it was given, from which everything else can be computed again, and how
//! far its outputs are.
//!
//! | file | does |
//! |---|---|
//! | `frame.rs` | a record with its length, number and checksum |
//! | `segment.rs` | the frames of one file: what is whole, what is torn, what is damaged |
//! | `confirmed.rs` | up to where the log was synced |
//! | `log.rs` | segments one after the other: appended to, made durable, read again |
//! | `entry.rs` | what a run was given, as bytes |
//! | `folder.rs` | who holds the folder, and which version wrote it |
//! | `snapshot.rs` | the state of a run when its log had so many entries |
//! | `definitions.rs` | the files of the definitions in force |
//! | `tail.rs` | the end of a file that is appended to |
//! | `outbox.rs` | how far outputs are |
//! | `keys.rs` | with which pseudonym keys its rows were made |
//! | `mute.rs` | alerts that sinks are not told of for a while |
//! | `small.rs` | small files with a checksum |
//!
//! # What is promised
//!
//! What [`log::Log::sync`] has returned for is read again, whatever happens to the program, or opening says that the log is
//! damaged. What was appended and not synced is read again or cut off, and the cut is told. After a power cut the machine may
//! have forgotten that the last few syncs were confirmed: a log that is damaged there too is taken for one that is torn.

mod confirmed;
pub mod definitions;
pub mod entry;
pub mod folder;
mod frame;
pub mod keys;
pub mod log;
pub mod mute;
pub mod outbox;
mod segment;
mod small;
pub mod snapshot;
pub mod tail;

use std::io;

use crate::port::disk::is_full;

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("{file}: cannot {what}")]
    Io {
        file: String,
        what: &'static str,
        #[source]
        error: io::Error,
    },
    #[error(
        "{file} is damaged at byte {at}: {what}\nhelp: {}", help(.file)
    )]
    Damaged { file: String, at: u64, what: String },
    #[error("{folder} is used by another run\nhelp: stop that one, or give this one a folder of its own")]
    Locked { folder: String },
    #[error("{folder} was written by version {found} of the state, this program has {known}\nhelp: {help}")]
    Version { folder: String, found: u32, known: u32, help: &'static str },
    #[error(
        "{folder} has pseudonyms of another key with the id `{id}`\nhelp: give the new key an id of its own in `pseudonym_keys` of \
         tripline.yaml, so that its pseudonyms can be told apart; or start with a new folder"
    )]
    OtherKey { folder: String, id: String },
    #[error("{folder} is no state of a run\nhelp: name the folder that `run --state` was told")]
    None { folder: String },
    #[error("{folder} holds files that are no state: {file}\nhelp: name a new or an empty folder")]
    Strange { folder: String, file: String },
}

impl StateError {
    /// Is there no room, so that the same may succeed later?
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { error, .. } if is_full(error))
    }
}

/// What to do about a damaged file.
fn help(file: &str) -> &'static str {
    match file {
        mute::FILE => "remove it: nothing is muted then",
        keys::FILE => "remove it: the keys that are there now are taken for those of the rows that are",
        file if outbox::owns(file) => "remove it: the sink is told of what comes from then on",
        file if file.starts_with("alerts") => {
            "move the files alerts-*, sink-* and *.snapshot to another folder: where the log reaches back to its beginning, alerts \
             are computed again from it, and sinks are told of what comes from then on; otherwise restore the folder from a copy"
        }
        _ => {
            "what was acknowledged is in it; restore the folder from a copy, or move it away and let the subscription deliver \
             again what it retains (seek)"
        }
    }
}

fn failed(file: &str, what: &'static str, error: io::Error) -> StateError {
    StateError::Io { file: file.to_owned(), what, error }
}
