//! Where a run writes: no output may be an input or another output, and all is known before a file is opened.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;

use crate::port::Input;

/// Refuses outputs that would destroy something.
pub fn check_outputs(outputs: &[&str], inputs: &[Arc<dyn Input>]) -> anyhow::Result<()> {
    let sources: Vec<(Place, Arc<str>)> =
        inputs.iter().filter_map(|input| Some((source(&input.name())?, input.name()))).collect();
    let mut seen: Vec<Place> = Vec::new();
    for output in outputs {
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
