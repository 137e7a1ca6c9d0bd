//! The parameters and lookups that a text names, told from its tokens: known even where its syntax is wrong.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::diagnostic::{Span, Text};

use super::dialect::GoogleSql;
use super::limit::TEXT_BYTES_MAX;
use super::place::Places;

/// Names with their places.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Names {
    /// `@` left out.
    pub parameters: Vec<(String, Span)>,
    /// Named in `IN (SELECT column FROM lookup)`.
    pub lookups: Vec<(String, Span)>,
}

pub(in super::super) fn names(text: &Text) -> Names {
    let mut found = Names::default();
    let sql = text.as_str();
    if sql.len() > TEXT_BYTES_MAX {
        return found;
    }
    let mut tokens = Vec::new();
    // Tokens before a mistake count.
    let _mistake = Tokenizer::new(&GoogleSql, sql).with_unescape(false).tokenize_with_location_into_buf(&mut tokens);
    let places = Places::new(sql, &tokens);
    tokens.retain(|t| !matches!(t.token, Token::Whitespace(_)));
    let place = |token: &TokenWithSpan| places.span(text, places.bytes(token.span));
    for (index, token) in tokens.iter().enumerate() {
        if let Token::Word(word) = &token.token
            && word.quote_style.is_none()
            && let Some(name) = word.value.strip_prefix('@')
        {
            found.parameters.push((name.to_owned(), place(token)));
        }
        if let Some(table) = tokens.get(index..).and_then(lookup)
            && let Token::Word(word) = &table.token
        {
            found.lookups.push((word.value.clone(), place(table)));
        }
    }
    found
}

/// The last word of `IN (SELECT [table.]column FROM table`, where the tokens begin so.
fn lookup(tokens: &[TokenWithSpan]) -> Option<&TokenWithSpan> {
    let keyword = |at: usize, wanted: Keyword| {
        tokens.get(at).is_some_and(|t| matches!(&t.token, Token::Word(word) if word.keyword == wanted))
    };
    let opened = tokens.get(1).is_some_and(|t| t.token == Token::LParen);
    if !(keyword(0, Keyword::IN) && opened && keyword(2, Keyword::SELECT)) {
        return None;
    }
    let from = [4, 6].into_iter().find(|at| keyword(*at, Keyword::FROM))?;
    tokens.get(from + 1).filter(|t| matches!(t.token, Token::Word(_)))
}
