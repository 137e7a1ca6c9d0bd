//! Inputs to one log: rows of all inputs in the order of their event time, with the watermark before each.
//!
//! The rule is by row and depends on the data only: the next row comes from the unfinished input whose watermark
//! (largest event time so far − lateness) is smallest, the first of them on ties. The watermark of the log is that
//! smallest value, so it never passes what an input may still bring. A live input that is silent grows older with the
//! clock: the silence is added to its largest event time.

use std::ops::Range;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::{concat_batches, interleave_record_batch};
use datafusion::arrow::error::ArrowError;

use crate::record::{EventTime, Micros};

use super::batch::{AdmittedBatch, FlowBatch};
use super::saved::{Loader, Saved, SavedError, Saver, mismatch};

/// Rows that are worth a batch when inputs alternate.
const BATCH_ROWS: usize = 4_096;

/// The watermark before any row.
pub const BEFORE_ALL: i64 = i64::MIN;

/// One input, as the merge sees it.
struct Lane {
    lateness: i64,
    /// The largest event time so far.
    latest: i64,
    /// `latest` − lateness, or later after a silence.
    watermark: i64,
    /// The current batch and the next row in it.
    batch: Option<FlowBatch>,
    next: usize,
    finished: bool,
    /// Rows move the watermark as if their event time were at most this.
    ceiling: i64,
    /// Rows that have come out, and those of them that came behind the watermark.
    taken: u64,
    behind: u64,
}

/// Merges lanes row by row.
pub struct Merge {
    lanes: Vec<Lane>,
}

/// What the merge wants.
pub enum Step {
    /// A batch of this lane, or word that it has ended.
    Need(usize),
    Rows(AdmittedBatch),
    /// All lanes have ended.
    Done,
}

/// Rows `start..end` of a lane's current batch.
struct Run {
    lane: usize,
    start: usize,
    end: usize,
}

impl Merge {
    /// One lateness a lane.
    pub fn new(lateness: &[Micros]) -> Self {
        let lanes = lateness.iter().map(|lateness| Lane {
            lateness: lateness.0,
            latest: BEFORE_ALL,
            watermark: BEFORE_ALL,
            batch: None,
            next: 0,
            finished: false,
            ceiling: i64::MAX,
            taken: 0,
            behind: 0,
        });
        Self { lanes: lanes.collect() }
    }

    /// What came before the lanes had this watermark.
    pub fn begin_at(&mut self, watermark: i64) {
        self.lanes.iter_mut().for_each(|lane| lane.watermark = watermark);
    }

    /// Gives a lane its next batch; `None` ends it.
    pub fn give(&mut self, lane: usize, batch: Option<FlowBatch>) {
        let lane = &mut self.lanes[lane];
        match batch {
            Some(batch) => (lane.batch, lane.next) = (Some(batch), 0),
            None => (lane.batch, lane.finished) = (None, true),
        }
    }

    /// Does this lane have to be given something before it can go on?
    pub fn wants(&self, lane: usize) -> bool {
        !self.lanes[lane].finished && self.lanes[lane].batch.is_none()
    }

    /// A live input has been silent since then: its watermark is the largest event time + silence − lateness. Of one
    /// that has given nothing, the silence itself is the largest event time. True when the watermark has moved.
    pub fn tick(&mut self, lane: usize, since: EventTime, now: EventTime) -> bool {
        // Before the first row of all nothing waits, and what comes first may be old.
        if self.lanes.iter().all(|lane| lane.latest == BEFORE_ALL && lane.batch.is_none()) {
            return false;
        }
        let watermark = self.ticked(lane, since, now);
        let lane = &mut self.lanes[lane];
        let moved = watermark > lane.watermark;
        lane.watermark = lane.watermark.max(watermark);
        moved
    }

    /// The watermark that a silence leads to.
    pub fn ticked(&self, lane: usize, since: EventTime, now: EventTime) -> i64 {
        let lane = &self.lanes[lane];
        let latest = if lane.latest == BEFORE_ALL { since.0 } else { lane.latest };
        latest.saturating_add(now.0.saturating_sub(since.0)).saturating_sub(lane.lateness)
    }

    /// Rows of a lane that have come out, and how many of them came behind the watermark.
    pub fn behind(&self, lane: usize) -> (u64, u64) {
        (self.lanes[lane].taken, self.lanes[lane].behind)
    }

    /// The largest event time of a lane.
    pub fn latest(&self, lane: usize) -> i64 {
        self.lanes[lane].latest
    }

    pub fn watermark_of(&self, lane: usize) -> i64 {
        self.lanes[lane].watermark
    }

    /// Live input: the watermark never passes the clock − lateness, whatever rows say.
    pub fn cap(&mut self, lane: usize, now: EventTime) {
        self.lanes[lane].ceiling = now.0;
    }

    /// The watermark: the smallest of the unfinished lanes.
    pub fn watermark(&self) -> i64 {
        let open = self.lanes.iter().filter(|lane| !lane.finished).map(|lane| lane.watermark);
        open.min().unwrap_or(BEFORE_ALL)
    }

    /// The largest watermark any lane reached: where the data ends.
    pub fn last_watermark(&self) -> i64 {
        self.lanes.iter().map(|lane| lane.watermark).max().unwrap_or(BEFORE_ALL)
    }

    /// Rows that were given and have not come out.
    pub fn waiting_rows(&self) -> u64 {
        (0..self.lanes.len()).map(|lane| self.waiting_rows_of(lane)).sum()
    }

    /// Those of a lane.
    pub fn waiting_rows_of(&self, lane: usize) -> u64 {
        let lane = &self.lanes[lane];
        lane.batch.as_ref().map_or(0, |batch| batch.times.len() - lane.next) as u64
    }

    pub fn step(&mut self) -> Result<Step, ArrowError> {
        let mut runs: Vec<Run> = Vec::new();
        let mut admit = Vec::new();
        loop {
            let Some(lane) = self.first_lane() else {
                return if runs.is_empty() { Ok(Step::Done) } else { self.rows(&runs, admit) };
            };
            if self.lanes[lane].batch.is_none() {
                return if runs.is_empty() { Ok(Step::Need(lane)) } else { self.rows(&runs, admit) };
            }
            let limit = self.limit(lane);
            let run = self.take(lane, limit, &mut admit);
            let exhausted = self.lanes[lane].batch.as_ref().is_none_or(|b| self.lanes[lane].next >= b.times.len());
            match runs.last_mut() {
                Some(last) if last.lane == lane && last.end == run.start => last.end = run.end,
                _ => runs.push(run),
            }
            if exhausted || admit.len() >= BATCH_ROWS {
                let step = self.rows(&runs, admit);
                for lane in &mut self.lanes {
                    if lane.batch.as_ref().is_some_and(|b| lane.next >= b.times.len()) {
                        lane.batch = None;
                    }
                }
                return step;
            }
        }
    }

    fn first_lane(&self) -> Option<usize> {
        let open = self.lanes.iter().enumerate().filter(|(_, lane)| !lane.finished);
        open.min_by_key(|(index, lane)| (lane.watermark, *index)).map(|(index, _)| index)
    }

    /// The smallest (watermark, index) of the other unfinished lanes.
    fn limit(&self, lane: usize) -> Option<(i64, usize)> {
        let others = self.lanes.iter().enumerate().filter(|(index, other)| *index != lane && !other.finished);
        others.map(|(index, other)| (other.watermark, index)).min()
    }

    /// Takes rows while this lane is the first one.
    fn take(&mut self, index: usize, limit: Option<(i64, usize)>, admit: &mut Vec<i64>) -> Run {
        let lane = &mut self.lanes[index];
        let start = lane.next;
        if let Some(batch) = &lane.batch {
            while let Some(time) = batch.times.get(lane.next) {
                if limit.is_some_and(|limit| (lane.watermark, index) > limit) {
                    break;
                }
                admit.push(lane.watermark);
                lane.taken += 1;
                lane.behind += u64::from(*time < lane.watermark);
                lane.latest = lane.latest.max((*time).min(lane.ceiling));
                lane.watermark = lane.watermark.max(lane.latest.saturating_sub(lane.lateness));
                lane.next += 1;
            }
        }
        Run { lane: index, start, end: lane.next }
    }

    fn rows(&mut self, runs: &[Run], admit: Vec<i64>) -> Result<Step, ArrowError> {
        let flows = match runs {
            [run] => self.slice(run),
            _ => self.interleave(runs)?,
        };
        Ok(Step::Rows(AdmittedBatch { flows, admit, watermark: self.watermark() }))
    }

    fn slice(&self, run: &Run) -> FlowBatch {
        let Some(batch) = &self.lanes[run.lane].batch else {
            return FlowBatch::empty();
        };
        if run.start == 0 && run.end == batch.times.len() {
            return batch.clone();
        }
        batch.slice(run.start, run.end - run.start)
    }

    fn interleave(&self, runs: &[Run]) -> Result<FlowBatch, ArrowError> {
        let mut whole = FlowBatch::empty();
        // Of many lanes few may be in these runs.
        let mut lanes: Vec<usize> = runs.iter().map(|run| run.lane).collect();
        lanes.sort_unstable();
        lanes.dedup();
        let batches: Vec<&FlowBatch> = lanes.iter().filter_map(|lane| self.lanes[*lane].batch.as_ref()).collect();
        let parts = runs.iter().filter_map(|run| Some((lanes.binary_search(&run.lane).ok()?, run.start..run.end)));
        let parts: Vec<(usize, Range<usize>)> = parts.collect();
        for (place, rows) in &parts {
            let batch = batches[*place];
            whole.times.extend_from_slice(&batch.times[rows.clone()]);
            whole.origins.extend_from_slice(batch.origins.get(rows.clone()).unwrap_or_default());
            whole.duplicates.extend_from_slice(batch.duplicates.get(rows.clone()).unwrap_or_default());
        }
        // Long runs are cheaper to copy whole.
        whole.rows = if whole.times.len() > runs.len() * 64 {
            let slices = parts.iter().map(|(place, rows)| batches[*place].rows.slice(rows.start, rows.len()));
            concat_batches(&whole.rows.schema(), &slices.collect::<Vec<_>>())?
        } else {
            let rows: Vec<&RecordBatch> = batches.iter().map(|batch| &batch.rows).collect();
            let picks = parts.iter().flat_map(|(place, rows)| rows.clone().map(|row| (*place, row)));
            interleave_record_batch(&rows, &picks.collect::<Vec<_>>())?
        };
        Ok(whole)
    }
}

impl Saved for Merge {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(&self.lanes.len())?;
        for lane in &self.lanes {
            out.put(&(lane.latest, lane.watermark, lane.ceiling, lane.finished, lane.batch.is_some()))?;
            out.put(&(lane.taken, lane.behind))?;
            if let Some(batch) = &lane.batch {
                batch.slice(lane.next, batch.times.len() - lane.next).save(out)?;
            }
        }
        Ok(())
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        if from.take::<usize>()? != self.lanes.len() {
            return Err(mismatch("inputs"));
        }
        for lane in &mut self.lanes {
            let under_way: bool;
            (lane.latest, lane.watermark, lane.ceiling, lane.finished, under_way) = from.take()?;
            (lane.taken, lane.behind) = from.take()?;
            (lane.batch, lane.next) = (under_way.then(FlowBatch::empty), 0);
            lane.batch.iter_mut().try_for_each(|batch| batch.load(from))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{BEFORE_ALL, Merge, Step};
    use crate::pipeline::batch::FlowBatch;
    use crate::record::{EventTime, Micros};

    fn batch(times: &[i64]) -> FlowBatch {
        let mut flows = FlowBatch::empty();
        let columns = crate::record::flow::columns();
        let schema = crate::pipeline::batch::schema(&columns);
        let none = columns.iter().map(|_| None).collect();
        flows.rows = crate::pipeline::batch::batch(&schema, none, times.len()).expect("a batch");
        flows.times = times.to_vec();
        flows
    }

    fn rows(merge: &mut Merge) -> (Vec<i64>, Vec<i64>, i64) {
        match merge.step().expect("a step") {
            Step::Rows(batch) => (batch.flows.times, batch.admit, batch.watermark),
            Step::Need(lane) => panic!("wants lane {lane}"),
            Step::Done => panic!("done"),
        }
    }

    #[test]
    fn a_silent_lane_grows_older_with_the_clock() {
        let mut merge = Merge::new(&[Micros(10), Micros(100)]);
        let (since, tick) = (EventTime(1_000), |merge: &mut Merge, lane, now| {
            merge.tick(lane, EventTime(1_000), EventTime(now));
            merge.watermark()
        });
        assert!(!merge.tick(0, since, EventTime(2_000)), "there is nothing to close");
        merge.give(0, Some(batch(&[500])));
        merge.give(1, Some(batch(&[500])));
        assert_eq!(rows(&mut merge).2, BEFORE_ALL);
        assert_eq!(rows(&mut merge).2, 400);
        // Each lane by its own lateness; the log waits for the one that may still bring older rows.
        assert_eq!(tick(&mut merge, 0, 1_050), 400);
        assert_eq!(tick(&mut merge, 1, 1_050), 450);
        merge.give(1, Some(batch(&[460, 900])));
        assert_eq!(rows(&mut merge), (vec![460, 900], vec![450, 450], 540));
        // Time does not go back.
        assert_eq!(tick(&mut merge, 0, 1_000), 540);
        merge.give(0, Some(batch(&[100])));
        assert_eq!(rows(&mut merge), (vec![100], vec![540], 540));
    }

    #[test]
    fn a_lane_that_never_gave_does_not_hold_the_others_back_for_ever() {
        let mut merge = Merge::new(&[Micros(10), Micros(10)]);
        merge.give(1, Some(batch(&[900, 950])));
        assert!(matches!(merge.step(), Ok(Step::Need(0))));
        assert!(merge.tick(0, EventTime(1_000), EventTime(2_000)));
        assert_eq!(rows(&mut merge), (vec![900, 950], vec![BEFORE_ALL, 890], 940));
    }

    #[test]
    fn a_row_ahead_of_the_clock_does_not_move_the_watermark_past_it() {
        let mut merge = Merge::new(&[Micros(10)]);
        merge.cap(0, EventTime(1_000));
        merge.give(0, Some(batch(&[900, 5_000, 950])));
        assert_eq!(rows(&mut merge), (vec![900, 5_000, 950], vec![BEFORE_ALL, 890, 990], 990));
    }
}
