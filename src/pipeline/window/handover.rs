//! Keys that go from the features of one graph to those of another, each space of them once.

use super::key::KeySpace;

/// Where the keys of the graph before are now.
#[derive(Default)]
pub struct Handover {
    /// Each with the space that took its keys, numbers and all.
    taken: Vec<(KeySpace, KeySpace)>,
}

impl Handover {
    /// From where `to` has to adopt the keys of `from`, which get other numbers then; `None` where it has all of them with the
    /// numbers that they had.
    pub fn source(&mut self, from: &KeySpace, to: &KeySpace) -> Option<KeySpace> {
        let known = self.taken.iter().find(|(was, _)| was.is(from)).map(|(_, now)| now.clone());
        match known {
            Some(now) if now.is(to) => None,
            Some(now) => Some(now),
            None if to.lock().count() == 0 => {
                to.take(from);
                self.taken.push((from.clone(), to.clone()));
                None
            }
            None => Some(from.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array};
    use datafusion::arrow::datatypes::DataType;

    use super::Handover;
    use crate::pipeline::window::key::{KeySpace, Keys};

    fn space(keys: &[i64]) -> KeySpace {
        let space = KeySpace::shared(Keys::new(vec![DataType::Int64]).expect("keys"));
        let column: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        space.lock().intern(&[column], keys.len(), &mut Vec::new()).expect("intern");
        space
    }

    #[test]
    fn the_first_takes_the_numbers_and_others_get_new_ones() {
        let (from, first, second) = (space(&[7, 8, 9]), space(&[]), space(&[9]));
        let mut handover = Handover::default();
        assert!(handover.source(&from, &first).is_none());
        assert!(handover.source(&from, &first).is_none());
        assert_eq!((first.lock().count(), from.lock().count()), (3, 0));
        let source = handover.source(&from, &second).expect("a source");
        assert_eq!(second.adopt(&source, &[true, false, true]), [1, u32::MAX, 0]);
        assert_eq!(second.lock().count(), 2);
    }
}
