//! Windows of features that have closed: those that close together now, and earlier ones that a join may still look at.

use std::collections::VecDeque;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;

use super::saved::{Loader, Saved, SavedError, Saver};
use super::window::key::Keys;
use super::window::operator::COMPACT_MIN;

/// What rows of features may be joined to.
#[derive(Clone, Copy, Default)]
pub struct Closed<'a> {
    /// By feature: the rows of the window that ends with theirs.
    pub now: &'a [Option<RecordBatch>],
    pub past: Option<&'a Past>,
}

impl<'a> Closed<'a> {
    pub fn now(self, feature: usize) -> Option<&'a RecordBatch> {
        self.now.get(feature)?.as_ref()
    }

    /// The rows of a feature that are kept.
    pub fn before(self, feature: usize) -> Option<&'a Kept> {
        self.past?.features.get(feature)?.as_ref()
    }
}

/// By feature, what joins may look back at.
#[derive(Default)]
pub struct Past {
    features: Vec<Option<Kept>>,
}

/// Windows of a feature, found by the keys of their rows.
pub struct Kept {
    /// How long before the end of the last window a window ended that is kept.
    back: i64,
    /// How many columns the key has.
    columns: usize,
    keys: Keys,
    /// By key number: the row of the last window.
    last: Vec<Place>,
    windows: VecDeque<Window>,
    /// How many windows went before the first that is there.
    gone: usize,
    numbers: Vec<u32>,
    /// Keys when those without a row were last dropped.
    compacted_at: usize,
}

struct Window {
    end: i64,
    rows: RecordBatch,
    /// By row: the same key's row before it.
    before: Vec<Place>,
}

/// A row of a window that was kept once.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Place {
    /// Counted from the first window that ever was, which is 1.
    window: u32,
    row: u32,
}

const NOWHERE: Place = Place { window: 0, row: 0 };

impl Past {
    /// Keeps what joins of live features and of rules look at.
    pub fn of(plan: &Plan) -> Result<Self, ArrowError> {
        let features = plan.features.iter().zip(plan.joined_back()).map(|(feature, back)| {
            let types = feature.columns[..feature.key.len()].iter().map(|column| column.ty.arrow());
            back.map(|back| Kept::new(types.collect(), back)).transpose()
        });
        Ok(Self { features: features.collect::<Result<_, _>>()? })
    }

    /// A feature keeps what it kept as another of a graph before.
    pub fn go_on(&mut self, feature: usize, before: &mut Self, was: usize) {
        let kept = before.features.get_mut(was).and_then(Option::take);
        if let (Some(own), Some(kept)) = (self.features.get_mut(feature).and_then(Option::as_mut), kept) {
            *own = Kept { back: own.back, ..kept };
        }
    }

    /// A window of a feature has closed.
    pub fn keep(&mut self, feature: usize, end: i64, rows: &RecordBatch) -> Result<(), ArrowError> {
        let Some(kept) = self.features.get_mut(feature).and_then(Option::as_mut) else { return Ok(()) };
        kept.add(end, rows)
    }

    /// Windows that end from now on end at `end` or later.
    pub fn forget(&mut self, end: i64) {
        self.features.iter_mut().flatten().for_each(|kept| kept.forget(end.saturating_sub(kept.back)));
    }
}

impl Kept {
    fn new(types: Vec<DataType>, back: i64) -> Result<Self, ArrowError> {
        Ok(Self {
            back,
            columns: types.len(),
            keys: Keys::new(types)?,
            last: Vec::new(),
            windows: VecDeque::new(),
            gone: 0,
            numbers: Vec::new(),
            compacted_at: COMPACT_MIN,
        })
    }

    fn add(&mut self, end: i64, rows: &RecordBatch) -> Result<(), ArrowError> {
        self.keys.intern(&rows.columns()[..self.columns], rows.num_rows(), &mut self.numbers)?;
        self.last.resize(self.keys.count(), NOWHERE);
        // One a microsecond would be too many in an hour, one a second is not in a century.
        let window = u32::try_from(self.gone + self.windows.len() + 1).unwrap_or(u32::MAX);
        let places = (0u32..).zip(&self.numbers);
        let before = places.map(|(row, key)| std::mem::replace(&mut self.last[*key as usize], Place { window, row }));
        self.windows.push_back(Window { end, before: before.collect(), rows: rows.clone() });
        Ok(())
    }

    /// Windows that ended at or before `end` go, and with them keys that have no other.
    fn forget(&mut self, end: i64) {
        while self.windows.pop_front_if(|window| window.end <= end).is_some() {
            self.gone += 1;
        }
        if self.keys.count() < self.compacted_at {
            return;
        }
        let live: Vec<bool> = self.last.iter().map(|place| place.window as usize > self.gone).collect();
        self.keys.compact(&live);
        // Those that are left keep their order.
        let mut kept = live.iter();
        self.last.retain(|_| kept.next() == Some(&true));
        self.compacted_at = (self.last.len() * 2).max(COMPACT_MIN);
    }

    /// The numbers of keys, for [`Self::find`]; those of which no row is kept have none.
    pub fn numbers(&self, keys: &[ArrayRef], rows: usize) -> Result<Vec<Option<u32>>, ArrowError> {
        self.keys.find(keys, rows)
    }

    /// The row of a key whose window ended last at or before `as_of`, and less than `max_age` before: its window, and its
    /// place there.
    pub fn find(&self, key: u32, as_of: i64, max_age: i64) -> Option<(usize, usize)> {
        let mut place = self.last[key as usize];
        loop {
            let index = (place.window as usize).checked_sub(self.gone + 1)?;
            let window = &self.windows[index];
            if window.end <= as_of {
                return (as_of - window.end < max_age).then_some((index, place.row as usize));
            }
            place = window.before[place.row as usize];
        }
    }

    pub fn windows(&self) -> impl Iterator<Item = &RecordBatch> {
        self.windows.iter().map(|window| &window.rows)
    }

    /// Windows and keys that are kept.
    #[cfg(test)]
    fn held(&self) -> (usize, usize) {
        (self.windows.len(), self.keys.count())
    }
}

impl Saved for Past {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        self.features.iter().flatten().try_for_each(|kept| kept.save(out))
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        self.features.iter_mut().flatten().try_for_each(|kept| kept.load(from))
    }
}

impl Saved for Kept {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        self.keys.save(out)?;
        out.put(&(&self.last, self.gone, self.compacted_at, self.windows.len()))?;
        self.windows.iter().try_for_each(|window| {
            out.put(&(window.end, &window.before))?;
            out.batch(&window.rows)
        })
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        self.keys.load(from)?;
        let windows: usize;
        (self.last, self.gone, self.compacted_at, windows) = from.take()?;
        let window = |_| {
            let (end, before) = from.take()?;
            Ok(Window { end, before, rows: from.batch()? })
        };
        self.windows = (0..windows).map(window).collect::<Result<_, SavedError>>()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use datafusion::arrow::datatypes::DataType;

    use super::Kept;

    fn rows(keys: &[i64]) -> RecordBatch {
        let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        RecordBatch::try_from_iter([("key", keys)]).expect("a batch")
    }

    #[test]
    fn what_is_too_old_goes_and_the_last_before_is_found() {
        let mut kept = Kept::new(vec![DataType::Int64], 0).expect("keeps");
        for end in 1..=1_000 {
            kept.compacted_at = 1;
            kept.forget(end - 10);
            kept.add(end, &rows(&[end % 3, -end])).expect("adds");
            let (windows, keys) = kept.held();
            assert!(windows <= 10 && keys <= 13, "{windows} windows and {keys} keys at {end}");
        }
        let at = |key: i64, as_of, max_age| {
            let number = kept.numbers(rows(&[key]).columns(), 1).expect("finds")[0]?;
            let (window, row) = kept.find(number, as_of, max_age)?;
            Some((kept.windows[window].end, row))
        };
        assert_eq!(at(1, 1_000, 1), Some((1_000, 0)));
        assert_eq!(at(0, 1_000, 2), Some((999, 0)));
        assert_eq!(at(0, 1_000, 1), None);
        assert_eq!(at(0, 998, 5), Some((996, 0)));
        assert_eq!(at(-995, 1_000, 6), Some((995, 1)));
        assert_eq!(at(-990, 1_000, 100), None);
    }
}
