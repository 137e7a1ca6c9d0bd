//! What a run was given, as bytes: a head, and behind it rows as Arrow writes them, compressed together.

use std::io::Read;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::TimestampMicrosecondType;
use datafusion::arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::frame::PAYLOAD_BYTES_MAX;
use crate::pipeline::batch::FlowBatch;
use crate::pipeline::ingest::Ignored;
use crate::pipeline::ipc;
use crate::record::{EventTime, Micros, Origin, Reject, RejectReason, flow};

/// Fast: the log is written once and read after a crash.
const COMPRESSION: i32 = 1;
/// An entry that says it is longer is none of ours.
const ENTRY_BYTES_MAX: usize = 1 << 30;

#[derive(Debug)]
pub enum Entry {
    Given(Box<Given>),
    /// A queue was silent: its watermark moves.
    Tick {
        lane: usize,
        heard: EventTime,
        now: EventTime,
    },
    /// From the next entry on other definitions are in force.
    Reloaded {
        generation: String,
    },
    /// A queue was silent for so long that people are told.
    Silent {
        lane: usize,
        heard: EventTime,
        now: EventTime,
        /// Did the service answer that it is of?
        reached: bool,
    },
}

/// Messages of one queue.
#[derive(Debug)]
pub struct Given {
    pub lane: usize,
    pub flows: FlowBatch,
    pub rejects: Vec<Reject>,
    pub offered: u64,
    pub filtered: u64,
    pub bytes: u64,
    pub ignored: Ignored,
    /// Their rows move the watermark as if their event time were at most this.
    pub ceiling: EventTime,
    /// Messages that are in it.
    pub messages: Vec<u64>,
    /// Where each of the rejects was, when somebody is to have them.
    pub places: Vec<RejectPlace>,
    /// Of the definitions that were in force when they were logged.
    pub generation: String,
    /// When they came, by the clock, and for how long nothing had come before.
    pub arrived: EventTime,
    pub quiet: Micros,
}

impl Given {
    /// Bytes of memory that it has, about.
    pub fn memory(&self) -> u64 {
        let rejects = self.rejects.iter().map(|reject| size_of_val(reject) + reject.detail.len() + reject.raw.len());
        let places = self.places.iter().map(|place| size_of_val(place) + place.payload.as_ref().map_or(0, Vec::len));
        let beside = rejects.chain(places).sum::<usize>() + size_of_val(&*self.messages);
        self.flows.bytes() + beside as u64
    }
}

/// A refused record in its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectPlace {
    pub message: u64,
    /// Where it begins, in what the message holds.
    pub at: u64,
    /// The record, where the text of the reject is not all of it.
    pub payload: Option<Vec<u8>>,
}

/// What an entry has of refused records.
#[derive(Debug, Default)]
pub struct Rejected {
    pub lane: usize,
    pub generation: String,
    /// Each with its place, where that is known.
    pub rejects: Vec<(Reject, Option<RejectPlace>)>,
}

#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("an entry of the log cannot be read: {0}")]
    Unknown(String),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

#[derive(Serialize, Deserialize)]
enum Head {
    Given(GivenHead),
    Tick { lane: u32, heard: i64, now: i64 },
    Reloaded { generation: String },
    Silent { lane: u32, heard: i64, now: i64, reached: bool },
}

#[derive(Serialize, Deserialize)]
struct GivenHead {
    lane: u32,
    offered: u64,
    filtered: u64,
    bytes: u64,
    ignored: Vec<(String, u64)>,
    ceiling: i64,
    messages: Vec<u64>,
    rejects: Vec<Refused>,
    /// Names that origins have.
    files: Vec<String>,
    /// Of rows: file, line, offset.
    origins: Vec<(u32, u64, u64)>,
    duplicates: Vec<Option<(u128, u128)>>,
}

/// Behind the head: programs that do not know it read over it.
#[derive(Default, Serialize, Deserialize)]
struct Behind {
    generation: String,
    places: Vec<RejectPlace>,
}

/// And behind that; entries of before have none.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Arrival {
    at: i64,
    quiet: i64,
}

#[derive(Serialize, Deserialize)]
struct Refused {
    reason: String,
    detail: String,
    file: String,
    line: u64,
    offset: u64,
    raw: String,
}

impl Entry {
    pub fn write(&self) -> Result<Vec<u8>, EntryError> {
        let (head, rows) = match self {
            Self::Given(given) => (Head::Given(given.head()), Some(&given.flows.rows)),
            Self::Tick { lane, heard, now } => (Head::Tick { lane: number(*lane), heard: heard.0, now: now.0 }, None),
            Self::Reloaded { generation } => (Head::Reloaded { generation: generation.clone() }, None),
            Self::Silent { lane, heard, now, reached } => {
                (Head::Silent { lane: number(*lane), heard: heard.0, now: now.0, reached: *reached }, None)
            }
        };
        let unknown = |error: postcard::Error| EntryError::Unknown(error.to_string());
        let mut head = postcard::to_allocvec(&head).map_err(unknown)?;
        if let Self::Given(given) = self {
            let behind = Behind { generation: given.generation.clone(), places: given.places.clone() };
            let arrival = Arrival { at: given.arrived.0, quiet: given.quiet.0 };
            head.extend(postcard::to_allocvec(&(behind, arrival)).map_err(unknown)?);
        }
        let mut bytes = u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        bytes.extend_from_slice(&head);
        if let Some(rows) = rows.filter(|rows| rows.num_rows() > 0) {
            ipc::write(rows, &mut bytes)?;
        }
        let compressed = zstd::bulk::compress(&bytes, COMPRESSION)?;
        // Nothing is written that could not be read.
        match bytes.len() > ENTRY_BYTES_MAX || compressed.len() > PAYLOAD_BYTES_MAX {
            true => Err(EntryError::Unknown(format!("one of {} bytes is too long for the log", bytes.len()))),
            false => Ok(compressed),
        }
    }

    /// Of a run that has so many lanes.
    pub fn read(compressed: &[u8], lanes: usize) -> Result<Self, EntryError> {
        let bytes = decompress(compressed)?;
        let unknown = || EntryError::Unknown("it is shorter than its head".to_owned());
        let length =
            bytes.get(..4).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes).ok_or_else(unknown)?;
        let length = usize::try_from(length).map_err(|_| unknown())?;
        let head = bytes.get(4..4 + length).ok_or_else(unknown)?;
        let (head, behind, arrival) = read_head(head)?;
        if head.lane().is_some_and(|lane| lane as usize >= lanes) {
            return Err(strange("lane"));
        }
        match head {
            Head::Tick { lane, heard, now } => {
                Ok(Self::Tick { lane: lane as usize, heard: EventTime(heard), now: EventTime(now) })
            }
            Head::Silent { lane, heard, now, reached } => {
                Ok(Self::Silent { lane: lane as usize, heard: EventTime(heard), now: EventTime(now), reached })
            }
            Head::Reloaded { generation } => Ok(Self::Reloaded { generation }),
            Head::Given(head) => {
                let rows = &bytes[4 + length..];
                let rows = match rows.is_empty() {
                    true => FlowBatch::empty().rows,
                    false => read_rows(rows)?,
                };
                let Behind { generation, places } = behind;
                let given = Given { generation, places, ..head.given(rows)? };
                // They came no earlier than that.
                let Arrival { at, quiet } = arrival.unwrap_or(Arrival { at: given.ceiling.0, quiet: 0 });
                Ok(Self::Given(Box::new(Given { arrived: EventTime(at), quiet: Micros(quiet), ..given })))
            }
        }
    }
}

impl Head {
    fn lane(&self) -> Option<u32> {
        match self {
            Self::Given(given) => Some(given.lane),
            Self::Tick { lane, .. } | Self::Silent { lane, .. } => Some(*lane),
            Self::Reloaded { .. } => None,
        }
    }
}

impl Rejected {
    /// Of an entry; its rows are not read.
    pub fn read(compressed: &[u8]) -> Result<Self, EntryError> {
        let mut from = zstd::stream::read::Decoder::new(compressed)?;
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length));
        let mut head = Vec::new();
        from.take(length).read_to_end(&mut head)?;
        let (Head::Given(head), Behind { generation, places }, _) = read_head(&head)? else {
            return Ok(Self::default());
        };
        let rejects: Result<Vec<Reject>, EntryError> = head.rejects.into_iter().map(Refused::reject).collect();
        let places = places.into_iter().map(Some).chain(std::iter::repeat(None));
        Ok(Self { lane: head.lane as usize, generation, rejects: rejects?.into_iter().zip(places).collect() })
    }
}

fn read_head(head: &[u8]) -> Result<(Head, Behind, Option<Arrival>), EntryError> {
    let unknown = |error: postcard::Error| EntryError::Unknown(error.to_string());
    let (head, rest) = postcard::take_from_bytes(head).map_err(unknown)?;
    if rest.is_empty() {
        return Ok((head, Behind::default(), None));
    }
    let (behind, rest) = postcard::take_from_bytes(rest).map_err(unknown)?;
    let arrival = if rest.is_empty() { None } else { Some(postcard::from_bytes(rest).map_err(unknown)?) };
    Ok((head, behind, arrival))
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>, EntryError> {
    let mut whole = Vec::new();
    let limit = ENTRY_BYTES_MAX as u64 + 1;
    zstd::stream::read::Decoder::new(bytes)?.take(limit).read_to_end(&mut whole)?;
    match whole.len() > ENTRY_BYTES_MAX {
        true => Err(EntryError::Unknown(format!("it is longer than {ENTRY_BYTES_MAX} bytes"))),
        false => Ok(whole),
    }
}

fn read_rows(bytes: &[u8]) -> Result<RecordBatch, EntryError> {
    let batch = ipc::read(bytes)?;
    let expected = FlowBatch::empty().rows.schema();
    if batch.schema().fields() != expected.fields() {
        return Err(EntryError::Unknown("its columns are not those of flows".to_owned()));
    }
    Ok(batch)
}

impl Given {
    fn head(&self) -> GivenHead {
        let mut files: Vec<String> = Vec::new();
        let origins = self.flows.origins.iter().map(|origin| {
            let place = files.iter().position(|file| **file == *origin.file).unwrap_or_else(|| {
                files.push(origin.file.to_string());
                files.len() - 1
            });
            (number(place), origin.line, origin.offset)
        });
        let origins = origins.collect();
        let refused = |reject: &Reject| Refused {
            reason: reject.reason.code().to_owned(),
            detail: reject.detail.clone(),
            file: reject.origin.file.to_string(),
            line: reject.origin.line,
            offset: reject.origin.offset,
            raw: reject.raw.clone(),
        };
        GivenHead {
            lane: number(self.lane),
            offered: self.offered,
            filtered: self.filtered,
            bytes: self.bytes,
            ignored: self.ignored.counts().iter().map(|(name, count)| (name.clone(), *count)).collect(),
            ceiling: self.ceiling.0,
            messages: self.messages.clone(),
            rejects: self.rejects.iter().map(refused).collect(),
            files,
            origins,
            duplicates: self.flows.duplicates.clone(),
        }
    }
}

impl GivenHead {
    fn given(self, rows: RecordBatch) -> Result<Given, EntryError> {
        let files: Vec<Arc<str>> = self.files.iter().map(|file| Arc::from(file.as_str())).collect();
        let origin = |(file, line, offset): &(u32, u64, u64)| {
            let file = files.get(*file as usize).ok_or_else(|| strange("origin"))?;
            Ok(Origin { file: Arc::clone(file), line: *line, offset: *offset })
        };
        let times = rows.column(flow::EVENT_TIME).as_primitive_opt::<TimestampMicrosecondType>();
        let times = times.ok_or_else(|| strange("event time"))?.values().to_vec();
        // Both are there for all rows or for none.
        if [self.origins.len(), self.duplicates.len()].iter().any(|count| ![0, times.len()].contains(count)) {
            return Err(strange("number of rows"));
        }
        let mut ignored = Ignored::default();
        self.ignored.iter().for_each(|(name, count)| ignored.add(name, *count));
        let origins: Result<_, EntryError> = self.origins.iter().map(origin).collect();
        let rejects: Result<_, EntryError> = self.rejects.into_iter().map(Refused::reject).collect();
        Ok(Given {
            lane: self.lane as usize,
            flows: FlowBatch { rows, times, origins: origins?, duplicates: self.duplicates },
            rejects: rejects?,
            offered: self.offered,
            filtered: self.filtered,
            bytes: self.bytes,
            ignored,
            ceiling: EventTime(self.ceiling),
            messages: self.messages,
            places: Vec::new(),
            generation: String::new(),
            arrived: EventTime::MIN,
            quiet: Micros::ZERO,
        })
    }
}

impl Refused {
    fn reject(self) -> Result<Reject, EntryError> {
        let reason = RejectReason::ALL.into_iter().find(|reason| reason.code() == self.reason);
        let origin = Origin { file: self.file.into(), line: self.line, offset: self.offset };
        let reason = reason.ok_or_else(|| strange("reason"))?;
        Ok(Reject { reason, detail: self.detail, origin, raw: self.raw })
    }
}

fn strange(what: &str) -> EntryError {
    EntryError::Unknown(format!("it has an unknown {what}"))
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Entry, FlowBatch, Given, Ignored, Rejected};
    use super::{EventTime, Micros, Origin, Reject, RejectPlace, RejectReason};

    /// What others are told of refused records is what the run reads, and an entry that says nothing of their places is read too.
    #[test]
    fn refused_records_are_read_without_the_rows() {
        let reject = |line: u64| Reject {
            reason: RejectReason::BadValue,
            detail: format!("wrong {line}"),
            origin: Origin { file: "s".into(), line, offset: 10 * line },
            raw: "{…".to_owned(),
        };
        let places: Vec<RejectPlace> =
            (0..2).map(|at| RejectPlace { message: 7, at, payload: (at == 1).then(|| vec![0xff]) }).collect();
        for places in [places, Vec::new()] {
            let given = Given {
                lane: 3,
                flows: FlowBatch::empty(),
                rejects: vec![reject(1), reject(2)],
                offered: 2,
                filtered: 0,
                bytes: 9,
                ignored: Ignored::default(),
                ceiling: EventTime(5),
                messages: vec![7],
                generation: if places.is_empty() { String::new() } else { "one".to_owned() },
                places,
                arrived: EventTime(8),
                quiet: Micros(3),
            };
            let bytes = Entry::Given(Box::new(given)).write().expect("bytes");
            let Ok(Entry::Given(read)) = Entry::read(&bytes, 4) else { panic!("another entry") };
            assert!(Entry::read(&bytes, 3).is_err());
            let told = Rejected::read(&bytes).expect("rejects");
            assert_eq!((told.lane, &told.generation), (3, &read.generation));
            assert_eq!((read.arrived, read.quiet), (EventTime(8), Micros(3)));
            let rejects: Vec<Reject> = told.rejects.iter().map(|(reject, _)| reject.clone()).collect();
            assert_eq!((rejects.len(), &rejects), (2, &read.rejects));
            let places: Vec<RejectPlace> = told.rejects.into_iter().filter_map(|(_, place)| place).collect();
            assert_eq!(places, read.places);
        }
        let tick = Entry::Tick { lane: 0, heard: EventTime(1), now: EventTime(2) }.write().expect("bytes");
        assert!(Rejected::read(&tick).expect("nothing").rejects.is_empty());
    }
}
