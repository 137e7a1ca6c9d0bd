//! Local files, memory, the machine's clock, the embedded pack.

pub mod clock;
pub mod embedded;
pub mod folder;
pub mod input;
pub mod memory;
pub mod output;
pub mod spill;
pub mod store;

pub use embedded::Embedded;
pub use folder::Folder;
pub use memory::{MemoryInput, MemoryTree};
pub use spill::LocalSpill;
pub use store::LocalStore;
