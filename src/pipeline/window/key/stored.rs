//! Keys one behind the other, each behind its number: who has found the key has the number near.
//!
//! They lie in chunks: of one array that grows, up to two thirds would be room, or a copy, at the time when memory is shortest.

use serde::{Deserialize, Serialize};

/// Keys begin at multiples of this, so that a place is a small number.
const UNIT: usize = 8;
const NUMBER: usize = size_of::<u32>();
/// A key begins within so many bytes of its chunk, and ends there unless it is alone in it.
const CHUNK: usize = 1 << 18;
const CHUNK_UNITS: usize = CHUNK / UNIT;

#[derive(Default, Serialize, Deserialize)]
pub struct Stored {
    chunks: Vec<Vec<u8>>,
    /// By number: where it begins, in units, as if all chunks were full.
    places: Vec<u32>,
}

impl Stored {
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// Adds a key; returns its number and its place.
    pub fn push(&mut self, key: &[u8]) -> (u32, u32) {
        // Numbers end before memory does, places at 32 GiB.
        let number = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        (number, self.add(number, key))
    }

    /// Adds what begins with a key, or is one.
    fn add(&mut self, number: u32, key: &[u8]) -> u32 {
        let bytes = (NUMBER + key.len()).next_multiple_of(UNIT);
        if self.chunks.last().is_none_or(|chunk| !chunk.is_empty() && chunk.len() + bytes > CHUNK) {
            // Most have few keys: the first chunk grows.
            let room = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(room));
        }
        let before = self.chunks.len().saturating_sub(1) * CHUNK_UNITS;
        let Some(chunk) = self.chunks.last_mut() else { return u32::MAX };
        let place = u32::try_from(before + chunk.len() / UNIT).unwrap_or(u32::MAX);
        chunk.extend_from_slice(&number.to_le_bytes());
        chunk.extend_from_slice(key);
        chunk.resize(chunk.len().next_multiple_of(UNIT), 0);
        self.places.push(place);
        place
    }

    /// What is at a place and behind it.
    fn at(&self, place: u32) -> Option<&[u8]> {
        let place = place as usize;
        self.chunks.get(place / CHUNK_UNITS)?.get(place % CHUNK_UNITS * UNIT..)
    }

    /// Is this key there? No key is the beginning of another.
    pub fn is_at(&self, place: u32, key: &[u8]) -> bool {
        self.at(place).and_then(|bytes| bytes.get(NUMBER..)).is_some_and(|bytes| bytes.starts_with(key))
    }

    pub fn number_at(&self, place: u32) -> u32 {
        self.at(place).and_then(|bytes| bytes.first_chunk()).map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes))
    }

    /// A key, and what is behind it.
    pub fn key(&self, number: u32) -> &[u8] {
        let place = self.places.get(number as usize);
        place.and_then(|place| self.at(*place)?.get(NUMBER..)).unwrap_or_default()
    }

    /// Keeps only the keys marked in `live`, in their order; `kept` is told of each its old number, its new one and its place.
    pub fn retain(&mut self, live: &[bool], mut kept: impl FnMut(u32, u32, u32)) {
        let Self { chunks, places } = std::mem::take(self);
        let mut olds = (0u32..).zip(&places).zip(live).peekable();
        for (index, chunk) in chunks.into_iter().enumerate() {
            let here = |place: u32| place as usize / CHUNK_UNITS == index;
            let offset = |place: u32| place as usize % CHUNK_UNITS * UNIT;
            while let Some(((old, place), live)) = olds.next_if(|((_, place), _)| here(**place)) {
                let next = olds.peek().map(|((_, place), _)| **place).filter(|place| here(*place));
                let end = next.map_or(chunk.len(), offset);
                if let Some(key) = chunk.get(offset(*place) + NUMBER..end).filter(|_| *live) {
                    let (number, place) = self.push(key);
                    kept(old, number, place);
                }
            }
        }
    }

    pub fn shrink_to(&mut self, times: usize) {
        self.places.shrink_to(self.places.len() * times);
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Stored};

    /// Keys that fill several chunks, one of them longer than a chunk; every third goes, twice.
    #[test]
    fn keys_of_many_chunks_are_found_and_stay_in_order() {
        let long = vec![7u8; CHUNK * 2];
        let key = |i: u32| match i {
            5_000 => long.clone(),
            _ => [&i.to_be_bytes()[..], &vec![b'k'; 20 + i as usize % 90]].concat(),
        };
        let mut stored = Stored::default();
        let mut known: Vec<(u32, u32)> = (0..20_000).map(|i| (i, stored.push(&key(i)).1)).collect();
        for _ in 0..2 {
            assert!(stored.chunks.len() > 3);
            for (number, (i, place)) in (0u32..).zip(&known) {
                assert!(stored.is_at(*place, &key(*i)) && !stored.is_at(*place, &key(i + 1)), "{i}");
                assert_eq!(stored.number_at(*place), number);
                assert!(stored.key(number).starts_with(&key(*i)));
            }
            let live: Vec<bool> = (0..known.len()).map(|number| number % 3 != 0).collect();
            let mut left = Vec::new();
            stored.retain(&live, |old, number, place| {
                assert_eq!(number as usize, left.len());
                left.push((known[old as usize].0, place));
            });
            assert_eq!((stored.count(), left.len()), (left.len(), live.iter().filter(|live| **live).count()));
            known = left;
        }
        // What is stored is little more than the keys.
        let room: usize = stored.chunks.iter().map(Vec::capacity).sum();
        let keys: usize = known.iter().map(|(i, _)| key(*i).len() + 12).sum();
        assert!(room < keys + 2 * CHUNK, "{room} for {keys}");
    }
}
