//! A folder whose files come to be whole: written under another name, made durable, renamed.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::port::{Share, Store, StoredFile};

/// Nesting of folders.
const DEPTH_MAX: usize = 8;

#[derive(Debug, Clone)]
pub struct LocalStore {
    root: PathBuf,
}

impl LocalStore {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn place(&self, path: &str) -> io::Result<PathBuf> {
        let inside = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if !inside || path.contains('\\') {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{path}` is not a path inside the folder"),
            ));
        }
        Ok(self.root.join(path))
    }
}

/// An error that names the file.
fn at(path: &Path, what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what} {}: {error}", path.display()))
}

impl Store for LocalStore {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn list(&self, folder: &str) -> io::Result<Vec<StoredFile>> {
        let mut files = Vec::new();
        let path = self.place(folder)?;
        visit(&path, folder, 0, &mut files).map_err(|error| at(&path, "read", error))?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    fn folders(&self, folder: Option<&str>) -> io::Result<Vec<String>> {
        let path = folder.map_or_else(|| Ok(self.root.clone()), |folder| self.place(folder))?;
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(at(&path, "read", error)),
        };
        let mut folders = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| at(&path, "read", error))?;
            // A name that is not Unicode is none of ours.
            if let (true, Some(name)) = (entry.path().is_dir(), entry.file_name().to_str()) {
                folders.push(name.to_owned());
            }
        }
        folders.sort();
        Ok(folders)
    }

    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.place(path)?;
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path, "read", error)),
        }
    }

    fn open(&self, path: &str) -> io::Result<File> {
        let path = self.place(path)?;
        File::open(&path).map_err(|error| at(&path, "read", error))
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn Write + Send>> {
        let path = self.place(path)?;
        make_parent(&path)?;
        let file = File::create(&path).map_err(|error| at(&path, "write", error))?;
        Ok(Box::new(BufWriter::new(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        make_parent(&to)?;
        let durable = File::open(&from).and_then(|file| file.sync_all());
        durable.map_err(|error| at(&from, "write", error))?;
        fs::rename(&from, &to).map_err(|error| at(&to, "write", error))?;
        // The name too survives a crash.
        match to.parent().map(File::open) {
            Some(Ok(folder)) => folder.sync_all().or(Ok(())),
            _ => Ok(()),
        }
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let path = self.place(path)?;
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&path, "remove", error)),
            _ => Ok(()),
        }
    }

    fn lock(&self, path: &str, share: Share) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let path = self.place(path)?;
        let file = match share {
            Share::Readers => match File::open(&path) {
                // Where nobody has written there is nothing to guard against.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Box::new(()))),
                file => file,
            },
            Share::Nobody => {
                make_parent(&path)?;
                File::options().create(true).truncate(false).write(true).open(&path)
            }
        };
        let file = file.map_err(|error| at(&path, "lock", error))?;
        let locked = match share {
            Share::Readers => file.try_lock_shared(),
            Share::Nobody => file.try_lock(),
        };
        match locked {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(at(&path, "lock", error)),
        }
    }
}

fn make_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => fs::create_dir_all(folder).map_err(|error| at(folder, "make the folder", error)),
        None => Ok(()),
    }
}

fn visit(path: &Path, name: &str, depth: usize, files: &mut Vec<StoredFile>) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        // A name that is not Unicode is none of ours.
        let Some(child) = entry.file_name().to_str().map(|child| format!("{name}/{child}")) else { continue };
        let found = fs::metadata(entry.path())?;
        if found.is_dir() && depth < DEPTH_MAX {
            visit(&entry.path(), &child, depth + 1, files)?;
        } else if found.is_file() {
            files.push(StoredFile { path: child, bytes: found.len() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::LocalStore;
    use crate::port::{Share, Store};

    #[test]
    fn files_come_whole_and_replace_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = LocalStore::new(folder.path());
        assert_eq!(store.list("a").expect("a list"), []);
        for text in ["one", "other"] {
            store.create("t/x").expect("created").write_all(text.as_bytes()).expect("written");
            store.rename("t/x", "a/b/c").expect("renamed");
            assert_eq!(store.read("a/b/c").expect("read").as_deref(), Some(text.as_bytes()));
        }
        let files = store.list("a").expect("a list");
        assert_eq!((files.len(), files[0].path.as_str(), files[0].bytes), (1, "a/b/c", 5));
        for path in ["a", "a", "t/none"] {
            store.remove(path).expect("removed");
        }
        assert_eq!(store.read("a/b/c").expect("read"), None);
        for path in ["../x", "/x", "a//b", "a/..", ""] {
            assert!(store.read(path).is_err() && store.create(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_writer_is_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = LocalStore::new(folder.path());
        let lock = |share| store.lock("lock", share).expect("no error");
        assert!(lock(Share::Readers).is_some(), "there is nothing yet");
        let writer = lock(Share::Nobody).expect("alone");
        assert!(lock(Share::Nobody).is_none() && lock(Share::Readers).is_none());
        drop(writer);
        let readers = (lock(Share::Readers).expect("free"), lock(Share::Readers).expect("shared"));
        assert!(lock(Share::Nobody).is_none());
        drop(readers);
        assert!(lock(Share::Nobody).is_some());
    }
}
