//! Finding, loading and resolving a project for a command.

use std::cell::RefCell;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use sha2::{Digest, Sha256};

use crate::definition;
use crate::definition::model::{Config, Project};
use crate::diagnostic::{Diagnostic, Severity, SourceFiles, render_text};
use crate::plan::{self, LookupPlan, Plan, ResolveOptions};
use crate::port::FileTree;
use crate::record::EventTime;
use crate::runtime::live::LookupState;
use crate::state::definitions::Files;

use super::keys;
use super::say::{note, say};
use super::wire;

const CONFIG: &str = "tripline.yaml";

/// A project, resolved.
pub struct Opened {
    pub project: Project,
    pub plan: Plan,
    pub files: SourceFiles,
    pub diagnostics: Vec<Diagnostic>,
    /// A hash over everything that was read, but for where alerts go: one generation of definitions.
    pub generation: String,
    /// Where it is, if it is a folder.
    pub folder: Option<PathBuf>,
}

impl Opened {
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// For people; `None` where there are none.
    pub fn errors_text(&self) -> Option<String> {
        let errors: Vec<Diagnostic> =
            self.diagnostics.iter().filter(|d| d.severity == Severity::Error).cloned().collect();
        (!errors.is_empty()).then(|| render_text(&errors, &self.files, std::io::stderr().is_terminal()))
    }

    pub fn warnings(&self) -> usize {
        self.diagnostics.len() - self.errors()
    }
}

/// What `check`, `test` and `backfill` are about. That the built-in pack is right says nothing of a project, and its rows are not a project's, so it is asked for.
#[derive(Debug, Args)]
pub struct Judged {
    /// The project's folder (default: here, or the nearest folder above with a tripline.yaml)
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// The built-in pack instead of a project
    #[arg(long, conflicts_with = "project")]
    built_in: bool,
}

impl Judged {
    pub fn tree(&self) -> anyhow::Result<Box<dyn FileTree>> {
        if self.built_in {
            return Ok(wire::embedded());
        }
        match found(self.project.as_deref())? {
            Some(tree) => Ok(tree),
            None => bail!(
                "no tripline.yaml here or in a folder above\nhelp: `--project DIR` names a project, `tripline init DIR` \
                 writes one\nhelp: `--built-in` takes the built-in pack"
            ),
        }
    }
}

/// The folder given, the nearest project, or the built-in pack.
pub fn tree(folder: Option<&Path>) -> anyhow::Result<Box<dyn FileTree>> {
    if let Some(tree) = found(folder)? {
        return Ok(tree);
    }
    note("no tripline.yaml here, using the built-in pack (`tripline init DIR` writes a project)");
    Ok(wire::embedded())
}

/// The folder given, or the nearest project's; it is not told of.
pub fn folder_of(folder: Option<&Path>) -> Option<PathBuf> {
    folder.map(Path::to_owned).or_else(nearest)
}

fn is_project(folder: &Path) -> bool {
    folder.join(CONFIG).is_file()
}

/// This folder, or the nearest above that has a `tripline.yaml`.
fn nearest() -> Option<PathBuf> {
    std::env::current_dir().ok()?.ancestors().find(|folder| is_project(folder)).map(Path::to_owned)
}

/// The folder given, or the nearest of this one and those above that has a `tripline.yaml`.
fn found(folder: Option<&Path>) -> anyhow::Result<Option<Box<dyn FileTree>>> {
    match folder {
        Some(folder) if !folder.is_dir() => bail!("{} is not a folder", folder.display()),
        Some(folder) if !is_project(folder) => {
            let folder = folder.display();
            bail!("{folder} has no {CONFIG}\nhelp: `tripline init {folder}` writes a project there")
        }
        Some(folder) => return Ok(Some(wire::folder(folder))),
        None if is_project(Path::new(".")) => return Ok(Some(wire::folder(Path::new(".")))),
        None => {}
    }
    // Definitions that lie here would be passed over without a word.
    let paths = wire::folder(Path::new(".")).paths().unwrap_or_default();
    if let Some(path) = paths.iter().find(|path| definition::is_definition(path)) {
        bail!("{path} is here, but no {CONFIG}\nhelp: a project has a {CONFIG} at its top; it may be empty");
    }
    let Some(above) = nearest() else { return Ok(None) };
    note(&format!("the project is in {}", above.display()));
    Ok(Some(wire::folder(&above)))
}

pub fn open(tree: &dyn FileTree, as_of: Option<EventTime>) -> Opened {
    let loaded = definition::load(tree);
    let options = ResolveOptions { as_of: as_of.unwrap_or_else(|| wire::clock().now()) };
    let resolved = plan::resolve(&loaded.project, options);
    let mut diagnostics = loaded.diagnostics;
    diagnostics.extend(resolved.diagnostics);
    diagnostics.sort_by_key(|d| (d.span, d.code));
    diagnostics.dedup();
    let generation = generation(&loaded.files, &loaded.project.config);
    let mut plan = resolved.plan;
    let folder = tree.folder().map(Path::to_owned);
    keys::read(&mut plan, folder.as_deref());
    Opened { generation, project: loaded.project, plan, files: loaded.files, diagnostics, folder }
}

/// A project that can run; errors are printed. Warnings stay with `check`.
pub fn open_valid(folder: Option<&Path>) -> anyhow::Result<Opened> {
    valid(tree(folder)?.as_ref())
}

/// As [`open_valid`], for files at hand.
pub fn valid(tree: &dyn FileTree) -> anyhow::Result<Opened> {
    let opened = open(tree, None);
    if let Some(errors) = opened.errors_text() {
        say(&errors);
        bail!("the project has errors");
    }
    Ok(opened)
}

/// As [`valid`], with the files that were read.
pub fn valid_kept(tree: &dyn FileTree) -> anyhow::Result<(Opened, Files)> {
    let kept = Kept { tree, read: RefCell::default() };
    let opened = valid(&kept)?;
    Ok((opened, kept.read.into_inner()))
}

/// As [`valid_kept`], right or not.
pub fn open_kept(tree: &dyn FileTree) -> (Opened, Files) {
    let kept = Kept { tree, read: RefCell::default() };
    let opened = open(&kept, None);
    (opened, kept.read.into_inner())
}

/// The lookups of a project.
pub fn lookups(plan: &Plan, files: &SourceFiles) -> Vec<LookupState> {
    let version = |path: &str| {
        let text = files.iter().find(|(_, known, _)| *known == path).map_or("", |(_, _, text)| text);
        Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    };
    let state = |lookup: &Arc<LookupPlan>| {
        let (path, rows) = match &lookup.table {
            Some(table) => (table.path.clone(), None),
            None => (format!("sql/lookups/{}.csv", lookup.name), Some(lookup.rows.len())),
        };
        LookupState { name: lookup.name.clone(), rows, version: version(&path) }
    };
    plan.lookups.iter().map(state).collect()
}

/// Files, and those of them that were read.
struct Kept<'a> {
    tree: &'a dyn FileTree,
    read: RefCell<Files>,
}

impl FileTree for Kept<'_> {
    fn paths(&self) -> io::Result<Vec<String>> {
        self.tree.paths()
    }

    fn read(&self, path: &str) -> io::Result<String> {
        let text = self.tree.read(path)?;
        self.read.borrow_mut().insert(path.to_owned(), text.clone().into_bytes());
        Ok(text)
    }

    fn read_bytes(&self, path: &str) -> io::Result<Vec<u8>> {
        let bytes = self.tree.read_bytes(path)?;
        self.read.borrow_mut().insert(path.to_owned(), bytes.clone());
        Ok(bytes)
    }

    fn folder(&self) -> Option<&Path> {
        self.tree.folder()
    }
}

/// `2026-01-05` or a full time.
pub fn parse_time(text: &str) -> anyhow::Result<EventTime> {
    let full = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    let time = chrono::DateTime::parse_from_rfc3339(&full)
        .with_context(|| format!("`{text}` is not a day (2026-01-05) or a time (2026-01-05T09:00:00Z)"))?;
    Ok(EventTime(time.timestamp_micros()))
}

fn generation(files: &SourceFiles, config: &Config) -> String {
    let mut hash = Sha256::new();
    for (file, path, text) in files.iter() {
        for part in [path, definition::computed(config, file, text)] {
            hash.update(part.len().to_le_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
