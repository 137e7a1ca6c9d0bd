//! What is said of incidents before they are over, in a run that does not end: once that there is one, as soon as a hit of it is
//! certain; then that it has grown.
//!
//! Which hit of an incident is the first to be certain depends on the order of arrival, and so does what is said here. What
//! is said at the end does not.

use std::collections::BTreeMap;

use crate::pipeline::detect::Hit;
use crate::pipeline::saved::{Loader, SavedError, Saver};

use super::{IncidentKey, day};

/// Chains that nothing can be added to any more are dropped when there are so many.
const CHAINS_MIN: usize = 1_024;

/// Hits that were said to be certain, or that came, in a row: at most `merge_within` apart. When the first and the last were known.
pub type Chain = (i64, i64);

/// Are these, of one key and day, of one incident?
pub fn touch(one: Chain, other: Chain, merge_within: i64) -> bool {
    one.0 <= other.1.saturating_add(merge_within) && other.0 <= one.1.saturating_add(merge_within)
}

pub struct Early {
    chains: BTreeMap<IncidentKey, Vec<Chain>>,
    prune_at: usize,
    /// Hits that are certain and have not come yet, by event time and id.
    awaited: BTreeMap<(i64, String), Awaited>,
    watermark: i64,
}

/// Of an incident, and whole where it was told of.
struct Awaited {
    key: IncidentKey,
    told: Option<Hit>,
}

impl Early {
    pub fn new() -> Self {
        Self { chains: BTreeMap::new(), prune_at: CHAINS_MIN, awaited: BTreeMap::new(), watermark: i64::MIN }
    }

    /// Nobody was told of anything.
    pub fn told_of_nothing(&mut self) {
        self.chains.clear();
        self.awaited.clear();
    }

    /// Is a hit that is certain the first of its incident, as far as anybody knows?
    pub fn opens(&mut self, hit: &Hit, key: IncidentKey, merge_within: i64) -> bool {
        let at = hit.known_at.0;
        let chains = self.chains.entry(key).or_default();
        drop_over(chains, merge_within, self.watermark);
        let near =
            |chain: Chain| touch(chain, (at, at), merge_within) && day(hit.known_at) == chain.1.div_euclid(super::DAY);
        match chains.iter_mut().find(|chain| near(**chain)) {
            Some(chain) => {
                *chain = (chain.0.min(at), chain.1.max(at));
                false
            }
            None => {
                chains.push((at, at));
                true
            }
        }
    }

    /// Is it known that this hit will come?
    pub fn awaits(&self, hit: &Hit) -> bool {
        self.awaited.contains_key(&(hit.event_time.0, hit.hit_id.clone()))
    }

    /// A hit will come; was it told of?
    pub fn await_hit(&mut self, hit: &Hit, key: IncidentKey, told: bool) {
        let awaited = Awaited { key, told: told.then(|| hit.clone()) };
        self.awaited.insert((hit.event_time.0, hit.hit_id.clone()), awaited);
    }

    /// A hit has come.
    pub fn came(&mut self, hit: &Hit) {
        if !self.awaited.is_empty() && hit.excepted.is_none() {
            self.awaited.remove(&(hit.event_time.0, hit.hit_id.clone()));
        }
    }

    /// The hits that a hit of this key is in a row with.
    pub fn chain(&self, hit: &Hit, key: &IncidentKey) -> Chain {
        let at = hit.known_at.0;
        let found =
            self.chains.get(key).and_then(|chains| chains.iter().find(|chain| (chain.0..=chain.1).contains(&at)));
        found.copied().unwrap_or((at, at))
    }

    /// All hits before the watermark have come. Those that are not among them leave no trace; returns those that were told of, and
    /// the hits that they were in a row with.
    pub fn missed(&mut self, watermark: i64) -> Vec<(IncidentKey, Chain, Hit)> {
        self.watermark = self.watermark.max(watermark);
        let (mut missed, mut gone) = (Vec::new(), Vec::new());
        while let Some(entry) = self.awaited.first_entry().filter(|entry| entry.key().0 < watermark) {
            let Awaited { key, told } = entry.remove();
            missed.extend(told.map(|hit| (key.clone(), self.chain(&hit, &key), hit)));
            gone.push(key);
        }
        // Nobody can say which of its chains it was part of: rather is something told twice than not at all.
        gone.iter().for_each(|key| drop(self.chains.remove(key)));
        missed
    }

    /// What goes on under other definitions, where rules have these numbers `now`; returns the hits that were told of and have not
    /// come of rules that do not, each with the hits that it is in a row with.
    pub fn go_on(&mut self, now: &[Option<usize>]) -> Vec<(Chain, Hit)> {
        let of = |rule: usize| now.get(rule).copied().flatten();
        let left = self.awaited.values().filter(|awaited| of(awaited.key.0).is_none());
        let left =
            left.filter_map(|Awaited { key, told }| told.as_ref().map(|hit| (self.chain(hit, key), hit.clone())));
        let left: Vec<(Chain, Hit)> = left.collect();
        let chains = std::mem::take(&mut self.chains).into_iter();
        self.chains = chains.filter_map(|((rule, key, day), chains)| Some(((of(rule)?, key, day), chains))).collect();
        for (place, Awaited { key: (rule, key, day), told }) in std::mem::take(&mut self.awaited) {
            if let Some(rule) = of(rule) {
                let told = told.map(|hit| Hit { rule, ..hit });
                self.awaited.insert(place, Awaited { key: (rule, key, day), told });
            }
        }
        left
    }

    /// Drops what can have no part in anything any more. `merge_within`: of a rule.
    pub fn prune(&mut self, merge_within: impl Fn(usize) -> i64) {
        if self.chains.len() < self.prune_at {
            return;
        }
        let watermark = self.watermark;
        self.chains.retain(|(rule, ..), chains| {
            drop_over(chains, merge_within(*rule), watermark);
            !chains.is_empty()
        });
        self.prune_at = (self.chains.len() * 2).max(CHAINS_MIN);
    }

    pub fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        out.put(&(self.watermark, self.chains.iter().collect::<Vec<_>>(), self.awaited.len()))?;
        self.awaited.iter().try_for_each(|((at, id), Awaited { key, told })| {
            out.put(&(at, id, key, told.is_some()))?;
            told.iter().try_for_each(|hit| hit.save(out))
        })
    }

    pub fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        let (chains, awaited): (Vec<(IncidentKey, Vec<Chain>)>, usize);
        (self.watermark, chains, awaited) = from.take()?;
        self.chains = chains.into_iter().collect();
        self.awaited.clear();
        for _ in 0..awaited {
            let (at, id, key, told): (i64, String, IncidentKey, bool) = from.take()?;
            let told = told.then(|| Hit::load(from)).transpose()?;
            self.awaited.insert((at, id), Awaited { key, told });
        }
        Ok(())
    }
}

/// Drops what nothing can be added to any more: what comes is known at the watermark or later.
fn drop_over(chains: &mut Vec<Chain>, merge_within: i64, watermark: i64) {
    chains.retain(|(_, last)| last.saturating_add(merge_within) >= watermark);
}
