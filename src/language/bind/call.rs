//! Calls by name.

use sqlparser::ast::{self, DateTimeField, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments};

use crate::diagnostic::{Diagnostic, Span, suggest};
use crate::language::codes;
use crate::language::function::{self, AGGREGATES, DATE_SHIFT, Function, Guard, Id, Param, call_names};
use crate::language::tree::{Expr, ExprKind};
use crate::record::Value;

use super::binder::Binder;

/// The parts of a TIMESTAMP's interval.
pub(super) const FIXED_PARTS: &[&str] = &["MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY"];

/// The parts that an entry takes as its last argument.
fn parts_of(function: &Function) -> Option<&'static [&'static str]> {
    function.signatures.iter().find_map(|s| match s.params.last() {
        Some(Param::Part(words)) => Some(*words),
        _ => None,
    })
}

impl Binder<'_> {
    pub(super) fn bind_function(&mut self, call: &ast::Function, ast: &ast::Expr) -> Option<Expr> {
        let span = self.span(ast);
        let name = self.function_name(&call.name);
        if let Some(over) = &call.over {
            return self.bind_over(call, over, span);
        }
        if call.filter.is_some() {
            let help = "write COUNTIF(condition), or SUM(IF(condition, x, NULL))";
            return self.refuse(span, "FILTER is not GoogleSQL", help);
        }
        if let (true, FunctionArguments::List(list)) = (name.eq_ignore_ascii_case("ARRAY_AGG"), &call.args) {
            // Whatever its clauses: it stands with its element alone.
            return self.bind_aggregate(&name, list, span);
        }
        if call.null_treatment.is_some() || !call.within_group.is_empty() || call.uses_odbc_syntax {
            return self.refuse(span, "this form of call is not supported", format!("write {name}(…)"));
        }
        let FunctionArguments::List(list) = &call.args else {
            return self.unknown_function(&name, span);
        };
        let listed = name.eq_ignore_ascii_case("STRING_AGG");
        if let Some(clause) = list.clauses.first().filter(|_| !listed) {
            let help = "only STRING_AGG and ARRAY_AGG have an order and a limit";
            return self.refuse(span, format!("{clause} is not supported"), help);
        }
        if AGGREGATES.iter().any(|a| a.name.eq_ignore_ascii_case(&name)) {
            return self.bind_aggregate(&name, list, span);
        }
        let (safe, bare) = match name.split_once('.') {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("SAFE") => (true, rest),
            _ => (false, name.as_str()),
        };
        let Some(function) = function::named(bare) else {
            return self.unknown_function(&name, span);
        };
        if list.duplicate_treatment.is_some() {
            return self.error(codes::WRONG_ARGUMENTS, span, format!("{} takes no DISTINCT", function.name));
        }
        let args = self.bind_args(function, list, span)?;
        if safe { self.apply_safe(function, args, span) } else { self.apply(function.id, args, span) }
    }

    /// `SAFE.NAME(…)`.
    fn apply_safe(&mut self, function: &Function, args: Vec<Expr>, span: Span) -> Option<Expr> {
        let name = function.name;
        if function.guard == Guard::None || function.is_own() {
            let help =
                format!("write {name}(…); SAFE. does not reach into the arguments, it stands before their calls");
            return self.refuse(span, format!("{name} itself never fails"), help);
        }
        let call = self.apply_guarded(function.id, args, span, true)?;
        Some(Expr { ty: call.ty, nullable: true, span, kind: ExprKind::Safe(Box::new(call)) })
    }

    fn function_name(&self, name: &ast::ObjectName) -> String {
        let parts = name.0.iter().map(|part| part.as_ident().map_or_else(String::new, |i| i.value.clone()));
        parts.collect::<Vec<_>>().join(".")
    }

    fn bind_args(&mut self, function: &Function, list: &FunctionArgumentList, span: Span) -> Option<Vec<Expr>> {
        let mut args: Vec<Option<Expr>> = Vec::with_capacity(list.args.len());
        for arg in &list.args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else {
                args.push(self.error(codes::WRONG_ARGUMENTS, span, "this argument is not an expression"));
                continue;
            };
            let part = function.signatures.iter().find_map(|s| match s.params.get(args.len()) {
                Some(Param::Part(words)) => Some(*words),
                _ => None,
            });
            if let ast::Expr::Interval(interval) = expr {
                let words = parts_of(function).unwrap_or(FIXED_PARTS);
                match self.bind_interval(interval, expr, words) {
                    Some([count, part]) => args.extend([Some(count), Some(part)]),
                    None => args.push(None),
                }
            } else if let Some(words) = part {
                args.push(self.bind_part(expr, words));
            } else {
                args.push(self.bind(expr));
            }
        }
        args.into_iter().collect()
    }

    /// A part of a time, as an argument: `HOUR`, `WEEK(MONDAY)`.
    fn bind_part(&mut self, expr: &ast::Expr, words: &'static [&'static str]) -> Option<Expr> {
        let word = match expr {
            ast::Expr::Identifier(ident) if ident.quote_style.is_none() => ident.value.clone(),
            ast::Expr::Function(call) => call.to_string(),
            _ => self.source(expr),
        };
        let span = self.span(expr);
        self.part(&word, words, span)
    }

    pub(super) fn part(&mut self, word: &str, words: &'static [&'static str], span: Span) -> Option<Expr> {
        let upper = word.to_ascii_uppercase();
        if words.contains(&upper.as_str()) {
            return Some(Self::literal(Value::String(upper), span));
        }
        let mut report = Diagnostic::error(codes::WRONG_ARGUMENTS, span, format!("{word} is not a part here"));
        let singular = upper.trim_end_matches('S');
        report = match upper.as_str() {
            "EPOCH" => report.help("write UNIX_SECONDS(t) or UNIX_MICROS(t)"),
            "DOW" => report.help("write DAYOFWEEK, which is 1 (Sunday) to 7"),
            "DOY" => report.help("write DAYOFYEAR"),
            _ if words.contains(&singular) => report.help(format!("write {singular}")),
            _ => report,
        };
        self.report(report.help(format!("the parts are {}", words.join(", "))));
        None
    }

    /// `INTERVAL n part`, as a count and a part.
    pub(super) fn bind_interval(
        &mut self,
        interval: &ast::Interval,
        ast: &ast::Expr,
        words: &'static [&'static str],
    ) -> Option<[Expr; 2]> {
        let span = self.span(ast);
        let field = match (&interval.leading_field, &interval.last_field, interval.leading_precision) {
            (Some(field), None, None) => field,
            _ => {
                let help = "write INTERVAL 5 MINUTE";
                return self.refuse(span, "this form of interval is not supported", help);
            }
        };
        let month = matches!(field, DateTimeField::Month | DateTimeField::Year | DateTimeField::Quarter);
        if month && words != DATE_SHIFT {
            let help = "a TIMESTAMP moves by parts up to DAY: write INTERVAL 30 DAY";
            return self.refuse(span, format!("an interval of {field} has no fixed length"), help);
        }
        let count = self.bind(&interval.value);
        let part = self.part(&field.to_string(), words, span);
        Some([count?, part?])
    }

    fn unknown_function(&mut self, name: &str, span: Span) -> Option<Expr> {
        if let Some((message, help)) = super::refusal::replacement(name) {
            return self.refuse(span, message, help);
        }
        let mut report = Diagnostic::error(codes::UNKNOWN_FUNCTION, span, format!("no function is named {name}"));
        if let Some(near) = suggest(name, call_names()) {
            report = report.help(format!("did you mean {near}?"));
        }
        self.report(report);
        None
    }

    /// Calls an entry with arguments that may have failed to bind.
    pub(super) fn apply_all(&mut self, id: Id, args: Vec<Option<Expr>>, span: Span) -> Option<Expr> {
        let args: Option<Vec<Expr>> = args.into_iter().collect();
        self.apply(id, args?, span)
    }
}
