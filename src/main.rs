//! Parse, run, error to exit code.

use std::process::ExitCode;

/// Decoding and windows allocate much; the system's allocator is the slower one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tripline::cli::main()
}
