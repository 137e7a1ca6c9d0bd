//! A detection project in a directory. Reads; never writes.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::port::FileTree;

/// What a project has at its top, and what is mistaken for it.
const TOP: &[&str] = &["tripline.yaml", "sql", "features", "rules", "tripline.yml", "feature", "rule", "lookups"];
/// Nesting of folders.
const DEPTH_MAX: usize = 8;
/// Bytes of one file; a larger one is not a definition.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Tells a file from what it was before, without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    path: String,
    bytes: u64,
    modified: Option<SystemTime>,
    /// Another file may have taken its name.
    file: u64,
}

#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Of all files, and of these others.
    pub fn stamps(&self, others: &BTreeSet<String>) -> io::Result<Vec<Stamp>> {
        let stamp = |path: String| match fs::metadata(self.root.join(&path)) {
            Ok(found) => {
                Some(Stamp { path, bytes: found.len(), modified: found.modified().ok(), file: number(&found) })
            }
            Err(_) => None,
        };
        Ok(self.paths()?.into_iter().chain(others.iter().cloned()).filter_map(stamp).collect())
    }
}

impl FileTree for Folder {
    /// Files of the layout; names that start with a dot are left out.
    fn paths(&self) -> io::Result<Vec<String>> {
        let root = fs::metadata(&self.root)?;
        if !root.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "not a folder"));
        }
        let mut paths = Vec::new();
        for name in TOP {
            visit(&self.root.join(name), name, 0, &mut paths)?;
        }
        paths.sort();
        Ok(paths)
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn read(&self, path: &str) -> io::Result<String> {
        fs::read_to_string(self.file(path)?)
    }

    fn read_bytes(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.file(path)?)
    }
}

impl Folder {
    /// Where a file of the project is.
    fn file(&self, path: &str) -> io::Result<PathBuf> {
        let inside = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if !inside || path.contains('\\') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a path inside the project"));
        }
        let path = self.root.join(path);
        if fs::metadata(&path)?.len() > FILE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
        }
        Ok(path)
    }
}

/// May a file of this path be one of a project?
pub(super) fn is_of_layout(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    TOP.contains(&parts[0]) && parts.len() <= DEPTH_MAX + 1 && parts.iter().all(|part| !part.starts_with('.'))
}

#[cfg(unix)]
fn number(file: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(file)
}

#[cfg(not(unix))]
fn number(_: &fs::Metadata) -> u64 {
    0
}

fn visit(path: &Path, name: &str, depth: usize, paths: &mut Vec<String>) -> io::Result<()> {
    let kind = match fs::metadata(path) {
        Ok(kind) => kind,
        // A folder that is not there has no files; a dangling link is not a file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if kind.is_file() {
        paths.push(name.to_owned());
    }
    if !kind.is_dir() || depth >= DEPTH_MAX {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // A name that is not Unicode cannot be one of the layout.
        let Some(child) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if !child.starts_with('.') {
            visit(&entry.path(), &format!("{name}/{child}"), depth + 1, paths)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Folder;
    use crate::port::FileTree;

    #[test]
    fn only_files_of_the_layout_are_seen() {
        let dir = tempfile::tempdir().expect("a folder");
        for path in
            ["rules/a.yaml", "rules/.b.yaml", "target/x.yaml", "sql/netlog/flows.sql", "tripline.yaml", "README.md"]
        {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("created");
            fs::write(path, "x").expect("written");
        }
        let folder = Folder::new(dir.path());
        assert_eq!(folder.paths().expect("paths"), ["rules/a.yaml", "sql/netlog/flows.sql", "tripline.yaml"]);
        assert_eq!(folder.read("rules/a.yaml").expect("read"), "x");
        assert_eq!(folder.read_bytes("target/x.yaml").expect("read"), b"x");
        for path in ["../x", "/etc/hostname", "rules/../../x", "rules", "nothing"] {
            assert!(folder.read(path).is_err() && folder.read_bytes(path).is_err(), "{path}");
        }
        assert!(Folder::new(dir.path().join("nothing")).paths().is_err());
    }
}
