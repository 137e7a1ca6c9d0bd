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

/// How a message begins: a mark, and the length of what it says of itself.
const MARK: [u8; 4] = [0xff; 4];

/// Arrow's reader believes what it reads: bytes come from a file only behind a checksum. Where they begin somebody has said, who may
/// be wrong: it would make room for gigabytes.
pub fn read(bytes: &[u8]) -> Result<RecordBatch, ArrowError> {
    let head = bytes.split_first_chunk().filter(|(mark, _)| **mark == MARK).and_then(|(_, rest)| rest.first_chunk());
    let length = head.and_then(|length| usize::try_from(i32::from_le_bytes(*length)).ok());
    if length.is_none_or(|length| length > bytes.len()) {
        return Err(ArrowError::IpcError("rows do not begin here".to_owned()));
    }
    let rows = StreamReader::try_new(Cursor::new(bytes), None)?.next().transpose()?;
    rows.ok_or_else(|| ArrowError::IpcError("there are no rows".to_owned()))
}
