//! Files that are appended to, and survive a crash as far as they were synced.

use std::io;

use crate::record::EventTime;

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
    /// The same, and other users of the machine cannot read it, where the disk has any.
    fn replace_privately(&self, file: &str, content: &[u8]) -> io::Result<()> {
        self.replace(file, content)
    }
    /// Gives a file, all of which was synced, another name, also after a crash.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// A file that nobody needs; after a crash it may be there again.
    fn remove(&self, file: &str) -> io::Result<()>;
    /// Held until it is dropped; `None` when another program holds it.
    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>>;
}

/// The end of a file.
pub trait Append: Send {
    /// After an error some of it may be there: see [`Append::cut`].
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// The file is so long from now on, which it was before.
    fn cut(&mut self, bytes: u64) -> io::Result<()>;
    /// After it what was appended survives a crash. After an error nobody knows what did.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that a user named, to whose end lines are appended. Others may move it away, or put another in its place.
pub trait Output: Send {
    /// Which file has the name now, and how long it is; `None`: none has.
    fn look(&self) -> io::Result<Option<(Mark, u64)>>;
    /// The end of the file, which is made when it is not there, and what stands behind so many bytes. Of that `whole` says how much stays.
    fn open(&self, counted: u64, whole: &dyn Fn(&[u8]) -> usize) -> io::Result<End>;
    /// Gives the file another name, which says when that was and which no file has; returns it.
    fn rename(&self, at: EventTime) -> io::Result<String>;
}

/// Tells a file from every other, whatever its name.
pub type Mark = String;

/// The end of an output.
pub struct End {
    pub file: Box<dyn Append>,
    pub mark: Mark,
    pub bytes: u64,
    /// What stands behind what was counted.
    pub behind: Vec<u8>,
}

/// Is there no room, so that the same may succeed later?
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
