//! A rule's query: its SELECTs over relations of the plan, and the columns that give its rows their identity.

use crate::definition::model::Rule;
use crate::diagnostic::{Diagnostic, Span};
use crate::language::scope::{Scope, ScopeColumn};
use crate::language::tree::{Expr, ExprKind, Item, Rank, RankFunction, Select};
use crate::language::{self, ParsedQuery};
use crate::record::{Column, Type, Value};

use super::resolve::{Resolver, parameters};
use super::{BranchPlan, JoinPlan, SelectPlan, Upstream, join};

/// The column that says which SELECT of `UNION ALL` a row is from, 1 the first.
pub const BRANCH: &str = "branch";

/// A relation that a query reads.
pub(super) struct Relation {
    pub upstream: Upstream,
    pub joins: Vec<JoinPlan>,
    pub scope: Scope,
}

/// The relations of a rule's query, each with the rule's joins.
pub(super) fn relations(
    resolver: &Resolver,
    rule: &Rule,
    parsed: &ParsedQuery,
    params: &[(String, Value)],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<Relation>> {
    let relations = parsed.relations().iter().map(|(name, place)| {
        let mut text = rule.sql.clone();
        text.text.clone_from(name);
        text.map.whole = *place;
        let upstream = resolver.upstream(&text, diagnostics)?;
        let mut scope = resolver.scope(name.clone(), &resolver.plan.columns(upstream));
        scope.params = parameters(params);
        let joins = join::bind(resolver, &rule.join, upstream, &mut scope, diagnostics);
        Some(Relation { upstream, joins, scope })
    });
    // All of them are looked at, whatever the first says.
    let relations: Vec<Option<Relation>> = relations.collect();
    relations.into_iter().collect()
}

/// Binds the query, and warns of NULLs that silence it.
pub(super) fn bind(
    rule: &Rule,
    parsed: &ParsedQuery,
    relations: &[Relation],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<(BranchPlan, Span)>> {
    let scopes: Vec<Scope> = relations.iter().map(|relation| relation.scope.clone()).collect();
    let query = language::bind_query(parsed, &rule.sql, &scopes, diagnostics)?;
    let mut branches = Vec::with_capacity(query.branches.len());
    for select in query.branches {
        let at = parsed.relations().iter().position(|(name, _)| *name == select.from.0)?;
        let relation = &relations[at];
        if let Some(filter) = &select.filter {
            diagnostics.extend(language::null_warnings(filter, &relation.scope));
        }
        let place = select.from.1;
        branches.push((branch(relation, select), place));
    }
    Some(branches)
}

fn branch(relation: &Relation, select: Select) -> BranchPlan {
    let Select { filter, ranks, qualify, items, from: _ } = select;
    let scope: Vec<Column> = relation.scope.columns.iter().map(|c: &ScopeColumn| c.column.clone()).collect();
    let mut select = SelectPlan { joins: relation.joins.clone(), scope, filter, ranks, qualify, items };
    select.drop_unread_ranks();
    BranchPlan { upstream: relation.upstream, select }
}

impl SelectPlan {
    /// Ranks that nothing reads do not choose rows: what stands behind them is a condition like any other.
    pub(super) fn drop_unread_ranks(&mut self) {
        let first = self.scope.len();
        let mut read = false;
        let seen = self.items.iter().map(|item| &item.expr).chain(&self.qualify);
        seen.for_each(|expr| super::wanted::columns_of(expr, &mut |index| read |= index >= first));
        if !read {
            self.ranks.clear();
            self.filter = language::both(self.filter.take(), self.qualify.take());
        }
    }
}

/// Which columns of the rule name its hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub key: Vec<usize>,
    pub window: (usize, usize),
    pub event_time: usize,
}

/// The columns that make a hit's id; each SELECT of the rule has to return them all, in the same places.
pub(super) fn identity(
    resolver: &Resolver,
    rule: &Rule,
    branches: &mut [(BranchPlan, Span)],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Identity> {
    let each: Vec<Option<Identity>> = branches
        .iter()
        .enumerate()
        .map(|(at, branch)| of_branch(resolver, rule, branch, at == 0, diagnostics))
        .collect();
    let each: Vec<Identity> = each.into_iter().collect::<Option<_>>()?;
    let mut whole = each.first()?.clone();
    for (identity, (branch, place)) in each.iter().zip(branches.iter()).skip(1) {
        if (branch.upstream == Upstream::Flows) != (branches[0].0.upstream == Upstream::Flows) {
            let message = "a rule reads `flows` or features, not both";
            let finding = Diagnostic::error("rule.missing-key", *place, message).label("not as the first SELECT");
            let help =
                "write two rules: hits of `flows` are told apart by their row, those of features by key and window";
            diagnostics.push(finding.help(help));
            return None;
        }
        if (identity.window, identity.event_time) != (whole.window, whole.event_time) {
            let message = "the SELECTs of UNION ALL return the window in different places";
            let finding = Diagnostic::error("rule.missing-key", *place, message).label("not as in the first SELECT");
            diagnostics
                .push(finding.help("name the items in one order: the key, window_start, window_end, event_time"));
            return None;
        }
        let more: Vec<usize> = identity.key.iter().copied().filter(|index| !whole.key.contains(index)).collect();
        whole.key.extend(more);
    }
    if branches.len() > 1 {
        whole.key.push(branches[0].0.select.items.len());
        name_branches(branches, diagnostics)?;
    }
    Some(whole)
}

/// Two SELECTs may return one row of a relation: they are two hits.
fn name_branches(branches: &mut [(BranchPlan, Span)], diagnostics: &mut Vec<Diagnostic>) -> Option<()> {
    for ((branch, place), number) in branches.iter_mut().zip(1i64..) {
        if let Some(taken) = branch.select.items.iter().find(|item| item.name.eq_ignore_ascii_case(BRANCH)) {
            let message = format!("UNION ALL adds a column `{BRANCH}`, the number of the SELECT");
            let finding = Diagnostic::error("rule.missing-key", taken.expr.span, message).label("has its name");
            diagnostics.push(finding.help("give this item another name"));
            return None;
        }
        let kind = ExprKind::Literal(Value::Int64(number));
        let expr = Expr { kind, ty: Type::Int64, nullable: false, span: *place };
        branch.select.items.push(Item { name: BRANCH.to_owned(), expr });
    }
    Some(())
}

fn of_branch(
    resolver: &Resolver,
    rule: &Rule,
    (branch, place): &(BranchPlan, Span),
    first: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Identity> {
    let key_names: Vec<&str> = match branch.upstream {
        Upstream::Flows => vec!["row_id"],
        Upstream::Feature(index) => resolver.plan.features[index].key_names().collect(),
        Upstream::Hits(_) => vec!["hit_id"],
    };
    let window_names = match branch.upstream {
        Upstream::Flows => ["event_time", "event_time", "event_time"],
        Upstream::Feature(_) | Upstream::Hits(_) => ["window_start", "window_end", "event_time"],
    };
    let there = resolver.plan.columns(branch.upstream);
    let mut absent: Vec<&str> = Vec::new();
    let mut find = |name| {
        // The column itself, not something else under its name: two hits must not get one id. The names of a later
        // SELECT are those of the first.
        let own =
            |item: &Item| matches!(item.expr.kind, ExprKind::Column(i) if there.get(i).is_some_and(|c| c.name == name));
        let named = branch.select.items.iter().position(|item| (!first || item.name == name) && own(item));
        if named.is_none() && !absent.contains(&name) {
            absent.push(name);
        }
        named.unwrap_or(0)
    };
    let key = key_names.into_iter().map(&mut find).collect();
    let [start, end, event_time] = window_names.map(&mut find);
    if absent.is_empty() {
        return Some(Identity { key, window: (start, end), event_time });
    }
    let names = absent.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    diagnostics.push(
        Diagnostic::error(
            "rule.missing-key",
            *place,
            format!("rule `{}` does not return {names} as its relation has them; they name its hits", rule.name.text),
        )
        .label("the key and the window of this relation are needed")
        .help("write SELECT * and add columns behind it"),
    );
    None
}

/// What the query returns: the names of its first SELECT, NULL where one of them may be.
pub(super) fn columns(branches: &[BranchPlan]) -> Vec<Column> {
    let first = branches.first().map(|branch| branch.select.items.as_slice()).unwrap_or_default();
    let column = |(place, item): (usize, &Item)| {
        let nullable = branches.iter().any(|branch| branch.select.items[place].expr.nullable);
        Column::new(item.name.clone(), item.expr.ty, nullable)
    };
    first.iter().enumerate().map(column).collect()
}

/// A rank orders the rows of one window: all are there when it closes, and their order is the same at each run.
pub(super) fn check_ranks(resolver: &Resolver, branch: &BranchPlan, diagnostics: &mut Vec<Diagnostic>) -> Option<()> {
    for rank in &branch.select.ranks {
        let name = rank.function.name();
        let Upstream::Feature(index) = branch.upstream else {
            let message = format!("{name} over `flows` has no end: its rows never all are there");
            let finding = Diagnostic::error("rule.rank", rank.span, message).label("a stream");
            diagnostics.push(finding.help("write a feature with a window, and rank its rows"));
            return None;
        };
        let feature = &resolver.plan.features[index];
        let (relation, key) = (&feature.name, feature.key.len());
        if !rank.partition.iter().any(|expr| matches!(expr.kind, ExprKind::Column(i) if (key..key + 3).contains(&i))) {
            let message = format!("{name} ranks the rows of all windows of `{relation}`");
            let finding = Diagnostic::error("rule.rank", rank.span, message).label("never all there");
            diagnostics.push(finding.help("rank within one window: PARTITION BY window_end, …"));
            return None;
        }
        let open = open_keys(rank, key);
        if rank.function == RankFunction::RowNumber && !open.is_empty() {
            let names: Vec<&str> = open.iter().map(|index| feature.columns[*index].name.as_str()).collect();
            let message = format!("{name} leaves open which of two equal rows comes first");
            let finding = Diagnostic::error("rule.rank", rank.span, message).label("no order among equals");
            let help = format!("add the rest of the key behind ORDER BY: {}; or write RANK()", names.join(", "));
            diagnostics.push(finding.help(help));
            return None;
        }
    }
    Some(())
}

/// Key columns that neither part nor order the rows.
fn open_keys(rank: &Rank, key: usize) -> Vec<usize> {
    let decides = rank.partition.iter().chain(rank.order.iter().map(|order| &order.expr));
    let decided: Vec<usize> = decides.filter_map(column).collect();
    (0..key).filter(|index| !decided.contains(index)).collect()
}

fn column(expr: &Expr) -> Option<usize> {
    match expr.kind {
        ExprKind::Column(index) => Some(index),
        _ => None,
    }
}
