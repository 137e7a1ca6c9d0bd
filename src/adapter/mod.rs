//! Adapters.

pub mod gcp;
pub mod http;
pub mod local;
