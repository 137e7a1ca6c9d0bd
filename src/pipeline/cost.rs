//! Where the time of a run goes, by feature and rule.

use std::time::{Duration, Instant};

/// What a relation has cost so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    pub time: Duration,
    /// Rows that it was given.
    pub given: u64,
    /// Rows that it made.
    pub made: u64,
}

/// A piece of work that goes on.
pub struct Spending {
    began: Instant,
}

impl Spending {
    pub fn begin() -> Self {
        Self { began: Instant::now() }
    }

    pub fn on(self, cost: &mut Cost, given: usize, made: usize) {
        cost.time += self.began.elapsed();
        cost.given += given as u64;
        cost.made += made as u64;
    }
}

/// What everything has cost, by its place in the plan.
#[derive(Debug, Default, Clone)]
pub struct Costs {
    pub features: Vec<Cost>,
    pub rules: Vec<Cost>,
}

impl Costs {
    pub fn new(features: usize, rules: usize) -> Self {
        Self { features: vec![Cost::default(); features], rules: vec![Cost::default(); rules] }
    }
}
