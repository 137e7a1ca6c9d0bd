//! A refused record as others are told of it: what it was, why it was refused, and where it is from.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::port::sink::Told;
use crate::state::entry::Rejected;

/// Version of a letter's shape.
const LETTER_VERSION: u32 = 1;
/// Of an id, in bytes.
const ID_BYTES: usize = 16;

/// The letters of an entry of the log. `lane`: `SOURCE=SUBSCRIPTION`.
pub fn letters(number: u64, lane: &str, rejected: Rejected) -> Vec<Told> {
    let (source, subscription) = lane.split_once('=').unwrap_or(("", lane));
    let Rejected { generation, rejects, .. } = rejected;
    let letter = |(index, (reject, place)): (usize, (_, Option<_>))| {
        let reject: crate::record::Reject = reject;
        let place: Option<crate::state::entry::RejectPlace> = place;
        // The same however often the message is delivered, and to which folder.
        let letter_id = match &place {
            Some(place) => id(&[subscription, &place.message.to_string(), &place.at.to_string()]),
            None => id(&[subscription, "entry", &number.to_string(), &index.to_string()]),
        };
        let payload = place.as_ref().and_then(|place| place.payload.as_deref());
        let payload = payload.unwrap_or(reject.raw.as_bytes());
        let (text, base64) = match std::str::from_utf8(payload) {
            Ok(text) => (Json::from(text), Json::Null),
            Err(_) => (Json::Null, Json::from(STANDARD.encode(payload))),
        };
        let alert = json!({
            "version": LETTER_VERSION,
            "letter_id": letter_id,
            "reason": reject.reason.code(),
            "message": reject.detail,
            "source": source,
            "subscription": subscription,
            "message_id": place.as_ref().map(|place| place.message.to_string()),
            "offset": place.as_ref().map(|place| place.at),
            "generation": if generation.is_empty() { Json::Null } else { Json::from(generation.as_str()) },
            "payload": text,
            "payload_base64": base64,
        });
        Told { id: letter_id, number, alert }
    };
    rejects.into_iter().enumerate().map(letter).collect()
}

fn id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(format!("{}:{part};", part.len()));
    }
    hash.finalize().iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect()
}
