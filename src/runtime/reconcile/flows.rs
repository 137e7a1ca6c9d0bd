//! Flows as the stream took them against flows as the history keeps them: which were late on one side only, which are on
//! one side only. What differs is small, and is kept whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use hashbrown::HashMap;

use crate::pipeline::batch;
use crate::pipeline::merge::BEFORE_ALL;
use crate::record::{EventTime, flow};
use crate::runtime::past::Past;
use crate::runtime::patch::{Patch, PatchRow};
use crate::runtime::replay::ReplayError;

/// How a flow differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowKind {
    /// On both sides, with other watermarks before it.
    Late,
    /// The history does not have it, or has it fewer times.
    NotKept,
    /// The stream did not have it.
    NotEmitted,
}

#[derive(Debug, Clone)]
pub struct FlowDifference {
    pub kind: FlowKind,
    pub row_id: i64,
    pub time: i64,
    /// The watermark before it, where that is behind its event time, else [`BEFORE_ALL`].
    pub emitted: i64,
    pub kept: i64,
    /// As the stream had it, or as the history has it: one row of `flows`.
    pub rows: RecordBatch,
}

/// Flows that the stream put out.
#[derive(Debug, Default)]
pub struct FlowLog {
    batches: Vec<RecordBatch>,
    /// By `row_id`: batch and row.
    places: HashMap<i64, Vec<(usize, usize)>>,
    /// Accepted rows are known, not only the late ones.
    pub whole: bool,
    pub late: bool,
    /// The largest event time, also of flows that are not kept here.
    last: Option<i64>,
}

impl FlowLog {
    /// Rows of the tap `flows` or `late`.
    pub fn push(&mut self, rows: &RecordBatch, span: std::ops::Range<i64>) {
        let ids = rows.column(flow::ROW_ID).as_primitive::<Int64Type>();
        let times = times(rows);
        let mut inside = false;
        self.last = self.last.max(times.iter().copied().max());
        for (row, time) in times.iter().enumerate() {
            if span.contains(time) {
                self.places.entry(ids.value(row)).or_default().push((self.batches.len(), row));
                inside = true;
            }
        }
        if inside {
            self.batches.push(rows.clone());
        }
    }

    /// When the last flow of the stream was; `None` where that is not known.
    pub fn end(&self) -> Option<EventTime> {
        self.last.filter(|_| self.whole).map(EventTime)
    }

    pub fn is_known(&self) -> bool {
        self.whole || self.late
    }

    fn at(&self, (batch, row): (usize, usize)) -> (i64, i64, RecordBatch) {
        let rows = &self.batches[batch];
        let time = rows.column(flow::EVENT_TIME).as_primitive::<TimestampMicrosecondType>().value(row);
        let admit = rows.column(flow::COUNT).as_primitive::<TimestampMicrosecondType>();
        let admit = if admit.is_valid(row) { admit.value(row) } else { BEFORE_ALL };
        let columns = rows.slice(row, 1).columns()[..flow::COUNT].to_vec();
        let flows = batch::leading(&batch::schema(&flow::columns()), columns, 1).unwrap_or_else(|_| rows.slice(row, 1));
        (time, behind(time, admit), flows)
    }

    /// What differs from the flows of the history from an instant on.
    pub fn differences(
        mut self,
        past: &Past,
        from: EventTime,
        stop: &AtomicBool,
    ) -> Result<Vec<FlowDifference>, ReplayError> {
        let mut found = Vec::new();
        let columns = vec![true; flow::COUNT];
        past.flow_batches(from, &columns, stop, &mut |rows, admit| {
            let ids = rows.column(flow::ROW_ID).as_primitive::<Int64Type>();
            let times = times(rows);
            for row in 0..rows.num_rows() {
                let (row_id, time) = (ids.value(row), times[row]);
                let here = behind(time, admit[row]);
                let there = self.places.get_mut(&row_id).filter(|places| !places.is_empty());
                let Some(places) = there else {
                    // Without the tap `late` it is not known whether a late one was there.
                    if self.whole && (self.late || here == BEFORE_ALL) {
                        let rows = rows.slice(row, 1);
                        let emitted = BEFORE_ALL;
                        let kind = FlowKind::NotEmitted;
                        found.push(FlowDifference { kind, row_id, time, emitted, kept: here, rows });
                    }
                    continue;
                };
                let place = places.swap_remove(0);
                let (_, emitted, rows) = self.at(place);
                if emitted != here {
                    let kind = FlowKind::Late;
                    found.push(FlowDifference { kind, row_id, time, emitted, kept: here, rows });
                }
            }
            Ok(())
        })?;
        let left: BTreeMap<i64, Vec<(usize, usize)>> = self.places.drain().collect();
        for (row_id, places) in left {
            for place in places {
                let (time, emitted, rows) = self.at(place);
                let kind = FlowKind::NotKept;
                found.push(FlowDifference { kind, row_id, time, emitted, kept: BEFORE_ALL, rows });
            }
        }
        Ok(found)
    }
}

/// The history with these differences of the stream.
pub fn patch(differences: &[&FlowDifference]) -> Patch {
    let mut patch = Patch::default();
    for difference in differences {
        if difference.kind != FlowKind::NotKept {
            *patch.out.entry(difference.row_id).or_default() += 1;
        }
        if difference.kind != FlowKind::NotEmitted {
            let rows = difference.rows.clone();
            patch.rows.push(PatchRow { rows, time: difference.time, admit: difference.emitted });
        }
    }
    patch
}

/// A watermark matters where it is behind the row's event time.
fn behind(time: i64, admit: i64) -> i64 {
    if admit > time { admit } else { BEFORE_ALL }
}

fn times(rows: &RecordBatch) -> Vec<i64> {
    rows.column(flow::EVENT_TIME).as_primitive::<TimestampMicrosecondType>().values().to_vec()
}

/// Columns that rows of features and rules mostly have from flows.
const OF_KEYS: [&str; 3] = ["subscriber_id", "src_ip", "dst_ip"];

impl FlowDifference {
    /// How many of its names are among these texts.
    pub fn shared(&self, texts: &BTreeSet<String>) -> usize {
        let columns = OF_KEYS.iter().filter_map(|name| self.rows.column_by_name(name)?.as_string_opt::<i32>());
        columns.filter(|column| column.is_valid(0) && texts.contains(column.value(0))).count()
    }

    /// For people.
    pub fn shown(&self) -> String {
        let time = EventTime(self.time);
        let id = self.row_id;
        let at = |admit: i64| match admit {
            BEFORE_ALL => "in time".to_owned(),
            admit => format!("at watermark {}", EventTime(admit)),
        };
        match self.kind {
            FlowKind::Late => {
                format!("flow {id} of {time} came {} in the stream, {} in the history", at(self.emitted), at(self.kept))
            }
            FlowKind::NotKept => format!("flow {id} of {time} was in the stream and is not in the history"),
            FlowKind::NotEmitted => format!("flow {id} of {time} is in the history and was not in the stream"),
        }
    }
}
