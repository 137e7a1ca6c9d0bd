//! Forms with a syntax of their own: CASE, BETWEEN, LIKE, EXTRACT, SUBSTR, TRIM, SPLIT(…)[…].

use sqlparser::ast::{self, AccessExpr, CaseWhen, CeilFloorKind, DateTimeField, Subscript};

use crate::diagnostic::Span;
use crate::language::codes;
use crate::language::function::{self, Id, Param};
use crate::language::tree::{Expr, ExprKind};
use crate::record::{Type, Value};

use super::aggregate::{FIRST, QUANTILE};
use super::binder::Binder;
use super::coerce;
use super::refusal::replacement;

impl Binder<'_> {
    /// `x BETWEEN a AND b` is `x >= a AND x <= b`.
    pub(super) fn bind_between(
        &mut self,
        expr: &ast::Expr,
        negated: bool,
        low: &ast::Expr,
        high: &ast::Expr,
    ) -> Option<Expr> {
        self.check_level(expr)?;
        let value = self.bind(expr);
        let (low, high) = (self.bind(low), self.bind(high));
        let (value, low, high) = (value?, low?, high?);
        let span = value.span.to(high.span);
        let above = self.apply(Id::GtEq, vec![value.clone(), low], span);
        let below = self.apply(Id::LtEq, vec![value, high], span);
        let between = self.apply_all(Id::And, vec![above, below], span)?;
        if negated { self.apply(Id::Not, vec![between], span) } else { Some(between) }
    }

    pub(super) fn bind_like(&mut self, negated: bool, expr: &ast::Expr, pattern: &ast::Expr) -> Option<Expr> {
        self.check_level(expr)?;
        let (value, pattern) = (self.bind(expr), self.bind(pattern));
        let (value, pattern) = (value?, pattern?);
        let span = value.span.to(pattern.span);
        let like = self.apply(Id::Like, vec![value, pattern], span)?;
        if negated { self.apply(Id::Not, vec![like], span) } else { Some(like) }
    }

    pub(super) fn bind_case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&ast::Expr>,
        ast: &ast::Expr,
    ) -> Option<Expr> {
        let span = self.span(ast);
        let operand = match operand {
            Some(operand) => Some(self.bind(operand)?),
            None => None,
        };
        let mut tests = Vec::with_capacity(conditions.len());
        let mut values = Vec::with_capacity(conditions.len() + 1);
        for when in conditions {
            let condition = self.bind(&when.condition);
            let value = self.bind(&when.result);
            let test = match (condition, &operand) {
                (Some(condition), Some(operand)) => {
                    let at = condition.span;
                    self.apply(Id::Eq, vec![operand.clone(), condition], at)
                }
                (Some(condition), None) => self.condition(condition),
                (None, _) => None,
            };
            tests.push(test);
            values.push(value);
        }
        if let Some(otherwise) = otherwise {
            values.push(self.bind(otherwise));
        }
        let tests: Option<Vec<Expr>> = tests.into_iter().collect();
        let values: Option<Vec<Expr>> = values.into_iter().collect();
        let (tests, mut values) = (tests?, self.unify(values?, "the results of this CASE", span)?);
        let ty = values.first()?.ty;
        let last = if otherwise.is_some() { values.pop() } else { None };
        let nullable = values.iter().any(|v| v.nullable) || last.as_ref().is_none_or(|v| v.nullable);
        let branches = tests.into_iter().zip(values).collect();
        Some(Expr { kind: ExprKind::Case { branches, otherwise: Box::new(last) }, ty, nullable, span })
    }

    /// Brings expressions to one type.
    pub(super) fn unify(&mut self, exprs: Vec<Expr>, what: &str, span: Span) -> Option<Vec<Expr>> {
        let Some(ty) = coerce::common(exprs.iter()) else {
            let mut types: Vec<Type> = exprs.iter().map(|e| e.ty).collect();
            types.dedup();
            let names: Vec<&str> = types.into_iter().map(Type::name).collect();
            let message = format!("{what} have different types: {}", names.join(", "));
            return self.error(codes::TYPE_MISMATCH, span, message);
        };
        exprs.into_iter().map(|e| self.convert(e, ty)).collect()
    }

    pub(super) fn bind_special(&mut self, ast: &ast::Expr) -> Option<Expr> {
        let span = self.span(ast);
        match ast {
            ast::Expr::Extract { field, expr, .. } => self.bind_extract(field, expr, span),
            ast::Expr::Ceil { expr, field } => self.bind_whole(Id::Ceil, expr, field, span),
            ast::Expr::Floor { expr, field } => self.bind_whole(Id::Floor, expr, field, span),
            ast::Expr::Substring { expr, substring_from: Some(from), substring_for, special: true, .. } => {
                let mut args = vec![self.bind(expr), self.bind(from)];
                if let Some(length) = substring_for {
                    args.push(self.bind(length));
                }
                self.apply_all(Id::Substr, args, span)
            }
            ast::Expr::Trim { trim_where: None, trim_what: None, expr, trim_characters } => {
                let mut args = vec![self.bind(expr)];
                for characters in trim_characters.iter().flatten() {
                    args.push(self.bind(characters));
                }
                self.apply_all(Id::Trim, args, span)
            }
            ast::Expr::CompoundFieldAccess { root, access_chain } => self.bind_element(root, access_chain, span),
            _ => self.refuse_node(ast),
        }
    }

    fn bind_whole(&mut self, id: Id, expr: &ast::Expr, field: &CeilFloorKind, span: Span) -> Option<Expr> {
        if !matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime)) {
            return self.refuse(span, "this takes one argument", "write FLOOR(x), or ROUND(x, digits)");
        }
        let arg = self.bind(expr)?;
        self.apply(id, vec![arg], span)
    }

    fn bind_extract(&mut self, field: &DateTimeField, expr: &ast::Expr, span: Span) -> Option<Expr> {
        if let ast::Expr::AtTimeZone { .. } = expr {
            return self.refuse(span, "time zones are not supported", "all times are UTC: write EXTRACT(part FROM t)");
        }
        let time = self.bind(expr);
        if let Some(Expr { kind: ExprKind::Literal(Value::String(text)), span, .. }) = &time {
            let help = format!("write TIMESTAMP '{text}' or DATE '{text}'");
            return self.refuse(*span, "EXTRACT takes a TIMESTAMP or a DATE, this is a text", &help);
        }
        let word = field.to_string();
        if matches!(field, DateTimeField::Date) {
            return self.apply(Id::DateOf, vec![time?], span);
        }
        let words = function::by_id(Id::Extract)?.signatures.iter().find_map(|s| match s.params.get(1) {
            Some(Param::Part(words)) => Some(*words),
            _ => None,
        })?;
        let part = self.part(&word, words, span);
        self.apply_all(Id::Extract, vec![time, part], span)
    }

    /// `SPLIT(text, delimiter)[SAFE_OFFSET(n)]`: arrays have no other use yet.
    fn bind_element(&mut self, root: &ast::Expr, chain: &[AccessExpr], span: Span) -> Option<Expr> {
        if let (ast::Expr::Function(call), [AccessExpr::Subscript(ast::Subscript::Index { index })]) = (root, chain)
            && is_named(call, "ARRAY_AGG")
            && index.to_string().eq_ignore_ascii_case("SAFE_OFFSET(0)")
        {
            return self.bind_first(call, span);
        }
        if let ast::Expr::Function(call) = root
            && is_named(call, "ARRAY_AGG")
        {
            return self.refuse(span, "of an ARRAY_AGG only the first value is there", FIRST);
        }
        if let ast::Expr::Function(call) = root
            && is_named(call, "APPROX_QUANTILES")
        {
            return match chain {
                [AccessExpr::Subscript(ast::Subscript::Index { index })] => self.bind_quantile(call, index, span),
                _ => self.refuse(span, "of APPROX_QUANTILES one value is there", QUANTILE),
            };
        }
        let help = "write SPLIT(text, delimiter)[SAFE_OFFSET(n)]";
        if let ast::Expr::Function(call) = root
            && let Some((message, help)) = replacement(&call.name.to_string()).filter(|_| !is_named(call, "SPLIT"))
        {
            return self.refuse(span, message, help);
        }
        let (ast::Expr::Function(split), [AccessExpr::Subscript(Subscript::Index { index })]) = (root, chain) else {
            return self.refuse(span, "fields and elements are not supported", help);
        };
        let (Some([text, delimiter]), Some([offset])) = (plain_args(split, "SPLIT"), element(index)) else {
            return self.refuse(span, "this element is not supported", help);
        };
        let args = vec![self.bind(text), self.bind(delimiter), self.bind(offset)];
        self.apply_all(Id::SplitPart, args, span)
    }
}

fn is_named(call: &ast::Function, name: &str) -> bool {
    call.name.to_string().eq_ignore_ascii_case(name)
}

/// The arguments of a call of this name with this many plain arguments.
fn plain_args<'a, const N: usize>(call: &'a ast::Function, name: &str) -> Option<[&'a ast::Expr; N]> {
    if !is_named(call, name) || call.over.is_some() || call.filter.is_some() {
        return None;
    }
    let ast::FunctionArguments::List(list) = &call.args else { return None };
    let args: Option<Vec<&ast::Expr>> = list
        .args
        .iter()
        .map(|arg| match arg {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect();
    <[&ast::Expr; N]>::try_from(args?).ok()
}

fn element(index: &ast::Expr) -> Option<[&ast::Expr; 1]> {
    match index {
        ast::Expr::Function(call) => plain_args(call, "SAFE_OFFSET"),
        _ => None,
    }
}
