//! A hit: one row of a rule.

use sha2::{Digest, Sha256};

use super::time::EventTime;
use super::value::Value;

/// Version of the formula of ids; part of every id.
pub const ID_VERSION: &str = "1";
/// How much of the hash is kept.
pub const ID_BYTES: usize = 16;

/// What became of a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Opened an incident.
    Alerted,
    /// Joined an open incident.
    Merged,
    /// An exception covers it.
    Excepted,
    /// Its rule runs in the shadow.
    Shadow,
    /// Its rule does not alert by itself.
    Signal,
}

impl Disposition {
    pub const ALL: [Self; 5] = [Self::Alerted, Self::Merged, Self::Excepted, Self::Shadow, Self::Signal];

    pub fn name(self) -> &'static str {
        match self {
            Self::Alerted => "alerted",
            Self::Merged => "merged",
            Self::Excepted => "excepted",
            Self::Shadow => "shadow",
            Self::Signal => "signal",
        }
    }
}

/// `hit_id`: truncated SHA-256 over length-prefixed fields: version, rule, key columns, window start and end in µs.
/// NULL is a field of length -1.
pub fn hit_id(rule: &str, key: &[Value], window_start: EventTime, window_end: EventTime) -> String {
    let mut hash = Sha256::new();
    let mut field = |text: Option<&str>| match text {
        Some(text) => {
            hash.update(format!("{}:", text.len()).as_bytes());
            hash.update(text.as_bytes());
        }
        None => hash.update(b"-1:"),
    };
    field(Some(ID_VERSION));
    field(Some(rule));
    for value in key {
        field(value.id_text().as_deref());
    }
    field(Some(&window_start.0.to_string()));
    field(Some(&window_end.0.to_string()));
    hash.finalize().iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// A key as one text: `length:text` for each value, `-1:` for NULL; the same on every engine.
pub fn key_text(key: &[Value]) -> String {
    let field = |value: &Value| match value.id_text() {
        Some(text) => format!("{}:{text}", text.len()),
        None => "-1:".to_owned(),
    };
    key.iter().map(field).collect()
}

#[cfg(test)]
mod tests {
    use crate::record::{EventTime, Type, Value};

    use super::hit_id;

    #[test]
    fn ids_are_golden() {
        let key = [Value::String("sub-1".into()), Value::Null(Type::String), Value::Int64(443)];
        let id = hit_id("net.scan.vertical", &key, EventTime(0), EventTime(300_000_000));
        assert_eq!(id, "693098ca046b56db32ce5f6a6a3bfff2");
    }

    #[test]
    fn fields_do_not_run_together() {
        let id = |a: &str, b: &str| {
            hit_id("r", &[Value::String(a.into()), Value::String(b.into())], EventTime(0), EventTime(1))
        };
        assert_ne!(id("ab", "c"), id("a", "bc"));
    }
}
