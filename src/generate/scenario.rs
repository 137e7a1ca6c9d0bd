//! What is planted: attacks that are many rows (`attack.rs`) and breaks of a habit (`habit.rs`), in the order of the options.

use crate::record::EventTime;

use super::attack::{self, Attacker, Burst};
use super::flow::Flow;
use super::habit::{self, Break, Lives};
use super::options::{Attack, Options};
use super::population::Population;

#[derive(Debug)]
enum Kind {
    Burst(attack::Plan),
    Break(habit::Plan),
}

#[derive(Debug)]
pub(super) struct Plan {
    pub attack: Attack,
    kind: Kind,
}

enum Wanted {
    Burst(Burst),
    Break(Break),
}

fn wanted(attack: Attack) -> Wanted {
    match attack {
        Attack::PortScan => Wanted::Burst(Burst::PortScan),
        Attack::HostScan => Wanted::Burst(Burst::HostScan),
        Attack::SynFlood => Wanted::Burst(Burst::SynFlood),
        Attack::Exfiltration => Wanted::Burst(Burst::Exfiltration),
        Attack::Beacon => Wanted::Burst(Burst::Beacon),
        Attack::BruteForce => Wanted::Burst(Burst::BruteForce),
        Attack::Travel => Wanted::Break(Break::Travel),
        Attack::Silence => Wanted::Break(Break::Silence),
    }
}

/// Plans all attacks of a run. Some may have no rows; their notes say why. Neither kind moves the other.
pub(super) fn plan(options: &Options, population: &Population) -> Vec<Plan> {
    let (mut bursts, mut breaks) = (Vec::new(), Vec::new());
    for attack in &options.attacks {
        match wanted(*attack) {
            Wanted::Burst(burst) => bursts.push(burst),
            Wanted::Break(one) => breaks.push(one),
        }
    }
    let mut bursts = attack::plan(options, population, &bursts).into_iter();
    let mut breaks = habit::plan(options, population, &breaks).into_iter();
    let planned = options.attacks.iter().filter_map(|&attack| {
        let kind = match wanted(attack) {
            Wanted::Burst(_) => Kind::Burst(bursts.next()?),
            Wanted::Break(_) => Kind::Break(breaks.next()?),
        };
        Some(Plan { attack, kind })
    });
    planned.collect()
}

impl Plan {
    /// Rows that have its label.
    pub(super) fn rows(&self) -> u64 {
        match &self.kind {
            Kind::Burst(plan) => plan.rows,
            Kind::Break(plan) => plan.rows,
        }
    }

    /// Rows without a label that come with it, about.
    pub(super) fn habit_rows(&self) -> u64 {
        match &self.kind {
            Kind::Burst(_) => 0,
            Kind::Break(plan) => plan.habit_rows,
        }
    }

    pub(super) fn start(&self) -> EventTime {
        match &self.kind {
            Kind::Burst(plan) => plan.start,
            Kind::Break(plan) => plan.start,
        }
    }

    pub(super) fn note(&self) -> Option<String> {
        match &self.kind {
            Kind::Burst(plan) => plan.note.clone(),
            Kind::Break(plan) => plan.note.clone(),
        }
    }

    pub(super) fn actor(&self) -> String {
        match &self.kind {
            Kind::Burst(plan) => plan.actor(),
            Kind::Break(plan) => plan.source.to_string(),
        }
    }

    pub(super) fn victim(&self) -> String {
        match &self.kind {
            Kind::Burst(plan) => plan.victim(),
            Kind::Break(plan) => plan.story.clone(),
        }
    }

    /// `actor>victim`, for the labels.
    pub(super) fn detail(&self) -> String {
        match &self.kind {
            Kind::Burst(plan) => plan.detail(),
            Kind::Break(plan) => format!("{}>*", plan.source),
        }
    }
}

/// A planned one under way.
#[derive(Debug)]
pub(super) enum Actor {
    Burst(Attacker),
    Break(Lives),
}

impl Actor {
    pub(super) fn new(plan: &Plan, number: usize, seed: u64) -> Self {
        match &plan.kind {
            Kind::Burst(plan) => Self::Burst(Attacker::new(plan.clone(), number, seed)),
            Kind::Break(plan) => Self::Break(Lives::new(plan, number)),
        }
    }

    /// The end of its next flow. `others`: are there ordinary rows to come?
    pub(super) fn peek(&self, others: bool) -> Option<EventTime> {
        match self {
            Self::Burst(attacker) => attacker.peek(),
            Self::Break(lives) => lives.peek(others),
        }
    }

    /// The flow that was announced, which ends at `end`.
    pub(super) fn take(&mut self, end: EventTime, population: &Population) -> Flow {
        match self {
            Self::Burst(attacker) => attacker.take(end, population),
            Self::Break(lives) => lives.take(end, population),
        }
    }
}
