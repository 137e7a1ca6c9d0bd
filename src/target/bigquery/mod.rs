//! A plan as GoogleSQL for BigQuery: one query a relation, over tables that have the relations' names.
//!
//! Every relation is a [`query::Query`]: named steps and a last SELECT. [`select`] chains the queries of everything that a
//! relation reads into one statement over the sources' tables; [`files`] gives each relation a table of its own, partitioned
//! by day, whose days are replaced at once. Expressions are printed from the typed tree (`expr.rs`), never copied from the
//! author's text: parameters are values there, joins are declared.
//!
//! What it may never do: change what an expression means. `tests/judge` runs what is printed on Google's reference
//! implementation.

mod aggregate;
mod collision;
mod expr;
mod feature;
pub mod fetch;
mod file;
mod fill;
mod flows;
pub mod golden;
pub mod ingest;
mod lookup;
mod pseudonym;
mod query;
mod ranges;
mod rule;
mod scope;
mod text;
mod trailing;
mod training;

use std::collections::BTreeSet;

use crate::language::tree::{Aggregate, Expr, ExprKind};
use crate::plan::{FeaturePlan, JoinPlan, JoinTarget, LookupPlan, Node, Plan, RulePlan, SourcePlan, Upstream};
use crate::record::{Column, Type, alert, flow};

pub use collision::Collision;
pub use file::{File, Range, Unit, UnitKind, files};
pub use pseudonym::{add_keys, create_keys, create_waiting_keys, found_keys, key_columns, parts};
pub use ranges::{create_waiting_ranges, range_columns, range_rows, replace_ranges};
pub use training::{create_labels, training_count, training_query, training_table};

/// A relation of the warehouse.
#[derive(Debug, Clone, Copy)]
enum Relation<'a> {
    Lookup(&'a LookupPlan),
    Flows,
    Feature(&'a FeaturePlan),
    Rule(&'a RulePlan),
    Hits,
    Alerts,
}

/// A plan and those of its sources whose tables exist.
#[derive(Clone, Copy)]
pub struct Warehouse<'a> {
    pub plan: &'a Plan,
    pub sources: &'a [&'a SourcePlan],
}

/// An expression over columns of these names.
pub fn expression(expr: &Expr, columns: &[Column]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| text::name(&column.name)).collect();
    expr::print(expr, &expr::Names { columns: &columns, lookups: &[], event_time: "event_time" })
}

/// The table of a rule's rows.
pub fn rule_table(rule: &RulePlan) -> String {
    rule::table(rule)
}

/// One SELECT over the sources' tables that gives a relation's rows; `None` for an unknown name.
pub fn select(warehouse: Warehouse<'_>, relation: &str) -> Option<String> {
    select_without(warehouse, relation, &[])
}

/// A table that is filled from outside, and not there.
#[derive(Debug, Clone, Copy)]
pub enum Absent<'a> {
    Source(&'a SourcePlan),
    Ranges(&'a LookupPlan),
    Keys(&'a Plan),
}

/// As [`select`], with an empty table of the right columns in the place of each that is not there.
pub fn select_without(warehouse: Warehouse<'_>, relation: &str, absent: &[Absent<'_>]) -> Option<String> {
    let relation = warehouse.find(relation)?;
    let step = |absent: &Absent<'_>| match absent {
        Absent::Source(source) => flows::absent(source),
        Absent::Ranges(lookup) => ranges::absent(lookup),
        Absent::Keys(plan) => pseudonym::absent(plan),
    };
    let mut steps = match relation {
        Relation::Lookup(_) => Vec::new(),
        _ => absent.iter().map(step).collect(),
    };
    for read in warehouse.reads_all(relation) {
        if matches!(read, Relation::Lookup(lookup) if ranges::is_loaded(lookup)) {
            continue;
        }
        let table = warehouse.table(read);
        steps.extend(warehouse.query(read, false).into_steps(text::name(&table)));
    }
    let mut whole = warehouse.query(relation, false);
    steps.append(&mut whole.steps);
    let comment = query::comment(&whole.comment, "");
    Some(format!("{comment}{}", query::Query { steps, ..whole }.text()))
}

/// The relation's own query, over the tables of what it reads.
pub fn query(warehouse: Warehouse<'_>, relation: &str) -> Option<String> {
    let relation = warehouse.find(relation)?;
    let query = warehouse.query(relation, false);
    Some(format!("{}{}", query::comment(&query.comment, ""), query.text()))
}

impl<'a> Warehouse<'a> {
    /// Tables that are filled from outside.
    pub fn loaded(&self) -> impl Iterator<Item = (&'a str, Absent<'a>)> {
        let sources = self.sources.iter().map(|source| (source.name.as_str(), Absent::Source(source)));
        let lookups = self.plan.lookups.iter().filter(|lookup| ranges::is_loaded(lookup));
        let keys = self.makes_keys().then(|| (self.plan.keys_table(), Absent::Keys(self.plan)));
        sources.chain(lookups.map(|lookup| (lookup.name.as_str(), Absent::Ranges(lookup)))).chain(keys)
    }

    /// Is there a table of keys in the same dataset that sources need?
    fn makes_keys(&self) -> bool {
        pseudonym::is_own(self.plan) && !pseudonym::ids(self.sources).is_empty()
    }

    /// The lookup of a table of ranges.
    pub fn ranges(&self, table: &str) -> Option<&'a LookupPlan> {
        let found = self.plan.lookups.iter().find(|lookup| ranges::is_loaded(lookup) && lookup.name == table)?;
        Some(found)
    }

    /// In an order in which each reads only those before it.
    fn relations(&self) -> Vec<Relation<'a>> {
        let lookups = self.plan.lookups.iter().map(|lookup| Relation::Lookup(lookup));
        let own = self.plan.order().into_iter().map(|node| match node {
            Node::Feature(index) => Relation::Feature(&self.plan.features[index]),
            Node::Rule(index) => Relation::Rule(&self.plan.rules[index]),
        });
        let last = if self.plan.rules.is_empty() { vec![] } else { vec![Relation::Hits, Relation::Alerts] };
        lookups.chain([Relation::Flows]).chain(own).chain(last).collect()
    }

    /// What `--relation` may name.
    pub fn names(&self) -> Vec<String> {
        self.relations().into_iter().map(|relation| self.title(relation)).collect()
    }

    fn title(&self, relation: Relation<'a>) -> String {
        match relation {
            Relation::Rule(rule) => rule.name.clone(),
            _ => self.table(relation),
        }
    }

    fn find(&self, name: &str) -> Option<Relation<'a>> {
        self.relations().into_iter().find(|r| self.title(*r) == name || self.table(*r) == name)
    }

    fn table(&self, relation: Relation<'a>) -> String {
        match relation {
            Relation::Lookup(lookup) => lookup.name.clone(),
            Relation::Flows => flow::FLOWS.to_owned(),
            Relation::Feature(feature) => feature.name.clone(),
            Relation::Rule(rule) => rule::table(rule),
            Relation::Hits => rule::HITS.to_owned(),
            Relation::Alerts => alert::ALERTS.to_owned(),
        }
    }

    /// `ranged`: only rows whose event time is in `[tripline_from, tripline_to)`.
    fn query(&self, relation: Relation<'a>, ranged: bool) -> query::Query {
        match relation {
            Relation::Lookup(plan) => lookup::query(plan),
            Relation::Flows => flows::query(self.plan, self.sources, ranged),
            Relation::Feature(plan) => match &plan.trailing {
                Some(trailing) => trailing::query(self.plan, plan, trailing, ranged),
                None => feature::query(self.plan, plan, ranged),
            },
            Relation::Rule(plan) => rule::query(self.plan, plan, ranged),
            Relation::Hits => rule::hits(self.plan, ranged),
            Relation::Alerts => rule::alerts(ranged),
        }
    }

    fn columns(&self, relation: Relation<'a>) -> Vec<Column> {
        match relation {
            Relation::Lookup(plan) => lookup::columns(plan),
            Relation::Flows => {
                let admit = Column::new(flow::ADMIT_WATERMARK, Type::Timestamp, true);
                flow::columns().into_iter().chain([admit]).collect()
            }
            Relation::Feature(plan) => plan.columns.clone(),
            Relation::Rule(plan) => rule::columns(plan),
            Relation::Hits => rule::hit_columns(),
            Relation::Alerts => alert::columns(),
        }
    }

    /// The columns by which a table's rows lie together.
    fn cluster(&self, relation: Relation<'a>) -> Vec<String> {
        const CLUSTER_MAX: usize = 4;
        let named = |name: &str| vec![Column::new(name, Type::String, true)];
        let columns: Vec<Column> = match relation {
            Relation::Lookup(_) => Vec::new(),
            Relation::Flows => [named("subscriber_id"), named("src_ip")].concat(),
            Relation::Feature(feature) => feature.columns[..feature.key.len()].to_vec(),
            Relation::Rule(rule) => rule.key.iter().map(|index| rule.columns[*index].clone()).collect(),
            Relation::Hits | Relation::Alerts => named("rule"),
        };
        // BigQuery does not cluster by these.
        let clustered = columns.into_iter().filter(|column| !matches!(column.ty, Type::Bytes | Type::Float64));
        clustered.map(|column| column.name).take(CLUSTER_MAX).collect()
    }

    /// What a relation reads itself.
    fn reads(&self, relation: Relation<'a>) -> Vec<Relation<'a>> {
        let mut lookups = BTreeSet::new();
        let mut read = Vec::new();
        match relation {
            Relation::Lookup(_) => {}
            Relation::Flows => {
                for source in self.sources {
                    let given = source.flows.iter().flatten().chain(&source.filter).chain([&source.event_time]);
                    given.for_each(|expr| lookups_of(expr, &mut lookups));
                }
            }
            Relation::Feature(feature) => {
                if feature.fill.is_some() && feature.upstream != Upstream::Flows {
                    read.push(Relation::Flows);
                }
                self.upstream(feature.upstream, &mut read, &mut lookups);
                self.joined(&feature.joins, &mut read, &mut lookups);
                let items = feature.row.iter().chain(&feature.outputs).chain(&feature.derive).map(|item| &item.expr);
                let args = feature.aggregates.iter().flat_map(Aggregate::inputs);
                let emit = feature.trailing.iter().flat_map(|trailing| &trailing.emit);
                items.chain(&feature.filter).chain(emit).chain(args).for_each(|expr| lookups_of(expr, &mut lookups));
            }
            Relation::Rule(rule) => {
                for branch in &rule.branches {
                    self.upstream(branch.upstream, &mut read, &mut lookups);
                    self.joined(&branch.select.joins, &mut read, &mut lookups);
                    branch.select.expressions().for_each(|expr| lookups_of(expr, &mut lookups));
                }
            }
            Relation::Hits => {
                for rule in &self.plan.rules {
                    hits_of(rule, &mut read, &mut lookups);
                }
            }
            Relation::Alerts => read.push(Relation::Hits),
        }
        lookups.into_iter().map(|index| Relation::Lookup(&self.plan.lookups[index])).chain(read).collect()
    }

    fn upstream(&self, upstream: Upstream, read: &mut Vec<Relation<'a>>, lookups: &mut BTreeSet<usize>) {
        match upstream {
            Upstream::Flows => read.push(Relation::Flows),
            Upstream::Feature(index) => read.push(Relation::Feature(&self.plan.features[index])),
            Upstream::Hits(hits) => self.plan.rules_behind(hits).for_each(|(_, rule)| hits_of(rule, read, lookups)),
        }
    }

    fn joined(&self, joins: &[JoinPlan], read: &mut Vec<Relation<'a>>, lookups: &mut BTreeSet<usize>) {
        for join in joins {
            match join.target {
                JoinTarget::Feature { index, .. } => read.push(Relation::Feature(&self.plan.features[index])),
                JoinTarget::Lookup { index, .. } => {
                    lookups.insert(index);
                }
            }
        }
    }

    /// All that a relation reads, directly or not, each after what it reads itself.
    fn reads_all(&self, relation: Relation<'a>) -> Vec<Relation<'a>> {
        let mut needed: BTreeSet<String> = BTreeSet::new();
        let mut open = vec![relation];
        while let Some(next) = open.pop() {
            for read in self.reads(next) {
                if needed.insert(self.table(read)) {
                    open.push(read);
                }
            }
        }
        self.relations().into_iter().filter(|relation| needed.contains(&self.table(*relation))).collect()
    }
}

/// What a rule's hits are computed from.
fn hits_of<'a>(rule: &'a RulePlan, read: &mut Vec<Relation<'a>>, lookups: &mut BTreeSet<usize>) {
    read.push(Relation::Rule(rule));
    let score = rule.score.iter().map(|score| &score.value);
    let when = rule.exceptions.iter().map(|exception| &exception.when);
    score.chain(when).for_each(|expr| lookups_of(expr, lookups));
}

/// The lookups that an expression asks.
fn lookups_of(expr: &Expr, found: &mut BTreeSet<usize>) {
    expr.walk(&mut |part| {
        if let ExprKind::InLookup { set, .. } = &part.kind {
            found.extend(set.iter().map(|part| part.lookup));
        }
    });
}
