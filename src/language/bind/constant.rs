//! Literals and casts.

use sqlparser::ast::{self, CastKind, DataType, TimezoneInfo};

use crate::diagnostic::{Diagnostic, Span};
use crate::language::NETWORKS;
use crate::language::codes;
use crate::language::instant;
use crate::language::syntax::literal::{Quoted, decode};
use crate::language::tree::{Expr, ExprKind};
use crate::record::{Type, Value};

use super::binder::Binder;

impl Binder<'_> {
    pub(super) fn literal(value: Value, span: Span) -> Expr {
        let (ty, nullable) = (value.ty(), value.is_null());
        Expr { kind: ExprKind::Literal(value), ty, nullable, span }
    }

    pub(super) fn bind_value(&mut self, value: &ast::ValueWithSpan) -> Option<Expr> {
        let bytes = self.places.bytes(value.span);
        let span = self.places.span(self.text, bytes);
        match &value.value {
            ast::Value::Null => Some(Self::null(Type::Int64, span)),
            ast::Value::Boolean(b) => Some(Self::literal(Value::Bool(*b), span)),
            ast::Value::Number(digits, false) => self.bind_number(digits, span),
            ast::Value::HexStringLiteral(digits) => self.bind_number(&format!("0x{digits}"), span),
            ast::Value::Placeholder(_) => self.refuse(span, "positional parameters are not supported", "write @name"),
            _ => {
                let value = self.bind_quoted(bytes, span)?;
                self.check_column_name(&value, bytes, span)?;
                Some(Self::literal(value, span))
            }
        }
    }

    fn bind_quoted(&mut self, bytes: Option<(usize, usize)>, span: Span) -> Option<Value> {
        let source = bytes.and_then(|(start, end)| self.text.as_str().get(start..end)).unwrap_or_default();
        match decode(source) {
            Ok(Quoted::String(s)) => Some(Value::String(s)),
            Ok(Quoted::Bytes(b)) => Some(Value::Bytes(b)),
            Err(message) => {
                let help = r"GoogleSQL escapes with a backslash: 'it\'s'; a raw literal has none: r'\d+'";
                self.report(Diagnostic::error(codes::BAD_LITERAL, span, message).help(help));
                None
            }
        }
    }

    /// `"dst_ip" = '10.0.0.1'` is silently FALSE in GoogleSQL.
    fn check_column_name(&mut self, value: &Value, bytes: Option<(usize, usize)>, span: Span) -> Option<()> {
        let quoted = bytes.and_then(|(start, _)| self.text.as_str().get(start..)).is_some_and(|s| s.starts_with('"'));
        let Value::String(name) = value else { return Some(()) };
        if !quoted || self.matching(None, name).is_empty() {
            return Some(());
        }
        let report = Diagnostic::error(
            codes::DOUBLE_QUOTED_COLUMN,
            span,
            format!("\"{name}\" is a string, not the column {name}"),
        )
        .help(format!("for the column write {name}, for the text '{name}'"));
        self.report(report);
        None
    }

    pub(super) fn bind_number(&mut self, digits: &str, span: Span) -> Option<Expr> {
        let (sign, magnitude) = match digits.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", digits),
        };
        let hex = magnitude.strip_prefix("0x").or_else(|| magnitude.strip_prefix("0X"));
        let value = if let Some(hex) = hex {
            i64::from_str_radix(&format!("{sign}{hex}"), 16).ok().map(Value::Int64)
        } else if magnitude.bytes().all(|b| b.is_ascii_digit()) {
            digits.parse().ok().map(Value::Int64)
        } else {
            digits.parse::<f64>().ok().filter(|f| f.is_finite()).map(Value::Float64)
        };
        let Some(value) = value else {
            return self.error(codes::BAD_LITERAL, span, format!("{digits} is neither INT64 nor FLOAT64"));
        };
        Some(Self::literal(value, span))
    }

    /// `TIMESTAMP '…'` and `DATE '…'`.
    pub(super) fn bind_typed(&mut self, typed: &ast::TypedString, ast: &ast::Expr) -> Option<Expr> {
        let span = self.span(ast);
        let ty = self.data_type(&typed.data_type, span)?;
        let value = self.bind_quoted(self.places.bytes(typed.value.span), span)?;
        let Value::String(source) = value else {
            return self.error(codes::BAD_LITERAL, span, format!("{ty} is written with a string"));
        };
        let value = match ty {
            Type::Timestamp => instant::parse_timestamp(&source).map(Value::Timestamp),
            Type::Date => instant::parse_date(&source).map(Value::Date),
            _ => return self.refuse(span, format!("{ty} has no such literal"), "write the value itself"),
        };
        if value.is_none() {
            let report = Diagnostic::error(codes::BAD_LITERAL, span, format!("'{source}' is not a {ty}"))
                .help(Self::time_help(ty));
            self.report(report);
        }
        value.map(|value| Self::literal(value, span))
    }

    pub(super) fn time_help(ty: Type) -> &'static str {
        if ty == Type::Date {
            "write DATE '2026-01-31'"
        } else {
            "write TIMESTAMP '2026-01-31 12:00:00+00', from year 0001 to 9999"
        }
    }

    /// One of our types; others are refused.
    pub(super) fn data_type(&mut self, data_type: &DataType, span: Span) -> Option<Type> {
        let known = match data_type {
            DataType::Bool | DataType::Boolean => Some(Type::Bool),
            DataType::Int64 => Some(Type::Int64),
            DataType::Float64 => Some(Type::Float64),
            DataType::String(None) => Some(Type::String),
            DataType::Bytes(None) => Some(Type::Bytes),
            DataType::Timestamp(None, TimezoneInfo::None) => Some(Type::Timestamp),
            DataType::Date => Some(Type::Date),
            _ => None,
        };
        if known.is_some() {
            return known;
        }
        let name = data_type.to_string();
        if holds_networks(&name) {
            return self.refuse(span, format!("the type {name} is not supported"), NETWORKS);
        }
        let help = match our_type(&name) {
            Some("TIMESTAMP") => "DATETIME has no zone; write TIMESTAMP, which is UTC".to_owned(),
            Some(ours) => format!("write {ours}"),
            None => format!("the types are {}", Type::ALL.map(Type::name).join(", ")),
        };
        self.refuse(span, format!("the type {name} is not supported"), help)
    }

    pub(super) fn bind_cast(
        &mut self,
        kind: &CastKind,
        operand: &ast::Expr,
        data_type: &DataType,
        ast: &ast::Expr,
    ) -> Option<Expr> {
        let span = self.span(ast);
        let safe = match kind {
            CastKind::Cast => false,
            CastKind::SafeCast => true,
            CastKind::TryCast => return self.refuse(span, "TRY_CAST is not GoogleSQL", "write SAFE_CAST"),
            CastKind::DoubleColon => {
                let name = data_type.to_string();
                if holds_networks(&name) {
                    return self.refuse(span, "`::` is not GoogleSQL", NETWORKS);
                }
                let help = format!("write CAST({} AS {})", self.source(operand), our_type(&name).unwrap_or(&name));
                return self.refuse(span, "`::` is not GoogleSQL", help);
            }
        };
        let expr = self.bind(operand);
        let ty = self.data_type(data_type, span)?;
        let expr = expr?;
        if let ExprKind::Literal(Value::Null(_)) = expr.kind {
            return Some(Self::null(ty, span));
        }
        if !castable(expr.ty, ty) {
            let message = format!("a {} is never a {ty}", expr.ty);
            return self.error(codes::TYPE_MISMATCH, span, message);
        }
        let nullable = expr.nullable || (safe && expr.ty != ty);
        Some(Expr { kind: ExprKind::Cast { expr: Box::new(expr), safe }, ty, nullable, span })
    }
}

/// PostgreSQL's types of addresses and networks.
fn holds_networks(name: &str) -> bool {
    ["INET", "CIDR"].iter().any(|ty| ty.eq_ignore_ascii_case(name))
}

/// Our name of another dialect's type.
fn our_type(name: &str) -> Option<&'static str> {
    match name.to_ascii_uppercase().as_str() {
        "INT" | "INTEGER" | "BIGINT" | "SMALLINT" | "TINYINT" | "BYTEINT" => Some("INT64"),
        "FLOAT" | "DOUBLE" | "REAL" | "DOUBLE PRECISION" => Some("FLOAT64"),
        "VARCHAR" | "TEXT" | "CHAR" => Some("STRING"),
        "DATETIME" => Some("TIMESTAMP"),
        _ => None,
    }
}

/// The casts that GoogleSQL has among our types.
fn castable(from: Type, to: Type) -> bool {
    use Type as T;
    let listed = matches!(
        (from, to),
        (T::Int64, T::Bool | T::Float64 | T::String)
            | (T::Float64 | T::Bool, T::Int64 | T::String)
            | (T::String, _)
            | (T::Bytes, T::String)
            | (T::Timestamp, T::String | T::Date)
            | (T::Date, T::String | T::Timestamp)
    );
    from == to || listed
}
