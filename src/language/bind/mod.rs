//! Syntax tree to typed tree: names, types, what is refused and what to write instead.
//!
//! Binding goes on after a mistake, so that one run reports all of a text. It knows no engine.

mod adhoc;
mod aggregate;
mod binder;
mod call;
mod coerce;
mod constant;
mod division;
mod form;
mod guard;
mod key;
mod layer;
mod listing;
mod membership;
mod name;
mod null_operand;
mod operator;
mod outer;
mod query;
mod rank;
mod refusal;
mod refused;
mod select;
mod special;

use crate::diagnostic::{Diagnostic, Span, Text};
use crate::record::Type;

use super::codes;
use super::scope::Scope;
use super::syntax;
use super::tree::{Aggregation, Expr};
use binder::Binder;

pub use adhoc::{ParsedAdHoc, bind_adhoc, parse_adhoc};
pub use key::unknown_key;
pub use layer::both;
pub use query::{ParsedQuery, bind_query, parse_query};

/// Binds an expression over the scope's columns.
pub fn bind_expression(text: &Text, scope: &Scope, diagnostics: &mut Vec<Diagnostic>) -> Option<Expr> {
    let (ast, places) = syntax::parse_expression(text, diagnostics)?;
    Binder::new(text, &places, scope, diagnostics).bind(&ast)
}

/// Binds an expression that must be BOOL.
pub fn bind_condition(text: &Text, scope: &Scope, diagnostics: &mut Vec<Diagnostic>) -> Option<Expr> {
    let (ast, places) = syntax::parse_expression(text, diagnostics)?;
    let mut binder = Binder::new(text, &places, scope, diagnostics);
    let expr = binder.bind(&ast)?;
    binder.condition(expr)
}

impl Binder<'_> {
    /// Refuses an expression that is not BOOL.
    fn condition(&mut self, expr: Expr) -> Option<Expr> {
        let (span, ty) = (expr.span, expr.ty);
        if let Ok(expr) = coerce::to(expr, Type::Bool) {
            return Some(expr);
        }
        self.report(
            Diagnostic::error(codes::NOT_BOOLEAN, span, format!("this condition is {ty}, not BOOL"))
                .help("write a comparison, such as x > 0"),
        );
        None
    }
}

/// Binds an expression over aggregates.
pub fn bind_aggregation(text: &Text, scope: &Scope, diagnostics: &mut Vec<Diagnostic>) -> Option<Aggregation> {
    let (ast, places) = syntax::parse_expression(text, diagnostics)?;
    let mut binder = Binder::new(text, &places, scope, diagnostics);
    binder.aggregates = Some(Vec::new());
    let output = binder.bind(&ast)?;
    let aggregates = binder.aggregates.take().unwrap_or_default();
    if aggregates.is_empty() {
        let report = Diagnostic::error(codes::AGGREGATE, output.span, "no aggregate stands here")
            .help("write COUNT(*), SUM(x), MAX(x) or another aggregate");
        diagnostics.push(report);
        return None;
    }
    Some(Aggregation { aggregates, output })
}

/// The parameters that an expression names, `@` left out.
pub fn parameters_of(text: &Text) -> Vec<(String, Span)> {
    syntax::names(text).parameters
}

/// The lookups that an expression names in `IN (SELECT column FROM lookup)`.
pub fn lookups_of(text: &Text) -> Vec<(String, Span)> {
    syntax::names(text).tables
}
