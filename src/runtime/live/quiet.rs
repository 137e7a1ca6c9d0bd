//! Alerts that a sink is not told of: those that somebody has muted, and of a rule that floods all but the first of an hour. They are
//! in the record all the same.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::port::Clock;
use crate::port::disk::Disk;
use crate::port::sink::Told;
use crate::record::EventTime;
use crate::record::alert::Phase;
use crate::state::mute::{self, Mute};
use crate::state::outbox::SinkPosition;

const HOUR: i64 = 3_600_000_000;
/// How often somebody may have muted something.
const LOOK: i64 = 1_000_000;

/// What becomes of an alert.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    Told,
    /// This one instead: it says that there are more.
    Instead(Box<Told>),
    Untold,
}

pub struct Quiet {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    /// Alerts of one rule in an hour.
    per_hour: Option<u64>,
    /// What is told of an incident.
    phases: Vec<Phase>,
    is_of_a_record: bool,
    mutes: Vec<Mute>,
    looked: i64,
}

impl Quiet {
    pub fn new(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, per_hour: Option<u64>, phases: Vec<Phase>) -> Self {
        Self { disk, clock, per_hour, phases, is_of_a_record: false, mutes: Vec::new(), looked: i64::MIN }
    }

    /// Of one that is told of all of these phases, whatever somebody has muted.
    pub fn of_a_record(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, phases: Vec<Phase>) -> Self {
        Self { is_of_a_record: true, ..Self::new(disk, clock, None, phases) }
    }

    /// Looks what is muted now; returns when that is. Where that cannot be read it is what it was.
    pub fn look(&mut self) -> EventTime {
        let now = self.clock.now();
        if now.0.saturating_sub(self.looked) >= LOOK {
            if let Ok(mutes) = mute::load(&*self.disk) {
                self.mutes = mutes;
            }
            self.looked = now.0;
        }
        now
    }

    /// What becomes of an alert, behind those that `position` has counted; counts it there too.
    pub fn judge(&self, told: &Told, now: EventTime, position: &mut SinkPosition) -> Verdict {
        // What does not say which is from before there were others.
        let phase = told.alert["phase"].as_str().unwrap_or(Phase::Final.name());
        if !self.phases.iter().any(|own| own.name() == phase) {
            return Verdict::Untold;
        }
        if self.is_of_a_record {
            return Verdict::Told;
        }
        if self.mutes.iter().any(|mute| mute.covers(&told.alert, now)) {
            position.muted += 1;
            return Verdict::Untold;
        }
        // Who was told that there is something is told that there is nothing.
        let Some(most) = self.per_hour.filter(|_| phase != Phase::Withdrawn.name()) else { return Verdict::Told };
        let hour = now.0.div_euclid(HOUR);
        if position.hour != hour {
            position.hour = hour;
            position.of_hour.clear();
        }
        let rule = told.alert["rule"].as_str().unwrap_or_default();
        let count = position.of_hour.entry(rule.to_owned()).or_default();
        *count += 1;
        match *count {
            count if count <= most => Verdict::Told,
            count => {
                position.held += 1;
                if count == most + 1 {
                    Verdict::Instead(Box::new(summary(told, rule, hour, most)))
                } else {
                    Verdict::Untold
                }
            }
        }
    }
}

/// One alert for all that follow in the hour.
fn summary(told: &Told, rule: &str, hour: i64, most: u64) -> Told {
    let from = EventTime(hour * HOUR).to_string();
    let hash = Sha256::digest(format!("storm\n{rule}\n{hour}").as_bytes());
    let alert_id: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let mut alert = told.alert.clone();
    alert["alert_id"] = alert_id.as_str().into();
    alert["message_id"] = alert_id.as_str().into();
    alert["title"] =
        format!("{rule}: more than {most} alerts since {from}; the others of this hour are in the record").into();
    // Of no incident.
    alert["phase"] = Phase::First.name().into();
    alert["key"] = json!({});
    alert["entities"] = Json::Array(Vec::new());
    alert["evidence"] = Json::Array(Vec::new());
    alert["storm"] = json!({"from": from, "alerts": most});
    Told { id: alert_id, number: told.number, alert }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use serde_json::json;

    use super::{Clock, EventTime, HOUR, Phase, Quiet, SinkPosition, Told, Verdict};
    use crate::adapter::local::LocalDisk;

    struct At(AtomicI64);

    impl Clock for At {
        fn now(&self) -> EventTime {
            EventTime(self.0.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn what_a_sink_does_not_ask_for_is_neither_told_nor_counted() {
        let clock = Arc::new(At(AtomicI64::new(5 * HOUR)));
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Arc::new(LocalDisk::new(folder.path()));
        let phases = vec![Phase::First, Phase::Withdrawn];
        let mut quiet = Quiet::new(disk, Arc::clone(&clock) as Arc<dyn Clock>, Some(2), phases);
        let mut position = SinkPosition::default();
        let mut said = |phase: &str| {
            let alert = json!({"rule": "often", "phase": phase});
            let now = quiet.look();
            quiet.judge(&Told { id: phase.to_owned(), number: 0, alert }, now, &mut position)
        };
        let phases = ["update", "final", "first", "final", "withdrawn", "update"];
        let expected = [false, false, true, false, true, false];
        assert_eq!(phases.map(|phase| said(phase) == Verdict::Told), expected);
        assert_eq!((position.held, position.muted), (0, 0));
    }

    #[test]
    fn of_a_rule_that_floods_the_first_are_told_and_that_there_are_more() {
        let clock = Arc::new(At(AtomicI64::new(5 * HOUR)));
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Arc::new(LocalDisk::new(folder.path()));
        let mut quiet = Quiet::new(disk, Arc::clone(&clock) as Arc<dyn Clock>, Some(2), Phase::ALL.to_vec());
        let mut position = SinkPosition::default();
        let mut said = Vec::new();
        for number in 0..12u64 {
            clock.0.store(5 * HOUR + i64::try_from(number).expect("small") * HOUR / 8, Ordering::Relaxed);
            let rule = if number.is_multiple_of(4) { "rare" } else { "often" };
            let told = Told { id: number.to_string(), number, alert: json!({"rule": rule, "title": "x"}) };
            let now = quiet.look();
            said.push(match quiet.judge(&told, now, &mut position) {
                Verdict::Told => "told",
                Verdict::Instead(summary) => {
                    assert_ne!(summary.id, told.id);
                    assert_eq!(summary.alert["storm"]["alerts"], 2);
                    "more"
                }
                Verdict::Untold => "",
            });
        }
        // rare, often ×3, rare, often ×3; from the eighth on another hour: rare, often ×3.
        let hour = ["told", "told", "told", "more", "told", "", "", ""];
        assert_eq!(said, [&hour[..], &["told", "told", "told", "more"]].concat());
        assert_eq!((position.held, position.muted), (5, 0));
    }
}
