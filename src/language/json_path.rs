//! The paths of JSON_VALUE and JSON_QUERY: `$.name."any name"[0]`.

const FORMS: &str =
    "write $.name[0], or $.\"a name\" with quotes where it has other signs than letters, digits, _ and -";

/// The keys and indexes of a path, or what is wrong with it, and what to write.
pub fn keys(path: &str) -> Result<Vec<String>, (String, String)> {
    read(path).ok_or_else(|| (format!("'{path}' is not a path"), FORMS.to_owned()))
}

fn read(path: &str) -> Option<Vec<String>> {
    let mut rest = path.strip_prefix('$')?;
    let mut keys = Vec::new();
    while !rest.is_empty() {
        let key;
        if let Some(index) = rest.strip_prefix('[') {
            (key, rest) = index.split_once(']')?;
            if key.is_empty() || !is_index(key) {
                return None;
            }
        } else if let Some(quoted) = rest.strip_prefix(".\"") {
            (key, rest) = quoted.split_once('"')?;
            // An escape in a name is read differently.
            if key.contains('\\') {
                return None;
            }
        } else {
            let name = rest.strip_prefix('.')?;
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').unwrap_or(name.len());
            (key, rest) = name.split_at(end);
            if key.is_empty() || (key.bytes().all(|b| b.is_ascii_digit()) && !is_index(key)) {
                return None;
            }
        }
        keys.push(key.to_owned());
    }
    Some(keys)
}

/// Digits without leading zeros.
fn is_index(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::keys;

    #[test]
    fn paths_are_read() {
        assert_eq!(keys("$"), Ok(vec![]));
        assert_eq!(keys("$.a-1[10].\"b c\""), Ok(vec!["a-1".into(), "10".into(), "b c".into()]));
        for wrong in [
            "",
            "a",
            "$a",
            "$.",
            "$.a.",
            "$..a",
            "$.*",
            "$['a']",
            "$[-1]",
            "$[01]",
            "$[",
            "$.a b",
            "$.\"a",
            "$.\"a\\\"\"",
        ] {
            assert!(keys(wrong).is_err(), "{wrong}");
        }
    }
}
