//! What is wrong with sources and rules, of runs whose clock goes on: a silence, an outage, a rule that cannot compute.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use serde_json::Value as Json;
use tripline::plan::Plan;
use tripline::port::Clock;
use tripline::port::pages::Pages;
use tripline::record::EventTime;
use tripline::runtime::live::vitals::{About, Vitals, VitalsPages};
use tripline::state::mute::{self, Mute};

use super::disk::Mounted;
use super::queue::Message;
use super::sinks::{Mood, Place};
use super::{ALERTS, DAY, END, Machine, PROJECT, machine, messages, told, undisturbed};
use crate::arrival::{MINUTE, SECOND};
use crate::plan_of;
use crate::random::Random;

/// A clock that goes on a little each time somebody looks at it: so a run looks at it every few seconds, however slow the machine is.
#[derive(Clone)]
struct Ticking(Arc<AtomicI64>, i64);

/// So far.
const LOOK: i64 = 800_000;

impl Ticking {
    fn new(look: i64) -> Self {
        Self(Arc::new(AtomicI64::new(END + DAY)), look)
    }

    fn since_start(&self) -> i64 {
        self.0.load(Ordering::Relaxed) - END - DAY
    }
}

impl Clock for Ticking {
    fn now(&self) -> EventTime {
        EventTime(self.0.fetch_add(self.1, Ordering::Relaxed))
    }
}

/// All lines of a rule of health, by incident; nothing is said twice, and nothing ends that has not begun.
fn incidents(machine: &Machine, rule: &str) -> Result<Vec<Vec<String>>, Failed> {
    let content = machine.disk.content(ALERTS);
    let mut incidents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&content).lines() {
        let alert: Json = serde_json::from_str(line)?;
        if alert["rule"] == rule {
            let id = alert["alert_id"].as_str().unwrap_or_default().to_owned();
            incidents.entry(id).or_default().push(alert["phase"].as_str().unwrap_or_default().to_owned());
        }
    }
    match incidents.values().find(|phases| **phases != ["first", "final"] && **phases != ["first"]) {
        Some(wrong) => Err(format!("{rule} says {wrong:?}").into()),
        None => Ok(incidents.into_values().collect()),
    }
}

fn is_said(machine: &Machine, rule: &str, phase: &str) -> usize {
    let content = machine.disk.content(ALERTS);
    let (rule, phase) = (format!("\"rule\":\"{rule}\""), format!("\"phase\":\"{phase}\""));
    String::from_utf8_lossy(&content).lines().filter(|line| line.contains(&rule) && line.contains(&phase)).count()
}

/// Goes on until that is so. Otherwise it would go on for ever.
fn until(machine: &mut Machine, so: impl Fn(&Machine) -> bool + Send + Sync + 'static) {
    let seen = machine.seen();
    let begun = Instant::now();
    machine.also = Arc::new(move || so(&seen) || begun.elapsed() > Duration::from_secs(60));
}

const SILENT: &str = "tripline.source.silent";

/// A run dies at each step around the silence of its source, and around its end.
pub fn silence() -> Result<(), Failed> {
    let plan = plan_of(&PROJECT.replace("lateness: 10m", "lateness: 10m\nsilent_after: 12s"))?;
    let mut random = Random::new(51);
    let all = messages(&mut random, 60);
    let expected = undisturbed(&plan, &all)?;
    let (first, second) = all.split_at(all.len() / 2);
    let (first, second) = (first.to_vec(), second.to_vec());
    // All of it once, to know how many steps that is.
    let (mut deaths, mut after_a_death, mut reopened) = (0, 0, 0);
    let whole = silent_and_back(&plan, (&first, &second), None, &mut random)?;
    let steps = [whole.0.saturating_sub(24)..whole.0, 0..24.min(whole.1)];
    for (part, steps) in steps.into_iter().enumerate() {
        for step in steps {
            let what = format!("dying at step {step} of part {part}");
            let (_, _, machine, died) = silent_and_back(&plan, (&first, &second), Some((part, step)), &mut random)
                .map_err(|error| format!("{what}: {}", error.message().unwrap_or_default()))?;
            deaths += u64::from(died);
            let found = incidents(&machine, SILENT)?;
            after_a_death += found.iter().filter(|phases| phases.len() == 2).count();
            reopened += usize::from(found.len() > 1);
            let others = told(&machine.disk.content(ALERTS))?;
            let others: BTreeSet<String> = others.into_iter().filter(|line| !line.contains("tripline.")).collect();
            super::same(&what, &expected, &others)?;
        }
    }
    if deaths < 30 || after_a_death < 40 {
        return Err(format!("{deaths} deaths, {after_a_death} incidents, {reopened} runs with two").into());
    }
    Ok(())
}

type Steps = (u64, u64, Machine, bool);

/// A source gives its first messages, is silent until people are told, and gives the others; a run dies once, in a part of that.
fn silent_and_back(
    plan: &Plan,
    (first, second): (&[Message], &[Message]),
    dies: Option<(usize, u64)>,
    random: &mut Random,
) -> Result<Steps, Failed> {
    let clock = Ticking::new(LOOK);
    let mut machine = machine(first, 7);
    let mut died = false;
    let mut steps = [0, 0];
    let dies_in = |part: usize| dies.filter(|(own, _)| *own == part).map(|(_, step)| step);
    for (part, steps) in steps.iter_mut().enumerate() {
        if part == 1 {
            second.iter().for_each(|message| machine.queues[0].add(message.clone()));
            machine.restart(random);
        }
        until(&mut machine, move |machine| match part {
            0 => is_said(machine, SILENT, "first") > 0,
            _ => is_said(machine, SILENT, "final") == is_said(machine, SILENT, "first"),
        });
        let start =
            |machine: &Machine| machine.start_with(plan, "one", &mut |options| options.clock = Arc::new(clock.clone()));
        if let Some(step) = dies_in(part) {
            machine.disk.die_at(step);
            if start(&machine).is_err() {
                died = true;
                machine.restart(random);
            }
            machine.disk.die_at(u64::MAX);
        }
        if dies_in(part).is_none() || died {
            start(&machine)?;
        }
        *steps = machine.disk.steps();
    }
    if incidents(&machine, SILENT)?.iter().all(|phases| phases.len() != 2) {
        return Err("the silence was not told, or not its end".into());
    }
    Ok((steps[0], steps[1], machine, died))
}

/// While the service does not answer, a source is not idle: what comes afterwards is not late. People are told of both.
pub fn outage() -> Result<(), Failed> {
    let project = PROJECT.replace("lateness: 10m", "lateness: 1s\nidle_after: 10s\nsilent_after: 20s");
    let plan = plan_of(&project)?;
    for (reachable, late) in [(true, 1), (false, 0)] {
        let flow = |id, seconds: i64| {
            let data = format!("{{\"at\": {}, \"src\": \"10.0.0.1\", \"sub\": \"s\"}}", END + seconds * SECOND);
            Message { id, data }
        };
        let clock = Ticking::new(LOOK);
        let mut machine = machine(&[flow(1, 0), flow(2, 1)], 3);
        machine.queues[0].reachable(reachable);
        let (queue, now, added) = (machine.queues[0].clone(), clock.clone(), AtomicBool::new(false));
        machine.also = Arc::new(move || {
            // A minute later what was published a second after the others.
            if now.since_start() > MINUTE && !added.swap(true, Ordering::Relaxed) {
                queue.reachable(true);
                queue.add(flow(3, 2));
            }
            added.load(Ordering::Relaxed)
        });
        let lanes: Vec<String> = vec!["projects/p/subscriptions/s".to_owned()];
        let vitals = Vitals::new(About::new(&plan, "one", &lanes, EventTime(0)));
        machine.start_with(&plan, "one", &mut |options| {
            options.clock = Arc::new(clock.clone());
            options.vitals = Arc::clone(&vitals);
        })?;
        let page = VitalsPages::new(vitals, Arc::new(clock), || None).page("/status").ok_or("no status")?;
        let status: Json = serde_json::from_str(&page.body)?;
        let lane = &status["subscriptions"][0];
        if lane["late_rows"] != late || lane["rows"] != 3 || lane["late_since"].is_string() != (late == 1) {
            return Err(format!("reachable {reachable}: {lane}").into());
        }
        let content = machine.disk.content(ALERTS);
        let said = String::from_utf8_lossy(&content).into_owned();
        let word = if reachable { "netlog is silent" } else { "netlog cannot be reached" };
        if !said.contains(word) || incidents(&machine, SILENT)? != [["first", "final"]] {
            return Err(format!("reachable {reachable}: {said}").into());
        }
    }
    Ok(())
}

/// A rule that cannot compute rows is told of, once; what somebody has muted is in the file alone.
pub fn errors() -> Result<(), Failed> {
    const ERRORS: &str = "tripline.rule.errors";
    let casts = "--- rules/casts.yaml
rule: casts
title: Casts
severity: low
sql: SELECT * FROM flows WHERE CAST(SUBSTR(COALESCE(src_ip, '1'), 1, 3) AS INT64) > 11
alert: {title: 'casts', key: [src_ip], merge_within: 1m}
";
    for (source, fails) in [("10.0.0.1", true), ("123", false)] {
        let plan = plan_of(&format!("{PROJECT}{casts}"))?;
        let flow = |id: u64| {
            let at = END - DAY + i64::try_from(id).unwrap_or(0) * SECOND;
            Message { id, data: format!("{{\"at\": {at}, \"src\": \"{source}\", \"sub\": \"s\"}}") }
        };
        let clock = Ticking::new(12 * LOOK);
        let (heard, muted) = (Place::new("heard", Mood::Steady, 1), Place::new("muted", Mood::Steady, 2));
        let mut machine = Machine { sinks: vec![heard], ..machine(&[flow(1), flow(2)], 3) };
        let (queue, now, next) = (machine.queues[0].clone(), clock.clone(), AtomicI64::new(1));
        // One more each two minutes, which can be computed.
        machine.also = Arc::new(move || {
            let minute = next.load(Ordering::Relaxed);
            if now.since_start() > minute * 2 * MINUTE {
                next.store(minute + 1, Ordering::Relaxed);
                let at = END - DAY + (60 + minute) * SECOND;
                let data = format!("{{\"at\": {at}, \"src\": \"123\", \"sub\": \"s\"}}");
                queue.add(Message { id: 100 + minute.unsigned_abs(), data });
            }
            minute > 11
        });
        let mute = Mute {
            rule: ERRORS.to_owned(),
            key: BTreeMap::from([("relation".to_owned(), "casts".to_owned())]),
            since: EventTime(0),
            until: EventTime(END + 9 * DAY),
            reason: None,
        };
        machine.sinks.push(muted);
        mute::save(&Mounted(Arc::clone(&machine.disk)), &[mute])?;
        let logged = machine.start_with(&plan, "one", &mut |options| options.clock = Arc::new(clock.clone()))?;
        let expected: Vec<Vec<String>> = match fails {
            true => vec![vec!["first".to_owned(), "final".to_owned()]],
            false => Vec::new(),
        };
        let found = incidents(&machine, ERRORS)?;
        let held: Vec<u64> = logged.sinks.iter().map(|sink| sink.muted).collect();
        if found != expected || held != [if fails { 2 } else { 0 }; 2] {
            return Err(format!("{source}: {found:?}; muted {held:?}").into());
        }
    }
    Ok(())
}
