//! The pack and the wrong projects of `tests/error`, damaged, through everything that `check` does.

use std::collections::BTreeMap;
use std::fs;

use libtest_mimic::Failed;
use tripline::adapter::local::{Folder, MemoryTree};
use tripline::diagnostic::{Diagnostic, SourceFiles, Span, page, render_json, render_text};
use tripline::port::FileTree;

use super::damage::{Random, damage};
use super::{iterate, one};
use crate::check;

const ITERATIONS: u64 = 1_500;
/// One in so many iterations reads the whole pack.
const PACK_EVERY: usize = 6;

/// Path to text.
type Files = BTreeMap<String, String>;

pub fn run() -> Result<(), Failed> {
    let pack = files(&Folder::new(env!("CARGO_MANIFEST_DIR")))?;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/error"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            wrong.push((path.clone(), fs::read_to_string(path)?));
        }
    }
    // The order of a folder is the file system's.
    wrong.sort();
    iterate(ITERATIONS, &|index| {
        let mut random = Random::new(index);
        let tree = if wrong.is_empty() || random.below(PACK_EVERY) == 0 {
            damaged_pack(&mut random, &pack)
        } else {
            let text = random.pick(&wrong).map(|(_, text)| text.clone()).unwrap_or_default();
            let mut bytes = text.into_bytes();
            damage(&mut random, &mut bytes);
            MemoryTree::from_sections(&String::from_utf8_lossy(&bytes))
        };
        all_is_well(&tree)
    })
}

/// Each was wrong once.
const FOUND_BEFORE: [&str; 1] = [
    // The block's text ends with a line break that the file does not have.
    "rule: r\ntitle: t\nseverity: low\nsql: |\n  SELECT * FROM flows WHERE src_ip = @",
];

pub fn found_before() -> Result<(), Failed> {
    for rule in FOUND_BEFORE {
        let tree = MemoryTree::default().with("rules/r.yaml", rule);
        let (found, _) = check(&tree);
        if found.is_empty() {
            return Err(format!("nothing is found in {rule}").into());
        }
        all_is_well(&tree)?;
    }
    Ok(())
}

fn files(tree: &dyn FileTree) -> Result<Files, Failed> {
    let mut files = Files::new();
    for path in tree.paths()? {
        let text = tree.read(&path)?;
        files.insert(path, text);
    }
    Ok(files)
}

/// One or two files damaged; one in some with the text of another.
fn damaged_pack(random: &mut Random, pack: &Files) -> MemoryTree {
    let paths: Vec<&String> = pack.keys().collect();
    let mut changed: Files = Files::new();
    for _ in 0..=random.below(2) {
        let Some(path) = random.pick(&paths).copied() else { continue };
        let from = if random.below(10) == 0 { random.pick(&paths).copied().unwrap_or(path) } else { path };
        let mut bytes = pack.get(from).cloned().unwrap_or_default().into_bytes();
        damage(random, &mut bytes);
        changed.insert(path.clone(), String::from_utf8_lossy(&bytes).into_owned());
    }
    let all = pack.iter().map(|(path, text)| (path, changed.get(path).unwrap_or(text)));
    all.fold(MemoryTree::default(), |tree, (path, text)| tree.with(path.clone(), text.clone()))
}

fn all_is_well(tree: &dyn FileTree) -> Result<(), String> {
    let (found, files) = check(tree);
    places_are_inside(&found, &files)?;
    let rendered = render_text(&found, &files, false).len() + render_text(&found, &files, true).len();
    let json = render_json(&found, &files).to_string();
    if (rendered == 0 || json.len() < 3) && !found.is_empty() {
        return Err("findings are not shown".to_owned());
    }
    match found.iter().find(|finding| page(finding.code).is_none()) {
        Some(finding) => Err(format!("{} has no page", finding.code)),
        None => Ok(()),
    }
}

fn places_are_inside(found: &[Diagnostic], files: &SourceFiles) -> Result<(), String> {
    let count = files.iter().count();
    let inside = |span: &Span| {
        let text = files.text(span.file);
        let (start, end) = (span.start as usize, span.end as usize);
        let in_file = usize::try_from(span.file.0).is_ok_and(|file| file < count);
        in_file && start <= end && end <= text.len() && text.is_char_boundary(start) && text.is_char_boundary(end)
    };
    for finding in found {
        let related = finding.related.iter().map(|(span, _)| span);
        if let Some(span) = std::iter::once(&finding.span).chain(related).find(|span| !inside(span)) {
            let length = files.text(span.file).len();
            return Err(format!(
                "{}: {} at {}..{} of {} ({length} bytes)",
                finding.code,
                finding.message,
                span.start,
                span.end,
                files.path(span.file)
            ));
        }
    }
    Ok(())
}

/// What the trials look for is found when it is there.
pub fn can_fail() -> Result<(), Failed> {
    let mut files = SourceFiles::default();
    let file = files.add("a.yaml", "é: 1\n");
    let wrong = [(0, 1), (3, 2), (0, 99)];
    for (start, end) in wrong {
        let finding = Diagnostic::error("yaml.syntax", Span { file, start, end }, "wrong");
        if places_are_inside(&[finding], &files).is_ok() {
            return Err(format!("{start}..{end} counts as a place of the file").into());
        }
    }
    let right = Diagnostic::error("yaml.syntax", Span { file, start: 0, end: 2 }, "right");
    places_are_inside(&[right], &files)?;
    let panics = one(0, &|index| Err::<(), String>(["never"][usize::try_from(index).unwrap_or(0) + 1].to_owned()));
    match panics {
        Err(failed) if format!("{failed:?}").contains("panics") => Ok(()),
        other => Err(format!("a panic counts as {other:?}").into()),
    }
}
