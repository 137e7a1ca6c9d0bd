//! "Did you mean": the nearest of the names that would be right.

/// Longer names are not looked at: the distance costs the product of two lengths.
const NAME_CHARS_MAX: usize = 64;

/// The candidate nearest to `name`, if it is near: an edit distance of at most a third of the length, upper and lower
/// case being equal and separators not counting. Of equally near ones the first counts; without any, the only one
/// that begins or ends with the name: `geo_country` for `country`.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let wanted: Vec<char> = lower.chars().collect();
    if wanted.is_empty() || wanted.len() > NAME_CHARS_MAX {
        return None;
    }
    let far = (wanted.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    let mut parts: Vec<&str> = Vec::new();
    for candidate in candidates {
        let lower_candidate = candidate.to_lowercase();
        let ends = lower_candidate.strip_suffix(lower.as_str()).is_some_and(|head| head.ends_with(is_separator));
        let begins = lower_candidate.strip_prefix(lower.as_str()).is_some_and(|tail| tail.starts_with(is_separator));
        if ends || begins {
            parts.push(candidate);
        }
        let letters: Vec<char> = lower_candidate.chars().collect();
        let distance = if without_separators(&lower_candidate).eq(without_separators(&lower)) {
            1
        } else if letters.len().abs_diff(wanted.len()) > far {
            continue;
        } else {
            distance(&wanted, &letters)
        };
        if distance <= far && distance < wanted.len() && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    match (best, parts.as_slice()) {
        (Some((_, candidate)), _) => Some(candidate),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, '_' | '.' | '-')
}

fn without_separators(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| !is_separator(*c))
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one into the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut next = vec![i + 1; b.len() + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = row[j] + usize::from(from != to);
            let mut least = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *to && *from == b[j - 1] {
                least = least.min(before[j - 1] + 1);
            }
            next[j + 1] = least;
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names =
            ["geo_country", "duration_ms", "flows", "dst_ports", "dead_ports", "src_ip", "window", "net.scan.vertical"];
        for (wrong, right) in [
            ("dst_port", Some("dst_ports")),
            ("DEAD_PORTS", Some("dead_ports")),
            ("windwo", Some("window")),
            ("srcip", Some("src_ip")),
            ("srcIP", Some("src_ip")),
            ("scan.vertical", Some("net.scan.vertical")),
            ("vertical", Some("net.scan.vertical")),
            ("country", Some("geo_country")),
            ("duration", Some("duration_ms")),
            ("dur", None),
            ("cal", None),
            ("net_scan_vertical", Some("net.scan.vertical")),
            ("bytes", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(suggest(wrong, names), right, "{wrong}");
        }
    }
}
