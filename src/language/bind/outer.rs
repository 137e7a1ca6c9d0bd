//! The outermost SELECT of an ad-hoc query: its groups, and what orders its rows.

use sqlparser::ast;

use crate::diagnostic::Diagnostic;
use crate::language::codes;
use crate::language::scope::Scope;
use crate::language::tree::{Aggregate, AggregateFunction, Expr, ExprKind, Group, Item, OrderColumn};
use crate::record::Type;

use super::adhoc::{Clauses, Outside, order_column, ordinal};
use super::binder::{Binder, GroupKey};
use super::rank::Ranks;
use super::select::{Around, Bound, check_names};

pub(super) fn bind(
    select: &ast::Select,
    scope: &Scope,
    around: Around<'_>,
    clauses: &Clauses,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Bound, Outside)> {
    if clauses.grouped {
        grouped(select, scope, around, clauses, diagnostics)
    } else {
        plain(select, scope, around, clauses, diagnostics)
    }
}

fn plain(
    select: &ast::Select,
    scope: &Scope,
    around: Around<'_>,
    clauses: &Clauses,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Bound, Outside)> {
    let mut binder = Binder::of_select(scope, around, diagnostics);
    let items = binder.named_items(&select.projection);
    let filter = binder.filter(select.selection.as_ref());
    binder.aliases = items.clone().unwrap_or_default();
    let qualify = binder.qualify(select.qualify.as_ref());
    let mut items = items?;
    let columns = items.len();
    let order = binder.order(clauses, &mut items);
    let ranks = binder.ranks.take().map(Ranks::into_found).unwrap_or_default();
    let (filter, qualify, mut order) = (filter?, qualify?, order?);
    check_names(&items[..columns], diagnostics)?;
    let group = if clauses.distinct {
        // Rows are ordered by what is left of them.
        if let Some(hidden) = items.get(columns) {
            let report = Diagnostic::error(codes::REFUSED, hidden.expr.span, "DISTINCT rows do not have this any more");
            diagnostics.push(report.help("order them by an item of the SELECT"));
            return None;
        }
        Some(distinct(&items, diagnostics)?)
    } else {
        None
    };
    order.truncate(clauses.order_by.len());
    Some((Bound { filter, ranks, qualify, items }, Outside { group, order, columns }))
}

/// `SELECT DISTINCT`: groups by all items.
fn distinct(items: &[Item], diagnostics: &mut Vec<Diagnostic>) -> Option<Group> {
    let mut aggregates = Vec::with_capacity(items.len());
    let mut results = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        check_key(&item.expr, diagnostics)?;
        let Expr { ty, nullable, span, .. } = item.expr;
        let of = |kind| Expr { kind, ty, nullable, span };
        let arg = Some(of(ExprKind::Column(index)));
        let function = AggregateFunction::AnyValue;
        aggregates.push(Aggregate { function, arg, second: None, order: Vec::new(), list: None, ty, nullable, span });
        results.push(Item { name: item.name.clone(), expr: of(ExprKind::Aggregate(index)) });
    }
    Some(Group { keys: items.len(), aggregates, having: None, items: results })
}

fn check_key(expr: &Expr, diagnostics: &mut Vec<Diagnostic>) -> Option<()> {
    if expr.ty != Type::Float64 {
        return Some(());
    }
    let report = Diagnostic::error(codes::REFUSED, expr.span, "FLOAT64 cannot be grouped by");
    diagnostics.push(report.help("equal numbers may differ in the last bit: CAST(ROUND(x) AS INT64)"));
    None
}

fn grouped(
    select: &ast::Select,
    scope: &Scope,
    around: Around<'_>,
    clauses: &Clauses,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Bound, Outside)> {
    let mut binder = Binder::of_select(scope, around, diagnostics);
    // Rows are ranked before they are grouped: in a subquery.
    binder.ranks = None;
    let filter = binder.filter(select.selection.as_ref());
    let keys: Vec<Option<GroupKey>> =
        clauses.group_by.iter().map(|key| binder.group_key(key, &select.projection)).collect();
    let keys: Vec<GroupKey> = keys.into_iter().collect::<Option<_>>()?;
    binder.aggregates = Some(Vec::new());
    binder.group = keys.clone();
    binder.items_are_named = clauses.having.is_some() || !clauses.order_by.is_empty();
    let items = binder.named_items(&select.projection);
    binder.aliases = items.clone().unwrap_or_default();
    let having = match &clauses.having {
        Some(condition) => binder.bind(condition).and_then(|expr| binder.condition(expr)).map(Some),
        None => Some(None),
    };
    let mut items = items?;
    let columns = items.len();
    let order = binder.order(clauses, &mut items);
    let mut aggregates = binder.aggregates.take().unwrap_or_default();
    let (filter, having, order) = (filter?, having?, order?);
    if let Some(qualify) = &select.qualify {
        return binder.refuse(binder.span(qualify), "QUALIFY of groups is not supported", "rank rows in a subquery");
    }
    check_names(&items[..columns], diagnostics)?;
    let mut read: Vec<Item> = keys.iter().map(|key| Item { name: String::new(), expr: key.expr.clone() }).collect();
    for aggregate in &mut aggregates {
        for input in aggregate.inputs_mut() {
            let column = Expr { kind: ExprKind::Column(read.len()), ..*input };
            read.push(Item { name: String::new(), expr: std::mem::replace(input, column) });
        }
    }
    let bound = Bound { filter, ranks: Vec::new(), qualify: None, items: read };
    let group = Group { keys: keys.len(), aggregates, having, items };
    Some((bound, Outside { group: Some(group), order, columns }))
}

/// A literal, however many parentheses are around it.
fn is_literal(ast: &ast::Expr) -> bool {
    match ast {
        ast::Expr::Value(_) => true,
        ast::Expr::Nested(inner) => is_literal(inner),
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => {
            matches!(&**expr, ast::Expr::Value(value) if matches!(value.value, ast::Value::Number(..)))
        }
        _ => false,
    }
}

impl Binder<'_> {
    /// Items, named as BigQuery names them where their author does not: `f0_`, `f1_`.
    fn named_items(&mut self, projection: &[ast::SelectItem]) -> Option<Vec<Item>> {
        self.named = false;
        let mut items = self.items(projection)?;
        let unnamed = items.iter_mut().filter(|item| item.name.is_empty());
        unnamed.enumerate().for_each(|(number, item)| item.name = format!("f{number}_"));
        Some(items)
    }

    /// A key of GROUP BY: an expression, an item's alias, or an item's number.
    fn group_key(&mut self, key: &ast::Expr, projection: &[ast::SelectItem]) -> Option<GroupKey> {
        let item = |(at, item): (usize, &ast::SelectItem)| match item {
            ast::SelectItem::ExprWithAlias { expr, alias } => Some((expr.clone(), Some((at, alias.value.clone())))),
            ast::SelectItem::UnnamedExpr(expr) => Some((expr.clone(), None)),
            _ => None,
        };
        let mut place = None;
        let source = if let Some(number) = ordinal(key) {
            let found = number.checked_sub(1).and_then(|at| Some((at, projection.get(at)?)));
            place = found.map(|(at, _)| at);
            let Some((expr, _)) = found.and_then(item) else {
                return self.refuse_key(key, "GROUP BY has the number of no item");
            };
            expr
        } else if is_literal(key) {
            return self.refuse_key(key, "GROUP BY takes no literal");
        } else if let ast::Expr::Identifier(name) = key {
            let named = |(_, alias): &(ast::Expr, Option<(usize, String)>)| {
                alias.as_ref().is_some_and(|(_, alias)| alias.eq_ignore_ascii_case(&name.value))
            };
            let found = projection.iter().enumerate().filter_map(item).find(named);
            place = found.as_ref().and_then(|(_, alias)| alias.as_ref().map(|(at, _)| *at));
            match found {
                // GoogleSQL means the item, whoever reads it may mean the column.
                Some((expr, _)) if expr != *key && !self.matching(None, &name.value).is_empty() => {
                    let span = self.span(key);
                    let message = format!("{} is an item and a column", name.value);
                    let report = Diagnostic::error(codes::AMBIGUOUS_COLUMN, span, message);
                    self.report(report.help("give the item a name of its own"));
                    return None;
                }
                Some((expr, _)) => expr,
                None => key.clone(),
            }
        } else {
            key.clone()
        };
        let expr = self.bind(&source)?;
        let mut found = Vec::new();
        let checked = check_key(&expr, &mut found);
        found.into_iter().for_each(|report| self.report(report));
        checked?;
        Some(GroupKey { expr, item: place })
    }

    /// An item that is a key of GROUP BY; `None` when it is none.
    pub(super) fn grouped_item(
        &mut self,
        ast: &ast::Expr,
        alias: Option<&ast::Ident>,
        place: usize,
    ) -> Option<Option<Expr>> {
        let is_column = |key: &GroupKey| matches!(key.expr.kind, ExprKind::Column(_));
        if self.group.iter().all(is_column) {
            return None;
        }
        // As GROUP BY has it: of rows.
        let aggregates = self.aggregates.take();
        let bound = self.quietly(|binder| binder.bind(ast));
        self.aggregates = aggregates;
        let bound = bound?;
        let same = |key: &&GroupKey| !is_column(key) && key.expr.means(&bound);
        let named = self.group.iter().filter(same).any(|key| key.item == Some(place));
        let key = self.group.iter().find(same).cloned()?;
        match alias {
            // GoogleSQL computes what they may name before it groups.
            Some(alias) if self.items_are_named && !named => {
                let message = format!("beside HAVING or ORDER BY, GROUP BY has to name the item {}", alias.value);
                Some(self.refuse(self.span(ast), message, format!("write GROUP BY {}", alias.value)))
            }
            _ => Some(self.any_of_group(Expr { span: bound.span, ..key.expr })),
        }
    }

    fn refuse_key(&mut self, key: &ast::Expr, message: &str) -> Option<GroupKey> {
        let span = self.span(key);
        self.refuse(span, message, "name the items that are no aggregates")
    }

    /// What orders the rows: items, or expressions that become items without a name.
    fn order(&mut self, clauses: &Clauses, items: &mut Vec<Item>) -> Option<Vec<OrderColumn>> {
        let columns = items.len();
        let keys: Vec<Option<OrderColumn>> = clauses
            .order_by
            .iter()
            .map(|key| {
                let number = ordinal(&key.expr);
                let named = match &key.expr {
                    ast::Expr::Identifier(name) => {
                        items[..columns].iter().position(|i| i.name.eq_ignore_ascii_case(&name.value))
                    }
                    _ => None,
                };
                let column = match (number, named) {
                    (Some(number), _) => match number.checked_sub(1).filter(|at| *at < columns) {
                        Some(at) => at,
                        None => {
                            let span = self.span(&key.expr);
                            return self.refuse(span, "ORDER BY has the number of no item", "the first item is 1");
                        }
                    },
                    (None, Some(at)) => at,
                    (None, None) if is_literal(&key.expr) => {
                        let help = "name an item, or give its number";
                        return self.refuse(self.span(&key.expr), "ORDER BY takes no literal", help);
                    }
                    (None, None) => {
                        let expr = self.bind(&key.expr)?;
                        items.push(Item { name: String::new(), expr });
                        items.len() - 1
                    }
                };
                Some(order_column(key, column))
            })
            .collect();
        keys.into_iter().collect()
    }
}
