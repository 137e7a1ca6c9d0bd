//! New definitions for a run that goes on: who offers them, and what became of the last ones.

use crate::plan::Plan;
use crate::state::definitions::Packed;

/// A lookup as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupState {
    pub name: String,
    /// `None`: of a file of networks, whose rows nobody counts.
    pub rows: Option<usize>,
    /// Another one for each content of its file.
    pub version: String,
}

/// Definitions that are whole and right.
pub struct Fresh {
    pub plan: Plan,
    pub generation: String,
    pub lookups: Vec<LookupState>,
    /// The files that say them: a start after a crash may need them. `None`: nothing is kept of them.
    pub files: Option<Packed>,
    /// Did somebody ask for them? Otherwise they are there because files have changed.
    pub asked: bool,
}

/// Or why there are none, as people are told.
pub type Offered = Result<Box<Fresh>, String>;

/// Who reads definitions when somebody asks for it.
pub trait Definitions: Send {
    /// What was read since it was asked last; the log has so many entries.
    fn next(&mut self, entries: u64) -> Option<Offered>;

    /// How many were read meanwhile that others were read behind, before anybody looked at them.
    fn overtaken(&mut self) -> u64 {
        0
    }
}

/// What became of definitions that were offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// They are in force.
    Taken,
    /// They were in force already.
    Unchanged,
    /// They are wrong, or a restart is needed.
    Refused,
    /// Others were read before they came in force.
    Overtaken,
}

impl Outcome {
    pub const ALL: [Self; 4] = [Self::Taken, Self::Unchanged, Self::Refused, Self::Overtaken];

    pub fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Overtaken => "overtaken",
        }
    }
}
