//! The first rows of each key, by (`event_time`, `row_id`): what an alert shows of the raw flows behind it.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::pipeline::saved::{Loader, Saved, SavedError, Saver};
use crate::record::EventTime;

/// A flow kept for an alert.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvidenceRow {
    pub event_time: EventTime,
    pub row_id: i64,
    /// The flow, see [`crate::pipeline::evidence::json_of`]: shared by all windows that keep it.
    pub flow: Arc<[u8]>,
}

/// What is called for each flow behind a row: its event time, its `row_id`, and the flow written out.
pub type SeeFlow<'a> = dyn FnMut(EventTime, i64, &dyn Fn() -> Arc<[u8]>) + 'a;

/// The flows behind the rows of a batch. A flow is written out only when some window keeps it, and then once.
pub trait EvidenceRows {
    fn for_each(&self, row: usize, see: &mut SeeFlow);

    /// All that are behind a row.
    fn of_row(&self, row: usize) -> FirstRows {
        let mut all = FirstRows::new();
        self.for_each(row, &mut |event_time, row_id, flow| {
            all.push(EvidenceRow { event_time, row_id, flow: flow() });
        });
        all
    }
}

/// Most keys of a pane have one row.
pub type FirstRows = SmallVec<[EvidenceRow; 1]>;

/// The flows behind some rows of a batch.
pub struct Picked<'a> {
    pub rows: &'a dyn EvidenceRows,
    /// Their places in the batch.
    pub places: &'a [usize],
}

impl EvidenceRows for Picked<'_> {
    fn for_each(&self, row: usize, see: &mut SeeFlow) {
        self.rows.for_each(self.places[row], see);
    }
}

/// The first rows of each slot of a pane, sorted.
#[derive(Debug, Clone)]
pub struct Evidence {
    rows_max: usize,
    /// Key numbers, by slot.
    keys: Vec<u32>,
    slots: Vec<FirstRows>,
}

impl Evidence {
    pub fn new(rows_max: usize) -> Self {
        Self { rows_max, keys: Vec::new(), slots: Vec::new() }
    }

    /// Makes room for all slots of a pane with these keys.
    pub fn grow(&mut self, keys: &[u32]) {
        self.keys.extend_from_slice(&keys[self.keys.len()..]);
        self.slots.resize_with(keys.len(), FirstRows::new);
    }

    /// Keys have other numbers from now on.
    pub fn rename(&mut self, renamed: &[u32]) {
        self.keys.iter_mut().for_each(|key| *key = renamed[*key as usize]);
    }

    /// Only these slots.
    pub fn keep(&mut self, slots: &[u32]) {
        self.keys = slots.iter().map(|slot| self.keys[*slot as usize]).collect();
        self.slots = slots.iter().map(|slot| std::mem::take(&mut self.slots[*slot as usize])).collect();
    }

    /// Has no room for more from now on.
    pub fn shrink(&mut self) {
        self.keys.shrink_to_fit();
        self.slots.shrink_to_fit();
    }

    pub fn add(&mut self, slot: u32, rows: &dyn EvidenceRows, row: usize) {
        if let Some(kept) = self.slots.get_mut(slot as usize) {
            add(kept, self.rows_max, rows, row);
        }
    }
}

impl Saved for Evidence {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(&self.keys)?;
        out.flows_behind(&self.slots)
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        self.keys = from.take()?;
        self.slots = from.flows_behind()?;
        Ok(())
    }
}

/// Adds what is behind a row to the first rows.
pub(super) fn add(kept: &mut FirstRows, rows_max: usize, rows: &dyn EvidenceRows, row: usize) {
    rows.for_each(row, &mut |event_time, row_id, flow| {
        if keeps(kept, rows_max, event_time, row_id) {
            insert(kept, rows_max, EvidenceRow { event_time, row_id, flow: flow() });
        }
    });
}

fn keeps(kept: &[EvidenceRow], rows_max: usize, event_time: EventTime, row_id: i64) -> bool {
    kept.len() < rows_max || kept.last().is_some_and(|last| (event_time, row_id) < (last.event_time, last.row_id))
}

/// Adds the first rows of another.
pub(super) fn merge(kept: &mut FirstRows, rows_max: usize, other: &[EvidenceRow]) {
    for row in other {
        if keeps(kept, rows_max, row.event_time, row.row_id) {
            insert(kept, rows_max, row.clone());
        }
    }
}

fn insert(kept: &mut FirstRows, rows_max: usize, row: EvidenceRow) {
    // The same flow comes once from each overlapping window of an upstream feature.
    if kept.iter().any(|other| Arc::ptr_eq(&other.flow, &row.flow)) {
        return;
    }
    // Most come in order.
    let place = match kept.last() {
        Some(last) if *last > row => kept.partition_point(|other| *other <= row),
        _ => kept.len(),
    };
    kept.insert(place, row);
    kept.truncate(rows_max);
}

/// The flows behind the rows of a relation, put together when somebody asks: most windows have no hit.
#[derive(Debug)]
pub enum FlowsBehind {
    Rows(Vec<FirstRows>),
    /// A window that is a pane, with all of its rows.
    Pane(Arc<Evidence>),
    Panes(OfPanes),
    /// Some rows of another relation, by place.
    Picked(Arc<FlowsBehind>, Vec<usize>),
}

/// Of a window's rows: what its panes keep of their keys.
#[derive(Debug)]
pub struct OfPanes {
    /// Key numbers, by row.
    keys: Vec<u32>,
    panes: Vec<Arc<Evidence>>,
    merged: OnceLock<Vec<FirstRows>>,
}

impl FlowsBehind {
    pub fn none() -> Self {
        Self::Rows(Vec::new())
    }

    pub fn of_panes(keys: &[u32], panes: Vec<Arc<Evidence>>) -> Self {
        // Told once, not for each row.
        if let [pane] = panes.as_slice()
            && pane.keys == keys
        {
            return Self::Pane(Arc::clone(pane));
        }
        Self::Panes(OfPanes { keys: keys.to_vec(), panes, merged: OnceLock::new() })
    }

    /// Those of some rows.
    pub fn picked(self: &Arc<Self>, places: Vec<usize>) -> Self {
        Self::Picked(Arc::clone(self), places)
    }

    pub fn of(&self, row: usize) -> &[EvidenceRow] {
        match self {
            Self::Rows(rows) => rows.get(row).map(SmallVec::as_slice).unwrap_or_default(),
            Self::Pane(pane) => pane.slots.get(row).map(SmallVec::as_slice).unwrap_or_default(),
            Self::Panes(panes) => panes.rows().get(row).map(SmallVec::as_slice).unwrap_or_default(),
            Self::Picked(all, places) => places.get(row).map(|place| all.of(*place)).unwrap_or_default(),
        }
    }
}

impl OfPanes {
    fn rows(&self) -> &[FirstRows] {
        self.merged.get_or_init(|| self.merge())
    }

    fn merge(&self) -> Vec<FirstRows> {
        let mut merged = vec![FirstRows::new(); self.keys.len()];
        let rows: FxHashMap<u32, usize> = self.keys.iter().enumerate().map(|(row, key)| (*key, row)).collect();
        for pane in &self.panes {
            for (key, kept) in pane.keys.iter().zip(&pane.slots) {
                if let Some(row) = rows.get(key) {
                    merge(&mut merged[*row], pane.rows_max, kept);
                }
            }
        }
        merged
    }
}

impl EvidenceRows for FlowsBehind {
    fn for_each(&self, row: usize, see: &mut SeeFlow) {
        for kept in self.of(row) {
            see(kept.event_time, kept.row_id, &|| Arc::clone(&kept.flow));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::record::EventTime;

    use super::{Evidence, EvidenceRow, FirstRows, FlowsBehind};

    /// Telling that the rows of a window are those of its pane costs all of its keys: not for each row.
    #[test]
    fn a_window_that_is_a_pane_is_told_once() {
        let mut pane = Evidence::new(3);
        pane.grow(&[7, 2]);
        let flow = EvidenceRow { event_time: EventTime(1), row_id: 5, flow: Arc::from([1u8]) };
        pane.slots[1] = FirstRows::from_iter([flow]);
        let pane = Arc::new(pane);
        let whole = FlowsBehind::of_panes(&[7, 2], vec![Arc::clone(&pane)]);
        assert!(matches!(&whole, FlowsBehind::Pane(_)));
        assert_eq!((whole.of(0).len(), whole.of(1).len(), whole.of(2).len()), (0, 1, 0));
        for (keys, with_rows) in [(vec![2], 0), (vec![2, 7], 0)] {
            let some = FlowsBehind::of_panes(&keys, vec![Arc::clone(&pane)]);
            assert!(matches!(&some, FlowsBehind::Panes(_)));
            assert_eq!(some.of(with_rows).len(), 1);
        }
    }
}
