//! Inputs to one log: rows of all inputs in the order of their event time, with the watermark before each.
//!
//! The rule is by row and depends on the data only: the next row comes from the unfinished input whose watermark
//! (largest event time so far − lateness) is smallest, the first of them on ties. The watermark of the log is that
//! smallest value, so it never passes what an input may still bring.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::{concat_batches, interleave_record_batch};
use datafusion::arrow::error::ArrowError;

use crate::record::Micros;

use super::batch::{AdmittedBatch, FlowBatch};

/// Rows that are worth a batch when inputs alternate.
const BATCH_ROWS: usize = 4_096;

/// The watermark before any row.
pub const BEFORE_ALL: i64 = i64::MIN;

/// One input, as the merge sees it.
struct Lane {
    lateness: i64,
    watermark: i64,
    /// The current batch and the next row in it.
    batch: Option<FlowBatch>,
    next: usize,
    finished: bool,
    /// A live input that is silent: it holds nothing back until it gives again.
    idle: bool,
    /// Rows move the watermark as if their event time were at most this.
    ceiling: i64,
}

/// Merges lanes row by row.
pub struct Merge {
    lanes: Vec<Lane>,
    /// Raised by the clock of live inputs.
    floor: i64,
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
            watermark: BEFORE_ALL,
            batch: None,
            next: 0,
            finished: false,
            idle: false,
            ceiling: i64::MAX,
        });
        Self { lanes: lanes.collect(), floor: BEFORE_ALL }
    }

    /// Gives a lane its next batch; `None` ends it.
    pub fn give(&mut self, lane: usize, batch: Option<FlowBatch>) {
        let lane = &mut self.lanes[lane];
        match batch {
            Some(batch) => (lane.batch, lane.next) = (Some(batch), 0),
            None => (lane.batch, lane.finished) = (None, true),
        }
        lane.idle = false;
    }

    /// A live input has been silent: the others go on without it.
    pub fn rest(&mut self, lane: usize) {
        self.floor = self.watermark();
        self.lanes[lane].idle = true;
    }

    /// Lanes that rest.
    pub fn resting(&self) -> Vec<usize> {
        let resting = self.lanes.iter().enumerate().filter(|(_, lane)| lane.idle && !lane.finished);
        resting.map(|(index, _)| index).collect()
    }

    /// Does another lane than this one still hold the watermark?
    pub fn others_active(&self, lane: usize) -> bool {
        self.lanes.iter().enumerate().any(|(index, other)| index != lane && !other.finished && !other.idle)
    }

    /// Live input: the watermark never passes the clock − lateness, whatever rows say.
    pub fn cap(&mut self, lane: usize, now: i64) {
        self.lanes[lane].ceiling = now;
    }

    /// The watermark: the smallest of the unfinished lanes.
    pub fn watermark(&self) -> i64 {
        let open = self.lanes.iter().filter(|lane| !lane.finished && !lane.idle).map(|lane| lane.watermark);
        open.min().unwrap_or(BEFORE_ALL).max(self.floor)
    }

    /// The largest watermark any lane reached: where the data ends.
    pub fn last_watermark(&self) -> i64 {
        self.lanes.iter().map(|lane| lane.watermark).max().unwrap_or(BEFORE_ALL).max(self.floor)
    }

    /// Rows that were given and have not come out.
    pub fn waiting_rows(&self) -> u64 {
        let rest = self.lanes.iter().filter_map(|lane| Some(lane.batch.as_ref()?.times.len() - lane.next));
        rest.sum::<usize>() as u64
    }

    /// A clock has moved: an idle live lane does not hold the watermark back.
    pub fn raise(&mut self, watermark: i64) {
        self.floor = self.floor.max(watermark);
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
        // Resting lanes are waited for only when nobody else is left.
        open.min_by_key(|(index, lane)| (lane.idle, lane.watermark, *index)).map(|(index, _)| index)
    }

    /// The smallest (watermark, index) of the other unfinished lanes.
    fn limit(&self, lane: usize) -> Option<(i64, usize)> {
        let others =
            self.lanes.iter().enumerate().filter(|(index, other)| *index != lane && !other.finished && !other.idle);
        others.map(|(index, other)| (other.watermark, index)).min()
    }

    /// Takes rows while this lane is the first one.
    fn take(&mut self, index: usize, limit: Option<(i64, usize)>, admit: &mut Vec<i64>) -> Run {
        let floor = self.floor;
        let lane = &mut self.lanes[index];
        let start = lane.next;
        if let Some(batch) = &lane.batch {
            while let Some(time) = batch.times.get(lane.next) {
                if limit.is_some_and(|limit| (lane.watermark, index) > limit) {
                    break;
                }
                admit.push(lane.watermark.max(floor));
                let counted = (*time).min(lane.ceiling);
                lane.watermark = lane.watermark.max(counted.saturating_sub(lane.lateness));
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
        self.floor = self.watermark();
        Ok(Step::Rows(AdmittedBatch { flows, admit, watermark: self.floor }))
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
        let parts: Vec<FlowBatch> = runs.iter().map(|run| self.slice(run)).collect();
        let mut whole = FlowBatch::empty();
        for part in &parts {
            whole.times.extend_from_slice(&part.times);
            whole.origins.extend_from_slice(&part.origins);
            whole.duplicates.extend_from_slice(&part.duplicates);
        }
        let lanes: Vec<&RecordBatch> =
            self.lanes.iter().filter_map(|lane| lane.batch.as_ref()).map(|b| &b.rows).collect();
        let places: Vec<usize> = self
            .lanes
            .iter()
            .scan(0, |next, lane| {
                let place = *next;
                *next += usize::from(lane.batch.is_some());
                Some(place)
            })
            .collect();
        // Long runs are cheaper to copy whole.
        whole.rows = if whole.times.len() > runs.len() * 64 {
            let schema = parts.first().map_or_else(|| whole.rows.schema(), |p| p.rows.schema());
            concat_batches(&schema, parts.iter().map(|p| &p.rows))?
        } else {
            let picks: Vec<(usize, usize)> =
                runs.iter().flat_map(|run| (run.start..run.end).map(|row| (places[run.lane], row))).collect();
            interleave_record_batch(&lanes, &picks)?
        };
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::{BEFORE_ALL, Merge, Step};
    use crate::pipeline::batch::FlowBatch;
    use crate::record::Micros;

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
    fn a_resting_lane_holds_nothing_back_until_it_gives() {
        let mut merge = Merge::new(&[Micros(10), Micros(10)]);
        merge.give(0, Some(batch(&[100])));
        merge.give(1, Some(batch(&[100])));
        assert_eq!(rows(&mut merge).2, BEFORE_ALL);
        assert_eq!(rows(&mut merge).2, 90);
        merge.give(1, Some(batch(&[500, 600])));
        assert!(matches!(merge.step(), Ok(Step::Need(0))), "lane 0 may still bring older rows");
        merge.rest(0);
        assert_eq!(rows(&mut merge), (vec![500, 600], vec![90, 490], 590));
        // It comes back with an old row: that is late, and time does not go back.
        merge.give(0, Some(batch(&[200])));
        assert_eq!(rows(&mut merge), (vec![200], vec![590], 590));
    }

    #[test]
    fn a_row_ahead_of_the_clock_does_not_move_the_watermark_past_it() {
        let mut merge = Merge::new(&[Micros(10)]);
        merge.cap(0, 1_000);
        merge.give(0, Some(batch(&[900, 5_000, 950])));
        assert_eq!(rows(&mut merge), (vec![900, 5_000, 950], vec![BEFORE_ALL, 890, 990], 990));
    }
}
