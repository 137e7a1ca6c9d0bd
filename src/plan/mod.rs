//! Definitions to a graph of relations: names bound, types checked, keys and windows known, engine-neutral.
//!
//! [`resolve::resolve`] returns a plan and all findings. A plan is complete: nothing after it reads definitions
//! or meets an unknown name. What it may never do: run anything, or know an engine.

mod adhoc;
mod asked;
mod branch;
pub mod codes;
mod condition;
mod depends;
mod early;
mod feature;
mod fingerprint;
pub mod hits;
mod join;
mod key_space;
mod look_back;
mod lookup;
mod order;
mod previous;
mod reads;
pub mod resolve;
mod rule;
mod same;
mod source;
mod ties;
mod title;
mod trailing;
mod training;
mod values;
pub(crate) mod wanted;

use std::ops::Range;
use std::sync::Arc;

use crate::definition::model::HealthConfig;
use crate::language::scope::LookupField;
use crate::language::tree::{Aggregate, Expr, Item, Rank};
use crate::mmdb::Table;
use crate::record::pseudonym::KEYS_TABLE;
use crate::record::{Column, Micros, Period, PseudonymKey, RawSchema, Type, Value};

pub use crate::definition::model::{AlertWhen, Edge, Level, Status};
pub use adhoc::{AdHocPlan, bind_adhoc};
pub use asked::{Asked, Bound};
pub use branch::BRANCH;
pub use depends::Depends;
pub use early::{Early, EarlySelect, NotEarly};
pub use fingerprint::canonical;
pub use hits::{HitsPlan, Node};
pub use key_space::KeySpacePlan;
pub use look_back::LookBack;
pub(crate) use order::{cut_down, name_all_hits};
pub use reads::Reads;
pub use resolve::{ResolveOptions, Resolved, resolve};
pub use same::Same;
pub use title::TitlePart;
pub use training::{LABEL, LABEL_TIME, SAMPLED, TrainingError, TrainingPlan};

/// The graph of a project.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub sources: Vec<SourcePlan>,
    pub lookups: Vec<Arc<LookupPlan>>,
    /// A key is there once whoever runs the plan has read it.
    pub pseudonym_keys: Vec<PseudonymKey>,
    /// The warehouse's table of keys, when it is not [`KEYS_TABLE`]; with its dataset before it where that is another.
    pub keys_table: Option<String>,
    /// In topological order: a feature reads only `flows` and features before it.
    pub features: Vec<FeaturePlan>,
    /// What features read of rules.
    pub hits: Vec<HitsPlan>,
    /// By name; draft rules are not in it.
    pub rules: Vec<Arc<RulePlan>>,
    /// Raw flows kept for an alert.
    pub evidence_rows: usize,
    /// Keys that a feature holds at most.
    pub keys_max: usize,
    /// Rows that a look-back holds in memory.
    pub look_back_rows: usize,
    /// What a run over subscriptions tells of its sources and rules.
    pub health: HealthConfig,
    /// Features that something reads.
    pub live: Vec<bool>,
    /// Columns of `flows` that something reads.
    pub flows_wanted: Vec<bool>,
}

/// What a feature or rule reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    Flows,
    /// Index into [`Plan::features`].
    Feature(usize),
    /// Index into [`Plan::hits`].
    Hits(usize),
}

#[derive(Debug, Clone)]
pub struct SourcePlan {
    pub name: String,
    pub raw: RawSchema,
    /// TIMESTAMP over the raw columns.
    pub event_time: Expr,
    pub lateness: Micros,
    pub future_skew: Micros,
    pub idle_after: Micros,
    pub silent_after: Option<Micros>,
    /// Raw columns of the content key; empty: transport identity.
    pub dedupe: Vec<usize>,
    pub filter: Option<Expr>,
    /// For each column of `flows` what normalization gives; `None` where it gives nothing.
    pub flows: Vec<Option<Expr>>,
}

#[derive(Debug, Clone)]
pub struct LookupPlan {
    pub name: String,
    pub fields: Vec<LookupField>,
    pub rows: Vec<Vec<Value>>,
    /// When each row holds.
    pub valid: Vec<Period>,
    /// Its rows are those of a file of networks: `rows` is empty, and nothing reads it but joins by the longest prefix.
    pub table: Option<Arc<Table>>,
}

/// Columns of another relation beside each row; absent rows give NULL or the declared value.
#[derive(Debug, Clone)]
pub struct JoinPlan {
    pub alias: String,
    pub target: JoinTarget,
    /// Columns added to the scope.
    pub columns: Vec<Column>,
    /// Values for absent rows, by column.
    pub missing: Vec<Option<Value>>,
}

#[derive(Debug, Clone)]
pub enum JoinTarget {
    /// A window of another feature; pairs of (column here, key column there), all that there are.
    Feature { index: usize, on: Vec<(usize, usize)>, at: JoinAt },
    /// Pairs of (column here, column of the lookup); the first is the network when `longest_prefix`.
    Lookup { index: usize, on: Vec<(usize, usize)>, longest_prefix: bool },
}

/// Which window of a feature is joined to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinAt {
    /// The row's own.
    Same,
    /// The last that ended when the row's own began, or ended, and less than so long before.
    AsOf { edge: Edge, max_age: Micros },
}

impl JoinAt {
    /// How long before the end of a row's window, of that size, the windows ended that are joined to it; `None` for those
    /// that end with it.
    pub fn look_back(self, size: Micros) -> Option<Micros> {
        match self {
            Self::Same => None,
            Self::AsOf { edge: Edge::Start, max_age } => Some(Micros(size.0.saturating_add(max_age.0))),
            Self::AsOf { edge: Edge::End, max_age } => Some(max_age),
        }
    }
}

/// Length and step of windows, in microseconds; `size` is a multiple of `every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowPlan {
    /// Of sessions: where they are cut, and no longer than this.
    pub size: Micros,
    /// Of sessions, which end at any time: 1 µs.
    pub every: Micros,
    /// Of sessions: the pause after which another begins.
    pub session_gap: Option<Micros>,
}

impl WindowPlan {
    pub fn is_tumbling(self) -> bool {
        self.session_gap.is_none() && self.size == self.every
    }
}

/// As people write it: `5m`, `5m every 1m`, sessions with a pause of `10m`.
impl std::fmt::Display for WindowPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.session_gap {
            Some(gap) => write!(f, "sessions until a pause of {gap}, cut every {}", self.size),
            None if self.size == self.every => write!(f, "{}", self.size),
            None => write!(f, "{} every {}", self.size, self.every),
        }
    }
}

/// The columns of a feature behind its key.
pub const WINDOW_NAMES: [&str; WINDOW_COLUMNS] = ["window_start", "window_end", "event_time"];
pub const WINDOW_COLUMNS: usize = 3;

#[derive(Debug, Clone)]
pub struct FeaturePlan {
    pub name: String,
    pub upstream: Upstream,
    pub joins: Vec<JoinPlan>,
    /// The scope of `row`, `where`, `key` and arguments: upstream, joins, previous row, `row` columns.
    pub scope: Vec<Column>,
    pub previous: Option<PreviousPlan>,
    pub row: Vec<Item>,
    pub filter: Option<Expr>,
    /// Indexes into the scope.
    pub key: Vec<usize>,
    /// Of look-backs: that of the upstream.
    pub window: WindowPlan,
    /// Of look-backs: of all of them, one after the other.
    pub aggregates: Vec<Aggregate>,
    /// Over the aggregates' results: `ExprKind::Column(i)` is aggregate `i`.
    pub outputs: Vec<Item>,
    /// Over the relation's columns so far.
    pub derive: Vec<Item>,
    /// Key, window columns, carried, outputs, derived.
    pub columns: Vec<Column>,
    /// Windows without rows are there too, until the last of the key with rows ended so long before.
    pub fill: Option<Micros>,
    /// `None` for a feature with windows of its own.
    pub trailing: Option<TrailingPlan>,
}

/// Columns of the row before, of those of the key that `where` lets through.
#[derive(Debug, Clone)]
pub struct PreviousPlan {
    /// Which columns of the upstream.
    pub of: Vec<usize>,
    /// The place of the first in the scope.
    pub at: usize,
    /// What orders rows of one instant: columns of the upstream.
    pub ties: Vec<usize>,
    pub max_gap: Micros,
    /// How many `row` columns are known before: neither the key nor `where` reads any other.
    pub ready: usize,
}

/// Look-backs beside each row of a feature.
#[derive(Debug, Clone)]
pub struct TrailingPlan {
    /// What stays visible of each row behind its window: indexes into the scope.
    pub carried: Vec<usize>,
    pub frames: Vec<FramePlan>,
    /// Which rows are put out; over the relation's columns.
    pub emit: Option<Expr>,
}

/// Rows of one key that ended at or before the start of a row's window, and at most so long before it.
#[derive(Debug, Clone)]
pub struct FramePlan {
    pub name: String,
    /// Indexes into the scope.
    pub key: Vec<usize>,
    pub size: Micros,
    /// Which of the feature's aggregates are its own.
    pub aggregates: Range<usize>,
}

impl FeaturePlan {
    pub fn key_names(&self) -> impl Iterator<Item = &str> {
        self.columns[..self.key.len()].iter().map(|c| c.name.as_str())
    }

    /// The look-backs; none of a feature with windows of its own.
    pub fn frames(&self) -> &[FramePlan] {
        self.trailing.as_ref().map_or(&[], |trailing| &trailing.frames)
    }

    /// What stays visible of the upstream's rows: indexes into the scope.
    pub fn carried(&self) -> &[usize] {
        self.trailing.as_ref().map_or(&[], |trailing| &trailing.carried)
    }

    /// The place of the first output among its columns.
    pub fn outputs_at(&self) -> usize {
        self.key.len() + WINDOW_COLUMNS + self.carried().len()
    }

    /// How long before the end of a row's window the rows lie that count in it.
    pub fn look_back(&self) -> Micros {
        let longest = self.frames().iter().map(|frame| frame.size.0).max().unwrap_or(0);
        let gap = self.previous.as_ref().map_or(0, |previous| previous.max_gap.0);
        let filled = self.fill.map_or(0, |expire| expire.0);
        Micros(self.window.size.0.saturating_add(longest).saturating_add(gap).saturating_add(filled))
    }
}

#[derive(Debug, Clone)]
pub struct RulePlan {
    pub name: String,
    pub title: String,
    pub status: Status,
    /// Do features read its hits?
    pub feeds: bool,
    pub severity: Level,
    pub owner: String,
    pub attack: Vec<String>,
    pub references: Vec<String>,
    pub runbook: String,
    /// The SELECTs of the query; one, or those that UNION ALL joins.
    pub branches: Vec<BranchPlan>,
    /// The columns of a hit, as the items of each branch.
    pub columns: Vec<Column>,
    /// The upstream's key in the hit, for the hit's id; `row_id` for a rule over `flows`.
    pub key: Vec<usize>,
    /// `window_start` and `window_end` in the hit; both `event_time` for a rule over `flows`.
    pub window: (usize, usize),
    pub event_time: usize,
    pub entities: Vec<EntityPlan>,
    pub score: Option<ScorePlan>,
    pub when: AlertWhen,
    pub alert_title: Vec<TitlePart>,
    pub alert_key: Vec<usize>,
    pub merge_within: Micros,
    pub exceptions: Vec<ExceptionPlan>,
    pub params: Vec<(String, Value)>,
    /// Changes with what the rule means, not with its name; made when all of the plan is bound.
    pub fingerprint: String,
}

/// One SELECT of a rule.
#[derive(Debug, Clone)]
pub struct BranchPlan {
    pub upstream: Upstream,
    pub select: SelectPlan,
}

/// `SELECT items FROM … WHERE filter QUALIFY qualify`.
#[derive(Debug, Clone)]
pub struct SelectPlan {
    pub joins: Vec<JoinPlan>,
    /// What is read, and joins.
    pub scope: Vec<Column>,
    pub filter: Option<Expr>,
    /// Of the rows that are left; each is a column behind the scope's.
    pub ranks: Vec<Rank>,
    pub qualify: Option<Expr>,
    pub items: Vec<Item>,
}

impl SelectPlan {
    /// Every expression of it.
    pub fn expressions(&self) -> impl Iterator<Item = &Expr> {
        let items = self.items.iter().map(|item| &item.expr);
        let ranks = self.ranks.iter().flat_map(|rank| {
            let order = rank.order.iter().map(|key| &key.expr);
            rank.partition.iter().chain(order)
        });
        items.chain(&self.filter).chain(ranks).chain(&self.qualify)
    }

    /// What `qualify` and the items are over: the scope, and a column for each rank.
    pub fn ranked_scope(&self) -> Vec<Column> {
        let ranks = self.ranks.iter().map(|rank| Column::new(rank.function.name(), Type::Int64, false));
        self.scope.iter().cloned().chain(ranks).collect()
    }
}

impl RulePlan {
    /// The relations that it reads.
    pub fn upstreams(&self) -> impl Iterator<Item = Upstream> {
        self.branches.iter().map(|branch| branch.upstream)
    }

    /// Does it read rows that may be late? All of its SELECTs do then.
    pub fn reads_flows(&self) -> bool {
        self.upstreams().any(|upstream| upstream == Upstream::Flows)
    }
}

#[derive(Debug, Clone)]
pub struct EntityPlan {
    pub ty: String,
    pub role: String,
    pub column: usize,
}

#[derive(Debug, Clone)]
pub struct ScorePlan {
    /// FLOAT64 over the hit's columns.
    pub value: Expr,
    pub weight: f64,
}

#[derive(Debug, Clone)]
pub struct ExceptionPlan {
    /// Over the hit's columns.
    pub when: Expr,
    pub reason: String,
    pub valid: Period,
}

impl Plan {
    /// The pseudonym keys that some source needs.
    pub fn keys_used(&self) -> impl Iterator<Item = &PseudonymKey> {
        self.keys_of(self.sources.iter())
    }

    /// Those that some of these sources needs.
    pub fn keys_of<'p>(
        &'p self,
        sources: impl Iterator<Item = &'p SourcePlan>,
    ) -> impl Iterator<Item = &'p PseudonymKey> {
        let of_source = |source: &SourcePlan| {
            let raw = source.raw.fields.iter().filter_map(|field| field.pseudonym.clone());
            raw.chain(source.pseudonym_ids()).collect::<Vec<_>>()
        };
        let ids: Vec<String> = sources.flat_map(of_source).collect();
        self.pseudonym_keys.iter().filter(move |key| ids.contains(&key.id))
    }

    /// A key that is another than it was under its id, or is not there any more: what makes pseudonyms has the one before.
    pub fn other_key<'p>(&'p self, before: &'p Self) -> Option<&'p PseudonymKey> {
        self.keys_used().find(|key| {
            let was = before.keys_used().find(|was| was.id == key.id).and_then(|was| was.key.as_ref().ok());
            was.is_some_and(|was| key.key.as_ref().ok().is_none_or(|key| key.check_value() != was.check_value()))
        })
    }

    /// The warehouse's table of pseudonym keys.
    pub fn keys_table(&self) -> &str {
        self.keys_table.as_deref().unwrap_or(KEYS_TABLE)
    }

    /// The columns of a relation.
    pub fn columns(&self, upstream: Upstream) -> Vec<Column> {
        match upstream {
            Upstream::Flows => crate::record::flow::columns(),
            Upstream::Feature(index) => self.features[index].columns.clone(),
            Upstream::Hits(_) => hits::columns(),
        }
    }

    pub fn feature(&self, name: &str) -> Option<usize> {
        self.features.iter().position(|f| f.name == name)
    }

    /// The name of a relation, for messages.
    pub fn relation_name(&self, upstream: Upstream) -> &str {
        match upstream {
            Upstream::Flows => crate::record::flow::FLOWS,
            Upstream::Feature(index) => &self.features[index].name,
            Upstream::Hits(index) => &self.hits[index].name,
        }
    }
}
