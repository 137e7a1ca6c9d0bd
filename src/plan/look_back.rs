//! How far back rows reach: what is read of the past to compute a span of time alone.
//!
//! A window belongs to the time of its end. Rows of a relation from an instant on depend on the rows of what it reads from
//! some earlier instant on, and those on earlier ones again. Nothing after the span matters to it: every row of a window
//! that ends in the span is older than the end.

use std::sync::Arc;

use crate::record::{Day, EventTime, Micros};

use super::{FeaturePlan, JoinPlan, JoinTarget, Plan, RulePlan, Upstream, WindowPlan};

/// From when on rows are needed, to know all rows of the plan from some instant on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookBack {
    pub flows: EventTime,
    /// By feature; `None` for one that is not live.
    pub features: Vec<Option<EventTime>>,
    /// By rule.
    pub rules: Vec<EventTime>,
}

impl Plan {
    /// What the rows of live features and of the rules from `from` on depend on.
    pub fn look_back(&self, from: EventTime) -> LookBack {
        let mut flows = from;
        let mut features: Vec<Option<EventTime>> = self.live.iter().map(|live| live.then_some(from)).collect();
        let mut rules = vec![from; self.rules.len()];
        for branch in self.rules.iter().flat_map(|rule| &rule.branches) {
            if let Upstream::Feature(read) = branch.upstream {
                joined(&branch.select.joins, self.features[read].window, from, &mut features);
            }
        }
        // A feature reads only features before it: its own start is known when it is reached.
        for (index, feature) in self.features.iter().enumerate().rev() {
            let Some(own) = features[index] else { continue };
            let start = feature.reads_from(own);
            match feature.upstream {
                Upstream::Flows => flows = flows.min(start),
                Upstream::Feature(read) => {
                    earlier(&mut features[read], start);
                    joined(&feature.joins, self.features[read].window, start, &mut features);
                }
                Upstream::Hits(hits) => {
                    // Incidents begin at midnight at the earliest: which hits open one depends on all before them of that day.
                    let start = if self.hits[hits].opening { Day::of(start).start().min(start) } else { start };
                    for (index, rule) in self.rules_behind(hits) {
                        rules[index] = rules[index].min(start);
                        for branch in &rule.branches {
                            match branch.upstream {
                                Upstream::Flows => flows = flows.min(start),
                                Upstream::Feature(read) => {
                                    earlier(&mut features[read], start);
                                    joined(&branch.select.joins, self.features[read].window, start, &mut features);
                                }
                                Upstream::Hits(_) => {}
                            }
                        }
                    }
                }
            }
        }
        LookBack { flows, features, rules }
    }
}

impl FeaturePlan {
    /// From when on rows count of what it reads, in its own rows from some instant on.
    pub fn reads_from(&self, own: EventTime) -> EventTime {
        EventTime(first_end(self.window, own).saturating_sub(self.look_back().0))
    }
}

impl Plan {
    /// How far behind a flow the event time of a row can lie that it counts in.
    pub fn reach(&self) -> Micros {
        let reaches = self.reaches(&FeaturePlan::look_back, true);
        let branches = self.rules.iter().flat_map(|rule| &rule.branches);
        let rules = branches.map(|branch| self.joined_reach(&branch.select.joins, branch.upstream, &reaches)).max();
        Micros(self.longest(&reaches).max(rules.unwrap_or(0)))
    }

    /// How far behind a flow the event time of a row can lie that is there because of it: neither a look-back nor a join
    /// adds to the rows that it stands beside.
    pub fn lasting(&self) -> Micros {
        let of = |feature: &FeaturePlan| match feature.trailing {
            Some(_) => Micros(0),
            None => Micros(feature.window.size.0.saturating_add(feature.fill.unwrap_or_default().0)),
        };
        Micros(self.longest(&self.reaches(&of, false)))
    }

    /// By rule: how long before the end of a row's window the flows lie that it depends on, where they are not of that
    /// window alone.
    pub fn history_of_rules(&self) -> Vec<Option<Micros>> {
        let reaches = self.reaches(&FeaturePlan::look_back, true);
        let windows =
            self.reaches(&|feature| if feature.trailing.is_some() { Micros(0) } else { feature.window.size }, false);
        let of_rule = |rule: &Arc<RulePlan>| {
            let branches = rule.branches.iter().filter_map(|branch| match branch.upstream {
                Upstream::Feature(read) => {
                    let joined = self.joined_reach(&branch.select.joins, branch.upstream, &reaches);
                    Some((reaches[read].max(joined), windows[read]))
                }
                _ => None,
            });
            branches.filter(|(reach, window)| reach > window).map(|(reach, _)| Micros(reach)).max()
        };
        self.rules.iter().map(of_rule).collect()
    }

    /// How long before the end of a row's window the flows lie that a rule's rows depend on.
    pub(super) fn reach_of(&self, rule: &RulePlan, reaches: &[i64]) -> Micros {
        let branches = rule.branches.iter().map(|branch| {
            let read = if let Upstream::Feature(read) = branch.upstream { reaches[read] } else { 0 };
            read.max(self.joined_reach(&branch.select.joins, branch.upstream, reaches))
        });
        Micros(branches.max().unwrap_or(0))
    }

    fn longest(&self, reaches: &[i64]) -> i64 {
        let live = reaches.iter().zip(&self.live).filter(|(_, live)| **live).map(|(reach, _)| *reach);
        live.max().unwrap_or(0)
    }

    /// By feature: what it adds to the reach of what it reads, and of what is `joined` to that.
    pub(super) fn reaches(&self, of: &dyn Fn(&FeaturePlan) -> Micros, joined: bool) -> Vec<i64> {
        let mut reaches: Vec<i64> = Vec::with_capacity(self.features.len());
        for feature in &self.features {
            let behind = match feature.upstream {
                Upstream::Flows => 0,
                Upstream::Feature(read) => reaches[read],
                Upstream::Hits(hits) => {
                    let branches = self.rules_behind(hits).flat_map(|(_, rule)| &rule.branches);
                    let behind = branches.map(|branch| match branch.upstream {
                        Upstream::Feature(read) => {
                            let own = self.joined_reach(&branch.select.joins, branch.upstream, &reaches);
                            reaches[read].max(if joined { own } else { 0 })
                        }
                        _ => 0,
                    });
                    // A hit can keep others from opening an incident until the day ends.
                    let day = if joined && self.hits[hits].opening { Day::LENGTH.0 } else { 0 };
                    behind.max().unwrap_or(0).saturating_add(day)
                }
            };
            let joined = if joined { self.joined_reach(&feature.joins, feature.upstream, &reaches) } else { 0 };
            reaches.push(behind.max(joined).saturating_add(of(feature).0));
        }
        reaches
    }

    /// How far behind a flow a row of `upstream` can lie to which it is joined.
    fn joined_reach(&self, joins: &[JoinPlan], upstream: Upstream, reaches: &[i64]) -> i64 {
        let joined = joins.iter().filter_map(|join| match join.target {
            JoinTarget::Feature { index, at, .. } => {
                Some(reaches[index].saturating_add(at.look_back(self.size_of(upstream)).unwrap_or_default().0))
            }
            JoinTarget::Lookup { .. } => None,
        });
        joined.max().unwrap_or(0)
    }

    /// How long before a day the rows lie that are read to compute a feature's rows of it: of what it reads, and of what
    /// is joined to that.
    pub fn reads_back(&self, feature: &FeaturePlan) -> Micros {
        let own = feature.look_back();
        // All hits of the first day tell which of them open an incident.
        let opening = matches!(feature.upstream, Upstream::Hits(hits) if self.hits[hits].opening);
        let day = if opening { Day::LENGTH.0 } else { 0 };
        Micros(own.0.saturating_add(self.joins_back(&feature.joins, feature.upstream).0).saturating_add(day))
    }

    /// How long before a row of `upstream` rows end that are joined to it.
    pub fn joins_back(&self, joins: &[JoinPlan], upstream: Upstream) -> Micros {
        let size = self.size_of(upstream);
        let joined = joins.iter().filter_map(|join| match join.target {
            JoinTarget::Feature { at, .. } => at.look_back(size),
            JoinTarget::Lookup { .. } => None,
        });
        joined.max().unwrap_or_default()
    }

    /// How long the windows of its rows are.
    fn size_of(&self, upstream: Upstream) -> Micros {
        match upstream {
            Upstream::Flows | Upstream::Hits(_) => Micros(0),
            Upstream::Feature(index) => self.features[index].window.size,
        }
    }
}

/// What rows of windows from `from` on have joined to them.
fn joined(joins: &[JoinPlan], window: WindowPlan, from: EventTime, features: &mut [Option<EventTime>]) {
    let (end, size) = (first_end(window, from), window.size);
    for join in joins {
        if let JoinTarget::Feature { index, at, .. } = join.target {
            let start = at.look_back(size).map_or(from, |back| EventTime(end.saturating_sub(back.0)).min(from));
            earlier(&mut features[index], start);
        }
    }
}

fn earlier(known: &mut Option<EventTime>, at: EventTime) {
    *known = Some(known.map_or(at, |known| known.min(at)));
}

/// The first end of a window whose row has an event time (end − 1 µs) of at least `at`.
fn first_end(window: WindowPlan, at: EventTime) -> i64 {
    let every = window.every.0.max(1);
    at.0.div_euclid(every).saturating_add(1).saturating_mul(every)
}

#[cfg(test)]
mod tests {
    use crate::plan::{FeaturePlan, Plan, Upstream, WindowPlan};
    use crate::record::{EventTime, Micros};

    fn feature(upstream: Upstream, size: i64, every: i64) -> FeaturePlan {
        FeaturePlan {
            name: String::new(),
            upstream,
            joins: Vec::new(),
            scope: Vec::new(),
            previous: None,
            row: Vec::new(),
            filter: None,
            key: Vec::new(),
            window: WindowPlan { size: Micros(size), every: Micros(every), session_gap: None },
            aggregates: Vec::new(),
            outputs: Vec::new(),
            derive: Vec::new(),
            columns: Vec::new(),
            fill: None,
            trailing: None,
        }
    }

    fn flows(features: Vec<FeaturePlan>, from: i64) -> i64 {
        let plan = Plan { live: vec![true; features.len()], features, ..Plan::default() };
        plan.look_back(EventTime(from)).flows.0
    }

    #[test]
    fn chains_of_windows_add_up() {
        let over = Upstream::Feature(0);
        // A window that ends just after the start began there.
        assert_eq!(flows(vec![feature(Upstream::Flows, 10, 10)], 100), 100);
        // The row of the window that ends at 100 is of 99.
        assert_eq!(flows(vec![feature(Upstream::Flows, 10, 10)], 99), 90);
        assert_eq!(flows(vec![feature(Upstream::Flows, 30, 10)], 100), 80);
        assert_eq!(flows(vec![feature(Upstream::Flows, 10, 10), feature(over, 50, 10)], 100), 60);
        // Rows of 60 and later: the first hopping window of them ends at 70.
        assert_eq!(flows(vec![feature(Upstream::Flows, 30, 10), feature(over, 50, 10)], 100), 40);
        assert_eq!(flows(vec![feature(Upstream::Flows, 30, 10)], -1), -30);
        assert_eq!(flows(Vec::new(), 100), 100);
    }

    #[test]
    fn the_last_window_of_a_row_is_within_its_reach() {
        let features = vec![feature(Upstream::Flows, 30, 10), feature(Upstream::Feature(0), 50, 10)];
        let plan = Plan { live: vec![true, true], features, ..Plan::default() };
        assert_eq!(plan.reach(), Micros(80));
        assert_eq!(Plan { live: vec![true, false], ..plan }.reach(), Micros(30));
        assert_eq!(Plan::default().reach(), Micros(0));
    }

    #[test]
    fn a_feature_that_is_not_live_reads_nothing() {
        let features = vec![feature(Upstream::Flows, 10, 10), feature(Upstream::Flows, 1_000, 10)];
        let plan = Plan { live: vec![true, false], features, ..Plan::default() };
        let back = plan.look_back(EventTime(100));
        assert_eq!((back.flows, back.features), (EventTime(100), vec![Some(EventTime(100)), None]));
    }
}
