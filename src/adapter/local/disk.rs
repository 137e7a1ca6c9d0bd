//! A folder whose files are appended to and synced.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::port::disk::{Append, Disk};

const LOCK: &str = "lock";

#[derive(Debug, Clone)]
pub struct LocalDisk {
    root: PathBuf,
}

impl LocalDisk {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A file beside the one that it replaces. One that a crash left is not gone on with.
    fn replace_by(&self, file: &str, options: &mut OpenOptions, content: &[u8]) -> io::Result<()> {
        let path = self.root.join(format!("{file}.new"));
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut next = options.write(true).create_new(true).open(&path)?;
        next.write_all(content)?;
        next.sync_all()?;
        fs::rename(&path, self.root.join(file))?;
        self.sync_names()
    }

    /// The names in the folder survive a crash.
    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.root)?.sync_all()
    }
}

impl Disk for LocalDisk {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        fs::create_dir_all(&self.root)?;
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        fs::read(self.root.join(file))
    }

    fn read_at(&self, file: &str, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.root.join(file))?;
        file.seek(SeekFrom::Start(at))?;
        let mut read = Vec::new();
        file.take(bytes as u64).read_to_end(&mut read)?;
        Ok(read)
    }

    fn bytes(&self, file: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.root.join(file))?.len())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.root.join(from), self.root.join(to))?;
        self.sync_names()
    }

    fn remove(&self, file: &str) -> io::Result<()> {
        fs::remove_file(self.root.join(file))
    }

    fn create(&self, file: &str) -> io::Result<Box<dyn Append>> {
        let file = File::create(self.root.join(file))?;
        self.sync_names()?;
        Ok(Box::new(Tail(file)))
    }

    fn reopen(&self, file: &str, bytes: u64) -> io::Result<Box<dyn Append>> {
        let mut file = OpenOptions::new().write(true).open(self.root.join(file))?;
        file.set_len(bytes)?;
        file.seek(SeekFrom::Start(bytes))?;
        file.sync_all()?;
        Ok(Box::new(Tail(file)))
    }

    fn write_at(&self, file: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(self.root.join(file))?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)
    }

    fn replace(&self, file: &str, content: &[u8]) -> io::Result<()> {
        self.replace_by(file, &mut File::options(), content)
    }

    fn replace_privately(&self, file: &str, content: &[u8]) -> io::Result<()> {
        self.replace_by(file, private(&mut File::options()), content)
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(self.root.join(LOCK))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Where users of a machine are told apart.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

pub(super) struct Tail(pub(super) File);

impl Append for Tail {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)?;
        self.0.seek(SeekFrom::Start(bytes)).map(drop)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
