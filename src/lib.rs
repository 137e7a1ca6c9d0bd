//! tripline.

pub mod adapter;
pub mod cli;
pub mod definition;
pub mod diagnostic;
pub mod generate;
pub mod language;
pub mod pipeline;
pub mod plan;
pub mod port;
pub mod record;
pub mod runtime;
pub mod target;
pub mod telemetry;
