//! "Did you mean": the nearest of some names.

/// Names as far away as this many edits are not suggested.
const EDITS_MAX: usize = 3;
/// Longer names are not compared.
const NAME_BYTES_MAX: usize = 64;

/// The candidate nearest to a name, regardless of case.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let near = candidates.filter(|c| c.len() <= NAME_BYTES_MAX).map(|candidate| {
        let lower = candidate.to_ascii_lowercase();
        // A name without the other's separators is the same name to the eye.
        let bare = |s: &str| s.replace(['_', '.'], "");
        let edits = if bare(&lower) == bare(&name) { 1 } else { distance(&name, &lower) };
        (edits, candidate)
    });
    let allowed = EDITS_MAX.min(name.len().div_ceil(3));
    near.filter(|(edits, _)| *edits <= allowed).min_by_key(|(edits, _)| *edits).map(|(_, candidate)| candidate)
}

/// Edits between two words, two letters exchanged being one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(ca != cb);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *ca == b[j - 1] && a[i - 1] == *cb {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn the_nearest_name_is_found() {
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("", "abc"), 3);
        let names = ["dst_port", "src_port", "tx_bytes"];
        assert_eq!(nearest("dstport", names.into_iter()), Some("dst_port"));
        assert_eq!(nearest("DST_PRT", names.into_iter()), Some("dst_port"));
        assert_eq!(nearest("subscriber", names.into_iter()), None);
    }
}
