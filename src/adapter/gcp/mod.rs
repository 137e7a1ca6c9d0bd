//! Google Cloud: BigQuery's jobs and tables over REST.
//!
//! | file | does |
//! |---|---|
//! | `bigquery.rs` | the port: what each call asks and answers |
//! | `job.rs` | one job: found, inserted, waited for |
//! | `upload.rs` | a load with the file in the request |
//! | `retry.rs` | which failures are tried again, when, and how often |
//! | `failure.rs` | the client's errors as what a person can act on |
//! | `credentials.rs` | who asks |
//!
//! Nothing else in the program knows this client.

mod bigquery;
mod credentials;
mod failure;
mod job;
mod retry;
mod upload;

pub use bigquery::{BigQuery, Options};
pub use retry::Patience;
