//! A disk in memory that forgets what was not synced, and a program that dies at a chosen step of its work with it.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tripline::port::disk::{Append, Disk};
use tripline::runtime::live::whole_lines;

use crate::random::Random;

#[derive(Debug, Clone, Default)]
struct File {
    content: Vec<u8>,
    /// Bytes that survive a crash.
    synced: usize,
    /// Of what was written over: the content that survives.
    before: Option<Vec<u8>>,
}

/// Files, and how many steps are left until everything fails.
#[derive(Default)]
pub struct MemoryDisk {
    files: Mutex<BTreeMap<String, File>>,
    held: Arc<AtomicBool>,
    steps: AtomicU64,
    dies_at: AtomicU64,
    /// Steps at which nothing can be written.
    full: Mutex<std::ops::Range<u64>>,
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
        self.files().insert(file.to_owned(), File { content, synced, before: None });
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

    /// As an output is opened: what stands behind so many bytes stays as far as its lines are whole.
    pub fn output(self: &Arc<Self>, file: &str, counted: u64) -> (Box<dyn Append>, u64, Vec<u8>) {
        let mut files = self.files();
        let found = files.entry(file.to_owned()).or_default();
        let counted = usize::try_from(counted).unwrap_or(usize::MAX).min(found.content.len());
        let whole = whole_lines(&found.content[counted..]);
        found.content.truncate(counted + whole);
        found.synced = found.synced.min(found.content.len());
        let (bytes, behind) = (found.content.len() as u64, found.content[counted..].to_vec());
        (Box::new(Tail { disk: Arc::clone(self), file: file.to_owned() }), bytes, behind)
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, what: &str) -> io::Result<()> {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        let full = self.full.lock().unwrap_or_else(PoisonError::into_inner).contains(&step);
        if full && (what.starts_with("append") || what.starts_with("create") || what.starts_with("replace")) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if step >= self.dies_at.load(Ordering::Relaxed) {
            return Err(io::Error::other("the program is dead"));
        }
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push(what.to_owned());
        Ok(())
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
        Ok(Box::new(Tail { disk: Arc::clone(&self.0), file: file.to_owned() }))
    }

    fn reopen(&self, file: &str, bytes: u64) -> io::Result<Box<dyn Append>> {
        self.0.step(&format!("reopen {file}"))?;
        let mut files = self.0.files();
        let found = files.entry(file.to_owned()).or_default();
        found.content.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        found.synced = found.synced.min(found.content.len());
        Ok(Box::new(Tail { disk: Arc::clone(&self.0), file: file.to_owned() }))
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
    file: String,
}

impl Append for Tail {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.disk.step(&format!("append {}", self.file)) {
            // Some of it is there.
            let half = &bytes[..bytes.len() / 2];
            self.disk.files().entry(self.file.clone()).or_default().content.extend_from_slice(half);
            return Err(error);
        }
        self.disk.files().entry(self.file.clone()).or_default().content.extend_from_slice(bytes);
        Ok(())
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        self.disk.step(&format!("cut {}", self.file))?;
        if let Some(file) = self.disk.files().get_mut(&self.file) {
            file.content.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
            file.synced = file.synced.min(file.content.len());
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.step(&format!("sync {}", self.file))?;
        if let Some(file) = self.disk.files().get_mut(&self.file) {
            file.synced = file.content.len();
        }
        Ok(())
    }
}
