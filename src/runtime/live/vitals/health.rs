//! Is the run well? What is said here can be acted on; what is only unusual is for alarms over the metrics.

use std::time::Duration;

use crate::record::EventTime;

use super::{Phase, Sink, Vitals, locked, seconds};

/// A loop that has made no turn for so long is stuck: it waits 50 ms at most, and for disks.
pub const STUCK: Duration = Duration::from_secs(30);
/// A place that has not taken an alert for so long does not take any.
const SINK_PATIENCE_SECONDS: f64 = 300.0;

impl Vitals {
    /// Why starting it again might help; `None` when it gets on.
    pub fn stuck(&self, patience: Duration) -> Option<String> {
        let since = self.turned();
        (since >= patience).then(|| format!("the run has got on with nothing for {} s", since.as_secs()))
    }

    /// Why it does not take messages; `None` when it does.
    pub fn unready(&self) -> Option<String> {
        let phase = locked(&self.kept).phase;
        if phase != Phase::Running {
            return Some(format!("the run is {}", phase.name()));
        }
        let lanes = self.about.lanes.iter().zip(&self.lanes);
        let mut silent = lanes.filter(|(_, lane)| !lane.answered.load(std::sync::atomic::Ordering::Relaxed));
        silent.next().map(|(name, _)| format!("{name} has not answered yet"))
    }

    /// All that somebody should look at.
    pub fn problems(&self, patience: Duration, now: EventTime) -> Vec<String> {
        let kept = locked(&self.kept);
        let imbalance = kept.figures.as_ref().and_then(|figures| figures.tally.imbalance.as_ref());
        let imbalance = imbalance.map(|imbalance| format!("rows or hits were lost: {imbalance}"));
        let sinks: Vec<String> = kept.sinks.iter().filter_map(|sink| behind(sink, now)).collect();
        drop(kept);
        self.stuck(patience).into_iter().chain(imbalance).chain(sinks).collect()
    }
}

fn behind(sink: &Sink, now: EventTime) -> Option<String> {
    let waited = seconds(sink.pending_since?, now);
    let why = sink.last_error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
    let Sink { name, pending, .. } = sink;
    (waited >= SINK_PATIENCE_SECONDS)
        .then(|| format!("{name}: {pending} alerts wait, the first for {waited:.0} s{why}"))
}
