//! Local files.

pub mod input;
