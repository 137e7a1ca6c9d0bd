//! HTTP on this machine: pages for whoever watches a run, and asking for them.
//!
//! | file | does |
//! |---|---|
//! | `serve.rs` | pages at an address, on a thread of their own |
//! | `ask.rs` | one page of another process |

mod ask;
mod serve;

pub use ask::ask;
pub use serve::{Serving, serve};
