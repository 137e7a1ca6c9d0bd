//! The canonical relation `flows`: what every source's normalization produces.

use super::types::{Column, Type};
use super::value::Value;

pub const FLOWS: &str = "flows";

/// The flows that missed every window, with the watermark before each.
pub const LATE: &str = "late";

/// Of each row where rows are kept: the watermark before it, which decides in which windows it still counts.
pub const ADMIT_WATERMARK: &str = "admit_watermark";
/// In a warehouse: the day of the event time, by which decoded rows are partitioned.
pub const EVENT_DAY: &str = "event_day";

/// `outcome` where a source cannot tell.
pub const OUTCOME_UNKNOWN: &str = "unknown";

/// Columns that the engine adds; normalization does not give them.
pub const ENGINE_COLUMNS: [&str; 3] = ["row_id", "event_time", "source"];

/// Position of `row_id` and `event_time` among [`columns`].
pub const ROW_ID: usize = 0;
pub const EVENT_TIME: usize = 1;

/// Name, type, may it be NULL, meaning.
const COLUMNS: [(&str, Type, bool, &str); 22] = [
    (
        "row_id",
        Type::Int64,
        false,
        "Fingerprint of the source and the record's decoded columns, wherever it was read; equal records share it",
    ),
    ("event_time", Type::Timestamp, false, "When the flow ended, by the source's `event_time`; windows go by it"),
    ("start_time", Type::Timestamp, true, "When the flow began"),
    ("end_time", Type::Timestamp, true, "When the flow ended, as the source says"),
    ("subscriber_id", Type::String, true, "Whose traffic it is: an account, or the initiating host"),
    ("src_ip", Type::String, true, "The initiator's address, in canonical form"),
    ("dst_ip", Type::String, true, "The other side's address, in canonical form"),
    ("src_port", Type::Int64, true, "The initiator's port, 0 to 65535"),
    ("dst_port", Type::Int64, true, "The other side's port, 0 to 65535"),
    ("protocol", Type::String, true, "Transport protocol in capitals: TCP, UDP, ICMP, …"),
    ("protocol_number", Type::Int64, true, "Its IANA number: 6 is TCP, 17 UDP, 1 ICMP"),
    (
        "tcp_flags",
        Type::Int64,
        true,
        "OR of the flow's flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16; 0 where none were recorded",
    ),
    ("outcome", Type::String, false, "What became of it: established, refused, unanswered or unknown"),
    ("tx_bytes", Type::Int64, true, "Bytes from the initiator"),
    ("rx_bytes", Type::Int64, true, "Bytes to the initiator"),
    ("duration_ms", Type::Int64, true, "From start to end, in milliseconds"),
    ("sampling", Type::Int64, false, "Flows that this row stands for: 1, or the source's sampling rate"),
    ("geo_country", Type::String, true, "Country of `src_ip`; there is none of `dst_ip`"),
    ("geo_city", Type::String, true, "City of `src_ip`"),
    ("latitude", Type::Float64, true, "Of `src_ip`, in degrees"),
    ("longitude", Type::Float64, true, "Of `src_ip`, in degrees"),
    ("source", Type::String, false, "The source that the record came from"),
];

/// How many columns `flows` has.
pub const COUNT: usize = COLUMNS.len();

/// Columns of `flows`, in order. Columns that are never NULL: `outcome` falls back to `unknown`,
/// `sampling` to 1.
pub fn columns() -> Vec<Column> {
    COLUMNS.into_iter().map(|(name, ty, nullable, _)| Column::new(name, ty, nullable)).collect()
}

/// What a column of `flows` means.
pub fn doc(name: &str) -> Option<&'static str> {
    COLUMNS.into_iter().find(|(column, ..)| *column == name).map(|(.., doc)| doc)
}

/// What a column may hold besides NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    Words(&'static [&'static str]),
    /// Texts without small letters.
    Capitals,
    Numbers {
        min: i64,
        max: i64,
    },
}

impl Values {
    pub fn has(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null(_)) => true,
            (Self::Words(words), Value::String(text)) => words.contains(&text.as_str()),
            (Self::Capitals, Value::String(text)) => *text == text.to_uppercase(),
            (Self::Numbers { min, max }, Value::Int64(number)) => (min..=max).contains(number),
            // Values of other types are other findings.
            _ => true,
        }
    }

    /// As in "`outcome` is …".
    pub fn form(self) -> String {
        match self {
            Self::Words(words) => format!("one of {}", words.join(", ")),
            Self::Capitals => "in capitals".to_owned(),
            Self::Numbers { min, max } => format!("from {min} to {max}"),
        }
    }
}

/// The columns of `flows` that cannot hold every value of their type.
pub fn values(name: &str) -> Option<Values> {
    match name {
        "outcome" => Some(Values::Words(&["established", "refused", "unanswered", OUTCOME_UNKNOWN])),
        "protocol" => Some(Values::Capitals),
        "src_port" | "dst_port" => Some(Values::Numbers { min: 0, max: 65_535 }),
        "protocol_number" => Some(Values::Numbers { min: 0, max: 255 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{columns, values};
    use crate::record::{Type, Value};

    #[test]
    fn values_are_of_columns_of_their_type() {
        let limited: Vec<_> = columns().into_iter().filter_map(|c| Some((c.ty, values(&c.name)?))).collect();
        assert_eq!(limited.len(), 5);
        for (ty, values) in limited {
            let wrong = if ty == Type::String { Value::String("x y".to_owned()) } else { Value::Int64(-1) };
            assert!(!values.has(&wrong) && values.has(&Value::Null(ty)), "{values:?}");
        }
    }
}
