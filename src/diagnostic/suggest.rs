//! "Did you mean": the nearest of the names that would be right.

/// The candidate nearest to `name`, if it is near: an edit distance of at most a third of the length,
/// upper and lower case being equal. Of equally near ones the first counts.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    let far = (wanted.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let letters: Vec<char> = candidate.to_lowercase().chars().collect();
        if letters.len().abs_diff(wanted.len()) > far {
            continue;
        }
        let distance = distance(&wanted, &letters);
        if distance <= far && distance < wanted.len() && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
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
        let names = ["flows", "dst_ports", "dead_ports", "src_ip", "window"];
        for (wrong, right) in [
            ("dst_port", Some("dst_ports")),
            ("DEAD_PORTS", Some("dead_ports")),
            ("windwo", Some("window")),
            ("srcip", Some("src_ip")),
            ("bytes", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(suggest(wrong, names), right, "{wrong}");
        }
    }
}
