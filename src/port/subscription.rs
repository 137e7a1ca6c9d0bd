//! A queue of messages, each delivered again until somebody says that it is safe.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::record::EventTime;

pub trait Subscription: Send {
    /// What a user calls it.
    fn name(&self) -> Arc<str>;
    /// What has come; waits so long for the first of it.
    fn receive(&mut self, patience: Duration) -> io::Result<Vec<Delivered>>;
    /// Does the service answer now? While it does not, that nothing comes says nothing of who publishes.
    fn is_reachable(&mut self) -> bool {
        true
    }
}

/// A message. Dropped without being acknowledged, it is delivered again.
pub struct Delivered {
    /// The same at each delivery.
    pub id: String,
    pub published: EventTime,
    pub data: Vec<u8>,
    pub receipt: Box<dyn Receipt>,
}

pub trait Receipt: Send {
    /// The message is safe.
    fn acknowledge(self: Box<Self>);
}
