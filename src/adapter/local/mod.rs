//! Local files.

pub mod embedded;
pub mod folder;
pub mod memory;

pub use embedded::Embedded;
pub use folder::Folder;
pub use memory::MemoryTree;
pub mod input;
