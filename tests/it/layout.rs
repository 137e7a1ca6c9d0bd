//! The layout of the crate and its allowed directions: which top-level module may name which.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
const LINES_MAX: usize = 600;

/// What each module may name, beside itself.
const ALLOWED: &[(&str, &[&str])] = &[
    ("adapter", &["port", "record"]),
    (
        "cli",
        &[
            "adapter",
            "definition",
            "diagnostic",
            "generate",
            "language",
            "pipeline",
            "plan",
            "port",
            "record",
            "runtime",
            "target",
        ],
    ),
    ("definition", &["diagnostic", "port", "record"]),
    ("diagnostic", &["record"]),
    ("generate", &["record"]),
    ("language", &["diagnostic", "record"]),
    // Of definitions the statuses and levels only, of diagnostics the places.
    ("pipeline", &["definition", "diagnostic", "language", "plan", "port", "record", "target"]),
    ("plan", &["definition", "diagnostic", "language", "record"]),
    ("port", &["record"]),
    ("record", &[]),
    ("runtime", &["definition", "diagnostic", "language", "pipeline", "plan", "port", "record", "target"]),
    ("target", &["diagnostic", "language", "plan", "record"]),
];

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("layout::modules_name_only_what_they_may", directions),
        Trial::test("layout::every_module_is_named", modules),
        Trial::test("layout::files_are_short", short),
        Trial::test("layout::only_wire_names_adapters", wire),
    ]
}

/// Every source file with its program text: without tests and comments.
fn files() -> Result<Vec<(PathBuf, String)>, Failed> {
    let mut folders = vec![PathBuf::from(SOURCE)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let parent = fs::read_to_string(folder.join("mod.rs")).unwrap_or_default();
            if name == "tests" || parent.contains(&format!("#[cfg(test)]\nmod {name};")) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path)?;
                files.push((path, program(&text)));
            }
        }
    }
    if files.len() < 50 {
        return Err(format!("only {} files were found", files.len()).into());
    }
    Ok(files)
}

/// Drops comments, and each item behind `#[cfg(test)]` up to the brace or semicolon that ends it.
fn program(text: &str) -> String {
    let mut kept = String::new();
    let mut test_indent: Option<String> = None;
    for line in text.lines() {
        let indent: String = line.chars().take_while(|c| *c == ' ').collect();
        match &test_indent {
            Some(ends) => {
                if (line.starts_with(&format!("{ends}}}")) || line.ends_with(';')) && indent == *ends {
                    test_indent = None;
                }
            }
            None if line.trim() == "#[cfg(test)]" => test_indent = Some(indent),
            None if line.trim_start().starts_with("//") => {}
            None => {
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }
    kept
}

/// The top-level module a file belongs to.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix(SOURCE).unwrap_or(path);
    let first = inside.components().next().map(|c| c.as_os_str().to_string_lossy().into_owned());
    first.unwrap_or_default().trim_end_matches(".rs").to_owned()
}

/// Modules named after `crate::`, also in a group.
fn named(text: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let list = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default(),
            None => rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default(),
        };
        let names = list.split(',').map(|name| name.trim().split(':').next().unwrap_or_default().to_owned());
        named.extend(names.filter(|name| !name.is_empty()));
    }
    named
}

fn directions() -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for (path, text) in files()? {
        let module = module(&path);
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else { continue };
        let others = named(&text).into_iter().filter(|name| *name != module && !allowed.contains(&name.as_str()));
        wrong.extend(others.map(|name| format!("{} names {name}", path.display())));
    }
    none(&wrong)
}

fn modules() -> Result<(), Failed> {
    let library = fs::read_to_string(Path::new(SOURCE).join("lib.rs"))?;
    let found: BTreeSet<String> = files()?.iter().map(|(path, _)| module(path)).collect();
    let missing = found.iter().filter(|name| !["lib", "main"].contains(&name.as_str()));
    let wrong: Vec<String> = missing
        .filter(|name| {
            !library.contains(&format!("pub mod {name};")) || !ALLOWED.iter().any(|(known, _)| known == name)
        })
        .cloned()
        .collect();
    none(&wrong)
}

fn short() -> Result<(), Failed> {
    let long = files()?.into_iter().filter(|(_, text)| text.lines().count() > LINES_MAX);
    none(&long.map(|(path, _)| path.display().to_string()).collect::<Vec<_>>())
}

fn wire() -> Result<(), Failed> {
    let wrong = files()?.into_iter().filter(|(path, text)| {
        module(path) != "adapter" && !path.ends_with("cli/wire.rs") && named(text).contains("adapter")
    });
    none(&wrong.map(|(path, _)| path.display().to_string()).collect::<Vec<_>>())
}

fn none(wrong: &[String]) -> Result<(), Failed> {
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}
