//! Codes, their pages and their examples say the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use regex::Regex;
use tripline::diagnostic::page;
use tripline::{definition, language, plan};

pub fn cases() -> Vec<Trial> {
    vec![Trial::test("codes::every_code_of_the_program_has_a_page", every_code_has_a_page)]
}

/// Given by `tripline test` alone.
const OF_TESTS: &[&str] = &["test.invalid"];

/// The lists of the modules, and what the source gives to a finding.
fn every_code_has_a_page() -> Result<(), Failed> {
    let lists = definition::codes::CODES.iter().chain(plan::codes::CODES).chain(OF_TESTS).copied();
    let lists: BTreeSet<String> =
        lists.chain(language::codes::CODES.iter().map(|(code, _)| *code)).map(str::to_owned).collect();
    let mut given = BTreeSet::new();
    collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut given)?;
    if given.len() < plan::codes::CODES.len() {
        return Err(format!("only {} codes in the source: the search is wrong", given.len()).into());
    }
    let without: Vec<&String> = lists.iter().chain(&given).filter(|code| page(code).is_none()).collect();
    let unlisted: Vec<&String> = given.iter().filter(|code| !lists.contains(*code)).collect();
    if without.is_empty() && unlisted.is_empty() {
        return Ok(());
    }
    Err(format!("codes without a page: {without:?}; codes in no list: {unlisted:?}").into())
}

/// Codes written out where a finding is made, outside of tests.
fn collect(folder: &Path, codes: &mut BTreeSet<String>) -> Result<(), Failed> {
    let made = Regex::new(r#"Diagnostic::(?:error|warning)\(\s*"([a-z]+\.[a-z-]+)""#).map_err(|e| e.to_string())?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, codes)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            codes.extend(made.captures_iter(code).map(|found| found[1].to_owned()));
        }
    }
    Ok(())
}
