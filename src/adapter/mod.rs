//! Adapters.

pub mod gcp;
pub mod http;
pub mod local;
pub mod record;
pub mod severe;
