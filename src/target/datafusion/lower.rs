//! Typed tree to physical expression.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, Column as ColumnExpr, IsNotNullExpr, IsNullExpr, Literal, NotExpr, in_list,
};

use crate::language::function::{Function, Id};
use crate::language::own;
use crate::language::tree::{Expr, ExprKind, LookupValues};
use crate::record::{Type, Value};

use super::conditional::CoalesceExpr;
use super::kernel;
use super::kernel_expr::{Kernel, KernelExpr, safe};
use super::{LowerContext, LowerError};

type Physical = Arc<dyn PhysicalExpr>;

/// An expression over batches whose columns are the context's, in order.
pub fn lower(expr: &Expr, context: &LowerContext<'_>) -> Result<Physical, LowerError> {
    match &expr.kind {
        ExprKind::Column(index) => column(*index, context),
        ExprKind::Literal(value) => Ok(Arc::new(Literal::new(scalar(value)))),
        ExprKind::Call { function, args } => call(function, args, expr.ty, context),
        ExprKind::Safe(inner) => match &inner.kind {
            ExprKind::Call { function, args } => {
                let kernel = kernel::of(function.id, args)?.ok_or(LowerError::Arguments(function.name))?;
                let args = args.iter().map(|arg| lower(arg, context)).collect::<Result<Vec<_>, _>>()?;
                Ok(kernel_call(function.name, args, expr.ty, safe(kernel, expr.ty)))
            }
            _ => lower(inner, context),
        },
        ExprKind::Case { branches, otherwise } => {
            let mut pairs = Vec::with_capacity(branches.len());
            for (condition, value) in branches {
                pairs.push((lower(condition, context)?, lower(value, context)?));
            }
            let otherwise = otherwise.as_ref().as_ref().map(|e| lower(e, context)).transpose()?;
            Ok(Arc::new(CaseExpr::try_new(None, pairs, otherwise)?))
        }
        ExprKind::Cast { expr: inner, safe } => {
            let arg = lower(inner, context)?;
            if inner.ty == expr.ty {
                return Ok(arg);
            }
            let kernel = kernel::cast(inner.ty, expr.ty, *safe).ok_or(LowerError::Arguments("CAST"))?;
            Ok(kernel_call("CAST", vec![arg], expr.ty, kernel))
        }
        ExprKind::InList { expr: value, list, negated } => {
            if value.ty == Type::Float64 {
                return float_list(value, list, *negated, context);
            }
            let items = list.iter().map(|item| lower(item, context)).collect::<Result<Vec<_>, _>>()?;
            Ok(in_list(lower(value, context)?, items, negated, &schema(context))?)
        }
        ExprKind::InLookup { expr: value, set, negated } => in_lookup(value, set, *negated, context),
        ExprKind::Aggregate(_) => Err(LowerError::Aggregate),
    }
}

fn column(index: usize, context: &LowerContext<'_>) -> Result<Physical, LowerError> {
    let column = context.columns.get(index).ok_or(LowerError::Column(index))?;
    Ok(Arc::new(ColumnExpr::new(&column.name, index)))
}

fn schema(context: &LowerContext<'_>) -> Schema {
    Schema::new(context.columns.iter().map(|c| c.field()).collect::<Vec<Field>>())
}

/// A value for DataFusion.
pub fn scalar(value: &Value) -> ScalarValue {
    match value {
        Value::Null(Type::Bool) => ScalarValue::Boolean(None),
        Value::Null(Type::Int64) => ScalarValue::Int64(None),
        Value::Null(Type::Float64) => ScalarValue::Float64(None),
        Value::Null(Type::String) => ScalarValue::Utf8(None),
        Value::Null(Type::Bytes) => ScalarValue::Binary(None),
        Value::Null(Type::Timestamp) => ScalarValue::TimestampMicrosecond(None, Some("UTC".into())),
        Value::Null(Type::Date) => ScalarValue::Date32(None),
        Value::Bool(b) => ScalarValue::Boolean(Some(*b)),
        Value::Int64(i) => ScalarValue::Int64(Some(*i)),
        Value::Float64(f) => ScalarValue::Float64(Some(*f)),
        Value::String(s) => ScalarValue::Utf8(Some(s.clone())),
        Value::Bytes(b) => ScalarValue::Binary(Some(b.clone())),
        Value::Timestamp(t) => ScalarValue::TimestampMicrosecond(Some(*t), Some("UTC".into())),
        Value::Date(d) => ScalarValue::Date32(Some(*d)),
    }
}

fn kernel_call(name: &'static str, args: Vec<Physical>, ty: Type, kernel: Kernel) -> Physical {
    Arc::new(KernelExpr { name, args, ty, kernel })
}

fn call(function: &Function, args: &[Expr], ty: Type, context: &LowerContext<'_>) -> Result<Physical, LowerError> {
    // A table is faster than its definition.
    if function.id != Id::PortService
        && let Some(definition) = own::definition(function.id, args)
    {
        return lower(&definition, context);
    }
    if let Some(fused) = fused(function, args, context)? {
        return Ok(fused);
    }
    let mut lowered = args.iter().map(|arg| lower(arg, context)).collect::<Result<Vec<_>, _>>()?;
    let float = args.first().is_some_and(|a| a.ty == Type::Float64);
    let bad = || LowerError::Arguments(function.name);
    let operator = match function.id {
        Id::And => return balanced(&lowered, Operator::And).ok_or_else(bad),
        Id::Or => return balanced(&lowered, Operator::Or).ok_or_else(bad),
        // DataFusion orders NaN and -0.0, GoogleSQL compares them.
        Id::Eq if !float => Some(Operator::Eq),
        Id::NotEq if !float => Some(Operator::NotEq),
        Id::Lt if !float => Some(Operator::Lt),
        Id::LtEq if !float => Some(Operator::LtEq),
        Id::Gt if !float => Some(Operator::Gt),
        Id::GtEq if !float => Some(Operator::GtEq),
        _ => None,
    };
    if let Some(operator) = operator {
        let [left, right] = <[Physical; 2]>::try_from(lowered).map_err(|_| bad())?;
        return Ok(Arc::new(BinaryExpr::new(left, operator, right)));
    }
    match (function.id, lowered.as_mut_slice()) {
        (Id::Not, [arg]) => return Ok(Arc::new(NotExpr::new(Arc::clone(arg)))),
        (Id::IsNull, [arg]) => return Ok(Arc::new(IsNullExpr::new(Arc::clone(arg)))),
        (Id::IsNotNull, [arg]) => return Ok(Arc::new(IsNotNullExpr::new(Arc::clone(arg)))),
        (Id::If, [condition, yes, no]) => {
            let pair = (Arc::clone(condition), Arc::clone(yes));
            return Ok(Arc::new(CaseExpr::try_new(None, vec![pair], Some(Arc::clone(no)))?));
        }
        (Id::Coalesce | Id::IfNull, _) => return Ok(Arc::new(CoalesceExpr { args: lowered, ty })),
        _ => {}
    }
    if let (Id::Pseudonymize, [value, Expr { kind: ExprKind::Literal(Value::String(id)), .. }]) = (function.id, args) {
        let kernel = kernel::pseudonymize(context.lookups.key(id)?, id, value.ty);
        return Ok(kernel_call(function.name, lowered, ty, kernel));
    }
    let kernel = kernel::of(function.id, args)?.ok_or_else(bad)?;
    Ok(kernel_call(function.name, lowered, ty, kernel))
}

/// An address to its canonical text, without bytes in between: the normalization of every row runs it.
fn fused(function: &Function, args: &[Expr], context: &LowerContext<'_>) -> Result<Option<Physical>, LowerError> {
    let (Id::IpToString, [Expr { kind: ExprKind::Call { function: inner, args }, .. }]) = (function.id, args) else {
        return Ok(None);
    };
    let safe = match inner.id {
        Id::SafeIpFromString => true,
        Id::IpFromString => false,
        _ => return Ok(None),
    };
    let Some(arg) = args.first() else { return Ok(None) };
    let arg = lower(arg, context)?;
    Ok(Some(kernel_call(inner.name, vec![arg], Type::String, kernel::canonical_address(safe))))
}

/// A tree of low depth, so that long chains do not nest.
fn balanced(operands: &[Physical], operator: Operator) -> Option<Physical> {
    match operands {
        [] => None,
        [one] => Some(Arc::clone(one)),
        _ => {
            let (left, right) = operands.split_at(operands.len() / 2);
            let (left, right) = (balanced(left, operator)?, balanced(right, operator)?);
            Some(Arc::new(BinaryExpr::new(left, operator, right)))
        }
    }
}

fn float_list(value: &Expr, list: &[Expr], negated: bool, context: &LowerContext<'_>) -> Result<Physical, LowerError> {
    let arg = lower(value, context)?;
    let mut tests = Vec::with_capacity(list.len());
    for item in list {
        let kernel = kernel::of(Id::Eq, &[value.clone(), item.clone()])?.ok_or(LowerError::Arguments("IN"))?;
        tests.push(kernel_call("IN", vec![Arc::clone(&arg), lower(item, context)?], Type::Bool, kernel));
    }
    let any = balanced(&tests, Operator::Or).ok_or(LowerError::Arguments("IN"))?;
    Ok(if negated { Arc::new(NotExpr::new(any)) } else { any })
}

fn in_lookup(
    value: &Expr,
    set: &[LookupValues],
    negated: bool,
    context: &LowerContext<'_>,
) -> Result<Physical, LowerError> {
    let time = context.event_time.ok_or(LowerError::EventTime)?;
    let args = vec![lower(value, context)?, column(time, context)?];
    let found = kernel_call("IN", args, Type::Bool, context.lookups.members(set)?);
    Ok(if negated { Arc::new(NotExpr::new(found)) } else { found })
}
