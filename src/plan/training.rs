//! Training rows: labels, each beside what features said of its entity before its time.

use crate::record::{Column, Micros, Type, Value};

use super::{FeaturePlan, Plan, WINDOW_COLUMNS};

/// A label's time and value, beside the key.
pub const LABEL_TIME: &str = "label_time";
pub const LABEL: &str = "label";
/// Is the row a sampled negative?
pub const SAMPLED: &str = "sampled";

/// Names that a key cannot have beside those of training rows and of the SQL that makes them.
const RESERVED: [&str; 8] = [LABEL_TIME, LABEL, SAMPLED, "label_number", "at_time", "is_label", "held", "known"];

/// What training rows are made of.
#[derive(Debug, Clone)]
pub struct TrainingPlan {
    /// Indexes into the plan's features; the first one's windows are the candidates for negatives.
    pub features: Vec<usize>,
    /// The key columns of all features, each once: labels have them.
    pub key: Vec<Column>,
    pub label: Type,
    /// What is older than that at the label's time is not known.
    pub max_age: Micros,
    /// Sampled negatives for each label.
    pub negatives: u32,
    pub seed: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    #[error("no feature is named {name}\nhelp: the features are {known}")]
    Unknown { name: String, known: String },
    #[error("{0} is named twice\nhelp: name each feature once")]
    Twice(String),
    #[error("the key column {column} is {one} in one feature and {other} in another\nhelp: make them one type")]
    KeyType { column: String, one: Type, other: Type },
    #[error("the feature {feature} has a key column {column}, which training rows have of their own\nhelp: rename it")]
    Reserved { feature: String, column: String },
    #[error(
        "negatives are windows of {first}, whose key has no {column}\nhelp: name a feature first whose key is that of all: {known}"
    )]
    Anchor { first: String, column: String, known: String },
}

impl TrainingPlan {
    pub fn new(
        plan: &Plan,
        features: &[String],
        label: Type,
        max_age: Micros,
        negatives: u32,
        seed: i64,
    ) -> Result<Self, TrainingError> {
        let known = || plan.features.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ");
        let mut found: Vec<usize> = Vec::new();
        let mut key: Vec<Column> = Vec::new();
        for name in features {
            let unknown = || TrainingError::Unknown { name: name.clone(), known: known() };
            let index = plan.feature(name).ok_or_else(unknown)?;
            if found.contains(&index) {
                return Err(TrainingError::Twice(name.clone()));
            }
            found.push(index);
            let feature = &plan.features[index];
            for column in &feature.columns[..feature.key.len()] {
                if RESERVED.iter().any(|own| own.eq_ignore_ascii_case(&column.name)) {
                    let (feature, column) = (feature.name.clone(), column.name.clone());
                    return Err(TrainingError::Reserved { feature, column });
                }
                match key.iter().find(|other| other.name == column.name) {
                    None => key.push(Column::new(column.name.clone(), column.ty, true)),
                    Some(other) if other.ty == column.ty => {}
                    Some(other) => {
                        let (column, one, other) = (column.name.clone(), other.ty, column.ty);
                        return Err(TrainingError::KeyType { column, one, other });
                    }
                }
            }
        }
        let training = Self { features: found, key, label, max_age, negatives, seed };
        match training.features.first().map(|index| &plan.features[*index]).filter(|_| negatives > 0) {
            Some(first) => {
                let whole = |column: &&Column| !first.key_names().any(|name| name == column.name);
                match training.key.iter().find(whole) {
                    Some(column) => Err(TrainingError::Anchor {
                        first: first.name.clone(),
                        column: column.name.clone(),
                        known: features.join(", "),
                    }),
                    None => Ok(training),
                }
            }
            None => Ok(training),
        }
    }

    /// The place of each key column of a feature among those of the labels.
    pub fn key_places(&self, feature: &FeaturePlan) -> Vec<usize> {
        let place = |name: &str| self.key.iter().position(|column| column.name == name);
        feature.key_names().filter_map(place).collect()
    }

    /// The columns of a feature that training rows have: when the window ended, and what it held.
    pub fn carried(feature: &FeaturePlan) -> Vec<usize> {
        let window_end = feature.key.len() + 1;
        let held = feature.key.len() + WINDOW_COLUMNS;
        std::iter::once(window_end).chain(held..feature.columns.len()).collect()
    }

    /// A sampled negative's label.
    pub fn negative(&self) -> Value {
        match self.label {
            Type::Bool => Value::Bool(false),
            Type::Float64 => Value::Float64(0.0),
            Type::String => Value::String("benign".to_owned()),
            _ => Value::Int64(0),
        }
    }

    /// The columns of a label.
    pub fn label_columns(&self) -> Vec<Column> {
        let own = [Column::new(LABEL_TIME, Type::Timestamp, false), Column::new(LABEL, self.label, true)];
        self.key.iter().cloned().chain(own).collect()
    }

    /// The columns of a training row.
    pub fn columns(&self, plan: &Plan) -> Vec<Column> {
        let mut columns = self.label_columns();
        columns.push(Column::new(SAMPLED, Type::Bool, false));
        for feature in self.features.iter().map(|index| &plan.features[*index]) {
            let carried = Self::carried(feature).into_iter().map(|column| &feature.columns[column]);
            columns.extend(carried.map(|c| Column::new(format!("{}_{}", feature.name, c.name), c.ty, true)));
        }
        columns
    }
}
