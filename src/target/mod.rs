//! Plan to engine.

pub mod datafusion;
