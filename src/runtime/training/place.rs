//! Training rows in a warehouse: the labels become a table, and the compiled statement makes the rows from the features'
//! tables that are there.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use parquet::arrow::ArrowWriter;

use crate::plan::{FeaturePlan, Plan, SAMPLED, TrainingPlan};
use crate::port::warehouse::{LoadJob, Trouble, Warehouse, WarehouseError};
use crate::record::Column;
use crate::runtime::turn::Turn;
use crate::target::bigquery::{create_labels, training_count, training_table};

/// The tables of labels, and of training rows.
pub const LABELS: &str = "training_labels";

/// How many rows there are, how many of them are sampled, and of how many each feature said something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    pub rows: u64,
    pub sampled: u64,
    pub known: Vec<(String, u64)>,
}

#[derive(Debug, thiserror::Error)]
pub enum TrainingFailed {
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    #[error("cannot write the labels to a file: {0}\nhelp: TMPDIR names the folder that it is kept in")]
    File(#[from] std::io::Error),
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
    #[error(transparent)]
    Arrow(#[from] datafusion::arrow::error::ArrowError),
}

/// Makes the table `training` anew.
pub fn make(
    plan: &Plan,
    training: &TrainingPlan,
    labels: &[RecordBatch],
    service: &dyn Warehouse,
    stop: &AtomicBool,
) -> Result<Made, TrainingFailed> {
    let turn = Turn::new("training");
    turn.find_dataset(service)?;
    let features: Vec<&FeaturePlan> = training.features.iter().map(|index| &plan.features[*index]).collect();
    for feature in &features {
        if !service.has_table(&feature.name)? {
            let help = format!("tripline backfill --target bigquery --relation {} --from DAY --to DAY", feature.name);
            let message = format!("the table of the feature {} is not there", feature.name);
            return Err(turn.error(Trouble::NotFound, message, Some(help)).into());
        }
    }
    let folder = tempfile::Builder::new().prefix("tripline-training-").tempdir()?;
    let file = folder.path().join("labels.parquet");
    let nullable = |column: &Column| Column::new(column.name.clone(), column.ty, true).field();
    let schema = Arc::new(Schema::new(training.label_columns().iter().map(nullable).collect::<Vec<_>>()));
    let mut writer = ArrowWriter::try_new(File::create(&file)?, Arc::clone(&schema), None)?;
    for rows in labels {
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), rows.columns().to_vec())?)?;
    }
    writer.close()?;
    turn.query(service, "labels", create_labels(training, LABELS), stop)?;
    let load = LoadJob { name: turn.name("load"), file, table: LABELS.to_owned(), labels: turn.labels(), again: false };
    service.load(&load, stop)?;
    turn.query(service, "rows", training_table(plan, training, LABELS), stop)?;
    let done = turn.query(service, "count", training_count(&features, SAMPLED), stop)?;
    let mut cells: Vec<u64> = Vec::new();
    service.rows(&done.id, &mut |rows| {
        let numbers = rows.into_iter().flatten().map(|cell| cell.and_then(|cell| cell.parse::<u64>().ok()));
        cells.extend(numbers.map(Option::unwrap_or_default));
    })?;
    let mut cells = cells.into_iter();
    let mut next = || cells.next().unwrap_or_default();
    let (rows, sampled) = (next(), next());
    Ok(Made { rows, sampled, known: features.iter().map(|feature| (feature.name.clone(), next())).collect() })
}
