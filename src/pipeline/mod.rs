//! The stages, in order.

pub mod ingest;
pub mod window;
