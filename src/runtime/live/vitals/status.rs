//! A run as JSON, in the words of the closing summary.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use crate::port::standing::Delivery;
use crate::record::{Disposition, EventTime, alert, plural};

use super::{Figures, Kept, Vitals, locked, seconds};
use crate::runtime::live::SinkState;
use crate::runtime::report::rows_json;
use crate::state::mute::Mute;

pub fn json(vitals: &Vitals, patience: Duration, now: EventTime, memory: Option<u64>) -> Json {
    let problems = vitals.problems(patience);
    let ready = vitals.unready().is_none();
    let kept = locked(&vitals.kept);
    let in_force = locked(&vitals.in_force);
    let mut status = json!({
        "healthy": problems.is_empty(),
        "problems": problems,
        "ready": ready,
        "phase": kept.phase.name(),
        "version": env!("CARGO_PKG_VERSION"),
        "generation": in_force.generation,
        "generation_since": in_force.since(),
        "reload": in_force.reload(),
        "lookups": in_force.lookups(),
        "started_at": vitals.about.started.to_string(),
        "seconds": seconds(vitals.about.started, now),
        "recovery": {
            "entries": vitals.recovered.load(Ordering::Relaxed),
            "of": vitals.recoverable.load(Ordering::Relaxed),
        },
        "messages": {"acknowledged": vitals.acknowledged.load(Ordering::Relaxed)},
        "subscriptions": subscriptions(vitals, &kept),
        "snapshot": kept.snapshot.map(|snapshot| json!({
            "entries": snapshot.entries,
            "bytes": snapshot.bytes,
            "seconds": snapshot.took.as_secs_f64(),
            "pause_seconds": snapshot.pause.as_secs_f64(),
            "at": snapshot.at.to_string(),
        })),
        "memory_bytes": memory,
        "memory_used_bytes": vitals.memory().0,
        "memory_limit_bytes": vitals.memory().1,
    });
    if let (Some(figures), Some(status)) = (&kept.figures, status.as_object_mut()) {
        add(status, vitals, figures, now);
    }
    status
}

/// What is known when the log is read.
fn add(status: &mut Map<String, Json>, vitals: &Vitals, figures: &Figures, now: EventTime) {
    let (tally, ledger) = (&figures.tally, &figures.tally.ledger);
    let mut put = |name: &str, value: Json| status.insert(name.to_owned(), value);
    put("rows", rows_json(ledger));
    let rejected = ledger.rejected.iter().map(|(reason, count)| (reason.code().to_owned(), (*count).into()));
    put("rejected", Json::Object(rejected.collect()));
    put("late_windows", ledger.late_windows.into());
    put("windows", ledger.windows.into());
    put("feature_rows", ledger.feature_rows.into());
    put("hits", ledger.hits.into());
    let hits = Disposition::ALL.iter().map(|d| (d.name().to_owned(), ledger.disposed(*d).into()));
    put("hits_by_disposition", Json::Object(hits.collect()));
    put("waiting_hits", tally.waiting_hits.into());
    put("alerts", ledger.alerts.into());
    let told = alert::Phase::ALL.map(|phase| (phase.name().to_owned(), ledger.told(phase).into()));
    put("told", Json::Object(told.into_iter().collect()));
    let open = figures.open.iter();
    let open = open.map(|open| json!({"rule": open.rule, "title": open.title, "since": open.since.to_string()}));
    put("health", open.collect());
    put("mutes", figures.mutes.iter().filter(|mute| mute.until > now).map(of_mute).collect());
    put("open_incidents", ledger.open_incidents.into());
    put("row_errors", ledger.row_errors.into());
    put("evicted_keys", json!(ledger.evicted_keys));
    put("saturated_sums", ledger.saturated.into());
    put("conserved", tally.imbalance.is_none().into());
    put("watermark", json!(figures.watermark.map(|at| at.to_string())));
    put("lag_seconds", json!(figures.watermark.map(|at| seconds(at, now))));
    let syncs = *locked(&vitals.syncs);
    let mut log = figures.log.json();
    log["syncs"] = syncs.count.into();
    log["last_sync_seconds"] = syncs.last.as_secs_f64().into();
    log["largest_sync_seconds"] = syncs.largest(vitals.began.elapsed()).as_secs_f64().into();
    put("log", log);
    let rules = tally.rules.iter().map(|rule| {
        let hits: u64 = vitals.rules.hits(&rule.name).iter().map(|(_, hits)| hits).sum();
        json!({
            "name": rule.name,
            "hits": hits,
            "alerts": vitals.rules.alerts(&rule.name),
            "row_errors": rule.row_errors,
            "seconds": rule.cost.time.as_secs_f64(),
        })
    });
    put("rules", rules.collect());
    let features = tally.features.iter().map(|feature| {
        json!({
            "name": feature.name,
            "keys": feature.keys,
            "rows": feature.cost.made,
            "evicted_keys": feature.evicted_keys,
            "row_errors": feature.row_errors,
            "seconds": feature.cost.time.as_secs_f64(),
        })
    });
    put("features", features.collect());
    put("sinks", figures.log.sinks.iter().map(of_sink).collect());
}

fn subscriptions(vitals: &Vitals, kept: &Kept) -> Json {
    let lanes = vitals.about.lanes.iter().zip(&vitals.lanes).enumerate();
    let lanes = lanes.map(|(index, (name, lane))| {
        let state = kept.figures.as_ref().and_then(|figures| figures.log.lanes.get(index));
        let trouble = state.and_then(|lane| lane.stood.trouble.as_ref());
        let figures = kept.figures.as_ref().and_then(|figures| figures.lanes.get(index));
        let late = figures.map(|lane| lane.late).unwrap_or_default();
        json!({
            "name": name,
            "answered": lane.answered.load(Ordering::Relaxed),
            "last_heard": vitals.heard_of(index).map(|at| at.to_string()),
            "watermark": figures.and_then(|lane| lane.watermark).map(|at| at.to_string()),
            "waiting_rows": figures.map_or(0, |lane| lane.waiting_rows),
            "waiting_bytes": figures.map_or(0, |lane| lane.waiting_bytes),
            "delivery": state.and_then(|lane| lane.stood.delivery).map(Delivery::name),
            "unreachable_seconds": trouble.map(|trouble| trouble.since.elapsed().as_secs_f64()),
            "trouble": trouble.map(|trouble| &trouble.what),
            "rows": late.of,
            "late_rows": late.rows,
            "late_since": late.since.map(|at| at.to_string()),
        })
    });
    lanes.collect()
}

fn of_mute(mute: &Mute) -> Json {
    json!({"rule": mute.rule, "key": mute.key, "until": mute.until.to_string(), "reason": mute.reason})
}

fn of_sink(sink: &SinkState) -> Json {
    json!({
        "name": &*sink.name,
        "waiting": plural(2, sink.waiting()),
        "pending": sink.pending(),
        "waits_seconds": sink.since.map(|since| since.elapsed().as_secs_f64()),
        "refused": sink.refused,
        "muted": sink.muted,
        "held": sink.held,
        "failures": sink.failures,
        "error": sink.error,
    })
}
