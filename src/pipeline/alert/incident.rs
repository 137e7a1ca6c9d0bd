//! An incident: the hits of one alert key and UTC day, in the order in which they were known, while gaps are at most
//! `merge_within`; it ends at midnight.

use std::cmp::Ordering;

use crate::pipeline::detect::Hit;
use crate::pipeline::saved::{Loader, SavedError, Saver};
use crate::record::EventTime;

use super::{DAY, Place, day};

#[derive(Debug)]
pub struct Incident {
    /// `hit_id` of the hit that was known first.
    pub alert_id: String,
    /// The hit with the largest score, then the smallest key.
    pub representative: Hit,
    pub rule: usize,
    pub first_time: EventTime,
    pub last_time: EventTime,
    /// When the last hit was known.
    known_at: EventTime,
    pub hits: u64,
    pub partial: bool,
    pub warming: bool,
}

impl Incident {
    pub fn new(hit: &Hit) -> Self {
        Self {
            alert_id: hit.hit_id.clone(),
            representative: hit.clone(),
            rule: hit.rule,
            first_time: hit.event_time,
            last_time: hit.event_time,
            known_at: hit.known_at,
            hits: 1,
            partial: hit.partial,
            warming: hit.warming,
        }
    }

    pub fn add(&mut self, hit: &Hit) {
        self.hits += 1;
        // A late hit may come before all others.
        self.first_time = self.first_time.min(hit.event_time);
        self.last_time = self.last_time.max(hit.event_time);
        self.known_at = hit.known_at;
        self.partial |= hit.partial;
        self.warming |= hit.warming;
        if self.represents_better(hit) {
            self.representative = hit.clone();
        }
    }

    fn represents_better(&self, hit: &Hit) -> bool {
        let order = |hit: &Hit| (Place::key(hit), hit.event_time);
        match hit.score.total_cmp(&self.representative.score) {
            Ordering::Greater => true,
            Ordering::Equal => order(hit) < order(&self.representative),
            Ordering::Less => false,
        }
    }

    /// When the first and the last of its hits were known, or before.
    pub fn known(&self) -> (i64, i64) {
        (self.first_time.0, self.known_at.0)
    }

    /// From this instant on no hit can belong to it.
    pub fn closes_at(&self, merge_within: i64) -> i64 {
        let midnight = (day(self.known_at) + 1).saturating_mul(DAY);
        self.known_at.0.saturating_add(merge_within).saturating_add(1).min(midnight)
    }
}

impl Incident {
    pub fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(&(&self.alert_id, self.first_time, self.last_time, self.known_at))?;
        out.put(&(self.hits, self.partial, self.warming))?;
        self.representative.save(out)
    }

    pub fn load(from: &mut Loader<'_>) -> Result<Self, SavedError> {
        let (alert_id, first_time, last_time, known_at) = from.take()?;
        let (hits, partial, warming) = from.take()?;
        let representative = Hit::load(from)?;
        let rule = representative.rule;
        Ok(Self { alert_id, representative, rule, first_time, last_time, known_at, hits, partial, warming })
    }
}
