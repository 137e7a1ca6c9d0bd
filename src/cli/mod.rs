//! The command line: one file a command. Results go to standard output, everything else to standard error.

mod backfill;
mod backtest;
mod check;
mod compile;
mod demo;
mod exit;
mod explain;
mod fetch;
mod generate;
mod history;
mod ingest;
mod init;
mod inputs;
mod keys;
mod listen;
mod live;
mod lookups;
mod mute;
mod near;
mod place;
mod profile;
mod project;
mod pseudonymize;
mod query;
mod reconcile;
mod reload;
mod run;
mod say;
mod schema;
mod source;
mod status;
mod stop;
mod summary;
mod test;
mod training;
mod trial;
mod verify;
mod warehouse;
mod watch;
mod wire;

pub use wire::sinks;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use exit::Exit;
use say::say;

/// Write BigQuery SQL once; run it on the live stream, on a laptop and over history; get the same alerts.
#[derive(Debug, Parser)]
#[command(name = "tripline", version, about, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See it work: generated NetLog with labelled attacks, through the built-in pack, to alerts
    Demo(demo::Demo),
    /// Write a new detection project from the built-in pack
    Init(init::Init),
    /// Check all definitions of a project: names, types, NULLs, windows
    Check(check::Check),
    /// Print the definitions as SQL for the warehouse
    Compile(compile::Compile),
    /// Run the rules' own tests
    Test(test::Test),
    /// Tell what the rules would have found in rows of the past, and compare with other definitions
    Backtest(backtest::Backtest),
    /// Run the rules over inputs and write alerts
    Run(run::Run),
    /// Tell how a run over subscriptions is, which was started with --listen
    Status(status::Status),
    /// Have sinks of a run not be told of some alerts for a while
    Mute(mute::Mute),
    /// Ask a relation of the project with SQL: flows, features, rules, hits
    Query(query::Query),
    /// Write training rows: labels beside what features said before their time
    Training(training::MakeTraining),
    /// Read files, or days of BigQuery, into a local history of flows, by day
    Ingest(ingest::Ingest),
    /// Run the definitions over a history, day by day
    Backfill(backfill::Backfill),
    /// Compare what a run wrote with what a history gives, and say why rows differ
    Reconcile(reconcile::Reconcile),
    /// Generate plausible NetLog with labelled attacks
    Generate(generate::Generate),
    /// Draft a source from a sample, or profile real input
    #[command(subcommand)]
    Source(source::Source),
    /// Pseudonym keys in BigQuery
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Print the pseudonyms of values, one a line of standard input
    Pseudonymize(pseudonymize::Pseudonymize),
    /// Print the JSON Schema of alerts or of a definition file
    Schema(schema::Schema),
    /// Explain a diagnostic code, a rule or a feature
    Explain(explain::Explain),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors.
            let usage = error.use_stderr();
            let _ = error.print();
            if error.kind() == ErrorKind::MissingRequiredArgument && std::env::args().nth(1).as_deref() == Some("run") {
                say("example: tripline run --source netlog --input flows.jsonl --format text\n");
            }
            return if usage { Exit::Usage.into() } else { Exit::Fine.into() };
        }
    };
    let result = match args.command {
        Command::Demo(command) => command.run(),
        Command::Init(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Compile(command) => command.run(),
        Command::Test(command) => command.run(),
        Command::Backtest(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Mute(command) => command.run(),
        Command::Query(command) => command.run(),
        Command::Training(command) => command.run(),
        Command::Ingest(command) => command.run(),
        Command::Backfill(command) => command.run(),
        Command::Reconcile(command) => command.run(),
        Command::Generate(command) => command.run(),
        Command::Source(command) => command.run(),
        Command::Keys(command) => command.run(),
        Command::Pseudonymize(command) => command.run(),
        Command::Schema(command) => command.run(),
        Command::Explain(command) => command.run(),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) if exit::is_broken_pipe(&error) => Exit::Fine.into(),
        Err(error) => {
            say(&format!("{}\n", exit::describe(&error)));
            // The command was right, and there is nothing to do.
            if error.is::<history::NoFlows>() { Exit::Findings.into() } else { Exit::Usage.into() }
        }
    }
}
