//! What is said of an incident, and the columns of the relation `alerts`, wherever its rows are written.

use serde::{Deserialize, Serialize};

use super::types::{Column, Type};

pub const ALERTS: &str = "alerts";

/// Names of rules that begin so are the program's own: alerts about a run's sources and rules, which no other run gives.
pub const OWN_RULES: &str = "tripline.";

/// What an alert says of its incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// There is one: a hit is certain.
    First,
    /// It has grown.
    Update,
    /// It is over.
    Final,
    /// There is none: the hit that was certain has not come.
    Withdrawn,
}

impl Phase {
    pub const ALL: [Self; 4] = [Self::First, Self::Update, Self::Final, Self::Withdrawn];

    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Update => "update",
            Self::Final => "final",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Of its table in a warehouse.
const COLUMNS: [(&str, Type); 11] = [
    ("alert_id", Type::String),
    ("rule", Type::String),
    ("severity", Type::String),
    ("event_time", Type::Timestamp),
    ("last_time", Type::Timestamp),
    ("hits", Type::Int64),
    ("score", Type::Float64),
    ("hit_id", Type::String),
    ("title", Type::String),
    ("values", Type::String),
    ("fingerprint", Type::String),
];

/// What a run knows besides; `record` is the alert as it is written.
const OF_A_RUN: [(&str, Type); 2] = [("partial", Type::Bool), ("record", Type::String)];

pub fn columns() -> Vec<Column> {
    COLUMNS.iter().map(|(name, ty)| Column::new(*name, *ty, true)).collect()
}

/// Those of a run or a backfill over files.
pub fn columns_of_a_run() -> Vec<Column> {
    COLUMNS.iter().chain(&OF_A_RUN).map(|(name, ty)| Column::new(*name, *ty, true)).collect()
}
