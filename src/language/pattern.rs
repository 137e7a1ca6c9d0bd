//! Patterns: RE2 as GoogleSQL has it, in the terms of the `regex` crate; and LIKE.
//!
//! What the two regular expression engines read differently is refused or rewritten, never left to chance.

use regex_syntax::ast::{
    AssertionKind, ClassSet, ClassSetBinaryOp, RepetitionKind, RepetitionRange, parse::ParserBuilder, visit,
};
use regex_syntax::ast::{
    Ast, ClassPerlKind, ClassSetItem, Flag, FlagsItemKind, GroupKind, HexLiteralKind, LiteralKind, Span,
    SpecialLiteralKind, Visitor,
};

/// RE2 repeats no more often.
const REPEAT_MAX: u32 = 1_000;
/// Bytes of a pattern.
const PATTERN_BYTES_MAX: usize = 4_096;
const NEST_MAX: u32 = 50;

/// The pattern for the `regex` crate that matches as RE2 does.
pub fn to_rust(pattern: &str) -> Result<String, String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("the pattern has more than {PATTERN_BYTES_MAX} bytes"));
    }
    let ast = ParserBuilder::new()
        .nest_limit(NEST_MAX)
        .build()
        .parse(pattern)
        .map_err(|error| format!("the pattern is not read: {}", error.kind()))?;
    let edits = visit(&ast, Rewriter { pattern, edits: Vec::new(), repeats: vec![REPEAT_MAX] })?;
    let mut out = String::with_capacity(pattern.len());
    let mut at = 0;
    for (span, text) in edits {
        let (Some(before), true) = (pattern.get(at..span.start.offset), span.start.offset >= at) else { continue };
        out.push_str(before);
        out.push_str(text);
        at = span.end.offset;
    }
    out.push_str(pattern.get(at..).unwrap_or_default());
    regex::Regex::new(&out).map_err(|_| "the pattern is too large or not supported".to_owned())?;
    Ok(out)
}

/// How many groups of a pattern capture.
pub fn groups(pattern: &str) -> Result<usize, String> {
    let regex = regex::Regex::new(&to_rust(pattern)?).map_err(|error| error.to_string())?;
    Ok(regex.captures_len() - 1)
}

/// May a pattern match the text between two characters?
pub(super) fn matches_nothing(pattern: &str) -> bool {
    let hir = to_rust(pattern).ok().and_then(|source| regex_syntax::parse(&source).ok());
    hir.is_none_or(|hir| hir.properties().minimum_len().is_none_or(|least| least == 0))
}

struct Rewriter<'a> {
    pattern: &'a str,
    edits: Vec<(Span, &'static str)>,
    /// How often each open repetition may still be repeated.
    repeats: Vec<u32>,
}

impl Rewriter<'_> {
    fn source(&self, span: &Span) -> &str {
        self.pattern.get(span.start.offset..span.end.offset).unwrap_or_default()
    }

    fn literal(&self, literal: &regex_syntax::ast::Literal) -> Result<(), String> {
        match literal.kind {
            LiteralKind::HexFixed(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong)
            | LiteralKind::HexBrace(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong) => {
                Err("RE2 writes a character by its code as \\x{…}".into())
            }
            LiteralKind::Special(SpecialLiteralKind::Space) | LiteralKind::Superfluous
                if self.source(&literal.span).chars().nth(1).is_some_and(|c| !c.is_ascii_punctuation()) =>
            {
                Err(format!("RE2 has no escape {}", self.source(&literal.span)))
            }
            _ => Ok(()),
        }
    }

    fn flags(&self, flags: &regex_syntax::ast::Flags) -> Result<(), String> {
        for item in &flags.items {
            match item.kind {
                FlagsItemKind::Negation
                | FlagsItemKind::Flag(
                    Flag::CaseInsensitive | Flag::MultiLine | Flag::DotMatchesNewLine | Flag::SwapGreed,
                ) => {}
                FlagsItemKind::Flag(_) => return Err("RE2 has the flags i, m, s and U".into()),
            }
        }
        Ok(())
    }
}

impl Visitor for Rewriter<'_> {
    type Output = Vec<(Span, &'static str)>;
    type Err = String;

    fn finish(self) -> Result<Self::Output, String> {
        Ok(self.edits)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        match ast {
            Ast::Flags(set) => self.flags(&set.flags),
            Ast::Literal(literal) => self.literal(literal),
            Ast::ClassPerl(class) => {
                self.edits.push((class.span, perl_class(&class.kind, class.negated)));
                Ok(())
            }
            Ast::ClassUnicode(_) => Err("\\p{…} depends on Unicode's version; write the characters".into()),
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::WordBoundary => {
                    self.edits.push((assertion.span, "(?-u:\\b)"));
                    Ok(())
                }
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText => Ok(()),
                _ => Err(format!("{} is not supported", self.source(&assertion.span))),
            },
            Ast::Repetition(repetition) => {
                if matches!(*repetition.ast, Ast::Repetition(_)) {
                    return Err("a repetition of a repetition; write a group".into());
                }
                let most = match &repetition.op.kind {
                    RepetitionKind::Range(RepetitionRange::Exactly(n) | RepetitionRange::AtLeast(n)) => *n,
                    RepetitionKind::Range(RepetitionRange::Bounded(_, n)) => *n,
                    _ => 0,
                };
                // A repetition within another multiplies.
                let left = self.repeats.last().copied().unwrap_or(REPEAT_MAX) / most.max(1);
                if left == 0 {
                    return Err(format!("RE2 repeats at most {REPEAT_MAX} times"));
                }
                self.repeats.push(left);
                if self.source(&repetition.op.span).starts_with("{,") {
                    return Err("write {0,n}".into());
                }
                Ok(())
            }
            Ast::Group(group) => match &group.kind {
                GroupKind::NonCapturing(flags) => self.flags(flags),
                GroupKind::CaptureName { starts_with_p: false, .. } => Err("write (?P<name>…)".into()),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), String> {
        match item {
            ClassSetItem::Perl(class) => {
                let text = if class.negated { perl_class(&class.kind, true) } else { perl_items(&class.kind) };
                self.edits.push((class.span, text));
                Ok(())
            }
            ClassSetItem::Literal(literal) => self.literal(literal),
            ClassSetItem::Range(range) => self.literal(&range.start).and(self.literal(&range.end)),
            ClassSetItem::Unicode(_) => Err("\\p{…} depends on Unicode's version; write the characters".into()),
            ClassSetItem::Bracketed(_) => Err("RE2 has no class within a class; escape the bracket".into()),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, op: &ClassSetBinaryOp) -> Result<(), String> {
        Err(format!("RE2 has no set operations in a class: {}", self.source(&op.span)))
    }

    fn visit_post(&mut self, ast: &Ast) -> Result<(), String> {
        if let Ast::ClassBracketed(class) = ast
            && matches!(class.kind, ClassSet::BinaryOp(_))
        {
            return Err("RE2 has no set operations in a class".into());
        }
        if matches!(ast, Ast::Repetition(_)) {
            self.repeats.pop();
        }
        Ok(())
    }
}

fn perl_class(kind: &ClassPerlKind, negated: bool) -> &'static str {
    match (kind, negated) {
        (ClassPerlKind::Digit, false) => "[0-9]",
        (ClassPerlKind::Digit, true) => "[^0-9]",
        (ClassPerlKind::Space, false) => r"[\t\n\f\r ]",
        (ClassPerlKind::Space, true) => r"[^\t\n\f\r ]",
        (ClassPerlKind::Word, false) => "[0-9A-Za-z_]",
        (ClassPerlKind::Word, true) => "[^0-9A-Za-z_]",
    }
}

fn perl_items(kind: &ClassPerlKind) -> &'static str {
    match kind {
        ClassPerlKind::Digit => "0-9",
        ClassPerlKind::Space => r"\t\n\f\r\x20",
        ClassPerlKind::Word => "0-9A-Za-z_",
    }
}

/// Part of a LIKE pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeToken {
    /// `%`.
    Any,
    /// `_`.
    One,
    Char(char),
}

/// The parts of a LIKE pattern; `None` when it ends with a backslash.
pub fn like_tokens(pattern: &str) -> Option<Vec<LikeToken>> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '%' => LikeToken::Any,
            '_' => LikeToken::One,
            '\\' => LikeToken::Char(rest.next()?),
            c => LikeToken::Char(c),
        });
    }
    Some(tokens)
}

pub(super) fn like_is_closed(pattern: &str) -> bool {
    like_tokens(pattern).is_some()
}

#[cfg(test)]
mod tests {
    use super::to_rust;

    #[test]
    fn classes_become_ascii() {
        assert_eq!(to_rust(r"\d+[\w.]\s"), Ok(r"[0-9]+[0-9A-Za-z_.][\t\n\f\r ]".into()));
        assert_eq!(to_rust(r"[^\D]\b"), Ok(r"[^[^0-9]](?-u:\b)".into()));
    }

    #[test]
    fn what_re2_reads_otherwise_is_refused() {
        let bad = [
            "a**",
            "[a&&b]",
            "[a--b]",
            "[[a]]",
            "(?x)a",
            r"\u0041",
            "a{1001}",
            r"\p{Greek}",
            "(?=a)",
            "(a",
            "(?<n>a)",
            r"\Z",
            r"(a)\1",
        ];
        for pattern in bad {
            assert!(to_rust(pattern).is_err(), "{pattern}");
        }
        for pattern in [r"^evil\.(com|net)$", "(?i)a.b", "[[:alpha:]]", r"\x{41}", "a{2,5}?", "(?P<n>a)"] {
            assert!(to_rust(pattern).is_ok(), "{pattern}");
        }
    }
}
