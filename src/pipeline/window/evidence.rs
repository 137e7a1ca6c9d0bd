//! The first rows of each key, by (`event_time`, `row_id`): what an alert shows of the raw flows behind it.

use std::sync::Arc;

use crate::record::EventTime;

/// A flow kept for an alert.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvidenceRow {
    pub event_time: EventTime,
    pub row_id: i64,
    /// The flow: shared by all windows that keep it.
    pub flow: Arc<str>,
}

/// What is called for each flow behind a row: its event time, its `row_id`, and the flow written out.
pub type SeeFlow<'a> = dyn FnMut(EventTime, i64, &dyn Fn() -> Arc<str>) + 'a;

/// The flows behind the rows of a batch. A flow is written out only when some window keeps it, and then once.
pub trait EvidenceRows {
    fn for_each(&self, row: usize, see: &mut SeeFlow);
}

/// The first rows of each slot, sorted.
#[derive(Debug)]
pub struct Evidence {
    rows_max: usize,
    slots: Vec<Vec<EvidenceRow>>,
}

impl Evidence {
    pub fn new(rows_max: usize) -> Self {
        Self { rows_max, slots: Vec::new() }
    }

    pub fn grow(&mut self, slots: usize) {
        if self.rows_max > 0 {
            self.slots.resize_with(slots, Vec::new);
        }
    }

    pub fn add(&mut self, slot: u32, rows: &dyn EvidenceRows, row: usize) {
        rows.for_each(row, &mut |event_time, row_id, flow| {
            if self.keeps(slot, event_time, row_id) {
                self.insert(slot, EvidenceRow { event_time, row_id, flow: flow() });
            }
        });
    }

    fn keeps(&self, slot: u32, event_time: EventTime, row_id: i64) -> bool {
        let Some(kept) = self.slots.get(slot as usize) else { return false };
        kept.len() < self.rows_max
            || kept.last().is_some_and(|last| (event_time, row_id) < (last.event_time, last.row_id))
    }

    fn insert(&mut self, slot: u32, row: EvidenceRow) {
        let Some(kept) = self.slots.get_mut(slot as usize) else { return };
        // The same flow comes once from each overlapping window of an upstream feature.
        if kept.iter().any(|other| Arc::ptr_eq(&other.flow, &row.flow)) {
            return;
        }
        kept.insert(kept.partition_point(|other| *other <= row), row);
        kept.truncate(self.rows_max);
    }

    pub fn merge(&mut self, other: &Self, slots: &[u32]) {
        for (slot, rows) in slots.iter().zip(&other.slots) {
            for row in rows {
                if self.keeps(*slot, row.event_time, row.row_id) {
                    self.insert(*slot, row.clone());
                }
            }
        }
    }

    /// The rows of slots `0..slots`.
    pub fn rows(&self, slots: usize) -> Vec<Vec<EvidenceRow>> {
        let mut rows = self.slots.clone();
        rows.resize_with(slots, Vec::new);
        rows
    }
}
