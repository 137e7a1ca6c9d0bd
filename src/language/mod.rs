//! A strict subset of GoogleSQL: text to a typed tree with places.
//!
//! sqlparser (BigQuery dialect) gives syntax and places; everything else is decided here: names, types,
//! NULL rules, what is refused. The closed table in [`function`] is the single list of functions and operators.
//! Lowering to an engine is in `target`.

pub mod function;
pub mod scope;
pub mod tree;
