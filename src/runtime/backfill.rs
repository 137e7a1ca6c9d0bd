//! Days of history, one after the other or side by side: which are done already, what each reads, what came of it.
//!
//! Where the days are computed is behind [`Days`]: over local files ([`super::replay`]) or in a warehouse. A day that fails
//! is named with its cause, and the others go on. What this may never do: know how a day is computed.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::record::Day;

/// Why a day could not be computed; its text ends with `help:` lines where somebody can do something.
pub type DayError = Box<dyn Error + Send + Sync>;

/// Days that can be computed at some place.
pub trait Days: Sync {
    /// What the day would read, and whether it is done, without doing it.
    fn prepare(&self, day: Day) -> Result<Prepared, DayError>;

    /// Computes the day and puts its rows in the place of what was there. `None` when `stop` came before that: then what
    /// was there stays.
    fn run(&self, day: Day, stop: &AtomicBool) -> Result<Option<DayCounts>, DayError>;
}

#[derive(Debug, Clone, Default)]
pub struct Prepared {
    /// The day's rows are there already, of the same definitions and inputs.
    pub done: bool,
    pub cost: DayCost,
}

/// What a day reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayCost {
    /// Bytes as they are stored, or as they are billed.
    pub bytes: u64,
    /// When known.
    pub rows: Option<u64>,
    pub files: Vec<FileCost>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCost {
    pub path: String,
    pub bytes: u64,
    pub rows: u64,
}

/// What a day gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayCounts {
    /// Rows that were read, those of the look-back among them.
    pub read: u64,
    /// Rows by relation.
    pub relations: BTreeMap<String, u64>,
    /// Rows that a feature or rule could not compute.
    pub row_errors: u64,
    /// Sums that stopped at the bounds of INT64.
    pub saturated: u64,
    /// Of a day in a warehouse, which tells no rows.
    pub billed: Option<Billed>,
}

/// The jobs of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Billed {
    pub bytes: u64,
    /// That were run now.
    pub jobs: u64,
    /// That had ended well before.
    pub found: u64,
}

#[derive(Debug, Clone, Copy)]
pub struct BackfillOptions {
    /// Days side by side.
    pub parallel: usize,
    /// Days that are done are computed again.
    pub again: bool,
    /// Only tells what would be read.
    pub dry_run: bool,
}

/// What became of a day.
#[derive(Debug)]
pub enum Outcome {
    /// Was there already.
    Skipped,
    /// Would be computed.
    Planned(DayCost),
    Done(DayCounts, Duration),
    Failed(DayError),
    /// Not computed, because the backfill was stopped.
    Stopped,
}

#[derive(Debug)]
pub struct DayReport {
    pub day: Day,
    pub outcome: Outcome,
}

/// All days, in their order.
#[derive(Debug)]
pub struct BackfillReport {
    pub days: Vec<DayReport>,
    pub elapsed: Duration,
}

/// What a backfill tells while it goes on.
pub trait DayProgress: Sync {
    fn finished(&self, day: &DayReport);
}

/// Computes the days, `parallel` at a time, in their order.
pub fn backfill(
    days: &[Day],
    target: &dyn Days,
    options: BackfillOptions,
    progress: &dyn DayProgress,
    stop: &AtomicBool,
) -> BackfillReport {
    let started = Instant::now();
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<DayReport>> = Mutex::new(Vec::with_capacity(days.len()));
    let work = || {
        while let Some(day) = days.get(next.fetch_add(1, Ordering::Relaxed)) {
            let report = DayReport { day: *day, outcome: one(*day, target, options, stop) };
            progress.finished(&report);
            if let Ok(mut done) = done.lock() {
                done.push(report);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..options.parallel.min(days.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut days = done.into_inner().unwrap_or_default();
    days.sort_by_key(|report| report.day);
    BackfillReport { days, elapsed: started.elapsed() }
}

fn one(day: Day, target: &dyn Days, options: BackfillOptions, stop: &AtomicBool) -> Outcome {
    if stop.load(Ordering::Relaxed) {
        return Outcome::Stopped;
    }
    let prepared = match target.prepare(day) {
        Ok(prepared) => prepared,
        Err(error) => return Outcome::Failed(error),
    };
    if prepared.done && !options.again {
        return Outcome::Skipped;
    }
    if options.dry_run {
        return Outcome::Planned(prepared.cost);
    }
    let started = Instant::now();
    match target.run(day, stop) {
        Ok(Some(counts)) => Outcome::Done(counts, started.elapsed()),
        Ok(None) => Outcome::Stopped,
        Err(error) => Outcome::Failed(error),
    }
}

impl BackfillReport {
    pub fn failed(&self) -> usize {
        self.days.iter().filter(|day| matches!(day.outcome, Outcome::Failed(_))).count()
    }

    pub fn interrupted(&self) -> bool {
        self.days.iter().any(|day| matches!(day.outcome, Outcome::Stopped))
    }

    pub fn json(&self) -> Json {
        json!({
            "days": self.days.iter().map(DayReport::json).collect::<Vec<_>>(),
            "failed": self.failed(),
            "interrupted": self.interrupted(),
            "seconds": self.elapsed.as_secs_f64(),
        })
    }
}

impl DayReport {
    pub fn json(&self) -> Json {
        let mut object = match &self.outcome {
            Outcome::Skipped => json!({"outcome": "skipped"}),
            Outcome::Stopped => json!({"outcome": "stopped"}),
            Outcome::Failed(error) => json!({"outcome": "failed", "error": causes(error.as_ref())}),
            Outcome::Planned(cost) => {
                let files = cost.files.iter();
                let files = files.map(|file| json!({"path": file.path, "bytes": file.bytes, "rows": file.rows}));
                let files: Vec<Json> = files.collect();
                json!({"outcome": "planned", "bytes": cost.bytes, "rows": cost.rows, "files": files})
            }
            Outcome::Done(DayCounts { billed: Some(billed), .. }, elapsed) => json!({
                "outcome": "done",
                "bytes_billed": billed.bytes,
                "jobs": billed.jobs,
                "jobs_found": billed.found,
                "seconds": elapsed.as_secs_f64(),
            }),
            Outcome::Done(counts, elapsed) => json!({
                "outcome": "done",
                "read": counts.read,
                "relations": counts.relations,
                "row_errors": counts.row_errors,
                "saturated_sums": counts.saturated,
                "seconds": elapsed.as_secs_f64(),
            }),
        };
        object["day"] = self.day.to_string().into();
        object
    }
}

/// An error with its causes, on one line each.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some errors repeat what their cause says.
        if !text.contains(&said) {
            text.push_str(&format!(": {said}"));
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::{BackfillOptions, DayCounts, DayError, DayProgress, DayReport, Days, Outcome, Prepared, backfill};
    use crate::record::Day;

    /// Day 2 is done, day 3 fails, day 5 stops the others.
    #[derive(Default)]
    struct Some5 {
        ran: Mutex<Vec<i32>>,
        stop_at: Option<i32>,
    }

    impl Days for Some5 {
        fn prepare(&self, day: Day) -> Result<Prepared, DayError> {
            Ok(Prepared { done: day.0 == 2, ..Prepared::default() })
        }

        fn run(&self, day: Day, stop: &AtomicBool) -> Result<Option<DayCounts>, DayError> {
            self.ran.lock().expect("a list").push(day.0);
            if self.stop_at == Some(day.0) {
                stop.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            if day.0 == 3 { Err("no disk".into()) } else { Ok(Some(DayCounts::default())) }
        }
    }

    struct Silent;

    impl DayProgress for Silent {
        fn finished(&self, _: &DayReport) {}
    }

    fn played(target: &Some5, options: BackfillOptions) -> (String, Vec<i32>) {
        let days: Vec<Day> = (1..=6).map(Day).collect();
        let report = backfill(&days, target, options, &Silent, &AtomicBool::new(false));
        let letters = report.days.iter().map(|day| match day.outcome {
            Outcome::Skipped => 's',
            Outcome::Planned(_) => 'p',
            Outcome::Done(..) => 'd',
            Outcome::Failed(_) => 'f',
            Outcome::Stopped => '-',
        });
        let mut ran = target.ran.lock().expect("a list").clone();
        ran.sort_unstable();
        (letters.collect(), ran)
    }

    #[test]
    fn a_failed_day_does_not_stop_the_others() {
        for parallel in [1, 2, 9] {
            let options = BackfillOptions { parallel, again: false, dry_run: false };
            assert_eq!(played(&Some5::default(), options), ("dsfddd".to_owned(), vec![1, 3, 4, 5, 6]));
        }
        let options = BackfillOptions { parallel: 1, again: true, dry_run: false };
        assert_eq!(played(&Some5::default(), options).0, "ddfddd");
        let options = BackfillOptions { parallel: 1, again: false, dry_run: true };
        assert_eq!(played(&Some5::default(), options), ("pspppp".to_owned(), vec![]));
    }

    #[test]
    fn a_stopped_backfill_begins_no_further_day() {
        let target = Some5 { stop_at: Some(4), ..Some5::default() };
        let options = BackfillOptions { parallel: 1, again: false, dry_run: false };
        assert_eq!(played(&target, options), ("dsf---".to_owned(), vec![1, 3, 4]));
    }
}
