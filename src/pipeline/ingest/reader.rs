//! One input to batches, in the order of the input, decoded here or on threads of its own.
//! Dropping the reader ends its threads; a thread that waits for standard input ends with
//! the next byte, because nothing can wake it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use super::batch::RawBatch;
use super::chunk::{Chunk, Splitter};
use super::decode::{ChunkDecoder, Part};
use super::error::IngestError;
use super::fields::Fields;
use super::parquet::ParquetParts;
use crate::port::Input;
use crate::record::{Format, RawSchema};

/// More would only wait for each other.
const THREADS_MAX: usize = 64;

/// Decompressed bytes of a head's batch; a record that is longer stays whole.
pub(super) const HEAD_BYTES: usize = 4 << 10;

/// Which part of an input is read. A head can be read now and the tail later, without keeping the input open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Section {
    #[default]
    Whole,
    /// From the front, in small batches.
    Head,
    /// All but the first batch of the head.
    Tail,
}

/// What readers are told while they read.
#[derive(Debug)]
pub struct Control {
    /// Nothing more is read; what has been read still comes.
    pub stop: AtomicBool,
    /// The longest chunk, whatever the options say.
    pub chunk_bytes_max: AtomicUsize,
}

impl Default for Control {
    fn default() -> Self {
        Self { stop: AtomicBool::new(false), chunk_bytes_max: AtomicUsize::new(usize::MAX) }
    }
}

impl Control {
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Clone)]
pub struct ReaderOptions {
    /// Decoding threads; with 1 the caller's own decodes.
    pub threads: usize,
    /// Decompressed bytes decoded at once.
    pub chunk_bytes: usize,
    /// Keep the records' text beside the rows.
    pub keep_raw: bool,
    pub section: Section,
    pub control: Arc<Control>,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self { threads: 1, chunk_bytes: 1 << 20, keep_raw: false, section: Section::Whole, control: Arc::default() }
    }
}

/// The batches of one input.
pub struct Reader {
    file: Arc<str>,
    parts: Parts,
    /// Lines before the next part.
    lines: u64,
    ended: bool,
}

enum Parts {
    Here {
        splitter: Box<Splitter>,
        decoder: Box<ChunkDecoder>,
        spare: Vec<u8>,
    },
    Parquet(Box<ParquetParts>),
    /// The answers to the chunks, in the order of the chunks.
    Threads {
        answers: Receiver<Answer>,
        spares: Spares,
    },
}

type Answer = Receiver<Result<Part, IngestError>>;
type Job = (Chunk, SyncSender<Result<Part, IngestError>>);
type Spares = Arc<Mutex<Vec<Vec<u8>>>>;

impl Reader {
    pub fn open(input: Arc<dyn Input>, schema: Arc<RawSchema>, options: &ReaderOptions) -> Result<Self, IngestError> {
        let file = input.name();
        let fields = Arc::new(Fields::new(&schema));
        if schema.format == Format::Parquet {
            let parts = ParquetParts::open(&*input, &fields, options)?;
            let lines = parts.passed();
            return Ok(Self { file, parts: Parts::Parquet(Box::new(parts)), lines, ended: false });
        }
        let mut splitter = Splitter::open(input, schema.format, Arc::clone(&options.control))?;
        let mut decoder = Box::new(ChunkDecoder::new(&fields, &file, options.keep_raw));
        let mut lines = 0;
        if options.section == Section::Tail {
            splitter.chunk_bytes(HEAD_BYTES);
            if let Some(head) = splitter.next(Vec::new())? {
                lines = decoder.decode(head)?.lines;
            }
        }
        splitter.chunk_bytes(if options.section == Section::Head { HEAD_BYTES } else { options.chunk_bytes });
        let parts = if options.threads <= 1 {
            Parts::Here { splitter: Box::new(splitter), decoder, spare: Vec::new() }
        } else {
            let threads = options.threads.min(THREADS_MAX);
            let decoders = (0..threads).map(|_| ChunkDecoder::new(&fields, &file, options.keep_raw)).collect();
            let spares = Spares::default();
            Parts::Threads { answers: spawn(splitter, decoders, Arc::clone(&spares)), spares }
        };
        Ok(Self { file, parts, lines, ended: false })
    }

    /// The next batch, which may be empty; `None` at the end, and after an error.
    pub fn next_batch(&mut self) -> Result<Option<RawBatch>, IngestError> {
        if self.ended {
            return Ok(None);
        }
        let part = self.parts.next(&self.file);
        self.ended = !matches!(part, Ok(Some(_)));
        let Some(part) = part? else { return Ok(None) };
        let before = self.lines;
        self.lines += part.lines;
        Ok(Some(part.behind(before)))
    }
}

impl Parts {
    fn next(&mut self, file: &Arc<str>) -> Result<Option<Part>, IngestError> {
        match self {
            Self::Here { splitter, decoder, spare } => {
                let Some(chunk) = splitter.next(std::mem::take(spare))? else { return Ok(None) };
                let mut part = decoder.decode(chunk)?;
                *spare = part.spare.take().unwrap_or_default();
                Ok(Some(part))
            }
            Self::Parquet(parts) => parts.next(),
            Self::Threads { answers, spares } => {
                let Ok(answer) = answers.recv() else { return Ok(None) };
                // A thread that is gone without an answer has panicked.
                let part = answer.recv().map_err(|_| IngestError::Stopped { file: Arc::clone(file) })?;
                let mut part = part?;
                if let (Some(spare), Ok(mut spares)) = (part.spare.take(), spares.lock()) {
                    spares.push(spare);
                }
                Ok(Some(part))
            }
        }
    }
}

/// One thread splits, the others decode. Each chunk has an answer of its own, and the answers
/// are handed out in order, at most two for each thread ahead of the caller.
fn spawn(mut splitter: Splitter, decoders: Vec<ChunkDecoder>, spares: Spares) -> Receiver<Answer> {
    let (answers, receiver) = sync_channel::<Answer>(decoders.len() * 2);
    let (jobs, taken) = sync_channel::<Job>(decoders.len());
    let taken = Arc::new(Mutex::new(taken));
    for mut decoder in decoders {
        let taken = Arc::clone(&taken);
        thread::spawn(move || {
            while let Some((chunk, answer)) = taken.lock().ok().and_then(|jobs| jobs.recv().ok()) {
                // Nobody waits for the answer when the reader has been dropped.
                let _ = answer.send(decoder.decode(chunk));
            }
        });
    }
    drop(taken);
    thread::spawn(move || {
        loop {
            let spare = spares.lock().ok().and_then(|mut spares| spares.pop()).unwrap_or_default();
            let chunk = splitter.next(spare);
            let (answer, waiting) = sync_channel(1);
            let go_on = match chunk {
                Ok(None) => return,
                Ok(Some(chunk)) => jobs.send((chunk, answer)).is_ok(),
                Err(error) => {
                    let _ = answer.send(Err(error));
                    false
                }
            };
            if answers.send(waiting).is_err() || !go_on {
                return;
            }
        }
    });
    receiver
}
