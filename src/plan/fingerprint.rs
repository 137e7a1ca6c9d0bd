//! A rule's fingerprint: a hash over a canonical text of what the rule means.
//!
//! The text is made of the bound plan: the rule and, transitively, the columns that it reads, down to the records of
//! every source. Places, layout, remarks and words for people are not in it; nor are the rows of lookups, which change
//! by themselves, and the lateness of sources, which says what may arrive and not what it means. A fingerprint is stored
//! with alerts, so a change of the text is a new [`VERSION`]. Its test is `tests/it/fingerprint.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::language::function::AGGREGATES;
use crate::language::tree::{Aggregate, AggregateFunction, Expr, ExprKind, Item, LookupValues, OrderKey};
use crate::mmdb::{Source, Table};
use crate::record::{Type, Value, float_text, flow};

use super::wanted::columns_of;
use super::{
    BranchPlan, FeaturePlan, JoinAt, JoinPlan, JoinTarget, LookupPlan, Plan, PreviousPlan, RulePlan, SourcePlan,
    Upstream,
};

/// First line of every text.
const VERSION: &str = "tripline rule 2";
const BYTES: usize = 8;

pub(super) fn fingerprint(plan: &Plan, rule: &RulePlan) -> String {
    let hash = Sha256::digest(canonical(plan, rule).as_bytes());
    hash.iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// The text that is hashed.
pub fn canonical(plan: &Plan, rule: &RulePlan) -> String {
    let mut reads = Reads::default();
    let mut text = format!("{VERSION}\n{}", rule_text(plan, rule, &mut reads));
    let mut features = Vec::new();
    // A feature reads only features before it: when the last is taken, all that is read of it is known.
    while let Some((index, columns)) = reads.features.pop_last() {
        features.push(feature_text(plan, &plan.features[index], columns, &mut reads));
        if let Upstream::Hits(hits) = plan.features[index].upstream {
            for (_, rule) in plan.rules_behind(hits).filter(|(at, _)| reads.rules.insert(*at)).collect::<Vec<_>>() {
                let text = rule_text(plan, rule, &mut reads);
                features.push(format!("hits of {} severity {}\n{text}", rule.name, rule.severity.name()));
            }
        }
    }
    features.sort();
    let mut sources: Vec<String> = plan.sources.iter().map(|s| source_text(plan, s, &reads.flows)).collect();
    sources.sort();
    features.iter().chain(&sources).for_each(|section| text.push_str(section));
    text
}

/// All of a feature, but what it reads of others; those are named.
pub(super) fn feature_meaning(plan: &Plan, feature: &FeaturePlan) -> String {
    feature_text(plan, feature, (0..feature.columns.len()).collect(), &mut Reads::default())
}

/// A rule, but what it reads of others.
pub(super) fn rule_meaning(plan: &Plan, rule: &RulePlan) -> String {
    rule_text(plan, rule, &mut Reads::default())
}

/// All that a source gives, and how late.
pub(super) fn source_meaning(plan: &Plan, source: &SourcePlan) -> String {
    let late = (source.lateness, source.future_skew, source.idle_after);
    format!("{}{late:?}", source_text(plan, source, &(0..flow::columns().len()).collect()))
}

/// Columns that are read of each relation.
#[derive(Default)]
struct Reads {
    flows: BTreeSet<usize>,
    features: BTreeMap<usize, BTreeSet<usize>>,
    /// Whose hits are read.
    rules: BTreeSet<usize>,
    /// Columns of hits are the same of every rule.
    hits: BTreeSet<usize>,
}

impl Reads {
    fn of(&mut self, upstream: Upstream) -> &mut BTreeSet<usize> {
        match upstream {
            Upstream::Flows => &mut self.flows,
            Upstream::Feature(index) => self.features.entry(index).or_default(),
            Upstream::Hits(_) => &mut self.hits,
        }
    }
}

/// What expressions over a relation and its joins may name.
struct Names<'a> {
    upstream: Upstream,
    joins: &'a [JoinPlan],
    previous: Option<&'a PreviousPlan>,
    row: &'a [Item],
    /// Of the scope's columns, in order.
    names: Vec<String>,
    /// Columns of the relation itself; those of the joins, of the row before and of `row` follow.
    own: usize,
}

impl<'a> Names<'a> {
    fn new(
        plan: &Plan,
        upstream: Upstream,
        joins: &'a [JoinPlan],
        previous: Option<&'a PreviousPlan>,
        row: &'a [Item],
    ) -> Self {
        let mut names: Vec<String> = plan.columns(upstream).into_iter().map(|column| column.name).collect();
        let own = names.len();
        for join in joins {
            names.extend(join.columns.iter().map(|column| format!("{}.{}", join.alias, column.name)));
        }
        let of = previous.map(|previous| previous.of.as_slice()).unwrap_or_default();
        names.extend(of.iter().map(|index| format!("previous {}", names[*index])).collect::<Vec<_>>());
        names.extend(row.iter().map(|item| item.name.clone()));
        Self { upstream, joins, previous, row, names, own }
    }

    fn name(&self, index: usize) -> String {
        self.names.get(index).cloned().unwrap_or_default()
    }

    /// The joins and `row` columns behind the columns that are used, and what these read in turn.
    fn text(&self, plan: &Plan, mut used: BTreeSet<usize>, reads: &mut Reads) -> String {
        let row = self.names.len() - self.row.len();
        for (index, item) in self.row.iter().enumerate().rev() {
            if used.contains(&(row + index)) {
                mark(&item.expr, &mut used);
            }
        }
        let mut text = String::new();
        let mut first = self.own;
        for join in self.joins {
            let columns: Vec<usize> = (0..join.columns.len()).filter(|i| used.contains(&(first + i))).collect();
            if !columns.is_empty() {
                text.push_str(&self.join(plan, join, &columns, &mut used, reads));
            }
            first += join.columns.len();
        }
        if let Some(previous) = self.previous {
            let wanted = previous.of.iter().enumerate().filter(|(index, _)| used.contains(&(previous.at + index)));
            let wanted: Vec<usize> = wanted.map(|(_, column)| *column).collect();
            if !wanted.is_empty() {
                text.push_str(&format!("  previous within {}\n", previous.max_gap.0));
                used.extend(wanted.into_iter().chain(previous.ties.iter().copied()));
            }
        }
        for (index, item) in self.row.iter().enumerate().filter(|(index, _)| used.contains(&(row + index))) {
            text.push_str(&format!("  row {} = {}\n", self.name(row + index), self.expr(plan, &item.expr)));
        }
        reads.of(self.upstream).extend(used.into_iter().filter(|index| *index < self.own));
        text
    }

    fn join(
        &self,
        plan: &Plan,
        join: &JoinPlan,
        columns: &[usize],
        used: &mut BTreeSet<usize>,
        reads: &mut Reads,
    ) -> String {
        let (JoinTarget::Feature { on, .. } | JoinTarget::Lookup { on, .. }) = &join.target;
        used.extend(on.iter().map(|(here, _)| *here));
        let (what, there): (String, Vec<&str>) = match &join.target {
            JoinTarget::Feature { index, at, .. } => {
                let there = &plan.features[*index];
                reads.of(Upstream::Feature(*index)).extend(columns.iter().map(|column| there.key.len() + column));
                let at = match at {
                    JoinAt::Same => String::new(),
                    JoinAt::AsOf { edge, max_age } => format!(" as_of {} within {}", edge.column(), max_age.0),
                };
                (format!("feature {}{at}", there.name), there.columns.iter().map(|c| c.name.as_str()).collect())
            }
            JoinTarget::Lookup { index, longest_prefix, .. } => {
                let there = &plan.lookups[*index];
                let how = if *longest_prefix { "longest_prefix" } else { "equal" };
                let paths = there.table.as_ref().map_or_else(String::new, |table| table_text(table, columns));
                (format!("lookup {} {how}{paths}", there.name), there.fields.iter().map(|f| f.name.as_str()).collect())
            }
        };
        let mut text = format!("  join {} = {what}", join.alias);
        for (here, right) in on {
            text.push_str(&format!(" {}={}", self.name(*here), there.get(*right).copied().unwrap_or_default()));
        }
        text.push('\n');
        for column in columns {
            if let (Some(found), Some(value)) = (join.columns.get(*column), join.missing.get(*column)) {
                let value = value.as_ref().map_or("NULL".to_owned(), literal);
                text.push_str(&format!("    missing {} = {value}\n", found.name));
            }
        }
        text
    }

    fn expr(&self, plan: &Plan, expr: &Expr) -> String {
        expression(expr, &plan.lookups, &|index| self.name(index))
    }
}

fn rule_text(plan: &Plan, rule: &RulePlan, reads: &mut Reads) -> String {
    let mut text: String = rule.branches.iter().map(|branch| branch_text(plan, branch, reads)).collect();
    let hit = |index: usize| rule.columns.get(index).map_or(String::new(), |column| column.name.clone());
    let over_hit = |expr: &Expr| expression(expr, &plan.lookups, &hit);
    for entity in &rule.entities {
        text.push_str(&format!("  entity {} {} {}\n", entity.ty, entity.role, hit(entity.column)));
    }
    if let Some(score) = &rule.score {
        text.push_str(&format!("  score {} weight {}\n", over_hit(&score.value), float_text(score.weight)));
    }
    let key: Vec<String> = rule.alert_key.iter().map(|index| hit(*index)).collect();
    text.push_str(&format!("  alert {} key {} within {}\n", rule.when.name(), key.join(" "), rule.merge_within.0));
    for exception in &rule.exceptions {
        let bound = |time: Option<crate::record::EventTime>| time.map_or("-".to_owned(), |time| time.0.to_string());
        let (from, to) = (bound(exception.valid.from), bound(exception.valid.to));
        text.push_str(&format!("  except {} from {from} to {to}\n", over_hit(&exception.when)));
    }
    text
}

fn branch_text(plan: &Plan, branch: &BranchPlan, reads: &mut Reads) -> String {
    let mut names = Names::new(plan, branch.upstream, &branch.select.joins, None, &[]);
    let mut used = BTreeSet::new();
    branch.select.expressions().for_each(|expr| mark(expr, &mut used));
    used.retain(|index| *index < branch.select.scope.len());
    let mut text = format!("rule over {}\n{}", plan.relation_name(branch.upstream), names.text(plan, used, reads));
    if let Some(filter) = &branch.select.filter {
        text.push_str(&format!("  where {}\n", names.expr(plan, filter)));
    }
    for (rank, number) in branch.select.ranks.iter().zip(1..) {
        let partition: Vec<String> = rank.partition.iter().map(|expr| names.expr(plan, expr)).collect();
        let order: Vec<String> = rank.order.iter().map(|key| order_text(key, &names.expr(plan, &key.expr))).collect();
        let (partition, order) = (partition.join(", "), order.join(", "));
        text.push_str(&format!("  rank {number} = {} by {partition} order {order}\n", rank.function.name()));
    }
    names.names.extend((1..=branch.select.ranks.len()).map(|number| format!("rank {number}")));
    if let Some(qualify) = &branch.select.qualify {
        text.push_str(&format!("  qualify {}\n", names.expr(plan, qualify)));
    }
    for item in &branch.select.items {
        text.push_str(&format!("  item {} = {}\n", item.name, names.expr(plan, &item.expr)));
    }
    text
}

fn feature_text(plan: &Plan, feature: &FeaturePlan, mut columns: BTreeSet<usize>, reads: &mut Reads) -> String {
    let names = Names::new(plan, feature.upstream, &feature.joins, feature.previous.as_ref(), &feature.row);
    let emit = feature.trailing.as_ref().and_then(|trailing| trailing.emit.as_ref());
    emit.iter().for_each(|emit| mark(emit, &mut columns));
    let outputs = feature.outputs_at();
    let derived = outputs + feature.outputs.len();
    for (index, item) in feature.derive.iter().enumerate().rev() {
        if columns.contains(&(derived + index)) {
            mark(&item.expr, &mut columns);
        }
    }
    let mut used: BTreeSet<usize> = feature.key.iter().copied().collect();
    feature.filter.iter().for_each(|filter| mark(filter, &mut used));
    let carried = feature.carried();
    used.extend(columns.iter().filter_map(|column| carried.get(column.checked_sub(outputs - carried.len())?)));
    used.extend(feature.frames().iter().flat_map(|frame| &frame.key));
    let mut lines = String::new();
    for (index, item) in feature.outputs.iter().enumerate().filter(|(i, _)| columns.contains(&(outputs + i))) {
        columns_of(&item.expr, &mut |aggregate| {
            let inputs = feature.aggregates.get(aggregate).into_iter().flat_map(Aggregate::inputs);
            inputs.for_each(|input| mark(input, &mut used));
        });
        let leaf = |index: usize| feature.aggregates.get(index).map_or(String::new(), |a| aggregation(plan, a, &names));
        let output = expression(&item.expr, &plan.lookups, &leaf);
        lines.push_str(&format!("  column {} = {output}\n", feature.columns[outputs + index].name));
    }
    let leaf = |index: usize| feature.columns.get(index).map_or(String::new(), |column| column.name.clone());
    for (_, item) in feature.derive.iter().enumerate().filter(|(index, _)| columns.contains(&(derived + index))) {
        lines.push_str(&format!("  derive {} = {}\n", item.name, expression(&item.expr, &plan.lookups, &leaf)));
    }
    let head = format!("feature {} over {}\n", feature.name, plan.relation_name(feature.upstream));
    let mut text = format!("{head}{}", names.text(plan, used, reads));
    if let Some(filter) = &feature.filter {
        text.push_str(&format!("  where {}\n", names.expr(plan, filter)));
    }
    text.push_str(&format!("  key {}\n", feature.key_names().collect::<Vec<_>>().join(" ")));
    match feature.window.session_gap {
        Some(gap) => text.push_str(&format!("  sessions gap {} max {}\n", gap.0, feature.window.size.0)),
        None => text.push_str(&format!("  window {} every {}\n", feature.window.size.0, feature.window.every.0)),
    }
    if let Some(expire) = feature.fill {
        text.push_str(&format!("  fill zero expire {}\n", expire.0));
    }
    for frame in feature.frames() {
        let key: Vec<&str> = frame.key.iter().map(|index| feature.scope[*index].name.as_str()).collect();
        text.push_str(&format!("  trailing {} key {} size {}\n", frame.name, key.join(" "), frame.size.0));
    }
    if let Some(emit) = emit {
        text.push_str(&format!("  emit {}\n", expression(emit, &plan.lookups, &leaf)));
    }
    text + &lines
}

/// A source, as far as these columns of `flows` need it.
fn source_text(plan: &Plan, source: &SourcePlan, flows: &BTreeSet<usize>) -> String {
    let fields = &source.raw.fields;
    let raw = |index: usize| fields.get(index).map_or(String::new(), |field| field.name.clone());
    let over_raw = |expr: &Expr| expression(expr, &plan.lookups, &raw);
    // `row_id` is made of the whole record.
    let whole = flows.contains(&flow::ROW_ID);
    let mut used: BTreeSet<usize> = source.dedupe.iter().copied().collect();
    mark(&source.event_time, &mut used);
    let mut lines = format!("  event_time = {}\n", over_raw(&source.event_time));
    if let Some(filter) = &source.filter {
        mark(filter, &mut used);
        lines.push_str(&format!("  where {}\n", over_raw(filter)));
    }
    if !source.dedupe.is_empty() {
        let key: Vec<String> = source.dedupe.iter().map(|index| raw(*index)).collect();
        lines.push_str(&format!("  dedupe {}\n", key.join(" ")));
    }
    for ((index, column), expr) in flow::columns().iter().enumerate().zip(&source.flows) {
        if let Some(expr) = expr.as_ref().filter(|_| flows.contains(&index)) {
            mark(expr, &mut used);
            lines.push_str(&format!("  flow {} = {}\n", column.name, over_raw(expr)));
        }
    }
    let mut text = format!("source {} {}\n", source.name, source.raw.format.name());
    for (index, field) in fields.iter().enumerate() {
        if whole || field.required || used.contains(&index) {
            let required = if field.required { " required" } else { "" };
            let names = field.fields.iter().map(|name| format!(" {}:{name}", name.len())).collect::<String>();
            let (name, ty, decode) = (&field.name, field.ty, field.decode.name());
            let pseudonym = field.pseudonym.iter().map(|id| format!(" pseudonym {id}")).collect::<String>();
            text.push_str(&format!("  raw {name} {ty} {decode}{required}{pseudonym} from{names}\n"));
        }
    }
    text + &lines
}

/// Adds the columns that an expression reads.
fn mark(expr: &Expr, columns: &mut BTreeSet<usize>) {
    columns_of(expr, &mut |column| columns.extend([column]));
}

fn aggregation(plan: &Plan, aggregate: &Aggregate, names: &Names) -> String {
    if let AggregateFunction::Quantile { number, of } = aggregate.function {
        let arg = aggregate.arg.as_ref().map_or(String::new(), |arg| names.expr(plan, arg));
        return format!("(QUANTILE {arg} {number} of {of})");
    }
    let entry = AGGREGATES.iter().find(|entry| entry.function == aggregate.function);
    let name = entry.map_or("", |entry| entry.name);
    let distinct = if aggregate.function == AggregateFunction::CountDistinct { " DISTINCT" } else { "" };
    let arg = aggregate.arg.as_ref().map_or("*".to_owned(), |arg| names.expr(plan, arg));
    let order: Vec<String> = aggregate.order.iter().map(|key| order_text(key, &names.expr(plan, &key.expr))).collect();
    if let Some(list) = &aggregate.list {
        let distinct = if list.distinct { " DISTINCT" } else { "" };
        let (between, limit) = (literal(&list.delimiter), list.limit);
        return format!("({name}{distinct} {arg} between {between} order {} limit {limit})", order.join(", "));
    }
    if !order.is_empty() {
        return format!("(FIRST {arg} order {})", order.join(", "));
    }
    if let Some(second) = &aggregate.second {
        return format!("({name} {arg} {})", names.expr(plan, second));
    }
    format!("({name}{distinct} {arg})")
}

/// `(NAME argument …)`; columns as `leaf` names them.
/// Where in a file's records the columns that are read stand.
fn table_text(table: &Table, columns: &[usize]) -> String {
    let paths = columns.iter().filter_map(|column| match &table.columns.get(*column)?.0 {
        Source::Record(path) => Some(format!(" {path}")),
        Source::Network => None,
    });
    paths.collect()
}

fn expression(expr: &Expr, lookups: &[Arc<LookupPlan>], leaf: &dyn Fn(usize) -> String) -> String {
    let mut text = String::new();
    write(expr, lookups, leaf, &mut text);
    text
}

fn write(expr: &Expr, lookups: &[Arc<LookupPlan>], leaf: &dyn Fn(usize) -> String, text: &mut String) {
    let opened = |text: &mut String, negated: &bool, name: &str| {
        text.push_str(if *negated { "(NOT " } else { "(" });
        text.push_str(name);
    };
    let arg = |text: &mut String, arg: &Expr| {
        text.push(' ');
        write(arg, lookups, leaf, text);
    };
    match &expr.kind {
        ExprKind::Column(index) | ExprKind::Aggregate(index) => return text.push_str(&leaf(*index)),
        ExprKind::Literal(value) => return text.push_str(&literal(value)),
        ExprKind::Call { function, args } => {
            opened(text, &false, function.name);
            args.iter().for_each(|expr| arg(text, expr));
        }
        ExprKind::Safe(call) => {
            opened(text, &false, "SAFE");
            arg(text, call);
        }
        ExprKind::Case { branches, otherwise } => {
            opened(text, &false, "CASE");
            for (condition, result) in branches {
                arg(text, condition);
                arg(text, result);
            }
            match &**otherwise {
                Some(otherwise) => arg(text, otherwise),
                None => text.push_str(" NULL"),
            }
        }
        ExprKind::Cast { expr: inner, safe } => {
            opened(text, &false, if *safe { "SAFE_CAST" } else { "CAST" });
            arg(text, inner);
            text.push(' ');
            text.push_str(expr.ty.name());
        }
        ExprKind::InList { expr, list, negated } => {
            opened(text, negated, "IN");
            arg(text, expr);
            list.iter().for_each(|expr| arg(text, expr));
        }
        ExprKind::InLookup { expr, set, negated } => {
            opened(text, negated, "IN");
            arg(text, expr);
            set.iter().for_each(|part| lookup_text(part, lookups, text));
        }
    }
    text.push(')');
}

fn order_text(key: &OrderKey, expr: &str) -> String {
    let direction = if key.descending { "DESC" } else { "ASC" };
    let nulls = if key.nulls_first { "FIRST" } else { "LAST" };
    format!("{expr} {direction} NULLS {nulls}")
}

/// `LOOKUP name.column`, or `LOOKUP name (value) WHERE (condition)`.
fn lookup_text(part: &LookupValues, lookups: &[Arc<LookupPlan>], text: &mut String) {
    let lookup = lookups.get(part.lookup);
    let field = |index: usize| {
        let field = lookup.and_then(|lookup| lookup.fields.get(index));
        field.map_or(String::new(), |field| field.name.clone())
    };
    let name = lookup.map_or("", |lookup| lookup.name.as_str());
    if let Some(column) = part.plain_column() {
        return text.push_str(&format!(" LOOKUP {name}.{}", field(column)));
    }
    text.push_str(&format!(" LOOKUP {name} {}", expression(&part.value, &[], &field)));
    if let Some(filter) = &part.filter {
        text.push_str(&format!(" WHERE {}", expression(filter, &[], &field)));
    }
}

/// Type and text; a STRING with its length, so that it cannot look like something else.
fn literal(value: &Value) -> String {
    match (value.ty(), value.id_text()) {
        (_, None) => "NULL".to_owned(),
        (Type::String, Some(text)) => format!("STRING {}:{text}", text.len()),
        (ty, Some(text)) => format!("{ty} {text}"),
    }
}
