//! What is refused by name, and what to write instead.

use sqlparser::ast;

use crate::language::NETWORKS;
use crate::language::tree::Expr;

use super::binder::Binder;

/// A function of another dialect, or one that the two engines do not share: message and replacement.
pub(super) fn replacement(name: &str) -> Option<(String, String)> {
    let upper = name.to_ascii_uppercase();
    let instead = match upper.as_str() {
        "CURRENT_TIMESTAMP" | "NOW" | "CURRENT_DATE" | "CURRENT_TIME" | "CURRENT_DATETIME" => {
            let message = format!("{upper} depends on the clock, so a replay would differ");
            return Some((message, "use the row's event_time".into()));
        }
        "RAND" | "RANDOM" | "GENERATE_UUID" => {
            return Some((format!("{upper} differs at each run"), "FARM_FINGERPRINT(x) spreads values".into()));
        }
        "CIDRMATCH" | "CIDR_MATCH" | "IPV4_IS_IN_RANGE" | "IPV4_IS_MATCH" | "ISIPADDRESSINRANGE" | "INET_CONTAINS" => {
            return Some((format!("{upper} is not supported"), NETWORKS.into()));
        }
        "ISNULL" => "x IS NULL, or IFNULL(x, y)",
        "NOTNULL" | "ISNOTNULL" => "x IS NOT NULL",
        "ILIKE" => "LOWER(x) LIKE 'pattern'",
        "INSTR" | "POSITION" | "CHARINDEX" | "LOCATE" => "STRPOS(text, part)",
        "REGEXP_LIKE" | "REGEXP_MATCHES" | "REGEXP" | "RLIKE" => "REGEXP_CONTAINS(x, r'pattern')",
        "REGEXP_SUBSTR" => "REGEXP_EXTRACT(x, r'pattern')",
        "NVL" => "IFNULL(x, y)",
        "LEN" => "LENGTH(x)",
        "IIF" => "IF(condition, a, b)",
        "DATE_TRUNC" | "DATETIME_TRUNC" => "TIMESTAMP_TRUNC(t, part)",
        "DATE_ADD" | "DATETIME_ADD" => "TIMESTAMP_ADD(t, INTERVAL n part)",
        "DATE_SUB" | "DATETIME_SUB" => "TIMESTAMP_SUB(t, INTERVAL n part)",
        "DATE_DIFF" | "DATETIME_DIFF" | "DATEDIFF" => "TIMESTAMP_DIFF(a, b, part)",
        "DATE_PART" | "YEAR" | "MONTH" | "DAY" | "HOUR" | "MINUTE" | "DAYOFWEEK" => "EXTRACT(part FROM t)",
        "TO_TIMESTAMP" | "FROM_UNIXTIME" => "TIMESTAMP_SECONDS(n) or CAST(x AS TIMESTAMP)",
        "TIMESTAMP" => "CAST(x AS TIMESTAMP), or the literal TIMESTAMP '2026-01-31 12:00:00+00'",
        "DATETIME" => "TIMESTAMP, which is UTC; DATETIME has no zone",
        "COUNT_IF" => "COUNTIF(condition)",
        "BOOL_AND" | "EVERY" => "LOGICAL_AND(x)",
        "BOOL_OR" => "LOGICAL_OR(x)",
        "APPROX_DISTINCT" => "APPROX_COUNT_DISTINCT(x)",
        "TRY_CAST" => "SAFE_CAST(x AS type)",
        "LPAD" | "RPAD" | "REPEAT" => "the text itself; a length from data is not bounded",
        "SPLIT" => "SPLIT(text, delimiter)[SAFE_OFFSET(n)]",
        "SHA1" => "SHA256(x)",
        "XOR" => "a != b",
        "LOG2" => "LOG(x, 2)",
        "COUNT_DISTINCT" | "UNIQ" | "UNIQEXACT" | "DCOUNT" | "DC" => "COUNT(DISTINCT x)",
        "MEDIAN" | "PERCENTILE" | "PERCENTILE_CONT" | "PERCENTILE_DISC" | "APPROX_QUANTILES" | "QUANTILE" => {
            "a threshold over AVG and STDDEV_SAMP; quantiles are not supported yet"
        }
        "ARRAY_AGG" | "STRING_AGG" | "GROUP_CONCAT" | "LISTAGG" | "COLLECT_SET" | "MAKE_SET" => {
            let message = format!("{upper}: lists of values are not supported yet");
            return Some((message, "write MIN(x), MAX(x) or ANY_VALUE(x); evidence shows a hit's first flows".into()));
        }
        "ARRAY" | "STRUCT" | "UNNEST" => {
            return Some((format!("{upper}: arrays and structs are not supported yet"), "write scalar values".into()));
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
            ast::Expr::IsDistinctFrom(..) | ast::Expr::IsNotDistinctFrom(..) => (
                "IS DISTINCT FROM is not supported yet".to_owned(),
                "write COALESCE(a, …) != COALESCE(b, …)".to_owned(),
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
