//! `tripline init`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use crate::definition;

use super::exit::Exit;
use super::place::check_local;
use super::wire;

#[derive(Debug, Args)]
pub struct Init {
    /// Where to write; the folder is made, and has to be empty
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Where schemas are, from the project's root.
const SCHEMAS: &str = ".tripline/schema";

impl Init {
    pub fn run(self) -> anyhow::Result<Exit> {
        check_local(&self.folder)?;
        if self.folder.join("tripline.yaml").exists() {
            bail!("{} already is a project", self.folder.display());
        }
        let used = fs::read_dir(&self.folder).is_ok_and(|mut entries| entries.next().is_some());
        if used {
            bail!("{} is not empty\nhelp: name a new folder", self.folder.display());
        }
        let tree = wire::embedded();
        let paths = tree.paths()?;
        for path in &paths {
            let text = tree.read(path)?;
            write(&self.folder.join(path), &with_schema(path, &text))?;
        }
        for (name, schema) in definition::schemas() {
            write(&self.folder.join(SCHEMAS).join(format!("{name}.json")), &format!("{schema:#}\n"))?;
        }
        let mut out = std::io::stdout().lock();
        // In the current folder, commands need no --project.
        let here = self.folder.as_path() == Path::new(".");
        let project = if here { String::new() } else { format!(" --project {}", quoted(&self.folder)) };
        let schemas = definition::schemas().len();
        writeln!(out, "wrote {} files and {schemas} schemas to {}", paths.len(), self.folder.display())?;
        writeln!(out, "next:  tripline check{project}")?;
        writeln!(out, "       tripline test{project}")?;
        writeln!(out, "       tripline generate --events 100000 --attacks port_scan,beacon --output flows.jsonl")?;
        writeln!(out, "       tripline run{project} --source netlog --input flows.jsonl --format text")?;
        Ok(Exit::Fine)
    }
}

/// A path that can be pasted into a shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The first line of each YAML file names its schema for editors.
fn with_schema(path: &str, text: &str) -> String {
    let Some(schema) = definition::schema_of(path) else { return text.to_owned() };
    if text.starts_with("# yaml-language-server:") {
        return text.to_owned();
    }
    let up = "../".repeat(path.matches('/').count());
    format!("# yaml-language-server: $schema={up}{SCHEMAS}/{schema}\n{text}")
}
