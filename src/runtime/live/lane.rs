//! A queue on a thread of its own: messages to rows, and how far they may move the watermark.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::pipeline::ingest::{Envelope, MessageDecoder, Unread, lines_of};
use crate::pipeline::normalize::{Latest, Normalizer};
use crate::port::Clock;
use crate::port::subscription::{Delivered, Receipt, Subscription};
use crate::record::{EventTime, Micros, RawSchema, Reject};
use crate::state::entry::{Given, RejectPlace};

use super::super::run::RunError;
use super::LiveError;
use super::room::{Held, Room};
use super::seen::{Seen, number};
use super::vitals::Vitals;

/// Batches that wait between a queue's thread and the log.
const QUEUE_BATCHES: usize = 4;
/// How long a queue is waited for before somebody looks whether the run goes on.
const PATIENCE: Duration = Duration::from_millis(100);
/// A queue has no order: as long as it delivers old messages others of their age may come.
const SETTLE: Micros = Micros(10_000_000);

pub type Message = Result<Taken, LiveError>;

/// Messages that were taken together.
pub struct Taken {
    /// `None` when all of them are in the log.
    pub given: Option<Box<Given>>,
    pub receipts: Vec<Box<dyn Receipt>>,
    pub redelivered: u64,
    pub arrived: EventTime,
    /// The room that what was given takes.
    pub held: Option<Held>,
}

pub struct Inlet {
    pub lane: usize,
    pub schema: RawSchema,
    pub normalizer: Arc<Normalizer>,
    pub clock: Arc<dyn Clock>,
    pub future_skew: Micros,
    pub keep_raw: bool,
    /// Are refused records kept as they came, for others?
    pub letters: bool,
    /// Until then nothing moves the watermark beyond what this event time moves it to.
    pub hold: Option<(EventTime, EventTime)>,
    pub stop: Arc<AtomicBool>,
    pub vitals: Arc<Vitals>,
    /// For what is decoded.
    pub room: Arc<Room>,
    /// Bytes of records, not compressed, behind which an entry ends.
    pub part_bytes: usize,
}

impl Inlet {
    pub fn spawn(self, mut queue: Box<dyn Subscription>, mut seen: Seen) -> (Receiver<Message>, JoinHandle<()>) {
        let (sender, receiver) = sync_channel(QUEUE_BATCHES);
        let waiting = thread::current();
        let thread = thread::spawn(move || {
            let mut decoder = MessageDecoder::new(&self.schema, &queue.name(), self.keep_raw);
            let mut oldest = Oldest::default();
            // Nobody listened before.
            let mut heard = self.clock.now();
            while !self.stop.load(Ordering::Relaxed) {
                let received = queue.receive(PATIENCE);
                if received.is_ok() {
                    self.vitals.answered(self.lane);
                }
                let mut hand = |message: Message| {
                    let failed = message.is_err();
                    let handed = sender.send(message).is_ok();
                    waiting.unpark();
                    if failed || !handed { Err(()) } else { Ok(()) }
                };
                let handed = match received {
                    Ok(messages) if messages.is_empty() => continue,
                    Ok(messages) => {
                        self.hand_over(messages, &mut seen, (&mut oldest, &mut heard), &mut decoder, &mut hand)
                    }
                    Err(error) => hand(Err(LiveError::Subscription(error))),
                };
                if handed.is_err() {
                    return;
                }
            }
        });
        (receiver, thread)
    }

    /// Messages that were taken together, in parts that are not too long; each is handed over before the next is made. An error
    /// when nobody takes them any more.
    fn hand_over(
        &self,
        messages: Vec<Delivered>,
        seen: &mut Seen,
        (oldest, heard): (&mut Oldest, &mut EventTime),
        decoder: &mut MessageDecoder,
        hand: &mut dyn FnMut(Message) -> Result<(), ()>,
    ) -> Result<(), ()> {
        let now = self.clock.now();
        let mut quiet = Micros(now.0.saturating_sub(std::mem::replace(heard, now).0).max(0));
        let published = messages.iter().map(|message| message.published).min().unwrap_or(now);
        let mut ceiling = now.min(oldest.after(now, published));
        if let Some((until, at)) = self.hold
            && now < until
        {
            ceiling = ceiling.min(at);
        }
        // Only before the first of them nothing had come.
        let mut new = || Part::new(now, std::mem::take(&mut quiet), ceiling);
        let (mut part, mut bytes) = (new(), 0);
        for message in messages {
            let number = number(&message.id);
            // Of one that came before too: what came before is logged first.
            part.receipts.push(message.receipt);
            if !seen.insert(number) {
                part.redelivered += 1;
                continue;
            }
            let lines = lines_of(&message.data).map(Cow::into_owned).unwrap_or_else(|unread| {
                part.unread.insert(part.lines.len(), unread);
                message.data
            });
            if decoder.wants_envelopes() {
                let Delivered { id, published, attributes, ordering_key, .. } = message;
                part.envelopes.push(Envelope { id, published, attributes, ordering_key });
            }
            bytes += lines.len();
            part.numbers.push(number);
            part.lines.push(lines);
            if bytes >= self.part_bytes {
                let whole = std::mem::replace(&mut part, new());
                bytes = 0;
                hand(self.held(whole, decoder))?;
            }
        }
        if part.receipts.is_empty() { Ok(()) } else { hand(self.held(part, decoder)) }
    }

    /// A part that has room.
    fn held(&self, part: Part, decoder: &mut MessageDecoder) -> Message {
        let mut taken = self.take(part, decoder)?;
        if let Some(given) = &taken.given {
            // Where the run stops nobody takes it, and it comes again.
            taken.held = Some(self.room.take(given.memory(), &self.stop).ok_or(LiveError::Thread)?);
        }
        Ok(taken)
    }

    fn take(&self, part: Part, decoder: &mut MessageDecoder) -> Message {
        let Part { now, quiet, ceiling, numbers, lines, unread, envelopes, receipts, redelivered } = part;
        if numbers.is_empty() {
            return Ok(Taken { given: None, receipts, redelivered, arrived: now, held: None });
        }
        let begun = decoder.offset();
        let read = lines.iter().map(Vec::as_slice);
        let raw = decoder.decode(read, &envelopes, &unread).map_err(RunError::from)?;
        let latest = Latest { time: now.plus(self.future_skew), now };
        let name = decoder.name();
        let normalized = self.normalizer.run(&raw, name, Some(latest)).map_err(RunError::from)?;
        let mut rejects = raw.rejects;
        rejects.extend(normalized.rejects);
        let places = if self.letters { places(&rejects, begun, &numbers, &lines, &unread) } else { Vec::new() };
        let given = Given {
            places,
            generation: String::new(),
            lane: self.lane,
            flows: normalized.flows,
            rejects,
            offered: raw.offered,
            filtered: normalized.filtered,
            bytes: raw.bytes,
            ignored: raw.ignored,
            ceiling,
            messages: numbers,
            arrived: now,
            quiet,
        };
        Ok(Taken { given: Some(Box::new(given)), receipts, redelivered, arrived: now, held: None })
    }
}

/// Where refused records are in their messages; the first of them begins there.
fn places(
    rejects: &[Reject],
    begun: u64,
    numbers: &[u64],
    lines: &[Vec<u8>],
    unread: &BTreeMap<usize, Unread>,
) -> Vec<RejectPlace> {
    let ends = lines.iter().scan(begun, |end, lines| {
        *end += lines.len() as u64 + 1;
        Some(*end)
    });
    let ends: Vec<u64> = ends.collect();
    let place = |reject: &Reject| {
        let index = ends.partition_point(|end| *end <= reject.origin.offset);
        let (number, lines) =
            (numbers.get(index).copied().unwrap_or(0), lines.get(index).map_or(&[][..], Vec::as_slice));
        let start = if index == 0 { begun } else { ends.get(index - 1).copied().unwrap_or(begun) };
        let at = reject.origin.offset.saturating_sub(start);
        let record = lines.get(usize::try_from(at).unwrap_or(usize::MAX)..).unwrap_or_default();
        let whole = unread.contains_key(&index);
        let record = if whole { record } else { record.split(|byte| *byte == b'\n').next().unwrap_or_default() };
        let payload = (record != reject.raw.as_bytes()).then(|| record.to_vec());
        RejectPlace { message: number, at, payload }
    };
    rejects.iter().map(place).collect()
}

/// Messages that become one entry of the log.
struct Part {
    now: EventTime,
    /// For how long nothing had come before.
    quiet: Micros,
    ceiling: EventTime,
    numbers: Vec<u64>,
    lines: Vec<Vec<u8>>,
    /// Those that are as they came, for nothing in them can be read.
    unread: BTreeMap<usize, Unread>,
    /// Where a column needs them.
    envelopes: Vec<Envelope>,
    receipts: Vec<Box<dyn Receipt>>,
    redelivered: u64,
}

impl Part {
    fn new(now: EventTime, quiet: Micros, ceiling: EventTime) -> Self {
        Self {
            now,
            quiet,
            ceiling,
            numbers: Vec::new(),
            lines: Vec::new(),
            unread: BTreeMap::new(),
            envelopes: Vec::new(),
            receipts: Vec::new(),
            redelivered: 0,
        }
    }
}

/// When the oldest of the messages was published that came lately.
#[derive(Default)]
struct Oldest(VecDeque<(EventTime, EventTime)>);

impl Oldest {
    /// After messages came now, of which the oldest was published then.
    fn after(&mut self, now: EventTime, published: EventTime) -> EventTime {
        while self.0.front().is_some_and(|(arrived, _)| arrived.plus(SETTLE) < now) {
            self.0.pop_front();
        }
        // Those that came before and are younger do not matter any more.
        while self.0.back().is_some_and(|(_, other)| *other >= published) {
            self.0.pop_back();
        }
        self.0.push_back((now, published));
        self.0.front().map_or(published, |(_, oldest)| *oldest)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::{EventTime, Oldest, Reject, RejectPlace, SETTLE, places};
    use crate::record::{Origin, RejectReason};

    /// Of two messages, the second with two records; behind 100 bytes of others.
    #[test]
    fn a_refused_record_is_in_its_message_as_it_came() {
        let lines = [b"{\"a\":".to_vec(), b"{\"ok\":1}\n\xff\xfe\nlong".to_vec()];
        let reject = |offset: u64, raw: &str| Reject {
            reason: RejectReason::BadRecord,
            detail: String::new(),
            origin: Origin { file: Arc::from("s"), line: 0, offset },
            raw: raw.to_owned(),
        };
        let rejects = [reject(100, "{\"a\":"), reject(100 + 6 + 9, "\u{fffd}\u{fffd}"), reject(100 + 6 + 12, "lo…")];
        let place =
            |message, at, payload: Option<&[u8]>| RejectPlace { message, at, payload: payload.map(<[u8]>::to_vec) };
        let expected = [place(7, 0, None), place(8, 9, Some(b"\xff\xfe")), place(8, 12, Some(b"long"))];
        assert_eq!(places(&rejects, 100, &[7, 8], &lines, &BTreeMap::new()), expected);
    }

    #[test]
    fn the_oldest_of_a_while() {
        let mut oldest = Oldest::default();
        let mut after = |now: i64, published: i64| oldest.after(EventTime(now), EventTime(published)).0;
        assert_eq!(after(100, 90), 90);
        assert_eq!(after(101, 50), 50);
        assert_eq!(after(102, 95), 50);
        assert_eq!(after(101 + SETTLE.0, 96), 50);
        assert_eq!(after(102 + SETTLE.0, 97), 95);
        assert_eq!(after(200 + SETTLE.0, 99), 96);
    }
}
