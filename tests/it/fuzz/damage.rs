//! Random numbers that are the same everywhere, and damage to texts.

/// SplitMix64.
pub struct Random(u64);

/// What breaks parsers, of YAML, SQL and JSON.
const WORDS: &[&str] = &[
    "'",
    "\"",
    "`",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "@",
    "@x",
    ",",
    ";",
    ":",
    ": ",
    "- ",
    "|",
    ">",
    "&a ",
    "*a",
    "!!str ",
    "#",
    "--",
    "/*",
    "*/",
    "'''",
    "\"\"\"",
    "r'",
    "b'",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\x",
    "\u{feff}",
    "é",
    "😀",
    "\0",
    "\r\n",
    "\n",
    "\t",
    "null",
    "NULL",
    "~",
    "TRUE",
    "NaN",
    "1e999",
    "-0",
    "9223372036854775808",
    "-9223372036854775808",
    "0.1e-400",
    "01",
    "0x10",
    "${",
    "${i}",
    "${1/0}",
    "CASE WHEN ",
    " END",
    " AND ",
    " OR ",
    "NOT ",
    " IN (SELECT value FROM allow_scanners)",
    " IS NULL",
    "COUNT(*)",
    "SUM(flows)",
    "CAST(",
    " AS INT64)",
    "SELECT ",
    " FROM flows",
    "*",
    "/",
    "%",
    "||",
    "BETWEEN 1 AND ",
    "LIKE '%'",
    "INTERVAL 1 DAY",
    "TIMESTAMP '2026-01-01'",
    "P1D",
    "5m",
    "0s",
    "99999999999d",
    "...",
    "---\n",
    "%YAML 1.2\n",
    "? ",
    "<<: ",
    "flows",
    "src_ip",
    "window: {size: 5m}",
    "\n  ",
];
/// Nesting that a reader has to refuse.
const NESTED_MAX: usize = 300;

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 when `end` is.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// A place in some bytes, and one up to 40 behind it.
    fn range(&mut self, len: usize) -> (usize, usize) {
        let start = self.below(len + 1);
        (start, (start + self.below(40)).min(len))
    }
}

/// One to four damages.
pub fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        once(random, bytes);
    }
}

fn once(random: &mut Random, bytes: &mut Vec<u8>) {
    let (start, end) = random.range(bytes.len());
    match random.below(9) {
        0 => {
            if let Some(byte) = bytes.get_mut(start) {
                *byte ^= 1 << (random.next() % 8);
            }
        }
        1 => drop(bytes.drain(start..end)),
        2 => {
            let copy = bytes[start..end].to_vec();
            let at = random.below(bytes.len() + 1);
            bytes.splice(at..at, copy);
        }
        3 => swap_words(random, bytes),
        4 => swap_lines(random, bytes),
        5 => {
            let word = random.pick(WORDS).copied().unwrap_or_default();
            let count = if random.below(50) == 0 { NESTED_MAX } else { 1 };
            bytes.splice(start..start, word.repeat(count).into_bytes());
        }
        6 => {
            let word = random.pick(WORDS).copied().unwrap_or_default();
            bytes.splice(start..end, word.bytes());
        }
        7 => indent(random, bytes),
        _ => {
            // Rarely: most of what follows is then not reached.
            if random.below(10) == 0 {
                bytes.truncate(start);
            }
        }
    }
}

fn words(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, byte) in bytes.iter().enumerate() {
        let inside = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'@');
        match (start, inside) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                words.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn swap_words(random: &mut Random, bytes: &mut Vec<u8>) {
    let words = words(bytes);
    let (Some(a), Some(b)) = (random.pick(&words).copied(), random.pick(&words).copied()) else { return };
    let copy = bytes[a.0..a.1].to_vec();
    bytes.splice(b.0..b.1, copy);
}

fn swap_lines(random: &mut Random, bytes: &mut Vec<u8>) {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let (a, b) = (random.below(lines.len()), random.below(lines.len()));
    if lines.is_empty() {
        return;
    }
    lines.swap(a, b);
    *bytes = lines.concat();
}

/// Moves a line in or out.
fn indent(random: &mut Random, bytes: &mut Vec<u8>) {
    let starts: Vec<usize> = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
    let Some(start) = random.pick(&starts).copied() else { return };
    if bytes.get(start) == Some(&b' ') && random.below(2) == 0 {
        bytes.remove(start);
    } else {
        bytes.insert(start, b' ');
    }
}
