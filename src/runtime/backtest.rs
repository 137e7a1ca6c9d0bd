//! What rules would have found in rows of the past: alerts by rule and day, whom they are about, what exceptions covered,
//! and which of them other definitions would not have found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::definition::model::{Project, Status};
use crate::pipeline::alert::AlertRecord;
use crate::pipeline::detect::Hit;
use crate::pipeline::outlet::{Outlet, OutletError, Uncomputed};
use crate::plan::{AlertWhen, Plan, RulePlan};
use crate::record::{Day, Disposition, EventTime};

use super::outlet::RunOutlet;

/// An alert, as far as it is compared and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub alert_id: String,
    pub title: String,
    pub key: String,
    pub first: EventTime,
    pub last: EventTime,
}

impl Found {
    pub fn day(&self) -> Day {
        Day::of(self.first)
    }
}

/// What one rule found.
#[derive(Debug, Clone, Default)]
pub struct RuleTally {
    pub hits: u64,
    pub alerts: Vec<Found>,
    /// Alerts about (type, role, value).
    pub entities: BTreeMap<(String, String, String), u64>,
    /// Hits by exception, by its number.
    pub excepted: BTreeMap<usize, u64>,
}

impl RuleTally {
    pub fn by_day(&self) -> BTreeMap<Day, u64> {
        let mut days = BTreeMap::new();
        self.alerts.iter().for_each(|alert| *days.entry(alert.day()).or_default() += 1);
        days
    }

    /// Whom most alerts are about.
    pub fn top(&self, most: usize) -> Vec<(&(String, String, String), u64)> {
        let mut all: Vec<_> = self.entities.iter().map(|(entity, count)| (entity, *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(most);
        all
    }
}

/// Keeps count of hits and alerts; rows go nowhere.
#[derive(Debug, Default)]
pub struct Tally {
    pub rules: BTreeMap<String, RuleTally>,
    pub uncomputed: Vec<Uncomputed>,
}

impl Tally {
    /// Rules that found nothing are in it too.
    pub fn of(plan: &Plan) -> Self {
        let rules = plan.rules.iter().map(|rule| (rule.name.clone(), RuleTally::default()));
        Self { rules: rules.collect(), uncomputed: Vec::new() }
    }
}

impl Outlet for Tally {
    fn hit(&mut self, rule: &str, hit: &Hit, _: Disposition) -> Result<(), OutletError> {
        let tally = self.rules.entry(rule.to_owned()).or_default();
        tally.hits += 1;
        if let Some(exception) = hit.excepted {
            *tally.excepted.entry(exception).or_default() += 1;
        }
        Ok(())
    }

    fn alert(&mut self, alert: &AlertRecord) -> Result<(), OutletError> {
        let tally = self.rules.entry(alert.rule.clone()).or_default();
        let about: BTreeSet<_> =
            alert.entities.iter().map(|(ty, role, value)| (ty.clone(), role.clone(), value.display())).collect();
        about.into_iter().for_each(|entity| *tally.entities.entry(entity).or_default() += 1);
        let key = alert.key.iter().map(|(name, value)| format!("{name}={}", value.display()));
        tally.alerts.push(Found {
            alert_id: alert.alert_id.clone().unwrap_or_default(),
            title: alert.title.clone(),
            key: key.collect::<Vec<_>>().join(" "),
            first: EventTime(alert.first_time_us),
            last: EventTime(alert.last_time_us),
        });
        Ok(())
    }

    fn uncomputed(&mut self, rows: &[Uncomputed]) {
        self.uncomputed = rows.to_vec();
    }
}

impl RunOutlet for Tally {
    fn put_out_by(&mut self, _: &[Arc<RulePlan>]) -> Result<(), OutletError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), OutletError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), OutletError> {
        Ok(())
    }
}

/// Drafts and rules in the shadow are tried as what they would be. Only those that are named feed others: what runs beside
/// them is as it is.
pub fn as_if_stable(project: &mut Project, named: &[String]) -> Vec<(String, Status)> {
    let mut promoted = Vec::new();
    for rule in &mut project.rules {
        let over = project.config.overrides.get_mut(rule.name.as_str()).and_then(|over| over.status.take());
        rule.status = over.unwrap_or(rule.status);
        if matches!(rule.status, Status::Draft | Status::Shadow) {
            promoted.push((rule.name.text.clone(), rule.status));
            rule.status = if named.contains(&rule.name.text) { Status::Stable } else { Status::Shadow };
        }
    }
    promoted
}

/// Rules in the shadow alert; they still feed nobody.
pub fn alert_all(plan: &mut Plan) {
    for rule in plan.rules.iter_mut().filter(|rule| rule.status == Status::Shadow) {
        Arc::make_mut(rule).status = Status::Stable;
    }
}

/// Rules whose hits do not alert by themselves.
pub fn silent(plan: &Plan) -> BTreeMap<String, AlertWhen> {
    let rules = plan.rules.iter().filter(|rule| rule.when != AlertWhen::Always);
    rules.map(|rule| (rule.name.clone(), rule.when)).collect()
}

/// Alerts of two sets of definitions over the same rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Against {
    pub both: u64,
    /// Only here.
    pub gained: Vec<Found>,
    /// Only there.
    pub lost: Vec<Found>,
}

/// An alert is the same when it is about the same key and the two overlap, or are at most so long apart: with another
/// threshold an incident begins earlier or later, and has another id.
pub fn compare(here: &[Found], there: &[Found], apart: i64) -> Against {
    let ids: BTreeSet<&str> = here.iter().map(|alert| alert.alert_id.as_str()).collect();
    let (exact, others): (Vec<&Found>, Vec<&Found>) =
        there.iter().partition(|alert| ids.contains(alert.alert_id.as_str()));
    let exact: BTreeSet<&str> = exact.into_iter().map(|alert| alert.alert_id.as_str()).collect();
    let mut open: BTreeMap<&str, Vec<&Found>> = BTreeMap::new();
    others.into_iter().for_each(|alert| open.entry(&alert.key).or_default().push(alert));
    let mut against = Against { both: exact.len() as u64, ..Against::default() };
    for alert in here.iter().filter(|alert| !exact.contains(alert.alert_id.as_str())) {
        let others = open.entry(&alert.key).or_default();
        let near = |other: &&Found| {
            other.first.0.saturating_sub(apart) <= alert.last.0 && alert.first.0 <= other.last.0.saturating_add(apart)
        };
        match others.iter().position(near) {
            Some(place) => {
                others.remove(place);
                against.both += 1;
            }
            None => against.gained.push(alert.clone()),
        }
    }
    against.lost = open.into_values().flatten().cloned().collect();
    against.lost.sort_by(|a, b| (a.first, &a.alert_id).cmp(&(b.first, &b.alert_id)));
    against
}

#[cfg(test)]
mod tests {
    use super::{EventTime, Found, compare};

    fn found(id: &str, key: &str, first: i64, last: i64) -> Found {
        let (alert_id, key) = (id.to_owned(), key.to_owned());
        Found { alert_id, title: String::new(), key, first: EventTime(first), last: EventTime(last) }
    }

    #[test]
    fn an_incident_that_begins_elsewhere_is_the_same() {
        let here = [found("a", "x", 10, 20), found("b", "x", 100, 110), found("c", "y", 10, 20)];
        let there = [found("d", "x", 25, 30), found("b", "x", 100, 105), found("e", "z", 10, 20)];
        let against = compare(&here, &there, 5);
        assert_eq!((against.both, &against.gained[..], &against.lost[..]), (2, &here[2..], &there[2..]));
        let against = compare(&here, &there, 4);
        assert_eq!((against.both, against.gained.len(), against.lost.len()), (1, 2, 2));
    }

    #[test]
    fn ids_that_are_equal_come_first() {
        let here = [found("a", "x", 0, 1), found("b", "x", 3, 4)];
        let against = compare(&here, &here[1..], 5);
        assert_eq!((against.both, &against.gained[..], against.lost.len()), (1, &here[..1], 0));
    }

    #[test]
    fn each_is_the_same_as_one() {
        let here = [found("a", "x", 0, 1), found("b", "x", 2, 3)];
        let against = compare(&here, &[found("c", "x", 0, 3)], 0);
        assert_eq!((against.both, against.gained.len(), against.lost.len()), (1, 1, 0));
    }
}
