//! One binary of integration tests, whose cases are files.

mod arrival;
mod backtest;
mod broker;
mod case;
mod cli;
mod codes;
mod compile;
mod conserve;
mod crowd;
mod docs;
mod durable;
mod early;
mod error;
mod expressions;
mod fetch;
mod files;
mod fingerprint;
mod fuzz;
mod health;
mod history;
mod kept;
mod layout;
mod live;
mod moved;
mod mutation;
mod oracle;
mod order;
mod program;
mod pruned;
mod pseudonym;
mod pubsub;
mod query;
mod random;
mod reconcile;
mod recorded;
mod reload;
mod scale;
mod sinks;
mod spaces;
mod storage;
mod stream;
mod training;
mod verdict;
mod vitals;
mod warehouse;
mod warm;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed};
use tripline::adapter::local::MemoryTree;
use tripline::diagnostic::{Diagnostic, Severity, SourceFiles};
use tripline::plan::{self, Plan, ResolveOptions};
use tripline::port::FileTree;
use tripline::record::EventTime;
use tripline::runtime::case::check as check_cases;
use tripline::runtime::names;

/// The day on which tests judge exceptions: 2026-06-01.
pub const TODAY: ResolveOptions = ResolveOptions { as_of: EventTime(1_780_272_000_000_000) };

/// The plan of a project in one text, which has no findings.
pub fn plan_of(text: &str) -> Result<Plan, Failed> {
    let loaded = tripline::definition::load(&MemoryTree::from_sections(text));
    let resolved = plan::resolve(&loaded.project, TODAY);
    if resolved.has_errors() || !loaded.diagnostics.is_empty() {
        return Err(format!("{:?} {:?}", loaded.diagnostics, resolved.diagnostics).into());
    }
    Ok(resolved.plan)
}

/// All findings of a project, as `tripline check` gives them.
pub fn check(tree: &dyn FileTree) -> (Vec<Diagnostic>, SourceFiles) {
    let loaded = tripline::definition::load(tree);
    let mut found = loaded.diagnostics;
    let resolved = plan::resolve(&loaded.project, TODAY);
    found.extend(check_cases(&loaded.project, &resolved.plan));
    found.extend(resolved.diagnostics);
    if !found.iter().any(|finding| finding.severity == Severity::Error) {
        found.extend(names::check(&loaded.project, &resolved.plan));
    }
    found.sort_by_key(|d| (d.span, d.code));
    found.dedup();
    (found, loaded.files)
}

fn main() -> ExitCode {
    if let Some(done) = sinks::part() {
        return done;
    }
    let arguments = Arguments::from_args();
    let mut trials = error::cases(check);
    trials.extend(broker::cases());
    trials.extend(case::cases());
    trials.extend(cli::trials());
    trials.extend(codes::cases());
    trials.extend(compile::cases());
    trials.extend(conserve::cases());
    trials.extend(crowd::cases());
    trials.extend(docs::trials());
    trials.extend(durable::cases());
    trials.extend(early::cases());
    trials.extend(fingerprint::cases());
    trials.extend(pruned::cases());
    trials.extend(pseudonym::cases());
    trials.extend(pubsub::cases());
    trials.extend(reload::cases());
    trials.extend(query::cases());
    trials.extend(training::cases());
    trials.extend(expressions::cases());
    trials.extend(files::cases());
    trials.extend(fuzz::cases());
    trials.extend(health::cases());
    trials.extend(history::cases());
    trials.extend(warm::cases());
    trials.extend(fetch::cases());
    trials.extend(layout::cases());
    trials.extend(mutation::cases());
    trials.extend(order::cases());
    trials.extend(backtest::cases());
    trials.extend(reconcile::cases());
    trials.extend(recorded::cases());
    trials.extend(scale::cases());
    trials.extend(storage::cases());
    trials.extend(sinks::cases());
    trials.extend(spaces::cases());
    trials.extend(stream::cases());
    trials.extend(verdict::cases());
    trials.extend(vitals::cases());
    trials.extend(warehouse::cases());
    libtest_mimic::run(&arguments, trials).exit_code()
}
