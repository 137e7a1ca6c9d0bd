//! Leaf types that every stage shares. Uses no other module of this crate.

pub mod alert;
pub mod fingerprint;
pub mod float;
pub mod flow;
pub mod hit;
pub mod network;
mod plural;
pub mod pseudonym;
pub mod raw;
pub mod reject;
mod secret_text;
mod shared_text;
pub mod time;
pub mod types;
pub mod value;
pub mod web;

pub use fingerprint::fingerprint64;
pub use float::float_text;
pub use hit::{Disposition, hit_id, key_text};
pub use network::Network;
pub use plural::plural;
pub use pseudonym::{KeyPlace, MacKey, NoKey, PseudonymKey};
pub use raw::{Carried, Decode, Format, RawField, RawSchema};
pub use reject::{Origin, Reject, RejectReason};
pub use secret_text::{is_key, keys_in};
pub use time::{Day, EventTime, MICROS_PER_SECOND, Micros, Period};
pub use types::{Column, Type};
pub use value::Value;
pub use web::{WebAddress, WrongAddress};
