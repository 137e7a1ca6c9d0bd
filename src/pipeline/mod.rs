//! The stages, in order.

pub mod ingest;
