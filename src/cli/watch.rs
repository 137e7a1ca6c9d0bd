//! `run --watch`: whether the files of a project have changed, and are as they are to be.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::state::definitions;

use super::wire::{self, Stamp};

/// How often files are looked at.
pub const LOOK: Duration = Duration::from_secs(2);
/// Files that changed within this are still being written.
const QUIET: Duration = Duration::from_secs(3);

/// Of the files of a project; nothing where they cannot be looked at.
pub type Stamps = Option<Vec<Stamp>>;

/// The files of a project.
#[derive(Debug, Clone)]
pub struct Files {
    pub folder: PathBuf,
    /// Files that are read and lie outside the layout.
    pub beside: BTreeSet<String>,
}

impl Files {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, beside: BTreeSet::new() }
    }

    /// These were read.
    pub fn know(&mut self, read: &definitions::Files) {
        let paths = wire::folder(&self.folder).paths().unwrap_or_default();
        self.beside = read.keys().filter(|path| paths.binary_search(path).is_err()).cloned().collect();
    }

    pub fn stamps(&self) -> Stamps {
        wire::stamps(&self.folder, &self.beside).ok()
    }

    /// Of what they hold.
    fn digest(&self) -> Option<[u8; 32]> {
        let tree = wire::folder(&self.folder);
        let mut hash = Sha256::new();
        let paths = tree.paths().ok()?;
        for path in paths.iter().chain(&self.beside) {
            let content = tree.read_bytes(path).ok();
            for part in [Some(path.as_bytes()), content.as_deref()].into_iter().flatten() {
                hash.update(part.len().to_le_bytes());
                hash.update(part);
            }
        }
        Some(hash.finalize().into())
    }
}

pub struct Watch {
    files: Files,
    /// How they were when somebody looked last, and since when they are so.
    seen: Stamps,
    since: Instant,
    /// How they were when they were read last, and what they held.
    read: Stamps,
    digest: Option<[u8; 32]>,
}

impl Watch {
    /// `read`: how the files were before the definitions in force were read.
    pub fn new(files: Files, read: Stamps) -> Self {
        let digest = files.digest();
        let seen = files.stamps();
        // Of files that changed meanwhile nobody knows what was read of them.
        let digest = digest.filter(|_| seen == read);
        Self { files, seen, since: Instant::now(), read, digest }
    }

    /// Is there something new to read, which nobody is writing to any more?
    pub fn is_changed(&mut self) -> bool {
        let now = self.files.stamps();
        if now != self.seen {
            (self.seen, self.since) = (now, Instant::now());
            return false;
        }
        if self.seen == self.read || self.since.elapsed() < QUIET {
            return false;
        }
        let digest = self.files.digest();
        self.read.clone_from(&self.seen);
        std::mem::replace(&mut self.digest, digest) != digest || digest.is_none()
    }

    /// They were read, and were so before and after.
    pub fn read(&mut self, files: &Files, stamps: Stamps) {
        let same = self.read == stamps && self.files.beside == files.beside;
        self.files.clone_from(files);
        if !same {
            (self.read, self.digest) = (stamps, self.files.digest());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use super::{Files, QUIET, Watch};

    /// As if it was looked at after so long.
    fn later(watch: &mut Watch) -> bool {
        watch.since = Instant::now().checked_sub(QUIET).unwrap_or_else(Instant::now);
        watch.is_changed()
    }

    #[test]
    fn files_are_read_once_they_are_quiet() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, table) = (folder.path().join("tripline.yaml"), folder.path().join("geo.mmdb"));
        fs::write(&config, "name: a\n").expect("written");
        fs::write(&table, "one").expect("written");
        let files = Files { folder: folder.path().to_owned(), beside: ["geo.mmdb".to_owned()].into() };
        let mut watch = Watch::new(files.clone(), files.stamps());
        assert!(!later(&mut watch));
        // It was just written.
        fs::write(&config, "name: ab\n").expect("written");
        assert!(!watch.is_changed() && !watch.is_changed());
        assert!(later(&mut watch));
        // Once.
        assert!(!later(&mut watch));
        // Touched, and the same.
        let touched = fs::File::options().write(true).open(&config).expect("opened");
        touched.set_modified(std::time::SystemTime::now() + Duration::from_secs(5)).expect("touched");
        assert!(!watch.is_changed() && !later(&mut watch));
        // A file beside the layout, of the same length.
        fs::remove_file(&table).expect("removed");
        fs::write(&table, "two").expect("written");
        assert!(!watch.is_changed() && later(&mut watch));
        // What somebody asked for is read already.
        fs::write(&config, "name: abc\n").expect("written");
        watch.read(&files, files.stamps());
        assert!(!watch.is_changed() && !later(&mut watch));
        // Before the watch began, and after the files were read.
        let before = files.stamps();
        fs::write(&config, "name: abcd\n").expect("written");
        let mut watch = Watch::new(files.clone(), before.clone());
        assert!(later(&mut watch));
        // And gone by then: nobody knows what was read, nor what is there.
        let mut watch = Watch::new(files, before);
        fs::remove_dir_all(folder.path()).expect("removed");
        assert!(!watch.is_changed() && later(&mut watch));
    }
}
