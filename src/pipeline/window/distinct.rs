//! Exact distinct sets up to a cap: values become 32-bit ids, sets hold ids.
//!
//! Small integers are their own id; every other value is interned once per feature, so a set costs four bytes
//! a value whatever the type. Ids of values that no set holds any more are freed by [`Values::compact`].

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Date32Type, Int64Type, TimestampMicrosecondType};
use hashbrown::{HashSet, HashTable};
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use std::hash::BuildHasher;

use crate::language::function::COUNT_DISTINCT_MAX;
use crate::pipeline::saved::{Loader, Saved, SavedError, Saver};

/// Ids below are the integers themselves.
const INTERNED: u32 = 1 << 31;
/// Values that a set holds before it becomes a hash set.
const FEW: usize = 8;

/// The id of NULL: no value has it.
pub const NULL_ID: u32 = u32::MAX;

/// A value, whatever its number is.
#[derive(Debug, Serialize, Deserialize)]
pub enum SavedValue {
    /// Its own id.
    Small(u32),
    Interned(Vec<u8>),
}

/// Values seen by one aggregate, by id.
#[derive(Debug, Default)]
pub struct Values {
    table: HashTable<u32>,
    ends: Vec<usize>,
    bytes: Vec<u8>,
}

impl Values {
    /// The ids of an array's values; [`NULL_ID`] for NULL.
    pub fn ids(&mut self, array: &ArrayRef, ids: &mut Vec<u32>) {
        ids.clear();
        match array.data_type() {
            DataType::Int64 => {
                let values = array.as_primitive::<Int64Type>();
                ids.extend(values.iter().map(|v| v.map_or(NULL_ID, |v| self.integer(v))));
            }
            DataType::Timestamp(_, _) => {
                let values = array.as_primitive::<TimestampMicrosecondType>();
                ids.extend(values.iter().map(|v| v.map_or(NULL_ID, |v| self.integer(v))));
            }
            DataType::Date32 => {
                let values = array.as_primitive::<Date32Type>();
                ids.extend(values.iter().map(|v| v.map_or(NULL_ID, |v| self.integer(v.into()))));
            }
            DataType::Boolean => {
                ids.extend(array.as_boolean().iter().map(|v| v.map_or(NULL_ID, u32::from)));
            }
            DataType::Utf8 => {
                ids.extend(array.as_string::<i32>().iter().map(|v| v.map_or(NULL_ID, |v| self.intern(v.as_bytes()))));
            }
            _ => {
                let values = array.as_binary_opt::<i32>();
                ids.extend((0..array.len()).map(|row| match values {
                    Some(values) if values.is_valid(row) => self.intern(values.value(row)),
                    _ => NULL_ID,
                }));
            }
        }
    }

    fn integer(&mut self, value: i64) -> u32 {
        match u32::try_from(value) {
            Ok(small) if small < INTERNED => small,
            _ => self.intern(&value.to_le_bytes()),
        }
    }

    fn intern(&mut self, value: &[u8]) -> u32 {
        let hash = FxBuildHasher.hash_one(value);
        let Self { table, ends, bytes } = self;
        let entry = table.entry(
            hash,
            |id| slice(ends, bytes, *id) == value,
            |id| FxBuildHasher.hash_one(slice(ends, bytes, *id)),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(found) => INTERNED + *found.get(),
            hashbrown::hash_table::Entry::Vacant(empty) => {
                let id = u32::try_from(ends.len()).unwrap_or(NULL_ID - INTERNED - 1);
                empty.insert(id);
                bytes.extend_from_slice(value);
                ends.push(bytes.len());
                INTERNED + id
            }
        }
    }

    /// How many values are interned.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    pub fn saved(&self, id: u32) -> SavedValue {
        match id.checked_sub(INTERNED) {
            Some(index) => SavedValue::Interned(slice(&self.ends, &self.bytes, index).to_vec()),
            None => SavedValue::Small(id),
        }
    }

    pub fn id_of(&mut self, value: &SavedValue) -> u32 {
        match value {
            SavedValue::Small(id) => *id,
            SavedValue::Interned(bytes) => self.intern(bytes),
        }
    }

    /// Keeps only the values that `sets` hold, and renames their ids in them.
    pub fn compact<'a>(&mut self, sets: impl Iterator<Item = &'a mut Distinct>) {
        self.compact_by(|new| sets.for_each(|set| set.rename(&mut *new)));
    }

    /// Keeps only the values whose new ids are asked for.
    pub fn compact_by(&mut self, rename: impl FnOnce(&mut dyn FnMut(u32) -> u32)) {
        let old = std::mem::take(self);
        let mut renamed: Vec<u32> = vec![NULL_ID; old.ends.len()];
        rename(&mut |id| {
            let Some(index) = id.checked_sub(INTERNED) else { return id };
            let slot = &mut renamed[index as usize];
            if *slot == NULL_ID {
                *slot = self.intern(slice(&old.ends, &old.bytes, index));
            }
            *slot
        });
    }
}

impl Saved for Values {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(&(&self.ends, &self.bytes))
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        let (ends, bytes): (Vec<usize>, Vec<u8>) = from.take()?;
        let starts = std::iter::once(0).chain(ends.iter().copied());
        if !starts.zip(&ends).all(|(start, end)| start <= *end) || ends.last().is_some_and(|end| *end > bytes.len()) {
            return Err(SavedError::Unknown("values end before they begin".to_owned()));
        }
        let (mut all, mut start) = (Self::default(), 0);
        for end in ends {
            all.intern(&bytes[start..end]);
            start = end;
        }
        *self = all;
        Ok(())
    }
}

fn slice<'a>(ends: &[usize], bytes: &'a [u8], id: u32) -> &'a [u8] {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends[id - 1] };
    &bytes[start..ends[id]]
}

/// A set of ids.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Vec<u32>", into = "Vec<u32>")]
pub enum Distinct {
    Few { len: u8, ids: [u32; FEW] },
    Many(Box<HashSet<u32, FxBuildHasher>>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Few { len: 0, ids: [0; FEW] }
    }
}

impl From<Vec<u32>> for Distinct {
    fn from(ids: Vec<u32>) -> Self {
        let mut set = Self::default();
        ids.into_iter().for_each(|id| set.insert(id));
        set
    }
}

impl From<Distinct> for Vec<u32> {
    fn from(set: Distinct) -> Self {
        set.ids().collect()
    }
}

impl Distinct {
    pub fn insert(&mut self, id: u32) {
        match self {
            Self::Few { len, ids } => {
                let used = usize::from(*len);
                if ids[..used].contains(&id) {
                    return;
                }
                if used < FEW {
                    ids[used] = id;
                    *len += 1;
                    return;
                }
                let mut many: HashSet<u32, FxBuildHasher> = HashSet::with_capacity_and_hasher(FEW * 4, FxBuildHasher);
                many.extend(ids.iter().copied());
                many.insert(id);
                *self = Self::Many(Box::new(many));
            }
            // One more than the cap is kept out: the count saturates.
            Self::Many(many) if many.len() < COUNT_DISTINCT_MAX => {
                many.insert(id);
            }
            Self::Many(_) => {}
        }
    }

    pub fn merge(&mut self, other: &Self) {
        match other {
            Self::Few { len, ids } => ids[..usize::from(*len)].iter().for_each(|id| self.insert(*id)),
            Self::Many(many) => {
                if let (Self::Many(mine), true) = (&mut *self, many.len() < COUNT_DISTINCT_MAX / 2) {
                    mine.reserve(many.len().saturating_sub(mine.len()));
                }
                many.iter().for_each(|id| self.insert(*id));
            }
        }
    }

    pub fn ids(&self) -> impl Iterator<Item = u32> {
        let (few, many) = match self {
            Self::Few { len, ids } => (&ids[..usize::from(*len)], None),
            Self::Many(many) => (&[][..], Some(many)),
        };
        few.iter().chain(many.into_iter().flat_map(|many| many.iter())).copied()
    }

    /// How many values the set holds.
    pub fn count(&self) -> usize {
        match self {
            Self::Few { len, .. } => usize::from(*len),
            Self::Many(many) => many.len(),
        }
    }

    pub fn rename(&mut self, mut new: impl FnMut(u32) -> u32) {
        match self {
            Self::Few { len, ids } => ids[..usize::from(*len)].iter_mut().for_each(|id| *id = new(*id)),
            Self::Many(many) => {
                let renamed: HashSet<u32, FxBuildHasher> = many.iter().map(|id| new(*id)).collect();
                **many = renamed;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::{COUNT_DISTINCT_MAX, Distinct, NULL_ID, Values};

    #[test]
    fn a_set_stops_at_the_cap() {
        let cap = u32::try_from(COUNT_DISTINCT_MAX).expect("fits");
        let of = |ids: std::ops::Range<u32>| {
            let mut set = Distinct::default();
            ids.for_each(|id| set.insert(id));
            set
        };
        let mut low = of(0..cap - 1);
        assert_eq!(low.count(), COUNT_DISTINCT_MAX - 1);
        low.insert(cap);
        low.insert(cap + 1);
        assert_eq!(low.count(), COUNT_DISTINCT_MAX);
        let mut half = of(0..cap / 2);
        half.merge(&of(cap / 4..cap + 9));
        assert_eq!(half.count(), COUNT_DISTINCT_MAX);
    }

    #[test]
    fn equal_values_have_equal_ids_and_null_has_none() {
        let arrays: [ArrayRef; 2] = [
            Arc::new(Int64Array::from(vec![Some(443), None, Some(-1), Some(i64::MAX), Some(443)])),
            Arc::new(StringArray::from(vec![Some("a"), None, Some(""), Some("b"), Some("a")])),
        ];
        for array in arrays {
            let (mut values, mut ids) = (Values::default(), Vec::new());
            values.ids(&array, &mut ids);
            assert_eq!(ids[1], NULL_ID);
            assert_eq!(ids[0], ids[4]);
            assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "{array:?}");
        }
    }

    #[test]
    fn compaction_keeps_what_sets_hold() {
        let mut values = Values::default();
        let mut ids = Vec::new();
        let texts: Vec<String> = (0..1000).map(|i| format!("v{i}")).collect();
        let array: ArrayRef = Arc::new(StringArray::from(texts));
        values.ids(&array, &mut ids);
        let mut sets = [Distinct::default(), Distinct::default()];
        ids[..5].iter().for_each(|id| sets[0].insert(*id));
        ids[3..40].iter().for_each(|id| sets[1].insert(*id));
        values.compact(sets.iter_mut());
        assert_eq!(values.count(), 40);
        let again: ArrayRef = Arc::new(StringArray::from(vec!["v3", "v39"]));
        values.ids(&again, &mut ids);
        assert_eq!(values.count(), 40);
        let before = sets[1].count();
        ids.iter().for_each(|id| sets[1].insert(*id));
        assert_eq!((sets[0].count(), sets[1].count()), (5, before));
    }
}
