//! Files, places in them, and texts that remember the place they were read from.

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
}

impl SourceFiles {
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push((path.into(), text.into()));
        id
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
