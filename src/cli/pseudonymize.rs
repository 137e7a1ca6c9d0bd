//! `tripline pseudonymize`: the pseudonyms of values, for lookups and for whoever asks which one somebody has.

use std::io::{BufRead, BufWriter, Write, stdin, stdout};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::exit::Exit;
use super::keys::named;
use super::project::open_valid;

#[derive(Debug, Args)]
pub struct Pseudonymize {
    /// The name of a key of `pseudonym_keys` in tripline.yaml
    #[arg(long, value_name = "NAME")]
    key: String,
    /// Prints `value<TAB>pseudonym`, and not the pseudonym alone
    #[arg(long)]
    with_values: bool,
    /// The project's folder (default: here)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

impl Pseudonymize {
    /// A value is a line of standard input: an argument could be seen by others, and stays in a shell's memory.
    pub fn run(self) -> anyhow::Result<Exit> {
        let opened = open_valid(self.project.as_deref())?;
        let key = named(&opened, &self.key)?;
        let secret = key.key.as_ref().map_err(Clone::clone)?;
        let mut out = BufWriter::new(stdout().lock());
        let mut lines = stdin().lock();
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).context("cannot read standard input")? > 0 {
            let value = line.strip_suffix(b"\n").unwrap_or(&line);
            let value = value.strip_suffix(b"\r").unwrap_or(value);
            if self.with_values {
                out.write_all(value)?;
                out.write_all(b"\t")?;
            }
            writeln!(out, "{}", secret.pseudonym(&key.id, value))?;
            line.clear();
        }
        out.flush()?;
        Ok(Exit::Fine)
    }
}
