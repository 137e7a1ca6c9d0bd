//! The layout of the crate and its allowed directions: which top-level module may name which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
const LINES_MAX: usize = 600;

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("layout::the_table_says_what_each_module_names", directions),
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

/// The table "Who may use whom" of the crate's page: what each module may name, beside itself.
fn table() -> Result<BTreeMap<String, BTreeSet<String>>, Failed> {
    let library = fs::read_to_string(Path::new(SOURCE).join("lib.rs"))?;
    let rows = library.lines().skip_while(|line| !line.contains("# Who may use whom"));
    let rows = rows.skip(1).take_while(|line| !line.starts_with("//! # ")).filter_map(|line| {
        let (module, uses) = line.strip_prefix("//! | [`")?.split_once("`] | ")?;
        let names = uses.split('`').skip(1).step_by(2).filter(|name| !name.contains('/')).map(str::to_owned);
        Some((module.to_owned(), names.collect()))
    });
    Ok(rows.collect())
}

/// The command line may name everything; every other module names exactly what the table says.
fn directions() -> Result<(), Failed> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in files()? {
        let module = module(&path);
        let mut others = named(&text);
        others.remove(&module);
        names.entry(module).or_default().append(&mut others);
    }
    let table = table()?;
    let mut wrong = Vec::new();
    for (module, named) in names.iter().filter(|(module, _)| !["lib", "main"].contains(&module.as_str())) {
        match table.get(module) {
            None => wrong.push(format!("`{module}` is not in the table of lib.rs")),
            Some(said) if module != "cli" && said != named => {
                wrong.push(format!("{module} names {named:?}, the table of lib.rs says {said:?}"));
            }
            Some(_) => {}
        }
    }
    wrong.extend(table.keys().filter(|module| !names.contains_key(*module)).map(|gone| format!("no module `{gone}`")));
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
