//! HTTP: alerts to webhooks, and pages on this machine for whoever watches a run.
//!
//! | file | does |
//! |---|---|
//! | `webhook.rs` | one POST for each alert |
//! | `answer.rs` | what an answer means for the alert |
//! | `signature.rs` | signs what is sent, by the Standard Webhooks specification |
//! | `resolver.rs` | names to addresses that may be sent to |
//! | `redact.rs` | keeps secrets out of what is said |
//! | `serve.rs` | pages at an address, on a thread of their own |
//! | `ask.rs` | one page of another process |

mod answer;
mod ask;
mod redact;
mod resolver;
mod serve;
mod signature;
mod webhook;

pub use ask::ask;
pub use serve::{Serving, serve};
pub use signature::Secret;
pub use webhook::{Webhook, WebhookOptions};
