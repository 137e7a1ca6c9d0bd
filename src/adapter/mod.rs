//! Adapters.

pub mod local;
