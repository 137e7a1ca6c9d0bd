//! Files, places in them, and texts that remember the place they were read from.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Index into [`SourceFiles`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// Bytes `start..end` of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// From the start of `self` to the end of `other`, which is in the same file.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// All files that were read, with the path that a user sees.
#[derive(Debug, Default, Clone)]
pub struct SourceFiles {
    files: Vec<(String, Arc<str>)>,
    /// No rendering shows one of these.
    secrets: Vec<String>,
}

/// So much of a secret's beginning is one too: messages shorten what is long.
const SECRET_BYTES_MIN: usize = 8;

impl SourceFiles {
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push((path.into(), text.into()));
        id
    }

    /// Puts asterisks in the place of a text, so that no rendering shows it. Places stay.
    pub fn mask(&mut self, span: Span) {
        let Some((_, text)) = self.files.get_mut(span.file.0 as usize) else { return };
        let (start, end) = (span.start as usize, span.end as usize);
        if let (Some(before), Some(masked), Some(after)) = (text.get(..start), text.get(start..end), text.get(end..)) {
            *text = format!("{before}{}{after}", "*".repeat(masked.len())).into();
        }
    }

    /// No rendering shows this text, whichever finding repeats it; the files themselves stay as they are.
    pub fn hide(&mut self, secret: &str) {
        self.secrets.push(secret.to_owned());
    }

    /// A text as it may be shown: of the same length.
    pub fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.secrets.iter().fold(Cow::Borrowed(text), |text, secret| match masked(&text, secret) {
            Some(masked) => Cow::Owned(masked),
            None => text,
        })
    }

    pub fn path(&self, id: FileId) -> &str {
        self.files.get(id.0 as usize).map_or("", |f| f.0.as_str())
    }

    pub fn text(&self, id: FileId) -> &str {
        self.files.get(id.0 as usize).map_or("", |f| &f.1)
    }

    pub fn iter(&self) -> impl Iterator<Item = (FileId, &str, &str)> {
        self.files.iter().zip(0u32..).map(|((path, text), id)| (FileId(id), path.as_str(), &**text))
    }

    /// 1-based line and column (in characters) of a byte offset.
    pub fn line_column(&self, id: FileId, offset: u32) -> (usize, usize) {
        let text = self.text(id);
        let mut offset = (offset as usize).min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// With asterisks in the place of a secret or of its beginning.
fn masked(text: &str, secret: &str) -> Option<String> {
    let beginning = secret.get(..SECRET_BYTES_MIN).unwrap_or(secret);
    let found: Vec<usize> = text.match_indices(beginning).map(|(at, _)| at).collect();
    if beginning.is_empty() || found.is_empty() {
        return None;
    }
    let mut shown = String::with_capacity(text.len());
    for at in found {
        let count = text[at..].chars().zip(secret.chars()).take_while(|(one, other)| one == other).count();
        let end = text[at..].char_indices().nth(count).map_or(text.len(), |(length, _)| at + length);
        if at >= shown.len() {
            shown.push_str(&text[shown.len()..at]);
            shown.push_str(&"*".repeat(end - at));
        }
    }
    shown.push_str(&text[shown.len()..]);
    Some(shown)
}

/// Where each byte of a text stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextMap {
    pub file: FileId,
    /// (offset in the text, offset in the file), ascending, the first at offset 0; between two
    /// entries both offsets advance together.
    pub pieces: Vec<(u32, u32)>,
    /// The whole value in the file, quotes and block marker included.
    pub whole: Span,
}

/// A text from a file, for instance SQL inside a YAML block scalar, that can name its true place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub text: String,
    pub map: TextMap,
}

impl Text {
    /// The whole of a file, or a part of it that stands there letter for letter.
    pub fn verbatim(text: impl Into<String>, file: FileId, start: u32) -> Self {
        let text = text.into();
        let end = start + u32::try_from(text.len()).unwrap_or(u32::MAX);
        let whole = Span { file, start, end };
        Self { text, map: TextMap { file, pieces: vec![(0, start)], whole } }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn span(&self) -> Span {
        self.map.whole
    }

    /// The place of bytes `start..end` of the text.
    pub fn span_of(&self, start: usize, end: usize) -> Span {
        let place = |offset: usize| {
            let offset = u32::try_from(offset).unwrap_or(u32::MAX);
            let after = self.map.pieces.partition_point(|p| p.0 <= offset);
            match self.map.pieces.get(after.saturating_sub(1)) {
                Some((from, to)) => to + offset.saturating_sub(*from),
                None => self.map.whole.start,
            }
        };
        let first = place(start);
        // The end belongs to the last byte, so that a span never leaks into the next line's indent.
        let last = if end > start { place(end - 1) + 1 } else { first };
        // YAML ends a block's last line with a line break, even where the file has none.
        let (first, last) = (first.min(self.map.whole.end), last.min(self.map.whole.end));
        Span { file: self.map.file, start: first, end: last.max(first) }
    }
}

#[cfg(test)]
mod tests {
    use super::SourceFiles;

    #[test]
    fn a_secret_is_not_shown_nor_is_its_beginning() {
        let mut files = SourceFiles::default();
        assert_eq!(files.shown("a 0123456789 b"), "a 0123456789 b");
        files.hide("0123456789");
        for (text, shown) in [
            ("a 0123456789 b 0123456789", "a ********** b **********"),
            ("`01234567…` is long", "`********…` is long"),
            ("ä0123456789ä", "ä**********ä"),
            ("0123456", "0123456"),
        ] {
            assert_eq!(files.shown(text), shown);
        }
    }
}
