//! Keys to dense numbers: each combination of key values of a feature has one, for as long as a pane needs it.

mod layout;
mod stored;

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::operator::COMPACT_MIN;
use crate::pipeline::saved::{Loader, Saved, SavedError, Saver, mismatch};
use layout::Layout;
use stored::Stored;

/// How many times what is left after a clean-up may be there without an allocation.
const ROOM: usize = 2;

/// Key numbers of one feature.
pub struct Keys {
    layout: Layout,
    table: HashTable<Known>,
    stored: Stored,
    /// How many keys are worth a clean-up.
    crowd: usize,
}

/// A key in the table: most tables are larger than what is near the processor, and with its hash few others are looked at.
#[derive(Clone, Copy)]
struct Known {
    hash: u32,
    place: u32,
}

impl Known {
    fn is(&self, hash: u32, key: &[u8], stored: &Stored) -> bool {
        self.hash == hash && stored.is_at(self.place, key)
    }

    fn spread(&self) -> u64 {
        spread(self.hash)
    }
}

fn hash(key: &[u8]) -> u32 {
    let hash = FxBuildHasher.hash_one(key);
    (hash ^ (hash >> 32)) as u32
}

/// The table looks at the highest and the lowest bits.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The keys of one feature, or those that several have in common: a key has the same number in all of them.
#[derive(Clone)]
pub struct KeySpace {
    keys: Arc<Mutex<Keys>>,
    shared: bool,
}

impl KeySpace {
    pub fn own(keys: Keys) -> Self {
        Self { keys: Arc::new(Mutex::new(keys)), shared: false }
    }

    /// Who has it drops no keys: somebody does who knows all that have it.
    pub fn shared(keys: Keys) -> Self {
        Self { shared: true, ..Self::own(keys) }
    }

    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Are these the same keys, not only equal ones?
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.keys, &other.keys)
    }

    /// Takes the keys of another, with their numbers; that has none then.
    pub fn take(&self, other: &Self) {
        if !self.is(other) {
            std::mem::swap(&mut *self.lock(), &mut *other.lock());
        }
    }

    /// Nobody has any of its numbers.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The number here of each `live` key of another, which is there from now on.
    pub fn adopt(&self, other: &Self, live: &[bool]) -> Vec<u32> {
        if self.is(other) {
            return (0..).take(live.len()).collect();
        }
        let other = other.lock();
        let mut own = self.lock();
        let Keys { table, stored, layout, .. } = &mut *own;
        let numbers = (0u32..).zip(live).map(|(number, live)| {
            let key = layout.front(other.stored.key(number));
            if *live { intern(table, stored, key, hash(key)) } else { u32::MAX }
        });
        numbers.collect()
    }

    /// Nobody else waits for it: a graph does one thing at a time.
    pub fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    pub fn new(types: Vec<DataType>) -> Result<Self, ArrowError> {
        let layout = Layout::new(types)?;
        Ok(Self { layout, table: HashTable::new(), stored: Stored::default(), crowd: COMPACT_MIN })
    }

    /// The number of each row's key.
    pub fn intern(&mut self, columns: &[ArrayRef], rows: usize, numbers: &mut Vec<u32>) -> Result<(), ArrowError> {
        numbers.clear();
        let Self { layout, table, stored, .. } = self;
        let written = layout.write(columns, rows)?;
        // Hashes first: what is looked up does then not wait for what is written.
        let hashes: Vec<u32> = written.keys().map(hash).collect();
        numbers.extend(written.keys().zip(hashes).map(|(key, hash)| intern(table, stored, key, hash)));
        Ok(())
    }

    /// The number of each row's key that is interned.
    pub fn find(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<Option<u32>>, ArrowError> {
        let written = self.layout.write(columns, rows)?;
        let number = |key: &[u8]| {
            let hash = hash(key);
            let known = self.table.find(spread(hash), |known| known.is(hash, key, &self.stored))?;
            Some(self.stored.number_at(known.place))
        };
        Ok(written.keys().map(number).collect())
    }

    fn clear(&mut self) {
        (self.table, self.stored, self.crowd) = (HashTable::new(), Stored::default(), COMPACT_MIN);
    }

    /// How many keys are interned.
    pub fn count(&self) -> usize {
        self.stored.count()
    }

    /// Have keys become so many that unused ones should go?
    pub fn is_crowded(&self) -> bool {
        self.count() >= self.crowd
    }

    /// Unused keys go when there are so many, or sooner.
    pub fn crowd_at_most(&mut self, count: usize) {
        self.crowd = self.crowd.min(count);
    }

    /// Keys are ordered as their values are, NULL first.
    pub fn compare(&self, one: u32, other: u32) -> Ordering {
        self.layout.compare(self.stored.key(one), self.stored.key(other))
    }

    /// The key columns of some numbers.
    pub fn columns(&self, numbers: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        self.layout.read(numbers.iter().map(|number| self.stored.key(*number)), numbers.len())
    }

    /// Keeps only the keys marked in `live`, in their order, and returns the new number of each old one.
    pub fn compact(&mut self, live: &[bool]) -> Vec<u32> {
        let mut renamed = vec![u32::MAX; self.count()];
        let mut hashes = vec![0; self.count()];
        for known in self.table.drain() {
            hashes[self.stored.number_at(known.place) as usize] = known.hash;
        }
        let table = &mut self.table;
        self.stored.retain(live, |old, new, place| {
            renamed[old as usize] = new;
            let known = Known { hash: hashes[old as usize], place };
            table.insert_unique(known.spread(), known, Known::spread);
        });
        // What is left may be little beside what there was once.
        self.stored.shrink_to(ROOM);
        let room = self.table.len() * ROOM;
        self.table.shrink_to(room, Known::spread);
        self.crowd = (self.count() * 2).max(COMPACT_MIN);
        renamed
    }
}

impl Saved for Keys {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(&(&self.stored, self.crowd))
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        let (stored, crowd): (Stored, usize) = from.take()?;
        (self.table, self.stored, self.crowd) = (HashTable::new(), Stored::default(), crowd);
        for number in (0u32..).take(stored.count()) {
            let key = self.layout.front(stored.key(number));
            if intern(&mut self.table, &mut self.stored, key, hash(key)) != number {
                return Err(mismatch("keys"));
            }
        }
        Ok(())
    }
}

fn intern(table: &mut HashTable<Known>, stored: &mut Stored, key: &[u8], hash: u32) -> u32 {
    match table.entry(spread(hash), |known| known.is(hash, key, stored), Known::spread) {
        hashbrown::hash_table::Entry::Occupied(found) => stored.number_at(found.get().place),
        hashbrown::hash_table::Entry::Vacant(empty) => {
            let (number, place) = stored.push(key);
            empty.insert(Known { hash, place });
            number
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
    use datafusion::arrow::datatypes::DataType;

    use super::Keys;

    fn check(types: Vec<DataType>, columns: &[ArrayRef], expected: &[u32]) {
        let mut keys = Keys::new(types).expect("keys");
        let mut numbers = Vec::new();
        keys.intern(columns, expected.len(), &mut numbers).expect("intern");
        assert_eq!(numbers, expected);
        let found = keys.find(columns, expected.len()).expect("find");
        assert_eq!(found, expected.iter().copied().map(Some).collect::<Vec<_>>());
        let distinct: Vec<u32> = (0..u32::try_from(keys.count()).expect("few")).collect();
        let mut live = vec![true; keys.count()];
        live[0] = false;
        let last = keys.columns(&distinct[1..]).expect("columns");
        let renamed = keys.compact(&live);
        assert_eq!(renamed[0], u32::MAX);
        assert_eq!(keys.columns(&renamed[1..]).expect("columns"), last);
    }

    #[test]
    fn equal_keys_have_equal_numbers() {
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some(""), None, Some("a")]));
        let number: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(1), Some(2), Some(1)]));
        check(vec![DataType::Utf8], &[Arc::clone(&text)], &[0, 1, 2, 1, 0]);
        check(vec![DataType::Utf8, DataType::Int64], &[text, number], &[0, 1, 2, 3, 0]);
        check(Vec::new(), &[], &[0, 0, 0]);
    }
}
