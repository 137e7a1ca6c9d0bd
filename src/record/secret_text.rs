//! Secret keys as texts: the one form that is read, and what looks like a key that somebody has written down.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::pseudonym::KEY_BYTES_MIN;

/// Digits of the shortest key.
const HEX_DIGITS_MIN: usize = 2 * KEY_BYTES_MIN;

/// The bytes of a key in base64, as `openssl rand -base64 32` writes it: it wraps lines, and ends them. What is wrong with a
/// text does not repeat it.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let text: String = text.split_ascii_whitespace().collect();
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if is_hex(&text) {
        return Err("is hexadecimal, and a key is base64".to_owned());
    }
    let of_urls = text.contains(['-', '_']);
    let bytes = STANDARD.decode(&text).map_err(|_| match of_urls {
        true => "is not base64 of the standard alphabet: it has `-` or `_`, which are `+` and `/` there",
        false => "is not base64 of the standard alphabet (letters, digits, `+`, `/`, and `=` at the end)",
    })?;
    if bytes.len() < KEY_BYTES_MIN {
        return Err(format!("has {} bytes, and a key has at least {KEY_BYTES_MIN}", bytes.len()));
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return Err("has nothing but zeros".to_owned());
    }
    Ok(bytes)
}

fn is_hex(text: &str) -> bool {
    text.len() >= HEX_DIGITS_MIN && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Could a text be a key itself, in base64 of either alphabet or in hex? The name of a variable or of a file can be read as
/// base64 too; but in a key letters of both cases and digits change at every second place, and in a name they do not.
pub fn is_key(text: &str) -> bool {
    let text: String = text.split_ascii_whitespace().collect();
    if is_hex(&text) {
        return true;
    }
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    let of = |signs: [u8; 2]| body.bytes().all(|byte| byte.is_ascii_alphanumeric() || signs.contains(&byte));
    let whole = body.len() % 4 != 1 && (padding == 0 || (body.len() + padding).is_multiple_of(4) && padding <= 2);
    if !whole || body.len() * 3 / 4 < KEY_BYTES_MIN || !(of(*b"+/") || of(*b"-_")) {
        return false;
    }
    // Signs stand between the words of a name.
    let classes: Vec<u8> = body.bytes().filter(u8::is_ascii_alphanumeric).map(class).collect();
    let changes = classes.windows(2).filter(|pair| pair[0] != pair[1]).count();
    padding > 0 || changes * 4 > body.len()
}

fn class(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 0,
    }
}

/// The parts of a text that could be keys.
pub fn keys_in(text: &str) -> impl Iterator<Item = &str> {
    let part = |letter: char| letter.is_ascii_alphanumeric() || "+/-_=".contains(letter);
    text.split(move |letter| !part(letter)).filter(|part| is_key(part))
}

#[cfg(test)]
mod tests {
    use super::{bytes, is_key, keys_in};

    const KEYS: [&str; 7] = [
        "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY",
        "MTIzNDU2Nzg5MGFiY2RlZg==",
        "MTIzNDU2Nzg5MGFiY2RlZg",
        "3q2-7_8a0Zk4Tt1xQ9cLr-",
        "30313233343536373839616263646566",
        "AAAAAAAAAAAAAAAAAAAAAA==",
    ];

    #[test]
    fn what_looks_like_a_key_is_known_from_a_name() {
        for key in KEYS {
            assert!(is_key(key), "{key}");
            assert_eq!(keys_in(&format!("{{id: k1, key: {key}}} # \"{key}\"")).collect::<Vec<_>>(), [key, key]);
        }
        for name in [
            "subscriber",
            "TRIPLINE_SUBSCRIBER_KEY",
            "the_key_of_our_subscribers",
            "SubscriberPseudonymKey",
            "SUBSCRIBER_KEY_2026_01_05",
            "/run/credentials/tripline.service/subscriber",
            "/etc/tripline/keys/Subscriber2026",
            "subscriber-pseudonyms-key1",
        ] {
            assert!(!is_key(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_key_is_not_repeated() {
        for (text, why) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("hunter2+hunter2+hunter2!", "is not base64 of the standard alphabet (letters"),
            ("hunter2-hunter2-hunter2_", "is not base64 of the standard alphabet: it has `-` or `_`"),
            ("MTIzNDU2Nzg5MGFiY2RlZg", "is not base64 of the standard alphabet (letters"),
            ("30313233343536373839616263646566", "is hexadecimal, and a key is base64"),
            ("AAAAAAAAAAAAAAAAAAAA", "has 15 bytes, and a key has at least 16"),
            ("AAAAAAAAAAAAAAAAAAAAAA==\n", "has nothing but zeros"),
        ] {
            let error = bytes(text).expect_err(text);
            assert!(error.starts_with(why) && !error.contains("hunter2"), "{error}");
        }
        assert_eq!(bytes("MTIzNDU2\r\nNzg5MGFi Y2RlZg==\n").as_deref(), Ok(&b"1234567890abcdef"[..]));
    }
}
