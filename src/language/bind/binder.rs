//! The state of one binding, and which rule binds which kind of node.

use sqlparser::ast::{self, BinaryOperator, UnaryOperator};

use crate::diagnostic::{Diagnostic, Span, Text};
use crate::language::codes;
use crate::language::function::{self, Function, Id};
use crate::language::null;
use crate::language::scope::Scope;
use crate::language::syntax::Places;
use crate::language::tree::{Aggregate, Expr, ExprKind, Item};
use crate::record::{Type, Value};

use super::null_operand::is_null;
use super::query::Ctes;
use super::rank::Ranks;

/// A key of GROUP BY.
#[derive(Debug, Clone)]
pub(super) struct GroupKey {
    pub expr: Expr,
    /// The item that it names by its alias or its number.
    pub item: Option<usize>,
}

pub(super) struct Binder<'a> {
    pub text: &'a Text,
    pub places: &'a Places,
    pub scope: &'a Scope,
    /// Names that stand for the unqualified columns: the relation and its alias.
    pub relation: Vec<String>,
    /// Aggregates found so far, where they may stand.
    pub aggregates: Option<Vec<Aggregate>>,
    pub inside_aggregate: bool,
    /// What WITH defines.
    pub ctes: Ctes<'a>,
    /// The scope is a lookup's.
    pub over_lookup: bool,
    /// Items need names.
    pub named: bool,
    /// Ranks found so far, where they may stand.
    pub ranks: Option<Ranks>,
    /// Items that may be named beside columns.
    pub aliases: Vec<Item>,
    /// What rows are grouped by: its columns may stand outside of aggregates, its expressions are whole items.
    pub group: Vec<GroupKey>,
    /// HAVING or ORDER BY may name items.
    pub items_are_named: bool,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> Binder<'a> {
    pub fn new(text: &'a Text, places: &'a Places, scope: &'a Scope, diagnostics: &'a mut Vec<Diagnostic>) -> Self {
        Self {
            text,
            places,
            scope,
            relation: Vec::new(),
            aggregates: None,
            inside_aggregate: false,
            ctes: Ctes::default(),
            over_lookup: false,
            named: true,
            ranks: None,
            aliases: Vec::new(),
            group: Vec::new(),
            items_are_named: false,
            diagnostics,
        }
    }

    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Binds what may be refused without a word.
    pub fn quietly<T>(&mut self, bind: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let said = self.diagnostics.len();
        let bound = bind(self);
        self.diagnostics.truncate(said);
        bound
    }

    pub fn error<T>(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> Option<T> {
        self.report(Diagnostic::error(code, span, message));
        None
    }

    /// Refuses a construct and says what to write instead.
    pub fn refuse<T>(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.report(Diagnostic::error(codes::REFUSED, span, message).help(help));
        None
    }

    pub fn span(&self, ast: &ast::Expr) -> Span {
        self.places.span(self.text, self.places.expr(ast))
    }

    pub fn ident_span(&self, ident: &ast::Ident) -> Span {
        self.places.span(self.text, self.places.ident(ident))
    }

    /// The text of an expression as written, for messages.
    pub fn source(&self, ast: &ast::Expr) -> String {
        let bytes = self.places.expr(ast).and_then(|(start, end)| self.text.as_str().get(start..end));
        bytes.map_or_else(|| ast.to_string(), str::to_owned)
    }

    /// A call of the table's entry, its nullability by the entry's rule.
    pub fn call(&mut self, id: Id, args: Vec<Expr>, ty: Type, span: Span) -> Option<Expr> {
        let function: &'static Function = function::by_id(id)?;
        let nulls: Vec<bool> = args.iter().map(|a| a.nullable).collect();
        let nullable = null::result(function.null, &nulls);
        Some(Expr { kind: ExprKind::Call { function, args }, ty, nullable, span })
    }

    pub fn bind(&mut self, ast: &ast::Expr) -> Option<Expr> {
        match ast {
            ast::Expr::Identifier(ident) => self.bind_name(std::slice::from_ref(ident)),
            ast::Expr::CompoundIdentifier(parts) => self.bind_name(parts),
            ast::Expr::Nested(inner) => {
                let expr = self.bind(inner)?;
                Some(Expr { span: self.span(ast), ..expr })
            }
            ast::Expr::Value(value) => self.bind_value(value),
            ast::Expr::TypedString(typed) => self.bind_typed(typed, ast),
            ast::Expr::BinaryOp { .. } => self.bind_chain(ast),
            ast::Expr::UnaryOp { op, expr } => self.bind_unary(*op, expr, ast),
            ast::Expr::IsNull(e) => self.bind_test(Id::IsNull, e, ast),
            ast::Expr::IsNotNull(e) => self.bind_test(Id::IsNotNull, e, ast),
            ast::Expr::IsTrue(e) => self.bind_test(Id::IsTrue, e, ast),
            ast::Expr::IsNotTrue(e) => self.bind_test(Id::IsNotTrue, e, ast),
            ast::Expr::IsFalse(e) => self.bind_test(Id::IsFalse, e, ast),
            ast::Expr::IsNotFalse(e) => self.bind_test(Id::IsNotFalse, e, ast),
            ast::Expr::IsDistinctFrom(left, right) => self.bind_distinct(Id::IsDistinctFrom, left, right),
            ast::Expr::IsNotDistinctFrom(left, right) => self.bind_distinct(Id::IsNotDistinctFrom, left, right),
            ast::Expr::Between { expr, negated, low, high } => self.bind_between(expr, *negated, low, high),
            ast::Expr::InList { expr, list, negated } => self.bind_in_list(expr, list, *negated, ast),
            ast::Expr::InSubquery { expr, subquery, negated } => self.bind_in_lookup(expr, subquery, *negated, ast),
            ast::Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
                self.bind_like(*negated, expr, pattern)
            }
            ast::Expr::Case { operand, conditions, else_result, .. } => {
                self.bind_case(operand.as_deref(), conditions, else_result.as_deref(), ast)
            }
            ast::Expr::Cast { kind, expr, data_type, format: None, array: false } => {
                self.bind_cast(kind, expr, data_type, ast)
            }
            ast::Expr::Function(function) => self.bind_function(function, ast),
            ast::Expr::Extract { .. }
            | ast::Expr::Ceil { .. }
            | ast::Expr::Floor { .. }
            | ast::Expr::Substring { .. }
            | ast::Expr::Trim { .. }
            | ast::Expr::CompoundFieldAccess { .. } => self.bind_special(ast),
            _ => self.refuse_node(ast),
        }
    }

    fn bind_unary(&mut self, op: UnaryOperator, operand: &ast::Expr, ast: &ast::Expr) -> Option<Expr> {
        let span = self.span(ast);
        match op {
            UnaryOperator::Minus => {
                if let ast::Expr::Value(value) = operand
                    && let ast::Value::Number(digits, _) = &value.value
                {
                    return self.bind_number(&format!("-{digits}"), span);
                }
                let arg = self.bind(operand)?;
                self.apply(Id::Negate, vec![arg], span)
            }
            UnaryOperator::Plus => {
                let expr = self.bind(operand)?;
                if expr.ty.is_numeric() && !is_null(&expr) {
                    return Some(Expr { span, ..expr });
                }
                self.error(codes::TYPE_MISMATCH, span, format!("+ takes a number, this is {}", expr.ty))
            }
            UnaryOperator::Not => {
                let arg = self.bind(operand)?;
                self.apply(Id::Not, vec![arg], span)
            }
            UnaryOperator::BitwiseNot => {
                let arg = self.bind(operand)?;
                self.apply(Id::BitNot, vec![arg], span)
            }
            UnaryOperator::BangNot => self.refuse(span, "`!` is not GoogleSQL", "write NOT"),
            _ => self.refuse(span, format!("`{op}` is not GoogleSQL"), "see the list of functions"),
        }
    }

    fn bind_test(&mut self, id: Id, operand: &ast::Expr, ast: &ast::Expr) -> Option<Expr> {
        self.check_level(operand)?;
        let arg = self.bind(operand)?;
        let span = self.span(ast);
        self.apply(id, vec![arg], span)
    }

    fn bind_distinct(&mut self, id: Id, left: &ast::Expr, right: &ast::Expr) -> Option<Expr> {
        self.check_level(left)?;
        self.check_level(right)?;
        let (left, right) = (self.bind(left), self.bind(right));
        let (left, right) = (left?, right?);
        let span = left.span.to(right.span);
        self.apply(id, vec![left, right], span)
    }

    /// GoogleSQL's comparisons do not chain: `a = b IS NULL` needs parentheses.
    pub fn check_level(&mut self, operand: &ast::Expr) -> Option<()> {
        let not = matches!(operand, ast::Expr::UnaryOp { op: UnaryOperator::Not, .. });
        if !is_comparison(operand) && !not {
            return Some(());
        }
        let span = self.span(operand);
        let report = Diagnostic::error(codes::SYNTAX, span, "comparisons do not chain");
        let help = if joins_texts(operand) {
            "`||` joins texts: between conditions write OR".to_owned()
        } else {
            format!("write parentheses: ({})", self.source(operand))
        };
        self.report(report.help(help));
        None
    }

    /// NULL of a type, where an expression left out stands.
    pub fn null(ty: Type, span: Span) -> Expr {
        Expr { kind: ExprKind::Literal(Value::Null(ty)), ty, nullable: true, span }
    }
}

/// Is a side of it `a || b`?
fn joins_texts(ast: &ast::Expr) -> bool {
    let joins = |side: &ast::Expr| matches!(side, ast::Expr::BinaryOp { op: BinaryOperator::StringConcat, .. });
    matches!(ast, ast::Expr::BinaryOp { left, right, .. } if joins(left) || joins(right))
}

/// Is it an unparenthesized node of GoogleSQL's comparison level?
fn is_comparison(ast: &ast::Expr) -> bool {
    match ast {
        ast::Expr::BinaryOp { op, .. } => is_comparison_operator(op),
        ast::Expr::IsNull(_)
        | ast::Expr::IsNotNull(_)
        | ast::Expr::IsTrue(_)
        | ast::Expr::IsNotTrue(_)
        | ast::Expr::IsFalse(_)
        | ast::Expr::IsNotFalse(_)
        | ast::Expr::IsDistinctFrom(..)
        | ast::Expr::IsNotDistinctFrom(..)
        | ast::Expr::Between { .. }
        | ast::Expr::InList { .. }
        | ast::Expr::InSubquery { .. }
        | ast::Expr::Like { .. } => true,
        _ => false,
    }
}

pub(super) fn is_comparison_operator(op: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(op, B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq | B::Spaceship)
}
