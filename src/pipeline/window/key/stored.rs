//! Keys one behind the other, each behind its number: who has found the key has the number near.

use serde::{Deserialize, Serialize};

/// Keys begin at multiples of this, so that a place is a small number.
const UNIT: usize = 8;
const NUMBER: usize = size_of::<u32>();

#[derive(Default, Serialize, Deserialize)]
pub struct Stored {
    bytes: Vec<u8>,
    /// By number: where it begins, in units.
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
        let place = u32::try_from(self.bytes.len() / UNIT).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.extend_from_slice(key);
        self.bytes.resize(self.bytes.len().next_multiple_of(UNIT), 0);
        self.places.push(place);
        (number, place)
    }

    /// Is this key there? No key is the beginning of another.
    pub fn is_at(&self, place: u32, key: &[u8]) -> bool {
        self.bytes.get(place as usize * UNIT + NUMBER..).is_some_and(|bytes| bytes.starts_with(key))
    }

    pub fn number_at(&self, place: u32) -> u32 {
        let bytes = self.bytes.get(place as usize * UNIT..).and_then(|bytes| bytes.first_chunk());
        bytes.map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes))
    }

    /// A key, and what is behind it.
    pub fn key(&self, number: u32) -> &[u8] {
        let place = self.places.get(number as usize).map_or(usize::MAX, |place| *place as usize * UNIT + NUMBER);
        self.bytes.get(place..).unwrap_or_default()
    }

    /// Keeps only the keys marked in `live`, in their order; `kept` is told of each its old number, its new one and its place.
    pub fn retain(&mut self, live: &[bool], mut kept: impl FnMut(u32, u32, u32)) {
        let ends =
            self.places.iter().skip(1).copied().chain([u32::try_from(self.bytes.len() / UNIT).unwrap_or(u32::MAX)]);
        let spans: Vec<(u32, u32)> = self.places.iter().copied().zip(ends).collect();
        self.places.clear();
        let mut used = 0;
        for ((old, (start, end)), _) in (0u32..).zip(spans).zip(live).filter(|(_, live)| **live) {
            let (start, end) = (start as usize * UNIT, end as usize * UNIT);
            let number = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
            let place = u32::try_from(used / UNIT).unwrap_or(u32::MAX);
            self.bytes.copy_within(start..end, used);
            self.bytes[used..used + NUMBER].copy_from_slice(&number.to_le_bytes());
            self.places.push(place);
            used += end - start;
            kept(old, number, place);
        }
        self.bytes.truncate(used);
    }

    pub fn shrink_to(&mut self, times: usize) {
        self.places.shrink_to(self.places.len() * times);
        self.bytes.shrink_to(self.bytes.len() * times);
    }
}
