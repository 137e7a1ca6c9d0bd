//! How subscriptions are: what was acknowledged, and which cannot be reached, which is said once.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value as Json, json};

use crate::port::standing::{Acknowledged, Standing, Stood, Trouble};
use crate::port::subscription::Subscription;

use super::super::run::Progress;

/// Of all subscriptions, in their order.
#[derive(Default)]
pub struct Lanes(Vec<Lane>);

struct Lane {
    name: Arc<str>,
    standing: Arc<Standing>,
    /// Of the trouble that was said, when it began.
    told: Option<Instant>,
}

/// How a subscription was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneState {
    pub name: Arc<str>,
    pub stood: Stood,
}

impl Lanes {
    pub fn add(&mut self, subscription: &dyn Subscription) {
        self.0.push(Lane { name: subscription.name(), standing: subscription.standing(), told: None });
    }

    /// Says which cannot be reached any more, and which can be again.
    pub fn tell(&mut self, progress: &dyn Progress) {
        for Lane { name, standing, told } in &mut self.0 {
            match (standing.trouble(), *told) {
                (Some(Trouble { since, what }), None) => {
                    progress.notes(&format!("{name} cannot be reached, and is waited for: {what}"));
                    *told = Some(since);
                }
                (None, Some(since)) => {
                    progress.notes(&format!("{name} answers again, after {} s", since.elapsed().as_secs()));
                    *told = None;
                }
                _ => {}
            }
        }
    }

    /// Which of them may be silent only because they cannot be reached.
    pub fn unreached(&self) -> Vec<bool> {
        self.0.iter().map(|lane| lane.standing.trouble().is_some()).collect()
    }

    pub fn states(&self) -> Vec<LaneState> {
        self.0.iter().map(|lane| LaneState { name: Arc::clone(&lane.name), stood: lane.standing.stood() }).collect()
    }
}

impl LaneState {
    pub fn counts(&self) -> [(Acknowledged, u64); Acknowledged::ALL.len()] {
        let mut counts = Acknowledged::ALL.map(|outcome| (outcome, 0));
        counts.iter_mut().zip(self.stood.acknowledged).for_each(|((_, count), known)| *count = known);
        counts
    }

    pub(super) fn json(&self) -> Json {
        let counts = self.counts().map(|(outcome, count)| (outcome.name().to_owned(), count.into()));
        json!({
            "name": &*self.name,
            "delivery": self.stood.delivery.map(|delivery| delivery.name()),
            "acknowledgements": counts.into_iter().collect::<Map<String, Json>>(),
            "pending": self.stood.pending,
            "trouble": self.stood.trouble.as_ref().map(|trouble| &trouble.what),
        })
    }

    /// Nothing where nothing was acknowledged.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts().into_iter().filter(|(_, count)| *count > 0);
        let counts: Vec<String> = counts.map(|(outcome, count)| format!("{count} {}", outcome.name())).collect();
        match counts.is_empty() {
            true => Ok(()),
            false => writeln!(f, "acknowledgements of {}: {}", self.name, counts.join(" + ")),
        }
    }
}
