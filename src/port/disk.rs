//! Files that are appended to, and survive a crash as far as they were synced.

use std::io;

/// A folder of such files. Names are flat.
pub trait Disk: Send + Sync {
    /// What a user calls it.
    fn name(&self) -> String;
    /// The names of all files, sorted; the folder is made when it is not there.
    fn list(&self) -> io::Result<Vec<String>>;
    fn read(&self, file: &str) -> io::Result<Vec<u8>>;
    /// Up to so many bytes from there on; fewer only at the end.
    fn read_at(&self, file: &str, at: u64, bytes: usize) -> io::Result<Vec<u8>>;
    /// How long a file is.
    fn bytes(&self, file: &str) -> io::Result<u64>;
    /// A new, empty file that is there after a crash.
    fn create(&self, file: &str) -> io::Result<Box<dyn Append>>;
    /// A file that is there, cut to so many bytes.
    fn reopen(&self, file: &str, bytes: u64) -> io::Result<Box<dyn Append>>;
    /// Writes into a file, which is made when it is not there; nothing is synced.
    fn write_at(&self, file: &str, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// A small file with this content, which is there whole or not at all, also after a crash.
    fn replace(&self, file: &str, content: &[u8]) -> io::Result<()>;
    /// Gives a file, all of which was synced, another name, also after a crash.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// A file that nobody needs; after a crash it may be there again.
    fn remove(&self, file: &str) -> io::Result<()>;
    /// Held until it is dropped; `None` when another program holds it.
    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>>;
}

/// The end of a file.
pub trait Append: Send {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// After it what was appended survives a crash. After an error nobody knows what did.
    fn sync(&mut self) -> io::Result<()>;
}
