//! Local files, memory, the machine's clock, the embedded pack.

pub mod clock;
pub mod embedded;
pub mod folder;
pub mod input;
pub mod memory;
pub mod output;
pub mod store;

pub use embedded::Embedded;
pub use folder::Folder;
pub use memory::{MemoryInput, MemoryTree};
pub use store::LocalStore;
