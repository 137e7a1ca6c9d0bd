//! Operators over the literal NULL: the result is known before any row is read, and GoogleSQL refuses most of them.

use crate::diagnostic::{Diagnostic, Span};
use crate::language::codes;
use crate::language::function::Id;
use crate::language::tree::{Expr, ExprKind};
use crate::record::Value;

use super::binder::Binder;

/// Is it the literal NULL?
pub(super) fn is_null(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Literal(Value::Null(_)))
}

impl Binder<'_> {
    pub(super) fn check_null_operand(&mut self, id: Id, args: &[Expr], span: Span) -> Option<()> {
        if !args.iter().any(is_null) {
            return Some(());
        }
        let other = args.iter().find(|arg| !is_null(arg)).map(|other| self.quoted(other.span));
        match (id, other) {
            (Id::Eq, Some(other)) => self.null_comparison(span, format!("write {other} IS NULL")),
            (Id::NotEq, Some(other)) => self.null_comparison(span, format!("write {other} IS NOT NULL")),
            (Id::Eq | Id::NotEq | Id::Lt | Id::LtEq | Id::Gt | Id::GtEq | Id::Like, _) => {
                self.null_comparison(span, "write a value in the place of NULL, or leave it out".to_owned())
            }
            (Id::Add | Id::Subtract | Id::Multiply | Id::Divide | Id::Negate | Id::Not, _)
            | (Id::BitAnd | Id::BitOr | Id::BitXor | Id::BitNot | Id::ShiftLeft | Id::ShiftRight, _) => {
                self.null_operand(span).and(None)
            }
            _ => Some(()),
        }
    }

    fn null_comparison(&mut self, span: Span, help: String) -> Option<()> {
        let message = "a comparison with NULL is never TRUE";
        self.report(Diagnostic::error(codes::NULL_OPERAND, span, message).help(help));
        None
    }

    pub(super) fn null_operand(&mut self, span: Span) -> Option<Expr> {
        let report = Diagnostic::error(codes::NULL_OPERAND, span, "an operand is NULL, so the result is")
            .help("write a value in the place of NULL, or NULL alone");
        self.report(report);
        None
    }
}
