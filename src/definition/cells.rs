//! CSV text to cells with places (RFC 4180): the reader of lookups' rows.
//!
//! Written here because a wrong cell is reported at its own line and column, which CSV crates do not keep.

use crate::diagnostic::{Diagnostic, FileId, Span};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub text: String,
    /// `""` is an empty text, an empty cell is NULL.
    pub quoted: bool,
    /// Quotes included.
    pub span: Span,
}

/// The records of a file, empty lines left out. A quote that is never closed ends the reading.
pub(super) fn records(file: FileId, source: &str, out: &mut Vec<Diagnostic>) -> Vec<Vec<Cell>> {
    let mut records = Vec::new();
    let mut at = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    while at < source.len() {
        let mut record = Vec::new();
        loop {
            let Some((cell, next)) = cell(file, source, at) else {
                let error = Diagnostic::error("lookup.bad-row", span(file, at, at + 1), "this quote is never closed");
                out.push(error.label("opens here").help("close it, and write \"\" for a quote inside quotes"));
                return records;
            };
            record.push(cell);
            at = next;
            if !source[at..].starts_with(',') {
                break;
            }
            at += 1;
        }
        let rest = &source[at..];
        at += if rest.starts_with("\r\n") { 2 } else { usize::from(!rest.is_empty()) };
        let blank = matches!(record.as_slice(), [only] if only.text.trim().is_empty() && !only.quoted);
        if !blank {
            records.push(record);
        }
    }
    records
}

/// One cell, and where the next sign stands: a comma, a line's end or the file's.
fn cell(file: FileId, source: &str, start: usize) -> Option<(Cell, usize)> {
    let mut at = start;
    let mut text = String::new();
    let quoted = source[at..].starts_with('"');
    if quoted {
        at += 1;
        loop {
            let close = at + source[at..].find('"')?;
            text.push_str(&source[at..close]);
            at = close + 1;
            if !source[at..].starts_with('"') {
                break;
            }
            text.push('"');
            at += 1;
        }
    }
    let end = source[at..].find([',', '\n']).map_or(source.len(), |i| at + i);
    let end = if source[at..end].ends_with('\r') { end - 1 } else { end };
    text.push_str(&source[at..end]);
    Some((Cell { text, quoted, span: span(file, start, end) }, end))
}

fn span(file: FileId, start: usize, end: usize) -> Span {
    let place = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Span { file, start: place(start), end: place(end) }
}

#[cfg(test)]
mod tests {
    use super::records;
    use crate::diagnostic::FileId;

    #[test]
    fn cells_keep_their_text_and_place() {
        let source = "a,b\r\n1,\"x, \"\"y\"\"\nz\"\n\n,\"\"\n";
        let mut out = Vec::new();
        let records = records(FileId(0), source, &mut out);
        assert!(out.is_empty());
        let texts: Vec<Vec<&str>> = records.iter().map(|r| r.iter().map(|c| c.text.as_str()).collect()).collect();
        assert_eq!(texts, [vec!["a", "b"], vec!["1", "x, \"y\"\nz"], vec!["", ""]]);
        assert_eq!((records[2][0].quoted, records[2][1].quoted), (false, true));
        let span = records[1][1].span;
        assert_eq!(&source[span.start as usize..span.end as usize], "\"x, \"\"y\"\"\nz\"");
    }

    #[test]
    fn an_open_quote_is_reported() {
        let mut out = Vec::new();
        assert_eq!(records(FileId(0), "a\n1\n\"x\n", &mut out).len(), 2);
        assert_eq!(out[0].code, "lookup.bad-row");
        assert_eq!(out[0].span.start, 4);
        assert!(records(FileId(0), "", &mut out).is_empty());
    }
}
