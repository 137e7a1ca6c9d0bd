//! The history as a whole: which ingests it holds, how one is added or takes the place of others.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::port::{Share, Store};
use crate::record::{Day, EventTime};

use super::{HistoryError, IngestedInput, LogPlace, Manifest, Part};

const FLOWS: &str = "flows";
const INGESTS: &str = "_ingest";
const LOCK: &str = "_ingest/lock";
const MANIFEST: &str = ".json";
const UNFINISHED: &str = ".tmp";
const STATE: &str = ".state";
/// Of the hash in an ingest's id.
const ID_BYTES: usize = 4;

/// A history, held by a reader or by the one writer.
pub struct History {
    store: Arc<dyn Store>,
    /// Without those that others replace, in the order in which they came.
    ingests: Vec<Manifest>,
    /// Those whose place others took, as long as something of them is left.
    replaced: Vec<Manifest>,
    /// The number of the next ingest.
    next: u64,
    _lock: Box<dyn Send + Sync>,
}

impl History {
    /// For reading, beside other readers.
    pub fn read(store: Arc<dyn Store>) -> Result<Self, HistoryError> {
        Self::hold(store, Share::Readers)
    }

    /// For writing, alone. What a killed ingest left is completed, or removed where it never was.
    pub fn write(store: Arc<dyn Store>) -> Result<Self, HistoryError> {
        let mut history = Self::hold(store, Share::Nobody)?;
        history.settle()?;
        Ok(history)
    }

    fn hold(store: Arc<dyn Store>, share: Share) -> Result<Self, HistoryError> {
        let lock = store.lock(LOCK, share)?.ok_or_else(|| HistoryError::Busy { folder: store.name() })?;
        let mut ingests = Vec::new();
        for file in store.list(INGESTS)? {
            let manifest = file.path.ends_with(MANIFEST) && !file.path.contains(UNFINISHED);
            if let (true, Some(bytes)) = (manifest, store.read(&file.path)?) {
                ingests.push(Manifest::parse(&file.path, &bytes)?);
            }
        }
        ingests.sort_by(|a, b| a.id.cmp(&b.id));
        let number = |manifest: &Manifest| manifest.id.split('-').next().and_then(|n| n.parse::<u64>().ok());
        let next = ingests.iter().filter_map(number).max().map_or(1, |last| last + 1);
        let gone: BTreeSet<String> = ingests.iter().flat_map(|m| m.replaces.iter().cloned()).collect();
        let (replaced, ingests) = ingests.into_iter().partition(|manifest| gone.contains(&manifest.id));
        Ok(Self { store, ingests, replaced, next, _lock: lock })
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub fn ingests(&self) -> &[Manifest] {
        &self.ingests
    }

    /// Every part, with the place of its ingest among them.
    pub fn parts(&self) -> impl Iterator<Item = (usize, &Part)> {
        self.ingests.iter().enumerate().flat_map(|(log, ingest)| ingest.parts.iter().map(move |part| (log, part)))
    }

    /// Where the data ends: the largest watermark of any log.
    pub fn last_watermark(&self) -> Option<EventTime> {
        self.ingests.iter().filter_map(|ingest| ingest.last_watermark).max().map(EventTime)
    }

    /// The smallest and the largest event time.
    pub fn span(&self) -> Option<(EventTime, EventTime)> {
        let first = self.parts().map(|(_, part)| part.first).min()?;
        let last = self.parts().map(|(_, part)| part.last).max()?;
        Some((EventTime(first), EventTime(last)))
    }

    /// When the data begins: the event time of the first row that was not late. What came too late does not tell.
    pub fn begins(&self) -> Option<EventTime> {
        self.parts().filter_map(|(_, part)| part.begins()).min().map(EventTime)
    }

    /// The ingest that holds an input.
    pub fn holder(&self, source: &str, digest: &str) -> Option<&Manifest> {
        let holds = |input: &IngestedInput| input.source == source && input.digest == digest;
        self.ingests.iter().find(|ingest| ingest.inputs.iter().any(holds))
    }

    /// The id of the next ingest. Later ones are larger.
    pub fn next_id(&self, inputs: &[IngestedInput]) -> String {
        let mut hash = Sha256::new();
        for input in inputs {
            hash.update(format!("{}:{};", input.source, input.digest));
        }
        let hash: String = hash.finalize().iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect();
        format!("{:06}-{hash}", self.next)
    }

    /// Adds an ingest whose parts are written, in the place of those that it replaces. It is there at once.
    pub fn commit(&mut self, manifest: Manifest) -> Result<(), HistoryError> {
        let whole = format!("{INGESTS}/{}{MANIFEST}", manifest.id);
        put(self.store.as_ref(), &whole, &serde_json::to_vec_pretty(&manifest).unwrap_or_default())?;
        let gone = |known: &mut Manifest| manifest.replaces.contains(&known.id);
        self.replaced.extend(self.ingests.extract_if(.., gone));
        self.ingests.push(manifest);
        self.next += 1;
        self.settle()
    }

    /// Removes what an ingest has written that will not be there.
    pub fn abandon(&self, id: &str) -> Result<(), HistoryError> {
        Ok(self.store.remove(&format!("{INGESTS}/{id}{UNFINISHED}"))?)
    }

    /// Puts everything where the manifests say that it is.
    fn settle(&mut self) -> Result<(), HistoryError> {
        let store = self.store.as_ref();
        for ingest in &self.replaced {
            ingest.parts.iter().try_for_each(|part| store.remove(&part.path))?;
        }
        let placed: BTreeSet<String> = store.list(FLOWS)?.into_iter().map(|file| file.path).collect();
        for part in self.ingests.iter().flat_map(|ingest| &ingest.parts) {
            if !placed.contains(&part.path) {
                let lost = |_| HistoryError::Lost { path: format!("{}/{}", store.name(), part.path) };
                store.rename(&staged(&part.path), &part.path).map_err(lost)?;
            }
        }
        // Only now is nothing of them left.
        for ingest in std::mem::take(&mut self.replaced) {
            store.remove(&format!("{INGESTS}/{}{MANIFEST}", ingest.id))?;
        }
        for file in store.list(INGESTS)? {
            let name = file.path[INGESTS.len() + 1..].split('/').next().unwrap_or_default();
            if name.ends_with(UNFINISHED) || name.strip_suffix(STATE).is_some_and(|id| !self.goes_on(id)) {
                store.remove(&format!("{INGESTS}/{name}"))?;
            }
        }
        Ok(())
    }

    /// The last ingest of the log over these queues.
    pub fn of_log(&self, lanes: &[String]) -> Option<(&str, &LogPlace)> {
        let mut ingests = self.ingests.iter().rev().filter_map(|known| Some((known.id.as_str(), known.log.as_ref()?)));
        ingests.find(|(_, place)| place.lanes == lanes)
    }

    /// Where the ingests of that log begin, and the rows that they have.
    pub fn begun_log(&self, lanes: &[String]) -> (u64, u64) {
        let of = |known: &&Manifest| known.log.as_ref().is_some_and(|log| log.lanes == lanes);
        let first = self.ingests.iter().filter(of).filter_map(|known| known.log.as_ref()).map(|log| log.first).min();
        (first.unwrap_or(0), self.ingests.iter().filter(of).map(Manifest::rows).sum())
    }

    /// Does the next ingest of a log begin where this one ended?
    fn goes_on(&self, id: &str) -> bool {
        let place = self.ingests.iter().find(|known| known.id == id).and_then(|known| known.log.as_ref());
        place.and_then(|place| self.of_log(&place.lanes)).is_some_and(|(last, _)| last == id)
    }

    /// Where a part is now.
    pub fn place(&self, part: &Part) -> Result<String, HistoryError> {
        for path in [part.path.clone(), staged(&part.path)] {
            if self.store.open(&path).is_ok() {
                return Ok(path);
            }
        }
        Err(HistoryError::Lost { path: format!("{}/{}", self.store.name(), part.path) })
    }
}

/// Where the parts of an ingest lie for good.
pub fn part_path(day: Day, id: &str, number: usize) -> String {
    format!("{FLOWS}/event_day={day}/{id}-{number:04}.parquet")
}

/// Where an ingest out of a log leaves what its merge waits for.
pub fn state_path(id: &str) -> String {
    format!("{INGESTS}/{id}{STATE}")
}

/// Where a part is written.
pub fn staged(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    format!("{INGESTS}/{}{UNFINISHED}/{path}", id_of(name))
}

/// The id that a file's name begins with.
fn id_of(name: &str) -> &str {
    let end = name.find('-').and_then(|dash| name[dash + 1..].find(['-', '.']).map(|end| dash + 1 + end));
    end.map_or(name, |end| &name[..end])
}

/// Writes a small file whole or not at all.
pub fn put(store: &dyn Store, path: &str, bytes: &[u8]) -> std::io::Result<()> {
    let new = format!("{path}{UNFINISHED}");
    let mut file = store.create(&new)?;
    file.write_all(bytes)?;
    file.flush()?;
    drop(file);
    store.rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::{id_of, part_path, staged};
    use crate::record::Day;

    #[test]
    fn a_part_says_whose_it_is() {
        let path = part_path(Day::parse("2026-01-05").expect("a day"), "000012-ab01cd02", 3);
        assert_eq!(path, "flows/event_day=2026-01-05/000012-ab01cd02-0003.parquet");
        assert_eq!(staged(&path), format!("_ingest/000012-ab01cd02.tmp/{path}"));
        for name in ["000012-ab01cd02-0003.parquet", "000012-ab01cd02.json", "000012-ab01cd02.tmp"] {
            assert_eq!(id_of(name), "000012-ab01cd02", "{name}");
        }
    }
}
