//! The pack's SQL for BigQuery, as it was: `tests/compiled` holds every file. `BLESS=1 cargo test --test it compile` writes
//! them anew; read the difference. What they mean is judged by `tests/judge`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};
use tripline::adapter::local::Folder;
use tripline::plan;
use tripline::target::bigquery::{Warehouse, files};

use super::TODAY;

const FOLDER: &str = "tests/compiled";

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("compile::the_pack_is_printed_as_before", pack),
        Trial::test("compile::every_relation_is_in_the_manifest_after_what_it_reads", order),
    ]
}

fn compiled() -> Result<BTreeMap<PathBuf, String>, Failed> {
    let loaded = tripline::definition::load(&Folder::new(Path::new(".")));
    let resolved = plan::resolve(&loaded.project, TODAY);
    let sources: Vec<_> = resolved.plan.sources.iter().collect();
    let files = files(Warehouse { plan: &resolved.plan, sources: &sources }, None);
    Ok(files.into_iter().map(|file| (PathBuf::from(file.path), file.text)).collect())
}

fn kept(folder: &Path, found: &mut BTreeMap<PathBuf, String>) -> Result<(), Failed> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            kept(&path, found)?;
        } else {
            found.insert(path.strip_prefix(FOLDER)?.to_owned(), fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

fn pack() -> Result<(), Failed> {
    let now = compiled()?;
    if std::env::var_os("BLESS").is_some() {
        let _ = fs::remove_dir_all(FOLDER);
        for (path, text) in &now {
            let path = Path::new(FOLDER).join(path);
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            fs::write(path, text)?;
        }
    }
    let mut before = BTreeMap::new();
    kept(Path::new(FOLDER), &mut before)?;
    let changed: Vec<String> = now
        .keys()
        .chain(before.keys())
        .filter(|path| now.get(*path) != before.get(*path))
        .map(|path| path.display().to_string())
        .collect();
    if changed.is_empty() { Ok(()) } else { Err(format!("changed, new or gone: {}", changed.join(", ")).into()) }
}

fn order() -> Result<(), Failed> {
    let files = compiled()?;
    let manifest: serde_json::Value = serde_json::from_str(&files[Path::new("manifest.json")])?;
    let names = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let sources = manifest["sources"].as_array().into_iter().flatten();
    let mut known: Vec<String> = sources.filter_map(|s| s["relation"].as_str().map(str::to_owned)).collect();
    for entry in manifest["relations"].as_array().into_iter().flatten() {
        let missing: Vec<String> = names(&entry["inputs"]).into_iter().filter(|name| !known.contains(name)).collect();
        let file = entry["file"].as_str().unwrap_or_default();
        if !missing.is_empty() || !files.contains_key(Path::new(file)) {
            return Err(format!("{entry}: {missing:?} come later, or {file} is not written").into());
        }
        known.extend(entry["table"].as_str().map(str::to_owned));
    }
    if known.len() < 20 { Err(format!("only {known:?}").into()) } else { Ok(()) }
}
