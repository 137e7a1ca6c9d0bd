//! Single values: from the text of a YAML scalar to a typed value.
//!
//! The validator and the readers use the same functions, so what one accepts the other can read.

use super::yaml::{Kind, Node};
use crate::diagnostic::Text;
use crate::record::alert::OWN_RULES;
use crate::record::{EventTime, Micros, Value};

use super::model::{CaseRow, Scalar};

/// Characters of a name.
pub const NAME_CHARS_MAX: usize = 128;
/// The longest length of time: a hundred years.
const LENGTH_MAX: Micros = Micros(36_525 * 86_400_000_000);

pub(super) fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && text.len() <= NAME_CHARS_MAX
}

pub(super) fn is_rule_name(text: &str) -> bool {
    let parts = || text.split(['.', '-']);
    text.len() <= NAME_CHARS_MAX
        && !text.starts_with(OWN_RULES)
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && parts().all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// A relation's name, that of a rule too, or the hits or alerts of rules.
pub(super) fn is_relation(text: &str) -> bool {
    is_name(text) || is_rule_name(text) || is_hits(text)
}

/// `hits(rule, other.rule)`, `hits(*)`; `alerts(rule, other.rule)`, `alerts(*)`.
pub(super) fn is_hits(text: &str) -> bool {
    let call = text.strip_prefix("hits(").or_else(|| text.strip_prefix("alerts("));
    let names = call.and_then(|rest| rest.strip_suffix(')'));
    names.is_some_and(|names| names.trim() == "*" || names.split(',').map(str::trim).all(is_rule_name))
}

/// `T1046`, or `T1110.001` of a sub-technique.
pub(super) fn is_technique(text: &str) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let Some(id) = text.strip_prefix('T') else { return false };
    let (technique, sub) = id.split_once('.').map_or((id, None), |(technique, sub)| (technique, Some(sub)));
    digits(technique, 4) && sub.is_none_or(|sub| digits(sub, 3))
}

pub(super) fn length(text: &str) -> Option<Micros> {
    Micros::parse(text).filter(|length| *length <= LENGTH_MAX)
}

/// A whole number; `_` may group digits.
pub(super) fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.ends_with('_') {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// A finite decimal number.
pub(super) fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let shaped = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-' | b'_'));
    if shaped { text.replace('_', "").parse().ok().filter(|n: &f64| n.is_finite()) } else { None }
}

pub(super) fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// Typed as YAML types it: unquoted numbers, true and false; everything else is a text.
pub(super) fn literal(node: &Node) -> Option<Value> {
    let text = node.text()?.as_str();
    if node.is_plain() {
        if let Some(flag) = flag(text) {
            return Some(Value::Bool(flag));
        }
        if let Some(integer) = integer(text) {
            return Some(Value::Int64(integer));
        }
        if let Some(number) = number(text) {
            return Some(Value::Float64(number));
        }
    }
    Some(Value::String(text.to_owned()))
}

/// A test's value as it is written.
pub(super) fn cell(node: &Node) -> Scalar {
    match &node.kind {
        Kind::List(items) => Scalar { text: None, quoted: false, list: Some(items.iter().map(cell).collect()) },
        _ => Scalar { text: node.text().cloned(), quoted: !node.is_plain(), list: None },
    }
}

/// A row of a test: column to value, in order.
pub(super) fn cells(node: &Node) -> CaseRow {
    node.entries().iter().map(|(column, value)| (column.clone(), cell(value))).collect()
}

/// The readers of single values: `None` when the key is missing or was reported as wrong.
impl Node {
    pub fn name_at(&self, key: &str) -> Option<Text> {
        self.get(key)?.text().filter(|text| is_name(text.as_str())).cloned()
    }

    /// A relation's name, or the hits or alerts of rules.
    pub fn relation_at(&self, key: &str) -> Option<Text> {
        self.get(key)?.text().filter(|text| is_relation(text.as_str())).cloned()
    }

    pub fn text_at(&self, key: &str) -> Option<Text> {
        self.get(key)?.text().cloned()
    }

    pub fn string_at(&self, key: &str) -> String {
        self.get(key).and_then(Self::text).map_or_else(String::new, |text| text.text.trim_end().to_owned())
    }

    pub fn length_at(&self, key: &str) -> Option<Micros> {
        length(self.get(key)?.text()?.as_str())
    }

    pub fn instant_at(&self, key: &str) -> Option<EventTime> {
        EventTime::parse(self.get(key)?.text()?.as_str())
    }

    pub fn flag_at(&self, key: &str) -> bool {
        self.get(key).and_then(Self::text).and_then(|text| flag(text.as_str())).unwrap_or(false)
    }

    pub fn count_at(&self, key: &str) -> Option<u64> {
        u64::try_from(integer(self.get(key)?.text()?.as_str())?).ok()
    }

    pub fn number_at(&self, key: &str) -> Option<f64> {
        number(self.get(key)?.text()?.as_str())
    }

    pub fn items_at(&self, key: &str) -> &[Self] {
        self.get(key).map_or(&[], Self::items)
    }

    pub fn entries_at(&self, key: &str) -> &[(Text, Self)] {
        self.get(key).map_or(&[], Self::entries)
    }

    pub fn texts_at(&self, key: &str) -> Vec<Text> {
        self.items_at(key).iter().filter_map(|node| node.text().cloned()).collect()
    }

    pub fn strings_at(&self, key: &str) -> Vec<String> {
        self.texts_at(key).into_iter().map(|text| text.text).collect()
    }

    /// Name to text, for instance column to expression.
    pub fn pairs_at(&self, key: &str) -> Vec<(Text, Text)> {
        let pair = |(name, node): &(Text, Self)| Some((name.clone(), node.text()?.clone()));
        self.entries_at(key).iter().filter_map(pair).collect()
    }

    /// Name to typed value.
    pub fn literals_at(&self, key: &str) -> Vec<(Text, Value)> {
        let pair = |(name, node): &(Text, Self)| Some((name.clone(), literal(node)?));
        self.entries_at(key).iter().filter_map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{integer, is_name, is_rule_name, is_technique, length, number};

    #[test]
    fn numbers_are_only_what_looks_like_one() {
        assert_eq!(integer("1_000"), Some(1000));
        assert_eq!(integer("-5"), Some(-5));
        assert_eq!(number("2.5e3"), Some(2500.0));
        for text in ["", "_1", "0x10", "nan", "inf", "1e999", "1h", "--1", "."] {
            assert_eq!((integer(text), number(text)), (None, None), "{text}");
        }
    }

    #[test]
    fn techniques_have_four_digits_and_sub_techniques_three_more() {
        assert!(is_technique("T1046") && is_technique("T1110.001"));
        for text in ["", "T", "T104", "T99999999", "TA0007", "t1046", "T1110.1", "T1110.", "T1110.001.1", "scanning"] {
            assert!(!is_technique(text), "{text}");
        }
    }

    #[test]
    fn names_can_be_used_in_sql() {
        for (text, name, rule) in [
            ("pair_5m", true, true),
            ("net.scan.vertical", false, true),
            ("port-scan", false, true),
            ("_x", true, false),
            ("5m", false, false),
            ("a..b", false, false),
            ("a b", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_name(text), is_rule_name(text)), (name, rule), "{text}");
        }
        assert!(!is_name(&"a".repeat(129)));
        assert_eq!(length("40000d"), None);
    }
}
