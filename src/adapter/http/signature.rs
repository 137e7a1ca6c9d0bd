//! Signatures by the Standard Webhooks specification: a receiver knows who sent a request, and that nothing was changed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Before a secret that is written in base64.
const PREFIX: &str = "whsec_";

/// Both sides know it. Not `Debug`.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// `whsec_` and base64, or the bytes themselves. What is wrong does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let bytes = match text.strip_prefix(PREFIX) {
            Some(coded) => STANDARD.decode(coded).map_err(|_| "is no base64 behind `whsec_`")?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.is_empty() { Err("is empty") } else { Ok(Self(bytes)) }
    }

    /// The value of `webhook-signature`.
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> Option<String> {
        // A key may have any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    /// Computed with Python's `hmac`.
    #[test]
    fn a_signature_is_over_id_time_and_body() {
        let coded = Secret::parse("whsec_c2VjcmV0IGtleQ==").expect("a secret");
        let plain = Secret::parse("secret key").expect("a secret");
        let expected = "v1,JFzO2xXuOT6jG9HJzD8daM/hWnRcks42VqOI2HBWSvk=";
        assert_eq!(coded.sign("a1", 1_767_604_050, b"{\"x\":1}").as_deref(), Some(expected));
        assert_eq!(plain.sign("a1", 1_767_604_050, b"{\"x\":1}").as_deref(), Some(expected));
        assert_ne!(plain.sign("a2", 1_767_604_050, b"{\"x\":1}").as_deref(), Some(expected));
    }

    #[test]
    fn what_is_no_secret_is_not_repeated() {
        assert_eq!(Secret::parse("whsec_%%").err(), Some("is no base64 behind `whsec_`"));
        assert_eq!(Secret::parse("").err(), Some("is empty"));
        assert_eq!(Secret::parse("whsec_").err(), Some("is empty"));
    }
}
