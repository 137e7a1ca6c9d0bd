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
    /// Named behind FROM: relations, lookups, what WITH defines.
    pub tables: Vec<(String, Span)>,
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
    // Has a SELECT begun between these parentheses? EXTRACT(part FROM time) names no table.
    let mut selects = vec![false];
    let mut after_from = false;
    let mut after_distinct = false;
    for token in &tokens {
        match &token.token {
            Token::LParen => selects.push(false),
            Token::RParen if selects.len() > 1 => selects.truncate(selects.len() - 1),
            Token::Word(word) => {
                if let (None, Some(name)) = (word.quote_style, word.value.strip_prefix('@')) {
                    found.parameters.push((name.to_owned(), place(token)));
                }
                if after_from && word.quote_style != Some('"') {
                    found.tables.push((word.value.clone(), place(token)));
                }
                if let (Keyword::SELECT, Some(selects)) = (word.keyword, selects.last_mut()) {
                    *selects = true;
                }
            }
            _ => {}
        }
        let is = |wanted| matches!(&token.token, Token::Word(word) if word.keyword == wanted);
        // `a IS DISTINCT FROM b` names no table either.
        after_from = is(Keyword::FROM) && !after_distinct && selects.last() == Some(&true);
        after_distinct = is(Keyword::DISTINCT);
    }
    found
}
