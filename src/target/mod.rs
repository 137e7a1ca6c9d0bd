//! Engines that run what the language means, one folder each.

pub mod datafusion;
