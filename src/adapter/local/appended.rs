//! A file that lines are appended to, and that others may move away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::disk::Tail;
use crate::port::disk::{End, Mark, Output};
use crate::record::EventTime;

pub struct LocalOutput {
    path: PathBuf,
}

impl LocalOutput {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }
}

impl Output for LocalOutput {
    fn look(&self) -> io::Result<Option<(Mark, u64)>> {
        match fs::metadata(&self.path) {
            Ok(metadata) => Ok(Some((mark(&metadata), metadata.len()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open(&self, counted: u64, whole: &dyn Fn(&[u8]) -> usize) -> io::Result<End> {
        let (file, bytes, behind) = append_to(&self.path, counted, whole)?;
        let mark = mark(&file.0.metadata()?);
        Ok(End { file: Box::new(file), mark, bytes, behind })
    }

    fn rename(&self, at: EventTime) -> io::Result<String> {
        let mut at = at;
        let name = loop {
            let name = renamed(&self.path, at);
            if !name.try_exists()? {
                break name;
            }
            at = EventTime(at.0 + 1);
        };
        fs::rename(&self.path, &name)?;
        sync_folder(&self.path)?;
        Ok(name.display().to_string())
    }
}

/// `alerts.jsonl` at a time: `alerts.20260105T090000.000000Z.jsonl`. Such names sort by time.
fn renamed(path: &Path, at: EventTime) -> PathBuf {
    let text =
        |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
    let (stem, extension) = (text(path.file_stem()), text(path.extension()));
    let dot = if extension.is_empty() { "" } else { "." };
    path.with_file_name(format!("{stem}.{}{dot}{extension}", at.compact()))
}

/// A number of an inode may be that of a file that is gone; when it was made tells them apart.
fn mark(metadata: &fs::Metadata) -> Mark {
    let made = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let made = made.map_or(0, |made| made.as_nanos());
    format!("{}-{made}", number(metadata))
}

#[cfg(unix)]
fn number(metadata: &fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("{}-{}", metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn number(_: &fs::Metadata) -> String {
    String::new()
}

/// The names in the folder of a file survive a crash.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// A file that is appended to, which is made when it is not there, and what is in it behind so many bytes. Of that `whole` says how
/// much stays.
pub(super) fn append_to(path: &Path, counted: u64, whole: &dyn Fn(&[u8]) -> usize) -> io::Result<(Tail, u64, Vec<u8>)> {
    let new = !path.exists();
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    if new {
        // Its name survives a crash.
        sync_folder(path)?;
    }
    let mut bytes = file.metadata()?.len();
    let mut behind = Vec::new();
    if bytes > counted {
        file.seek(SeekFrom::Start(counted))?;
        file.read_to_end(&mut behind)?;
        behind.truncate(whole(&behind));
        bytes = counted + behind.len() as u64;
        file.set_len(bytes)?;
    }
    if bytes > 0 {
        // Somebody left half a line.
        let mut last = [0];
        file.seek(SeekFrom::Start(bytes - 1))?;
        file.read_exact(&mut last)?;
        if last != [b'\n'] {
            file.write_all(b"\n")?;
            bytes += 1;
        }
    }
    file.seek(SeekFrom::Start(bytes))?;
    Ok((Tail(file), bytes, behind))
}

#[cfg(test)]
mod tests {
    use super::{EventTime, LocalOutput, Output, append_to, renamed};
    use crate::port::disk::Append;

    /// Half a line that somebody left is a line of its own; what was counted and is gone is not made up.
    #[test]
    fn what_is_appended_begins_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("alerts.jsonl");
        let whole = |behind: &[u8]| behind.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        for (there, counted, kept, behind) in [
            ("", 0, "", ""),
            ("one\ntwo\n", 8, "one\ntwo\n", ""),
            ("one\ntw", 8, "one\ntw\n", ""),
            ("one\ntwo\nthr", 4, "one\ntwo\n", "two\n"),
            ("one\ntw", u64::MAX, "one\ntw\n", ""),
        ] {
            std::fs::write(&path, there).expect("writes");
            let (mut file, bytes, found) = append_to(&path, counted, &whole).expect("opens");
            assert_eq!((bytes, found.as_slice()), (kept.len() as u64, behind.as_bytes()), "{there:?}");
            file.append(b"new\n").expect("appends");
            assert_eq!(std::fs::read_to_string(&path).expect("reads"), format!("{kept}new\n"), "{there:?}");
        }
    }

    #[test]
    fn a_file_has_another_name_that_sorts_and_is_free() {
        let at = EventTime::parse("2026-01-05T09:00:00.25Z").expect("a time");
        for (path, name) in [
            ("out/alerts.jsonl", "out/alerts.20260105T090000.250000Z.jsonl"),
            ("alerts", "alerts.20260105T090000.250000Z"),
        ] {
            assert_eq!(renamed(path.as_ref(), at).to_str(), Some(name));
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("alerts.jsonl");
        let output = LocalOutput::new(&path);
        assert_eq!(output.look().expect("looks"), None);
        let mut marks = Vec::new();
        for content in ["one\n", "two\n"] {
            let mut end = output.open(u64::MAX, &|_| 0).expect("opens");
            end.file.append(content.as_bytes()).expect("appends");
            assert_eq!(output.look().expect("looks"), Some((end.mark.clone(), 4)));
            marks.push(end.mark);
            let name = output.rename(at).expect("renames");
            assert_eq!(std::fs::read_to_string(name).expect("reads"), content);
        }
        assert_ne!(marks[0], marks[1]);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
    }
}
