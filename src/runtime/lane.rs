//! One input of a run, read and normalized on a thread of its own, or where it is wanted when there are many.
//!
//! The order of the log depends on the first row of every input. Of several files each gives its first rows when the
//! run begins, and is closed until the merge wants more of it: files that follow each other in time are open one after
//! the other, whatever their number.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::pipeline::ingest::{Control, Ignored, Reader, ReaderOptions, Section};
use crate::pipeline::normalize::{Latest, Normalized, Normalizer};
use crate::port::{Clock, Input};
use crate::record::{EventTime, Micros, RawSchema, Reject};

use super::run::RunError;

/// Batches that wait between an input's thread and the graph.
const QUEUE_BATCHES: usize = 4;

/// What an input's thread hands over: rows, or word that it has ended.
pub type Message = Result<Option<Box<Pumped>>, RunError>;

pub struct Pumped {
    pub normalized: Normalized,
    pub raw_rejects: Vec<Reject>,
    pub offered: u64,
    pub bytes: u64,
    pub ignored: Ignored,
    /// Live: when it came.
    pub arrived: Option<EventTime>,
}

/// How an input is opened and read.
pub struct Inlet {
    pub input: Arc<dyn Input>,
    pub schema: Arc<RawSchema>,
    pub normalizer: Arc<Normalizer>,
    /// Rows further ahead of this clock than that are rejected.
    pub live: Option<(Arc<dyn Clock>, Micros)>,
    /// Rejects need the text of their records.
    pub keep_raw: bool,
    pub control: Arc<Control>,
}

pub struct Lane {
    inlet: Inlet,
    feed: Feed,
    /// When rows came last; at first, when the run began.
    pub heard: EventTime,
    /// After this silence the clock moves its watermark; `None` for a file, which is never silent.
    pub idle_after: Option<Micros>,
}

enum Feed {
    /// What the beginning of a closed file gave; it is opened when more is wanted.
    Head(VecDeque<Message>),
    Open(Receiver<Message>),
    /// Open, without a thread.
    Here(Box<(Reader, Stage)>),
    Ended,
}

impl Lane {
    /// `alone`: no other input's rows have to be ordered with its own.
    pub fn open(inlet: Inlet, alone: bool, threads: usize, idle_after: Micros) -> Result<Self, RunError> {
        let stream = inlet.input.size_bytes().is_none();
        let heard = inlet.live.as_ref().map_or(EventTime::MIN, |(clock, _)| clock.now());
        // A stream cannot be read twice, and its first rows may be long in coming.
        let feed =
            if alone || stream { Feed::Open(inlet.pump(Section::Whole, threads)?) } else { Feed::Head(inlet.head()?) };
        Ok(Self { inlet, feed, heard, idle_after: stream.then_some(idle_after) })
    }

    pub fn is_open(&self) -> bool {
        matches!(self.feed, Feed::Open(_) | Feed::Here(_))
    }

    /// Has the head been taken, so that the file has to be opened for more?
    pub fn wants_opening(&self) -> bool {
        matches!(&self.feed, Feed::Head(messages) if messages.is_empty())
    }

    /// Opens a file behind its head, read with that many threads; 0: by the caller.
    pub fn reopen(&mut self, threads: usize) -> Result<(), RunError> {
        self.feed = match threads {
            0 => Feed::Here(Box::new((self.inlet.reader(Section::Tail, 1)?, self.inlet.stage()))),
            _ => Feed::Open(self.inlet.pump(Section::Tail, threads)?),
        };
        Ok(())
    }

    /// What comes within that time.
    pub fn receive(&mut self, patience: Duration) -> Result<Option<Message>, RunError> {
        let message = match &mut self.feed {
            Feed::Head(messages) => messages.pop_front(),
            Feed::Open(receiver) => match receiver.recv_timeout(patience) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Err(RunError::Thread),
            },
            Feed::Here(here) => Some(here.1.next(&mut here.0)),
            Feed::Ended => None,
        };
        if matches!(message, Some(Ok(None) | Err(_))) {
            self.feed = Feed::Ended;
        }
        Ok(message)
    }
}

impl Inlet {
    fn reader(&self, section: Section, threads: usize) -> Result<Reader, RunError> {
        let options = ReaderOptions {
            threads,
            section,
            keep_raw: self.keep_raw,
            control: Arc::clone(&self.control),
            ..ReaderOptions::default()
        };
        Ok(Reader::open(Arc::clone(&self.input), Arc::clone(&self.schema), &options)?)
    }

    /// Reads and normalizes the first records.
    fn head(&self) -> Result<VecDeque<Message>, RunError> {
        let mut reader = self.reader(Section::Head, 1)?;
        let mut messages = VecDeque::from([self.stage().next(&mut reader)]);
        // The end is found here: where a file grows meanwhile, the tail would begin elsewhere.
        if matches!(messages[0], Ok(Some(_))) && matches!(reader.next_batch(), Ok(None)) {
            messages.push_back(Ok(None));
        }
        Ok(messages)
    }

    /// Reads and normalizes on a thread.
    fn pump(&self, section: Section, threads: usize) -> Result<Receiver<Message>, RunError> {
        let mut reader = self.reader(section, threads)?;
        let (sender, receiver) = sync_channel(QUEUE_BATCHES);
        let stage = self.stage();
        thread::spawn(move || pump(&mut reader, &stage, &sender));
        Ok(receiver)
    }

    fn stage(&self) -> Stage {
        let (normalizer, live) = (Arc::clone(&self.normalizer), self.live.clone());
        Stage { file: self.input.name(), normalizer, live }
    }
}

/// What a thread does with the batches of its reader.
struct Stage {
    file: Arc<str>,
    normalizer: Arc<Normalizer>,
    live: Option<(Arc<dyn Clock>, Micros)>,
}

impl Stage {
    fn next(&self, reader: &mut Reader) -> Message {
        let Some(raw) = reader.next_batch()? else { return Ok(None) };
        let latest = self.live.as_ref().map(|(clock, future_skew)| {
            let now = clock.now();
            Latest { time: now.plus(*future_skew), now }
        });
        let normalized = self.normalizer.run(&raw, &self.file, latest)?;
        Ok(Some(Box::new(Pumped {
            normalized,
            raw_rejects: raw.rejects,
            offered: raw.offered,
            bytes: raw.bytes,
            ignored: raw.ignored,
            arrived: latest.map(|latest| latest.now),
        })))
    }
}

fn pump(reader: &mut Reader, stage: &Stage, sender: &SyncSender<Message>) {
    loop {
        let message = stage.next(reader);
        let last = !matches!(message, Ok(Some(_)));
        if sender.send(message).is_err() || last {
            return;
        }
    }
}
