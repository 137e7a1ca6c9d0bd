//! What is refused by name, and what to write instead.

use sqlparser::ast;

use crate::language::tree::Expr;

use super::binder::Binder;
use super::refused;

/// A function of another dialect, or one that the two engines do not share: message and replacement.
pub(super) fn replacement(name: &str) -> Option<(String, String)> {
    let upper = name.to_ascii_uppercase();
    if let Some(refused) = refused::by_name(&upper) {
        return Some(refused);
    }
    let instead = match upper.as_str() {
        "COUNT_IF" => "COUNTIF(condition)",
        "BOOL_AND" | "EVERY" => "LOGICAL_AND(x)",
        "BOOL_OR" => "LOGICAL_OR(x)",
        "APPROX_DISTINCT" => "APPROX_COUNT_DISTINCT(x)",
        "COUNT_DISTINCT" | "UNIQ" | "UNIQEXACT" | "DCOUNT" | "DC" => "COUNT(DISTINCT x)",
        "MEDIAN" => "APPROX_QUANTILES(x, 2)[OFFSET(1)], which is exact",
        "PERCENTILE" | "PERCENTILE_CONT" | "PERCENTILE_DISC" | "QUANTILE" | "APPROX_PERCENTILE" => {
            "APPROX_QUANTILES(x, 100)[OFFSET(95)], which is exact"
        }
        "GROUP_CONCAT" | "LISTAGG" | "COLLECT_SET" | "MAKE_SET" => {
            "STRING_AGG(DISTINCT x, ',' ORDER BY x LIMIT 100); evidence shows a hit's first flows"
        }
        _ => return None,
    };
    Some((format!("{upper} is not supported"), format!("write {instead}")))
}

impl Binder<'_> {
    /// Refuses a node that the language does not have.
    pub(super) fn refuse_node(&mut self, ast: &ast::Expr) -> Option<Expr> {
        let span = self.span(ast);
        let (what, help) = match ast {
            ast::Expr::ILike { expr, pattern, .. } => (
                "ILIKE is not GoogleSQL".to_owned(),
                format!("write LOWER({}) LIKE LOWER({})", self.source(expr), self.source(pattern)),
            ),
            ast::Expr::Like { escape_char: Some(_), .. } => {
                ("LIKE has no ESCAPE in GoogleSQL".to_owned(), r"a backslash escapes: LIKE '50\\%'".to_owned())
            }
            ast::Expr::RLike { .. } | ast::Expr::SimilarTo { .. } => {
                ("this is not GoogleSQL".to_owned(), "write REGEXP_CONTAINS(x, r'pattern')".to_owned())
            }
            ast::Expr::Subquery(_) | ast::Expr::Exists { .. } => (
                "subqueries are not supported".to_owned(),
                "write x IN (SELECT column FROM lookup), or a join".to_owned(),
            ),
            ast::Expr::IsUnknown(_) | ast::Expr::IsNotUnknown(_) => {
                ("IS UNKNOWN is not supported".to_owned(), "write IS NULL".to_owned())
            }
            ast::Expr::AtTimeZone { .. } => ("time zones are not supported".to_owned(), "all times are UTC".to_owned()),
            ast::Expr::Collate { .. } => ("COLLATE is not supported".to_owned(), "texts compare by bytes".to_owned()),
            ast::Expr::Interval(_) => (
                "an interval stands alone".to_owned(),
                "write t + INTERVAL 5 MINUTE, or TIMESTAMP_ADD(t, INTERVAL 5 MINUTE)".to_owned(),
            ),
            ast::Expr::Cast { format: Some(_), .. } => {
                ("CAST with FORMAT is not supported".to_owned(), "write CAST(x AS type)".to_owned())
            }
            ast::Expr::Position { .. } => {
                ("POSITION is not GoogleSQL".to_owned(), "write STRPOS(text, part)".to_owned())
            }
            ast::Expr::Trim { .. } => {
                ("this form of TRIM is not GoogleSQL".to_owned(), "write TRIM(x), LTRIM(x) or RTRIM(x)".to_owned())
            }
            ast::Expr::Substring { .. } => {
                ("this form of SUBSTRING is not GoogleSQL".to_owned(), "write SUBSTR(x, start, length)".to_owned())
            }
            ast::Expr::Array(_) | ast::Expr::Struct { .. } | ast::Expr::Tuple(_) | ast::Expr::InUnnest { .. } => {
                ("arrays and structs are not supported yet".to_owned(), "write scalar values".to_owned())
            }
            ast::Expr::Like { any: true, .. } | ast::Expr::AnyOp { .. } | ast::Expr::AllOp { .. } => {
                ("ANY and ALL are not supported".to_owned(), "write the comparisons, joined by OR or AND".to_owned())
            }
            _ => ("this is not supported".to_owned(), "see the list of functions".to_owned()),
        };
        self.refuse(span, what, help)
    }
}
