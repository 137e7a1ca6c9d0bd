//! Where each character of a YAML value stands in its file.
//!
//! YAML changes a text on its way (escapes, folded lines, indentation). What it never changes is the order
//! of the other characters, so the value is walked beside its source and every place where the two stop
//! advancing together becomes a piece of the map. White space that was folded maps to the white space
//! it came from.

use super::yaml::Style;
use crate::diagnostic::{Span, Text, TextMap};

/// Without the white space around it.
pub(super) fn trim(source: &str, span: Span) -> Span {
    let Some(text) = source.get(span.start as usize..span.end as usize) else { return span };
    let kept = text.trim_end().len();
    Span { end: span.start + u32::try_from(kept).unwrap_or(0), ..span }
}

/// `text`, read from `span` of `source` in the given style, with the place of each of its bytes.
pub(super) fn map(source: &str, span: Span, text: &str, style: Style) -> Text {
    let quoted = matches!(style, Style::Single | Style::Double);
    let mut walk = Walk { source, at: span.start as usize + usize::from(quoted), style, pieces: Vec::new() };
    for (offset, c) in text.char_indices() {
        if !walk.step(offset, c) {
            break;
        }
    }
    if walk.pieces.is_empty() {
        walk.piece(0, span.start as usize);
    }
    Text { text: text.to_owned(), map: TextMap { file: span.file, pieces: walk.pieces, whole: span } }
}

struct Walk<'a> {
    source: &'a str,
    /// The byte of the source that comes next.
    at: usize,
    style: Style,
    pieces: Vec<(u32, u32)>,
}

impl<'a> Walk<'a> {
    /// Finds the character's place; false when text and source do not belong together.
    fn step(&mut self, offset: usize, c: char) -> bool {
        if self.style == Style::Double {
            self.skip_continuations(c);
            if let Some(length) = self.escape() {
                self.piece(offset, self.at);
                self.at += length;
                return true;
            }
        }
        if is_space(c) {
            self.space(offset, c);
            return true;
        }
        while let Some(next) = self.next().filter(|next| is_space(*next)) {
            self.at += next.len_utf8();
        }
        if self.style == Style::Double {
            self.skip_continuations(c);
            if let Some(length) = self.escape() {
                self.piece(offset, self.at);
                self.at += length;
                return true;
            }
        }
        if self.next() != Some(c) {
            return false;
        }
        self.piece(offset, self.at);
        self.at += c.len_utf8();
        if c == '\'' && self.style == Style::Single && self.next() == Some('\'') {
            self.at += 1;
        }
        true
    }

    fn space(&mut self, offset: usize, c: char) {
        self.piece(offset, self.at);
        match self.next() {
            Some('\r') if c != '\r' && self.rest().starts_with("\r\n") => self.at += 2,
            Some(next) if next == c || next == '\n' => self.at += 1,
            _ => {}
        }
    }

    /// A backslash at the end of a line joins it with the next; it leaves no character.
    fn skip_continuations(&mut self, c: char) {
        loop {
            let rest = self.rest();
            let Some(after) = rest.strip_prefix('\\') else { return };
            let after = after.trim_start_matches([' ', '\t']);
            let Some(after) = after.strip_prefix("\r\n").or_else(|| after.strip_prefix('\n')) else { return };
            // The next line's indentation goes too.
            let after = after.trim_start_matches([' ', '\t']);
            self.at = self.source.len() - after.len();
            if is_space(c) && !after.starts_with('\\') {
                return;
            }
        }
    }

    /// The length of the escape sequence that comes next.
    fn escape(&self) -> Option<usize> {
        let mut letters = self.rest().chars();
        if letters.next() != Some('\\') {
            return None;
        }
        let length = match letters.next()? {
            'x' => 4,
            'u' if self.is_surrogate() => 12,
            'u' => 6,
            'U' => 10,
            other => 1 + other.len_utf8(),
        };
        Some(length.min(self.rest().len()))
    }

    fn is_surrogate(&self) -> bool {
        let high = self.rest().get(2..6).and_then(|hex| u16::from_str_radix(hex, 16).ok());
        high.is_some_and(|h| (0xD800..0xDC00).contains(&h)) && self.rest().get(6..8) == Some("\\u")
    }

    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or("")
    }

    fn next(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn piece(&mut self, offset: usize, at: usize) {
        let (Ok(offset), Ok(at)) = (u32::try_from(offset), u32::try_from(at)) else { return };
        let continues = self.pieces.last().is_some_and(|(from, to)| offset - from == at.wrapping_sub(*to));
        if !continues {
            self.pieces.push((offset, at));
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}
