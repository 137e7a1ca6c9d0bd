//! Files to typed definitions with places.
//!
//! [`load`] reads every file of the layout and returns the project with all findings; it never stops at
//! the first. SQL stays text here, with the place of every byte; `plan` and `language` give it meaning.
//! The tables of keys in `config`, `source`, `lookup`, `feature`, `join`, `rule` and `case` are the one
//! description of the files: the validator, the messages and the JSON [`schemas`] come from them.

pub mod codes;
pub mod model;

mod case;
mod cells;
mod computed;
mod config;
mod dead_letters;
mod feature;
mod habit;
mod join;
mod lint;
mod load;
mod lookup;
mod lookup_file;
mod lookup_lint;
mod lookup_rows;
mod place;
mod pseudonym_key;
mod rule;
mod scalar;
mod schema;
mod shape;
mod sink;
mod source;
mod validate;
mod yaml;

pub use computed::computed;
pub use load::{Loaded, is_definition, load};
pub use schema::{schema_of, schemas};

#[cfg(test)]
mod tests;
