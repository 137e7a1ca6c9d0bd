//! Where each token of a text stands, in bytes.

use std::collections::HashMap;

use sqlparser::ast::{self, Spanned};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use crate::diagnostic::{Span, Text};

/// A half-open range of bytes of the text.
pub(in super::super) type Range = (usize, usize);

/// Byte offsets for sqlparser's lines and columns, and the tokens for what the tree leaves out.
#[derive(Debug, Clone)]
pub(in super::super) struct Places {
    offsets: HashMap<(u64, u64), usize>,
    /// Significant tokens with their bytes.
    tokens: Vec<(Range, TokenKind)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    Open,
    Close,
    Word,
    Other,
}

impl Places {
    pub(super) fn new(text: &str, tokens: &[TokenWithSpan]) -> Self {
        let mut walk = Walk { text, at: 0, line: 1, column: 1 };
        let mut places = Self { offsets: HashMap::new(), tokens: Vec::new() };
        for token in tokens {
            let start = places.note(&mut walk, token.span.start);
            let end = places.note(&mut walk, token.span.end);
            let kind = match token.token {
                Token::Whitespace(_) | Token::EOF => continue,
                Token::LParen => TokenKind::Open,
                Token::RParen => TokenKind::Close,
                Token::Word(_) => TokenKind::Word,
                _ => TokenKind::Other,
            };
            places.tokens.push(((start, end), kind));
        }
        places
    }

    fn note(&mut self, walk: &mut Walk<'_>, location: Location) -> usize {
        let at = walk.advance(location);
        self.offsets.insert((location.line, location.column), at);
        at
    }

    fn offset(&self, location: Location) -> Option<usize> {
        self.offsets.get(&(location.line, location.column)).copied()
    }

    /// The bytes of a place that sqlparser gave; `None` for its empty place.
    pub(in super::super) fn bytes(&self, span: sqlparser::tokenizer::Span) -> Option<Range> {
        if span.start.line == 0 {
            return None;
        }
        let start = self.offset(span.start)?;
        let end = self.offset(span.end).unwrap_or(start);
        Some((start, end.max(start)))
    }

    pub(in super::super) fn ident(&self, ident: &ast::Ident) -> Option<Range> {
        self.bytes(ident.span)
    }

    /// The bytes that an expression covers.
    pub(in super::super) fn expr(&self, expr: &ast::Expr) -> Option<Range> {
        let range = self.bytes(expr.span())?;
        match expr {
            ast::Expr::Function(_) => Some(self.call_from(range)),
            ast::Expr::Nested(_)
            | ast::Expr::Cast { .. }
            | ast::Expr::Extract { .. }
            | ast::Expr::Substring { .. }
            | ast::Expr::Trim { .. }
            | ast::Expr::Ceil { .. }
            | ast::Expr::Floor { .. }
            | ast::Expr::Position { .. } => Some(self.around(range)),
            ast::Expr::UnaryOp { .. } | ast::Expr::Interval(_) | ast::Expr::TypedString(_) => {
                Some((self.before(range.0).unwrap_or(range.0), range.1))
            }
            ast::Expr::IsNull(_) | ast::Expr::IsTrue(_) | ast::Expr::IsFalse(_) => {
                Some((range.0, self.after(range.1, 2)))
            }
            ast::Expr::IsNotNull(_) | ast::Expr::IsNotTrue(_) | ast::Expr::IsNotFalse(_) => {
                Some((range.0, self.after(range.1, 3)))
            }
            ast::Expr::InList { .. } | ast::Expr::InSubquery { .. } => Some((range.0, self.closed(range))),
            _ => Some(range),
        }
    }

    /// From a call's name to its closing parenthesis.
    fn call_from(&self, (start, end): Range) -> Range {
        (start, self.closed((start, end)))
    }

    /// Where the parentheses opened within the range, or right after its first word, are closed.
    fn closed(&self, (start, end): Range) -> usize {
        let mut depth = 0usize;
        let mut last = end;
        for ((from, to), kind) in self.tokens.iter().skip(self.index_at(start)) {
            match kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close if depth == 0 => break,
                TokenKind::Close => depth -= 1,
                _ => {}
            }
            if *from >= end && depth == 0 {
                if *kind == TokenKind::Close {
                    last = *to;
                }
                break;
            }
        }
        last
    }

    /// The innermost parentheses around a range, with the word before them.
    fn around(&self, (start, end): Range) -> Range {
        let at = self.index_at(start);
        let mut depth = 0usize;
        for index in (0..at).rev() {
            match self.tokens.get(index) {
                Some((_, TokenKind::Close)) => depth += 1,
                Some((_, TokenKind::Open)) if depth > 0 => depth -= 1,
                Some((open, TokenKind::Open)) => {
                    let name = index.checked_sub(1).and_then(|i| self.tokens.get(i));
                    let from = match name {
                        Some((word, TokenKind::Word)) if word.1 == open.0 => word.0,
                        _ => open.0,
                    };
                    return (from, self.closed((open.0, end)).max(end));
                }
                _ => {}
            }
        }
        (start, end)
    }

    fn index_at(&self, start: usize) -> usize {
        self.tokens.partition_point(|(range, _)| range.0 < start)
    }

    /// The start of the token before an offset.
    fn before(&self, start: usize) -> Option<usize> {
        self.index_at(start).checked_sub(1).and_then(|i| self.tokens.get(i)).map(|(range, _)| range.0)
    }

    /// The end of the `count`th token after an offset.
    fn after(&self, end: usize, count: usize) -> usize {
        let first = self.index_at(end);
        self.tokens.get(first + count - 1).map_or(end, |(range, _)| range.1)
    }

    /// The first of some words that stand one after the other outside of all parentheses, such as GROUP BY.
    pub(in super::super) fn words(&self, text: &Text, words: &[&str], within: Option<Range>) -> Option<Range> {
        let (first, last) = within.unwrap_or((0, usize::MAX));
        let mut depth = 0usize;
        for (index, ((start, _), kind)) in self.tokens.iter().enumerate() {
            if *start < first || *start > last {
                continue;
            }
            match kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close => depth = depth.saturating_sub(1),
                _ => {}
            }
            let here = self.tokens.get(index..index + words.len())?;
            let reads = |((start, end), _): &(Range, TokenKind), word: &str| {
                text.as_str().get(*start..*end).is_some_and(|token| token.eq_ignore_ascii_case(word))
            };
            if depth == 0 && here.iter().zip(words).all(|(token, word)| reads(token, word)) {
                return Some((here.first()?.0.0, here.last()?.0.1));
            }
        }
        None
    }

    pub(in super::super) fn span(&self, text: &Text, range: Option<Range>) -> Span {
        range.map_or_else(|| text.span(), |(start, end)| text.span_of(start, end))
    }
}

/// Walks a text once, as sqlparser counts lines and columns.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    column: u64,
}

impl Walk<'_> {
    fn advance(&mut self, to: Location) -> usize {
        for c in self.text[self.at..].chars() {
            if (self.line, self.column) >= (to.line, to.column) {
                break;
            }
            self.at += c.len_utf8();
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.at
    }
}
