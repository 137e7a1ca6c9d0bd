//! LIKE and regular expressions.

use datafusion::arrow::array::{BooleanArray, StringArray};
use regex::{Captures, Regex};

use crate::language::function::Id;
use crate::language::pattern::{LikeToken, like_tokens, to_rust};
use crate::language::tree::{Expr, ExprKind};
use crate::record::Value;
use crate::target::datafusion::LowerError;
use crate::target::datafusion::kernel_expr::Kernel;

use super::{kernel, occurrence};

pub(super) fn of(id: Id, args: &[Expr]) -> Result<Option<Kernel>, LowerError> {
    let constant = args.get(1).and_then(|arg| match &arg.kind {
        ExprKind::Literal(Value::String(pattern)) => Some(pattern.as_str()),
        _ => None,
    });
    if id == Id::Like {
        return Ok(match constant.and_then(like_tokens) {
            Some(tokens) => like_constant(Like::new(tokens)),
            None => like(),
        });
    }
    // A NULL pattern gives NULL for every row; any valid one will do.
    let source = to_rust(constant.unwrap_or_default()).map_err(LowerError::Pattern)?;
    let regex = Regex::new(&source).map_err(|e| LowerError::Pattern(e.to_string()))?;
    Ok(match id {
        Id::RegexpContains => kernel(move |inputs| {
            inputs.binary::<StringArray, StringArray, bool, BooleanArray>(|s, _| Ok(Some(regex.is_match(s))))
        }),
        Id::RegexpExtract | Id::RegexpInstr => {
            if regex.captures_len() > 2 {
                return Err(LowerError::Pattern("REGEXP_EXTRACT takes one group at most".into()));
            }
            let group = regex.captures_len() - 1;
            if id == Id::RegexpInstr {
                return Ok(occurrence::instr(regex, group));
            }
            if args.len() > 2 {
                return Ok(occurrence::extract(regex, group));
            }
            kernel(move |inputs| {
                inputs.binary::<StringArray, StringArray, &str, StringArray>(|s, _| Ok(extract(&regex, group, s)))
            })
        }
        _ => replace(regex),
    })
}

fn extract<'a>(regex: &Regex, group: usize, s: &'a str) -> Option<&'a str> {
    if group == 0 {
        return regex.find(s).map(|m| m.as_str());
    }
    let captures = regex.captures(s)?;
    captures.get(group).map(|m| m.as_str())
}

fn replace(regex: Regex) -> Option<Kernel> {
    kernel(move |inputs| {
        let (values, patterns) = (inputs.cells::<StringArray>(0)?, inputs.cells::<StringArray>(1)?);
        let others = inputs.cells::<StringArray>(2)?;
        let rows = (0..inputs.rows).map(|row| {
            let (Some(value), Some(_), Some(other)) = (values.get(row), patterns.get(row), others.get(row)) else {
                return Ok(None);
            };
            let pieces = rewrite(other, regex.captures_len())?;
            Ok(Some(regex.replace_all(value, |captures: &Captures<'_>| fill(&pieces, captures))))
        });
        Ok(std::sync::Arc::new(rows.collect::<Result<StringArray, String>>()?))
    })
}

/// Part of a replacement.
enum Piece<'a> {
    Text(&'a str),
    Group(usize),
}

/// Reads `\1` and `\\` of a replacement.
fn rewrite(text: &str, groups: usize) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        pieces.push(Piece::Text(&rest[..at]));
        let mut after = rest[at + 1..].chars();
        match after.next() {
            Some('\\') => pieces.push(Piece::Text("\\")),
            Some(digit) => {
                let group = digit.to_digit(10).and_then(|d| usize::try_from(d).ok());
                let group = group.ok_or_else(|| format!("a replacement has no escape \\{digit}"))?;
                if group >= groups {
                    return Err(format!("the pattern has no group {group}"));
                }
                pieces.push(Piece::Group(group));
            }
            None => return Err("the replacement ends with a backslash".into()),
        }
        rest = after.as_str();
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

fn fill<'a>(pieces: &[Piece<'a>], captures: &Captures<'a>) -> String {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Group(group) => out.push_str(captures.get(*group).map_or("", |m| m.as_str())),
        }
    }
    out
}

/// A LIKE pattern, the common forms apart.
enum Like {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    Tokens(Vec<LikeToken>),
}

impl Like {
    fn new(tokens: Vec<LikeToken>) -> Self {
        let (open, rest) = match tokens.split_first() {
            Some((LikeToken::Any, rest)) => (true, rest),
            _ => (false, tokens.as_slice()),
        };
        let (close, rest) = match rest.split_last() {
            Some((LikeToken::Any, rest)) => (true, rest),
            _ => (false, rest),
        };
        let text: Option<String> = rest
            .iter()
            .map(|token| match token {
                LikeToken::Char(c) => Some(*c),
                _ => None,
            })
            .collect();
        match (text, open, close) {
            (Some(text), false, false) => Self::Exact(text),
            (Some(text), false, true) => Self::Prefix(text),
            (Some(text), true, false) => Self::Suffix(text),
            (Some(text), true, true) => Self::Contains(text),
            (None, ..) => Self::Tokens(tokens),
        }
    }

    fn matches(&self, s: &str) -> bool {
        match self {
            Self::Exact(text) => s == text,
            Self::Prefix(text) => s.starts_with(text.as_str()),
            Self::Suffix(text) => s.ends_with(text.as_str()),
            Self::Contains(text) => memchr::memmem::find(s.as_bytes(), text.as_bytes()).is_some(),
            Self::Tokens(tokens) => tokens_match(tokens, s),
        }
    }
}

/// Matches in time of the product of both lengths at most: only the last `%` is tried again.
fn tokens_match(tokens: &[LikeToken], s: &str) -> bool {
    let (mut token, mut rest) = (0, s.chars());
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        let mut ahead = rest.clone();
        let next = ahead.next();
        let stepped = match (tokens.get(token), next) {
            (Some(LikeToken::Any), _) => {
                retry = Some((token + 1, rest.clone()));
                token += 1;
                continue;
            }
            (None, None) => return true,
            (Some(LikeToken::One), Some(_)) => true,
            (Some(LikeToken::Char(c)), Some(d)) => *c == d,
            _ => false,
        };
        if stepped {
            token += 1;
            rest = ahead;
            continue;
        }
        let Some((after, mut from)) = retry.take() else { return false };
        if from.next().is_none() {
            return false;
        }
        token = after;
        rest = from.clone();
        retry = Some((after, from));
    }
}

fn like_constant(like: Like) -> Option<Kernel> {
    kernel(move |inputs| inputs.unary::<StringArray, bool, BooleanArray>(|s| Ok(Some(like.matches(s)))))
}

fn like() -> Option<Kernel> {
    kernel(|inputs| {
        inputs.binary::<StringArray, StringArray, bool, BooleanArray>(|s, pattern| {
            let tokens = like_tokens(pattern).ok_or("the pattern ends with a backslash")?;
            Ok(Some(tokens_match(&tokens, s)))
        })
    })
}
