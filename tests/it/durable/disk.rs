//! A disk in memory that forgets what was not synced, and a program that dies at a chosen step of its work with it.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tripline::port::disk::{Append, Disk, End, Mark, Output};
use tripline::record::EventTime;

use crate::random::Random;

#[derive(Debug, Clone, Default)]
struct File {
    content: Vec<u8>,
    /// Bytes that survive a crash.
    synced: usize,
    /// Of what was written over: the content that survives.
    before: Option<Vec<u8>>,
    /// Tells it from others, whatever its name; 0 of those that nobody asked for.
    mark: u64,
}

/// Of files that were put there.
static MARKS: AtomicU64 = AtomicU64::new(1);

/// Files, and how many steps are left until everything fails.
#[derive(Default)]
pub struct MemoryDisk {
    files: Mutex<BTreeMap<String, File>>,
    held: Arc<AtomicBool>,
    steps: AtomicU64,
    dies_at: AtomicU64,
    /// Steps at which nothing can be written.
    full: Mutex<std::ops::Range<u64>>,
    /// How long a step takes, in microseconds.
    step_micros: AtomicU64,
    /// Does nothing of a snapshot get on?
    hung: AtomicBool,
    /// How long it takes to read of a file, in microseconds.
    read_micros: AtomicU64,
    /// What the steps were, for whom it is to be said.
    pub done: Mutex<Vec<String>>,
    /// Files of the log that were removed.
    gone: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryDisk {
    pub fn new() -> Arc<Self> {
        let disk = Self::default();
        disk.dies_at.store(u64::MAX, Ordering::Relaxed);
        Arc::new(disk)
    }

    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// From this step on everything fails.
    pub fn die_at(&self, step: u64) {
        self.dies_at.store(step, Ordering::Relaxed);
    }

    /// Steps take so long: who reads along can do so.
    pub fn slow(&self, micros: u64) {
        self.step_micros.store(micros, Ordering::Relaxed);
    }

    /// To read takes so long.
    pub fn slow_to_read(&self, micros: u64) {
        self.read_micros.store(micros, Ordering::Relaxed);
    }

    /// The names of files that begin so, sorted.
    pub fn names(&self, begin: &str) -> Vec<String> {
        self.files().keys().filter(|name| name.starts_with(begin)).cloned().collect()
    }

    /// Somebody removes a file.
    pub fn forget(&self, file: &str) {
        self.files().remove(file);
    }

    /// Somebody gives a file another name.
    pub fn moved(&self, from: &str, to: &str) {
        let mut files = self.files();
        if let Some(file) = files.remove(from) {
            files.insert(to.to_owned(), file);
        }
    }

    /// No snapshot gets on until it is told otherwise.
    pub fn hang(&self, hung: bool) {
        self.hung.store(hung, Ordering::Relaxed);
    }

    /// At these steps there is no room.
    pub fn full_at(&self, steps: std::ops::Range<u64>) {
        *self.full.lock().unwrap_or_else(PoisonError::into_inner) = steps;
    }

    /// The power was cut: of what was not synced some beginning is there.
    pub fn restart(&self, random: &mut Random) {
        for file in self.files().values_mut() {
            let kept = file.synced + random.below(file.content.len() - file.synced.min(file.content.len()) + 1);
            file.content.truncate(kept.max(file.synced));
            if let Some(before) = file.before.take().filter(|_| random.one_in(2)) {
                file.content = before;
            }
            file.synced = file.content.len();
        }
        self.steps.store(0, Ordering::Relaxed);
        self.die_at(u64::MAX);
    }

    pub fn content(&self, file: &str) -> Vec<u8> {
        self.files().get(file).map(|file| file.content.clone()).unwrap_or_default()
    }

    pub fn set(&self, file: &str, content: Vec<u8>) {
        let synced = content.len();
        self.files().insert(
            file.to_owned(),
            File { content, synced, before: None, mark: MARKS.fetch_add(1, Ordering::Relaxed) },
        );
    }

    /// All that was ever logged, also what is forgotten: a disk with nothing else.
    pub fn whole_log(&self) -> Arc<Self> {
        let whole = Self::new();
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner).clone();
        gone.into_iter().for_each(|(file, content)| whole.set(&file, content));
        let there = self.files().clone();
        let log = there.into_iter().filter(|(file, _)| file.starts_with("given"));
        log.for_each(|(file, found)| whole.set(&file, found.content));
        whole
    }

    /// The same files once more.
    pub fn copy(&self) -> Arc<Self> {
        let copy = Self::new();
        *copy.files() = self.files().clone();
        copy
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, what: &str) -> io::Result<()> {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        let micros = self.step_micros.load(Ordering::Relaxed);
        if micros > 0 {
            thread::sleep(Duration::from_micros(micros));
        }
        while what.contains(".snapshot") && self.hung.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
        let full = self.full.lock().unwrap_or_else(PoisonError::into_inner).contains(&step);
        if full && ["append", "create", "write", "replace"].iter().any(|kind| what.starts_with(kind)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if step >= self.dies_at.load(Ordering::Relaxed) {
            return Err(io::Error::other("the program is dead"));
        }
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push(what.to_owned());
        Ok(())
    }
}

/// A file that a user named, in the same memory.
pub struct MemoryOutput {
    pub disk: Arc<MemoryDisk>,
    pub file: &'static str,
}

impl Output for MemoryOutput {
    fn look(&self) -> io::Result<Option<(Mark, u64)>> {
        Ok(self.disk.files().get(self.file).map(|file| (file.mark.to_string(), file.content.len() as u64)))
    }

    fn open(&self, counted: u64, whole: &dyn Fn(&[u8]) -> usize) -> io::Result<End> {
        if !self.disk.files().contains_key(self.file) {
            self.disk.step(&format!("create {}", self.file))?;
            self.disk.set(self.file, Vec::new());
        }
        let mut files = self.disk.files();
        let found = files.entry(self.file.to_owned()).or_default();
        let counted = usize::try_from(counted).unwrap_or(usize::MAX).min(found.content.len());
        let whole = whole(&found.content[counted..]);
        found.content.truncate(counted + whole);
        found.synced = found.synced.min(found.content.len());
        let (bytes, behind) = (found.content.len() as u64, found.content[counted..].to_vec());
        let file = Box::new(Tail { disk: Arc::clone(&self.disk), file: found.mark.to_string(), by_mark: true });
        Ok(End { file, mark: found.mark.to_string(), bytes, behind })
    }

    fn rename(&self, at: EventTime) -> io::Result<String> {
        self.disk.step(&format!("rename {}", self.file))?;
        let names = (at.0..).map(|at| format!("{}.{}", self.file, EventTime(at).compact()));
        let taken = self.disk.names(self.file);
        let mut free = names.skip_while(|name| taken.contains(name));
        let name = free.next().ok_or_else(|| io::Error::other("no name is free"))?;
        self.disk.moved(self.file, &name);
        Ok(name)
    }
}

/// As a program sees it.
#[derive(Clone)]
pub struct Mounted(pub Arc<MemoryDisk>);

impl Disk for Mounted {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.files().keys().filter(|file| !file.starts_with("out/")).cloned().collect())
    }

    fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        let files = self.0.files();
        files.get(file).map(|file| file.content.clone()).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn read_at(&self, file: &str, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        thread::sleep(Duration::from_micros(self.0.read_micros.load(Ordering::Relaxed)));
        let content = self.read(file)?;
        let at = usize::try_from(at).unwrap_or(usize::MAX).min(content.len());
        Ok(content[at..content.len().min(at.saturating_add(bytes))].to_vec())
    }

    fn bytes(&self, file: &str) -> io::Result<u64> {
        Ok(self.read(file)?.len() as u64)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.step(&format!("rename {from}"))?;
        let mut files = self.0.files();
        let file = files.remove(from).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, file: &str) -> io::Result<()> {
        self.0.step(&format!("remove {file}"))?;
        let removed = self.0.files().remove(file);
        if let Some(found) = removed.filter(|_| file.starts_with("given-") && !file.ends_with(".new")) {
            let mut gone = self.0.gone.lock().unwrap_or_else(PoisonError::into_inner);
            gone.insert(file.to_owned(), found.content);
        }
        Ok(())
    }

    fn create(&self, file: &str) -> io::Result<Box<dyn Append>> {
        self.0.step(&format!("create {file}"))?;
        self.0.files().insert(file.to_owned(), File::default());
        Ok(Box::new(Tail { disk: Arc::clone(&self.0), file: file.to_owned(), by_mark: false }))
    }

    fn reopen(&self, file: &str, bytes: u64) -> io::Result<Box<dyn Append>> {
        self.0.step(&format!("reopen {file}"))?;
        let mut files = self.0.files();
        let found = files.entry(file.to_owned()).or_default();
        found.content.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        found.synced = found.synced.min(found.content.len());
        Ok(Box::new(Tail { disk: Arc::clone(&self.0), file: file.to_owned(), by_mark: false }))
    }

    fn write_at(&self, file: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.step(&format!("write {file}"))?;
        let mut files = self.0.files();
        let file = files.entry(file.to_owned()).or_default();
        file.before.get_or_insert_with(|| file.content.clone());
        let end = usize::try_from(at).unwrap_or(0) + bytes.len();
        if file.content.len() < end {
            file.content.resize(end, 0);
        }
        file.content[end - bytes.len()..end].copy_from_slice(bytes);
        file.synced = file.content.len();
        Ok(())
    }

    fn replace(&self, file: &str, content: &[u8]) -> io::Result<()> {
        self.0.step(&format!("replace {file}"))?;
        self.0.set(file, content.to_vec());
        Ok(())
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Send + Sync>>> {
        let free = !self.0.held.swap(true, Ordering::Relaxed);
        Ok(free.then(|| Box::new(Lock(Arc::clone(&self.0.held))) as Box<dyn Send + Sync>))
    }
}

struct Lock(Arc<AtomicBool>);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

struct Tail {
    disk: Arc<MemoryDisk>,
    /// Its name; or its mark, so that it is the same file under another name.
    file: String,
    by_mark: bool,
}

impl Tail {
    fn change(&self, change: impl FnOnce(&mut File)) {
        let mut files = self.disk.files();
        if self.by_mark {
            if let Some(file) = files.values_mut().find(|file| file.mark.to_string() == self.file) {
                change(file);
            }
        } else {
            change(files.entry(self.file.clone()).or_default());
        }
    }

    fn step(&self, what: &str) -> io::Result<()> {
        let file = if self.by_mark { "output" } else { self.file.as_str() };
        self.disk.step(&format!("{what} {file}"))
    }
}

impl Append for Tail {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.step("append") {
            // Some of it is there.
            self.change(|file| file.content.extend_from_slice(&bytes[..bytes.len() / 2]));
            return Err(error);
        }
        self.change(|file| file.content.extend_from_slice(bytes));
        Ok(())
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.step("cut")?;
        self.change(|file| {
            file.content.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
            file.synced = file.synced.min(file.content.len());
        });
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.step("sync")?;
        self.change(|file| file.synced = file.content.len());
        Ok(())
    }
}
