//! Local files, memory, the machine's clock, the embedded pack, revisions of a project.

pub mod appended;
pub mod child;
pub mod clock;
pub mod credential;
pub mod disk;
pub mod embedded;
pub mod folder;
pub mod input;
pub mod lines;
pub mod memory;
pub mod output;
pub mod process;
pub mod revision;
pub mod spill;
pub mod store;

pub use disk::LocalDisk;
pub use embedded::Embedded;
pub use folder::Folder;
pub use memory::{MemoryInput, MemoryTree};
pub use revision::{Revision, RevisionError};
pub use spill::LocalSpill;
pub use store::LocalStore;
