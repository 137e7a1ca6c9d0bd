//! Is the run well? What is said here can be acted on; what is only unusual is for alarms over the metrics.

use std::time::Duration;

use crate::runtime::live::{LaneState, SinkState};

use super::{Kept, Phase, Vitals, locked};

/// A loop that has made no turn for so long is stuck: it waits 50 ms at most, and for disks.
pub const STUCK: Duration = Duration::from_secs(30);
/// While it starts so many times longer: a large snapshot is one piece of work.
const RECOVERING: u32 = 20;
/// A place that has not taken an alert for so long does not take any.
const SINK_PATIENCE: Duration = Duration::from_secs(300);
/// A subscription that cannot be reached for so long gives nothing for now, and for so much longer somebody should see why.
const UNREACHED: Duration = Duration::from_secs(30);
const UNREACHED_LONG: Duration = Duration::from_secs(300);

impl Vitals {
    /// Why starting it again might help; `None` when it gets on.
    pub fn stuck(&self, patience: Duration) -> Option<String> {
        let recovers = locked(&self.kept).phase == Phase::Recovering;
        let patience = if recovers { patience.saturating_mul(RECOVERING) } else { patience };
        let since = self.turned();
        (since >= patience).then(|| format!("the run has got on with nothing for {} s", since.as_secs()))
    }

    /// Why it does not take messages; `None` when it does.
    pub fn unready(&self) -> Option<String> {
        let Kept { phase, waits, .. } = *locked(&self.kept);
        if phase != Phase::Running {
            return Some(format!("the run is {}", phase.name()));
        }
        if let Some(waits) = waits {
            return Some(waits.to_owned());
        }
        let lanes = self.about.lanes.iter().zip(&self.lanes);
        let mut silent = lanes.filter(|(_, lane)| !lane.answered.load(std::sync::atomic::Ordering::Relaxed));
        let silent = silent.next().map(|(name, _)| format!("{name} has not answered yet"));
        silent.or_else(|| self.unreached(UNREACHED).into_iter().next())
    }

    /// Subscriptions that have not been reached for so long.
    fn unreached(&self, patience: Duration) -> Vec<String> {
        let kept = locked(&self.kept);
        let lanes = kept.figures.iter().flat_map(|figures| &figures.log.lanes);
        lanes.filter_map(|lane| unreached(lane, patience)).collect()
    }

    /// All that somebody should look at.
    pub fn problems(&self, patience: Duration) -> Vec<String> {
        let stuck = self.stuck(patience);
        let unreached = self.unreached(UNREACHED_LONG);
        let misdefined = self.misdefined();
        let kept = locked(&self.kept);
        let imbalance = kept.figures.as_ref().and_then(|figures| figures.tally.imbalance.as_ref());
        let imbalance = imbalance.map(|imbalance| format!("rows or hits were lost: {imbalance}"));
        let sinks = kept.figures.iter().flat_map(|figures| figures.log.sinks.iter().map(behind));
        let sinks: Vec<String> = sinks.flatten().collect();
        let waits = kept.waits.map(str::to_owned);
        stuck.into_iter().chain(waits).chain(misdefined).chain(imbalance).chain(unreached).chain(sinks).collect()
    }
}

fn unreached(lane: &LaneState, patience: Duration) -> Option<String> {
    let trouble = lane.stood.trouble.as_ref()?;
    let (name, lasts, what) = (&lane.name, trouble.since.elapsed(), &trouble.what);
    (lasts >= patience).then(|| format!("{name} has not been reached for {} s: {what}", lasts.as_secs()))
}

fn behind(sink: &SinkState) -> Option<String> {
    let waited = sink.since?.elapsed();
    let why = sink.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
    let (name, backlog, waited_seconds) = (&sink.name, sink.backlog(), waited.as_secs());
    (waited >= SINK_PATIENCE).then(|| format!("{name}: {backlog}, the first for {waited_seconds} s{why}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{SinkState, behind};

    #[test]
    fn a_place_that_does_not_take_alerts() {
        let error = Some("no route".to_owned());
        let mut sink = SinkState { name: "hook".into(), next: 5, end: 7, failures: 9, error, ..SinkState::default() };
        assert_eq!(behind(&sink), None);
        sink.since = Some(Instant::now());
        assert_eq!(behind(&sink), None);
        // A machine that was just started has no such instant.
        if let Some(since) = Instant::now().checked_sub(Duration::from_secs(400)) {
            sink.since = Some(since);
            assert_eq!(behind(&sink).as_deref(), Some("hook: 2 alerts wait, the first for 400 s: no route"));
        }
    }
}
