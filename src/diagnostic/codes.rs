//! The page of every code: what it means, an example, what to do. `explain CODE` prints it.
//!
//! A page is `codes/CODE.md`: the first line `# CODE`, then a one-line summary, then the rest.

use include_dir::{Dir, include_dir};

static PAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/diagnostic/codes");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodePage {
    pub code: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The whole page, Markdown.
    pub text: &'static str,
}

/// Every page, by code.
pub fn codes() -> Vec<CodePage> {
    let mut pages: Vec<CodePage> = PAGES.files().filter_map(|file| file.contents_utf8()).filter_map(read).collect();
    pages.sort_by_key(|page| page.code);
    pages
}

/// The page of one code.
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.get_file(format!("{code}.md"))?.contents_utf8()
}

fn read(text: &'static str) -> Option<CodePage> {
    let mut lines = text.lines();
    let code = lines.next()?.strip_prefix("# ")?.trim();
    let summary = lines.find(|line| !line.trim().is_empty())?;
    Some(CodePage { code, summary, text })
}

#[cfg(test)]
mod tests {
    use super::{PAGES, codes, page};
    use crate::definition::codes::CODES;

    #[test]
    fn every_page_has_a_code_and_a_summary() {
        let pages = codes();
        assert_eq!(pages.len(), PAGES.files().filter(|f| f.path().extension().is_some_and(|e| e == "md")).count());
        for found in pages {
            assert_eq!(page(found.code), Some(found.text), "{} lies in a file of another name", found.code);
            assert!(found.summary.len() > 15 && found.text.lines().count() > 4, "{} says too little", found.code);
        }
        assert_eq!(page("no.such-code"), None);
        assert_eq!(page("../mod"), None);
    }

    #[test]
    fn every_code_of_definitions_has_a_page() {
        assert!(CODES.is_sorted());
        for code in CODES {
            assert!(page(code).is_some(), "{code} has no page");
        }
    }
}
