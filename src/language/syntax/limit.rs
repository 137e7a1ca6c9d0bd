//! Limits of a text, measured on its tokens before anything recurses over it.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

/// Bytes of one SQL text.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Operands of one chain such as `a OR b OR c`, or elements of one list.
pub(super) const CHAIN_OPERANDS_MAX: usize = 500;
/// Names, literals and operators of one text.
pub(super) const NODES_MAX: usize = 2_000;
/// Parentheses, CASE and prefix operators inside one another.
pub(super) const DEPTH_MAX: usize = 50;

/// What was exceeded, and the token that did.
pub(super) struct Excess {
    pub token: usize,
    pub message: String,
    pub help: &'static str,
}

const SPLIT: &str = "compute parts of it in columns of a feature: `row` before, `derive` after the aggregation";
const LOOKUP: &str = "write the values as a lookup and use IN (SELECT column FROM lookup)";

/// Operators and commas met so far on one level of parentheses.
#[derive(Default)]
struct Level {
    operators: usize,
    commas: usize,
}

/// Finds the first token that exceeds a limit.
pub(super) fn excess<'a>(tokens: impl Iterator<Item = &'a Token>) -> Option<Excess> {
    let mut levels = vec![Level::default()];
    let mut nodes = 0;
    let mut prefixes = 0;
    for (token, kind) in tokens.enumerate() {
        let over = |message: String, help| Some(Excess { token, message, help });
        match kind {
            Token::LParen | Token::LBracket | Token::LBrace => levels.push(Level::default()),
            Token::RParen | Token::RBracket | Token::RBrace => drop_level(&mut levels),
            Token::Word(word) if word.keyword == Keyword::CASE => levels.push(Level::default()),
            Token::Word(word) if word.keyword == Keyword::END => drop_level(&mut levels),
            _ => {}
        }
        let prefix = matches!(kind, Token::Minus | Token::Plus | Token::Tilde | Token::ExclamationMark)
            || matches!(kind, Token::Word(word) if word.keyword == Keyword::NOT);
        prefixes = if prefix { prefixes + 1 } else { 0 };
        if levels.len() + prefixes > DEPTH_MAX {
            return over(format!("nested deeper than {DEPTH_MAX}"), SPLIT);
        }
        if !matches!(kind, Token::LParen | Token::RParen | Token::Comma | Token::EOF) {
            nodes += 1;
        }
        if nodes > NODES_MAX {
            return over(format!("more than {NODES_MAX} names, literals and operators"), LOOKUP);
        }
        let Some(level) = levels.last_mut() else { continue };
        match kind {
            Token::Comma => {
                level.commas += 1;
                level.operators = 0;
            }
            Token::Word(word) if word.keyword == Keyword::NoKeyword => {}
            Token::Word(word) if !matches!(word.keyword, Keyword::AND | Keyword::OR) => {}
            Token::Word(_) => level.operators += 1,
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::StringConcat => level.operators += 1,
            Token::Ampersand | Token::Pipe | Token::Caret | Token::ShiftLeft | Token::ShiftRight => {
                level.operators += 1;
            }
            _ => {}
        }
        if level.operators >= CHAIN_OPERANDS_MAX || level.commas >= CHAIN_OPERANDS_MAX {
            return over(format!("more than {CHAIN_OPERANDS_MAX} operands in one chain or list"), LOOKUP);
        }
    }
    None
}

/// A closing token without an opening one is the parser's to report.
fn drop_level(levels: &mut Vec<Level>) {
    if levels.len() > 1 {
        levels.pop();
    }
}
