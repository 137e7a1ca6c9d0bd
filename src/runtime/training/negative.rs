//! Sampled negatives: windows of entities that no label is about, chosen by a hash that a seed decides. The same windows
//! in any order give the same sample, on every engine.

use std::collections::{BTreeMap, HashSet};

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::TimestampMicrosecondType;

use crate::plan::{FeaturePlan, Plan, TrainingPlan};
use crate::record::{Value, fingerprint64, key_text};

use super::{Label, Windows};

/// Hash, key as text, window's end.
type Place = (i64, String, i64);

/// The sample while windows come.
pub struct Negatives {
    feature: FeaturePlan,
    /// The place of each of the feature's key columns among the label's.
    places: Vec<usize>,
    labelled: HashSet<String>,
    wanted: usize,
    seed: i64,
    value: Value,
    chosen: BTreeMap<Place, Vec<Value>>,
}

impl Negatives {
    /// `None` where none are wanted.
    pub fn new(plan: &Plan, training: &TrainingPlan, labels: &[Label]) -> Option<Self> {
        let feature = plan.features[*training.features.first()?].clone();
        let wanted = labels.len().checked_mul(training.negatives as usize).filter(|wanted| *wanted > 0)?;
        let places = training.key_places(&feature);
        let of = |label: &Label| key_text(&places.iter().map(|place| label.key[*place].clone()).collect::<Vec<_>>());
        Some(Self {
            labelled: labels.iter().map(of).collect(),
            wanted,
            seed: training.seed,
            value: training.negative(),
            chosen: BTreeMap::new(),
            places,
            feature,
        })
    }

    pub fn feature(&self) -> &str {
        &self.feature.name
    }

    fn push(&mut self, rows: &RecordBatch) {
        let keys = self.feature.key.len();
        let ends = rows.column(keys + 1).as_primitive::<TimestampMicrosecondType>();
        for row in 0..rows.num_rows() {
            let at = |column: usize| Value::at(rows.column(column), row, self.feature.columns[column].ty);
            let key: Vec<Value> = (0..keys).map(at).collect();
            let text = key_text(&key);
            if self.labelled.contains(&text) {
                continue;
            }
            let end = ends.value(row);
            let hash = fingerprint64(format!("{}:{text}{end}", self.seed).as_bytes()).cast_signed();
            self.chosen.insert((hash, text, end), key);
            if self.chosen.len() > self.wanted {
                self.chosen.pop_last();
            }
        }
    }

    /// The sample, as labels.
    pub fn finish(&mut self) -> Vec<Label> {
        let chosen = std::mem::take(&mut self.chosen);
        let label = |((_, _, end), key): (Place, Vec<Value>)| {
            let mut whole = vec![Value::Int64(0); self.places.len()];
            self.places.iter().zip(key).for_each(|(place, value)| whole[*place] = value);
            Label { key: whole, time: end, value: self.value.clone(), sampled: true }
        };
        chosen.into_iter().map(label).collect()
    }
}

impl Windows for Negatives {
    fn take(&mut self, feature: &str, rows: &RecordBatch) {
        if feature == self.feature.name {
            self.push(rows);
        }
    }
}
