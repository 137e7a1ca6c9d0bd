//! Google Cloud: BigQuery's jobs and tables over REST, objects of Cloud Storage as inputs, subscriptions and topics of Pub/Sub.
//!
//! | file | does |
//! |---|---|
//! | `bigquery.rs` | the port: what each call asks and answers |
//! | `job.rs` | one job: found, inserted, waited for |
//! | `upload.rs` | a load with the file in the request |
//! | `retry.rs` | which failures are tried again, when, and how often |
//! | `failure.rs` | the client's errors as what a person can act on |
//! | `credentials.rs` | who asks |
//! | `storage.rs` | names and globs of objects to inputs |
//! | `listing.rs` | names of objects that the client refuses |
//! | `object.rs` | one object, read in ranges of one generation |
//! | `bucket.rs` | how a bucket is reached, and what its errors mean |
//! | `pubsub.rs` | a subscription: messages, leases, acknowledgements |
//! | `topic.rs` | a topic that alerts are published to; `message.rs` an alert as a message of it |
//! | `table.rs` | a table that alerts are appended to; `refusal.rs` what its errors mean |
//! | `row.rs` | an alert as a row of it; `table_schema.rs` whether the table takes it |
//!
//! Nothing else in the program knows these clients.

mod bigquery;
mod bucket;
mod credentials;
mod failure;
mod job;
mod listing;
mod message;
mod object;
pub mod pubsub;
mod refusal;
mod retry;
mod row;
pub mod storage;
pub mod table;
mod table_schema;
pub mod topic;
mod upload;

pub use bigquery::{BigQuery, Options};
pub use retry::Patience;
