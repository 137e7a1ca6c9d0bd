//! What `tripline test` says of small projects: `tests/verdict/*.txt`, its output in `.expected`.
//!
//! A project is one text: each file after a line `--- PATH`. `BLESS=1` writes the outputs anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use tripline::adapter::local::MemoryTree;
use tripline::port::FileTree;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verdict");

pub fn cases() -> Vec<Trial> {
    let entries = fs::read_dir(FOLDER).into_iter().flatten().flatten().map(|entry| entry.path());
    let paths = entries.filter(|path| path.extension().is_some_and(|e| e == "txt"));
    let trial = |path: PathBuf| {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Trial::test(format!("verdict::{name}"), move || case(&path))
    };
    paths.map(trial).collect()
}

fn case(path: &Path) -> Result<(), Failed> {
    let tree = MemoryTree::from_sections(&fs::read_to_string(path)?);
    let folder = tempfile::tempdir()?;
    for file in tree.paths()? {
        let place = folder.path().join(&file);
        fs::create_dir_all(place.parent().ok_or("no folder")?)?;
        fs::write(place, tree.read(&file)?)?;
    }
    let output =
        Command::new(env!("CARGO_BIN_EXE_tripline")).arg("test").arg("--project").arg(folder.path()).output()?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let expected_path = path.with_extension("expected");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&expected_path, &text)?;
        return Ok(());
    }
    let expected = fs::read_to_string(&expected_path).map_err(|e| format!("{}: {e}", expected_path.display()))?;
    if text == expected { Ok(()) } else { Err(format!("expected:\n{expected}\nfound:\n{text}").into()) }
}
