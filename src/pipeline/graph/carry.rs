//! A graph that goes on where another was: what means the same in both keeps its state, between two entries of the log.

use super::{Graph, GraphError};
use crate::pipeline::outlet::{Nowhere, Outlet};
use crate::pipeline::saved::SavedError;
use crate::pipeline::window::handover::Handover;
use crate::pipeline::window::stage::Stage;
use crate::plan::{Depends, Same};

#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    #[error(transparent)]
    Saved(#[from] SavedError),
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl Graph {
    /// Gets to the instant at which `before` is, which was given the same rows up to here; or says why it cannot take its place.
    /// `before` stays as it is.
    pub fn meet(&mut self, before: &Self, same: &Same) -> Result<(), CarryError> {
        for (index, was) in same.features.iter().enumerate().filter_map(|(index, was)| Some((index, (*was)?))) {
            let stages = self.features[index].as_ref().zip(before.features[was].as_ref());
            stages.map_or(Ok(()), |(own, before)| own.fits(before))?;
        }
        // Nobody is told of what that closes here.
        self.advance_alone(before.watermark)?;
        Ok(())
    }

    /// Takes the place of `before`, which it has met. What is not the same has the state that this graph has, and of rules none.
    pub fn go_on(&mut self, mut before: Self, same: &Same, out: &mut dyn Outlet) -> Result<(), CarryError> {
        let found = self.first.min(before.watermark);
        let settled = self.alerts.go_on(before.alerts, &same.rules, &mut before.ledger);
        for (hit, disposition) in &settled.hits {
            out.hit(&before.rules[hit.rule].plan.name, hit, *disposition).map_err(GraphError::from)?;
        }
        self.clear_keys(same);
        let mut handover = Handover::default();
        for (index, was) in same.features.iter().enumerate() {
            let stage = was.and_then(|was| before.features[was].take());
            match (&mut self.features[index], stage, was) {
                (Some(own), Some(stage), Some(was)) => {
                    own.go_on(stage, &mut handover)?;
                    self.past.go_on(index, &mut before.past, *was);
                    self.caps.until[index] = before.caps.until[*was];
                    self.caps.evicted[index] = before.caps.evicted[*was];
                    self.costs.features[index] = before.costs.features[*was];
                    self.begun[index] = before.begun[*was];
                }
                (Some(_), ..) => self.begun[index] = found,
                _ => {}
            }
        }
        for (index, was) in same.rules.iter().enumerate().filter_map(|(index, was)| Some((index, (*was)?))) {
            std::mem::swap(&mut self.rules[index].errors, &mut before.rules[was].errors);
            self.costs.rules[index] = before.costs.rules[was];
        }
        self.caps.go_on(&before.caps);
        if let (Some(own), Some(before)) = (&mut self.dedupe, before.dedupe) {
            own.go_on(before);
        }
        // As after a start with a snapshot: of which hits it was told is known elsewhere.
        self.look_again();
        self.instants.extend(before.instants);
        (self.watermark, self.span) = (before.watermark, before.span);
        (self.first, self.begins) = (before.first, before.begins);
        self.ledger = before.ledger;
        Ok(())
    }

    /// What was found so far was told by other definitions, or is not told at all: of what is certain is told again.
    pub fn told_of_nothing(&mut self) {
        self.alerts.told_of_nothing();
        self.look_again();
    }

    /// Incidents of these rules have ended here: definitions that were in force have told of them.
    pub fn end_incidents(&mut self, rules: &[String]) {
        self.alerts.end_incidents(rules, &mut self.ledger);
        self.look_again();
    }

    fn look_again(&mut self) {
        let windows = self.features.iter_mut().flatten().filter_map(Stage::windows_mut);
        windows.for_each(|stage| stage.look_again());
    }

    /// Puts out what the definitions before have left.
    pub fn put_out_owed(&mut self, out: &mut dyn Outlet) -> Result<(), GraphError> {
        for alert in self.alerts.owed() {
            out.alert(&alert)?;
            self.ledger.tell(alert.phase);
        }
        Ok(())
    }

    fn advance_alone(&mut self, watermark: i64) -> Result<(), GraphError> {
        self.advance(watermark, None, &mut Nowhere)
    }

    /// Spaces of keys whose features all get other keys.
    fn clear_keys(&mut self, same: &Same) {
        let stages = self.features.iter().enumerate().filter_map(|(index, stage)| Some((index, stage.as_ref()?)));
        let stages: Vec<(usize, &Stage)> = stages.collect();
        let space = |stage: &Stage| stage.windows().and_then(|windows| windows.key_space()).cloned();
        for (index, stage) in &stages {
            let Some(keys) = space(stage).filter(|_| same.features[*index].is_some()) else { continue };
            let stays = stages.iter().any(|(other, stage)| {
                same.features[*other].is_none() && space(stage).is_some_and(|other| other.is(&keys))
            });
            if !stays {
                keys.clear();
            }
        }
    }

    /// Since when the data is there that a rule depends on.
    pub(super) fn begins_for(&self, depends: &Depends) -> i64 {
        let begun = depends.features.iter().map(|feature| self.begun[*feature]).max();
        self.begins.unwrap_or(self.first).max(begun.unwrap_or(i64::MIN))
    }

    /// The event time of the first row that was not late.
    pub fn first(&self) -> i64 {
        self.first
    }
}
