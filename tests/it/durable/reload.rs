//! Other definitions while the run goes on, at any entry, with deaths at any step: what was given before is judged by the ones,
//! what comes after by the others, and each alert is there once and says which it is of.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::Failed;
use serde_json::Value as Json;
use tripline::pipeline::alert::AlertRecord;
use tripline::pipeline::graph::Graph;
use tripline::pipeline::merge::{Merge, Step};
use tripline::pipeline::outlet::{Outlet, OutletError};
use tripline::plan::Plan;
use tripline::port::disk::Disk;
use tripline::record::Micros;
use tripline::runtime::live::{Fresh, LiveOptions, Logged, Offered};
use tripline::runtime::run::Progress;
use tripline::state::StateError;
use tripline::state::entry::Entry;
use tripline::state::log::{Kind, Log};
use tripline::target::datafusion::Lookups;

use super::disk::{MemoryDisk, Mounted};
use super::{ALERTS, DAY, END, Machine, PROJECT, machine, messages, plan_of, rounds};
use crate::random::Random;

/// A change of [`PROJECT`]: what is replaced by what, and the rules that mean the same afterwards.
pub struct Change {
    pub name: &'static str,
    edits: &'static [(&'static str, &'static str)],
    same: &'static [&'static str],
    /// Has some feature to be computed from the log?
    reads_log: bool,
}

const ADDED: &str = "--- rules/busy.yaml
rule: busy
title: Busy
severity: low
sql: SELECT * FROM busy_1m WHERE ports >= 2
alert: {title: 'busy', key: [subscriber_id], merge_within: 1m}
--- rules/login.yaml";

pub const CHANGES: [Change; 8] = [
    Change {
        name: "a threshold",
        edits: &[("hits >= 2", "hits >= 1")],
        same: &["burst", "login", "rise", "long"],
        reads_log: false,
    },
    Change {
        name: "an exception, and words",
        edits: &[
            (
                "title: 'long', key: [src_ip], merge_within: 1m}",
                "title: 'long', key: [src_ip], merge_within: 1m}\nexceptions: [{when: flows > 5, reason: x}]",
            ),
            ("title: Rise", "title: Rising"),
        ],
        same: &["burst", "login", "many_logins", "rise"],
        reads_log: false,
    },
    Change {
        name: "a rule more",
        edits: &[("--- rules/login.yaml", ADDED)],
        same: &["burst", "login", "many_logins", "rise", "long"],
        reads_log: false,
    },
    Change {
        name: "a rule less, and its features",
        edits: &[
            ("SELECT * FROM usual WHERE flows > own_mean AND own_rows > 1", "SELECT * FROM visit WHERE flows >= 2"),
            ("alert: {title: 'rise', key: [subscriber_id]", "alert: {title: 'rise', key: [src_ip]"),
        ],
        same: &["burst", "login", "many_logins", "long"],
        reads_log: false,
    },
    Change {
        name: "a window",
        edits: &[("window: {size: 1m, every: 20s}", "window: {size: 2m, every: 20s}")],
        same: &["login", "many_logins", "long"],
        reads_log: true,
    },
    Change {
        name: "a rule that fires early",
        edits: &[("SELECT * FROM busy_1m WHERE flows >= 2", "SELECT * FROM busy_1m WHERE flows >= 3")],
        same: &["login", "many_logins", "rise", "long"],
        reads_log: false,
    },
    Change {
        name: "a rule that features read",
        edits: &[("COALESCE(dst_port, 0) = 22", "COALESCE(dst_port, 0) IN (22, 23, 80)")],
        same: &["burst", "rise", "long"],
        reads_log: true,
    },
    Change {
        name: "a feature more, with keys that others have",
        edits: &[(
            "--- rules/login.yaml",
            "--- features/calm.yaml
feature: calm
from: flows
key: [subscriber_id]
window: {size: 5m}
columns: {flows: COUNT(*)}
--- rules/quiet.yaml
rule: quiet
title: Quiet
severity: low
sql: SELECT * FROM calm WHERE flows >= 2
alert: {title: 'quiet', key: [subscriber_id], merge_within: 10m}
--- rules/login.yaml",
        )],
        same: &["burst", "login", "many_logins", "rise", "long"],
        reads_log: true,
    },
];

impl Change {
    pub fn plan(&self) -> Result<Plan, Failed> {
        plan_of(&self.text()?)
    }

    fn text(&self) -> Result<String, Failed> {
        let mut text = PROJECT.to_owned();
        for (from, to) in self.edits {
            if !text.contains(from) {
                return Err(format!("{}: nothing is {from:?}", self.name).into());
            }
            text = text.replacen(from, to, 1);
        }
        Ok(text)
    }
}

/// Alerts, as the run writes them.
#[derive(Default)]
struct Told(Vec<Json>);

impl Outlet for Told {
    fn alert(&mut self, alert: &AlertRecord) -> Result<(), OutletError> {
        self.0.push(alert.json());
        Ok(())
    }
}

/// A graph of its own, one queue.
pub(super) struct Judge {
    pub(super) graph: Graph,
    merge: Merge,
    told: Told,
}

impl Judge {
    pub(super) fn new(plan: &Plan, generation: &str) -> Result<Self, Failed> {
        let graph = Graph::new(plan, &Lookups::new(&plan.lookups), generation.to_owned(), None)?;
        Ok(Self { graph, merge: Merge::new(&[plan.sources[0].lateness]), told: Told::default() })
    }

    pub(super) fn take(&mut self, entries: &[Entry]) -> Result<(), Failed> {
        for entry in entries {
            let Entry::Given(given) = entry else { continue };
            if given.flows.times.is_empty() {
                continue;
            }
            self.merge.cap(0, given.ceiling);
            self.merge.give(0, Some(given.flows.clone()));
            while let Step::Rows(rows) = self.merge.step()? {
                self.graph.push(&rows, &mut self.told)?;
            }
        }
        Ok(())
    }

    /// Ends what is open.
    pub fn close(&mut self) -> Result<(), Failed> {
        Ok(self.graph.stop(END + 30 * DAY, &mut self.told)?)
    }

    /// Turns to other definitions, of which nothing has to be computed from the log.
    pub fn turn(&mut self, before: &Plan, after: &Plan, generation: &str) -> Result<(), Failed> {
        let mut graph = Graph::new(after, &Lookups::new(&after.lookups), generation.to_owned(), None)?;
        let same = after.same_as(before);
        graph.meet(&self.graph, &same)?;
        let before = std::mem::replace(&mut self.graph, graph);
        self.graph.go_on(before, &same, &mut self.told)?;
        Ok(self.graph.put_out_owed(&mut self.told)?)
    }

    pub fn said(&mut self) -> Vec<Json> {
        std::mem::take(&mut self.told.0)
    }
}

pub(super) fn entries_of(disk: &MemoryDisk) -> Result<Vec<Entry>, Failed> {
    let mounted: Arc<dyn Disk> = Arc::new(Mounted(disk.whole_log()));
    let mut entries = Vec::new();
    let mut each = |_: u64, bytes: &[u8]| -> Result<(), StateError> {
        entries.extend(Entry::read(bytes, 1).ok());
        Ok(())
    };
    Log::open(&mounted, Kind::Given, u64::MAX, 0, &mut each)?;
    Ok(entries)
}

/// What is to be said of all entries when the definitions change at one of them.
fn expected(
    before: &Plan,
    after: &Plan,
    same: &[&str],
    entries: &[Entry],
    since: usize,
) -> Result<BTreeSet<String>, Failed> {
    let is_same = |alert: &Json| same.iter().any(|rule| alert["rule"] == **rule);
    let (first, second) = entries.split_at(since);
    let mut one = Judge::new(before, "one")?;
    one.take(first)?;
    let mut all = one.said();
    one.close()?;
    all.extend(one.said().into_iter().filter(|alert| !is_same(alert)));
    let mut whole = Judge::new(after, "two")?;
    whole.take(first)?;
    whole.said();
    whole.take(second)?;
    all.extend(whole.said().into_iter().filter(is_same));
    let mut rest = Judge::new(after, "two")?;
    rest.take(first)?;
    rest.close()?;
    rest.said();
    rest.take(second)?;
    all.extend(rest.said().into_iter().filter(|alert| !is_same(alert)));
    let lines: Vec<String> = all.iter().map(Json::to_string).collect();
    super::told(lines.join("\n").as_bytes())
}

/// The number of the generation's first entry, and its name.
pub fn in_force(disk: &MemoryDisk) -> Result<(u64, String), Failed> {
    let content = disk.content("outbox.json");
    let text = String::from_utf8_lossy(&content).into_owned();
    let line = text.lines().next().unwrap_or("{}");
    let position: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let generation = position["generation"].as_str().unwrap_or("one").to_owned();
    Ok((position["since"].as_u64().unwrap_or(0), generation))
}

/// Starts what is in force on the disk; under the first definitions the others are offered at that entry.
fn go_on(machine: &Machine, before: &Plan, after: &Plan, at: u64, waits: bool, whole: bool) -> Result<Logged, String> {
    let (_, generation) = in_force(&machine.disk).map_err(|error| format!("{error:?}"))?;
    let mut adjust = |options: &mut LiveOptions| {
        if whole {
            options.keeping.retain = Micros(i64::MAX / 4);
        }
        options.one_at_a_time = waits;
        if generation == "one" {
            let mut offer = Some(Fresh::new(after.clone(), "two"));
            let next =
                move |entries: u64| -> Option<Offered> { if entries >= at { offer.take().map(Ok) } else { None } };
            options.definitions = Some(Box::new(next));
        }
    };
    let plan = if generation == "one" { before } else { after };
    machine.start_with(plan, &generation, &mut adjust)
}

pub fn compare(what: &str, machine: &Machine, before: &Plan, change: &Change) -> Result<bool, Failed> {
    let after = change.plan()?;
    let entries = entries_of(&machine.disk)?;
    let (since, generation) = in_force(&machine.disk)?;
    let taken = generation == "two";
    let since = if taken { usize::try_from(since)? } else { entries.len() };
    let expected = expected(before, &after, change.same, &entries, since)?;
    super::same(
        &format!("{what}, {}, from entry {since} of {}", change.name, entries.len()),
        &expected,
        &machine.alerts()?,
    )?;
    Ok(taken)
}

/// At random entries, with deaths at random steps.
pub fn again_and_again() -> Result<(), Failed> {
    let before = plan_of(PROJECT)?;
    let (mut deaths, mut taken, mut of_new) = (0, 0, 0);
    for seed in 0..rounds(49) {
        let mut random = Random::new(seed);
        let change = &CHANGES[usize::try_from(seed)? % CHANGES.len()];
        let after = change.plan()?;
        let machine = machine(&messages(&mut random, 200), seed);
        let at = random.below(18) as u64;
        let waits = random.one_in(2);
        for _ in 0..6 {
            machine.disk.die_at(random.next() % 120);
            if go_on(&machine, &before, &after, at, waits, change.reads_log).is_ok() {
                break;
            }
            deaths += 1;
            machine.restart(&mut random);
        }
        machine.disk.die_at(u64::MAX);
        let what = format!("seed {seed}");
        go_on(&machine, &before, &after, at, waits, change.reads_log)
            .map_err(|error| format!("{what}, {}: {error}", change.name))?;
        taken += u64::from(compare(&what, &machine, &before, change)?);
        of_new += machine.alerts()?.iter().filter(|alert| alert.contains("\"generation\":\"two\"")).count();
    }
    if deaths < 50 || taken < 40 || of_new < 100 {
        return Err(format!("{deaths} deaths, {taken} reloads, {of_new} alerts of new definitions").into());
    }
    Ok(())
}

/// Once at each step of a run with a reload.
pub fn every_step() -> Result<(), Failed> {
    let before = plan_of(PROJECT)?;
    let (mut dying, mut between) = (0, BTreeSet::new());
    for (seed, change) in [(1, &CHANGES[0]), (2, &CHANGES[4])] {
        let after = change.plan()?;
        let mut random = Random::new(seed);
        let messages = messages(&mut random, 40);
        let whole = machine(&messages, seed);
        go_on(&whole, &before, &after, 4, true, true)?;
        if !compare("without an accident", &whole, &before, change)? {
            return Err("there was no reload".into());
        }
        for step in 0..whole.disk.steps() {
            let machine = machine(&messages, seed);
            machine.disk.die_at(step);
            dying += u64::from(go_on(&machine, &before, &after, 4, true, true).is_err());
            machine.restart(&mut random);
            let (_, generation) = in_force(&machine.disk)?;
            let said = String::from_utf8_lossy(&machine.disk.content(ALERTS)).contains("\"generation\":\"two\"");
            between.insert((generation.clone(), said));
            if generation == "one" && said {
                return Err(format!("dead at step {step}, an alert of definitions that are not in force").into());
            }
            let again = go_on(&machine, &before, &after, 4, true, true);
            again.map_err(|error| format!("{}, after dying at step {step}: {error}", change.name))?;
            compare(&format!("after dying at step {step}"), &machine, &before, change)?;
        }
    }
    if dying < 100 || between.len() < 3 { Err(format!("died {dying} times, {between:?}").into()) } else { Ok(()) }
}

/// The log is forgotten behind each snapshot: what is computed from it anew knows little, and what means the same knows all.
pub fn forgotten() -> Result<(), Failed> {
    let before = plan_of(PROJECT)?;
    let mut warned = 0;
    for (seed, change) in (0..12).flat_map(|seed| [(seed, &CHANGES[4]), (seed, &CHANGES[7])]) {
        let after = change.plan()?;
        let mut random = Random::new(seed);
        let messages = messages(&mut random, 200);
        let machine = Machine { snapshot_rows: 12, ..machine(&messages, seed) };
        let mut offer = Some(Fresh::new(after, "two"));
        let next = move |entries: u64| -> Option<Offered> { if entries >= 12 { offer.take().map(Ok) } else { None } };
        let (mut next, notes) = (Some(next), Notes::default());
        let logged = machine.start_noting(&before, "one", &notes, &mut |options| {
            options.definitions =
                next.take().map(|next| Box::new(next) as Box<dyn tripline::runtime::live::Definitions>);
        })?;
        let own = |alerts: BTreeSet<String>| -> BTreeSet<String> {
            let alerts = alerts.into_iter().filter_map(|line| serde_json::from_str::<Json>(&line).ok());
            let same = alerts.filter(|alert| change.same.iter().any(|rule| alert["rule"] == **rule));
            let without = same.map(|mut alert| {
                alert["generation"] = Json::Null;
                alert.to_string()
            });
            without.collect()
        };
        let expected = own(super::undisturbed(&before, &messages)?);
        if logged.reloads != 1 || expected.is_empty() {
            return Err(format!("seed {seed}: {logged:?}, {} alerts", expected.len()).into());
        }
        super::same(&format!("seed {seed}, {}", change.name), &expected, &own(machine.alerts()?))?;
        let said = notes.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
        warned += u64::from(said.contains("these look back further, so that their alerts are warming: "));
    }
    if warned < 6 { Err(format!("{warned} were warned").into()) } else { Ok(()) }
}

/// Notes of a run.
#[derive(Default, Clone)]
pub struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

impl Progress for Notes {
    fn advanced(&self, _: u64, _: u64, _: u64) {}

    fn notes(&self, what: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.to_owned());
    }
}

/// One definition after the other, half of them broken: all is conserved, and in the end there are the alerts of a rule that was
/// the same all the time.
pub fn fifty() -> Result<(), Failed> {
    let before = plan_of(PROJECT)?;
    let mut random = Random::new(21);
    let messages = messages(&mut random, 600);
    let machine = Machine { snapshot_rows: 40, ..machine(&messages, 22) };
    let plans: Vec<Plan> = CHANGES[..4].iter().map(Change::plan).collect::<Result<_, _>>()?;
    let offered = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&offered);
    let next = move |entries: u64| -> Option<Offered> {
        let made = count.load(Ordering::Relaxed);
        if made == 50 || entries < made * 2 {
            return None;
        }
        count.fetch_add(1, Ordering::Relaxed);
        let plan = plans[usize::try_from(made / 2).unwrap_or(0) % plans.len()].clone();
        Some(if made.is_multiple_of(2) {
            Ok(Fresh::new(plan, &format!("g{made}")))
        } else {
            Err("it is broken".to_owned())
        })
    };
    let mut next = Some(next);
    let logged = machine.start_with(&before, "one", &mut |options| {
        options.one_at_a_time = true;
        options.definitions = next.take().map(|next| Box::new(next) as Box<dyn tripline::runtime::live::Definitions>);
    })?;
    if offered.load(Ordering::Relaxed) != 50 || logged.reloads != 25 {
        return Err(format!("{} offered, {} taken", offered.load(Ordering::Relaxed), logged.reloads).into());
    }
    let of_login = |alerts: BTreeSet<String>| -> Vec<(String, String)> {
        let alerts = alerts.into_iter().filter_map(|line| serde_json::from_str::<Json>(&line).ok());
        let own = alerts.filter(|alert| alert["rule"] == "login");
        own.map(|alert| (alert["alert_id"].to_string(), alert["hits"].to_string())).collect()
    };
    let (mut found, mut expected) = (of_login(machine.alerts()?), of_login(super::undisturbed(&before, &messages)?));
    found.sort();
    expected.sort();
    if found != expected || found.is_empty() {
        return Err(format!("{found:?}\nis not\n{expected:?}").into());
    }
    let generations: BTreeSet<String> = machine
        .alerts()?
        .iter()
        .filter_map(|line| Some(serde_json::from_str::<Json>(line).ok()?["generation"].as_str()?.to_owned()))
        .collect();
    if generations.len() < 5 {
        return Err(format!("{generations:?}").into());
    }
    Ok(())
}

/// Broken definitions, the same ones, and other sources: nothing is changed by them, and each is said.
pub fn wrong() -> Result<(), Failed> {
    let before = plan_of(PROJECT)?;
    let mut random = Random::new(31);
    let messages = messages(&mut random, 120);
    let expected = super::undisturbed(&before, &messages)?;
    let machine = machine(&messages, 31);
    let late = plan_of(&PROJECT.replace("lateness: 10m", "lateness: 11m"))?;
    let other = plan_of(&PROJECT.replace("tx AS tx_bytes", "tx + 1 AS tx_bytes"))?;
    let mut offers: Vec<Offered> = vec![
        Err("rules/a.yaml is broken".to_owned()),
        Ok(Fresh::new(before.clone(), "one")),
        Ok(Fresh::new(late, "late")),
        Ok(Fresh::new(other, "other")),
    ];
    let next = move |entries: u64| -> Option<Offered> { if entries > 5 { offers.pop() } else { None } };
    let mut next = Some(next);
    let notes = Notes::default();
    machine.start_noting(&before, "one", &notes, &mut |options| {
        options.definitions = next.take().map(|next| Box::new(next) as Box<dyn tripline::runtime::live::Definitions>);
    })?;
    super::same("with wrong ones", &expected, &machine.alerts()?)?;
    let said = notes.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
    let wanted = [
        "rules/a.yaml is broken",
        "the ones that are in force",
        "the source `netlog`",
        "help: stop the run and start it again",
    ];
    match wanted.iter().find(|wanted| !said.contains(**wanted)) {
        Some(wanted) => Err(format!("{wanted:?} is not in {said}").into()),
        None if machine.disk.content(ALERTS).is_empty() => Err("nothing was said".into()),
        None => Ok(()),
    }
}

/// A reload, a stop, and a start under yet other definitions, which reads the log from its beginning: what the reload has ended is
/// not told again, and nothing is taken back that was not told.
pub fn then_others() -> Result<(), Failed> {
    let before = plan_of(PROJECT)?;
    let (mut ended, mut reloads, mut of_three) = (0, 0, 0);
    for seed in 0..rounds(16) {
        let mut random = Random::new(seed);
        let change = &CHANGES[[0, 1, 5, 6][usize::try_from(seed)? % 4]];
        // Other definitions, and the same rules.
        let third = change.text()?.replace("ports: COUNT(DISTINCT dst_port)", "ports: COUNT(dst_port)");
        let (after, third) = (change.plan()?, plan_of(&third)?);
        let all = messages(&mut random, 200);
        let (first, second) = all.split_at(all.len() / 2);
        let mut machine = machine(first, seed);
        machine.snapshot_rows = u64::MAX;
        go_on(&machine, &before, &after, 3 + random.below(10) as u64, true, true)?;
        reloads += u64::from(in_force(&machine.disk)?.1 == "two");
        second.iter().for_each(|message| machine.queues[0].add(message.clone()));
        // It dies now and then, and reads the log again.
        for _ in 0..2 {
            machine.disk.die_at(random.next() % 60);
            let mut keep = |options: &mut LiveOptions| options.keeping.retain = Micros(i64::MAX / 4);
            if machine.start_with(&third, "three", &mut keep).is_ok() {
                break;
            }
            machine.restart(&mut random);
        }
        machine.disk.die_at(u64::MAX);
        let mut keep = |options: &mut LiveOptions| options.keeping.retain = Micros(i64::MAX / 4);
        machine.start_with(&third, "three", &mut keep).map_err(|error| format!("seed {seed}: {error}"))?;
        // Each message is there once.
        machine.alerts()?;
        let (mut finals, mut firsts) = (BTreeSet::new(), BTreeSet::new());
        for line in String::from_utf8_lossy(&machine.disk.content(ALERTS)).lines() {
            let alert: Json = serde_json::from_str(line)?;
            let hit = (alert["hit"]["hit_id"].to_string(), alert["generation"].to_string());
            match alert["phase"].as_str() {
                Some("first") => drop(firsts.insert(hit)),
                Some("withdrawn") if !firsts.contains(&hit) => {
                    return Err(format!("seed {seed}, {}: withdrawn, and not told: {line}", change.name).into());
                }
                Some("final") if !finals.insert(alert["alert_id"].to_string()) => {
                    return Err(format!("seed {seed}, {}: told again: {line}", change.name).into());
                }
                Some("final") => {
                    ended += u64::from(alert["generation"] == "one");
                    of_three += u64::from(alert["generation"] == "three");
                }
                _ => {}
            }
        }
    }
    if reloads < 12 || ended < 20 || of_three < 20 {
        return Err(format!("{reloads} reloads, {ended} alerts before, {of_three} at last").into());
    }
    Ok(())
}
