//! Synthetic NetLog with labelled attacks: for the demo, for tests, for benchmarks.
//!
//! The same options give the same bytes on every machine. Rows are plausible, not real: they try
//! whether rules work, never how accurate a detector is. This module reads no clock, no file and
//! no definition, and knows no rule: thresholds live in the pack alone.

mod attack;
mod benign;
mod flow;
mod habit;
mod options;
mod place;
mod population;
mod random;
mod scenario;
mod service;
mod stream;
#[cfg(test)]
mod tests;

pub use options::{ATTACKS_MAX, Attack, Options, SUBSCRIBERS_MAX};
pub use stream::{AttackSummary, Summary, generate};
