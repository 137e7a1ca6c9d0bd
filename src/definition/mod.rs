//! Files to typed definitions with places.
//!
//! Loading returns a project and all findings; it never stops at the first.

pub mod model;
