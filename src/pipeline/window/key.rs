//! Keys to dense numbers: each combination of key values of a feature has one, for as long as a pane needs it.

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::operator::COMPACT_MIN;

/// How many times what is left after a clean-up may be there without an allocation.
const ROOM: usize = 4;

/// Key numbers of one feature.
///
/// A key is kept as bytes whose order is the order of its values, so that rows can be put out in a fixed order.
pub struct Keys {
    types: Vec<DataType>,
    /// `None` for one STRING column, whose own bytes serve, and for the empty key.
    converter: Option<RowConverter>,
    table: HashTable<u32>,
    ends: Vec<usize>,
    bytes: Vec<u8>,
    /// The number of the NULL key when there is no converter.
    null: Option<u32>,
    /// How many keys are worth a clean-up.
    crowd: usize,
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

    /// Nobody else waits for it: a graph does one thing at a time.
    pub fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    pub fn new(types: Vec<DataType>) -> Result<Self, ArrowError> {
        let plain = types.is_empty() || types == [DataType::Utf8];
        let converter =
            if plain { None } else { Some(RowConverter::new(types.iter().cloned().map(SortField::new).collect())?) };
        Ok(Self { types, converter, table: HashTable::new(), ends: Vec::new(), bytes: Vec::new(), null: None, crowd: COMPACT_MIN })
    }

    /// The number of each row's key.
    pub fn intern(&mut self, columns: &[ArrayRef], rows: usize, numbers: &mut Vec<u32>) -> Result<(), ArrowError> {
        numbers.clear();
        if let Some(converter) = &self.converter {
            let keys = converter.convert_columns(columns)?;
            numbers.extend(keys.iter().map(|key| intern(&mut self.table, &mut self.ends, &mut self.bytes, key.data())));
            return Ok(());
        }
        let Some(column) = columns.first() else {
            if self.ends.is_empty() {
                self.ends.push(0);
            }
            numbers.resize(rows, 0);
            return Ok(());
        };
        let strings = column.as_string::<i32>();
        for row in 0..rows {
            if strings.is_null(row) {
                let number = *self.null.get_or_insert_with(|| {
                    self.ends.push(self.bytes.len());
                    u32::try_from(self.ends.len() - 1).unwrap_or(u32::MAX)
                });
                numbers.push(number);
            } else {
                let value = strings.value(row).as_bytes();
                numbers.push(intern(&mut self.table, &mut self.ends, &mut self.bytes, value));
            }
        }
        Ok(())
    }

    /// The number of each row's key that is interned.
    pub fn find(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<Option<u32>>, ArrowError> {
        let number = |key: &[u8]| {
            let hash = FxBuildHasher.hash_one(key);
            self.table.find(hash, |n| slice(&self.ends, &self.bytes, *n) == key).copied()
        };
        if let Some(converter) = &self.converter {
            return Ok(converter.convert_columns(columns)?.iter().map(|key| number(key.data())).collect());
        }
        let Some(column) = columns.first() else {
            return Ok(vec![(!self.ends.is_empty()).then_some(0); rows]);
        };
        Ok(column.as_string::<i32>().iter().map(|key| key.map_or(self.null, |key| number(key.as_bytes()))).collect())
    }

    /// How many keys are interned.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Have keys become so many that unused ones should go?
    pub fn is_crowded(&self) -> bool {
        self.count() >= self.crowd
    }

    /// Unused keys go when there are so many, or sooner.
    pub fn crowd_at_most(&mut self, count: usize) {
        self.crowd = self.crowd.min(count);
    }

    /// The key's bytes, ordered as its values are.
    pub fn bytes(&self, number: u32) -> &[u8] {
        slice(&self.ends, &self.bytes, number)
    }

    /// The key columns of some numbers.
    pub fn columns(&self, numbers: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        if let Some(converter) = &self.converter {
            let parser = converter.parser();
            return converter.convert_rows(numbers.iter().map(|n| parser.parse(self.bytes(*n))));
        }
        if self.types.is_empty() {
            return Ok(Vec::new());
        }
        let mut texts: Vec<Option<&str>> = Vec::with_capacity(numbers.len());
        for number in numbers {
            if self.null == Some(*number) {
                texts.push(None);
            } else {
                let text = std::str::from_utf8(self.bytes(*number));
                texts.push(Some(text.map_err(|e| ArrowError::ExternalError(Box::new(e)))?));
            }
        }
        Ok(vec![Arc::new(StringArray::from(texts))])
    }

    /// Keeps only the keys marked in `live`, in their order, and returns the new number of each old one.
    pub fn compact(&mut self, live: &[bool]) -> Vec<u32> {
        let mut renamed = vec![u32::MAX; self.ends.len()];
        let null = self.null.take();
        let (mut count, mut used, mut start) = (0, 0, 0);
        self.table.clear();
        for (old, new) in (0u32..).zip(renamed.iter_mut()) {
            let end = self.ends[old as usize];
            let here = std::mem::replace(&mut start, end)..end;
            if !live.get(old as usize).copied().unwrap_or(false) {
                continue;
            }
            *new = count;
            used += here.len();
            self.bytes.copy_within(here.clone(), used - here.len());
            self.ends[count as usize] = used;
            if null == Some(old) {
                self.null = Some(count);
            } else if !self.types.is_empty() {
                let hash = FxBuildHasher.hash_one(&self.bytes[used - here.len()..used]);
                let hash_of = |n: &u32| FxBuildHasher.hash_one(slice(&self.ends, &self.bytes, *n));
                self.table.insert_unique(hash, count, hash_of);
            }
            count += 1;
        }
        self.ends.truncate(count as usize);
        self.bytes.truncate(used);
        // What is left may be little beside what there was once.
        self.ends.shrink_to(self.ends.len() * ROOM);
        self.bytes.shrink_to(self.bytes.len() * ROOM);
        let room = self.table.len() * ROOM;
        self.table.shrink_to(room, |n| FxBuildHasher.hash_one(slice(&self.ends, &self.bytes, *n)));
        self.crowd = (self.count() * 2).max(COMPACT_MIN);
        renamed
    }
}

fn slice<'a>(ends: &[usize], bytes: &'a [u8], number: u32) -> &'a [u8] {
    let number = number as usize;
    let start = if number == 0 { 0 } else { ends[number - 1] };
    &bytes[start..ends[number]]
}

fn intern(table: &mut HashTable<u32>, ends: &mut Vec<usize>, bytes: &mut Vec<u8>, key: &[u8]) -> u32 {
    let hash = FxBuildHasher.hash_one(key);
    let entry =
        table.entry(hash, |n| slice(ends, bytes, *n) == key, |n| FxBuildHasher.hash_one(slice(ends, bytes, *n)));
    match entry {
        hashbrown::hash_table::Entry::Occupied(found) => *found.get(),
        hashbrown::hash_table::Entry::Vacant(empty) => {
            let number = u32::try_from(ends.len()).unwrap_or(u32::MAX);
            empty.insert(number);
            bytes.extend_from_slice(key);
            ends.push(bytes.len());
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
    }
}
