//! The canonical relation `flows`: what every source's normalization produces.

use super::types::{Column, Type};

pub const FLOWS: &str = "flows";

/// The flows that missed every window, with the watermark before each.
pub const LATE: &str = "late";

/// `outcome` where a source cannot tell.
pub const OUTCOME_UNKNOWN: &str = "unknown";

/// Columns that the engine adds; normalization does not give them.
pub const ENGINE_COLUMNS: [&str; 3] = ["row_id", "event_time", "source"];

/// Position of `row_id` and `event_time` among [`columns`].
pub const ROW_ID: usize = 0;
pub const EVENT_TIME: usize = 1;

/// Columns of `flows`, in order. Columns that are never NULL: `outcome` falls back to `unknown`,
/// `sampling` to 1.
pub fn columns() -> Vec<Column> {
    const COLUMNS: [(&str, Type, bool); 22] = [
        ("row_id", Type::Int64, false),
        ("event_time", Type::Timestamp, false),
        ("start_time", Type::Timestamp, true),
        ("end_time", Type::Timestamp, true),
        ("subscriber_id", Type::String, true),
        ("src_ip", Type::String, true),
        ("dst_ip", Type::String, true),
        ("src_port", Type::Int64, true),
        ("dst_port", Type::Int64, true),
        ("protocol", Type::String, true),
        ("protocol_number", Type::Int64, true),
        ("tcp_flags", Type::Int64, true),
        ("outcome", Type::String, false),
        ("tx_bytes", Type::Int64, true),
        ("rx_bytes", Type::Int64, true),
        ("duration_ms", Type::Int64, true),
        ("sampling", Type::Int64, false),
        ("geo_country", Type::String, true),
        ("geo_city", Type::String, true),
        ("latitude", Type::Float64, true),
        ("longitude", Type::Float64, true),
        ("source", Type::String, false),
    ];
    COLUMNS.into_iter().map(|(name, ty, nullable)| Column::new(name, ty, nullable)).collect()
}
