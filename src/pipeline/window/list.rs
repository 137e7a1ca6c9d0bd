//! Lists of texts: the first by an order, up to a number, in whatever order they come.
//!
//! Rows that are equal in the order have equal texts, so that a list holds places, each with a text and how often it is
//! there. What is beyond the number is never kept: of two lists the first texts are among the first of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};

use serde::{Deserialize, Serialize};

use crate::language::tree::Listing;
use crate::record::{Type, Value};

/// What a list may hold.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Bound {
    limit: usize,
    distinct: bool,
}

impl Bound {
    pub fn of(listing: &Listing) -> Self {
        Self { limit: listing.limit, distinct: listing.distinct }
    }
}

/// The first texts, by their places in the order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct List {
    texts: BTreeMap<Box<[u8]>, Listed>,
    /// Texts, each as often as it is there.
    held: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Listed {
    text: Box<[u8]>,
    times: usize,
}

impl List {
    fn keep(&mut self, bound: Bound, place: &[u8], text: &[u8], times: usize) {
        let last = self.texts.last_key_value();
        if self.held >= bound.limit && last.is_none_or(|(last, _)| *place >= **last) {
            return;
        }
        match self.texts.get_mut(place) {
            Some(_) if bound.distinct => return,
            Some(listed) => listed.times += times,
            None => {
                self.texts.insert(place.into(), Listed { text: text.into(), times });
            }
        }
        self.held += times;
        while self.held > bound.limit {
            let Some(mut last) = self.texts.last_entry() else { return };
            let over = self.held - bound.limit;
            let listed = last.get_mut();
            if listed.times > over {
                listed.times -= over;
                self.held = bound.limit;
            } else {
                self.held -= listed.times;
                last.remove();
            }
        }
    }

    pub fn merge(&mut self, bound: Bound, other: &Self) {
        other.texts.iter().for_each(|(place, listed)| self.keep(bound, place, &listed.text, listed.times));
    }

    /// `None` for no texts.
    fn joined(&self, delimiter: &[u8]) -> Option<Vec<u8>> {
        let texts = self.texts.values().flat_map(|listed| std::iter::repeat_n(&*listed.text, listed.times));
        let texts: Vec<&[u8]> = texts.collect();
        (!texts.is_empty()).then(|| texts.join(delimiter))
    }
}

/// `arg` holds each row's text, and behind it its place: see [`super::ordered`].
pub fn update(states: &mut [List], slots: &[u32], arg: &ArrayRef, bound: Bound) {
    let Some([texts, places]) = arg.as_struct_opt().map(|pair| pair.columns()) else { return };
    let Some(places) = places.as_binary_opt::<i32>() else { return };
    let (strings, bytes) = (texts.as_string_opt::<i32>(), texts.as_binary_opt::<i32>());
    for (row, slot) in slots.iter().enumerate().filter(|(row, _)| texts.is_valid(*row)) {
        let text = match (strings, bytes) {
            (Some(strings), _) => strings.value(row).as_bytes(),
            (None, Some(bytes)) => bytes.value(row),
            (None, None) => return,
        };
        states[*slot as usize].keep(bound, places.value(row), text, 1);
    }
}

pub fn finish(states: &[List], listing: Option<&Listing>, ty: Type) -> ArrayRef {
    let delimiter = match listing.map(|listing| &listing.delimiter) {
        Some(Value::String(text)) => text.as_bytes(),
        Some(Value::Bytes(bytes)) => bytes,
        _ => b",",
    };
    let joined = states.iter().map(|list| list.joined(delimiter));
    if ty == Type::Bytes {
        return Arc::new(joined.collect::<BinaryArray>());
    }
    Arc::new(joined.map(|text| text.and_then(|text| String::from_utf8(text).ok())).collect::<StringArray>())
}

#[cfg(test)]
mod tests {
    use super::{Bound, List};

    /// All orders of some texts.
    fn orders(texts: &[&'static str]) -> Vec<Vec<&'static str>> {
        if texts.is_empty() {
            return vec![Vec::new()];
        }
        let mut all = Vec::new();
        for at in 0..texts.len() {
            let mut rest = texts.to_vec();
            let first = rest.remove(at);
            all.extend(orders(&rest).into_iter().map(|order| [vec![first], order].concat()));
        }
        all
    }

    fn list(bound: Bound, texts: &[&str]) -> List {
        let mut list = List::default();
        texts.iter().for_each(|text| list.keep(bound, text.as_bytes(), text.as_bytes(), 1));
        list
    }

    fn text(list: &List) -> Option<String> {
        list.joined(b"|").map(|text| String::from_utf8(text).expect("UTF-8"))
    }

    #[test]
    fn the_first_texts_are_kept_in_any_order_and_cut_anywhere() {
        let texts = ["b", "a", "c", "b", "a", "b"];
        for (limit, distinct, expected) in [
            (1, false, "a"),
            (3, false, "a|a|b"),
            (4, false, "a|a|b|b"),
            (9, false, "a|a|b|b|b|c"),
            (1, true, "a"),
            (2, true, "a|b"),
            (9, true, "a|b|c"),
        ] {
            let bound = Bound { limit, distinct };
            for order in orders(&texts) {
                for cut in 0..=order.len() {
                    let mut whole = list(bound, &order[..cut]);
                    whole.merge(bound, &list(bound, &order[cut..]));
                    assert_eq!(text(&whole).as_deref(), Some(expected), "{order:?} cut at {cut}, {bound:?}");
                    assert!(whole.held <= limit, "{whole:?}");
                }
            }
        }
        assert_eq!(text(&List::default()), None);
    }
}
