//! Where NULL comes from, and where it silences a condition.

use crate::diagnostic::Diagnostic;

use super::codes;
use super::function::{Id, NullRule};
use super::scope::Scope;
use super::tree::{Expr, ExprKind};

/// May a call's result be NULL, given which arguments may?
pub(super) fn result(rule: NullRule, args: &[bool]) -> bool {
    match rule {
        NullRule::Never => false,
        NullRule::Nullable => true,
        NullRule::AllNull => args.iter().all(|n| *n),
        NullRule::Strict | NullRule::Kleene => args.iter().any(|n| *n),
        NullRule::Branches => args.iter().skip(1).any(|n| *n),
    }
}

/// The operands of a tree of ANDs, in order.
pub fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    operands(expr, Id::And)
}

fn operands(expr: &Expr, id: Id) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Call { function, args } if function.id == id => {
            args.iter().flat_map(|arg| operands(arg, id)).collect()
        }
        _ => vec![expr],
    }
}

/// A warning for each conjunct that a nullable column makes NULL, so that a row escapes by leaving it out.
///
/// What names the wanted value (`=`, IN, LIKE, a BOOL column) is not met by a missing one, as its author expects.
pub fn null_warnings(condition: &Expr, scope: &Scope) -> Vec<Diagnostic> {
    let parts = conjuncts(condition);
    let proven = non_null_when_true(condition);
    let mut warnings = Vec::new();
    for part in parts {
        let mut culprits = Vec::new();
        if !is_silenced(part, &proven, &mut culprits) {
            continue;
        }
        let Some(column) = culprits.first() else { continue };
        let ExprKind::Column(index) = column.kind else { continue };
        let Some(name) = scope.columns.get(index).map(|c| match &c.qualifier {
            Some(q) => format!("{q}.{}", c.column.name),
            None => c.column.name.clone(),
        }) else {
            continue;
        };
        let warning = Diagnostic::warning(
            codes::NULL_CONDITION,
            column.span,
            format!("a row where {name} is NULL never meets this condition"),
        )
        .label("may be NULL")
        .help(format!("write {name} IS NOT NULL AND …, or COALESCE({name}, …) with a value to compare"));
        warnings.push(warning);
    }
    warnings
}

/// May a condition be NULL where its author would expect TRUE? Collects the columns that make it so.
fn is_silenced<'a>(expr: &'a Expr, proven: &[usize], culprits: &mut Vec<&'a Expr>) -> bool {
    match &expr.kind {
        ExprKind::Column(_) => false,
        ExprKind::InList { negated, .. } | ExprKind::InLookup { negated, .. } => {
            *negated && may_be_null(expr, proven, culprits)
        }
        ExprKind::Call { function, args } => match function.id {
            Id::And => any_silenced(args, &with(proven, non_null_when_true(expr)), culprits),
            Id::Or => any_silenced(args, &with(proven, non_null_when_false(expr)), culprits),
            // Two missing values look the same, and are not equal.
            Id::Eq => {
                let mut sides = Vec::new();
                let silenced = args.iter().all(|arg| may_be_null(arg, proven, &mut sides));
                if silenced {
                    culprits.extend(sides);
                }
                silenced
            }
            Id::NotEq | Id::Lt | Id::LtEq | Id::Gt | Id::GtEq | Id::Not | Id::If => may_be_null(expr, proven, culprits),
            _ => false,
        },
        ExprKind::Literal(_)
        | ExprKind::Aggregate(_)
        | ExprKind::Safe(_)
        | ExprKind::Case { .. }
        | ExprKind::Cast { .. } => may_be_null(expr, proven, culprits),
    }
}

fn any_silenced<'a>(args: &'a [Expr], proven: &[usize], culprits: &mut Vec<&'a Expr>) -> bool {
    let mut silenced = false;
    for arg in args {
        silenced |= is_silenced(arg, proven, culprits);
    }
    silenced
}

/// May it be NULL when the proven columns are not? Collects the columns that make it so.
fn may_be_null<'a>(expr: &'a Expr, proven: &[usize], culprits: &mut Vec<&'a Expr>) -> bool {
    if !expr.nullable {
        return false;
    }
    match &expr.kind {
        ExprKind::Column(index) => {
            let nullable = !proven.contains(index);
            if nullable {
                culprits.push(expr);
            }
            nullable
        }
        ExprKind::Literal(_) | ExprKind::Aggregate(_) => true,
        ExprKind::Call { function, args } => match function.id {
            Id::And => may_any(args, &with(proven, non_null_when_true(expr)), culprits),
            Id::Or => may_any(args, &with(proven, non_null_when_false(expr)), culprits),
            Id::If => may_branch(args, proven, culprits),
            _ => {
                let nulls: Vec<bool> = args.iter().map(|a| may_be_null(a, proven, culprits)).collect();
                result(function.null, &nulls)
            }
        },
        ExprKind::Safe(inner) => {
            may_be_null(inner, proven, culprits);
            true
        }
        ExprKind::Case { branches, otherwise } => {
            let mut nullable = otherwise.is_none();
            let mut known = proven.to_vec();
            for (condition, value) in branches {
                nullable |= may_be_null(value, &with(&known, non_null_when_true(condition)), culprits);
                known = with(&known, non_null_when_false(condition));
            }
            if let Some(value) = otherwise.as_ref() {
                nullable |= may_be_null(value, &known, culprits);
            }
            nullable
        }
        ExprKind::Cast { expr: inner, safe } => may_be_null(inner, proven, culprits) || (*safe && inner.ty != expr.ty),
        ExprKind::InList { expr, list, .. } => may_be_null(expr, proven, culprits) | may_any(list, proven, culprits),
        ExprKind::InLookup { expr: inner, .. } => {
            // The lookup's own NULLs remain when the value has none.
            may_be_null(inner, proven, culprits) || !inner.nullable
        }
    }
}

fn may_any<'a>(args: &'a [Expr], proven: &[usize], culprits: &mut Vec<&'a Expr>) -> bool {
    let mut nullable = false;
    for arg in args {
        nullable |= may_be_null(arg, proven, culprits);
    }
    nullable
}

fn may_branch<'a>(args: &'a [Expr], proven: &[usize], culprits: &mut Vec<&'a Expr>) -> bool {
    let [condition, yes, no] = args else { return true };
    let when_true = may_be_null(yes, &with(proven, non_null_when_true(condition)), culprits);
    // A condition that is NULL takes the second branch too, and then proves nothing.
    let known = if condition.nullable { proven.to_vec() } else { with(proven, non_null_when_false(condition)) };
    when_true | may_be_null(no, &known, culprits)
}

fn with(proven: &[usize], more: Vec<usize>) -> Vec<usize> {
    let mut all = proven.to_vec();
    all.extend(more);
    all
}

/// Columns that are not NULL where a condition is TRUE, as `x IS NOT NULL` says.
fn non_null_when_true(condition: &Expr) -> Vec<usize> {
    conjuncts(condition).into_iter().filter_map(|part| tested(part, Id::IsNotNull, Id::IsNull)).collect()
}

/// Columns that are not NULL where a condition is FALSE, as `x IS NULL` says.
fn non_null_when_false(condition: &Expr) -> Vec<usize> {
    operands(condition, Id::Or).into_iter().filter_map(|part| tested(part, Id::IsNull, Id::IsNotNull)).collect()
}

/// The column of `x IS [NOT] NULL`, or of NOT over its opposite.
fn tested(part: &Expr, id: Id, opposite: Id) -> Option<usize> {
    let ExprKind::Call { function, args } = &part.kind else { return None };
    let arg = args.first()?;
    if function.id == Id::Not {
        return tested(arg, opposite, id);
    }
    match arg.kind {
        ExprKind::Column(index) if function.id == id => Some(index),
        _ => None,
    }
}
