//! Exit codes.

use std::io;
use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Fine,
    /// `check`, `test` or `run --strict` found something.
    Findings,
    /// Wrong use, or something outside does not work.
    Usage,
    /// Stopped by Ctrl-C.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Findings => 1,
            Exit::Usage => 2,
            Exit::Interrupted => 130,
        })
    }
}

/// Did the reader of our output go away? That is its right (`tripline … | head`).
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe))
}

/// `error: …` with its causes on the same line, then the `help:` lines.
pub fn describe(error: &anyhow::Error) -> String {
    let mut text = String::from("error: ");
    let mut help = String::new();
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        let mut lines = cause.lines();
        let first = lines.next().unwrap_or_default();
        // Some errors repeat what their cause says.
        if !said.contains(first) {
            if !said.is_empty() {
                said.push_str(": ");
            }
            said.push_str(first);
        }
        for line in lines.map(|line| format!("\n{line}")) {
            if !help.contains(&line) {
                help.push_str(&line);
            }
        }
    }
    text.push_str(&said);
    text.push_str(&help);
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::Context;

    use super::{describe, is_broken_pipe};
    use crate::pipeline::outlet::OutletError;
    use crate::runtime::run::RunError;

    #[test]
    fn causes_come_before_help() {
        let error = anyhow::anyhow!("no such file\nhelp: look there").context("cannot read a");
        assert_eq!(describe(&error), "error: cannot read a: no such file\nhelp: look there");
        let twice: anyhow::Error = Err::<(), _>(io::Error::other("full")).context("cannot write a: full").unwrap_err();
        assert_eq!(describe(&twice), "error: cannot write a: full");
    }

    #[test]
    fn a_closed_pipe_is_seen_through_a_run() {
        let closed = |kind: io::ErrorKind| {
            let error = OutletError { name: "alerts".to_owned(), error: io::Error::from(kind) };
            anyhow::Error::from(RunError::from(error))
        };
        assert!(is_broken_pipe(&closed(io::ErrorKind::BrokenPipe)));
        assert!(!is_broken_pipe(&closed(io::ErrorKind::StorageFull)));
    }
}
