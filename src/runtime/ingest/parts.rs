//! Decoded rows to files that a warehouse loads: one after the other for each source, in the order of the log.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, RecordBatch, StructArray, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::{filter_record_batch, is_not_null};
use datafusion::arrow::datatypes::{Schema, SchemaRef, TimestampMicrosecondType};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::history::write::DayRows;
use crate::pipeline::normalize::decoded;
use crate::plan::Plan;
use crate::record::{Column, Day, EventTime, Type, flow};

/// A file that is as long is closed: it is sent in one request, from memory.
pub const PART_BYTES: usize = 64 << 20;
const ROW_GROUP_ROWS: usize = 1 << 17;

/// A file of a source's rows.
#[derive(Debug)]
pub struct FilePart {
    pub source: usize,
    pub path: PathBuf,
    pub bytes: u64,
}

/// Takes the decoded rows of a log into files.
pub struct Decoded {
    folder: TempDir,
    sources: Vec<Source>,
    parts: Vec<FilePart>,
    by_day: BTreeMap<Day, DayRows>,
}

struct Source {
    schema: SchemaRef,
    open: Option<Open>,
}

struct Open {
    path: PathBuf,
    writer: ArrowWriter<File>,
}

impl Decoded {
    pub fn new(plan: &Plan) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tripline-ingest-").tempdir()?;
        let sources = plan.sources.iter().map(|source| {
            let own = source.raw.fields.iter().map(|field| Column::new(field.name.clone(), field.ty, true));
            let more = [(flow::ADMIT_WATERMARK, Type::Timestamp), (flow::EVENT_DAY, Type::Date)];
            let columns = own.chain(more.map(|(name, ty)| Column::new(name, ty, true)));
            let fields: Vec<_> = columns.map(|column| column.field()).collect();
            Source { schema: Arc::new(Schema::new(fields)), open: None }
        });
        Ok(Self { folder, sources: sources.collect(), parts: Vec::new(), by_day: BTreeMap::new() })
    }

    pub fn by_day(&self) -> &BTreeMap<Day, DayRows> {
        &self.by_day
    }

    /// Closes the files. They are there as long as this is.
    pub fn finish(&mut self) -> io::Result<Vec<FilePart>> {
        for source in 0..self.sources.len() {
            self.close(source)?;
        }
        Ok(std::mem::take(&mut self.parts))
    }

    /// What a person calls the place of the files.
    pub fn folder(&self) -> String {
        self.folder.path().display().to_string()
    }

    pub fn push(&mut self, flows: &RecordBatch, admit: &[i64]) -> io::Result<()> {
        let times = flows.column(flow::EVENT_TIME).as_primitive::<TimestampMicrosecondType>().values();
        let late = |row: usize| admit[row] > times[row];
        for (row, time) in times.iter().enumerate() {
            let counts = self.by_day.entry(Day::of(EventTime(*time))).or_default();
            counts.rows += 1;
            counts.late += u64::from(late(row));
        }
        let marks = (0..times.len()).map(|row| late(row).then(|| admit[row])).collect::<TimestampMicrosecondArray>();
        let days = times.iter().map(|time| Some(Day::of(EventTime(*time)).0)).collect::<Date32Array>();
        let engine: [ArrayRef; 2] = [Arc::new(marks.with_timezone("UTC")), Arc::new(days)];
        for source in 0..self.sources.len() {
            let Some(own) = decoded(flows, source).filter(|own| own.null_count() < own.len()) else { continue };
            self.write(source, own, &engine)?;
        }
        Ok(())
    }

    fn write(&mut self, source: usize, own: &StructArray, engine: &[ArrayRef]) -> io::Result<()> {
        let to = &mut self.sources[source];
        let columns = own.columns().iter().chain(engine).cloned().collect();
        let mut rows = RecordBatch::try_new(Arc::clone(&to.schema), columns).map_err(io::Error::other)?;
        if own.null_count() > 0 {
            let whose = is_not_null(own).map_err(io::Error::other)?;
            rows = filter_record_batch(&rows, &whose).map_err(io::Error::other)?;
        }
        let open = match &mut to.open {
            Some(open) => open,
            none => {
                let path = self.folder.path().join(format!("{source}-{}.parquet", self.parts.len()));
                let writer = writer(&path, &to.schema)?;
                none.insert(Open { path, writer })
            }
        };
        open.writer.write(&rows)?;
        if open.writer.bytes_written() + open.writer.in_progress_size() >= PART_BYTES {
            self.close(source)?;
        }
        Ok(())
    }

    fn close(&mut self, source: usize) -> io::Result<()> {
        if let Some(Open { path, writer }) = self.sources[source].open.take() {
            let bytes = writer.into_inner()?.metadata()?.len();
            self.parts.push(FilePart { source, path, bytes });
        }
        Ok(())
    }
}

/// A file that a warehouse loads.
pub fn writer(path: &PathBuf, schema: &SchemaRef) -> io::Result<ArrowWriter<File>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build();
    Ok(ArrowWriter::try_new(File::create(path)?, Arc::clone(schema), Some(properties))?)
}
