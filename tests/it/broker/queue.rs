//! The messages of a subscription, and who holds them. What is acknowledged is compared with the log of the run as it is then.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use prost_types::Timestamp;

use super::proto::{PubsubMessage, ReceivedMessage, Status};
use crate::random::Random;

pub const UNAVAILABLE: i32 = 14;
const FAILED_PRECONDITION: i32 = 9;

/// What becomes of acknowledgements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckFault {
    /// The lease was over a moment before: the message comes again.
    Late,
    /// To be tried again.
    Transient,
    /// It counts, and nobody hears of it.
    Lost,
    /// It does not count.
    Unavailable,
}

#[derive(Debug, Clone, PartialEq)]
enum Held {
    Waiting,
    By { ack_id: String, until: Instant },
    Acknowledged,
}

struct Kept {
    message: PubsubMessage,
    held: Held,
    deliveries: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Counts {
    pub deliveries: u64,
    /// Of messages that were delivered before.
    pub again: u64,
    /// Acknowledgements that the client was told of.
    pub confirmed: u64,
    pub late: u64,
    pub transient: u64,
    pub lost: u64,
    pub opened: u64,
    pub asked: u64,
}

pub struct Queue {
    pub exactly_once: bool,
    /// Messages are given in the order in which they came.
    pub in_order: bool,
    pub lease: Duration,
    kept: BTreeMap<u64, Kept>,
    /// By id of an acknowledgement, all that ever were.
    ids: HashMap<String, u64>,
    random: Random,
    faults: Vec<(AckFault, usize)>,
    pub counts: Counts,
    /// Messages that were acknowledged before the log had them.
    pub too_early: Vec<u64>,
}

impl Queue {
    pub fn new(exactly_once: bool, seed: u64) -> Self {
        Self {
            exactly_once,
            in_order: false,
            lease: Duration::from_secs(10),
            kept: BTreeMap::new(),
            ids: HashMap::new(),
            random: Random::new(seed ^ 0xb10c),
            faults: Vec::new(),
            counts: Counts::default(),
            too_early: Vec::new(),
        }
    }

    pub fn publish(&mut self, data: Vec<u8>, attributes: &[(&str, &str)]) {
        let id = self.kept.len() as u64 + 1;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(0);
        let message = PubsubMessage {
            data,
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            message_id: id.to_string(),
            publish_time: Some(Timestamp { seconds, nanos: i32::try_from(now.subsec_nanos()).unwrap_or(0) }),
            ordering_key: String::new(),
        };
        self.kept.insert(id, Kept { message, held: Held::Waiting, deliveries: 0 });
    }

    pub fn unacknowledged(&self) -> usize {
        self.kept.values().filter(|kept| kept.held != Held::Acknowledged).count()
    }

    /// The next so many acknowledgements go wrong.
    pub fn spoil(&mut self, fault: AckFault, calls: usize) {
        self.faults.push((fault, calls));
    }

    pub fn heal(&mut self) {
        self.faults.clear();
    }

    /// Everything that is not acknowledged comes again.
    pub fn redeliver(&mut self) {
        for kept in self.kept.values_mut().filter(|kept| kept.held != Held::Acknowledged) {
            kept.held = Held::Waiting;
        }
    }

    /// Some of what nobody holds, in any order.
    pub fn take(&mut self, most: usize) -> Vec<ReceivedMessage> {
        let now = Instant::now();
        for kept in self.kept.values_mut() {
            if matches!(kept.held, Held::By { until, .. } if until <= now) {
                kept.held = Held::Waiting;
            }
        }
        let mut waiting: Vec<u64> =
            self.kept.iter().filter(|(_, kept)| kept.held == Held::Waiting).map(|(id, _)| *id).collect();
        let mut taken = Vec::new();
        if self.in_order {
            waiting.truncate(most);
        }
        while taken.len() < most && !waiting.is_empty() {
            let id = match self.in_order {
                true => waiting.swap_remove(0),
                false => waiting.swap_remove(self.random.below(waiting.len())),
            };
            let Some(kept) = self.kept.get_mut(&id) else { continue };
            let ack_id = format!("{id}.{}.{}", kept.deliveries, self.random.next());
            kept.held = Held::By { ack_id: ack_id.clone(), until: now + self.lease };
            self.counts.again += u64::from(kept.deliveries > 0);
            kept.deliveries += 1;
            self.counts.deliveries += 1;
            self.ids.insert(ack_id.clone(), id);
            taken.push(ReceivedMessage { ack_id, message: Some(kept.message.clone()) });
        }
        taken
    }

    pub fn extend(&mut self, ack_ids: &[String], seconds: i32) {
        for ack_id in ack_ids {
            let Some(kept) = self.ids.get(ack_id).and_then(|id| self.kept.get_mut(id)) else { continue };
            if matches!(&kept.held, Held::By { ack_id: own, .. } if own == ack_id) {
                let length = Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(self.lease);
                kept.held = match seconds {
                    0 => Held::Waiting,
                    _ => Held::By { ack_id: ack_id.clone(), until: Instant::now() + length },
                };
            }
        }
    }

    /// Which messages an acknowledgement means.
    pub fn meant(&self, ack_ids: &[String]) -> Vec<u64> {
        ack_ids.iter().filter_map(|ack_id| self.ids.get(ack_id).copied()).collect()
    }

    pub fn acknowledge(&mut self, ack_ids: &[String]) -> Result<(), Status> {
        let fault = self.faults.last_mut().map(|(fault, left)| {
            *left -= 1;
            *fault
        });
        self.faults.retain(|(_, left)| *left > 0);
        if fault == Some(AckFault::Unavailable) {
            return Err(Status::new(UNAVAILABLE, "The service was unable to fulfill your request."));
        }
        let mut wrong = HashMap::new();
        let mut done = 0;
        for ack_id in ack_ids {
            let Some(kept) = self.ids.get(ack_id).and_then(|id| self.kept.get_mut(id)) else { continue };
            let holds =
                matches!(&kept.held, Held::By { ack_id: own, until } if own == ack_id && *until > Instant::now());
            // Without exactly-once delivery a late one may count, too.
            let holds = holds || (!self.exactly_once && kept.held == Held::Waiting && self.random.one_in(2));
            let fault = fault.filter(|_| self.random.one_in(2));
            match fault {
                Some(AckFault::Late) if holds => {
                    kept.held = Held::Waiting;
                    self.counts.late += 1;
                    wrong.insert(ack_id.clone(), "PERMANENT_FAILURE_INVALID_ACK_ID".to_owned());
                }
                Some(AckFault::Transient) if holds && self.exactly_once => {
                    self.counts.transient += 1;
                    wrong.insert(ack_id.clone(), "TRANSIENT_FAILURE_SERVICE_UNAVAILABLE".to_owned());
                }
                _ if holds => {
                    kept.held = Held::Acknowledged;
                    done += 1;
                }
                _ => {
                    self.counts.late += 1;
                    wrong.insert(ack_id.clone(), "PERMANENT_FAILURE_INVALID_ACK_ID".to_owned());
                }
            }
        }
        if fault == Some(AckFault::Lost) {
            self.counts.lost += done;
            return Err(Status::new(UNAVAILABLE, "The connection was lost."));
        }
        self.counts.confirmed += done;
        if self.exactly_once && !wrong.is_empty() {
            return Err(Status::of_ids(FAILED_PRECONDITION, wrong));
        }
        Ok(())
    }
}
