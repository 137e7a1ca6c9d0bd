//! Runs sqlparser within the limits, and says where a text stops being GoogleSQL.

use std::net::IpAddr;

use sqlparser::ast;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};

use crate::diagnostic::{Diagnostic, Text};
use crate::language::NETWORKS;
use crate::language::codes;

use super::dialect::GoogleSql;
use super::limit::{self, TEXT_BYTES_MAX};
use super::place::Places;

/// Well above what [`limit::DEPTH_MAX`] lets through: the parser takes some levels for each of ours.
const PARSER_RECURSION_MAX: usize = 400;

/// The syntax tree of an expression.
pub(in super::super) fn parse_expression(
    text: &Text,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(ast::Expr, Places)> {
    parse(text, diagnostics, |parser| parser.parse_expr())
}

/// The syntax tree of a query.
pub(in super::super) fn parse_query(
    text: &Text,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Box<ast::Query>, Places)> {
    parse(text, diagnostics, |parser| {
        let query = parser.parse_query()?;
        let _ended = parser.consume_token(&Token::SemiColon);
        Ok(query)
    })
}

fn parse<T>(
    text: &Text,
    diagnostics: &mut Vec<Diagnostic>,
    run: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Option<(T, Places)> {
    let sql = text.as_str();
    if sql.len() > TEXT_BYTES_MAX {
        let message = format!("this text has {} bytes, more than {TEXT_BYTES_MAX}", sql.len());
        diagnostics.push(Diagnostic::error(codes::TOO_LARGE, text.span(), message));
        return None;
    }
    let mut tokens = Vec::new();
    // Literals are decoded from the text itself: sqlparser knows few of GoogleSQL's escapes.
    let read = Tokenizer::new(&GoogleSql, sql).with_unescape(false).tokenize_with_location_into_buf(&mut tokens);
    let places = Places::new(sql, &tokens);
    if let Err(error) = read {
        let at = tokens.last().and_then(|t| places.bytes(t.span)).map_or(0, |range| range.1);
        diagnostics.push(report_syntax(text, (at, at + 1), &error.message));
        return None;
    }
    tokens.retain(|t| !matches!(t.token, Token::Whitespace(_)));
    plain_behind_points(&mut tokens);
    if let Some(excess) = limit::excess(tokens.iter().map(|t| &t.token)) {
        let at = tokens.get(excess.token).and_then(|t| places.bytes(t.span));
        let report = Diagnostic::error(codes::TOO_LARGE, places.span(text, at), excess.message).help(excess.help);
        diagnostics.push(report);
        return None;
    }
    if tokens.iter().all(|t| matches!(t.token, Token::EOF)) {
        diagnostics.push(Diagnostic::error(codes::SYNTAX, text.span(), "this SQL is empty"));
        return None;
    }
    if let Some(report) = tokens.iter().find_map(|token| foreign(text, &places, token)) {
        diagnostics.push(report);
        return None;
    }
    run_parser(text, tokens, places, diagnostics, run)
}

/// Behind a point a word is a name, though its call has a form of its own elsewhere: SAFE.SUBSTR.
fn plain_behind_points(tokens: &mut [TokenWithSpan]) {
    for at in 1..tokens.len() {
        let (before, from) = tokens.split_at_mut(at);
        if let (Some(Token::Period), [word, open, ..]) = (before.last().map(|t| &t.token), from)
            && let (Token::Word(word), Token::LParen) = (&mut word.token, &open.token)
        {
            word.keyword = Keyword::NoKeyword;
        }
    }
}

/// Signs of other languages that sqlparser reads, or stumbles over without a useful word.
fn foreign(text: &Text, places: &Places, token: &TokenWithSpan) -> Option<Diagnostic> {
    let range = places.bytes(token.span);
    let written = range.and_then(|(start, end)| text.as_str().get(start..end)).unwrap_or_default();
    if let Some(report) = range.and_then(|(start, _)| bare_address(text, start)) {
        return Some(report);
    }
    let (sign, instead) = match &token.token {
        Token::DoubleEq => ("==".to_owned(), "write ="),
        Token::Overlap => ("&&".to_owned(), "write AND"),
        // 0x1F is one too.
        Token::HexStringLiteral(_) if written.starts_with(['x', 'X']) => {
            ("X'…'".to_owned(), r"write a number as 0x1F, BYTES as b'\x1f'")
        }
        Token::Char(quote @ ('‘' | '’' | '“' | '”')) => (quote.to_string(), "write the straight quote: 'text'"),
        _ => return None,
    };
    let span = places.span(text, range);
    Some(Diagnostic::error(codes::REFUSED, span, format!("`{sign}` is not GoogleSQL")).help(instead))
}

/// An address without quotes: the parser would read its first parts as a number.
fn bare_address(text: &Text, start: usize) -> Option<Diagnostic> {
    let (before, rest) = text.as_str().split_at_checked(start)?;
    let end = rest.find(|c: char| !c.is_ascii_hexdigit() && !matches!(c, '.' | ':')).unwrap_or(rest.len());
    let (address, after) = rest.split_at_checked(end)?;
    // `x::FLOAT64` begins like one.
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    if before.ends_with(in_word) || after.starts_with(in_word) || !address.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    address.parse::<IpAddr>().ok()?;
    let report = |bytes, message| Diagnostic::error(codes::SYNTAX, text.span_of(start, start + bytes), message);
    let length = after.strip_prefix('/').map(|length| length.bytes().take_while(u8::is_ascii_digit).count());
    match length {
        Some(digits @ 1..) => Some(report(end + 1 + digits, "a network is not a value").help(NETWORKS)),
        _ => Some(report(end, "an address is a text").help(format!("write '{address}'"))),
    }
}

fn run_parser<T>(
    text: &Text,
    tokens: Vec<TokenWithSpan>,
    places: Places,
    diagnostics: &mut Vec<Diagnostic>,
    run: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Option<(T, Places)> {
    let dialect = GoogleSql;
    let spans: Vec<_> = tokens.iter().map(|token| token.span).collect();
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(PARSER_RECURSION_MAX).with_tokens_with_locations(tokens);
    let parsed = run(&mut parser);
    let next = parser.peek_token_ref();
    let at = places.bytes(next.span).unwrap_or_else(|| {
        let end = text.as_str().trim_end().len();
        (end.saturating_sub(1), end)
    });
    let report = match parsed {
        Ok(tree) if next.token == Token::EOF => return Some((tree, places)),
        Ok(_) if next.token == Token::DoubleColon => {
            Diagnostic::error(codes::REFUSED, text.span_of(at.0, at.1), "`::` is not GoogleSQL")
                .help("write CAST(x AS type)")
        }
        Ok(_) => report_syntax(text, at, &format!("unexpected {}", next.token)),
        Err(ParserError::RecursionLimitExceeded) => Diagnostic::error(codes::TOO_LARGE, text.span(), "nested too deep"),
        Err(ParserError::ParserError(message) | ParserError::TokenizerError(message)) => {
            // The parser may have read on behind what it did not expect.
            report_syntax(text, found(text, &places, &spans, &message).unwrap_or(at), &message)
        }
    };
    diagnostics.push(report);
    None
}

/// The token that a message names, at its line and column or right before: the parser may have read on.
fn found(text: &Text, places: &Places, spans: &[Span], message: &str) -> Option<(usize, usize)> {
    let told = location(message)?;
    let at = spans.iter().position(|span| told == (span.start.line, span.start.column))?;
    let (_, named) = message.split(" at Line:").next()?.rsplit_once("found: ")?;
    let here = places.bytes(*spans.get(at)?)?;
    let before = at.checked_sub(1).and_then(|before| places.bytes(*spans.get(before)?));
    let reads = |(start, end): (usize, usize)| text.as_str().get(start..end) == Some(named);
    Some(before.filter(|before| reads(*before) && !reads(here)).unwrap_or(here))
}

/// The line and column at the end of a message: `… at Line: 1, Column: 8`.
fn location(message: &str) -> Option<(u64, u64)> {
    let (line, column) = message.rsplit_once(" at Line: ")?.1.split_once(", Column: ")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

/// A syntax error at a place, in our words.
fn report_syntax(text: &Text, at: (usize, usize), message: &str) -> Diagnostic {
    // sqlparser ends its messages with a line and column of the text, which are not the file's.
    let message = message.split(" at Line:").next().unwrap_or(message);
    let mut message = message.trim_end_matches('.').to_owned();
    // A keyword stays as it is.
    if let Some(first) = message.get(..1).filter(|_| !message.chars().nth(1).is_some_and(|c| c.is_ascii_uppercase())) {
        let lower = first.to_ascii_lowercase();
        message.replace_range(..1, &lower);
    }
    let sql = text.as_str();
    let before = sql.get(..at.0).unwrap_or_default().trim_end().to_ascii_uppercase();
    let here = sql.get(at.0..at.1).unwrap_or_default();
    let expected = message.strip_prefix("expected: ").and_then(|rest| rest.split_once(", found: "));
    let help = match expected {
        Some((")", _)) => "close every parenthesis that is opened",
        Some(("(", _)) if before.ends_with(" IN") => "write IN (a, b, …)",
        Some((wanted, _)) if wanted.starts_with("SELECT") => "write SELECT * FROM relation WHERE condition",
        _ if message.starts_with("expected an expression") && before.ends_with("SELECT") => {
            "write the items behind SELECT, or *"
        }
        _ if message.starts_with("INTERVAL") => "write INTERVAL 5 MINUTE: a number, then the unit",
        _ if message.starts_with("unterminated") => "close what is opened here, with the same sign",
        _ if message.starts_with("unexpected") => "before it an operator, a comma or a value is missing",
        _ => "look at this place and just before it",
    };
    let message = match expected {
        Some((wanted, _)) if wanted.starts_with("SELECT") => format!("expected SELECT, found {here}"),
        Some((wanted, "EOF")) => format!("expected {wanted}, but the text ends"),
        Some((wanted, found)) => format!("expected {wanted}, found {found}"),
        None => message,
    };
    // A place told in bytes may cut a letter.
    let (start, end) = (text.as_str().floor_char_boundary(at.0), text.as_str().ceil_char_boundary(at.1));
    Diagnostic::error(codes::SYNTAX, text.span_of(start, end), message).help(help)
}
