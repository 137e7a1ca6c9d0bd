//! Rows to local files: JSON lines, Parquet, CSV, and tables for people.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{LineDelimited, WriterBuilder};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::arrow::util::pretty::pretty_format_batches_with_options;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use tempfile::{NamedTempFile, TempPath};

use crate::port::{RowFormat, RowWriter};

/// Ends the name of a file that is not whole.
const UNFINISHED: &str = ".tmp";

/// A writer for a path, Parquet by its extension and else JSON lines; `-` is standard output.
pub fn row_writer(path: &str, schema: SchemaRef) -> io::Result<Box<dyn RowWriter>> {
    let parquet = Path::new(path).extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
    format_writer(path, schema, if parquet { RowFormat::Parquet } else { RowFormat::Json })
}

/// A writer for a path; `-` is standard output.
pub fn format_writer(path: &str, schema: SchemaRef, format: RowFormat) -> io::Result<Box<dyn RowWriter>> {
    match format {
        RowFormat::Csv => return Ok(Box::new(CsvRows::new(text_writer(path)?, &schema)?)),
        RowFormat::Table => {
            return Ok(Box::new(TableRows { out: text_writer(path)?, kept: Vec::new(), count: 0 }));
        }
        RowFormat::Json | RowFormat::Parquet => {}
    }
    if format == RowFormat::Parquet {
        let zstd = ZstdLevel::try_new(3).map_err(io::Error::other)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(zstd)).build();
        let writer = ArrowWriter::try_new(create(path)?, schema, Some(properties)).map_err(io::Error::other)?;
        return Ok(Box::new(ParquetRows { writer: Some(writer) }));
    }
    let out = text_writer(path)?;
    let writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(out);
    Ok(Box::new(JsonRows { writer }))
}

/// As [`format_writer`], but a file is written beside and takes its name when it is whole.
pub fn whole_writer(path: &str, schema: SchemaRef, format: RowFormat) -> io::Result<Box<dyn RowWriter>> {
    if !comes_whole(path) {
        return format_writer(path, schema, format);
    }
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("cannot write {path}: {error}"));
    // A link stays one.
    let place = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = beside(folder, &place).map_err(failed)?.into_temp_path();
    let name = file.to_str().ok_or_else(|| failed(io::Error::other("its folder's name is not Unicode")))?;
    let inner = format_writer(name, schema, format)?;
    Ok(Box::new(WholeRows { inner, file: Some(file), place, path: path.to_owned() }))
}

/// Not standard output, devices and pipes.
pub fn comes_whole(path: &str) -> bool {
    path != "-" && fs::metadata(path).map_or(true, |found| found.is_file())
}

/// A new file that may be read by those who may read the one in whose place it comes.
fn beside(folder: &Path, place: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tripline-").suffix(UNFINISHED);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder)?;
    if let Ok(found) = fs::metadata(place) {
        file.as_file().set_permissions(found.permissions())?;
    }
    Ok(file)
}

struct WholeRows {
    inner: Box<dyn RowWriter>,
    /// Goes when it is dropped.
    file: Option<TempPath>,
    place: PathBuf,
    path: String,
}

impl RowWriter for WholeRows {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        self.inner.write(rows)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.inner.finish()?;
        let Some(file) = self.file.take() else { return Ok(()) };
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("cannot write {}: {error}", self.path));
        File::open(&file).and_then(|file| file.sync_all()).map_err(failed)?;
        file.persist(&self.place).map_err(|error| failed(error.error))
    }
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

/// How values read in CSV and in tables.
fn text_options<'a>() -> FormatOptions<'a> {
    FormatOptions::new().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"))
}

struct CsvRows {
    writer: csv::Writer<Box<dyn Write + Send>>,
}

impl CsvRows {
    fn new(out: Box<dyn Write + Send>, schema: &SchemaRef) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(schema.fields().iter().map(|field| field.name().as_str())).map_err(csv_error)?;
        Ok(Self { writer })
    }
}

impl RowWriter for CsvRows {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        let options = text_options();
        let columns = rows.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(io_error)?;
        for row in 0..rows.num_rows() {
            for column in &columns {
                self.writer.write_field(column.value(row).to_string()).map_err(csv_error)?;
            }
            self.writer.write_record(None::<&[u8]>).map_err(csv_error)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Rows of one block of a table: its widths are theirs, and no more of them wait.
const TABLE_ROWS: usize = 1_000;

struct TableRows {
    out: Box<dyn Write + Send>,
    kept: Vec<RecordBatch>,
    count: usize,
}

impl TableRows {
    fn print(&mut self) -> io::Result<()> {
        let options = text_options().with_null("NULL");
        let kept = std::mem::take(&mut self.kept);
        self.count = 0;
        let table = pretty_format_batches_with_options(&kept, &options);
        writeln!(self.out, "{}", table.map_err(io_error)?)
    }
}

impl RowWriter for TableRows {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        let mut from = 0;
        while from < rows.num_rows() {
            let count = (rows.num_rows() - from).min(TABLE_ROWS - self.count);
            self.kept.push(rows.slice(from, count));
            self.count += count;
            from += count;
            if self.count == TABLE_ROWS {
                self.print()?;
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.count > 0 {
            self.print()?;
        }
        self.out.flush()
    }
}

struct JsonRows {
    writer: datafusion::arrow::json::Writer<Box<dyn Write + Send>, LineDelimited>,
}

impl RowWriter for JsonRows {
    fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        self.writer.write(rows).map_err(io_error)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.get_mut().flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.finish().map_err(io_error)?;
        self.writer.get_mut().flush()
    }
}

/// A closed pipe has to be known as one.
fn csv_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
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
