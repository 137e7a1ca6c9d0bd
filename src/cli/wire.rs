//! The only file that names adapters.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;

use crate::adapter::gcp::{BigQuery, Options, Patience, storage};
use crate::adapter::local::clock::SystemClock;
use crate::adapter::local::{Embedded, Folder, LocalStore, MemoryInput, input, output};
use crate::port::warehouse::{Warehouse, WarehouseError};
use crate::port::{Clock, FileTree, Input, RowFormat, RowWriter, Store};

use super::warehouse::Dataset;

pub fn folder(path: &Path) -> Box<dyn FileTree> {
    Box::new(Folder::new(path))
}

/// The built-in pack.
pub fn embedded() -> Box<dyn FileTree> {
    Box::new(Embedded)
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Files, then objects.
pub fn inputs(patterns: &[String]) -> anyhow::Result<Vec<Arc<dyn Input>>> {
    let (objects, files): (Vec<String>, Vec<String>) =
        patterns.iter().cloned().partition(|pattern| storage::names_objects(pattern));
    let mut inputs = input::inputs(&files)?;
    inputs.extend(storage::inputs(&objects)?);
    Ok(inputs)
}

pub fn row_writer(path: &str, schema: SchemaRef) -> io::Result<Box<dyn RowWriter>> {
    output::row_writer(path, schema)
}

pub fn format_writer(path: &str, schema: SchemaRef, format: RowFormat) -> io::Result<Box<dyn RowWriter>> {
    output::format_writer(path, schema, format)
}

/// Parquet, CSV, or else JSON lines.
pub fn row_writer_by_extension(path: &str, schema: SchemaRef) -> io::Result<Box<dyn RowWriter>> {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    let format = match extension {
        Some("parquet") => RowFormat::Parquet,
        Some("csv") => RowFormat::Csv,
        _ => RowFormat::Json,
    };
    output::format_writer(path, schema, format)
}

pub fn text_writer(path: &str) -> io::Result<Box<dyn Write + Send>> {
    output::text_writer(path)
}

/// A folder of files that come whole.
pub fn store(folder: &Path) -> Arc<dyn Store> {
    Arc::new(LocalStore::new(folder))
}

pub fn memory(name: &str, bytes: Vec<u8>) -> Arc<dyn Input> {
    Arc::new(MemoryInput::new(name, bytes))
}

pub fn warehouse(place: &Dataset) -> Result<Box<dyn Warehouse>, WarehouseError> {
    let options = Options {
        project: place.project.clone(),
        dataset: place.dataset.clone(),
        location: place.location.clone(),
        endpoint: place.endpoint.clone(),
        labels: place.labels.clone(),
        patience: Patience::default(),
    };
    Ok(Box::new(BigQuery::connect(options)?))
}
