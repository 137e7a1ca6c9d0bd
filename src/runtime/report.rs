//! What a run did, for its closing summary.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::pipeline::cost::Cost;
use crate::pipeline::detect::nearest::Nearest;
use crate::pipeline::graph::Graph;
use crate::pipeline::ledger::{Imbalance, Ledger};
use crate::pipeline::outlet::Uncomputed;
use crate::record::alert::Phase;
use crate::record::{Disposition, EventTime};

use super::warm::Warmed;

#[derive(Debug)]
pub struct RunReport {
    pub ledger: Ledger,
    pub elapsed: Duration,
    /// Stopped before the inputs ended.
    pub interrupted: bool,
    /// Ended by an error.
    pub failed: bool,
    pub watermark: Option<EventTime>,
    /// The largest watermark of any input: windows that end behind it are partial.
    pub last_watermark: Option<EventTime>,
    /// Event times of the first and the last row.
    pub first_time: Option<EventTime>,
    pub last_time: Option<EventTime>,
    pub row_errors: Vec<Uncomputed>,
    pub nearest: NearestRows,
    /// What came from a history before the inputs.
    pub warmed: Option<Warmed>,
    /// Of each feature and rule.
    pub costs: BTreeMap<String, Cost>,
}

/// Of a run that somebody watched: the rows that came nearest, by rule and by feature.
#[derive(Debug, Clone, Default)]
pub struct NearestRows {
    pub rules: Vec<Option<Nearest>>,
    pub features: BTreeMap<String, Nearest>,
}

impl NearestRows {
    pub fn of(graph: &Graph) -> Self {
        let features = graph.features().filter_map(|stage| {
            let nearest = stage.windows()?.nearest()?;
            Some((stage.name().to_owned(), nearest.clone()))
        });
        Self {
            rules: (0..graph.rules().len()).map(|rule| graph.nearest(rule).cloned()).collect(),
            features: features.collect(),
        }
    }
}

impl RunReport {
    pub fn new(graph: &Graph, elapsed: Duration) -> Self {
        let watermark = graph.watermark();
        Self {
            ledger: graph.ledger.clone(),
            elapsed,
            interrupted: false,
            failed: false,
            watermark: (watermark != i64::MAX && watermark != i64::MIN).then_some(EventTime(watermark)),
            last_watermark: None,
            first_time: graph.span.map(|(first, _)| EventTime(first)),
            last_time: graph.span.map(|(_, last)| EventTime(last)),
            row_errors: graph.uncomputed(),
            nearest: NearestRows::of(graph),
            warmed: None,
            costs: graph.costs_by_name(),
        }
    }

    /// The conservation laws.
    pub fn verify(&self) -> Result<(), Imbalance> {
        self.ledger.verify()
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rows_per_second(&self) -> f64 {
        self.ledger.offered as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    pub fn json(&self) -> Json {
        let ledger = &self.ledger;
        let rejected: serde_json::Map<String, Json> =
            ledger.rejected.iter().map(|(reason, count)| (reason.code().to_owned(), (*count).into())).collect();
        let first_rejects = ledger.first_rejects.iter().map(|(reason, reject)| {
            let (file, line) = (&*reject.origin.file, reject.origin.line);
            (reason.code().to_owned(), json!({"file": file, "line": line, "detail": reject.detail}))
        });
        let first_rejects: serde_json::Map<String, Json> = first_rejects.collect();
        let hits: serde_json::Map<String, Json> =
            Disposition::ALL.iter().map(|d| (d.name().to_owned(), ledger.disposed(*d).into())).collect();
        let told: serde_json::Map<String, Json> =
            Phase::ALL.iter().map(|phase| (phase.name().to_owned(), ledger.told(*phase).into())).collect();
        let cost = |cost: &Cost| json!({"seconds": cost.time.as_secs_f64(), "given": cost.given, "made": cost.made});
        let costs: serde_json::Map<String, Json> =
            self.costs.iter().map(|(name, of)| (name.clone(), cost(of))).collect();
        json!({
            "rows": rows_json(ledger),
            "rejected": rejected,
            "first_rejects": first_rejects,
            "late_windows": ledger.late_windows,
            "windows": ledger.windows,
            "feature_rows": ledger.feature_rows,
            "hits": ledger.hits,
            "hits_by_disposition": hits,
            "alerts": ledger.alerts,
            "told": told,
            "open_incidents": ledger.open_incidents,
            "row_errors": ledger.row_errors,
            "evicted_keys": ledger.evicted_keys,
            "saturated_sums": ledger.saturated,
            "ignored_fields": ledger.ignored_fields.counts(),
            "history": self.warmed.filter(|warmed| warmed.rows > 0).map(|warmed| json!({
                "rows": warmed.rows,
                "told_until": warmed.until.to_string(),
            })),
            "costs": costs,
            "interrupted": self.interrupted,
            "failed": self.failed,
            "seconds": self.elapsed.as_secs_f64(),
            "rows_per_second": self.rows_per_second(),
            "conserved": self.verify().is_ok(),
        })
    }
}

/// Records by what became of them.
pub fn rows_json(ledger: &Ledger) -> Json {
    json!({
        "offered": ledger.offered,
        "accepted": ledger.accepted,
        "filtered": ledger.filtered,
        "rejected": ledger.rejected_total(),
        "duplicate": ledger.duplicate,
        "late": ledger.late,
        "unread": ledger.unread,
    })
}
