//! Finding, loading and resolving a project for a command.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use crate::definition::{self, model::Project};
use crate::diagnostic::{Diagnostic, Severity, SourceFiles, render_text};
use crate::plan::{self, Plan, ResolveOptions};
use crate::port::FileTree;
use crate::record::EventTime;

use super::say::{note, say};
use super::wire;

/// A project, resolved.
pub struct Opened {
    pub project: Project,
    pub plan: Plan,
    pub files: SourceFiles,
    pub diagnostics: Vec<Diagnostic>,
    /// A hash over everything that was read: one generation of definitions.
    pub generation: String,
}

impl Opened {
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count()
    }

    pub fn warnings(&self) -> usize {
        self.diagnostics.len() - self.errors()
    }
}

/// The folder given, the current one when it is a project, or the built-in pack.
pub fn tree(folder: Option<&Path>) -> anyhow::Result<Box<dyn FileTree>> {
    match folder {
        Some(folder) if !folder.is_dir() => bail!("{} is not a folder", folder.display()),
        Some(folder) if !folder.join("tripline.yaml").is_file() => {
            bail!(
                "{} has no tripline.yaml\nhelp: `tripline init {}` writes a project there",
                folder.display(),
                folder.display()
            )
        }
        Some(folder) => Ok(wire::folder(folder)),
        None if Path::new("tripline.yaml").is_file() => Ok(wire::folder(&PathBuf::from("."))),
        None => {
            note("no tripline.yaml here, using the built-in pack (`tripline init DIR` writes a project)");
            Ok(wire::embedded())
        }
    }
}

pub fn open(tree: &dyn FileTree, as_of: Option<EventTime>) -> Opened {
    let loaded = definition::load(tree);
    let options = ResolveOptions { as_of: as_of.unwrap_or_else(|| wire::clock().now()) };
    let resolved = plan::resolve(&loaded.project, options);
    let mut diagnostics = loaded.diagnostics;
    diagnostics.extend(resolved.diagnostics);
    diagnostics.sort_by_key(|d| (d.span, d.code));
    diagnostics.dedup();
    let generation = generation(&loaded.files);
    Opened { generation, project: loaded.project, plan: resolved.plan, files: loaded.files, diagnostics }
}

/// A project that can run; errors are printed. Warnings stay with `check`.
pub fn open_valid(folder: Option<&Path>) -> anyhow::Result<Opened> {
    let tree = tree(folder)?;
    let opened = open(tree.as_ref(), None);
    let errors: Vec<Diagnostic> =
        opened.diagnostics.iter().filter(|d| d.severity == Severity::Error).cloned().collect();
    if !errors.is_empty() {
        say(&render_text(&errors, &opened.files, std::io::stderr().is_terminal()));
        bail!("the project has errors");
    }
    Ok(opened)
}

/// `2026-01-05` or a full time.
pub fn parse_time(text: &str) -> anyhow::Result<EventTime> {
    let full = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    let time = chrono::DateTime::parse_from_rfc3339(&full)
        .with_context(|| format!("`{text}` is not a day (2026-01-05) or a time (2026-01-05T09:00:00Z)"))?;
    Ok(EventTime(time.timestamp_micros()))
}

fn generation(files: &SourceFiles) -> String {
    let mut hash = Sha256::new();
    for (_, path, text) in files.iter() {
        for part in [path, text] {
            hash.update(part.len().to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
