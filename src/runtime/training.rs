//! Training rows, right at each label's time: labels and windows are one sequence by time, and a label takes the last
//! window of its entity before it. A window is known when it has ended; nothing of what comes after is.

mod negative;
pub mod place;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{concat_batches, take};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use hashbrown::HashMap;

use crate::pipeline::batch;
use crate::plan::{FeaturePlan, Plan, TrainingPlan};
use crate::port::RowWriter;
use crate::record::{Column, Type, Value, key_text};

pub use negative::Negatives;

/// A label: what is known of whom, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// In the order of [`TrainingPlan::key`].
    pub key: Vec<Value>,
    pub time: i64,
    pub value: Value,
    pub sampled: bool,
}

/// The labels of a batch whose columns are [`TrainingPlan::label_columns`].
pub fn labels(plan: &TrainingPlan, rows: &RecordBatch) -> Vec<Label> {
    let columns = plan.label_columns();
    let at = |row: usize, column: usize| Value::at(rows.column(column), row, columns[column].ty);
    let keys = plan.key.len();
    let label = |row: usize| Label {
        key: (0..keys).map(|column| at(row, column)).collect(),
        time: match at(row, keys) {
            Value::Timestamp(time) => time,
            _ => 0,
        },
        value: at(row, keys + 1),
        sampled: false,
    };
    (0..rows.num_rows()).map(label).collect()
}

/// What one feature says of the labels.
struct Known {
    key: Vec<usize>,
    window_end: usize,
    carried: Vec<usize>,
    entities: HashMap<String, Entity>,
    /// For each label the row that was known, by its place in `rows`.
    found: Vec<Option<u32>>,
    /// One-row batches that labels have taken.
    rows: Vec<RecordBatch>,
    max_age: i64,
}

/// The labels of one entity by time, and its last window.
struct Entity {
    labels: Vec<(i64, usize)>,
    next: usize,
    last: Option<(i64, RecordBatch)>,
    /// The place of `last` in `rows`, once a label has taken it.
    taken: Option<u32>,
}

impl Known {
    fn new(training: &TrainingPlan, feature: &FeaturePlan, labels: &[Label]) -> Self {
        let places = training.key_places(feature);
        let mut entities: HashMap<String, Entity> = HashMap::new();
        for (index, label) in labels.iter().enumerate() {
            let key: Vec<Value> = places.iter().map(|place| label.key[*place].clone()).collect();
            let entity = entities.entry(key_text(&key));
            let entity = entity.or_insert_with(|| Entity { labels: Vec::new(), next: 0, last: None, taken: None });
            entity.labels.push((label.time, index));
        }
        entities.values_mut().for_each(|entity| entity.labels.sort_unstable());
        Self {
            key: (0..feature.key.len()).collect(),
            window_end: feature.key.len() + 1,
            carried: TrainingPlan::carried(feature),
            entities,
            found: vec![None; labels.len()],
            rows: Vec::new(),
            max_age: training.max_age.0,
        }
    }

    /// Windows of the feature, in the order in which they ended.
    fn push(&mut self, feature: &FeaturePlan, rows: &RecordBatch) {
        let ends = rows.column(self.window_end).as_primitive::<TimestampMicrosecondType>();
        for row in 0..rows.num_rows() {
            let at = |column: &usize| Value::at(rows.column(*column), row, feature.columns[*column].ty);
            let key: Vec<Value> = self.key.iter().map(at).collect();
            let Some(entity) = self.entities.get_mut(&key_text(&key)) else { continue };
            let end = ends.value(row);
            // Labels before this window's end have seen all that they may.
            entity.settle(|time| time < end, self.max_age, &mut self.found, &mut self.rows);
            entity.last = Some((end, rows.slice(row, 1)));
            entity.taken = None;
        }
    }

    fn finish(&mut self) {
        for entity in self.entities.values_mut() {
            entity.settle(|_| true, self.max_age, &mut self.found, &mut self.rows);
        }
    }

    /// The carried columns, a row for each label.
    fn columns(&self, feature: &FeaturePlan) -> Result<Vec<ArrayRef>, ArrowError> {
        let fields: Vec<Column> = feature.columns.clone();
        let schema = batch::schema(&fields);
        let own = |row: &RecordBatch| batch::leading(&schema, row.columns()[..fields.len()].to_vec(), 1);
        let rows = self.rows.iter().map(own).collect::<Result<Vec<_>, _>>()?;
        let taken = concat_batches(&schema, &rows)?;
        let picks: UInt32Array = self.found.iter().copied().collect();
        self.carried.iter().map(|column| take(taken.column(*column), &picks, None)).collect()
    }
}

impl Entity {
    /// Gives the last window to the labels that come next, while they are `before` what comes now.
    fn settle(
        &mut self,
        before: impl Fn(i64) -> bool,
        max_age: i64,
        found: &mut [Option<u32>],
        rows: &mut Vec<RecordBatch>,
    ) {
        while let Some((time, label)) = self.labels.get(self.next).copied().filter(|(time, _)| before(*time)) {
            self.next += 1;
            let Some((end, row)) = &self.last else { continue };
            if *end < time.saturating_sub(max_age) {
                continue;
            }
            let place = *self.taken.get_or_insert_with(|| {
                rows.push(row.clone());
                u32::try_from(rows.len() - 1).unwrap_or(u32::MAX)
            });
            found[label] = Some(place);
        }
    }
}

/// Of how many rows a feature says something, and of how many of the labels among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownOf {
    pub feature: String,
    pub rows: u64,
    pub labels: u64,
}

/// Training rows while windows come.
pub struct Training {
    plan: TrainingPlan,
    features: Vec<FeaturePlan>,
    columns: Vec<Column>,
    labels: Vec<Label>,
    known: Vec<Known>,
}

impl Training {
    pub fn new(plan: &Plan, training: &TrainingPlan, labels: Vec<Label>) -> Self {
        let features: Vec<FeaturePlan> = training.features.iter().map(|index| plan.features[*index].clone()).collect();
        Self {
            columns: training.columns(plan),
            known: features.iter().map(|feature| Known::new(training, feature, &labels)).collect(),
            plan: training.clone(),
            features,
            labels,
        }
    }

    /// Windows of a feature.
    pub fn push(&mut self, feature: &str, rows: &RecordBatch) {
        for (plan, known) in self.features.iter().zip(&mut self.known) {
            if plan.name == feature {
                known.push(plan, rows);
            }
        }
    }

    /// All windows have come.
    pub fn finish(&mut self) {
        self.known.iter_mut().for_each(Known::finish);
    }

    /// A row for each label, in the order of the labels.
    pub fn rows(&self) -> Result<RecordBatch, ArrowError> {
        let count = self.labels.len();
        let of = |ty: Type, value: &dyn Fn(&Label) -> Value| -> Result<ArrayRef, ArrowError> {
            let values = self.labels.iter().map(|label| crate::target::datafusion::scalar(&value(label)));
            if count == 0 {
                return Ok(datafusion::arrow::array::new_empty_array(&ty.arrow()));
            }
            ScalarValue::iter_to_array(values).map_err(|error| ArrowError::ExternalError(Box::new(error)))
        };
        let mut columns = Vec::with_capacity(self.columns.len());
        for (place, column) in self.plan.key.iter().enumerate() {
            columns.push(of(column.ty, &|label| label.key[place].clone())?);
        }
        columns.push(of(Type::Timestamp, &|label| Value::Timestamp(label.time))?);
        columns.push(of(self.plan.label, &|label| label.value.clone())?);
        columns.push(of(Type::Bool, &|label| Value::Bool(label.sampled))?);
        for (feature, known) in self.features.iter().zip(&self.known) {
            columns.extend(known.columns(feature)?);
        }
        batch::leading(&batch::schema(&self.columns), columns, count)
    }

    /// Of how many rows each feature says something.
    pub fn counts(&self) -> Vec<KnownOf> {
        let count = |(feature, known): (&FeaturePlan, &Known)| {
            let found = known.found.iter().zip(&self.labels).filter(|(found, _)| found.is_some());
            let labels = found.clone().filter(|(_, label)| !label.sampled).count();
            KnownOf { feature: feature.name.clone(), rows: found.count() as u64, labels: labels as u64 }
        };
        self.features.iter().zip(&self.known).map(count).collect()
    }
}

/// What takes the windows of one feature.
pub trait Windows {
    fn take(&mut self, feature: &str, rows: &RecordBatch);
}

impl Windows for Training {
    fn take(&mut self, feature: &str, rows: &RecordBatch) {
        self.push(feature, rows);
    }
}

/// Windows of one tap go to whoever wants them.
pub struct WindowsTap<W> {
    pub feature: String,
    pub to: Rc<RefCell<W>>,
}

impl<W: Windows> RowWriter for WindowsTap<W> {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        self.to.borrow_mut().take(&self.feature, rows);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// For what holds a schema.
pub fn schema(plan: &Plan, training: &TrainingPlan) -> Arc<datafusion::arrow::datatypes::Schema> {
    batch::schema(&training.columns(plan))
}
