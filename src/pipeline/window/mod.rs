//! Rows to feature rows: panes, exact aggregate states, windows.

pub mod accumulate;
pub mod distinct;
pub mod evict;
pub mod evidence;
pub mod exact;
pub mod feature;
mod fill;
mod forms;
mod frame;
#[cfg(test)]
mod golden;
pub mod handover;
mod input;
mod keep;
pub mod key;
mod lean;
mod list;
pub mod operator;
pub mod ordered;
mod pair;
mod previous;
mod quantile;
mod rounded;
mod saved;
pub mod session;
mod sketch;
pub mod stage;
pub mod trailing;
