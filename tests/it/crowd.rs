//! Too many keys ([`Plan::keys_max`]): which go is what the rule says, whatever the batches, and no row or alert is less than it
//! would be without saying that it is partial.

use std::collections::{BTreeMap, BTreeSet};

use libtest_mimic::{Failed, Trial};
use tripline::pipeline::batch::AdmittedBatch;
use tripline::pipeline::graph::Graph;
use tripline::pipeline::merge::BEFORE_ALL;
use tripline::plan::Plan;
use tripline::record::Value;
use tripline::target::datafusion::Lookups;

use super::arrival::{self, Flow, Logged, MINUTE, SECOND, START};
use super::kept::Kept;
use super::moved::moved;
use super::oracle::{Hops, text};
use super::plan_of;
use super::random::Random;

const ROUNDS: u64 = 16;

pub fn cases() -> Vec<Trial> {
    vec![
        Trial::test("crowd::those_seen_longest_ago_go_whatever_the_batches", whatever_the_batches),
        Trial::test("crowd::rows_of_a_history_crowd_too", rows_of_a_history),
    ]
}

struct Scene {
    plan: Plan,
    hops: Hops,
    keys_max: usize,
}

impl Scene {
    fn new(random: &mut Random, keys_max: usize) -> Result<Self, Failed> {
        let every = *random.pick(&[30 * SECOND, MINUTE, 5 * MINUTE]);
        let hops = Hops { size: every * random.between(1, 4), every };
        let (size, step) = (hops.size / SECOND, hops.every / SECOND);
        let text = format!(
            "--- tripline.yaml
keys_max: {keys_max}
--- features/by_source.yaml
feature: by_source
from: flows
key: [src_ip]
window: {{size: {size}s, every: {step}s}}
columns: {{flows: COUNT(*), ports: COUNT(DISTINCT dst_port)}}
--- features/kept_up.yaml
feature: kept_up
from: flows
key: [src_ip]
window: {{size: 2m}}
fill: zero
expire: 5m
columns: {{flows: COUNT(*)}}
--- features/visits.yaml
feature: visits
from: flows
key: [src_ip]
window: {{session_gap: 3m, max: 1h}}
columns: {{flows: COUNT(*)}}
--- features/pauses.yaml
feature: pauses
from: flows
key: [src_ip]
previous: {{columns: [event_time], max_gap: 10m}}
row: {{pause: 'TIMESTAMP_DIFF(event_time, previous_event_time, SECOND)'}}
window: {{size: 10m}}
columns: {{longest: MAX(pause)}}
--- features/longer.yaml
feature: longer
from: by_source
key: [src_ip]
window: {{size: {long}s}}
columns: {{flows: SUM(flows)}}
--- features/before.yaml
feature: before
from: by_source
trailing:
  own: {{key: [src_ip], size: 30m, columns: {{windows: COUNT(*), usual: SUM(flows)}}}}
--- rules/busy.yaml
rule: busy
title: Busy
description: A window with flows
status: stable
severity: low
owner: tests
sql: SELECT * FROM longer WHERE flows >= 2
entities: [{{type: ip, column: src_ip, role: actor}}]
alert: {{title: 'busy', key: [src_ip], merge_within: 10m}}
runbook: Look.
",
            long = 3 * size
        );
        let mut plan = plan_of(&text)?;
        plan.show(&["by_source", "kept_up", "visits", "pauses", "longer", "before"]);
        Ok(Self { plan, hops, keys_max })
    }

    /// What comes of a log in batches of at most `longest` rows, and how many keys each feature let go.
    fn run(
        &self,
        log: &(Vec<Logged>, i64),
        longest: usize,
        random: &mut Random,
    ) -> Result<(Kept, BTreeMap<String, u64>), Failed> {
        let mut graph = Graph::new(&self.plan, &Lookups::new(&self.plan.lookups), String::new(), None)?;
        let mut kept = Kept::new(&self.plan);
        graph.ledger.offered = log.0.len() as u64;
        for batch in arrival::batches(random, &log.0, log.1, longest)? {
            graph.push(&batch, &mut kept)?;
            if random.one_in(3) {
                graph = moved(&self.plan, &graph, None)?;
            }
        }
        graph.finish(log.1, &mut kept)?;
        graph.ledger.verify()?;
        Ok((kept, graph.ledger.evicted_keys))
    }

    /// The rows of `by_source`, as the rule says: (end, key) to flows; and how many keys went.
    fn by_source(&self, log: &[Logged]) -> (BTreeMap<(i64, String), i64>, u64) {
        let mut open: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        let (mut rows, mut evicted, mut step) = (BTreeMap::new(), 0, i64::MIN);
        let Hops { size, every } = self.hops;
        let mut closed = i64::MIN;
        for (flow, admit) in log.iter().map(|(flow, admit)| (Some(flow), *admit)).chain([(None, i64::MAX)]) {
            let ends: BTreeSet<i64> = open.values().flatten().flat_map(|at| self.hops.ends(*at)).collect();
            for end in ends.into_iter().filter(|end| *end > closed && *end <= admit) {
                for (key, times) in &open {
                    let inside = times.iter().filter(|at| **at >= end - size && **at < end).count();
                    if inside > 0 {
                        rows.insert((end, key.clone()), i64::try_from(inside).unwrap_or(0));
                    }
                }
            }
            closed = closed.max(admit);
            open.values_mut().for_each(|times| {
                times.retain(|at| at.div_euclid(every) * every + size > admit);
            });
            open.retain(|_, times| !times.is_empty());
            let Some(flow) = flow else { break };
            if admit.div_euclid(MINUTE) > step {
                step = admit.div_euclid(MINUTE);
                if open.len() > self.keys_max {
                    let last = |times: &Vec<i64>| times.iter().max().map(|at| at.div_euclid(SECOND));
                    let mut seen: Vec<_> = open.iter().map(|(key, times)| (last(times), key.clone())).collect();
                    seen.sort();
                    seen.truncate(open.len() - (self.keys_max - self.keys_max / 8));
                    evicted += seen.len() as u64;
                    seen.iter().for_each(|(_, key)| drop(open.remove(key)));
                }
            }
            let counts = self.hops.ends(flow.time).last().is_some_and(|end| *end > admit);
            if counts {
                open.entry(text(flow.src_ip.as_deref())).or_default().push(flow.time);
            }
        }
        (rows, evicted)
    }
}

/// Rows that came in time do not say at which watermark: each batch is a step.
fn rows_of_a_history() -> Result<(), Failed> {
    let mut random = Random::new(1);
    let scene = Scene::new(&mut random, 8)?;
    let mut graph = Graph::new(&scene.plan, &Lookups::new(&scene.plan.lookups), String::new(), None)?;
    let mut kept = Kept::new(&scene.plan);
    let all = flows(&mut random);
    graph.ledger.offered = all.len() as u64;
    for flows in all.chunks(50) {
        let watermark = flows.last().map_or(BEFORE_ALL, |flow| flow.time);
        let admit = vec![BEFORE_ALL; flows.len()];
        graph.push(&AdmittedBatch { flows: arrival::batch_of(flows)?, admit, watermark }, &mut kept)?;
    }
    graph.finish(START + 41 * MINUTE, &mut kept)?;
    graph.ledger.verify()?;
    let evicted = &graph.ledger.evicted_keys;
    let over_flows = ["by_source", "kept_up", "visits", "pauses"].iter().filter(|name| evicted.contains_key(**name));
    let partial = kept.rows["by_source"].iter().filter(|(_, partial)| *partial).count();
    if over_flows.count() < 4 || partial == 0 {
        return Err(format!("{evicted:?} went, {partial} rows are partial").into());
    }
    Ok(())
}

/// Few sources that come again and again, and many that come once or twice.
fn flows(random: &mut Random) -> Vec<Flow> {
    let span = 40 * MINUTE;
    let mut flows: Vec<Flow> = (0..1_500i64)
        .map(|row| Flow {
            time: START + random.between(0, span),
            row_id: row,
            subscriber_id: None,
            src_ip: Some(match random.below(3) {
                0 => format!("10.0.0.{}", random.below(4)),
                _ => format!("192.0.2.{}", random.below(400)),
            }),
            dst_port: Some(random.between(1, 9)),
            tx_bytes: None,
            latitude: None,
        })
        .collect();
    flows.sort_by_key(|flow| (flow.time, flow.row_id));
    flows
}

fn counted(kept: &Kept) -> BTreeMap<(i64, String), (i64, bool)> {
    let number = |value: &Value| match value {
        Value::Int64(value) | Value::Timestamp(value) => *value,
        _ => 0,
    };
    let rows = kept.rows.get("by_source").into_iter().flatten();
    rows.map(|(row, partial)| {
        let key = if let Value::String(key) = &row[0] { Some(key.as_str()) } else { None };
        ((number(&row[2]), text(key)), (number(&row[4]), *partial))
    })
    .collect()
}

fn whatever_the_batches() -> Result<(), Failed> {
    let (mut went, mut fewer, mut whole, mut alerts) = (0, 0, 0, 0);
    for seed in 0..ROUNDS {
        let mut random = Random::new(seed);
        let keys_max = *random.pick(&[1, 8, 20, 60]);
        let scene = Scene::new(&mut random, keys_max)?;
        let delay = *random.pick(&[0, 20 * SECOND, 4 * MINUTE]);
        let ordered = flows(&mut random);
        let log = arrival::log(&[(arrival::delayed(&mut random, &ordered, delay), 30 * SECOND)]);
        let (kept, evicted) = scene.run(&log, 1, &mut random)?;
        for longest in [7, 100, 2_000] {
            let (other, also) = scene.run(&log, longest, &mut random)?;
            if other.lines() != kept.lines() || also != evicted {
                let expected = kept.lines();
                let differs = other.lines().into_iter().find(|line| !expected.contains(line));
                return Err(format!("{seed}: batches of {longest}: {differs:?}; {evicted:?} and {also:?}").into());
            }
        }
        let found = counted(&kept);
        let (expected, keys) = scene.by_source(&log.0);
        let counts: BTreeMap<_, i64> = found.iter().map(|(key, (flows, _))| (key.clone(), *flows)).collect();
        if counts != expected || evicted.get("by_source").copied().unwrap_or(0) != keys {
            let differs = expected.iter().find(|(key, flows)| counts.get(*key) != Some(*flows));
            return Err(format!("{seed}: {differs:?} of {}, {} found; {keys}", expected.len(), counts.len()).into());
        }
        // With room for all, a row is as it was or has said that it is partial.
        let roomy = Scene { plan: Plan { keys_max: 1_000_000, ..scene.plan.clone() }, ..scene };
        let (all, none) = roomy.run(&log, 100, &mut random)?;
        if !none.is_empty() {
            return Err(format!("{seed}: {none:?} without a reason").into());
        }
        for (relation, rows) in &kept.rows {
            let expected: BTreeSet<String> = all.rows[relation].iter().map(|(row, _)| format!("{row:?}")).collect();
            let changed = rows.iter().filter(|(row, _)| !expected.contains(&format!("{row:?}")));
            let (told, silent): (Vec<_>, Vec<_>) = changed.partition(|(_, partial)| *partial);
            if let Some(row) = silent.first() {
                return Err(format!("{seed}: {relation} is not said to be partial: {row:?}").into());
            }
            fewer += told.len();
            whole += rows.iter().filter(|(_, partial)| !partial).count();
        }
        let expected: BTreeSet<String> = all.alerts.iter().map(|alert| alert.json().to_string()).collect();
        let whole_ones = kept.alerts.iter().filter(|alert| alert.state() == "ok");
        if let Some(alert) = whole_ones.map(|alert| alert.json().to_string()).find(|alert| !expected.contains(alert)) {
            return Err(format!("{seed}: an alert is not said to be partial: {alert}").into());
        }
        went += evicted.values().sum::<u64>();
        alerts += kept.alerts.iter().filter(|alert| alert.state() == "partial").count();
    }
    if went < 600 || fewer < 600 || whole < 1_000 || alerts < 50 {
        return Err(format!("{went} keys went; {fewer} rows were less, {whole} whole; {alerts} alerts").into());
    }
    Ok(())
}
