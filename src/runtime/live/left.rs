//! A folder that a run has not left cleanly: what its definitions computed may not be out, so a start goes on under them, of which the
//! folder has a copy, whatever the project has become; what it is by now, if it is right, comes in force while the run goes on.

use std::sync::Arc;

use crate::port::disk::Disk;
use crate::state::definitions::{self, Files};
use crate::state::folder;
use crate::state::log::{Follower, Kind, Log, confirmed_entries};
use crate::state::outbox::Position;

use super::outbox::is_this_build;

/// The definitions that were in force.
pub struct Left {
    pub generation: String,
    pub files: Files,
}

impl Left {
    /// `None` where a start under others loses nothing; and where nobody can go on under the ones before, which
    /// [`super::Session::open`] or the start says.
    pub fn find(disk: &Arc<dyn Disk>) -> Option<Self> {
        folder::check(&**disk).ok()?;
        let position = Position::load(&**disk).ok()??;
        // What nobody has confirmed may be there all the same, and is read then.
        let behind = position.complete.max(Log::first(&**disk, Kind::Given).ok()?);
        let mut follower = Follower::new(Arc::clone(disk), Kind::Given, behind);
        let is_there = follower.read(behind + 1, 1).is_ok_and(|entries| !entries.is_empty());
        let pending = is_there || position.complete < confirmed_entries(&**disk, Kind::Given);
        if !pending || !is_this_build(&position.program) {
            return None;
        }
        let files = definitions::load(&**disk, &position.generation).ok()??;
        Some(Self { generation: position.generation, files })
    }
}
