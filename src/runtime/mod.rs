//! Runs: inputs pumped through the stages, progress, stopping, the report.

pub mod alert;
pub mod backfill;
pub mod backtest;
pub mod case;
pub mod day;
pub mod fetch;
pub mod ingest;
pub mod keys;
pub mod lane;
pub mod live;
pub mod names;
pub mod outlet;
pub mod past;
pub mod patch;
pub mod profile;
pub mod profile_column;
pub mod profile_lint;
pub mod query;
pub mod ranges;
pub mod reconcile;
pub mod replay;
pub mod report;
pub mod run;
pub mod training;
mod turn;
pub mod warehouse;
pub mod warm;
