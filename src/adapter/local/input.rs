//! Inputs of a run: files by path or glob, and standard input. What they hold is told by their first bytes, not their
//! names: gzip and zstd are decompressed; a file that begins with `PAR1` is read by position.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use crate::port::{Digest, Input, InputBytes};

const STDIN: &str = "-";
pub(in crate::adapter) const PARQUET_MAGIC: &[u8; 4] = b"PAR1";
const STORED_BUFFER_BYTES: usize = 256 << 10;

#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error(
        "no file matches {pattern}\nhelp: paths begin at the folder that the command runs in; a glob is put in quotes: '*.jsonl'"
    )]
    NoMatch { pattern: String },
    #[error("{path} is a folder; name its files with a glob such as '{path}/*'")]
    Folder { path: String },
    #[error("{pattern} is not a glob: {source}")]
    Pattern { pattern: String, source: glob::PatternError },
    #[error("cannot read {path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("standard input can be named only once")]
    StdinTwice,
}

/// The inputs that the patterns name: paths, globs, `-` for standard input. In the order of
/// the patterns, those of a glob by name; a file that several name is read once.
pub fn inputs(patterns: &[String]) -> Result<Vec<Arc<dyn Input>>, InputError> {
    let mut inputs: Vec<Arc<dyn Input>> = Vec::new();
    let mut seen: HashSet<PathBuf> = HashSet::new();
    for pattern in patterns {
        if pattern == STDIN {
            if inputs.iter().any(|input| &*input.name() == STDIN) {
                return Err(InputError::StdinTwice);
            }
            inputs.push(Arc::new(Stdin));
            continue;
        }
        for path in paths(pattern)? {
            let io_error = |source| InputError::Io { path: path.display().to_string(), source };
            let whole = path.canonicalize().map_err(io_error)?;
            if seen.insert(whole) {
                let size_bytes = fs::metadata(&path).map_err(io_error)?;
                // A pipe has no length: it is read as it comes.
                let size_bytes = size_bytes.is_file().then_some(size_bytes.len());
                let name = path.display().to_string().into();
                inputs.push(Arc::new(LocalFile { path, name, size_bytes, consumed: Arc::default() }));
            }
        }
    }
    Ok(inputs)
}

/// A path that exists is meant as it is, even with brackets in its name.
fn paths(pattern: &str) -> Result<Vec<PathBuf>, InputError> {
    let path = Path::new(pattern);
    if path.is_dir() {
        return Err(InputError::Folder { path: pattern.trim_end_matches('/').to_owned() });
    }
    if path.exists() {
        return Ok(vec![path.to_owned()]);
    }
    let matches = glob::glob(pattern).map_err(|source| InputError::Pattern { pattern: pattern.to_owned(), source })?;
    let mut paths = Vec::new();
    for found in matches {
        let path =
            found.map_err(|error| InputError::Io { path: error.path().display().to_string(), source: error.into() })?;
        if !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() { Err(InputError::NoMatch { pattern: pattern.to_owned() }) } else { Ok(paths) }
}

struct LocalFile {
    path: PathBuf,
    name: Arc<str>,
    size_bytes: Option<u64>,
    consumed: Arc<AtomicU64>,
}

impl Input for LocalFile {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn place(&self) -> String {
        self.path.canonicalize().unwrap_or_else(|_| self.path.clone()).display().to_string()
    }

    fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }

    fn consumed_bytes(&self) -> Option<u64> {
        Some(self.consumed.load(Ordering::Relaxed))
    }

    fn digest(&self, lengths: &BTreeSet<u64>) -> io::Result<Option<Digest>> {
        if self.size_bytes.is_none() {
            return Ok(None);
        }
        let digest = match self.open()? {
            InputBytes::Stream(mut stream) => digest_of(&mut stream, lengths),
            InputBytes::File(mut file) => digest_of(&mut file, lengths),
        };
        digest.map(Some)
    }

    fn open(&self) -> io::Result<InputBytes> {
        let mut file = File::open(&self.path)?;
        if self.size_bytes.is_some() {
            let mut magic = [0; PARQUET_MAGIC.len()];
            let parquet = file.read_exact(&mut magic).is_ok() && &magic == PARQUET_MAGIC;
            file.rewind()?;
            if parquet {
                return Ok(InputBytes::File(file));
            }
        }
        self.consumed.store(0, Ordering::Relaxed);
        let stored = Counted { bytes: file, consumed: Arc::clone(&self.consumed) };
        Ok(InputBytes::Stream(Box::new(Plain::Stored(Box::new(stored)))))
    }
}

/// How many bytes are left, and their SHA-256 in hexadecimal.
pub(in crate::adapter) fn digest_of(bytes: &mut dyn Read, lengths: &BTreeSet<u64>) -> io::Result<Digest> {
    let hex = |hash: Sha256| hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut digest = Digest::default();
    let mut hash = Sha256::new();
    let mut lengths = lengths.iter().copied().peekable();
    let mut buffer = vec![0; STORED_BUFFER_BYTES];
    loop {
        let read = bytes.read(&mut buffer)?;
        if read == 0 {
            digest.whole = hex(hash);
            return Ok(digest);
        }
        let mut rest = &buffer[..read];
        // A beginning is shorter than the whole: it is known when a byte follows.
        while let Some(length) = lengths.next_if(|length| *length < digest.bytes + rest.len() as u64) {
            let ahead = usize::try_from(length - digest.bytes).unwrap_or(rest.len());
            let (before, after) = rest.split_at(ahead);
            hash.update(before);
            digest.bytes += before.len() as u64;
            digest.first.insert(length, hex(hash.clone()));
            rest = after;
        }
        hash.update(rest);
        digest.bytes += rest.len() as u64;
    }
}

/// Decompresses what is compressed.
pub(in crate::adapter) fn plain(stored: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
    Box::new(Plain::Stored(stored))
}

/// The plain bytes of a stream, whatever its name says: gzip and zstd are told by their first bytes, at the first read
/// (opening standard input must not wait for it).
enum Plain {
    Stored(Box<dyn Read + Send>),
    Open(Box<dyn Read + Send>),
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

impl Read for Plain {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Self::Stored(stored) = self {
            let mut first = Vec::with_capacity(ZSTD_MAGIC.len());
            stored.take(ZSTD_MAGIC.len() as u64).read_to_end(&mut first)?;
            let stored = std::mem::replace(stored, Box::new(io::empty()));
            let (gzip, zstd) = (first.starts_with(&GZIP_MAGIC), first == ZSTD_MAGIC);
            let whole = io::Cursor::new(first).chain(stored);
            *self = Self::Open(if gzip || zstd {
                let buffered = io::BufReader::with_capacity(STORED_BUFFER_BYTES, whole);
                if gzip {
                    Box::new(MultiGzDecoder::new(buffered))
                } else {
                    Box::new(zstd::stream::read::Decoder::with_buffer(buffered)?)
                }
            } else {
                Box::new(whole)
            });
        }
        match self {
            Self::Open(open) => open.read(into),
            Self::Stored(_) => Ok(0),
        }
    }
}

/// Counts the stored bytes as they are read.
struct Counted {
    bytes: File,
    consumed: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(into)?;
        self.consumed.fetch_add(u64::try_from(read).unwrap_or_default(), Ordering::Relaxed);
        Ok(read)
    }
}

struct Stdin;

impl Input for Stdin {
    fn name(&self) -> Arc<str> {
        STDIN.into()
    }

    fn size_bytes(&self) -> Option<u64> {
        None
    }

    fn open(&self) -> io::Result<InputBytes> {
        Ok(InputBytes::Stream(Box::new(Plain::Stored(Box::new(io::stdin())))))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::path::Path;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::{STORED_BUFFER_BYTES, digest_of, inputs};
    use crate::port::{Input, InputBytes};

    /// A beginning's hash is that of a file which ended there.
    #[test]
    fn beginnings_have_hashes_of_their_own() {
        let bytes: Vec<u8> = (0..STORED_BUFFER_BYTES * 2 + 9).map(|place| (place % 251) as u8).collect();
        let edge = STORED_BUFFER_BYTES as u64;
        let whole = bytes.len() as u64;
        let lengths = [1, edge - 1, edge, edge + 1, 2 * edge, whole - 1, whole, whole + 1].into();
        let digest = digest_of(&mut &bytes[..], &lengths).unwrap();
        let known: Vec<u64> = digest.first.keys().copied().collect();
        assert_eq!((digest.bytes, known), (whole, vec![1, edge - 1, edge, edge + 1, 2 * edge, whole - 1]));
        for (length, hash) in &digest.first {
            let ended = digest_of(&mut &bytes[..usize::try_from(*length).unwrap()], &[].into()).unwrap();
            assert_eq!((ended.bytes, &ended.whole), (*length, hash));
        }
    }

    fn gz(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn patterns(folder: &Path, patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(|pattern| folder.join(pattern).display().to_string()).collect()
    }

    fn text(input: &dyn Input) -> String {
        let InputBytes::Stream(mut stream) = input.open().unwrap() else { panic!("not a stream") };
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn files_are_found_in_order_and_once() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.jsonl", "a.jsonl", "c[1].jsonl", "d.csv"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        fs::create_dir(folder.path().join("sub.jsonl")).unwrap();
        let named = |names: &[&str]| -> Vec<String> {
            inputs(&patterns(folder.path(), names)).unwrap().iter().map(|input| text(&**input)).collect()
        };
        assert_eq!(named(&["*.jsonl"]), ["a.jsonl", "b.jsonl", "c[1].jsonl"]);
        assert_eq!(named(&["d.csv", "*"]), ["d.csv", "a.jsonl", "b.jsonl", "c[1].jsonl"]);
        assert_eq!(named(&["c[1].jsonl"]), ["c[1].jsonl"]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let folder = tempfile::tempdir().unwrap();
        for (pattern, message) in [
            ("none.jsonl", "no file matches DIR/none.jsonl"),
            ("*.gz", "no file matches DIR/*.gz"),
            ("", "DIR is a folder; name its files with a glob such as 'DIR/*'"),
        ] {
            let error = inputs(&patterns(folder.path(), &[pattern])).err().unwrap();
            let said = error.to_string().replace(&folder.path().display().to_string(), "DIR");
            assert_eq!(said.lines().next(), Some(message));
            assert!(said.contains("help: ") || message.contains("glob"), "{said}");
        }
        assert!(inputs(&["-".to_owned(), "-".to_owned()]).is_err());
    }

    #[test]
    fn compressed_files_are_decompressed() {
        let folder = tempfile::tempdir().unwrap();
        let members = [gz(b"one\n"), gz(b"two\n")].concat();
        let frames =
            [zstd::encode_all(&b"one\n"[..], 1).unwrap(), zstd::encode_all(&b"two\n"[..], 1).unwrap()].concat();
        fs::write(folder.path().join("a.gz"), &members).unwrap();
        fs::write(folder.path().join("b.zst"), &frames).unwrap();
        let inputs = inputs(&patterns(folder.path(), &["*"])).unwrap();
        assert_eq!(inputs.len(), 2);
        for (input, stored) in inputs.iter().zip([members.len(), frames.len()]) {
            assert_eq!(text(&**input), "one\ntwo\n");
            assert_eq!(input.size_bytes(), Some(stored as u64));
            assert_eq!(input.consumed_bytes(), Some(stored as u64));
        }
    }

    #[test]
    fn compression_is_told_by_the_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let zst = zstd::encode_all(&b"zst\n"[..], 1).unwrap();
        let cases: [(&[u8], &str); 6] =
            [(&gz(b"gz\n"), "gz\n"), (&zst, "zst\n"), (b"plain\n", "plain\n"), (b"", ""), (b"1", "1"), (b"(\n", "(\n")];
        for (stored, plain) in cases {
            fs::write(folder.path().join("flows.gz.bak"), stored).unwrap();
            let input = inputs(&patterns(folder.path(), &["flows.gz.bak"])).unwrap().remove(0);
            assert_eq!(text(&*input), plain);
        }
    }

    #[test]
    fn a_file_that_breaks_off_is_an_error_after_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let text: String = (0..50_000).map(|row| format!("{}\n", row * 7_919)).collect();
        let whole = gz(text.as_bytes());
        fs::write(folder.path().join("a.gz"), &whole[..whole.len() / 2]).unwrap();
        let input = inputs(&patterns(folder.path(), &["a.gz"])).unwrap().remove(0);
        let InputBytes::Stream(mut stream) = input.open().unwrap() else { panic!("not a stream") };
        let mut read = Vec::new();
        assert!(stream.read_to_end(&mut read).is_err());
        assert!(read.len() > 1_000 && text.as_bytes().starts_with(&read));
    }
}
