//! The files of one day, encoded on a thread of their own, so that windows need not wait for them.
//!
//! A file is whole after [`DayFiles::finish`] alone; what is dropped before is left unfinished.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::pipeline::outlet::OutletError;
use crate::port::Store;

const ROW_GROUP_ROWS: usize = 262_144;
const ZSTD_LEVEL: i32 = 1;
/// Batches that wait: one is the rows of a window.
const WAITING: usize = 32;

enum Step {
    /// Rows of the file with that number.
    Rows(usize, RecordBatch),
    Finish,
}

struct File {
    path: String,
    writer: ArrowWriter<Box<dyn Write + Send>>,
}

pub struct DayFiles {
    steps: Option<SyncSender<Step>>,
    thread: Option<JoinHandle<Result<(), OutletError>>>,
}

impl DayFiles {
    /// A file for each path, with its columns.
    pub fn new(store: &dyn Store, files: &[(&str, SchemaRef)]) -> Result<Self, OutletError> {
        let open = |(path, schema): &(&str, SchemaRef)| -> Result<File, OutletError> {
            let failed = |error| OutletError { name: (*path).to_owned(), error };
            let properties = properties(schema).map_err(io::Error::other).map_err(failed)?;
            let writer =
                ArrowWriter::try_new(store.create(path).map_err(failed)?, Arc::clone(schema), Some(properties));
            Ok(File { path: (*path).to_owned(), writer: writer.map_err(io::Error::other).map_err(failed)? })
        };
        let files = files.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let (steps, taken) = sync_channel(WAITING);
        let thread = thread::Builder::new().name("day-files".to_owned()).spawn(move || write(files, &taken));
        let thread = thread.map_err(|error| OutletError { name: "a thread that writes".to_owned(), error })?;
        Ok(Self { steps: Some(steps), thread: Some(thread) })
    }

    /// Rows at the end of a file.
    pub fn push(&mut self, file: usize, rows: RecordBatch) -> Result<(), OutletError> {
        match self.steps.as_ref().map(|steps| steps.send(Step::Rows(file, rows))) {
            Some(Ok(())) => Ok(()),
            // The thread has ended, and says why.
            _ => self.join().and(Err(ended())),
        }
    }

    /// Completes the files.
    pub fn finish(mut self) -> Result<(), OutletError> {
        if let Some(steps) = &self.steps {
            // When nobody takes it, the thread says why.
            let _ = steps.send(Step::Finish);
        }
        self.join()
    }

    fn join(&mut self) -> Result<(), OutletError> {
        self.steps = None;
        let Some(thread) = self.thread.take() else { return Err(ended()) };
        thread.join().unwrap_or_else(|_| Err(ended()))
    }
}

impl Drop for DayFiles {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = self.join();
        }
    }
}

fn ended() -> OutletError {
    OutletError { name: "the files of the day".to_owned(), error: io::Error::other("the thread that writes has ended") }
}

fn write(mut files: Vec<File>, steps: &Receiver<Step>) -> Result<(), OutletError> {
    for step in steps {
        match step {
            Step::Rows(file, rows) => {
                let Some(File { path, writer }) = files.get_mut(file) else { continue };
                let written = writer.write(&rows).map_err(io::Error::other);
                written.map_err(|error| OutletError { name: path.clone(), error })?;
            }
            Step::Finish => {
                return files.into_iter().try_for_each(|File { path, writer }| {
                    let finished = writer.into_inner().map_err(io::Error::other).and_then(|mut file| file.flush());
                    finished.map_err(|error| OutletError { name: path, error })
                });
            }
        }
    }
    Ok(())
}

fn properties(schema: &SchemaRef) -> Result<WriterProperties, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS));
    // All rows of a window have these in common: they compress as they are, and need not be looked up one by one.
    for column in ["window_start", "window_end", "event_time"] {
        if schema.column_with_name(column).is_some() {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(column), false);
        }
    }
    Ok(properties.build())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::DayFiles;
    use crate::port::{Share, Store, StoredFile};

    /// Takes so many bytes.
    struct Memory {
        bytes: Arc<Mutex<Vec<u8>>>,
        room: usize,
    }

    impl Store for Memory {
        fn name(&self) -> String {
            "memory".to_owned()
        }

        fn list(&self, _: &str) -> io::Result<Vec<StoredFile>> {
            Ok(Vec::new())
        }

        fn read(&self, _: &str) -> io::Result<Option<Vec<u8>>> {
            Ok(None)
        }

        fn open(&self, _: &str) -> io::Result<File> {
            Err(io::Error::other("not here"))
        }

        fn create(&self, _: &str) -> io::Result<Box<dyn Write + Send>> {
            Ok(Box::new(Self { bytes: Arc::clone(&self.bytes), room: self.room }))
        }

        fn rename(&self, _: &str, _: &str) -> io::Result<()> {
            Ok(())
        }

        fn remove(&self, _: &str) -> io::Result<()> {
            Ok(())
        }

        fn lock(&self, _: &str, _: Share) -> io::Result<Option<Box<dyn Send + Sync>>> {
            Ok(None)
        }
    }

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut written = self.bytes.lock().expect("bytes");
            if written.len() + bytes.len() > self.room {
                return Err(io::Error::other("no room"));
            }
            written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn rows(from: i64) -> RecordBatch {
        let column: ArrayRef = Arc::new((from..from + 1_000).collect::<Int64Array>());
        RecordBatch::try_from_iter([("n", column)]).expect("a batch")
    }

    /// What is written, and the store's errors.
    fn written(room: usize, batches: i64, finish: bool) -> (Vec<u8>, Result<(), String>) {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let store = Memory { bytes: Arc::clone(&bytes), room };
        let mut files = DayFiles::new(&store, &[("a.parquet", rows(0).schema())]).expect("begins");
        let pushed = (0..batches).try_for_each(|batch| files.push(0, rows(batch * 1_000)));
        let ended = pushed.and_then(|()| {
            if finish {
                return files.finish();
            }
            drop(files);
            Ok(())
        });
        (bytes.lock().expect("bytes").clone(), ended.map_err(|error| format!("{error:?}")))
    }

    #[test]
    fn a_file_is_whole_when_it_is_finished_alone() {
        let ends_whole = |bytes: &[u8]| bytes.len() > 8 && bytes.ends_with(b"PAR1");
        let (bytes, ended) = written(usize::MAX, 5, true);
        assert!(ends_whole(&bytes) && ended.is_ok(), "{ended:?}");
        assert!(!ends_whole(&written(usize::MAX, 5, false).0));
    }

    #[test]
    fn the_writers_error_is_told() {
        // At the end, and while rows are pushed.
        for batches in [5, 2_000] {
            let (_, ended) = written(1_000, batches, true);
            let told = ended.expect_err("no room");
            assert!(told.contains("a.parquet") && told.contains("no room"), "{told}");
        }
    }
}
