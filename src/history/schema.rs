//! The columns of the history's files, and how they are stored.

use datafusion::arrow::datatypes::SchemaRef;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::pipeline::batch;
use crate::record::{Column, Type, flow};

/// Version of the columns; in every file and every manifest.
pub const VERSION: u32 = 1;

/// Of a late row: its place in the log, which orders rows that have one watermark. NULL where it does not matter.
pub const LOG_POSITION: &str = "log_position";

/// Columns behind those of `flows`.
pub const ADMIT: usize = flow::COUNT;
pub const POSITION: usize = flow::COUNT + 1;

const EVENT_TIME: &str = "event_time";
const PAGE_ROWS: usize = 8_192;
/// More costs more time than it saves bytes.
const ZSTD_LEVEL: i32 = 3;

/// The columns of `flows`, then the watermark before a late row and its place.
pub fn schema() -> SchemaRef {
    let mut columns = flow::columns();
    columns.push(Column::new(flow::ADMIT_WATERMARK, Type::Timestamp, true));
    columns.push(Column::new(LOG_POSITION, Type::Int64, true));
    batch::schema(&columns)
}

/// How parts are written. `about`: what the file's metadata say of it.
pub fn properties(about: &[(&str, String)], row_group_rows: usize) -> Result<WriterProperties, ParquetError> {
    let mut metadata = vec![KeyValue::new("tripline.version".to_owned(), VERSION.to_string())];
    metadata.extend(about.iter().map(|(key, value)| KeyValue::new(format!("tripline.{key}"), value.clone())));
    let sorted = |column: usize| SortingColumn {
        column_idx: i32::try_from(column).unwrap_or_default(),
        descending: false,
        nulls_first: false,
    };
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(row_group_rows))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(ColumnPath::from(EVENT_TIME), EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![sorted(flow::EVENT_TIME), sorted(flow::ROW_ID)]))
        .set_key_value_metadata(Some(metadata));
    // Values that hardly repeat.
    for column in ["row_id", EVENT_TIME, "start_time", "end_time"] {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    Ok(properties.build())
}
