//! Engines that run what the language means, one folder each: `datafusion` computes it, `bigquery` prints it as SQL.

pub mod bigquery;
pub mod datafusion;
