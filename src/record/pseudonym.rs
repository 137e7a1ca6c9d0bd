//! Pseudonyms: HMAC-SHA-256 (RFC 2104) of a value under a secret key, cut to 128 bits, behind the id of its key.
//!
//! A key is never shown: it is not `Display`, its `Debug` says nothing, and what is wrong with a text that should be one
//! does not repeat it.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::secret_text;

/// A shorter key could be guessed.
pub const KEY_BYTES_MIN: usize = 16;
/// Bytes of the code that a pseudonym has: so many that two values of 2^40 have the same with a chance of 2^-49.
pub const CODE_BYTES: usize = 16;
/// The table of a warehouse that has padded keys, where a project names no other.
pub const KEYS_TABLE: &str = "tripline_keys";
/// Of SHA-256.
pub const BLOCK_BYTES: usize = 64;
const IPAD: u8 = 0x36;
const OPAD: u8 = 0x5c;
const CHECK_BYTES: usize = 4;
/// What the check value of a key is the code of.
const CHECK: &[u8] = b"tripline: is this the same key?";

/// A secret key.
#[derive(Clone)]
pub struct MacKey {
    bytes: Vec<u8>,
    /// The key is in it already: a value costs two blocks of SHA-256 and not four.
    state: Hmac<Sha256>,
}

impl MacKey {
    /// Base64, as `openssl rand -base64 32` writes it.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::new(secret_text::bytes(text)?)
    }

    fn new(bytes: Vec<u8>) -> Result<Self, String> {
        let state = Hmac::new_from_slice(&bytes).map_err(|error| error.to_string())?;
        Ok(Self { bytes, state })
    }

    fn code(&self, value: &[u8]) -> [u8; 32] {
        let mut mac = self.state.clone();
        mac.update(value);
        mac.finalize().into_bytes().into()
    }

    /// The pseudonym of a value under this key, which has that id: `id_` and 32 hexadecimal digits.
    pub fn pseudonym(&self, id: &str, value: &[u8]) -> String {
        let mut text = String::with_capacity(id.len() + 1 + 2 * CODE_BYTES);
        text.push_str(id);
        text.push('_');
        push_hex(&mut text, &self.code(value)[..CODE_BYTES]);
        text
    }

    /// Tells one key from another, and nothing else of it: the first bytes of the code of a constant.
    pub fn check_value(&self) -> String {
        let mut text = String::new();
        push_hex(&mut text, &self.code(CHECK)[..CHECK_BYTES]);
        text
    }

    /// The two padded keys of RFC 2104, inner and outer: with them HMAC is two calls of SHA-256.
    pub fn pads(&self) -> [[u8; BLOCK_BYTES]; 2] {
        let hashed;
        let bytes: &[u8] = if self.bytes.len() > BLOCK_BYTES {
            hashed = Sha256::digest(&self.bytes);
            &hashed
        } else {
            &self.bytes
        };
        [IPAD, OPAD].map(|pad| {
            let mut padded = [pad; BLOCK_BYTES];
            padded.iter_mut().zip(bytes).for_each(|(padded, byte)| *padded ^= byte);
            padded
        })
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(…)")
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |digit: u8| char::from(DIGITS[usize::from(digit)]);
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

/// A key as a project names it, and the key itself where it could be read.
#[derive(Debug, Clone)]
pub struct PseudonymKey {
    pub name: String,
    /// Stands before every pseudonym, so that one is known by its key.
    pub id: String,
    /// Where the key is: a variable or a file.
    pub place: KeyPlace,
    pub key: Result<Arc<MacKey>, NoKey>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// An environment variable.
    Env(String),
    File(String),
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {path}"),
        }
    }
}

/// A key that is not there, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pseudonym key `{name}` is not there: {place} {why}\nhelp: {}", help(.place))]
pub struct NoKey {
    pub name: String,
    pub place: KeyPlace,
    pub why: String,
}

fn help(place: &KeyPlace) -> String {
    let write = match place {
        KeyPlace::Env(name) => format!("set {name} to it"),
        KeyPlace::File(path) => format!("write it into {path}"),
    };
    format!("a key is {KEY_BYTES_MIN} bytes or more in base64: `openssl rand -base64 32` makes one; {write}")
}

impl PseudonymKey {
    /// A key that nobody has read yet.
    pub fn unread(name: &str, id: &str, place: KeyPlace) -> Self {
        let mut key = Self {
            name: name.to_owned(),
            id: id.to_owned(),
            key: Err(NoKey { name: name.to_owned(), place: place.clone(), why: String::new() }),
            place,
        };
        key.set(Err("was not read".to_owned()));
        key
    }

    /// The text that its place has, or why it has none.
    pub fn set(&mut self, text: Result<String, String>) {
        let key = text.and_then(|text| MacKey::parse(&text));
        let missing = |why| NoKey { name: self.name.clone(), place: self.place.clone(), why };
        self.key = key.map(Arc::new).map_err(missing);
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES, Digest, KeyPlace, MacKey, PseudonymKey, Sha256};

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter_map(|b| char::from(b).to_digit(16)).map(|d| d as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// RFC 4231, 4.2 to 4.8: key, data, HMAC-SHA-256. The fifth is cut to 128 bits there. The second has a key of 4 bytes,
    /// which is no key here.
    fn vectors() -> Vec<(Vec<u8>, Vec<u8>, &'static str)> {
        vec![
            (vec![0x0b; 20], b"Hi There".to_vec(), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                vec![0xaa; 20],
                vec![0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            ),
            (
                (1..=25).collect(),
                vec![0xcd; 50],
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
            ),
            (vec![0x0c; 20], b"Test With Truncation".to_vec(), "a3b6167473100ee06e0c796c2955552b"),
            (
                vec![0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                vec![0xaa; 131],
                b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be \
                  hashed before being used by the HMAC algorithm."
                    .to_vec(),
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ]
    }

    #[test]
    fn codes_are_those_of_rfc_4231() {
        for (key, data, expected) in vectors() {
            let key = MacKey::new(key).expect("a key");
            let expected = bytes(expected);
            assert_eq!(key.code(&data)[..expected.len()], expected[..]);
            let hex: String = expected.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(key.pseudonym("k1", &data), format!("k1_{hex}"));
        }
    }

    /// What BigQuery is told: SHA256(outer SHA256(inner value)).
    #[test]
    fn two_hashes_over_padded_keys_are_the_code() {
        for (key, data, _) in vectors() {
            let key = MacKey::new(key).expect("a key");
            let [inner, outer] = key.pads();
            assert_eq!(inner.len(), BLOCK_BYTES);
            let within = Sha256::digest([&inner[..], &data].concat());
            let whole: [u8; 32] = Sha256::digest([&outer[..], &within].concat()).into();
            assert_eq!(whole, key.code(&data));
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let mut key = PseudonymKey::unread("subscriber", "k1", KeyPlace::Env("KEY".to_owned()));
        assert!(key.key.is_err());
        key.set(Ok("MTIzNDU2Nzg5MGFiY2RlZg==".to_owned()));
        assert!(key.key.is_ok());
        let shown = format!("{key:?}");
        assert!(!shown.contains("1234567890") && !shown.contains("MTIzNDU2"), "{shown}");
    }

    #[test]
    fn another_key_has_another_check_value() {
        let one = MacKey::new(vec![1; 32]).expect("a key").check_value();
        assert_ne!(one, MacKey::new(vec![2; 32]).expect("a key").check_value());
        assert_eq!(one.len(), 8);
    }
}
