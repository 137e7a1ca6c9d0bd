//! Typed tree to GoogleSQL text, with no more parentheses than it needs.

use crate::language;
use crate::language::function::{Function, Id, Param, Syntax};
use crate::language::tree::{Expr, ExprKind, LookupValues};
use crate::record::Value;

use super::pseudonym::pseudonym;
use super::query::indented;
use super::text::{literal, name};

/// What an expression's columns and lookups are called where it is printed.
pub(super) struct Names<'a> {
    /// By the scope's index.
    pub columns: &'a [String],
    /// By the plan's index; `valid`: has a row a valid time?
    pub lookups: &'a [LookupName],
    /// The row's event time, for lookups with valid times.
    pub event_time: &'a str,
}

pub(super) struct LookupName {
    pub table: String,
    pub columns: Vec<String>,
    pub valid: bool,
}

/// How tightly a form binds; a looser operand stands in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Comparison,
    BitOr,
    BitXor,
    BitAnd,
    Shift,
    Sum,
    Product,
    Unary,
    Atom,
}

pub(super) fn print(expr: &Expr, names: &Names<'_>) -> String {
    form(expr, names).0
}

/// An operand of something that binds as tightly as `at`.
fn operand(expr: &Expr, names: &Names<'_>, at: Binding) -> String {
    let (text, binding) = form(expr, names);
    if binding < at { format!("({text})") } else { text }
}

fn form(expr: &Expr, names: &Names<'_>) -> (String, Binding) {
    match &expr.kind {
        ExprKind::Column(index) => (column(names.columns, *index), Binding::Atom),
        ExprKind::Aggregate(index) => (column(names.columns, *index), Binding::Atom),
        ExprKind::Literal(value) => {
            let text = literal(value);
            let binding = if text.starts_with('-') { Binding::Unary } else { Binding::Atom };
            (text, binding)
        }
        ExprKind::Call { function, args } => call(function, args, names),
        ExprKind::Safe(call) => (format!("SAFE.{}", print(call, names)), Binding::Atom),
        ExprKind::Case { branches, otherwise } => (case(branches, otherwise.as_ref().as_ref(), names), Binding::Atom),
        ExprKind::Cast { expr: inner, safe } => {
            let word = if *safe { "SAFE_CAST" } else { "CAST" };
            (format!("{word}({} AS {})", print(inner, names), expr.ty), Binding::Atom)
        }
        ExprKind::InList { expr: value, list, negated } => {
            let list: Vec<String> = list.iter().map(|item| print(item, names)).collect();
            let value = operand(value, names, Binding::BitOr);
            (format!("{value} {} ({})", membership(*negated), list.join(", ")), Binding::Comparison)
        }
        ExprKind::InLookup { expr: value, set, negated } => {
            let rows: Vec<String> = set.iter().map(|part| lookup_rows(part, names)).collect();
            let value = operand(value, names, Binding::BitOr);
            (format!("{value} {} ({})", membership(*negated), rows.join(" UNION ALL ")), Binding::Comparison)
        }
    }
}

fn case(branches: &[(Expr, Expr)], otherwise: Option<&Expr>, names: &Names<'_>) -> String {
    const LINE_MAX: usize = 80;
    let typed = branches.iter().map(|(_, value)| value).chain(otherwise).any(|value| !is_null(value));
    let value = |value: &Expr| if typed && is_null(value) { "NULL".to_owned() } else { print(value, names) };
    let mut parts: Vec<String> = branches
        .iter()
        .map(|(condition, result)| format!("WHEN {} THEN {}", print(condition, names), value(result)))
        .collect();
    parts.extend(otherwise.map(|otherwise| format!("ELSE {}", value(otherwise))));
    if parts.iter().map(String::len).sum::<usize>() <= LINE_MAX {
        return format!("CASE {} END", parts.join(" "));
    }
    let lines: Vec<String> = parts.iter().map(|part| indented(part, "  ")).collect();
    format!("CASE\n{}\nEND", lines.join("\n"))
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Literal(Value::Null(_)))
}

fn column(columns: &[String], index: usize) -> String {
    columns.get(index).cloned().unwrap_or_else(|| format!("column_{index}"))
}

fn membership(negated: bool) -> &'static str {
    if negated { "NOT IN" } else { "IN" }
}

/// `SELECT value FROM lookup WHERE …`.
fn lookup_rows(part: &LookupValues, names: &Names<'_>) -> String {
    let Some(table) = names.lookups.get(part.lookup) else { return "SELECT NULL FROM UNNEST([])".to_owned() };
    let from = name(&table.table);
    let filter = |columns: &[String]| {
        let inner = Names { columns, lookups: &[], event_time: "NULL" };
        let conditions: Vec<&Expr> = part.filter.iter().flat_map(language::conjuncts).collect();
        (print(&part.value, &inner), conditions.into_iter().map(|c| operand(c, &inner, Binding::Not)).collect())
    };
    if !table.valid {
        let (value, conditions): (String, Vec<String>) = filter(&table.columns);
        let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        return format!("SELECT {value} FROM {from}{filter}");
    }
    // Over an array, because a subquery over a table may not depend on the row by inequality.
    let at = names.event_time;
    let columns: Vec<String> = table.columns.iter().map(|column| format!("l.{column}")).collect();
    let (value, conditions): (String, Vec<String>) = filter(&columns);
    let conditions = conditions.iter().map(|condition| format!(" AND {condition}")).collect::<String>();
    format!(
        "SELECT {value} FROM UNNEST((SELECT ARRAY_AGG(r) FROM {from} AS r)) AS l \
         WHERE (l.valid_from IS NULL OR l.valid_from <= {at}) AND (l.valid_to IS NULL OR {at} < l.valid_to){conditions}"
    )
}

fn call(function: &Function, args: &[Expr], names: &Names<'_>) -> (String, Binding) {
    if let Some(definition) = language::own::definition(function.id, args) {
        return form(&definition, names);
    }
    match (function.syntax, args) {
        (Syntax::Infix, _) => infix(function, args, names),
        (Syntax::Prefix, [arg]) => {
            let (binding, space) = if function.id == Id::Not { (Binding::Not, " ") } else { (Binding::Unary, "") };
            // `--` would begin a comment.
            let inner = operand(arg, names, if space.is_empty() { Binding::Atom } else { binding });
            (format!("{}{space}{inner}", function.name), binding)
        }
        (Syntax::Postfix, [arg]) => {
            (format!("{} {}", operand(arg, names, Binding::BitOr), function.name), Binding::Comparison)
        }
        _ => (named(function, args, names), Binding::Atom),
    }
}

fn infix(function: &Function, args: &[Expr], names: &Names<'_>) -> (String, Binding) {
    let (binding, chains) = match function.id {
        Id::Or => (Binding::Or, true),
        Id::And => (Binding::And, true),
        Id::BitOr => (Binding::BitOr, true),
        Id::BitXor => (Binding::BitXor, true),
        Id::BitAnd => (Binding::BitAnd, true),
        Id::ShiftLeft | Id::ShiftRight => (Binding::Shift, true),
        Id::Add | Id::Subtract => (Binding::Sum, true),
        Id::Multiply | Id::Divide => (Binding::Product, true),
        _ => (Binding::Comparison, false),
    };
    let tighter = next(binding);
    let sides = args.iter().enumerate().map(|(place, arg)| {
        // Only the first operand of a chain may be one itself.
        operand(arg, names, if place == 0 && chains { binding } else { tighter })
    });
    (sides.collect::<Vec<_>>().join(&format!(" {} ", function.name)), binding)
}

fn next(binding: Binding) -> Binding {
    use Binding as B;
    let order =
        [B::Or, B::And, B::Not, B::Comparison, B::BitOr, B::BitXor, B::BitAnd, B::Shift, B::Sum, B::Product, B::Unary];
    let after = order.iter().position(|b| *b == binding).and_then(|at| order.get(at + 1));
    after.copied().unwrap_or(B::Atom)
}

/// A call by name, and the forms with words inside.
fn named(function: &Function, args: &[Expr], names: &Names<'_>) -> String {
    let texts: Vec<String> = args.iter().map(|arg| print(arg, names)).collect();
    match (function.id, texts.as_slice()) {
        // The other branch gives the type.
        (Id::If, [condition, yes, no]) if !(is_null(&args[1]) && is_null(&args[2])) => {
            let value = |arg: &Expr, text: &String| if is_null(arg) { "NULL".to_owned() } else { text.clone() };
            format!("IF({condition}, {}, {})", value(&args[1], yes), value(&args[2], no))
        }
        (Id::Extract, [time, _]) => format!("EXTRACT({} FROM {time})", word(args.get(1))),
        (Id::TimestampAdd | Id::TimestampSub | Id::DateAdd | Id::DateSub, [time, count, _]) => {
            format!("{}({time}, INTERVAL {count} {})", function.name, word(args.get(2)))
        }
        (Id::Entropy, [text]) => entropy(text),
        (Id::Pseudonymize, [value, _]) => pseudonym(value, args[0].ty, &word(args.get(1))),
        (Id::SplitPart, [text, delimiter, offset]) => format!("SPLIT({text}, {delimiter})[SAFE_OFFSET({offset})]"),
        _ => {
            // Words such as HOUR are literals in the tree.
            let of = |arity: usize| function.signatures.iter().filter(move |s| s.params.len() >= arity);
            let is_part = |place: usize| of(args.len()).any(|s| matches!(s.params.get(place), Some(Param::Part(_))));
            let parts = texts.iter().enumerate().map(
                |(place, text)| {
                    if is_part(place) { word(args.get(place)) } else { text.clone() }
                },
            );
            format!("{}({})", function.name, parts.collect::<Vec<_>>().join(", "))
        }
    }
}

/// The definition of `entropy`.
fn entropy(text: &str) -> String {
    format!(
        "IF({text} = '', 0.0, (SELECT SUM(entropy_count / LENGTH({text}) * LOG(LENGTH({text}) / entropy_count, 2)) \
         FROM (SELECT COUNT(*) AS entropy_count FROM UNNEST(SPLIT({text}, '')) AS entropy_character \
         GROUP BY entropy_character)))"
    )
}

fn word(arg: Option<&Expr>) -> String {
    match arg.map(|arg| &arg.kind) {
        Some(ExprKind::Literal(Value::String(word))) => word.clone(),
        _ => String::new(),
    }
}
