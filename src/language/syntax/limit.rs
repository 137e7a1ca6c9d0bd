//! Limits of a text, measured on its tokens before anything recurses over it.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

/// Bytes of one SQL text.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Operands of one chain such as `a OR b OR c`, or elements of one list.
pub(super) const CHAIN_OPERANDS_MAX: usize = 500;
/// Names, literals and operators of one text.
pub(super) const NODES_MAX: usize = 2_000;
/// Parentheses and CASEs inside one another.
pub(super) const DEPTH_MAX: usize = 50;

/// Operators other than AND, OR and `||` that stand on one another: each is a level of the tree.
pub(super) const STACKED_MAX: usize = 100;

/// What was exceeded, and the token that did.
pub(super) struct Excess {
    pub token: usize,
    pub message: String,
    pub help: &'static str,
}

const SPLIT: &str = "compute parts of it in columns of a feature: `row` before, `derive` after the aggregation";
const LOOKUP: &str = "write the values as a lookup and use IN (SELECT column FROM lookup)";

/// Operators, commas and depths met so far on one level of parentheses.
#[derive(Default)]
struct Level {
    operators: usize,
    commas: usize,
    /// Depth of the tree of the operand that is being read: each operator stands on what is left of it.
    depth: usize,
    /// The deepest of the operands before it.
    deepest: usize,
}

impl Level {
    fn operand_ends(&mut self) {
        self.deepest = self.deepest.max(self.depth);
        self.depth = 0;
    }
}

/// What a token does to the depth of the tree.
#[derive(PartialEq)]
enum Effect {
    Opens,
    Closes,
    /// AND, OR and `||`: any number of operands in one node.
    Joins,
    /// Stands on the tree to its left, or in front of one.
    Stacks,
    Separates,
    None,
}

fn effect(token: &Token) -> Effect {
    match token {
        Token::LParen | Token::LBracket | Token::LBrace => Effect::Opens,
        Token::RParen | Token::RBracket | Token::RBrace => Effect::Closes,
        Token::Comma => Effect::Separates,
        Token::StringConcat => Effect::Joins,
        Token::Word(word) => match word.keyword {
            Keyword::CASE => Effect::Opens,
            Keyword::END => Effect::Closes,
            Keyword::AND | Keyword::OR => Effect::Joins,
            Keyword::WHEN | Keyword::THEN | Keyword::ELSE | Keyword::SELECT | Keyword::FROM | Keyword::WHERE => {
                Effect::Separates
            }
            Keyword::NOT | Keyword::IS | Keyword::IN | Keyword::LIKE | Keyword::BETWEEN | Keyword::INTERVAL => {
                Effect::Stacks
            }
            Keyword::AT | Keyword::COLLATE | Keyword::DIV | Keyword::XOR => Effect::Stacks,
            _ => Effect::None,
        },
        Token::Period | Token::SemiColon | Token::EOF => Effect::None,
        Token::Number(..) | Token::Char(_) | Token::HexStringLiteral(_) | Token::Placeholder(_) => Effect::None,
        // Strings of all kinds are literals; every other sign is an operator somewhere.
        _ if is_string(token) => Effect::None,
        _ => Effect::Stacks,
    }
}

fn is_string(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::TripleSingleQuotedString(_)
            | Token::TripleDoubleQuotedString(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
            | Token::TripleSingleQuotedByteStringLiteral(_)
            | Token::TripleDoubleQuotedByteStringLiteral(_)
            | Token::SingleQuotedRawStringLiteral(_)
            | Token::DoubleQuotedRawStringLiteral(_)
            | Token::TripleSingleQuotedRawStringLiteral(_)
            | Token::TripleDoubleQuotedRawStringLiteral(_)
    )
}

/// Finds the first token that exceeds a limit.
pub(super) fn excess<'a>(tokens: impl Iterator<Item = &'a Token>) -> Option<Excess> {
    let mut levels = vec![Level::default()];
    let mut nodes = 0;
    for (token, kind) in tokens.enumerate() {
        let over = |message: String, help| Some(Excess { token, message, help });
        let effect = effect(kind);
        match effect {
            Effect::Opens => levels.push(Level::default()),
            Effect::Closes => close(&mut levels),
            _ => {}
        }
        if levels.len() > DEPTH_MAX {
            return over(format!("nested deeper than {DEPTH_MAX}"), SPLIT);
        }
        if !matches!(kind, Token::LParen | Token::RParen | Token::Comma | Token::EOF) {
            nodes += 1;
        }
        if nodes > NODES_MAX {
            return over(format!("more than {NODES_MAX} names, literals and operators"), LOOKUP);
        }
        let Some(level) = levels.last_mut() else { continue };
        match effect {
            Effect::Joins => {
                level.operators += 1;
                level.operand_ends();
            }
            Effect::Stacks => level.depth += 1,
            Effect::Separates => {
                level.commas += usize::from(*kind == Token::Comma);
                level.operators = 0;
                level.operand_ends();
            }
            Effect::Opens | Effect::Closes | Effect::None => {}
        }
        if level.operators >= CHAIN_OPERANDS_MAX || level.commas >= CHAIN_OPERANDS_MAX {
            return over(format!("more than {CHAIN_OPERANDS_MAX} operands in one chain or list"), LOOKUP);
        }
        if level.depth > STACKED_MAX {
            return over(format!("more than {STACKED_MAX} operators stand on one another"), SPLIT);
        }
    }
    None
}

/// Ends a level. A closing token without an opening one is the parser's to report.
fn close(levels: &mut Vec<Level>) {
    if levels.len() < 2 {
        return;
    }
    let Some(mut inner) = levels.pop() else { return };
    inner.operand_ends();
    if let Some(outer) = levels.last_mut() {
        outer.depth = outer.depth.max(inner.deepest + 1);
    }
}
