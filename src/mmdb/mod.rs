//! Files of networks in MaxMind's format (`.mmdb`): a tree of networks, no two of which share an address, and a record for
//! each.
//!
//! A [`Database`] is such a file, a [`Table`] what a lookup reads of it: a row for each network. Nobody makes rows of all
//! networks to find one: an address goes down the tree. Both ways to the rows, [`Table::find`] and [`Table::rows`], have
//! the same ones: whoever has the rows finds by the longest prefix what the tree finds.
//!
//! What this may never do: fail the program over what a file holds.

mod any;
mod database;
mod path;
mod survey;
mod table;

pub use database::{Damaged, Database};
pub use path::Path;
pub use survey::{Kind, Survey};
pub use table::{Source, Table};

#[cfg(test)]
mod tests;
