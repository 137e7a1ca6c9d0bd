//! What the run's loop leaves for others.

use crate::pipeline::graph::tally::Tally;
use crate::pipeline::merge::BEFORE_ALL;
use crate::record::EventTime;
use crate::state::mute::Mute;

use super::super::Logged;
use super::super::core::Core;
use super::super::health::{LateRows, Open};

#[derive(Debug, Clone)]
pub struct Figures {
    pub tally: Tally,
    pub watermark: Option<EventTime>,
    pub lanes: Vec<LaneFigures>,
    pub log: Logged,
    /// What is wrong with sources and rules.
    pub open: Vec<Open>,
    /// What sinks are not told of.
    pub mutes: Vec<Mute>,
}

/// Of a subscription.
#[derive(Debug, Clone, Copy)]
pub struct LaneFigures {
    pub watermark: Option<EventTime>,
    /// Rows that wait for those of other subscriptions.
    pub waiting_rows: u64,
    pub late: LateRows,
    /// The memory that they have.
    pub waiting_bytes: u64,
}

impl Figures {
    pub fn of(core: &Core, log: Logged, mutes: Vec<Mute>) -> Self {
        let known = |watermark: i64| (watermark != BEFORE_ALL && watermark != i64::MAX).then_some(EventTime(watermark));
        let lane = |lane: usize| LaneFigures {
            watermark: known(core.merge.watermark_of(lane)),
            waiting_rows: core.waiting_rows(lane) as u64,
            late: core.health.late_rows(lane),
            waiting_bytes: core.waiting_bytes(lane),
        };
        Self {
            tally: core.graph.tally(core.unread_rows()),
            watermark: known(core.graph.watermark()),
            lanes: (0..core.lanes()).map(lane).collect(),
            log,
            open: core.health.open(),
            mutes,
        }
    }
}
