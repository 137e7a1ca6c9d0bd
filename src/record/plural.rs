//! Nouns behind counts.

/// `row` or `rows`, `entry` or `entries`.
pub fn plural(count: u64, one: &str) -> String {
    match (count, one.strip_suffix('y')) {
        (1, _) => one.to_owned(),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o']) => format!("{stem}ies"),
        _ => format!("{one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::plural;

    #[test]
    fn one_and_many() {
        let of = |one: &str| [0, 1, 2].map(|count| plural(count, one)).join(" ");
        assert_eq!(of("row"), "rows row rows");
        assert_eq!(of("entry"), "entries entry entries");
        assert_eq!(of("key"), "keys key keys");
    }
}
