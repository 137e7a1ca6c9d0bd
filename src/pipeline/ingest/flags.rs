//! TCP flags, however a source writes them, as one number: the OR of the flags' bits.

use super::decimal::Decimal;

/// The TCP header's sixteen control bits, as IPFIX exports them.
const FLAGS_MAX: i64 = 0xFFFF;
/// nfdump prints at least this many places, a dot for each flag that is not set. A shorter
/// text with a dot is tcpdump's, where the dot is ACK: refused, because they contradict.
const PLACES_MIN: usize = 6;

const NAMES: [(&str, u8, i64); 9] = [
    ("FIN", b'F', 1),
    ("SYN", b'S', 2),
    ("RST", b'R', 4),
    ("PSH", b'P', 8),
    ("ACK", b'A', 16),
    ("URG", b'U', 32),
    ("ECE", b'E', 64),
    ("CWR", b'C', 128),
    ("NS", b'N', 256),
];

/// A number of control bits.
pub(super) fn flags_of_number(text: &[u8]) -> Option<i64> {
    in_range(Decimal::parse(text)?.whole()?)
}

/// `18`, `0x12`, `SYN`, `PSH-ACK`, `fin, ack`, `SA`, `.AP.S.`.
pub(super) fn flags_of_text(text: &[u8]) -> Option<i64> {
    if let [b'0', b'x' | b'X', hex @ ..] = text {
        if !hex.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        return in_range(i64::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
    }
    if text.iter().any(u8::is_ascii_digit) {
        return flags_of_number(text);
    }
    let mut flags = 0;
    let mut seen = false;
    for word in text.split(|b| b"-,+| /".contains(b)).filter(|word| !word.is_empty()) {
        flags |= flags_of_word(word)?;
        seen = true;
    }
    seen.then_some(flags)
}

fn flags_of_word(word: &[u8]) -> Option<i64> {
    if word.eq_ignore_ascii_case(b"none") {
        return Some(0);
    }
    if let Some((_, _, bit)) = NAMES.iter().find(|(name, _, _)| word.eq_ignore_ascii_case(name.as_bytes())) {
        return Some(*bit);
    }
    let mut flags = 0;
    for letter in word {
        if *letter == b'.' && word.len() >= PLACES_MIN {
            continue;
        }
        let (_, _, bit) = NAMES.iter().find(|(_, one, _)| one == letter)?;
        flags |= bit;
    }
    Some(flags)
}

fn in_range(flags: i64) -> Option<i64> {
    (0..=FLAGS_MAX).contains(&flags).then_some(flags)
}

#[cfg(test)]
mod tests {
    use super::flags_of_text;

    #[test]
    fn flags_are_read_as_sources_write_them() {
        for (text, flags) in [
            ("SYN", Some(2)),
            ("PSH-ACK", Some(24)),
            ("FIN,ACK", Some(17)),
            ("fin | ack", Some(17)),
            ("SYN+ACK+ECE", Some(82)),
            ("CWR NS", Some(384)),
            ("18", Some(18)),
            ("18.0", Some(18)),
            ("0x12", Some(18)),
            ("S", Some(2)),
            ("SA", Some(18)),
            (".AP.SF", Some(27)),
            ("......", Some(0)),
            ("NONE", Some(0)),
            ("S.", None),
            ("SYNC", None),
            ("-", None),
            ("-1", None),
            ("65536", None),
            ("0x", None),
            ("0x+1", None),
            ("1.5", None),
        ] {
            assert_eq!(flags_of_text(text.as_bytes()), flags, "{text}");
        }
    }
}
