//! `tripline source infer`: drafts of a source's two files from a sample of its records.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use crate::definition::model::Source as DefinedSource;
use crate::diagnostic::{Diagnostic, render_text};
use crate::pipeline::ingest::{Inferred, infer, infer_parquet};
use crate::port::InputBytes;

use super::exit::Exit;
use super::place::check_local;
use super::profile::Profile;
use super::project::{open, tree};
use super::say::{note, say};
use super::wire;

#[derive(Debug, Subcommand)]
pub enum Source {
    /// Draft a source.yaml and its flows.sql from a sample
    Infer(Infer),
    /// Show what the columns of real input hold, and which rules that keeps from firing
    Profile(Profile),
}

#[derive(Debug, Args)]
pub struct Infer {
    /// JSON lines, CSV, a Zeek log or Parquet; `.gz` and `.zst` are read too, `-` is standard input
    #[arg(value_name = "FILE")]
    file: String,
    /// The source's name (default: from the file's name)
    #[arg(long)]
    name: Option<String>,
    /// Write sql/NAME/source.yaml and sql/NAME/flows.sql into this project in place of printing them
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
}

/// How much of the file is looked at.
const SAMPLE_BYTES: u64 = 4 << 20;
/// A second source of that name would hide the folder of lookups.
const LOOKUPS: &str = "lookups";

impl Source {
    pub fn run(self) -> anyhow::Result<Exit> {
        match self {
            Self::Infer(command) => command.run(),
            Self::Profile(command) => command.run(),
        }
    }
}

impl Infer {
    fn run(self) -> anyhow::Result<Exit> {
        self.project.as_ref().map_or(Ok(()), check_local)?;
        let inferred = self.draft()?;
        if let Some(separator) = inferred.separator {
            bail!(
                "only commas separate the fields of CSV, and {} seems to have `{}`\nhelp: write it with commas, for \
                 instance by the export of the program that made it",
                self.file,
                separator.escape_default()
            );
        }
        if inferred.columns.is_empty() {
            bail!(
                "no record of {} was understood\nhelp: a sample is JSON lines, CSV with a header, a Zeek log or Parquet",
                self.file
            );
        }
        if self.name.as_ref().is_some_and(|name| *name != inferred.name) || inferred.name == LOOKUPS {
            let wanted = self.name.as_deref().unwrap_or(LOOKUPS);
            bail!(
                "`{wanted}` cannot be a source's name\nhelp: --name takes letters, digits and `_`, such as `edge_flows`"
            );
        }
        if inferred.refused > 0 {
            note(&format!("{} of {} records were not understood", inferred.refused, inferred.records));
        }
        if let Some(source) = self.known(&inferred)? {
            note(&format!("the source `{source}` reads these records as they are: --source {source}"));
        }
        match &self.project {
            Some(project) => write_drafts(project, &inferred),
            None => print_drafts(&inferred),
        }
    }

    /// A source of the project, or of the built-in pack, that has everything it needs in these records.
    fn known(&self, inferred: &Inferred) -> anyhow::Result<Option<String>> {
        let tree = match &self.project {
            Some(project) => tree(Some(project))?,
            None => wire::embedded(),
        };
        let opened = open(tree.as_ref(), None);
        let seen = |field: &String| inferred.columns.iter().any(|column| column.fields.contains(field));
        let reads = |source: &&DefinedSource| {
            let mut required = source.columns.iter().filter(|column| column.required).peekable();
            source.format == inferred.format
                && required.peek().is_some()
                && required.all(|column| column.fields.iter().any(seen))
        };
        Ok(opened.project.sources.iter().find(reads).map(|source| source.name.text.clone()))
    }

    fn draft(&self) -> anyhow::Result<Inferred> {
        let inputs = wire::inputs(std::slice::from_ref(&self.file))?;
        let [input] = inputs.as_slice() else {
            bail!("{} names {} files\nhelp: one is enough for a draft", self.file, inputs.len());
        };
        let name = match (&self.name, self.file.as_str()) {
            (Some(name), _) => name.clone(),
            (None, "-") => "source".to_owned(),
            (None, file) => file.to_owned(),
        };
        let opened = input.open().with_context(|| format!("cannot open {}", self.file))?;
        let stream = match opened {
            InputBytes::File(file) => {
                return infer_parquet(file, &name).with_context(|| format!("cannot read {}", self.file));
            }
            InputBytes::Stream(stream) => stream,
        };
        let mut sample = Vec::new();
        if let Err(error) = stream.take(SAMPLE_BYTES).read_to_end(&mut sample) {
            if sample.is_empty() {
                return Err(error).with_context(|| format!("cannot read {}", self.file));
            }
            note(&format!("{} breaks off after {} bytes: {error}", self.file, sample.len()));
        }
        if sample.iter().all(u8::is_ascii_whitespace) {
            bail!("{} is empty", self.file);
        }
        Ok(infer(&sample, &name))
    }
}

fn paths(name: &str) -> (String, String) {
    (format!("sql/{name}/source.yaml"), format!("sql/{name}/flows.sql"))
}

fn print_drafts(inferred: &Inferred) -> anyhow::Result<Exit> {
    let (source, flows) = paths(&inferred.name);
    let mut out = std::io::stdout().lock();
    write!(out, "# {source}\n{}\n-- {flows}\n{}", inferred.source_yaml, inferred.flows_sql)?;
    out.flush()?;
    note("--project DIR writes these two files into a project");
    Ok(Exit::Fine)
}

fn write_drafts(project: &Path, inferred: &Inferred) -> anyhow::Result<Exit> {
    // Says what is wrong when it is no project.
    tree(Some(project))?;
    let (source, flows) = paths(&inferred.name);
    for path in [&source, &flows] {
        if project.join(path).exists() {
            bail!("{} exists and is left as it is\nhelp: --name gives another name", project.join(path).display());
        }
    }
    for (path, text) in [(&source, &inferred.source_yaml), (&flows, &inferred.flows_sql)] {
        let path = project.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(std::io::stdout(), "wrote {}", path.display())?;
    }
    let tree = tree(Some(project))?;
    let opened = open(tree.as_ref(), None);
    let ours = |d: &&Diagnostic| [&source, &flows].iter().any(|path| opened.files.path(d.span.file) == path.as_str());
    let found: Vec<Diagnostic> = opened.diagnostics.iter().filter(ours).cloned().collect();
    if !found.is_empty() {
        say(&render_text(&found, &opened.files, false));
    }
    let folder = project.display();
    writeln!(
        std::io::stdout(),
        "next:  read both, then tripline check --project {folder}\n       and tripline source profile --project {folder} \
         --source {} --input FILE: which rules cannot fire",
        inferred.name
    )?;
    Ok(Exit::Fine)
}
