//! GoogleSQL's grammar for sqlparser: its BigQuery dialect with GoogleSQL's order of precedence.

use std::any::{Any, TypeId};

use sqlparser::ast::Expr;
use sqlparser::dialect::{BigQueryDialect, Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// sqlparser's BigQuery dialect binds `||`, shifts and `IS` otherwise than GoogleSQL.
#[derive(Debug)]
pub(super) struct GoogleSql;

const BIG_QUERY: BigQueryDialect = BigQueryDialect;
/// Between `+ -` and `&`.
const SHIFT: u8 = 26;

impl Dialect for GoogleSql {
    fn dialect(&self) -> TypeId {
        BIG_QUERY.type_id()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        BIG_QUERY.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        BIG_QUERY.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        BIG_QUERY.is_identifier_part(ch)
    }

    fn supports_projection_trailing_commas(&self) -> bool {
        true
    }

    fn supports_triple_quoted_string(&self) -> bool {
        true
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_select_wildcard_replace(&self) -> bool {
        true
    }

    fn require_interval_qualifier(&self) -> bool {
        true
    }

    fn supports_struct_literal(&self) -> bool {
        true
    }

    fn supports_select_expr_star(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }

    // So that `FILTER (WHERE …)` is read, and refused with its replacement.
    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    // Otherwise the parser reads what follows CAST, CASE or NOT a second time when it is wrong, on each level of
    // nesting: 2^50 times.
    fn is_reserved_for_identifier(&self, _kw: Keyword) -> bool {
        true
    }

    fn is_column_alias(&self, kw: &Keyword, parser: &mut Parser) -> bool {
        BIG_QUERY.is_column_alias(kw, parser)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let keyword = |token: &Token, wanted| matches!(token, Token::Word(word) if word.keyword == wanted);
        match &parser.peek_token_ref().token {
            // `x NOT NULL` is PostgreSQL's: here x ends before it.
            not if keyword(not, Keyword::NOT) && keyword(&parser.peek_nth_token_ref(1).token, Keyword::NULL) => {
                Some(Ok(BIG_QUERY.prec_unknown()))
            }
            Token::ShiftLeft | Token::ShiftRight => Some(Ok(SHIFT)),
            Token::StringConcat => Some(Ok(self.prec_value(Precedence::MulDivModOp))),
            _ => None,
        }
    }

    // sqlparser takes all that follows as the right side, `b AND c` too.
    fn parse_infix(&self, parser: &mut Parser, left: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        let distinct = parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]);
        if !distinct && !parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM]) {
            return None;
        }
        let right = parser.parse_subexpr(self.prec_value(Precedence::Is));
        let left = Box::new(left.clone());
        Some(right.map(Box::new).map(|right| {
            if distinct { Expr::IsDistinctFrom(left, right) } else { Expr::IsNotDistinctFrom(left, right) }
        }))
    }

    fn prec_value(&self, prec: Precedence) -> u8 {
        match prec {
            Precedence::Ampersand => 24,
            Precedence::Caret => 23,
            Precedence::Pipe => 22,
            Precedence::Xor => 21,
            // One level in GoogleSQL, where they do not chain.
            Precedence::Eq | Precedence::Between | Precedence::Like | Precedence::Is => 20,
            other => BIG_QUERY.prec_value(other),
        }
    }
}
