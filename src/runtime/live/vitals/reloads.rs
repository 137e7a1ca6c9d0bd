//! Which definitions are in force, since when, and what became of the last that were offered.

use serde_json::{Value as Json, json};

use crate::record::EventTime;

use super::super::definitions::{LookupState, Outcome};
use super::{Vitals, locked};

#[derive(Debug)]
pub struct InForce {
    pub generation: String,
    pub lookups: Vec<LookupState>,
    /// How many; `None` while the log is read.
    rules: Option<usize>,
    /// `None` while the log is read.
    since: Option<EventTime>,
    /// Is the project read and checked?
    checks: bool,
    /// Of the one that is made ready.
    next: Option<String>,
    last: Option<(Outcome, String, EventTime)>,
    /// Why the project that the run was started with could not be taken, until one is right.
    wrong: Option<String>,
    counts: [u64; Outcome::ALL.len()],
}

impl InForce {
    pub fn new(generation: &str) -> Self {
        Self {
            generation: generation.to_owned(),
            lookups: Vec::new(),
            rules: None,
            since: None,
            checks: false,
            next: None,
            last: None,
            wrong: None,
            counts: [0; Outcome::ALL.len()],
        }
    }

    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Outcome::ALL.iter().map(|outcome| outcome.name()).zip(self.counts)
    }

    /// The same in words of the page.
    pub fn since(&self) -> Json {
        json!(self.since.map(|since| since.to_string()))
    }

    pub fn lookups(&self) -> Json {
        let lookup =
            |lookup: &LookupState| json!({"name": lookup.name, "rows": lookup.rows, "version": lookup.version});
        self.lookups.iter().map(lookup).collect()
    }

    pub fn reload(&self) -> Json {
        let last = self.last.as_ref();
        json!({
            "counts": self.counts().map(|(name, count)| (name.to_owned(), count.into())).collect::<serde_json::Map<_, Json>>(),
            "checking": self.checks,
            "under_way": self.next,
            "last": last.map(|(outcome, what, at)| json!({
                "outcome": outcome.name(), "what": what, "at": at.to_string(),
            })),
        })
    }
}

impl Vitals {
    /// The project is read, or was.
    pub fn checks(&self, now: bool) {
        locked(&self.in_force).checks = now;
    }

    pub(in super::super) fn is_checking(&self) -> bool {
        locked(&self.in_force).checks
    }

    /// The one in force.
    pub(in super::super) fn generation(&self) -> String {
        locked(&self.in_force).generation.clone()
    }

    /// These are made ready.
    pub fn reloading(&self, generation: &str) {
        locked(&self.in_force).next = Some(generation.to_owned());
    }

    /// These are in force from now on, or were found so at the start.
    pub fn turned_to(&self, generation: &str, rules: usize, lookups: Vec<LookupState>, at: EventTime) {
        let mut in_force = locked(&self.in_force);
        in_force.generation = generation.to_owned();
        (in_force.lookups, in_force.rules, in_force.since) = (lookups, Some(rules), Some(at));
    }

    /// The run goes on under definitions that were kept: what it was started with is wrong.
    pub fn begun_without(&self, why: &str) {
        locked(&self.in_force).wrong = Some(why.to_owned());
    }

    /// What is wrong with the definitions in force.
    pub(super) fn misdefined(&self) -> Vec<String> {
        let in_force = locked(&self.in_force);
        let generation = &in_force.generation;
        let wrong = in_force.wrong.as_ref().map(|why| why.lines().next().unwrap_or_default());
        let wrong = wrong.map(|why| {
            format!(
                "the project cannot be read since the start, and kept definitions, generation {generation}, go on: {why}"
            )
        });
        let none = (in_force.rules == Some(0)).then(|| "no rule is in force: nothing is looked for".to_owned());
        wrong.into_iter().chain(none).collect()
    }

    /// `next`: others that are still made ready.
    pub fn reloaded(&self, outcome: Outcome, what: &str, next: Option<&str>, at: EventTime) {
        let mut in_force = locked(&self.in_force);
        in_force.next = next.map(str::to_owned);
        if matches!(outcome, Outcome::Taken | Outcome::Unchanged) {
            in_force.wrong = None;
        }
        in_force.last = Some((outcome, what.to_owned(), at));
        let place = Outcome::ALL.iter().position(|known| *known == outcome).unwrap_or(0);
        in_force.counts[place] += 1;
    }
}
