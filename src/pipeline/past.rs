//! Windows of features that have closed: those that close together now, and earlier ones that a join may still look at.

use std::collections::VecDeque;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};
use hashbrown::HashMap;

use crate::plan::{JoinPlan, JoinTarget, Plan, Upstream};

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
#[derive(Default)]
pub struct Kept {
    /// How long before the end of the last window a window ended that is kept.
    back: i64,
    keys: usize,
    windows: VecDeque<Window>,
    /// How many windows went before the first that is there.
    gone: usize,
    by_key: HashMap<Arc<[u8]>, VecDeque<Place>>,
}

struct Window {
    end: i64,
    rows: RecordBatch,
    keys: Vec<Arc<[u8]>>,
}

/// A row of a window that is kept.
#[derive(Debug, Clone, Copy)]
struct Place {
    end: i64,
    /// Counted from the first window that ever was.
    window: usize,
    row: usize,
}

impl Past {
    /// Keeps what joins of live features and of rules look at.
    pub fn of(plan: &Plan) -> Self {
        let mut features: Vec<Option<Kept>> = plan.features.iter().map(|_| None).collect();
        let mut keep = |joins: &[JoinPlan], upstream: Upstream| {
            let Upstream::Feature(read) = upstream else { return };
            for join in joins {
                let JoinTarget::Feature { index, at, .. } = join.target else { continue };
                let Some(back) = at.look_back(plan.features[read].window.size) else { continue };
                let kept = features[index].get_or_insert_default();
                kept.keys = plan.features[index].key.len();
                kept.back = kept.back.max(back.0);
            }
        };
        let live = plan.features.iter().zip(&plan.live).filter(|(_, live)| **live);
        live.for_each(|(feature, _)| keep(&feature.joins, feature.upstream));
        let branches = plan.rules.iter().flat_map(|rule| &rule.branches);
        branches.for_each(|branch| keep(&branch.select.joins, branch.upstream));
        Self { features }
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
    fn add(&mut self, end: i64, rows: &RecordBatch) -> Result<(), ArrowError> {
        let window = self.gone + self.windows.len();
        let keys = encoded(&rows.columns()[..self.keys], rows.num_rows())?;
        for (row, key) in keys.iter().enumerate() {
            self.by_key.entry(Arc::clone(key)).or_default().push_back(Place { end, window, row });
        }
        self.windows.push_back(Window { end, rows: rows.clone(), keys });
        Ok(())
    }

    /// Windows that ended at or before `end` go.
    fn forget(&mut self, end: i64) {
        while let Some(window) = self.windows.pop_front_if(|window| window.end <= end) {
            self.gone += 1;
            for key in &window.keys {
                let Some(places) = self.by_key.get_mut(key) else { continue };
                places.pop_front();
                if places.is_empty() {
                    self.by_key.remove(key);
                }
            }
        }
    }

    /// The row of a key whose window ended last at or before `as_of`, and less than `max_age` before: its window, and its
    /// place there.
    pub fn find(&self, key: &[u8], as_of: i64, max_age: i64) -> Option<(usize, usize)> {
        let place = self.by_key.get(key)?.iter().rev().find(|place| place.end <= as_of)?;
        (as_of - place.end < max_age).then(|| (place.window - self.gone, place.row))
    }

    pub fn windows(&self) -> impl Iterator<Item = &RecordBatch> {
        self.windows.iter().map(|window| &window.rows)
    }

    /// Windows and keys that are kept.
    #[cfg(test)]
    fn held(&self) -> (usize, usize) {
        (self.windows.len(), self.by_key.len())
    }
}

/// Keys as bytes, equal where they are; NULL is equal to NULL.
pub fn encoded(keys: &[ArrayRef], rows: usize) -> Result<Vec<Arc<[u8]>>, ArrowError> {
    if keys.is_empty() {
        return Ok(vec![Arc::default(); rows]);
    }
    let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
    let converter = RowConverter::new(fields)?;
    Ok(converter.convert_columns(keys)?.iter().map(|row| row.data().into()).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::{Kept, encoded};

    fn rows(keys: &[i64]) -> RecordBatch {
        let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        RecordBatch::try_from_iter([("key", keys)]).expect("a batch")
    }

    #[test]
    fn what_is_too_old_goes_and_the_last_before_is_found() {
        let mut kept = Kept { keys: 1, ..Kept::default() };
        for end in 1..=1_000 {
            kept.forget(end - 10);
            kept.add(end, &rows(&[end % 3, -end])).expect("adds");
            let (windows, keys) = kept.held();
            assert!(windows <= 10 && keys <= 13, "{windows} windows and {keys} keys at {end}");
        }
        let at = |key: i64, as_of, max_age| {
            let key = encoded(rows(&[key]).columns(), 1).expect("encodes");
            let (window, row) = kept.find(&key[0], as_of, max_age)?;
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
