//! The names of all metrics. `tests/it/vitals.rs` compares them with the table of `docs/operations.md`.

/// How a metric's values move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Up, from nothing at each start or from what the log gives.
    Counter,
    Gauge,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
}

macro_rules! families {
    ($($own:ident = $kind:ident $name:literal $help:literal;)*) => {
        $(pub const $own: Family = Family { name: $name, kind: Kind::$kind, help: $help };)*
        pub const FAMILIES: &[Family] = &[$($own),*];
    };
}

families! {
    BUILD = Gauge "tripline_build_info" "1, with the version of the program and the generation of the definitions.";
    RELOADS = Counter "tripline_reloads_total" "Definitions that were read anew while it ran, by what became of them.";
    START = Gauge "process_start_time_seconds" "When the run was started, in seconds since 1970.";
    MEMORY = Gauge "process_resident_memory_bytes" "Memory of the process that is resident.";
    MEMORY_USED = Gauge "tripline_memory_used_bytes" "Memory of the run that the system cannot take back, without pages of files.";
    MEMORY_LIMIT = Gauge "tripline_memory_limit_bytes" "Memory that the run may use (--memory).";
    PHASE = Gauge "tripline_phase" "1 for the phase that the run is in, 0 for the others.";
    LOOP_AGE = Gauge "tripline_loop_age_seconds" "How long ago the run got on with its work.";
    RECOVERED = Gauge "tripline_recovery_read_entries" "Entries of the log that were read again at the start.";
    RECOVERABLE = Gauge "tripline_recovery_entries" "Entries of the log that are to be read again, as far as that is known.";
    OFFERED = Counter "tripline_offered_rows_total" "Records that subscriptions offered.";
    ROWS = Counter "tripline_rows_total" "Records by what became of them.";
    UNREAD = Gauge "tripline_unread_rows" "Rows that were offered and wait for those of other subscriptions.";
    REJECTED = Counter "tripline_rejected_total" "Records that were rejected, by reason.";
    LATE_WINDOWS = Counter "tripline_late_windows_total" "Windows that rows came too late for which count in others.";
    WINDOWS = Counter "tripline_windows_total" "Windows that closed.";
    HITS = Counter "tripline_hits_total" "Hits of all rules.";
    WAITING_HITS = Gauge "tripline_waiting_hits" "Hits of which it is not known yet what becomes of them.";
    ALERTS = Counter "tripline_alerts_total" "Alerts of all rules.";
    INCIDENTS = Gauge "tripline_open_incidents" "Incidents that further hits may belong to, which will be alerts.";
    SATURATED = Gauge "tripline_saturated_sums" "Sums that stopped at the bounds of INT64.";
    CONSERVED = Gauge "tripline_conserved" "1 while all sums of rows and hits agree; 0 is a defect of the program.";
    ACKNOWLEDGED = Counter "tripline_acknowledged_messages_total" "Messages that were acknowledged.";
    LANE_ACKNOWLEDGED = Counter "tripline_acknowledgements_total" "Acknowledgements by what became of them: sent, and nobody says more; confirmed; late, refused or unanswered, whose messages may come again.";
    LANE_EXACTLY_ONCE = Gauge "tripline_subscription_exactly_once" "1 where the subscription has exactly-once delivery, 0 where it has not.";
    LANE_UNREACHED = Gauge "tripline_subscription_unreachable_seconds" "For how long the subscription has not been reached; 0 when it can be.";
    REDELIVERED = Counter "tripline_redelivered_messages_total" "Messages that were in the log when they came.";
    WATERMARK = Gauge "tripline_watermark_seconds" "The watermark, in seconds since 1970.";
    LAG = Gauge "tripline_watermark_lag_seconds" "How far the watermark is behind the clock.";
    LANE_HEARD = Gauge "tripline_subscription_last_heard_seconds" "When a message of the subscription came last, in seconds since 1970.";
    LANE_WATERMARK = Gauge "tripline_subscription_watermark_seconds" "The watermark of the subscription, in seconds since 1970.";
    LANE_WAITING = Gauge "tripline_subscription_waiting_rows" "Rows of the subscription that wait for those of others.";
    LANE_LATE = Counter "tripline_subscription_late_rows_total" "Rows of the subscription that came behind the watermark.";
    HEALTH_OPEN = Gauge "tripline_health_open" "What the rule of health says that is not over.";
    LANE_WAITING_BYTES = Gauge "tripline_subscription_waiting_bytes" "Memory of the rows that wait for those of other subscriptions.";
    LOG_ENTRIES = Counter "tripline_log_entries_total" "Entries of the log.";
    LOG_BYTES = Gauge "tripline_log_bytes" "Bytes of the log.";
    SYNCS = Counter "tripline_log_syncs_total" "Syncs of the log.";
    SYNC_SECONDS = Counter "tripline_log_sync_seconds_total" "Time that syncs of the log took.";
    SYNC_LAST = Gauge "tripline_log_sync_last_seconds" "Time that the last sync of the log took.";
    SYNC_LARGEST = Gauge "tripline_log_sync_largest_seconds" "The longest sync of the last one to two minutes.";
    SNAPSHOT_ENTRIES = Gauge "tripline_snapshot_entries" "Entries of the log that the last snapshot stands for.";
    SNAPSHOT_BYTES = Gauge "tripline_snapshot_bytes" "Bytes of the last snapshot.";
    SNAPSHOT_TOOK = Gauge "tripline_snapshot_duration_seconds" "Time that the last snapshot took.";
    SNAPSHOT_PAUSE = Gauge "tripline_snapshot_pause_seconds" "Time for which the run did nothing else for the last snapshot.";
    SNAPSHOT_AT = Gauge "tripline_snapshot_time_seconds" "When the last snapshot was made, in seconds since 1970.";
    RULE_HITS = Counter "tripline_rule_hits_total" "Hits of the rule that this run computed, by what became of them.";
    RULE_ALERTS = Counter "tripline_rule_alerts_total" "Alerts of the rule that were put out since the start.";
    TOLD = Counter "tripline_told_total" "What was said of incidents since the start: that there is one, that it has grown, that it is over, or that there is none.";
    RULE_ERRORS = Counter "tripline_rule_row_errors_total" "Rows that the rule could not compute.";
    RULE_SECONDS = Counter "tripline_rule_seconds_total" "Time that the rule took.";
    FEATURE_KEYS = Gauge "tripline_feature_keys" "Keys that the feature holds.";
    FEATURE_ROWS = Counter "tripline_feature_rows_total" "Rows that the feature made.";
    FEATURE_EVICTED = Counter "tripline_feature_evicted_keys_total" "Keys that the feature let go because it had too many.";
    FEATURE_ERRORS = Counter "tripline_feature_row_errors_total" "Rows that the feature could not compute.";
    FEATURE_SECONDS = Counter "tripline_feature_seconds_total" "Time that the feature took.";
    SINK_NEXT = Counter "tripline_sink_passed_total" "Alerts, counted from the first of the folder, that are behind the sink: it has them, refused them, or was not there yet.";
    SINK_PENDING = Gauge "tripline_sink_pending" "Alerts that the sink does not have yet.";
    SINK_WAITS = Gauge "tripline_sink_waits_seconds" "Since when the sink has not come further although there was more; 0 when it has.";
    SINK_MUTED = Counter "tripline_sink_muted_total" "Alerts that the sink was not told of because somebody had muted them.";
    SINK_HELD = Counter "tripline_sink_held_total" "Alerts that the sink was not told of because there were too many of their rule.";
    SINK_REFUSED = Counter "tripline_sink_refused_total" "Alerts that the sink will never take.";
    SINK_FAILURES = Counter "tripline_sink_failures_total" "Attempts to tell the sink that failed.";
}
