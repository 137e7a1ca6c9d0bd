//! Text to syntax tree, with places. Uses sqlparser and no other knowledge of what names mean.
//!
//! Sizes are measured on tokens before the parser runs, so that no text can exhaust the stack.

mod dialect;
mod limit;
pub(super) mod literal;
mod names;
mod parse;
mod place;
mod reserved;

pub(super) use names::{Names, names};
pub(super) use parse::{parse_expression, parse_query};
pub(super) use place::Places;
pub use reserved::is_reserved;
