//! Leaf types that every stage shares. Uses no other module of this crate.

pub mod time;
pub mod types;
pub mod value;

pub use time::{EventTime, Micros};
pub use types::{Column, Type};
pub use value::Value;
