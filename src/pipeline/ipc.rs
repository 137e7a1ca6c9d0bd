//! Rows as Arrow's own bytes, and back.

use std::io::Cursor;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;

/// Behind what is there.
pub fn write(rows: &RecordBatch, bytes: &mut Vec<u8>) -> Result<(), ArrowError> {
    let mut writer = StreamWriter::try_new(bytes, &rows.schema())?;
    writer.write(rows)?;
    writer.finish()
}

/// Arrow's reader believes what it reads: bytes come from a file only behind a checksum.
pub fn read(bytes: &[u8]) -> Result<RecordBatch, ArrowError> {
    let rows = StreamReader::try_new(Cursor::new(bytes), None)?.next().transpose()?;
    rows.ok_or_else(|| ArrowError::IpcError("there are no rows".to_owned()))
}
