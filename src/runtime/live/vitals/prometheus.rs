//! A run as metrics, in the text that Prometheus reads.
//!
//! Written here and not by a client library: those keep counters of their own beside the ledger, and two counts of one thing can
//! differ. What is left is three kinds of lines, which a reader of its own in `tests/it/vitals.rs` reads again.
//!
//! While the log is read, rows and hits are not there: a counter that jumps from nothing to all of the past would look like a
//! flood.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::port::standing::Delivery;
use crate::record::{EventTime, RejectReason, alert};
use crate::runtime::live::LaneState;

use super::super::health::HealthRule;
use super::families::*;
use super::{Figures, Kept, Phase, Vitals, locked, seconds};

const EPOCH: EventTime = EventTime(0);

pub fn text(vitals: &Vitals, now: EventTime, memory: Option<u64>) -> String {
    let kept = locked(&vitals.kept);
    let mut text = Text(String::new());
    {
        let in_force = locked(&vitals.in_force);
        let about = [("version", env!("CARGO_PKG_VERSION")), ("generation", in_force.generation.as_str())];
        text.family(BUILD, [(about.as_slice(), 1_u64)]);
        text.by(RELOADS, "outcome", in_force.counts());
    }
    text.one(START, seconds(EPOCH, vitals.about.started));
    memory.into_iter().for_each(|bytes| text.one(MEMORY, bytes));
    let (used, allowed) = vitals.memory();
    used.into_iter().for_each(|bytes| text.one(MEMORY_USED, bytes));
    allowed.into_iter().for_each(|bytes| text.one(MEMORY_LIMIT, bytes));
    text.by(PHASE, "phase", Phase::ALL.map(|phase| (phase.name(), u64::from(phase == kept.phase))));
    text.one(LOOP_AGE, vitals.turned().as_secs_f64());
    text.one(RECOVERED, vitals.recovered.load(Ordering::Relaxed));
    text.one(RECOVERABLE, vitals.recoverable.load(Ordering::Relaxed));
    text.one(ACKNOWLEDGED, vitals.acknowledged.load(Ordering::Relaxed));
    let lanes = vitals.about.lanes.iter().enumerate();
    let heard = lanes.filter_map(|(lane, name)| Some((name.as_str(), seconds(EPOCH, vitals.heard_of(lane)?))));
    text.by(LANE_HEARD, "subscription", heard);
    syncs(&mut text, vitals);
    snapshot(&mut text, &kept);
    if let Some(figures) = &kept.figures {
        rows(&mut text, figures);
        watermarks(&mut text, vitals, figures, now);
        rules(&mut text, vitals, figures);
        features(&mut text, figures);
        subscriptions(&mut text, figures);
        sinks(&mut text, figures);
    }
    text.0
}

fn rows(text: &mut Text, figures: &Figures) {
    let (tally, ledger) = (&figures.tally, &figures.tally.ledger);
    text.one(OFFERED, ledger.offered);
    let outcomes = [
        ("accepted", ledger.accepted),
        ("filtered", ledger.filtered),
        ("rejected", ledger.rejected_total()),
        ("duplicate", ledger.duplicate),
        ("late", ledger.late),
    ];
    text.by(ROWS, "outcome", outcomes);
    text.one(UNREAD, ledger.unread);
    // Also those that have not been met: a counter that appears with its first value shows no increase.
    let rejected = |reason: RejectReason| (reason.code(), ledger.rejected.get(&reason).copied().unwrap_or(0));
    text.by(REJECTED, "reason", RejectReason::ALL.map(rejected));
    text.one(LATE_WINDOWS, ledger.late_windows);
    text.one(WINDOWS, ledger.windows);
    text.one(HITS, ledger.hits);
    text.one(WAITING_HITS, tally.waiting_hits);
    text.one(ALERTS, ledger.alerts);
    text.one(INCIDENTS, ledger.open_incidents);
    text.one(SATURATED, ledger.saturated);
    text.one(CONSERVED, u64::from(tally.imbalance.is_none()));
    text.one(REDELIVERED, figures.log.redelivered);
    text.one(LOG_ENTRIES, figures.log.entries);
    text.one(LOG_BYTES, figures.log.bytes);
}

fn watermarks(text: &mut Text, vitals: &Vitals, figures: &Figures, now: EventTime) {
    if let Some(watermark) = figures.watermark {
        text.one(WATERMARK, seconds(EPOCH, watermark));
        text.one(LAG, seconds(watermark, now));
    }
    let lanes = || vitals.about.lanes.iter().map(String::as_str).zip(&figures.lanes);
    let watermarks = lanes().filter_map(|(name, lane)| Some((name, seconds(EPOCH, lane.watermark?))));
    text.by(LANE_WATERMARK, "subscription", watermarks);
    text.by(LANE_LATE, "subscription", lanes().map(|(name, lane)| (name, lane.late.rows)));
    text.by(LANE_WAITING, "subscription", lanes().map(|(name, lane)| (name, lane.waiting_rows)));
    text.by(LANE_WAITING_BYTES, "subscription", lanes().map(|(name, lane)| (name, lane.waiting_bytes)));
}

fn syncs(text: &mut Text, vitals: &Vitals) {
    let syncs = *locked(&vitals.syncs);
    text.one(SYNCS, syncs.count);
    text.one(SYNC_SECONDS, syncs.total.as_secs_f64());
    text.one(SYNC_LAST, syncs.last.as_secs_f64());
    text.one(SYNC_LARGEST, syncs.largest(vitals.began.elapsed()).as_secs_f64());
}

fn snapshot(text: &mut Text, kept: &Kept) {
    if let Some(snapshot) = kept.snapshot {
        text.one(SNAPSHOT_ENTRIES, snapshot.entries);
        text.one(SNAPSHOT_BYTES, snapshot.bytes);
        text.one(SNAPSHOT_TOOK, snapshot.took.as_secs_f64());
        text.one(SNAPSHOT_PAUSE, snapshot.pause.as_secs_f64());
        text.one(SNAPSHOT_AT, seconds(EPOCH, snapshot.at));
    }
}

fn subscriptions(text: &mut Text, figures: &Figures) {
    let lanes = || figures.log.lanes.iter().map(|lane| (&*lane.name, lane));
    let counts = lanes().flat_map(|(name, lane)| {
        lane.counts().map(|(outcome, count)| ([("subscription", name), ("outcome", outcome.name())], count))
    });
    let counts: Vec<([(&str, &str); 2], u64)> = counts.collect();
    text.family(LANE_ACKNOWLEDGED, counts.iter().map(|(labels, count)| (labels.as_slice(), *count)));
    let once = |lane: &LaneState| u64::from(lane.stood.delivery == Some(Delivery::ExactlyOnce));
    text.by(LANE_EXACTLY_ONCE, "subscription", lanes().map(|(name, lane)| (name, once(lane))));
    let unreached =
        |lane: &LaneState| lane.stood.trouble.as_ref().map_or(0.0, |trouble| spent(trouble.since.elapsed()));
    text.by(LANE_UNREACHED, "subscription", lanes().map(|(name, lane)| (name, unreached(lane))));
}

fn sinks(text: &mut Text, figures: &Figures) {
    let sinks = || figures.log.sinks.iter().map(|sink| (&*sink.name, sink));
    text.by(SINK_NEXT, "sink", sinks().map(|(name, sink)| (name, sink.next)));
    text.by(SINK_PENDING, "sink", sinks().map(|(name, sink)| (name, sink.pending())));
    let waits = sinks().map(|(name, sink)| (name, sink.since.map_or(0.0, |since| since.elapsed().as_secs_f64())));
    text.by(SINK_WAITS, "sink", waits);
    text.by(SINK_MUTED, "sink", sinks().map(|(name, sink)| (name, sink.muted)));
    text.by(SINK_HELD, "sink", sinks().map(|(name, sink)| (name, sink.held)));
    text.by(SINK_REFUSED, "sink", sinks().map(|(name, sink)| (name, sink.refused)));
    text.by(SINK_FAILURES, "sink", sinks().map(|(name, sink)| (name, sink.failures)));
}

fn rules(text: &mut Text, vitals: &Vitals, figures: &Figures) {
    let rules = || figures.tally.rules.iter().map(|rule| (rule.name.as_str(), rule));
    let hits = rules().flat_map(|(name, _)| {
        vitals.rules.hits(name).map(|(disposition, hits)| ([("rule", name), ("disposition", disposition.name())], hits))
    });
    let hits: Vec<([(&str, &str); 2], u64)> = hits.collect();
    text.family(RULE_HITS, hits.iter().map(|(labels, hits)| (labels.as_slice(), *hits)));
    let health = HealthRule::ALL.map(HealthRule::name);
    let names = rules().map(|(name, _)| name).chain(health);
    text.by(RULE_ALERTS, "rule", names.map(|name| (name, vitals.rules.alerts(name))));
    let open = |rule: &str| figures.open.iter().filter(|open| open.rule == rule).count() as u64;
    text.by(HEALTH_OPEN, "rule", health.map(|rule| (rule, open(rule))));
    text.by(TOLD, "phase", alert::Phase::ALL.map(|phase| (phase.name(), vitals.rules.told(phase))));
    text.by(RULE_ERRORS, "rule", rules().map(|(name, rule)| (name, rule.row_errors)));
    text.by(RULE_SECONDS, "rule", rules().map(|(name, rule)| (name, spent(rule.cost.time))));
}

fn features(text: &mut Text, figures: &Figures) {
    let features = || figures.tally.features.iter().map(|feature| (feature.name.as_str(), feature));
    text.by(FEATURE_KEYS, "feature", features().map(|(name, feature)| (name, feature.keys)));
    text.by(FEATURE_ROWS, "feature", features().map(|(name, feature)| (name, feature.cost.made)));
    text.by(FEATURE_EVICTED, "feature", features().map(|(name, feature)| (name, feature.evicted_keys)));
    text.by(FEATURE_ERRORS, "feature", features().map(|(name, feature)| (name, feature.row_errors)));
    text.by(FEATURE_SECONDS, "feature", features().map(|(name, feature)| (name, spent(feature.cost.time))));
}

fn spent(time: Duration) -> f64 {
    time.as_secs_f64()
}

struct Text(String);

impl Text {
    fn one(&mut self, family: Family, value: impl Value) {
        self.family(family, [([].as_slice(), value)]);
    }

    fn by<'v, V: Value>(&mut self, family: Family, label: &str, values: impl IntoIterator<Item = (&'v str, V)>) {
        let values: Vec<([(&str, &str); 1], V)> =
            values.into_iter().map(|(of, value)| ([(label, of)], value)).collect();
        self.family(family, values.iter().map(|(labels, value)| (labels.as_slice(), *value)));
    }

    /// A family of which there is no value is not told.
    fn family<'v, V: Value>(
        &mut self,
        family: Family,
        values: impl IntoIterator<Item = (&'v [(&'v str, &'v str)], V)>,
    ) {
        let Family { name, kind, help } = family;
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return;
        }
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {}\n", kind.name());
        for (labels, value) in values {
            self.0.push_str(name);
            for (place, (label, of)) in labels.iter().enumerate() {
                let _ = write!(self.0, "{}{label}=\"{}\"", if place == 0 { '{' } else { ',' }, escaped(of));
            }
            self.0.push_str(if labels.is_empty() { " " } else { "} " });
            value.write(&mut self.0);
            self.0.push('\n');
        }
    }
}

trait Value: Copy {
    fn write(self, text: &mut String);
}

impl Value for u64 {
    fn write(self, text: &mut String) {
        let _ = write!(text, "{self}");
    }
}

impl Value for f64 {
    fn write(self, text: &mut String) {
        let _ = write!(text, "{self}");
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use crate::pipeline::graph::tally::{FeatureTally, RuleTally, Tally};
    use crate::pipeline::ledger::Ledger;
    use crate::record::{EventTime, RejectReason};
    use crate::runtime::live::Logged;

    use super::super::super::health::{LateRows, Open};
    use super::super::{About, LaneFigures, Phase, locked};
    use super::{Figures, LANE_HEARD, Text, Vitals, text};

    /// Each count is another number, so that no two can be confused.
    #[test]
    fn each_count_has_its_own_line() {
        let ledger = Ledger {
            offered: 11,
            accepted: 12,
            filtered: 13,
            rejected: [(RejectReason::BadValue, 14), (RejectReason::TooLong, 100)].into(),
            duplicate: 15,
            late: 16,
            unread: 17,
            late_windows: 18,
            windows: 19,
            hits: 20,
            alerts: 21,
            open_incidents: 22,
            saturated: 23,
            ..Ledger::default()
        };
        let feature =
            FeatureTally { name: "f".into(), keys: 24, evicted_keys: 25, row_errors: 26, ..Default::default() };
        let rule = RuleTally { name: "r".into(), row_errors: 27, ..Default::default() };
        let imbalance = ledger.verify().err();
        let tally = Tally { ledger, waiting_hits: 28, imbalance, features: vec![feature], rules: vec![rule] };
        let lane = LaneFigures {
            watermark: Some(EventTime(29_500_000)),
            waiting_rows: 30,
            late: LateRows { rows: 40, of: 41, ..LateRows::default() },
            waiting_bytes: 43,
        };
        let log = Logged { entries: 31, bytes: 32, redelivered: 33, ..Logged::default() };
        let open = Open { rule: "tripline.source.late", title: String::new(), since: EventTime(0) };
        let (watermark, open) = (Some(EventTime(34_000_000)), vec![open; 42]);
        let figures = Figures { tally, watermark, lanes: vec![lane], log, open, mutes: Vec::new() };
        let (lanes, rules) = (vec!["s".to_owned()], vec!["r".to_owned()]);
        let vitals = Vitals::new(About { generation: "g".to_owned(), lanes, rules, started: EventTime(1_000_000) });
        vitals.heard(0, EventTime(35_000_000));
        vitals.acknowledged(36);
        vitals.recovers(37);
        vitals.recovered(38);
        vitals.uses(41);
        vitals.may_use(42);
        {
            let mut kept = locked(&vitals.kept);
            (kept.phase, kept.figures) = (Phase::Running, Some(figures));
        }
        let text = text(&vitals, EventTime(134_000_000), Some(39));
        let expected = [
            "tripline_offered_rows_total 11",
            r#"tripline_rows_total{outcome="accepted"} 12"#,
            r#"tripline_rows_total{outcome="filtered"} 13"#,
            r#"tripline_rows_total{outcome="rejected"} 114"#,
            r#"tripline_rejected_total{reason="ingest.bad-value"} 14"#,
            r#"tripline_rejected_total{reason="ingest.too-long"} 100"#,
            r#"tripline_rejected_total{reason="ingest.bad-record"} 0"#,
            r#"tripline_rows_total{outcome="duplicate"} 15"#,
            r#"tripline_rows_total{outcome="late"} 16"#,
            "tripline_unread_rows 17",
            "tripline_late_windows_total 18",
            "tripline_windows_total 19",
            "tripline_hits_total 20",
            "tripline_alerts_total 21",
            "tripline_open_incidents 22",
            "tripline_saturated_sums 23",
            r#"tripline_feature_keys{feature="f"} 24"#,
            r#"tripline_feature_evicted_keys_total{feature="f"} 25"#,
            r#"tripline_feature_row_errors_total{feature="f"} 26"#,
            r#"tripline_rule_row_errors_total{rule="r"} 27"#,
            "tripline_waiting_hits 28",
            r#"tripline_subscription_watermark_seconds{subscription="s"} 29.5"#,
            r#"tripline_subscription_waiting_rows{subscription="s"} 30"#,
            r#"tripline_subscription_late_rows_total{subscription="s"} 40"#,
            r#"tripline_health_open{rule="tripline.source.late"} 42"#,
            r#"tripline_health_open{rule="tripline.source.nulls"} 0"#,
            r#"tripline_subscription_waiting_bytes{subscription="s"} 43"#,
            "tripline_memory_used_bytes 41",
            "tripline_memory_limit_bytes 42",
            "tripline_log_entries_total 31",
            "tripline_log_bytes 32",
            "tripline_redelivered_messages_total 33",
            "tripline_watermark_seconds 34",
            "tripline_watermark_lag_seconds 100",
            r#"tripline_subscription_last_heard_seconds{subscription="s"} 35"#,
            "tripline_acknowledged_messages_total 36",
            "tripline_recovery_entries 37",
            "tripline_recovery_read_entries 38",
            "process_resident_memory_bytes 39",
            "process_start_time_seconds 1",
            r#"tripline_phase{phase="running"} 1"#,
            // The sums above do not agree.
            "tripline_conserved 0",
        ];
        let missing: Vec<&&str> = expected.iter().filter(|line| !text.lines().any(|found| found == **line)).collect();
        assert!(missing.is_empty(), "{missing:?} are not in:\n{text}");
    }

    #[test]
    fn a_label_ends_where_it_says() {
        let mut text = Text(String::new());
        text.by(LANE_HEARD, "subscription", [("a\\b\"c\nd", 1_u64)]);
        assert_eq!(
            text.0.lines().last(),
            Some(r#"tripline_subscription_last_heard_seconds{subscription="a\\b\"c\nd"} 1"#)
        );
    }
}
