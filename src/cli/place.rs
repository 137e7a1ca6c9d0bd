//! Where a run writes: no output may be an input or another output, and all is known before a file is opened.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;

use crate::port::Input;

/// Refuses outputs that would destroy something.
pub fn check_outputs(outputs: &[&str], inputs: &[Arc<dyn Input>]) -> anyhow::Result<()> {
    let sources: Vec<(PathBuf, Arc<str>)> =
        inputs.iter().filter_map(|input| Some((place(&input.name())?, input.name()))).collect();
    let mut seen: Vec<PathBuf> = Vec::new();
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

/// The true path of a file; `None` for standard input and output, devices and pipes, which may be used twice.
fn place(path: &str) -> Option<PathBuf> {
    if path == "-" {
        return None;
    }
    let path = Path::new(path);
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => None,
        Ok(_) => fs::canonicalize(path).ok(),
        Err(_) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some(fs::canonicalize(folder).ok()?.join(path.file_name()?))
        }
    }
}
