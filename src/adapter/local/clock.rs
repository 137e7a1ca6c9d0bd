//! The machine's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::port::Clock;
use crate::record::EventTime;

pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> EventTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        EventTime(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}
