//! One small wrong project for each code in `tests/error/CODE.txt`, its rendering in `CODE.expected`.
//!
//! A project is one text: each file after a line `--- PATH`. A line `-- use FILE as PATH` before them takes a file of this
//! repository that is no text. `BLESS=1` writes the renderings anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use tripline::adapter::local::MemoryTree;
use tripline::diagnostic::{Diagnostic, SourceFiles, codes, render_text};
use tripline::port::FileTree;

/// What is checked: all findings of a project.
pub type Check = fn(&dyn FileTree) -> (Vec<Diagnostic>, SourceFiles);

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/error");

/// One test a file, and one that no code is without a file.
pub fn cases(check: Check) -> Vec<Trial> {
    let mut trials: Vec<Trial> = projects()
        .into_iter()
        .map(|path| Trial::test(format!("error::{}", stem(&path)), move || case(&path, check)))
        .collect();
    trials.push(Trial::test("error::every_code_has_a_case", every_code_has_a_case));
    trials
}

fn projects() -> Vec<PathBuf> {
    let entries = fs::read_dir(FOLDER).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "txt")).collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// `CODE` or `CODE@variant`.
fn code(path: &Path) -> String {
    let stem = stem(path);
    stem.split('@').next().unwrap_or(&stem).to_owned()
}

fn case(path: &Path, check: Check) -> Result<(), Failed> {
    let text = fs::read_to_string(path)?;
    let mut tree = MemoryTree::from_sections(&text);
    for (file, name) in text.lines().filter_map(|line| line.strip_prefix("-- use ")?.split_once(" as ")) {
        tree = tree.with_bytes(name, fs::read(file).map_err(|error| format!("use {file}: {error}"))?);
    }
    let (found, files) = check(&tree);
    let text = render_text(&found, &files, false);
    let code = code(path);
    if !found.iter().any(|diagnostic| diagnostic.code == code) {
        return Err(format!("{code} is not among what was found:\n{text}").into());
    }
    let expected_path = path.with_extension("expected");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&expected_path, &text)?;
        return Ok(());
    }
    let expected = fs::read_to_string(&expected_path).map_err(|e| format!("{}: {e}", expected_path.display()))?;
    if text == expected {
        return Ok(());
    }
    Err(format!("expected:\n{expected}\nfound:\n{text}\nBLESS=1 accepts what was found").into())
}

fn every_code_has_a_case() -> Result<(), Failed> {
    let cases: BTreeSet<String> = projects().iter().map(|path| code(path)).collect();
    // What `tripline test` finds, `check` does not.
    let of_check = |code: &&str| !code.starts_with("test.");
    let given = codes().into_iter().map(|page| page.code).filter(of_check);
    let missing: Vec<&str> = given.filter(|code| !cases.contains(*code)).collect();
    let unknown: Vec<&String> = cases.iter().filter(|case| !codes().iter().any(|page| page.code == **case)).collect();
    if missing.is_empty() && unknown.is_empty() {
        return Ok(());
    }
    Err(format!("codes without a case: {missing:?}; cases without a page: {unknown:?}").into())
}
