<<<<<<< HEAD
//! One binary of integration tests, whose cases are files.

mod arrival;
mod docs;
mod error;
mod kept;
mod oracle;
mod order;
mod random;

use std::process::ExitCode;

use libtest_mimic::Arguments;
use tripline::diagnostic::{Diagnostic, SourceFiles};
use tripline::plan::{self, ResolveOptions};
use tripline::port::FileTree;
use tripline::record::EventTime;

/// The day on which tests judge exceptions: 2026-06-01.
pub const TODAY: ResolveOptions = ResolveOptions { as_of: EventTime(1_780_272_000_000_000) };

/// All findings of a project, as `tripline check` gives them.
pub fn check(tree: &dyn FileTree) -> (Vec<Diagnostic>, SourceFiles) {
    let loaded = tripline::definition::load(tree);
    let mut found = loaded.diagnostics;
    found.extend(plan::resolve(&loaded.project, TODAY).diagnostics);
=======
//! Tests of the whole: their cases are files, or the program as people run it.

mod cli;
mod error;

use libtest_mimic::Arguments;
use tripline::diagnostic::{Diagnostic, SourceFiles};
use tripline::plan::{ResolveOptions, resolve};
use tripline::port::FileTree;
use tripline::record::EventTime;

/// The day on which exceptions are judged: 2026-01-05.
const AS_OF: EventTime = EventTime(1_767_571_200_000_000);

fn check(tree: &dyn FileTree) -> (Vec<Diagnostic>, SourceFiles) {
    let loaded = tripline::definition::load(tree);
    let resolved = resolve(&loaded.project, ResolveOptions { as_of: AS_OF });
    let mut found = loaded.diagnostics;
    found.extend(resolved.diagnostics);
    found.extend(tripline::runtime::case::check(&loaded.project, &resolved.plan));
>>>>>>> w/cli
    found.sort_by_key(|d| (d.span, d.code));
    found.dedup();
    (found, loaded.files)
}

<<<<<<< HEAD
fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = error::cases(check);
    trials.extend(docs::trials());
    trials.extend(order::cases());
    libtest_mimic::run(&arguments, trials).exit_code()
=======
fn main() {
    let mut trials = error::cases(check);
    trials.extend(cli::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
>>>>>>> w/cli
}
