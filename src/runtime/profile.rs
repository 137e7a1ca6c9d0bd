//! What inputs of a source hold, column by column, and what that means for the rules. Runs ingest and
//! normalization alone: no windows, no rules.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::ArrayRef;
use serde_json::{Value as Json, json};

use crate::pipeline::ingest::{Ignored, RawBatch, Reader, ReaderOptions};
use crate::pipeline::normalize::{Keep, Normalizer};
use crate::plan::Plan;
use crate::port::Input;
use crate::record::{Column, EventTime, Micros, Reject, RejectReason, flow};
use crate::target::datafusion::Lookups;

use super::profile_column::ColumnProfile;
use super::profile_lint::{Silent, silent};
use super::run::{Progress, RunError};

/// Steps of lateness that advice is given in.
const STEPS: [i64; 14] = [0, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 21_600, 86_400];
const MICROS: i64 = 1_000_000;
/// Advice covers this share of the rows: one in so many may be later.
const LATER_ONE_IN: u64 = 10_000;

#[derive(Debug)]
pub struct Profile {
    pub source: String,
    pub offered: u64,
    pub rows: u64,
    pub filtered: u64,
    /// By reason: how many, and the first.
    pub rejected: BTreeMap<RejectReason, (u64, Reject)>,
    pub ignored: Ignored,
    pub raw: Vec<ColumnProfile>,
    pub flows: Vec<ColumnProfile>,
    pub disorder: Disorder,
    pub silent: Vec<Silent>,
    pub interrupted: bool,
}

/// Event times, in the order of arrival within each input.
#[derive(Debug)]
pub struct Disorder {
    pub first: Option<EventTime>,
    pub last: Option<EventTime>,
    /// The source's `lateness`.
    pub allowed: Micros,
    /// How far behind the latest row before it a row was, at most.
    pub worst: Micros,
    /// Rows behind a row before them.
    pub behind: u64,
    /// Rows later than `allowed`: they may miss their windows.
    pub late: u64,
    /// Rows by the first of [`STEPS`] that covers them; the last place is for those that none covers.
    steps: [u64; STEPS.len() + 1],
    rows: u64,
    /// The latest time of the current input.
    latest: Option<i64>,
}

impl Disorder {
    fn new(allowed: Micros) -> Self {
        Self {
            first: None,
            last: None,
            allowed,
            worst: Micros::ZERO,
            behind: 0,
            late: 0,
            steps: [0; STEPS.len() + 1],
            rows: 0,
            latest: None,
        }
    }

    fn see(&mut self, time: i64) {
        let at = EventTime(time);
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        let latest = self.latest.map_or(time, |latest| latest.max(time));
        self.latest = Some(latest);
        let lag = latest.saturating_sub(time);
        self.rows += 1;
        self.behind += u64::from(lag > 0);
        self.late += u64::from(lag > self.allowed.0);
        self.worst = self.worst.max(Micros(lag));
        let step = STEPS.iter().position(|step| lag <= step * MICROS).unwrap_or(STEPS.len());
        self.steps[step] += 1;
    }

    /// The shortest lateness that covers all rows but one in [`LATER_ONE_IN`].
    pub fn advised(&self) -> Option<Micros> {
        let may_miss = self.rows / LATER_ONE_IN;
        let mut left = self.rows;
        for (step, rows) in STEPS.iter().zip(&self.steps) {
            left -= rows;
            if left <= may_miss {
                return Some(Micros(step * MICROS));
            }
        }
        None
    }
}

/// Reads the inputs of a source to their end, or until `stop`.
pub fn profile(
    plan: &Plan,
    source: usize,
    inputs: &[Arc<dyn Input>],
    threads: usize,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Profile, RunError> {
    let mut source = plan.sources[source].clone();
    for field in &mut source.raw.fields {
        field.wanted = true;
    }
    let flows = flow::columns();
    let normalizer = Normalizer::new(&source, &vec![true; flows.len()], Keep::default(), &Lookups::of(plan))?;
    let raw = source.raw.fields.iter().map(|f| Column::new(f.name.clone(), f.ty, !f.required));
    let mut seen = Profile {
        source: source.name.clone(),
        offered: 0,
        rows: 0,
        filtered: 0,
        rejected: BTreeMap::new(),
        ignored: Ignored::default(),
        raw: raw.map(|column| ColumnProfile::new(&column)).collect(),
        flows: flows.iter().map(ColumnProfile::new).collect(),
        disorder: Disorder::new(source.lateness),
        silent: Vec::new(),
        interrupted: false,
    };
    let schema = Arc::new(source.raw.clone());
    let options = ReaderOptions { threads, ..ReaderOptions::default() };
    'inputs: for input in inputs {
        seen.disorder.latest = None;
        let name = input.name();
        let mut reader = Reader::open(Arc::clone(input), Arc::clone(&schema), &options)?;
        while let Some(batch) = reader.next_batch()? {
            let (bytes, rows) = (batch.bytes, seen.rows);
            seen.batch(batch, &normalizer, &name)?;
            progress.advanced(bytes, seen.rows - rows, 0);
            if stop.load(Ordering::Relaxed) {
                seen.interrupted = true;
                break 'inputs;
            }
        }
    }
    seen.silent = silent(plan, &seen.flows);
    Ok(seen)
}

impl Profile {
    fn batch(&mut self, batch: RawBatch, normalizer: &Normalizer, name: &Arc<str>) -> Result<(), RunError> {
        let normalized = normalizer.run(&batch, name, None)?;
        self.offered += batch.offered;
        self.filtered += normalized.filtered;
        see(&mut self.raw, batch.rows.columns());
        see(&mut self.flows, normalized.flows.rows.columns());
        self.rows += normalized.flows.times.len() as u64;
        normalized.flows.times.iter().for_each(|time| self.disorder.see(*time));
        self.ignored.merge(&batch.ignored);
        for reject in batch.rejects.into_iter().chain(normalized.rejects) {
            self.rejected.entry(reject.reason).or_insert((0, reject)).0 += 1;
        }
        Ok(())
    }

    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().map(|(rows, _)| rows).sum()
    }

    pub fn json(&self) -> Json {
        let columns = |columns: &[ColumnProfile]| columns.iter().map(ColumnProfile::json).collect::<Vec<_>>();
        let rejected = self.rejected.iter().map(|(reason, (rows, first))| {
            json!({
                "reason": reason.code(),
                "rows": rows,
                "first": {"file": &*first.origin.file, "line": first.origin.line, "detail": first.detail},
            })
        });
        let silent = self.silent.iter().map(|silent| {
            json!({
                "column": silent.column,
                "value": silent.value.json(),
                "unfilled": silent.is_unfilled(),
                "rules": silent.rules,
            })
        });
        let time = |time: Option<EventTime>| time.map(|time| time.to_string());
        json!({
            "source": self.source,
            "offered": self.offered,
            "rows": self.rows,
            "filtered": self.filtered,
            "rejected": rejected.collect::<Vec<_>>(),
            "ignored_fields": self.ignored.counts(),
            "raw": columns(&self.raw),
            "flows": columns(&self.flows),
            "event_time": {
                "first": time(self.disorder.first),
                "last": time(self.disorder.last),
                "lateness_us": self.disorder.allowed.0,
                "out_of_order_rows": self.disorder.behind,
                "late_rows": self.disorder.late,
                "worst_lag_us": self.disorder.worst.0,
                "advised_lateness_us": self.disorder.advised().map(|length| length.0),
            },
            "silent": silent.collect::<Vec<_>>(),
            "interrupted": self.interrupted,
        })
    }
}

fn see(columns: &mut [ColumnProfile], arrays: &[ArrayRef]) {
    for (column, array) in columns.iter_mut().zip(arrays) {
        column.see(array);
    }
}

#[cfg(test)]
mod tests {
    use super::Disorder;
    use crate::record::Micros;

    #[test]
    fn lateness_is_what_the_rows_before_make_it() {
        let mut disorder = Disorder::new(Micros(1_000_000));
        for second in [10, 12, 11, 9, 13] {
            disorder.see(second * 1_000_000);
        }
        assert_eq!((disorder.behind, disorder.late, disorder.worst), (2, 1, Micros(3_000_000)));
        assert_eq!(disorder.advised(), Some(Micros(5_000_000)));
        assert_eq!((disorder.first.unwrap().0, disorder.last.unwrap().0), (9_000_000, 13_000_000));
    }

    #[test]
    fn no_advice_covers_days() {
        let mut disorder = Disorder::new(Micros(0));
        disorder.see(10 * 86_400_000_000);
        disorder.see(0);
        assert_eq!(disorder.advised(), None);
    }
}
