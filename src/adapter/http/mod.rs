//! Alerts over HTTP.
//!
//! | file | does |
//! |---|---|
//! | `webhook.rs` | one POST for each alert |
//! | `answer.rs` | what an answer means for the alert |
//! | `signature.rs` | signs what is sent, by the Standard Webhooks specification |
//! | `resolver.rs` | names to addresses that may be sent to |
//! | `redact.rs` | keeps secrets out of what is said |

mod answer;
mod redact;
mod resolver;
mod signature;
mod webhook;

pub use signature::Secret;
pub use webhook::{Webhook, WebhookOptions};
