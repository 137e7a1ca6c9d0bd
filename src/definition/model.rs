//! The typed definitions of a project. Every name and every SQL text keeps its place ([`Text`]).
//!
//! Expressions are texts here: `plan` binds them. YAML shapes are in the sibling files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diagnostic::{FileId, Span, Text};
use crate::mmdb::Table;
use crate::record::alert::Phase;
use crate::record::{Carried, Decode, EventTime, Format, KeyPlace, Micros, Type, Value, WebAddress};

/// A detection project: one folder.
#[derive(Debug, Clone, Default)]
pub struct Project {
    pub config: Config,
    pub sources: Vec<Source>,
    pub lookups: Vec<Lookup>,
    pub features: Vec<Feature>,
    pub rules: Vec<Rule>,
    /// Definitions in whose files something was wrong, by name (the file's when the name could not be
    /// read). They may be missing above or lack parts, so nothing is said about what refers to them.
    pub broken: BTreeSet<String>,
}

/// `tripline.yaml`: what runs where, and overrides by rule.
#[derive(Debug, Clone)]
pub struct Config {
    pub name: Option<Text>,
    /// Raw flows kept as evidence in an alert (default 3, 0 to 100).
    pub evidence: u32,
    /// Keys that each feature holds at most.
    pub keys_max: usize,
    /// Rows that each look-back holds in memory.
    pub look_back_rows: usize,
    pub overrides: BTreeMap<String, Override>,
    pub warehouse: WarehouseConfig,
    /// Where alerts of a run over subscriptions go, in the order of the file.
    pub sinks: Vec<SinkConfig>,
    /// Where refused records of such a run go.
    pub dead_letters: Option<DeadLetters>,
    pub pseudonym_keys: Vec<PseudonymKeyConfig>,
    /// What is an alert beside what rules find.
    pub health: HealthConfig,
    /// The file, and what it says but for `sinks`, on which nothing that is computed depends.
    pub said: Option<(FileId, String)>,
}

/// `health:` of `tripline.yaml`: what a run over subscriptions tells of its sources and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthConfig {
    pub alerts: bool,
    /// Silence of a source that is told of, where it does not say itself; `None`: by what is usual.
    pub silent_after: Option<Micros>,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { alerts: true, silent_after: None }
    }
}

/// One of `sinks:` of `tripline.yaml`. Secrets are named by their variables, never written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkConfig {
    pub name: String,
    /// Alerts below it are not told.
    pub min_severity: Option<Level>,
    /// Alerts of one rule that it is told of in an hour.
    pub per_hour: Option<u64>,
    /// What it is told of an incident.
    pub phases: Vec<Phase>,
    pub format: SinkFormat,
    /// For one attempt.
    pub timeout: Micros,
    pub place: SinkPlace,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkPlace {
    Webhook(WebhookConfig),
    Topic {
        /// `projects/PROJECT/topics/NAME`.
        topic: String,
        ordering: bool,
    },
    /// Of BigQuery.
    Table {
        project: String,
        dataset: String,
        table: String,
    },
}

/// `dead_letters:` of `tripline.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetters {
    File(String),
    /// `projects/PROJECT/topics/NAME`.
    Topic(String),
}

/// One of `pseudonym_keys:` of `tripline.yaml`: where a secret key is.
#[derive(Debug, Clone)]
pub struct PseudonymKeyConfig {
    pub name: Text,
    /// Stands before its pseudonyms.
    pub id: String,
    pub place: KeyPlace,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    pub url: SinkUrl,
    /// (header, value)
    pub headers: Vec<(String, String)>,
    /// (header, variable)
    pub headers_env: Vec<(String, String)>,
    pub secret_env: Option<String>,
    /// Of the format.
    pub token_env: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkUrl {
    Written(WebAddress),
    /// The name of an environment variable.
    Variable(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkFormat {
    Json,
    Slack,
    PagerDuty,
    Splunk,
    Ocsf,
}

impl SinkFormat {
    pub const ALL: [Self; 5] = [Self::Json, Self::Slack, Self::PagerDuty, Self::Splunk, Self::Ocsf];

    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Slack => "slack",
            Self::PagerDuty => "pagerduty",
            Self::Splunk => "splunk",
            Self::Ocsf => "ocsf",
        }
    }

    /// Does it need a token?
    pub fn has_token(self) -> bool {
        matches!(self, Self::PagerDuty | Self::Splunk)
    }
}

/// `warehouse:` of `tripline.yaml`: where the history lies in BigQuery, as far as it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WarehouseConfig {
    pub project: Option<String>,
    pub dataset: Option<String>,
    pub location: Option<String>,
    pub endpoint: Option<String>,
    /// The table of pseudonym keys: `TABLE`, `DATASET.TABLE` or `PROJECT.DATASET.TABLE`.
    pub keys_table: Option<Text>,
    pub labels: Vec<(String, String)>,
}

/// `rules: {NAME: {params, status, exceptions}}` of `tripline.yaml`.
#[derive(Debug, Clone)]
pub struct Override {
    pub rule: Text,
    pub params: Vec<(Text, Value)>,
    pub status: Option<Status>,
    pub exceptions: Vec<Exception>,
}

/// A column of a raw record.
#[derive(Debug, Clone)]
pub struct RawColumn {
    pub name: Text,
    /// The field in the record when it is not `name` (Zeek's `id.orig_h`); the first that is present counts.
    pub fields: Vec<String>,
    pub ty: Type,
    pub decode: Decode,
    /// The name of the key under which its values become pseudonyms.
    pub pseudonymize: Option<Text>,
    /// It is of the message around the record.
    pub carried: Option<Carried>,
    /// A record without it is rejected.
    pub required: bool,
}

/// `sql/NAME/source.yaml` with `sql/NAME/flows.sql`.
#[derive(Debug, Clone)]
pub struct Source {
    pub name: Text,
    pub description: String,
    pub format: Format,
    pub columns: Vec<RawColumn>,
    /// An expression over the raw columns.
    pub event_time: Text,
    pub lateness: Micros,
    /// Where `lateness` stands, or what stands for it.
    pub lateness_span: Span,
    /// Live input only: a row further ahead of the clock is rejected.
    pub future_skew: Micros,
    /// Live input only: silence after which the clock moves the watermark.
    pub idle_after: Micros,
    /// Subscriptions only: silence after which people are told; `None`: by what is usual.
    pub silent_after: Option<Micros>,
    /// Content key for duplicates: raw columns; empty: transport identity.
    pub dedupe: Vec<Text>,
    /// Normalization: one SELECT over the raw record.
    pub flows: Text,
}

/// `sql/lookups/NAME.yaml` with `NAME.csv`, or with the file that its `mmdb` names.
#[derive(Debug, Clone)]
pub struct Lookup {
    pub name: Text,
    pub description: String,
    /// The file's columns; `cidr` marks networks, matched by longest prefix.
    pub columns: Vec<LookupColumn>,
    pub key: Vec<Text>,
    pub rows: Vec<LookupRow>,
    /// Its rows are those of a file of networks: `rows` is empty.
    pub table: Option<Arc<Table>>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct LookupColumn {
    pub name: Text,
    pub ty: Type,
    pub nullable: bool,
    pub cidr: bool,
}

#[derive(Debug, Clone)]
pub struct LookupRow {
    pub values: Vec<Value>,
    pub valid_from: Option<EventTime>,
    pub valid_to: Option<EventTime>,
    pub span: Span,
}

/// `features/NAME.yaml`: a windowed aggregation.
#[derive(Debug, Clone)]
pub struct Feature {
    pub name: Text,
    pub description: String,
    pub from: Text,
    pub join: Vec<Join>,
    pub previous: Option<Previous>,
    pub row: Vec<(Text, Text)>,
    pub filter: Option<Text>,
    pub kind: FeatureKind,
    pub derive: Vec<(Text, Text)>,
    pub span: Span,
}

/// Columns of a key's row before.
#[derive(Debug, Clone)]
pub struct Previous {
    pub columns: Vec<Text>,
    /// No row from longer before.
    pub max_gap: Micros,
    pub max_gap_span: Span,
}

#[derive(Debug, Clone)]
pub enum FeatureKind {
    Windows {
        key: Vec<Text>,
        window: Window,
        columns: Vec<(Text, Text)>,
        fill: Option<Fill>,
    },
    /// Look-backs beside each row of the feature that it reads.
    Trailing {
        frames: Vec<Frame>,
        /// Which rows are put out.
        emit: Option<Text>,
    },
}

/// Windows without rows are there too, of keys that had some.
#[derive(Debug, Clone)]
pub struct Fill {
    /// How long after the last with rows.
    pub expire: Micros,
    pub span: Span,
}

/// A look-back over earlier rows of the same key.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Before the names of its columns.
    pub name: Text,
    pub key: Vec<Text>,
    pub size: Micros,
    pub size_span: Span,
    pub columns: Vec<(Text, Text)>,
}

impl Feature {
    /// The aggregates, by name; those of look-backs one after the other.
    pub fn aggregates(&self) -> Vec<&(Text, Text)> {
        match &self.kind {
            FeatureKind::Windows { columns, .. } => columns.iter().collect(),
            FeatureKind::Trailing { frames, .. } => frames.iter().flat_map(|frame| &frame.columns).collect(),
        }
    }

    pub fn aggregates_mut(&mut self) -> Vec<&mut (Text, Text)> {
        match &mut self.kind {
            FeatureKind::Windows { columns, .. } => columns.iter_mut().collect(),
            FeatureKind::Trailing { frames, .. } => frames.iter_mut().flat_map(|frame| &mut frame.columns).collect(),
        }
    }

    /// Names of the columns that it computes from many rows.
    pub fn computed(&self) -> Vec<Text> {
        let of_frame = |frame: &Frame| {
            let prefix = frame.name.clone();
            let of = move |(name, _): &(Text, Text)| Text {
                text: format!("{}_{}", prefix.text, name.text),
                map: name.map.clone(),
            };
            frame.columns.iter().map(of).collect::<Vec<_>>()
        };
        match &self.kind {
            FeatureKind::Windows { columns, .. } => columns.iter().map(|(name, _)| name.clone()).collect(),
            FeatureKind::Trailing { frames, .. } => frames.iter().flat_map(of_frame).collect(),
        }
    }
}

/// Tumbling when `every == size`.
#[derive(Debug, Clone)]
pub struct Window {
    /// Of sessions: their `max`.
    pub size: Micros,
    pub every: Micros,
    /// Of sessions: the pause after which another begins.
    pub session_gap: Option<Micros>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Join {
    pub target: JoinTarget,
    /// The qualifier of its columns (`a.flows`).
    pub alias: Text,
    pub missing: Vec<(Text, Value)>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum JoinTarget {
    /// The same window, or the last one before; `pairs`: (column here, key column there), or the key columns that both have.
    Feature { name: Text, pairs: Option<Vec<(Text, Text)>>, as_of: Option<AsOf> },
    /// `pairs`: (column here, column of the lookup).
    Lookup { name: Text, pairs: Vec<(Text, Text)>, longest_prefix: bool },
}

/// Which of a feature's rows is joined, when it is not that of the same window: the last that ended by then.
#[derive(Debug, Clone)]
pub struct AsOf {
    pub edge: Edge,
    /// How long after its end a row is joined.
    pub max_age: Option<Micros>,
    pub span: Span,
}

/// An end of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Start,
    End,
}

impl Edge {
    /// The column of a feature that has it.
    pub fn column(self) -> &'static str {
        match self {
            Self::Start => "window_start",
            Self::End => "window_end",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Does not run.
    Draft,
    /// Runs; its hits are marked and alert nobody.
    Shadow,
    Stable,
    Deprecated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Status {
    pub const ALL: [Self; 4] = [Self::Draft, Self::Shadow, Self::Stable, Self::Deprecated];

    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Shadow => "shadow",
            Self::Stable => "stable",
            Self::Deprecated => "deprecated",
        }
    }
}

impl Level {
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertWhen {
    Always,
    Risk,
    Never,
}

impl AlertWhen {
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Risk => "risk",
            Self::Never => "never",
        }
    }
}

/// `rules/NAME.yaml`.
#[derive(Debug, Clone)]
pub struct Rule {
    pub name: Text,
    pub title: String,
    pub description: String,
    pub status: Status,
    pub severity: Level,
    pub owner: String,
    pub attack: Vec<Text>,
    pub references: Vec<String>,
    pub false_positives: Vec<String>,
    pub params: Vec<Param>,
    pub join: Vec<Join>,
    pub sql: Text,
    pub entities: Vec<Entity>,
    pub score: Option<Score>,
    pub alert: Alert,
    pub exceptions: Vec<Exception>,
    pub runbook: String,
    pub tests: Vec<Case>,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Param {
    pub name: Text,
    pub default: Value,
    pub min: Option<Value>,
    pub max: Option<Value>,
    pub description: String,
}

#[derive(Debug, Clone)]
pub struct Entity {
    /// `ip`, `user`, `host`, …
    pub ty: Text,
    pub column: Text,
    /// `actor`, `victim`, …
    pub role: Text,
}

#[derive(Debug, Clone)]
pub struct Score {
    /// FLOAT64 over the rule's columns, 0 to 1.
    pub value: Text,
    pub weight: f64,
}

#[derive(Debug, Clone)]
pub struct Alert {
    pub when: AlertWhen,
    /// `{column}` is replaced by the column's value.
    pub title: Text,
    /// Columns of the rule; the feature's key when it is left out.
    pub key: Option<Vec<Text>>,
    pub merge_within: Micros,
    /// Where `merge_within` stands, or what stands for it.
    pub merge_within_span: Span,
}

#[derive(Debug, Clone)]
pub struct Exception {
    /// A condition over the rule's columns.
    pub when: Text,
    pub reason: String,
    pub owner: String,
    pub from: Option<EventTime>,
    pub to: Option<EventTime>,
    pub span: Span,
}

/// A row of a test: column to value, in the order of the file.
pub type CaseRow = Vec<(Text, Scalar)>;

/// One test of a rule.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: Text,
    pub start: EventTime,
    pub given: Vec<Given>,
    pub lookups: Vec<(Text, Vec<CaseRow>)>,
    pub params: Vec<(Text, Scalar)>,
    pub shuffle: Option<Shuffle>,
    pub expect: Expect,
    pub span: Span,
}

/// Rows given to a test: `repeat` rows from `at`, `every` apart; in texts `${…}` is evaluated with `i`.
#[derive(Debug, Clone)]
pub struct Given {
    pub at: Micros,
    pub every: Micros,
    pub repeat: u64,
    pub row: CaseRow,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Shuffle {
    pub max_delay: Micros,
    pub max_delay_span: Span,
    pub seeds: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// How many alerts of this rule.
    pub alerts: Option<u64>,
    /// Fields that an alert of this rule must have, one map an alert, in order of time.
    pub fields: Vec<CaseRow>,
    /// Rows that a relation must have among its own: (relation, rows). Without rows: the relation must be empty.
    pub rows: Vec<(Text, Vec<CaseRow>)>,
}

/// A value as written in YAML, typed later by its column (`NO` is Norway, `22:30` a string).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// `None` is YAML's null.
    pub text: Option<Text>,
    pub quoted: bool,
    /// A YAML sequence (`[SYN, ACK]`); `text` is then `None`.
    pub list: Option<Vec<Self>>,
}
