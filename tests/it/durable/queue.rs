//! A queue in memory that delivers again what was not acknowledged, and sometimes what was.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tripline::port::standing::Standing;
use tripline::port::subscription::{Delivered, Receipt, Subscription};
use tripline::record::EventTime;

use crate::random::Random;

#[derive(Debug, Clone)]
pub struct Message {
    pub id: u64,
    pub data: String,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Message>,
    /// Delivered and not acknowledged.
    out: Vec<Message>,
    acknowledged: usize,
    /// What was acknowledged: some of it comes again.
    old: Vec<Message>,
    total: usize,
    /// Somebody has asked for messages since the start.
    asked: bool,
}

#[derive(Clone)]
pub struct Queue {
    name: Arc<str>,
    state: Arc<Mutex<State>>,
    random: Arc<Mutex<Random>>,
    published: EventTime,
    standing: Arc<Standing>,
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    pub fn new(name: &str, messages: Vec<Message>, seed: u64, published: EventTime) -> Self {
        let total = messages.len();
        let state = State { waiting: messages.into(), total, ..State::default() };
        Self {
            name: name.into(),
            state: Arc::new(Mutex::new(state)),
            random: Arc::new(Mutex::new(Random::new(seed))),
            published,
            standing: Arc::default(),
        }
    }

    /// Does its service answer? Where it does not, nothing comes either.
    pub fn reachable(&self, reachable: bool) {
        match reachable {
            true => self.standing.answers(),
            false => self.standing.fails("it is away".to_owned()),
        }
    }

    pub fn add(&self, message: Message) {
        let mut state = locked(&self.state);
        state.waiting.push_back(message);
        state.total += 1;
    }

    /// The one who took messages is dead.
    pub fn restart(&self) {
        let mut state = locked(&self.state);
        let out = std::mem::take(&mut state.out);
        for message in out.into_iter().rev() {
            state.waiting.push_front(message);
        }
    }

    pub fn acknowledged(&self) -> usize {
        locked(&self.state).acknowledged
    }

    /// Nothing of it is waited for any more.
    pub fn give_up(&self) {
        let mut state = locked(&self.state);
        state.total = state.acknowledged;
        state.waiting.clear();
    }

    /// A program starts.
    pub fn start(&self) {
        locked(&self.state).asked = false;
    }

    /// Everything is acknowledged, and whoever read the log has read it.
    pub fn is_done(&self) -> bool {
        let state = locked(&self.state);
        state.asked && state.acknowledged >= state.total
    }
}

impl Subscription for Queue {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing)
    }

    fn receive(&mut self, _: Duration) -> io::Result<Vec<Delivered>> {
        let mut random = locked(&self.random);
        let mut state = locked(&self.state);
        state.asked = true;
        let count = (1 + random.below(5)).min(state.waiting.len());
        let mut taken: Vec<Message> = state.waiting.drain(..count).collect();
        if taken.is_empty() {
            drop(state);
            std::thread::sleep(Duration::from_millis(1));
            return Ok(Vec::new());
        }
        state.out.extend(taken.iter().cloned());
        // At least once: some come twice.
        if random.one_in(3) {
            taken.push(taken[random.below(taken.len())].clone());
        }
        if random.one_in(4) && !state.old.is_empty() {
            taken.push(state.old[random.below(state.old.len())].clone());
        }
        let delivered = taken.into_iter().map(|message| Delivered {
            id: message.id.to_string(),
            published: self.published,
            data: message.data.into_bytes(),
            attributes: std::collections::HashMap::new(),
            ordering_key: String::new(),
            receipt: Box::new(Lease { state: Arc::clone(&self.state), id: message.id }),
        });
        Ok(delivered.collect())
    }
}

struct Lease {
    state: Arc<Mutex<State>>,
    id: u64,
}

impl Receipt for Lease {
    fn acknowledge(self: Box<Self>) {
        let mut state = locked(&self.state);
        let (gone, out): (Vec<Message>, _) = state.out.drain(..).partition(|message| message.id == self.id);
        state.out = out;
        state.acknowledged += gone.len();
        state.old.extend(gone.into_iter().take(1));
    }
}
