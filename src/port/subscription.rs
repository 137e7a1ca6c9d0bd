//! A queue of messages, each delivered again until somebody says that it is safe.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::standing::Standing;
use crate::record::EventTime;

pub trait Subscription: Send {
    /// What a user calls it.
    fn name(&self) -> Arc<str>;
    /// What has come; waits so long for the first of it.
    fn receive(&mut self, patience: Duration) -> io::Result<Vec<Delivered>>;
    /// Where it says how it is.
    fn standing(&self) -> Arc<Standing> {
        Arc::default()
    }
}

/// A message. Dropped without being acknowledged, it is delivered again.
pub struct Delivered {
    /// The same at each delivery.
    pub id: String,
    pub published: EventTime,
    pub data: Vec<u8>,
    pub attributes: HashMap<String, String>,
    pub ordering_key: String,
    pub receipt: Box<dyn Receipt>,
}

pub trait Receipt: Send {
    /// The message is safe.
    fn acknowledge(self: Box<Self>);
}
