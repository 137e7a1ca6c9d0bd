//! An incident: the hits of one alert key whose gaps are at most `merge_within`, within one UTC day.

use std::cmp::Ordering;

use crate::pipeline::detect::Hit;
use crate::record::EventTime;

use super::{DAY, day, key_parts};

#[derive(Debug)]
pub struct Incident {
    /// The first hit names the alert.
    pub first: Hit,
    /// The hit with the largest score, then the smallest key.
    pub representative: Hit,
    pub last_time: EventTime,
    pub hits: u64,
    pub partial: bool,
}

impl Incident {
    pub fn new(hit: &Hit) -> Self {
        Self {
            first: hit.clone(),
            representative: hit.clone(),
            last_time: hit.event_time,
            hits: 1,
            partial: hit.partial,
        }
    }

    /// Does a hit belong to it? A late one may come before its first.
    pub fn takes(&self, hit: &Hit, merge_within: i64) -> bool {
        let after = hit.event_time.0.saturating_sub(self.last_time.0);
        let before = self.first.event_time.0.saturating_sub(hit.event_time.0);
        after.max(before) <= merge_within && day(hit.event_time) == day(self.first.event_time)
    }

    pub fn add(&mut self, hit: &Hit) {
        self.hits += 1;
        self.last_time = self.last_time.max(hit.event_time);
        self.partial |= hit.partial;
        if hit.event_time < self.first.event_time {
            self.first = hit.clone();
        }
        if self.represents_better(hit) {
            self.representative = hit.clone();
        }
    }

    fn represents_better(&self, hit: &Hit) -> bool {
        let order = |hit: &Hit| (key_parts(&hit.key), hit.event_time);
        match hit.score.total_cmp(&self.representative.score) {
            Ordering::Greater => true,
            Ordering::Equal => order(hit) < order(&self.representative),
            Ordering::Less => false,
        }
    }

    /// From this instant on no hit can belong to it.
    pub fn closes_at(&self, merge_within: i64) -> i64 {
        let midnight = (day(self.first.event_time) + 1).saturating_mul(DAY);
        self.last_time.0.saturating_add(merge_within).saturating_add(1).min(midnight)
    }
}
