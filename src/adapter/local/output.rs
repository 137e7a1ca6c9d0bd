//! Rows to local files: JSON lines, or Parquet by the file's extension.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{LineDelimited, WriterBuilder};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::port::RowWriter;

/// A writer for a path; `-` is standard output.
pub fn row_writer(path: &str, schema: SchemaRef) -> io::Result<Box<dyn RowWriter>> {
    let parquet = Path::new(path).extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
    if parquet {
        let zstd = ZstdLevel::try_new(3).map_err(io::Error::other)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(zstd)).build();
        let writer = ArrowWriter::try_new(create(path)?, schema, Some(properties)).map_err(io::Error::other)?;
        return Ok(Box::new(ParquetRows { writer: Some(writer) }));
    }
    let out = text_writer(path)?;
    let writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(out);
    Ok(Box::new(JsonRows { writer }))
}

/// Text to a path; `-` is standard output.
pub fn text_writer(path: &str) -> io::Result<Box<dyn Write + Send>> {
    if path == "-" { Ok(Box::new(BufWriter::new(io::stdout()))) } else { Ok(Box::new(BufWriter::new(create(path)?))) }
}

/// A file, or something that is named like one. Unlike standard output, it must not go away.
struct Output(File);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => io::Error::other("its reader went away"),
            _ => error,
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn create(path: &str) -> io::Result<Output> {
    File::create(path).map(Output).map_err(|error| {
        let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        let help = folder.map(|folder| format!("\nhelp: make the folder {} first", folder.display()));
        io::Error::new(error.kind(), format!("cannot write {path}: {error}{}", help.unwrap_or_default()))
    })
}

struct JsonRows {
    writer: datafusion::arrow::json::Writer<Box<dyn Write + Send>, LineDelimited>,
}

impl RowWriter for JsonRows {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        self.writer.write(rows).map_err(io_error)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.finish().map_err(io_error)?;
        self.writer.get_mut().flush()
    }
}

fn io_error(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, error) => error,
        other => io::Error::other(other),
    }
}

struct ParquetRows {
    writer: Option<ArrowWriter<Output>>,
}

impl RowWriter for ParquetRows {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        match &mut self.writer {
            Some(writer) => writer.write(rows).map_err(io::Error::other),
            None => Err(io::Error::other("the file is already complete")),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.writer.take() {
            Some(writer) => writer.close().map(|_| ()).map_err(io::Error::other),
            None => Ok(()),
        }
    }
}
