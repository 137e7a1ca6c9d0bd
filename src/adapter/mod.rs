//! Adapters.

pub mod gcp;
pub mod local;
