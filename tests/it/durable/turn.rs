//! What goes wrong around a reload: a crash before it is in force, a snapshot of it that is damaged, definitions that are broken or
//! not wanted any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tripline::pipeline::graph::Graph;
use tripline::plan::Plan;
use tripline::port::disk::Disk;
use tripline::record::{EventTime, Micros};
use tripline::runtime::live::vitals::{About, Vitals};
use tripline::runtime::live::{Definitions, Fresh, Left, LiveOptions, Logged, Offered};
use tripline::state::definitions::{Files, Packed};
use tripline::target::datafusion::Lookups;

use super::disk::Mounted;
use super::reload::{CHANGES, Change, Judge, Notes, compare, entries_of, in_force};
use super::sinks::{Mood, Place};
use super::{Machine, Message, PROJECT, machine, messages, plan_of, rounds};
use crate::random::Random;

/// Definitions with the files that say them, which is one here.
fn fresh(plan: &Plan, generation: &str) -> Result<Box<Fresh>, Failed> {
    Ok(Box::new(Fresh { files: Some(packed(generation)?), ..*Fresh::new(plan.clone(), generation) }))
}

fn files(generation: &str) -> Files {
    [("tripline.yaml".to_owned(), generation.repeat(100).into_bytes())].into()
}

fn packed(generation: &str) -> Result<Packed, Failed> {
    Ok(Packed::new(&files(generation))?)
}

/// Offers each once the log has so many entries, in this order.
fn offers(mut offers: Vec<(u64, Offered)>) -> Option<Box<dyn Definitions>> {
    offers.reverse();
    Some(Box::new(move |entries: u64| -> Option<Offered> {
        let due = offers.last().is_some_and(|(at, _)| entries >= *at);
        if due { offers.pop().map(|(_, offered)| offered) } else { None }
    }))
}

fn left_of(machine: &Machine, generation: &str) -> Option<Left> {
    let disk: Arc<dyn Disk> = Arc::new(Mounted(Arc::clone(&machine.disk)));
    Left::find(&disk).filter(|left| left.generation != generation)
}

/// Started as the command line does it: the project is of the new definitions, and those before are in force until they come.
fn go_on(machine: &Machine, before: &Plan, after: &Plan, edited: bool) -> Result<Logged, String> {
    let (_, generation) = in_force(&machine.disk).map_err(|error| format!("{error:?}"))?;
    let failed = |error: Failed| format!("{error:?}");
    let (mut started, mut at) = (if edited { "two" } else { "one" }, 5);
    if generation == "two" {
        started = "two";
    }
    if let Some(left) = left_of(machine, started) {
        if left.generation != generation || left.files != files(&generation) {
            return Err(format!("{} is kept, and {generation} in force", left.generation));
        }
        (started, at) = (if generation == "one" { "one" } else { "two" }, 0);
    }
    let offered = fresh(after, "two").map_err(failed)?;
    let mut definitions = if started == "one" { offers(vec![(at, Ok(offered))]) } else { None };
    let files = packed(started).map_err(failed)?;
    machine.start_with(if started == "one" { before } else { after }, started, &mut |options| {
        options.keeping.retain = Micros(i64::MAX / 4);
        options.files = Some(files.clone());
        options.definitions = definitions.take();
    })
}

/// A run dies at each of its steps behind which the files may be those of the new definitions already. It goes on by itself.
pub fn left() -> Result<(), Failed> {
    let before = plan_of(PROJECT)?;
    let (mut gone_on, mut by_log) = (0, 0);
    for (seed, change, every) in [(3, &CHANGES[0], 1), (4, &CHANGES[4], 3)] {
        let after = change.plan()?;
        let messages = messages(&mut Random::new(seed), 40);
        let whole = Machine { snapshot_rows: 9, ..machine(&messages, seed) };
        go_on(&whole, &before, &after, false)?;
        for step in (0..whole.disk.steps()).step_by(every) {
            let machine = Machine { snapshot_rows: 9, ..machine(&messages, seed) };
            machine.disk.die_at(step);
            let died = go_on(&machine, &before, &after, false).is_err();
            machine.restart(&mut Random::new(step));
            let (_, generation) = in_force(&machine.disk)?;
            let found = left_of(&machine, "two");
            gone_on += u64::from(found.is_some());
            by_log += u64::from(generation == "one" && found.is_none());
            let what = format!("{}, dead at step {step}", change.name);
            if died && generation == "one" && found.is_none() && !machine.disk.content("given.confirmed").is_empty() {
                // Nothing is pending: then a start under the new ones goes on from the log.
                let refused = go_on(&machine, &before, &after, true).err().unwrap_or_default();
                if refused.contains("not left cleanly") {
                    return Err(format!("{what}: {refused}").into());
                }
                continue;
            }
            go_on(&machine, &before, &after, true).map_err(|error| format!("{what}: {error}"))?;
            if generation == "two" || found.is_some() {
                compare(&what, &machine, &before, change)?;
                let kept = machine.disk.names("").into_iter().filter(|name| name.ends_with(".definitions"));
                let kept: Vec<String> = kept.collect();
                if kept != ["two.definitions"] {
                    return Err(format!("{what}: {kept:?} are kept").into());
                }
            }
        }
    }
    // Where nothing is kept of them, both are named.
    let machine = machine(&messages(&mut Random::new(4), 80), 4);
    machine.disk.die_at(40);
    let died = machine.start(&before, "one").is_err();
    machine.restart(&mut Random::new(4));
    let refused = machine.start(&before, "two").err().unwrap_or_default();
    let wanted = ["the state of generation one by version", "what is started is generation two by", "--drop-pending"];
    if let Some(wanted) = wanted.iter().find(|wanted| !refused.contains(**wanted)) {
        return Err(format!("{wanted:?} is not in {refused:?}, died {died}").into());
    }
    other_features()?;
    if gone_on < 40 { Err(format!("{gone_on} went on by themselves, {by_log} did not").into()) } else { Ok(()) }
}

/// The same definitions, of which more was computed.
fn other_features() -> Result<(), Failed> {
    const IDLE: &str = "--- features/idle.yaml\nfeature: idle\nfrom: flows\nkey: [src_ip]\nwindow: {size: 5m}\ncolumns: {flows: COUNT(*)}\n";
    let fewer = plan_of(&format!("{PROJECT}{IDLE}"))?;
    let mut more = fewer.clone();
    more.show(&["idle"]);
    let machine = machine(&messages(&mut Random::new(4), 80), 4);
    machine.disk.die_at(40);
    let died = machine.start(&more, "one").is_err();
    machine.restart(&mut Random::new(4));
    let refused = machine.start(&fewer, "one").err().unwrap_or_default();
    if !died || !refused.contains("for other `--tap`s") || refused.contains("generation") {
        return Err(format!("died {died}: {refused}").into());
    }
    machine.start(&more, "one")?;
    Ok(machine.start(&fewer, "one").map(drop)?)
}

/// Dead soon after a reload, and any bit of the newest snapshot is another: the second one is there by then.
pub fn damaged() -> Result<(), Failed> {
    let before = plan_of(PROJECT)?;
    let (mut found, mut alone) = (0, 0);
    for seed in 0..rounds(40) {
        let mut random = Random::new(seed);
        let change = &CHANGES[usize::try_from(seed)? % CHANGES.len()];
        let after = change.plan()?;
        let machine = Machine { snapshot_rows: u64::MAX, ..machine(&messages(&mut random, 120), seed) };
        machine.disk.die_at(70 + random.below(100) as u64);
        if go_on(&machine, &before, &after, false).is_ok() {
            continue;
        }
        machine.restart(&mut random);
        let (since, generation) = in_force(&machine.disk)?;
        let snapshots = machine.disk.names("").into_iter().filter(|name| name.ends_with(".snapshot"));
        let own = snapshots.filter(|name| name.split('.').next().and_then(|n| n.parse().ok()) >= Some(since));
        let own: Vec<String> = own.collect();
        if generation != "two" || own.len() < 2 {
            alone += u64::from(generation == "two");
            continue;
        }
        found += 1;
        let newest = own.last().ok_or("no snapshot")?;
        let mut content = machine.disk.content(newest);
        let bit = random.below(content.len() * 8);
        content[bit / 8] ^= 1 << (bit % 8);
        machine.disk.set(newest, content);
        let what = format!("seed {seed}, {}, bit {bit} of {newest}", change.name);
        let logged = go_on(&machine, &before, &after, true).map_err(|error| format!("{what}: {error}"))?;
        if logged.unread_snapshots != 1 || logged.snapshot_entries == 0 {
            return Err(format!("{what}: {logged:?}").into());
        }
        compare(&what, &machine, &before, change)?;
    }
    if found < 15 || alone * 3 > found {
        return Err(format!("{found} with a second snapshot, {alone} without").into());
    }
    Ok(())
}

/// A good edit is made ready, which takes a while, and a broken one comes: the good one comes in force, and nothing else is said.
pub fn behind() -> Result<(), Failed> {
    let before = plan_of(PROJECT)?;
    let change = &CHANGES[4];
    let after = change.plan()?;
    let other = plan_of(&PROJECT.replace("lateness: 10m", "lateness: 11m"))?;
    let messages = messages(&mut Random::new(5), 300);
    let machine = Machine { snapshot_rows: u64::MAX, ..machine(&messages, 5) };
    machine.disk.slow(1_000);
    machine.disk.slow_to_read(100_000);
    let mut offers =
        vec![Ok(fresh(&other, "three")?), Err("rules/a.yaml is broken".to_owned()), Ok(fresh(&after, "two")?)];
    let disk = Arc::clone(&machine.disk);
    let next = move |entries: u64| -> Option<Offered> {
        if offers.is_empty() {
            disk.slow_to_read(0);
        }
        if entries >= 5 { offers.pop() } else { None }
    };
    let (notes, mut definitions) = (Notes::default(), Some(Box::new(next) as Box<dyn Definitions>));
    let logged = machine.start_noting(&before, "one", &notes, &mut |options| {
        (options.one_at_a_time, options.keeping.retain) = (false, Micros(i64::MAX / 4));
        options.definitions = definitions.take();
    })?;
    let said = notes.text();
    let wanted = [
        "not reloaded, generation two of the reload before comes in force all the same: rules/a.yaml is broken",
        "not reloaded, generation two of the reload before comes in force all the same: the source `netlog`",
        "reloaded: generation two is in force",
    ];
    if let Some(wanted) = wanted.iter().find(|wanted| !said.contains(**wanted)) {
        return Err(format!("{wanted:?} is not in {said}").into());
    }
    if logged.reloads != 1 || said.contains("stay in force") {
        return Err(format!("{} reloads: {said}", logged.reloads).into());
    }
    compare("behind a good one", &machine, &before, change).map(drop)
}

/// The loop goes on while a graph is made that nobody wants any more.
pub fn abandoned() -> Result<(), Failed> {
    const READ_MILLIS: u64 = 600;
    let before = plan_of(PROJECT)?;
    let (second, third) = (CHANGES[4].plan()?, CHANGES[6].plan()?);
    let messages = messages(&mut Random::new(6), 120);
    let machine = Machine { snapshot_rows: u64::MAX, ..machine(&messages, 6) };
    machine.disk.slow_to_read(READ_MILLIS * 1_000);
    let (longest, last) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None::<Instant>)));
    let mut offers = vec![(6, Ok(fresh(&third, "three")?)), (5, Ok(fresh(&second, "two")?))];
    let seen = Arc::clone(&longest);
    let next = move |entries: u64| -> Option<Offered> {
        let now = Instant::now();
        let before = last.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        let gap = before.map_or(Duration::ZERO, |before| now - before);
        seen.fetch_max(u64::try_from(gap.as_millis()).unwrap_or(0), Ordering::Relaxed);
        let due = offers.last().is_some_and(|(at, _)| entries >= *at);
        if due { offers.pop().map(|(_, offered)| offered) } else { None }
    };
    let (mut next, notes) = (Some(next), Notes::default());
    machine.start_noting(&before, "one", &notes, &mut |options| {
        (options.one_at_a_time, options.keeping.retain) = (false, Micros(i64::MAX / 4));
        options.definitions = next.take().map(|next| Box::new(next) as Box<dyn Definitions>);
    })?;
    let said = notes.text();
    if !said.contains("not reloaded: generation two was not in force yet when others were read") {
        return Err(format!("nothing is said of the first: {said}").into());
    }
    let longest = longest.load(Ordering::Relaxed);
    if longest > READ_MILLIS / 2 {
        return Err(format!("the loop stood still for {longest} ms").into());
    }
    Ok(())
}

/// A graph that was ready waits for a snapshot and falls behind: what it is behind it reads beside the loop, which goes on.
pub fn fallen_behind() -> Result<(), Failed> {
    const READ: Duration = Duration::from_secs(3);
    let before = plan_of(PROJECT)?;
    let (over, longest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let ends = Arc::clone(&over);
    let machine = Machine {
        snapshot_rows: 5,
        also: Arc::new(move || ends.load(Ordering::Relaxed)),
        ..machine(&messages(&mut Random::new(9), 600), 9)
    };
    machine.disk.hang(true);
    let mut offered = Some(Ok(fresh(&CHANGES[4].plan()?, "two")?));
    let (disk, seen) = (Arc::clone(&machine.disk), Arc::clone(&longest));
    let (mut freed, mut last) = (None::<Instant>, Instant::now());
    let next = move |entries: u64| -> Option<Offered> {
        let gap = std::mem::replace(&mut last, Instant::now()).elapsed();
        seen.fetch_max(u64::try_from(gap.as_millis()).unwrap_or(0), Ordering::Relaxed);
        if freed.is_none() && entries >= 80 {
            disk.slow_to_read(u64::try_from(READ.as_micros()).unwrap_or(0));
            disk.hang(false);
            freed = Some(Instant::now());
        }
        if freed.is_some_and(|freed| freed.elapsed() > READ / 2) {
            disk.slow_to_read(0);
        }
        over.store(freed.is_some_and(|freed| freed.elapsed() > READ * 3), Ordering::Relaxed);
        if entries >= 20 { offered.take() } else { None }
    };
    let mut next = Some(next);
    let logged = machine.start_with(&before, "one", &mut |options| {
        (options.one_at_a_time, options.keeping.retain) = (false, Micros(i64::MAX / 4));
        options.definitions = next.take().map(|next| Box::new(next) as Box<dyn Definitions>);
    })?;
    let longest = Duration::from_millis(longest.load(Ordering::Relaxed));
    if logged.reloads == 1 && longest < READ / 2 {
        return Ok(());
    }
    Err(format!("{} reloads, the loop stood still for {longest:?}", logged.reloads).into())
}

/// Files of definitions go with the last that is of them.
pub fn kept() -> Result<(), Failed> {
    let plan = plan_of(PROJECT)?;
    let machine = machine(&messages(&mut Random::new(10), 20), 10);
    for generation in ["one", "two", "three"] {
        let files = packed(generation)?;
        machine.start_with(&plan, generation, &mut |options| options.files = Some(files.clone()))?;
        let kept: Vec<String> =
            machine.disk.names("").into_iter().filter(|name| name.ends_with(".definitions")).collect();
        if kept != [format!("{generation}.definitions")] {
            return Err(format!("of {generation}: {kept:?}").into());
        }
    }
    Ok(())
}

/// The run is stopped while a graph is made: what is not in force is said.
pub fn unfinished() -> Result<(), Failed> {
    let before = plan_of(PROJECT)?;
    let machine = Machine { snapshot_rows: u64::MAX, ..machine(&messages(&mut Random::new(6), 20), 6) };
    machine.disk.slow_to_read(3_000_000);
    let mut definitions = offers(vec![(3, Ok(fresh(&CHANGES[4].plan()?, "two")?))]);
    let logged = machine.start_with(&before, "one", &mut |options| {
        (options.one_at_a_time, options.keeping.retain) = (false, Micros(i64::MAX / 4));
        options.definitions = definitions.take();
    })?;
    let told = logged.to_string();
    let wanted =
        "reload: generation two was not in force yet when the run was stopped: a start has the project as it is then\n";
    if logged.reloads == 0 && told.contains(wanted) && logged.json()["unfinished_reload"].is_string() {
        return Ok(());
    }
    Err(format!("{} reloads: {told}", logged.reloads).into())
}

/// A refused record before a reload, and one after it.
pub fn letters() -> Result<(), Failed> {
    let before = plan_of(PROJECT)?;
    let after = CHANGES[0].plan()?;
    let mut all = messages(&mut Random::new(7), 60);
    all.retain(|message| !message.data.contains("never"));
    let count = all.len();
    for (id, at) in [(9_001, 1), (9_002, count - 2)] {
        all.insert(at, Message { id, data: format!("{{\"at\": \"never {id}\"}}") });
    }
    let place = Place::new("dead letters", Mood::Steady, 7);
    let machine = Machine { letters: Some(place.clone()), ..machine(&all, 7) };
    let mut definitions = offers(vec![(6, Ok(fresh(&after, "two")?))]);
    machine.start_with(&before, "one", &mut |options: &mut LiveOptions| options.definitions = definitions.take())?;
    for _ in 0..50 {
        if place.told().len() >= 2 {
            break;
        }
        machine.start(&after, "two")?;
    }
    let named = place.told().into_iter().map(|told| {
        let text = |key: &str| told.alert[key].as_str().unwrap_or_default().to_owned();
        (text("message_id"), text("generation"))
    });
    let named: BTreeMap<String, String> = named.collect();
    let expected = [("9001", "one"), ("9002", "two")].map(|(id, name)| (id.to_owned(), name.to_owned()));
    if named == BTreeMap::from(expected) { Ok(()) } else { Err(format!("{named:?}").into()) }
}

/// Reloads one after the other while flows come, half of them broken, and the run dies now and then: what is said is what a graph says
/// that is given the entries one by one, and turned at those at which the run was.
pub fn two_hundred() -> Result<(), Failed> {
    const OFFERS: u64 = 200;
    let before = plan_of(PROJECT)?;
    let mut random = Random::new(41);
    let machine = Machine { snapshot_rows: 60, ..machine(&messages(&mut random, 1_500), 41) };
    let plans: Vec<Plan> = CHANGES[..3].iter().map(Change::plan).collect::<Result<_, _>>()?;
    let of = |generation: &str| -> Plan {
        let number = generation.strip_prefix('g').and_then(|number| number.parse::<usize>().ok());
        number.map_or_else(|| before.clone(), |number| plans[number / 2 % plans.len()].clone())
    };
    let made = Arc::new(AtomicU64::new(0));
    let mut turns: BTreeMap<u64, String> = BTreeMap::new();
    let mut deaths = 0;
    loop {
        let (since, generation) = in_force(&machine.disk)?;
        if generation != "one" {
            turns.insert(since, generation.clone());
        }
        let (count, all) = (Arc::clone(&made), plans.clone());
        let next = move |entries: u64| -> Option<Offered> {
            let made = count.load(Ordering::Relaxed);
            if made == OFFERS || entries < made * 2 {
                return None;
            }
            count.fetch_add(1, Ordering::Relaxed);
            let plan = all[usize::try_from(made / 2).unwrap_or(0) % all.len()].clone();
            Some(if made.is_multiple_of(2) {
                Ok(Fresh::new(plan, &format!("g{made}")))
            } else {
                Err("it is broken".to_owned())
            })
        };
        let (notes, mut next) = (Notes::default(), Some(next));
        if deaths < 6 {
            machine.disk.die_at(200 + random.below(700) as u64);
        }
        let done = machine.start_noting(&of(&generation), &generation, &notes, &mut |options| {
            options.definitions = next.take().map(|next| Box::new(next) as Box<dyn Definitions>);
        });
        for line in notes.text().lines() {
            let told =
                line.strip_prefix("reloaded: generation ").and_then(|line| line.split_once(" is in force from entry "));
            let Some((generation, rest)) = told else { continue };
            let since = rest.split(' ').next().and_then(|since| since.parse().ok()).ok_or("no entry")?;
            turns.insert(since, generation.to_owned());
        }
        match done {
            Ok(_) => break,
            Err(error) if deaths >= 6 => return Err(error.into()),
            Err(_) => deaths += 1,
        }
        machine.restart(&mut random);
    }
    let mut judge = Judge::new(&before, "one")?;
    let mut plan = before.clone();
    for (number, entry) in (0..).zip(entries_of(&machine.disk)?) {
        if let Some(generation) = turns.get(&number) {
            let next = of(generation);
            judge.turn(&plan, &next, generation)?;
            plan = next;
        }
        judge.take(&[entry])?;
    }
    judge.close()?;
    let lines: Vec<String> = judge.said().iter().map(ToString::to_string).collect();
    super::same("after two hundred", &super::told(lines.join("\n").as_bytes())?, &machine.alerts()?)?;
    let generations: BTreeSet<&String> = turns.values().collect();
    let named = generations.iter().filter(|name| lines.iter().any(|line| line.contains(&format!("\"{name}\""))));
    let (named, offered) = (named.count(), made.load(Ordering::Relaxed));
    if offered != OFFERS || turns.len() < 80 || deaths < 4 || named < 15 {
        return Err(format!("{offered} offered, {} taken, {deaths} deaths, alerts of {named}", turns.len()).into());
    }
    Ok(())
}

/// Definitions that lose all rules, or the rows of a lookup: nobody takes them who was not asked, and who is says what is lost.
pub fn losses() -> Result<(), Failed> {
    let known = |rows: usize| -> String {
        let rows: String = (0..rows).map(|row| format!("10.0.0.{row}\n")).collect();
        "--- sql/lookups/known.yaml\nlookup: known\nowner: o@example.org\ncolumns: {value: STRING}\nkey: [value]\n"
            .to_owned()
            + &format!("--- sql/lookups/known.csv\nvalue\n{rows}")
    };
    let parts = |without: &[&str]| -> String {
        let parts = PROJECT.split("--- ").filter(|part| !without.iter().any(|name| part.starts_with(name)));
        parts.collect::<Vec<_>>().join("--- ")
    };
    let plan = |text: String, rows: usize| plan_of(&(text + &known(rows)));
    let before = plan(PROJECT.to_owned(), 10)?;
    let watched =
        |plan: &Plan, generation: &str| Ok(Box::new(Fresh { asked: false, ..*Fresh::new(plan.clone(), generation) }));
    let ruleless = plan(parts(&["rules/", "features/logins"]), 10)?;
    let fewer = plan(parts(&["rules/long"]), 4)?;
    let mut definitions = offers(vec![
        (5, watched(&ruleless, "two")),
        (8, watched(&plan(PROJECT.to_owned(), 0)?, "three")),
        // Half of its rows is what a feed may lose.
        (11, watched(&fewer, "four")),
        (20, Ok(Fresh::new(ruleless, "five"))),
    ]);
    let machine = machine(&messages(&mut Random::new(8), 200), 8);
    let lanes = vec!["lane".to_owned()];
    let vitals = Vitals::new(About::new(&before, "one", &lanes, EventTime(0)));
    let notes = Notes::default();
    let before_it = vitals.problems(Duration::MAX);
    machine.start_noting(&before, "one", &notes, &mut |options| {
        (options.definitions, options.vitals) = (definitions.take(), Arc::clone(&vitals));
    })?;
    let said = notes.text();
    let wanted = [
        "not reloaded, the definitions before stay in force: no rule is left\nhelp: where that is meant, ask for it: `systemctl reload`",
        "not reloaded, the definitions before stay in force: the lookup known has no rows any more, and had 10\n",
        "; rules that are gone: long; the lookup known has 4 rows, and had 10",
        "; rules that are gone: burst, login, many_logins, rise, and no rule is left",
    ];
    if let Some(wanted) = wanted.iter().find(|wanted| !said.contains(**wanted)) {
        return Err(format!("{wanted:?} is not in {said}").into());
    }
    let problems = vitals.problems(Duration::MAX);
    if before_it.is_empty() && problems == ["no rule is in force: nothing is looked for"] {
        return Ok(());
    }
    Err(format!("{before_it:?}, then {problems:?}").into())
}

/// What one graph holds cannot be taken by another: that is found before anything of it is touched.
pub fn unfit() -> Result<(), Failed> {
    let before = plan_of(PROJECT)?;
    let text = PROJECT.replace("window: {session_gap: 1m, max: 1d}", "window: {size: 2m}");
    let after = plan_of(&text.replace(
        "trailing:\n  own: {key: [subscriber_id], size: 10m, columns: {mean: AVG(flows), rows: COUNT(*)}}",
        "window: {size: 10m}\nkey: [subscriber_id]\ncolumns: {flows: MAX(flows), own_mean: AVG(flows), own_rows: COUNT(*)}",
    ))?;
    let graph = |plan: &Plan| Graph::new(plan, &Lookups::new(&plan.lookups), "one".to_owned(), None);
    let same = before.same_as(&before);
    let mut said = BTreeSet::new();
    for feature in ["visit", "usual"] {
        let (old, mut new) = (graph(&before)?, graph(&after)?);
        let mut wrong = same.clone();
        let index = before.feature(feature).ok_or("no feature")?;
        wrong.features.iter_mut().enumerate().filter(|(at, _)| *at != index).for_each(|(_, was)| *was = None);
        said.extend(new.meet(&old, &wrong).err().map(|error| error.to_string()));
    }
    if said.len() != 2 {
        return Err(format!("{said:?}").into());
    }
    let (old, mut new) = (graph(&before)?, graph(&before)?);
    Ok(new.meet(&old, &same)?)
}
