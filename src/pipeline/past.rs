//! Windows of features that have closed: those that close together now, and earlier ones that a join may still look at.

use std::cell::OnceCell;
use std::collections::VecDeque;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};
use hashbrown::HashMap;

use crate::plan::{FeaturePlan, JoinPlan, JoinTarget, Plan, Upstream};

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

    /// The windows of a feature that are kept, the last first.
    pub fn before(self, feature: usize) -> impl Iterator<Item = &'a PastWindow> {
        let kept = self.past.and_then(|past| past.features.get(feature)?.as_ref());
        kept.into_iter().flat_map(|kept| kept.windows.iter().rev())
    }
}

/// By feature, what joins may look back at.
#[derive(Default)]
pub struct Past {
    features: Vec<Option<Kept>>,
}

struct Kept {
    /// How long before the end of the last window a window ended that is kept.
    back: i64,
    keys: usize,
    windows: VecDeque<PastWindow>,
}

/// A window's rows, found by their key.
pub struct PastWindow {
    pub end: i64,
    pub rows: RecordBatch,
    keys: usize,
    by_key: OnceCell<HashMap<Box<[u8]>, u32>>,
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
                let FeaturePlan { key, .. } = &plan.features[index];
                let kept = features[index].get_or_insert_with(|| Kept::new(key.len()));
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
    pub fn keep(&mut self, feature: usize, end: i64, rows: &RecordBatch) {
        let Some(kept) = self.features.get_mut(feature).and_then(Option::as_mut) else { return };
        let (rows, keys) = (rows.clone(), kept.keys);
        kept.windows.push_back(PastWindow { end, rows, keys, by_key: OnceCell::new() });
    }

    /// Windows that end from now on end at `end` or later.
    pub fn forget(&mut self, end: i64) {
        for kept in self.features.iter_mut().flatten() {
            while kept.windows.pop_front_if(|window| window.end <= end.saturating_sub(kept.back)).is_some() {}
        }
    }
}

impl Kept {
    fn new(keys: usize) -> Self {
        Self { back: 0, keys, windows: VecDeque::new() }
    }
}

impl PastWindow {
    /// The places of its rows by key.
    pub fn by_key(&self) -> Result<&HashMap<Box<[u8]>, u32>, ArrowError> {
        if let Some(known) = self.by_key.get() {
            return Ok(known);
        }
        let mut by_key = HashMap::with_capacity(self.rows.num_rows());
        let keys = &self.rows.columns()[..self.keys];
        for (key, place) in encoded(keys, self.rows.num_rows())?.into_iter().zip(0u32..) {
            by_key.insert(key, place);
        }
        Ok(self.by_key.get_or_init(|| by_key))
    }
}

/// Keys as bytes, equal where they are; NULL is equal to NULL.
pub fn encoded(keys: &[ArrayRef], rows: usize) -> Result<Vec<Box<[u8]>>, ArrowError> {
    if keys.is_empty() {
        return Ok(vec![Box::default(); rows]);
    }
    let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
    let converter = RowConverter::new(fields)?;
    Ok(converter.convert_columns(keys)?.iter().map(|row| row.data().into()).collect())
}
