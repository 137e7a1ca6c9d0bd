//! A run that takes what was before its inputs from a history gives what one run over all of it would have given from then on.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use tripline::adapter::local::{LocalStore, MemoryInput};
use tripline::history::{History, PartLimits};
use tripline::port::{Input, Store};

use super::arrival::{self, Flow};
use super::history::{Said, Scene, ingested, patiently, played_after, record};
use super::random::Random;

const ROUNDS: usize = 24;

pub fn cases() -> Vec<Trial> {
    vec![Trial::test("warm::as_one_run_over_all", as_one_run)]
}

fn as_one_run() -> Result<(), Failed> {
    let mut random = Random::new(7);
    let (mut rows, mut alerts, mut cold) = (0, 0, 0);
    for round in 0..ROUNDS {
        let scene = Scene::new(&mut random, round % 2 == 0)?;
        let flows = scene.flows(&mut random);
        // Some come too late for windows, on both sides of the seam.
        let disorder = *random.pick(&[0, scene.lateness, 3 * scene.lateness + 60_000_000]);
        let flows = arrival::delayed(&mut random, &flows, disorder);
        let split = flows.len() / 3 + random.below(flows.len() / 3);
        let (before, after) = flows.split_at(split);
        let [all, before, after] = [&flows[..], before, after].map(|flows| file("log", flows));

        let (whole, _) = played_after(&scene.plan, &[all], None)?;
        let folder = tempfile::TempDir::new()?;
        let store: Arc<dyn Store> = Arc::new(LocalStore::new(folder.path()));
        ingested(&scene.plan, Arc::clone(&store), &[before], false, PartLimits::default())?;
        let history = Arc::new(patiently(|| History::read(Arc::clone(&store)))?);
        let (warmed, report) = played_after(&scene.plan, &[Arc::clone(&after)], Some(history))?;
        let (alone, _) = played_after(&scene.plan, &[after], None)?;
        let since = report.warmed.ok_or("no history was taken")?.until.to_string();

        let offered = (flows.len() - split) as u64;
        if report.ledger.offered != offered {
            return Err(format!("round {round}: {} of {offered} rows offered", report.ledger.offered).into());
        }
        let expected = from(&whole, &since);
        let found = from(&warmed, &since);
        same(round, &expected, &found)?;
        rows += expected.values().map(Vec::len).sum::<usize>();
        alerts += expected["alerts"].len();
        cold += usize::from(from(&alone, &since) != expected);
    }
    if rows < 1_000 || alerts == 0 || cold < ROUNDS / 2 {
        return Err(format!("{rows} rows, {alerts} alerts, {cold} rounds in which the history matters").into());
    }
    Ok(())
}

pub fn file(name: &str, flows: &[Flow]) -> Arc<dyn Input> {
    let text: String = flows.iter().map(|flow| format!("{}\n", record(flow))).collect();
    Arc::new(MemoryInput::new(name, text.into_bytes()))
}

/// Is what was told what was expected?
pub fn same(round: usize, expected: &Said, found: &Said) -> Result<(), Failed> {
    for (relation, lines) in expected {
        let other = &found[relation];
        if lines != other {
            let missing = lines.iter().find(|line| !other.contains(line));
            let added = other.iter().find(|line| !lines.contains(line));
            return Err(format!("round {round}, {relation}: missing {missing:?}, instead {added:?}").into());
        }
    }
    Ok(())
}

/// What was said of rows from an instant on.
pub fn from(said: &Said, since: &str) -> Said {
    let time_of = |line: &String| -> String {
        let key = if line.starts_with('{') { "\"last_time\":\"" } else { "event_time=" };
        let rest = line.split_once(key).map_or("", |(_, rest)| rest);
        rest.split(['"', ' ']).next().unwrap_or_default().to_owned()
    };
    // Rows of flows, and of a rule over them, are told as they come.
    let relations = said.iter().filter(|(name, _)| !["flows", "late", "login"].contains(&name.as_str()));
    relations
        .map(|(name, lines)| {
            (name.clone(), lines.iter().filter(|line| time_of(line).as_str() >= since).cloned().collect())
        })
        .collect()
}
