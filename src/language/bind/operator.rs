//! Operators, and how any entry of the table meets its arguments.

use sqlparser::ast::{self, BinaryOperator};

use crate::diagnostic::{Diagnostic, Span};
use crate::language::codes;
use crate::language::function::{self, Function, Guard, Id, Output, Param, Signature};
use crate::language::tree::{Expr, ExprKind};
use crate::record::{Type, Value};

use super::binder::{Binder, is_comparison_operator};
use super::call::FIXED_PARTS;
use super::coerce::{self, Refusal};
use super::null_operand::is_null;

/// How a signature takes some arguments: the type of each, and the result's.
struct Fit {
    cost: u32,
    args: Vec<Type>,
    result: Type,
}

/// AND, OR and || join any number of operands in one call.
fn chains(id: Id) -> bool {
    matches!(id, Id::And | Id::Or | Id::Concat)
}

impl Binder<'_> {
    /// Binds a tree of binary operators along its left side, without recursion: chains may be long.
    pub(super) fn bind_chain(&mut self, ast: &ast::Expr) -> Option<Expr> {
        let mut spine = Vec::new();
        let mut first = ast;
        while let ast::Expr::BinaryOp { left, op, right } = first {
            spine.push((op, &**right));
            if is_comparison_operator(op)
                && let ast::Expr::BinaryOp { op: inner, .. } = &**left
                && is_comparison_operator(inner)
            {
                return self.check_level(left).and(None);
            }
            if !matches!(op, BinaryOperator::And | BinaryOperator::Or) {
                self.check_operand(left, is_comparison_operator(op))?;
                self.check_operand(right, false)?;
            }
            first = left;
        }
        let mut left = self.bind(first);
        let mut left_source = first;
        let mut pending: Option<(Id, Vec<Option<Expr>>)> = None;
        for (op, right) in spine.into_iter().rev() {
            let id = self.operator(op, left_source, right);
            if let (Some((open, operands)), Some(id)) = (&mut pending, id)
                && *open == id
            {
                operands.push(self.bind(right));
                continue;
            }
            if let Some((open, operands)) = pending.take() {
                left = self.close_chain(open, operands);
            }
            match id {
                Some(id) if chains(id) => {
                    let operand = self.bind(right);
                    pending = Some((id, vec![left.take(), operand]));
                }
                Some(id) => left = self.bind_pair(id, left.take(), right),
                None => left = self.bind(right).and(None),
            }
            left_source = right;
        }
        match pending {
            Some((open, operands)) => self.close_chain(open, operands),
            None => left,
        }
    }

    fn check_operand(&mut self, operand: &ast::Expr, comparison: bool) -> Option<()> {
        // A binary operand was checked on the way down, or binds tighter.
        if matches!(operand, ast::Expr::BinaryOp { .. }) && !comparison {
            return Some(());
        }
        self.check_level(operand)
    }

    fn close_chain(&mut self, id: Id, operands: Vec<Option<Expr>>) -> Option<Expr> {
        let operands: Option<Vec<Expr>> = operands.into_iter().collect();
        let operands = operands?;
        let span = operands.first()?.span.to(operands.last()?.span);
        // CONCAT(x, NULL) is one entry with it, and is GoogleSQL.
        if id == Id::Concat && operands.iter().any(is_null) {
            return self.null_operand(span);
        }
        self.apply(id, operands, span)
    }

    fn bind_pair(&mut self, id: Id, left: Option<Expr>, right: &ast::Expr) -> Option<Expr> {
        if let ast::Expr::Interval(interval) = right
            && let Some(shift) = match id {
                Id::Add => Some(Id::TimestampAdd),
                Id::Subtract => Some(Id::TimestampSub),
                _ => None,
            }
        {
            let left = left?;
            let span = left.span.to(self.span(right));
            if is_null(&left) {
                return self.null_operand(span);
            }
            if left.ty == Type::Date {
                let name = if id == Id::Add { "DATE_ADD" } else { "DATE_SUB" };
                let help = format!("write {name}({}, {right})", self.quoted(left.span));
                return self.refuse(span, "a DATE and an INTERVAL make a DATETIME, which is not supported", help);
            }
            let [count, part] = self.bind_interval(interval, right, FIXED_PARTS)?;
            return self.apply(shift, vec![left, count, part], span);
        }
        let right = self.bind(right);
        let (left, right) = (left?, right?);
        let span = left.span.to(right.span);
        self.apply(id, vec![left, right], span)
    }

    /// The entry of a binary operator; reports those that GoogleSQL or we refuse.
    fn operator(&mut self, op: &BinaryOperator, left: &ast::Expr, right: &ast::Expr) -> Option<Id> {
        use BinaryOperator as B;
        let id = match op {
            B::And => Id::And,
            B::Or => Id::Or,
            B::Eq => Id::Eq,
            B::NotEq => Id::NotEq,
            B::Lt => Id::Lt,
            B::LtEq => Id::LtEq,
            B::Gt => Id::Gt,
            B::GtEq => Id::GtEq,
            B::Plus => Id::Add,
            B::Minus => Id::Subtract,
            B::Multiply => Id::Multiply,
            B::Divide => Id::Divide,
            B::StringConcat => Id::Concat,
            B::BitwiseAnd => Id::BitAnd,
            B::BitwiseOr => Id::BitOr,
            B::BitwiseXor => Id::BitXor,
            B::PGBitwiseShiftLeft => Id::ShiftLeft,
            B::PGBitwiseShiftRight => Id::ShiftRight,
            _ => {
                let span = self.span(left).to(self.span(right));
                let (a, b) = (self.source(left), self.source(right));
                let help = match op {
                    B::Modulo => format!("write MOD({a}, {b})"),
                    B::MyIntegerDivide | B::DuckIntegerDivide => format!("write DIV({a}, {b})"),
                    B::Xor => format!("write ({a}) != ({b})"),
                    B::PGRegexMatch => format!("write REGEXP_CONTAINS({a}, {b})"),
                    B::PGRegexNotMatch => format!("write NOT REGEXP_CONTAINS({a}, {b})"),
                    B::Spaceship => format!("write {a} = {b} OR ({a} IS NULL AND {b} IS NULL)"),
                    _ => "see the list of functions".to_owned(),
                };
                return self.refuse(span, format!("`{op}` is not GoogleSQL"), help);
            }
        };
        Some(id)
    }

    /// Calls an entry: finds its signature, converts the arguments, checks its guard.
    pub(super) fn apply(&mut self, id: Id, args: Vec<Expr>, span: Span) -> Option<Expr> {
        self.apply_guarded(id, args, span, false)
    }

    /// The same; `safe`: a row that the call fails is NULL, so that a divisor may be zero.
    pub(super) fn apply_guarded(&mut self, id: Id, args: Vec<Expr>, span: Span, safe: bool) -> Option<Expr> {
        let function = function::by_id(id)?;
        self.check_null_operand(id, &args, span)?;
        let fit = function.signatures.iter().filter_map(|s| fit(s, &args)).min_by_key(|fit| fit.cost);
        let Some(fit) = fit else {
            let report = self.misfit(function, &args, span);
            self.report(report);
            return None;
        };
        let mut converted = Vec::with_capacity(args.len());
        for (arg, ty) in args.into_iter().zip(fit.args) {
            converted.push(self.convert(arg, ty)?);
        }
        if function.guard == Guard::ConstantKey {
            self.name_key(&mut converted, span)?;
        }
        if !(safe && function.guard == Guard::NonZeroDivisor) {
            self.check_guard(function, &converted, span)?;
        }
        self.call(id, converted, fit.result, span)
    }

    /// Converts one expression, reporting a literal whose text is not of the type.
    pub(super) fn convert(&mut self, expr: Expr, ty: Type) -> Option<Expr> {
        let (span, from) = (expr.span, expr.ty);
        match coerce::to(expr, ty) {
            Ok(expr) => Some(expr),
            Err(Refusal::Literal) => {
                let report = Diagnostic::error(codes::BAD_LITERAL, span, format!("this literal is not a {ty}"))
                    .help(Self::time_help(ty));
                self.report(report);
                None
            }
            Err(Refusal::Types) => self.error(codes::TYPE_MISMATCH, span, format!("this is {from}, not {ty}")),
        }
    }

    /// The text at a place, cut for messages.
    pub(super) fn quoted(&self, span: Span) -> String {
        const SHOWN_CHARS_MAX: usize = 40;
        let text = self.text.as_str();
        let whole = self.text.span_of(0, text.len());
        // Texts stand in their file piece by piece, so a place is found by trying.
        let find = |target: u32| {
            if whole.start > target {
                return None;
            }
            (0..=text.len())
                .filter(|at| text.is_char_boundary(*at))
                .find(|at| self.text.span_of(*at, *at).start >= target)
        };
        let (Some(start), Some(end)) = (find(span.start), find(span.end)) else { return "this".into() };
        let shown = text.get(start..end).unwrap_or("this").trim();
        if shown.chars().count() > SHOWN_CHARS_MAX {
            let head: String = shown.chars().take(SHOWN_CHARS_MAX).collect();
            return format!("{head}…");
        }
        shown.to_owned()
    }

    /// What is wrong when no signature takes the arguments.
    fn misfit(&self, function: &Function, args: &[Expr], span: Span) -> Diagnostic {
        if let [a, b] = args
            && function.syntax == function::Syntax::Infix
        {
            return self.misfit_pair(function, a, b, span);
        }
        let name = function.name;
        let counts = function.signatures.iter().any(|s| takes_count(s, args.len()));
        if !counts {
            let usage =
                function.signatures.iter().map(|s| format!("{name}({})", s.params())).collect::<Vec<_>>().join(" or ");
            let message = format!("{name} does not take {} arguments", args.len());
            return Diagnostic::error(codes::WRONG_ARGUMENTS, span, message).help(format!("write {usage}"));
        }
        for (index, arg) in args.iter().enumerate() {
            let takes: Vec<Type> = function
                .signatures
                .iter()
                .filter_map(|s| match param(s, index) {
                    Some(Param::Is(ty)) => Some(ty),
                    _ => None,
                })
                .collect();
            if !takes.is_empty() && takes.iter().all(|ty| coerce::cost(arg, *ty).is_none()) {
                let names: Vec<&str> = takes.iter().map(|t| t.name()).collect();
                let message = format!("{name} takes {}, {} is {}", names.join(" or "), self.quoted(arg.span), arg.ty);
                let mut report = Diagnostic::error(codes::TYPE_MISMATCH, arg.span, message);
                if function.id == Id::Concat {
                    report = report.help(format!("write CAST({} AS STRING)", self.quoted(arg.span)));
                } else if let [wanted] = takes.as_slice() {
                    report = report.help(format!("write CAST({} AS {wanted})", self.quoted(arg.span)));
                }
                return report;
            }
        }
        let types: Vec<String> = args.iter().map(|a| format!("{} is {}", self.quoted(a.span), a.ty)).collect();
        Diagnostic::error(codes::TYPE_MISMATCH, span, format!("{name} takes one type: {}", types.join(", ")))
    }

    fn misfit_pair(&self, function: &Function, a: &Expr, b: &Expr, span: Span) -> Diagnostic {
        let (left, right) = (self.quoted(a.span), self.quoted(b.span));
        let message = format!("{left} is {}, {right} is {}", a.ty, b.ty);
        let report = Diagnostic::error(codes::TYPE_MISMATCH, span, message);
        if matches!(function.id, Id::And | Id::Or) {
            return report.help(format!("{} takes BOOL", function.name));
        }
        if function.id == Id::Subtract && [a.ty, b.ty] == [Type::Timestamp; 2] {
            return report.help(format!("write TIMESTAMP_DIFF({left}, {right}, MINUTE)"));
        }
        let times = [a.ty, b.ty].contains(&Type::Timestamp);
        if times && (a.ty.is_numeric() || b.ty.is_numeric()) {
            return report.help("UNIX_SECONDS(t) makes a number of a time, TIMESTAMP_SECONDS(n) a time of a number");
        }
        let parameter = left.starts_with('@') || right.starts_with('@');
        match (literal_as(b, a.ty), literal_as(a, b.ty)) {
            (Some(text), _) | (None, Some(text)) if parameter => {
                report.help(format!("a parameter has its default's type: write `default: {text}`"))
            }
            (Some(text), _) | (None, Some(text)) => report.help(format!("write {text}")),
            (None, None) if a.ty == Type::String => report.help(format!("write SAFE_CAST({left} AS {})", b.ty)),
            (None, None) => report.help(format!("write SAFE_CAST({right} AS {})", a.ty)),
        }
    }
}

/// How a literal is written in another type.
fn literal_as(expr: &Expr, ty: Type) -> Option<String> {
    match (&expr.kind, ty) {
        (ExprKind::Literal(Value::String(s)), Type::Int64) => s.trim().parse::<i64>().ok().map(|i| i.to_string()),
        (ExprKind::Literal(Value::String(s)), Type::Float64) => s.trim().parse::<f64>().ok().map(|f| f.to_string()),
        (ExprKind::Literal(Value::String(s)), Type::Bool) => {
            s.parse::<bool>().ok().map(|b| b.to_string().to_ascii_uppercase())
        }
        (ExprKind::Literal(Value::Int64(i)), Type::String) => Some(format!("'{i}'")),
        (ExprKind::Literal(Value::Int64(0 | 1)), Type::Bool) => None,
        _ => None,
    }
}

/// The parameter for the argument at an index.
fn param(signature: &Signature, index: usize) -> Option<Param> {
    match signature.params.get(index) {
        Some(param) => Some(*param),
        None if signature.variadic => signature.params.last().copied(),
        None => None,
    }
}

fn takes_count(signature: &Signature, count: usize) -> bool {
    let most = signature.params.len();
    count + signature.optional >= most && (count <= most || signature.variadic)
}

fn fit(signature: &Signature, args: &[Expr]) -> Option<Fit> {
    if !takes_count(signature, args.len()) {
        return None;
    }
    let params: Option<Vec<Param>> = (0..args.len()).map(|index| param(signature, index)).collect();
    let params = params?;
    let same = args.iter().zip(&params).filter(|(_, p)| **p == Param::Same).map(|(a, _)| a);
    let same = if params.contains(&Param::Same) { Some(coerce::common(same)?) } else { None };
    let mut total = 0;
    let mut types = Vec::with_capacity(args.len());
    for (arg, param) in args.iter().zip(&params) {
        let ty = match param {
            Param::Is(ty) => *ty,
            Param::Same => same?,
            Param::Part(words) => {
                let ExprKind::Literal(Value::String(word)) = &arg.kind else { return None };
                if !words.contains(&word.as_str()) {
                    return None;
                }
                Type::String
            }
        };
        total += coerce::cost(arg, ty)?;
        types.push(ty);
    }
    let result = match signature.result {
        Output::Is(ty) => ty,
        Output::Same => same?,
    };
    Some(Fit { cost: total, args: types, result })
}
