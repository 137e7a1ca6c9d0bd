//! A project or an input in memory: for tests, fuzzing, the demo.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use crate::port::{Digest, FileTree, Input, InputBytes};

use super::input::digest_of;

/// The line that begins a file in [`MemoryTree::from_sections`].
const SECTION: &str = "--- ";
/// After the path: the file is there, and reading it fails.
const UNREADABLE: &str = " (unreadable)";

#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    /// `None`: reading it fails.
    files: BTreeMap<String, Option<Vec<u8>>>,
}

impl MemoryTree {
    #[must_use]
    pub fn with(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.files.insert(path.into(), Some(text.into().into_bytes()));
        self
    }

    /// With a file that is no text.
    #[must_use]
    pub fn with_bytes(mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), Some(bytes.into()));
        self
    }

    /// Several files in one text, each after a line `--- PATH`; what stands before the first is a remark.
    /// After `--- PATH (unreadable)` reading the file fails.
    pub fn from_sections(text: &str) -> Self {
        let mut tree = Self::default();
        let mut path: Option<String> = None;
        for line in text.split_inclusive('\n') {
            if let Some(name) = line.strip_prefix(SECTION) {
                let name = name.trim();
                path = match name.strip_suffix(UNREADABLE) {
                    Some(name) => {
                        tree.files.insert(name.to_owned(), None);
                        None
                    }
                    None => {
                        tree.files.entry(name.to_owned()).or_insert_with(|| Some(Vec::new()));
                        Some(name.to_owned())
                    }
                };
            } else if let Some(Some(file)) = path.as_ref().and_then(|path| tree.files.get_mut(path)) {
                file.extend_from_slice(line.as_bytes());
            }
        }
        tree
    }
}

impl FileTree for MemoryTree {
    fn paths(&self) -> io::Result<Vec<String>> {
        Ok(self.files.keys().cloned().collect())
    }

    fn read(&self, path: &str) -> io::Result<String> {
        String::from_utf8(self.read_bytes(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn read_bytes(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
            Some(Some(bytes)) => Ok(bytes.clone()),
            Some(None) => Err(io::Error::new(io::ErrorKind::PermissionDenied, "permission denied")),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
        }
    }
}

/// An input in memory.
pub struct MemoryInput {
    name: Arc<str>,
    bytes: Arc<[u8]>,
}

impl MemoryInput {
    pub fn new(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

impl Input for MemoryInput {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn size_bytes(&self) -> Option<u64> {
        u64::try_from(self.bytes.len()).ok()
    }

    fn digest(&self, lengths: &BTreeSet<u64>) -> io::Result<Option<Digest>> {
        digest_of(&mut &self.bytes[..], lengths).map(Some)
    }

    fn open(&self) -> io::Result<InputBytes> {
        Ok(InputBytes::Stream(Box::new(io::Cursor::new(Arc::clone(&self.bytes)))))
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryTree;
    use crate::port::FileTree;

    #[test]
    fn sections_become_files() {
        let tree = MemoryTree::from_sections("a remark\n--- b.yaml\nx: 1\n\n--- a.yaml\n");
        assert_eq!(tree.paths().expect("paths"), ["a.yaml", "b.yaml"]);
        assert_eq!(tree.read("b.yaml").expect("read"), "x: 1\n\n");
        assert_eq!(tree.read("a.yaml").expect("read"), "");
        assert!(tree.read("c.yaml").is_err());
        let tree = MemoryTree::from_sections("--- a.yaml (unreadable)\nx\n");
        assert_eq!(tree.paths().expect("paths"), ["a.yaml"]);
        assert!(tree.read("a.yaml").is_err());
    }
}
