//! Sinks of a run that dies: each is told of every alert, in order, whatever it and the others do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libtest_mimic::Failed;
use tripline::port::disk::Disk;
use tripline::port::sink::{Outcome, Sink, Told, Trouble};
use tripline::record::EventTime;
use tripline::state::mute::{self, Mute};

use super::disk::Mounted;
use super::{Machine, machine, messages, told, undisturbed};
use crate::arrival::SECOND;
use crate::plan_of;
use crate::random::Random;

/// What a place does when it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Steady,
    /// Takes some, then says that it is busy; or takes them and does not say so.
    Moody,
    /// Takes no alert whose number is divisible by 7.
    Choosy,
    Away,
}

#[derive(Clone)]
pub struct Place {
    name: Arc<str>,
    mood: Mood,
    random: Arc<Mutex<Random>>,
    told: Arc<Mutex<Vec<Told>>>,
    attempts: Arc<AtomicU64>,
}

impl Place {
    pub fn new(name: &str, mood: Mood, seed: u64) -> Self {
        Self {
            name: name.into(),
            mood,
            random: Arc::new(Mutex::new(Random::new(seed))),
            told: Arc::default(),
            attempts: Arc::default(),
        }
    }

    pub fn told(&self) -> Vec<Told> {
        locked(&self.told).clone()
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink for Place {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn batch(&self) -> usize {
        5
    }

    fn tell(&mut self, alerts: &[Told]) -> Outcome {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let busy = |taken| {
            let after = Some(Duration::from_millis(1));
            Outcome { taken, trouble: Some(Trouble::Later { what: "busy".to_owned(), after }) }
        };
        let mut random = locked(&self.random);
        let take = |count: usize| locked(&self.told).extend_from_slice(&alerts[..count]);
        match self.mood {
            Mood::Away => return busy(0),
            Mood::Moody => {
                let took = random.below(alerts.len() + 1);
                take(took);
                let says = if random.one_in(3) { random.below(took + 1) } else { took };
                if says < alerts.len() {
                    return busy(says);
                }
            }
            Mood::Choosy => {
                let wrong = alerts.iter().position(|alert| alert.number.is_multiple_of(7));
                take(wrong.unwrap_or(alerts.len()));
                if let Some(taken) = wrong {
                    return Outcome { taken, trouble: Some(Trouble::Refused { what: "never".to_owned() }) };
                }
            }
            Mood::Steady => take(alerts.len()),
        }
        Outcome::all(alerts)
    }
}

/// The alerts that a place was told of, as lines. They came in order, and again only the same.
fn lines(place: &Place) -> Result<Vec<String>, Failed> {
    let (mut by_number, mut next): (BTreeMap<u64, Told>, u64) = (BTreeMap::new(), 0);
    for alert in place.told() {
        match by_number.get(&alert.number) {
            Some(known) if known.id != alert.id => {
                let number = alert.number;
                return Err(format!("{}: alert {number} is {known:?} and {alert:?}", place.name).into());
            }
            Some(_) => {}
            None if alert.number < next => return Err(format!("{}: {} is late", place.name, alert.number).into()),
            None => {
                next = alert.number;
                by_number.insert(alert.number, alert);
            }
        }
    }
    Ok(by_number.into_values().map(|alert| alert.alert.to_string()).collect())
}

/// Deaths at random steps; whatever a place does, the others have all.
pub fn every_sink() -> Result<(), Failed> {
    let plan = plan_of(super::PROJECT)?;
    let (mut deaths, mut again, mut refused) = (0, 0, 0);
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let messages = messages(&mut random, 120);
        let expected = undisturbed(&plan, &messages)?;
        let places = [Mood::Steady, Mood::Moody, Mood::Choosy, Mood::Away];
        let places: Vec<Place> = places.iter().map(|mood| Place::new(&format!("{mood:?}"), *mood, seed)).collect();
        let machine = Machine { sinks: places.clone(), ..machine(&messages, seed) };
        for _ in 0..4 {
            machine.disk.die_at(random.below(120) as u64);
            deaths += u64::from(machine.start(&plan, "one").is_err());
            machine.restart(&mut random);
        }
        let mut last = machine.start(&plan, "one").map_err(|error| format!("seed {seed}: {error}"))?;
        // A place that was busy when the run ended has the rest of the next.
        for _ in 0..200 {
            if last.sinks.iter().all(|sink| sink.name.as_ref() == "Away" || sink.next == last.alerts) {
                break;
            }
            last = machine.start(&plan, "one").map_err(|error| format!("seed {seed}: {error}"))?;
        }
        for place in &places {
            let text = lines(place)?.join("\n");
            let found = told(text.as_bytes()).map_err(|error| format!("seed {seed}, {}: {error:?}", place.name))?;
            let state = last.sinks.iter().find(|sink| sink.name == place.name).ok_or("a sink is missing")?;
            match place.mood {
                Mood::Away if found.is_empty() && state.next == 0 && state.error.as_deref() == Some("busy") => {}
                Mood::Choosy => {
                    refused += state.refused;
                    let missing = expected.difference(&found).count() as u64;
                    if missing > state.refused || !found.is_subset(&expected) {
                        return Err(format!("seed {seed}: {missing} are missing, {} refused", state.refused).into());
                    }
                }
                Mood::Away => return Err(format!("seed {seed}: {state:?}").into()),
                Mood::Steady | Mood::Moody => {
                    super::same(&format!("seed {seed}, {}", place.name), &expected, &found)?;
                    again += place.told().len() - lines(place)?.len();
                }
            }
        }
    }
    if deaths < 60 || again < 20 || refused < 20 {
        return Err(format!("{deaths} deaths, {again} told again, {refused} refused").into());
    }
    Ok(())
}

/// A sink that is new is told of what comes from then on; one that was there has all.
pub fn new_sink() -> Result<(), Failed> {
    let plan = plan_of(super::PROJECT)?;
    let mut random = Random::new(21);
    let all = messages(&mut random, 160);
    let (first, second) = all.split_at(all.len() / 2);
    let old = Place::new("old", Mood::Steady, 1);
    let new = Place::new("new", Mood::Steady, 2);
    let mut machine = Machine { sinks: vec![old.clone()], ..machine(first, 21) };
    machine.start(&plan, "one")?;
    let before = lines(&old)?.len();
    second.iter().for_each(|message| machine.queues[0].add(message.clone()));
    machine.sinks.push(new.clone());
    machine.start(&plan, "one")?;
    let (of_old, of_new) = (lines(&old)?, lines(&new)?);
    if before == 0 || of_new.is_empty() || of_old[before..] != of_new {
        return Err(format!("{before} before, {} of the old one, {} of the new", of_old.len(), of_new.len()).into());
    }
    // Other definitions: what was alerted before is not told again.
    machine.start(&plan, "two")?;
    if lines(&old)? != of_old || lines(&new)? != of_new {
        return Err("told again under other definitions".into());
    }
    Ok(())
}

/// Refused records are told, each once or again with its id, as they came, whatever the run and the place do; alerts do not wait for
/// them.
pub fn dead_letters() -> Result<(), Failed> {
    let plan = plan_of(super::PROJECT)?;
    let (mut deaths, mut again) = (0, 0);
    for seed in 0..super::rounds(18) {
        let mut random = Random::new(seed);
        let mut messages = messages(&mut random, 120);
        let mut wanted = BTreeMap::new();
        for bad in 0..6_u64 {
            let at = random.below(messages.len());
            let good = format!("{{\"at\": {}}}", super::END - super::DAY);
            // Each is a message's second record but for the first ones.
            let (id, record) = (9_000 + bad, format!("{{\"at\": \"never {bad}\", \"ö\": 1"));
            let data = if bad < 3 { record.clone() } else { format!("{good}\n{record}") };
            let offset = data.len() - record.len();
            messages.insert(at, super::Message { id, data });
            wanted.insert((id.to_string(), offset as u64), record);
        }
        let known = messages.iter().find(|message| message.data == "{\"at\": \"never\"}").ok_or("no bad record")?;
        wanted.insert((known.id.to_string(), 0), known.data.clone());
        let expected = undisturbed(&plan, &messages)?;
        let mood = if seed % 3 == 2 { Mood::Away } else { Mood::Moody };
        let place = Place::new("dead letters", mood, seed);
        let alerts = Place::new("alerts", Mood::Steady, seed);
        let mut machine =
            Machine { letters: Some(place.clone()), sinks: vec![alerts.clone()], ..machine(&messages, seed) };
        for _ in 0..4 {
            machine.disk.die_at(random.below(140) as u64);
            deaths += u64::from(machine.start(&plan, "one").is_err());
            machine.restart(&mut random);
        }
        let mut last = machine.start(&plan, "one").map_err(|error| format!("seed {seed}: {error}"))?;
        // It comes back: what it was not told of is in the log, though snapshots have let go of what is before them.
        if mood == Mood::Away {
            if !place.told().is_empty() || last.sinks.iter().any(|sink| sink.of_rejects && sink.next > sink.end) {
                return Err(format!("seed {seed}: {:?}", last.sinks).into());
            }
            machine.letters = Some(Place { mood: Mood::Steady, ..place.clone() });
        }
        for _ in 0..200 {
            last = machine.start(&plan, "one").map_err(|error| format!("seed {seed}: {error}"))?;
            if last.sinks.iter().all(|sink| sink.next == sink.end) {
                break;
            }
        }
        let (mut found, mut ids) = (BTreeMap::new(), BTreeMap::new());
        for told in place.told() {
            let letter = &told.alert;
            let text = |key: &str| letter[key].as_str().unwrap_or_default().to_owned();
            let own = (text("message_id"), letter["offset"].as_u64().unwrap_or(u64::MAX));
            let id = ids.entry(own.clone()).or_insert_with(|| text("letter_id")).clone();
            let right =
                letter["generation"] == "one" && letter["reason"].as_str().is_some_and(|r| r.starts_with("ingest."));
            if id != told.id || !right || letter["subscription"] != "projects/p/subscriptions/s" {
                return Err(format!("seed {seed}: {letter}").into());
            }
            again += usize::from(found.insert(own, text("payload")).is_some());
        }
        let mut all: Vec<&String> = ids.values().collect();
        all.sort();
        all.dedup();
        if found != wanted || all.len() != wanted.len() {
            return Err(format!("seed {seed}: {found:#?} instead of {wanted:#?}").into());
        }
        let told = told(lines(&alerts)?.join("\n").as_bytes())?;
        super::same(&format!("seed {seed}, alerts"), &expected, &told)?;
    }
    if deaths < 30 || again < 3 { Err(format!("{deaths} deaths, {again} told again").into()) } else { Ok(()) }
}

/// What somebody mutes a sink is not told of; in the file it is all the same.
pub fn muted() -> Result<(), Failed> {
    let plan = plan_of(super::PROJECT)?;
    let mut random = Random::new(31);
    let all = messages(&mut random, 200);
    let (first, second) = all.split_at(all.len() / 2);
    // It says what it has: nothing that it was told is muted afterwards.
    let place = Place::new("place", Mood::Steady, 3);
    let machine = Machine { sinks: vec![place.clone()], ..machine(first, 31) };
    machine.start(&plan, "one")?;
    let until = EventTime(super::END + 2 * super::DAY);
    let mute = Mute { rule: "login".to_owned(), key: BTreeMap::new(), since: until, until, reason: None };
    mute::save(&Mounted(Arc::clone(&machine.disk)), &[mute])?;
    second.iter().for_each(|message| machine.queues[0].add(message.clone()));
    let mut last = machine.start(&plan, "one")?;
    while last.sinks.iter().any(|sink| sink.next < last.alerts) {
        last = machine.start(&plan, "one")?;
    }
    let content = machine.disk.content(super::ALERTS);
    // All that is said of incidents.
    let alerts: Vec<String> = String::from_utf8_lossy(&content).lines().map(str::to_owned).collect();
    let told = lines(&place)?;
    let of_login =
        |lines: &mut dyn Iterator<Item = &String>| lines.filter(|line| line.contains("\"rule\":\"login\"")).count();
    let (logins, logins_told) = (of_login(&mut alerts.iter()), of_login(&mut told.iter()));
    let muted = usize::try_from(last.sinks[0].muted)?;
    let others = alerts.len() - logins == told.len() - logins_told;
    if muted < 3 || logins_told == 0 || logins != logins_told + muted || !others {
        return Err(
            format!("{logins} logins, {logins_told} told, {muted} muted; {} of {}", told.len(), alerts.len()).into()
        );
    }
    Ok(())
}

/// A sink that was taken out and comes back goes on with what is left of the alerts; nothing else is held up.
pub fn comes_back() -> Result<(), Failed> {
    let plan = plan_of(super::PROJECT)?;
    let mut random = Random::new(41);
    let all = messages(&mut random, 120);
    let mut next = 5_000;
    let mut flow = |machine: &Machine, seconds: i64, port: i64| {
        next += 1;
        let at = super::END + seconds * SECOND;
        let data = format!("{{\"at\": {at}, \"src\": \"10.0.0.{}\", \"port\": {port}}}", next % 200);
        machine.queues[0].add(super::Message { id: next, data });
    };
    let steady = Place::new("steady", Mood::Steady, 1);
    let away = Place::new("other", Mood::Away, 2);
    let back = Place { mood: Mood::Steady, ..away.clone() };
    let mut machine = Machine { snapshot_rows: 15, sinks: vec![steady.clone(), away], ..machine(&all, 41) };
    machine.start(&plan, "one")?;
    machine.sinks.truncate(1);
    (1..40).for_each(|seconds| flow(&machine, seconds, 443));
    machine.start(&plan, "one")?;
    let files = Mounted(Arc::clone(&machine.disk)).list()?;
    let first = files.iter().find(|file| file.starts_with("alerts-")).cloned().unwrap_or_default();
    machine.sinks.push(back.clone());
    (0..5).for_each(|hour| flow(&machine, 3_600 * (hour + 1), 22));
    flow(&machine, 12 * 3_600, 443);
    machine.start(&plan, "one")?;
    let (of_steady, of_back) = (lines(&steady)?, lines(&back)?);
    // The first files have gone, and with them what it had not.
    let gone = first > format!("alerts-{:020}.log", 0);
    if !gone || of_back.is_empty() || of_back.len() == of_steady.len() || !of_steady.ends_with(&of_back) {
        return Err(format!("{first}; {} of {}", of_back.len(), of_steady.len()).into());
    }
    Ok(())
}
