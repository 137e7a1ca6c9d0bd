//! How long syncs of the log take: that is what the throughput of a run hangs on, and what a failing disk shows first.

use std::time::Duration;

/// The largest is that of this span or the one before.
const SPAN: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, Default)]
pub struct Syncs {
    pub count: u64,
    pub total: Duration,
    pub last: Duration,
    /// Number of the span of time.
    span: u64,
    largest: Duration,
    largest_before: Duration,
}

impl Syncs {
    /// One that ended `at` took so long.
    pub fn took(&mut self, length: Duration, at: Duration) {
        self.move_to(at);
        self.count += 1;
        self.total += length;
        self.last = length;
        self.largest = self.largest.max(length);
    }

    /// The largest of the last one to two minutes.
    pub fn largest(mut self, at: Duration) -> Duration {
        self.move_to(at);
        self.largest.max(self.largest_before)
    }

    fn move_to(&mut self, at: Duration) {
        let span = at.as_secs() / SPAN.as_secs();
        if span > self.span {
            self.largest_before = if span == self.span + 1 { self.largest } else { Duration::ZERO };
            (self.span, self.largest) = (span, Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Syncs};

    #[test]
    fn the_largest_is_forgotten() {
        let (mut syncs, seconds) = (Syncs::default(), Duration::from_secs);
        syncs.took(seconds(9), seconds(10));
        syncs.took(seconds(1), seconds(50));
        assert_eq!((syncs.count, syncs.total, syncs.last), (2, seconds(10), seconds(1)));
        assert_eq!(syncs.largest(seconds(59)), seconds(9));
        syncs.took(seconds(2), seconds(70));
        assert_eq!(syncs.largest(seconds(119)), seconds(9));
        assert_eq!(syncs.largest(seconds(120)), seconds(2));
        assert_eq!(syncs.largest(seconds(500)), Duration::ZERO);
    }
}
