//! Runs: inputs pumped through the stages, progress, stopping, the report.

pub mod case;
pub mod outlet;
pub mod report;
pub mod run;
