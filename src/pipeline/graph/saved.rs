//! The state of a graph, stage by stage. Its plan, lookups and costs are not in it.

use super::{Graph, Stage};
use crate::pipeline::saved::{Loader, Saved, SavedError, Saver, mismatch};

impl Saved for Graph {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        let names: Vec<&str> = self.features.iter().flatten().map(Stage::name).collect();
        out.put(&(names, self.rules.len()))?;
        out.put(&(self.watermark, self.span, self.first, self.begins, &self.instants, &self.begun))?;
        out.put(&self.ledger)?;
        // Before the features, which have its numbers.
        self.spaces.save(out)?;
        self.features.iter().flatten().try_for_each(|stage| stage.save(out))?;
        self.rules.iter().try_for_each(|rule| out.put(&rule.errors))?;
        self.past.save(out)?;
        self.caps.save(out)?;
        self.dedupe.iter().try_for_each(|dedupe| dedupe.save(out))?;
        self.alerts.save(out)
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        let (names, rules): (Vec<String>, usize) = from.take()?;
        if !self.features.iter().flatten().map(Stage::name).eq(&names) || rules != self.rules.len() {
            return Err(mismatch("features and rules"));
        }
        (self.watermark, self.span, self.first, self.begins, self.instants, self.begun) = from.take()?;
        self.ledger = from.take()?;
        self.spaces.load(from)?;
        self.features.iter_mut().flatten().try_for_each(|stage| stage.load(from))?;
        for rule in &mut self.rules {
            rule.errors = from.take()?;
        }
        self.past.load(from)?;
        self.caps.load(from)?;
        self.dedupe.iter_mut().try_for_each(|dedupe| dedupe.load(from))?;
        self.alerts.load(from)
    }
}
