//! Tries again what may go well the next time: with pauses that grow, are drawn by lot, and are limited in number.
//!
//! The budget is the client's: every retry takes one, every call that ends gives a tenth back. A service that is down is
//! asked little more often than one that is up.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::failure::Failure;

/// How long anything is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The first pause before a retry; each next one is at most twice as long.
    pub pause: Duration,
    pub longest_pause: Duration,
    /// Retries of one call.
    pub retries: u32,
    /// Retries that may be open at once over all calls, see above.
    pub budget: u32,
    /// For one request and its answer.
    pub call: Duration,
    /// For a job, from its insertion to its end.
    pub job: Duration,
    /// Between two looks at a job that runs, at first and at most.
    pub poll: Duration,
    pub longest_poll: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(20),
            retries: 6,
            budget: 30,
            call: Duration::from_secs(60),
            job: Duration::from_secs(6 * 3600),
            poll: Duration::from_millis(100),
            longest_poll: Duration::from_secs(5),
        }
    }
}

/// In tenths of a retry.
const RETRY: u32 = 10;
const ENDED: u32 = 1;

#[derive(Debug)]
pub struct Retry {
    patience: Patience,
    left: AtomicU32,
}

impl Retry {
    pub fn new(patience: Patience) -> Self {
        Self { patience, left: AtomicU32::new(patience.budget.saturating_mul(RETRY)) }
    }

    /// Calls until an answer comes, no retry is left, or the failure is one that stays. Only for calls that may be made
    /// twice. `until` is a deadline of the whole.
    pub async fn call<T, F>(&self, until: Instant, mut call: impl FnMut() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut tried = 0;
        loop {
            let limit = self.patience.call.min(until.saturating_duration_since(Instant::now()));
            let failure = match timeout(limit, call()).await {
                Ok(Ok(answer)) => {
                    self.give_back();
                    return Ok(answer);
                }
                Ok(Err(failure)) => failure,
                Err(_) => Failure::no_answer(limit),
            };
            if !failure.passes() {
                self.give_back();
                return Err(failure);
            }
            let pause = self.pause(tried);
            if tried >= self.patience.retries || Instant::now() + pause >= until || !self.take() {
                return Err(failure.after(tried));
            }
            tried += 1;
            sleep(pause).await;
        }
    }

    /// Between half and all of a length that doubles.
    fn pause(&self, tried: u32) -> Duration {
        let most = self.patience.pause.saturating_mul(1 << tried.min(16)).min(self.patience.longest_pause);
        let drawn = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        most.mul_f64(0.5 + 0.5 * drawn)
    }

    fn take(&self) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(RETRY)).is_ok()
    }

    fn give_back(&self) {
        let full = self.patience.budget.saturating_mul(RETRY);
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some((left + ENDED).min(full)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{Duration, Instant};

    use super::{Patience, Retry};
    use crate::adapter::gcp::failure::Failure;

    fn patience() -> Patience {
        Patience { pause: Duration::from_millis(1), longest_pause: Duration::from_millis(4), ..Patience::default() }
    }

    /// Calls until one goes well or none is left: how it ended, and after how many calls.
    fn calls(retry: &Retry, failing: u32, status: u16) -> (Result<(), Failure>, u32) {
        let count = AtomicU32::new(0);
        let until = Instant::now() + Duration::from_secs(5);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let ended = runtime.block_on(retry.call(until, || async {
            let done = count.fetch_add(1, Ordering::Relaxed);
            if done < failing { Err(Failure::of_status(status)) } else { Ok(()) }
        }));
        (ended, count.into_inner())
    }

    #[test]
    fn what_passes_is_tried_again_and_what_stays_is_not() {
        for status in [429, 500, 502, 503, 504] {
            let (ended, count) = calls(&Retry::new(patience()), 2, status);
            assert_eq!((ended.is_ok(), count), (true, 3), "{status}");
        }
        for status in [400, 401, 403, 404, 409] {
            let (ended, count) = calls(&Retry::new(patience()), 2, status);
            assert_eq!((ended.is_ok(), count), (false, 1), "{status}");
        }
        let (ended, count) = calls(&Retry::new(patience()), 99, 503);
        assert_eq!((ended.is_ok(), count), (false, 7));
    }

    #[test]
    fn the_budget_is_that_of_all_calls() {
        let retry = Retry::new(Patience { budget: 8, ..patience() });
        assert_eq!(calls(&retry, 99, 503).1, 7);
        assert_eq!(calls(&retry, 99, 503).1, 3, "two of eight retries were left");
        assert_eq!(calls(&retry, 99, 503).1, 1);
        for _ in 0..10 {
            assert_eq!(calls(&retry, 0, 503).1, 1);
        }
        assert_eq!(calls(&retry, 99, 503).1, 2, "ten calls that went well give one back");
    }

    #[test]
    fn pauses_grow_and_are_drawn_by_lot() {
        let retry = Retry::new(Patience { pause: Duration::from_millis(100), ..Patience::default() });
        for (tried, most) in [(0, 100), (1, 200), (3, 800), (30, 20_000)] {
            let drawn: Vec<Duration> = (0..50).map(|_| retry.pause(tried)).collect();
            let (most, least) = (Duration::from_millis(most), Duration::from_millis(most / 2));
            assert!(drawn.iter().all(|pause| (least..=most).contains(pause)), "{drawn:?}");
            assert!(drawn.windows(2).any(|pair| pair[0] != pair[1]), "{drawn:?}");
        }
    }
}
