//! The part of `google.pubsub.v1` that a subscriber speaks, and how gRPC frames it. Other fields are left out as they come.

use std::collections::HashMap;

use hyper::body::Bytes;
use prost::Message;
use prost_types::{Any, Timestamp};

#[derive(Clone, PartialEq, Message)]
pub struct StreamingPullRequest {
    #[prost(string, tag = "1")]
    pub subscription: String,
    #[prost(int32, tag = "5")]
    pub stream_ack_deadline_seconds: i32,
    #[prost(int64, tag = "7")]
    pub max_outstanding_messages: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct StreamingPullResponse {
    #[prost(message, repeated, tag = "1")]
    pub received_messages: Vec<ReceivedMessage>,
    #[prost(message, optional, tag = "4")]
    pub subscription_properties: Option<SubscriptionProperties>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SubscriptionProperties {
    #[prost(bool, tag = "1")]
    pub exactly_once_delivery_enabled: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct ReceivedMessage {
    #[prost(string, tag = "1")]
    pub ack_id: String,
    #[prost(message, optional, tag = "2")]
    pub message: Option<PubsubMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub struct PubsubMessage {
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
    #[prost(map = "string, string", tag = "2")]
    pub attributes: HashMap<String, String>,
    #[prost(string, tag = "3")]
    pub message_id: String,
    #[prost(message, optional, tag = "4")]
    pub publish_time: Option<Timestamp>,
    #[prost(string, tag = "5")]
    pub ordering_key: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct AcknowledgeRequest {
    #[prost(string, repeated, tag = "2")]
    pub ack_ids: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ModifyAckDeadlineRequest {
    #[prost(int32, tag = "3")]
    pub ack_deadline_seconds: i32,
    #[prost(string, repeated, tag = "4")]
    pub ack_ids: Vec<String>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// `google.rpc.ErrorInfo`.
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

impl Status {
    pub fn new(code: i32, message: &str) -> Self {
        Self { code, message: message.to_owned(), details: Vec::new() }
    }

    /// What became of some of the ids of an acknowledgement.
    pub fn of_ids(code: i32, ids: HashMap<String, String>) -> Self {
        let info = ErrorInfo { reason: "ACK".into(), domain: "pubsub.googleapis.com".into(), metadata: ids };
        let detail = Any { type_url: "type.googleapis.com/google.rpc.ErrorInfo".into(), value: info.encode_to_vec() };
        let message = "Some acknowledgement ids in the request were invalid.".to_owned();
        Self { code, message, details: vec![detail] }
    }
}

/// A message as it is sent: not compressed, its length, its bytes.
pub fn frame(message: &impl Message) -> Bytes {
    let bytes = message.encode_to_vec();
    let mut framed = vec![0];
    framed.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend(bytes);
    framed.into()
}

/// The first message of what came, when it is whole.
pub fn unframed<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    let length = u32::from_be_bytes(bytes.get(1..5)?.try_into().ok()?);
    M::decode(bytes.get(5..5 + usize::try_from(length).ok()?)?).ok()
}
