//! Where a run writes: no output may be an input or another output, and all is known before a file is opened.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;

use crate::port::{Input, RowFormat};

use super::wire;

/// Refuses a place in Cloud Storage where a file or a folder is meant.
pub fn check_local(path: impl AsRef<Path>) -> anyhow::Result<()> {
    match path.as_ref().to_str().filter(|path| wire::names_objects(path)) {
        Some(path) => bail!(
            "{path} is in Cloud Storage, where only inputs are read\n\
             help: name a local file or folder; only --input may be gs://"
        ),
        None => Ok(()),
    }
}

/// The format that a file's extension says; JSON lines where there is none. `more` is said of other ways to name one.
pub fn format_of(path: &str, more: &str) -> anyhow::Result<RowFormat> {
    match Path::new(path).extension().and_then(|extension| extension.to_str()) {
        Some("parquet") => Ok(RowFormat::Parquet),
        Some("csv") => Ok(RowFormat::Csv),
        None | Some("json" | "jsonl" | "ndjson") => Ok(RowFormat::Json),
        Some(other) => {
            bail!("the extension .{other} says no format\nhelp: name the file .json, .jsonl, .csv or .parquet{more}")
        }
    }
}

/// Refuses outputs that would destroy something.
pub fn check_outputs(outputs: &[&str], inputs: &[Arc<dyn Input>]) -> anyhow::Result<()> {
    let sources: Vec<(Place, Arc<str>)> =
        inputs.iter().filter_map(|input| Some((source(&input.name())?, input.name()))).collect();
    let mut seen: Vec<Place> = Vec::new();
    for output in outputs {
        check_local(output)?;
        let folder = Path::new(output).parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            bail!("cannot write {output}: no such folder\nhelp: make the folder {} first", folder.display());
        }
        let Some(path) = place(output) else { continue };
        if let Some((_, input)) = sources.iter().find(|(source, _)| *source == path) {
            bail!("{output} is also an input ({input}): writing it would destroy it\nhelp: name another file");
        }
        if seen.contains(&path) {
            bail!("two outputs go to {output}\nhelp: give each its own file");
        }
        seen.push(path);
    }
    Ok(())
}

/// Tells a file from every other: one may have several names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Device and number.
    #[cfg(unix)]
    File(u64, u64),
    Path(PathBuf),
}

/// Where an input is; standard input may be a file too.
fn source(name: &str) -> Option<Place> {
    place(if name == "-" { "/dev/stdin" } else { name })
}

/// `None` for standard output, devices and pipes, which may be used twice.
fn place(path: &str) -> Option<Place> {
    if path == "-" {
        return None;
    }
    let path = Path::new(path);
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => None,
        #[cfg(unix)]
        Ok(found) => Some(Place::File(found.dev(), found.ino())),
        #[cfg(not(unix))]
        Ok(_) => fs::canonicalize(path).ok().map(Place::Path),
        Err(_) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some(Place::Path(fs::canonicalize(folder).ok()?.join(path.file_name()?)))
        }
    }
}
