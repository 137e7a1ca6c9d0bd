//! Damaged definitions, records, entries of the log and snapshots: whatever is read, nothing panics, hangs, or points outside of a file.
//!
//! Every iteration follows from its number, so that a failure can be played again. `TRIPLINE_FUZZ_SECONDS` runs
//! each trial for that long; without it a trial takes a fixed number of iterations, and at most some seconds.

pub mod damage;
mod definitions;
mod json;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

const SECONDS_VARIABLE: &str = "TRIPLINE_FUZZ_SECONDS";
/// `TRIPLINE_FUZZ_FROM`: the number of the first iteration.
const FROM_VARIABLE: &str = "TRIPLINE_FUZZ_FROM";
/// A trial without the variable.
const TIME_MAX: Duration = Duration::from_secs(20);
/// Without optimization, on a busy machine; a second try tells slow from unlucky.
const ITERATION_MAX: Duration = Duration::from_secs(10);

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("fuzz::damaged_definitions_are_only_findings", definitions::run),
        Trial::test("fuzz::what_was_found_before", definitions::found_before),
        Trial::test("fuzz::damaged_records_are_rows_or_rejects", json::run),
        Trial::test("fuzz::damaged_entries_of_a_log_are_errors", super::durable::damaged::entries),
        Trial::test("fuzz::damaged_snapshots_are_errors", super::durable::damaged::snapshots),
        Trial::test("fuzz::a_panic_and_a_wrong_place_are_failures", definitions::can_fail),
    ]
}

/// Calls `iteration` with 0, 1, … until the time or the number of iterations is over.
pub fn iterate(count: u64, iteration: &dyn Fn(u64) -> Result<(), String>) -> Result<(), Failed> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (time, count) = match number(SECONDS_VARIABLE) {
        Some(seconds) => (Duration::from_secs(seconds), u64::MAX),
        None => (TIME_MAX, count),
    };
    let first = number(FROM_VARIABLE).unwrap_or(0);
    let started = Instant::now();
    let mut slowest = (Duration::ZERO, first);
    let mut done = 0;
    while done < count && started.elapsed() < time {
        let index = first.saturating_add(done);
        let took = one(index, iteration)?;
        slowest = slowest.max((took, index));
        done += 1;
    }
    println!("{done} iterations in {:?}, the slowest is {} with {:?}", started.elapsed(), slowest.1, slowest.0);
    Ok(())
}

/// One iteration's time, or what is wrong with it.
fn one(index: u64, iteration: &dyn Fn(u64) -> Result<(), String>) -> Result<Duration, Failed> {
    let timed = || {
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| iteration(index)));
        (started.elapsed(), outcome)
    };
    let (mut took, outcome) = timed();
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(wrong)) => return Err(format!("iteration {index}: {wrong}").into()),
        Err(_) => return Err(format!("iteration {index} panics").into()),
    }
    if took > ITERATION_MAX {
        took = took.min(timed().0);
    }
    if took > ITERATION_MAX {
        return Err(format!("iteration {index} takes {took:?}").into());
    }
    Ok(took)
}
