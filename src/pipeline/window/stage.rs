//! A feature as a stage of the graph, whichever way it aggregates.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;

use crate::pipeline::halve::RowErrors;
use crate::pipeline::past::Closed;
use crate::pipeline::saved::{Loader, Saved, SavedError, Saver, mismatch};
use crate::plan::{FeaturePlan, Upstream};
use crate::port::Spill;
use crate::target::datafusion::Lookups;

use super::evict::Evicted;
use super::evidence::FlowsBehind;
use super::feature::{Beside, BuildError, FeatureRows, FeatureStage, Shared, StageError};
use super::handover::Handover;
use super::operator::Wanted;
use super::trailing::TrailingStage;

pub enum Stage {
    Windows(Box<FeatureStage>),
    Trailing(Box<TrailingStage>),
}

impl Stage {
    /// `time` is the event time's place among the upstream's columns.
    pub fn new(
        plan: &FeaturePlan,
        time: usize,
        evidence_rows: usize,
        keys: Option<Shared<'_>>,
        lookups: &Lookups,
    ) -> Result<Self, BuildError> {
        Ok(match &plan.trailing {
            Some(trailing) => Self::Trailing(Box::new(TrailingStage::new(plan, trailing, lookups)?)),
            None => Self::Windows(Box::new(FeatureStage::new(plan, time, evidence_rows, keys, lookups)?)),
        })
    }

    /// Could it take the state of that one?
    pub fn fits(&self, before: &Self) -> Result<(), SavedError> {
        match (self, before) {
            (Self::Windows(own), Self::Windows(before)) => own.fits(before),
            (Self::Trailing(_), Self::Trailing(_)) => Ok(()),
            _ => Err(mismatch("features")),
        }
    }

    /// Takes the state of the same feature in another graph.
    pub fn go_on(&mut self, before: Self, handover: &mut Handover) -> Result<(), SavedError> {
        match (self, before) {
            (Self::Windows(own), Self::Windows(before)) => own.go_on(*before, handover),
            (Self::Trailing(own), Self::Trailing(before)) => {
                own.go_on(*before);
                Ok(())
            }
            _ => Err(mismatch("features")),
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Windows(stage) => &stage.name,
            Self::Trailing(stage) => &stage.name,
        }
    }

    pub fn upstream(&self) -> Upstream {
        match self {
            Self::Windows(stage) => stage.upstream,
            Self::Trailing(stage) => stage.upstream,
        }
    }

    pub fn errors(&self) -> &RowErrors {
        match self {
            Self::Windows(stage) => &stage.errors,
            Self::Trailing(stage) => &stage.errors,
        }
    }

    /// Sums that stopped at the bounds of INT64.
    pub fn saturated(&self) -> u64 {
        match self {
            Self::Windows(stage) => stage.saturated(),
            Self::Trailing(stage) => stage.saturated(),
        }
    }

    /// How many keys there may be.
    pub fn keys(&self) -> usize {
        match self {
            Self::Windows(stage) => stage.keys(),
            Self::Trailing(stage) => stage.keys(),
        }
    }

    /// Where there are more keys than `keys_max`, those go that were seen last longest ago.
    pub fn evict(&mut self, keys_max: usize) -> Result<Option<Evicted>, StageError> {
        match self {
            Self::Windows(stage) => stage.evict(keys_max),
            Self::Trailing(stage) => stage.evict(keys_max),
        }
    }

    /// From now on its look-backs hold at most about `rows_max` rows each in memory.
    pub fn spill_to(&mut self, spill: &Arc<dyn Spill>, rows_max: usize) {
        if let Self::Trailing(stage) = self {
            stage.spill_to(spill, rows_max);
        }
    }

    /// From now on they hold fewer, and those beyond go at once.
    pub fn hold_at_most(&mut self, rows_max: usize) -> Result<(), StageError> {
        match self {
            Self::Windows(_) => Ok(()),
            Self::Trailing(stage) => stage.hold_at_most(rows_max),
        }
    }

    /// Rows that the largest look-back holds in memory.
    pub fn look_back_rows(&self) -> usize {
        match self {
            Self::Windows(_) => 0,
            Self::Trailing(stage) => stage.look_back_rows(),
        }
    }

    /// Windows over rows.
    pub fn windows(&self) -> Option<&FeatureStage> {
        match self {
            Self::Windows(stage) => Some(stage),
            Self::Trailing(_) => None,
        }
    }

    pub fn windows_mut(&mut self) -> Option<&mut FeatureStage> {
        match self {
            Self::Windows(stage) => Some(stage),
            Self::Trailing(_) => None,
        }
    }

    /// When the earliest window ends that has rows.
    pub fn next_end(&self) -> Option<i64> {
        match self {
            Self::Windows(stage) => stage.next_end(),
            Self::Trailing(stage) => stage.next_end(),
        }
    }

    /// Takes rows of a feature whose window ends at `end`, with their keys' numbers where those are shared; `closed` are the
    /// windows that may be joined.
    pub fn push(
        &mut self,
        end: i64,
        rows: &RecordBatch,
        closed: Closed<'_>,
        behind: &Arc<FlowsBehind>,
        numbers: Option<&[u32]>,
    ) -> Result<(), StageError> {
        match self {
            Self::Windows(stage) => stage.push(rows, closed, Beside { evidence: Some(&**behind), numbers }),
            Self::Trailing(stage) => stage.push(end, rows, Arc::clone(behind)),
        }
    }

    /// No row before `watermark` will come any more: those that have waited for it go into their windows.
    pub fn release(&mut self, watermark: i64) -> Result<(), StageError> {
        match self {
            Self::Windows(stage) => stage.release(watermark),
            Self::Trailing(_) => Ok(()),
        }
    }

    /// Windows that ended at or before `watermark` are over, those without rows too.
    pub fn pass(&mut self, watermark: i64) {
        if let Self::Windows(stage) = self {
            stage.pass(watermark);
        }
    }

    /// Takes out the window that ends at `end`: the rows that are `wanted`.
    pub fn close(&mut self, end: i64, wanted: Wanted<'_>) -> Result<FeatureRows, StageError> {
        match self {
            Self::Windows(stage) => stage.close(end, wanted),
            Self::Trailing(stage) => stage.close(end),
        }
    }

    /// Leaves out the window that ends at `end`: nothing asks for it.
    pub fn skip(&mut self, end: i64) -> Result<(), StageError> {
        match self {
            Self::Windows(stage) => stage.skip(end),
            Self::Trailing(stage) => stage.close(end).map(drop),
        }
    }
}

impl Saved for Stage {
    fn save(&self, out: &mut Saver<'_>) -> Result<(), SavedError> {
        match self {
            Self::Windows(stage) => stage.save(out),
            Self::Trailing(stage) => stage.save(out),
        }
    }

    fn load(&mut self, from: &mut Loader<'_>) -> Result<(), SavedError> {
        match self {
            Self::Windows(stage) => stage.load(from),
            Self::Trailing(stage) => stage.load(from),
        }
    }
}
