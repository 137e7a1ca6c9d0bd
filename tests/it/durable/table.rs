//! A table that alerts are appended to, of a run that dies: each alert is there once, whatever the table and the run do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libtest_mimic::Failed;
use serde_json::Value as Json;
use tripline::adapter::record::Record;
use tripline::port::sink::Sink;
use tripline::port::table::{AppendError, Table};

use super::{Machine, machine, messages, told, undisturbed};
use crate::plan_of;
use crate::random::Random;

/// Streams and rows, as the Storage Write API has them; answers get lost, and streams are forgotten.
#[derive(Clone)]
pub struct MemoryTable(Arc<Mutex<Inner>>);

struct Inner {
    random: Random,
    rows: Vec<Json>,
    /// How many rows each stream has, and whether it is open.
    streams: BTreeMap<String, (u64, bool)>,
    opened: u64,
    /// Does it refuse some rows?
    choosy: bool,
    calm: bool,
    pub counts: Counts,
}

#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    lost_answers: u64,
    exists: u64,
    closed: u64,
    forgotten: u64,
    asked: u64,
    found: u64,
    refused: u64,
}

fn refuses(alert: &Json) -> bool {
    alert["alert_id"].as_str().is_some_and(|id| id.ends_with('7'))
}

impl MemoryTable {
    pub fn new(seed: u64, choosy: bool) -> Self {
        let (streams, rows, counts) = (BTreeMap::new(), Vec::new(), Counts::default());
        let random = Random::new(seed);
        Self(Arc::new(Mutex::new(Inner { random, rows, streams, opened: 0, choosy, calm: false, counts })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn sink(&self, name: &str) -> Box<dyn Sink> {
        Box::new(Record::new(name.into(), Box::new(self.clone())))
    }

    /// Fails no more.
    fn calm(&self) {
        self.inner().calm = true;
    }
}

impl Inner {
    fn is_bad_day(&mut self, in_so_many: usize) -> bool {
        !self.calm && self.random.one_in(in_so_many)
    }
}

fn later() -> AppendError {
    AppendError::Later("no answer".to_owned())
}

impl Table for MemoryTable {
    fn name(&self) -> String {
        "p.d.t".to_owned()
    }

    fn open(&mut self) -> Result<String, AppendError> {
        let mut inner = self.inner();
        inner.opened += 1;
        let name = format!("stream {}", inner.opened);
        inner.streams.insert(name.clone(), (0, true));
        if inner.is_bad_day(9) { Err(later()) } else { Ok(name) }
    }

    fn append(&mut self, stream: &str, rows: u64, alerts: &[&Json]) -> Result<(), AppendError> {
        let mut inner = self.inner();
        if inner.is_bad_day(9) {
            return Err(later());
        }
        if inner.is_bad_day(5) {
            match inner.random.one_in(2) {
                true => drop(inner.streams.remove(stream)),
                false => inner.streams.get_mut(stream).into_iter().for_each(|(_, open)| *open = false),
            }
            inner.counts.forgotten += 1;
        }
        let lost = |what: &str| Err(AppendError::Lost(what.to_owned()));
        let Some((length, open)) = inner.streams.get(stream).copied() else { return lost("gone") };
        if rows < length {
            inner.counts.exists += 1;
            return Err(AppendError::Exists);
        }
        if !open || rows > length {
            return lost("closed, or shorter");
        }
        if inner.choosy && alerts.iter().any(|alert| refuses(alert)) {
            inner.counts.refused += u64::from(alerts.len() == 1);
            return Err(AppendError::Rows("never".to_owned()));
        }
        inner.streams.insert(stream.to_owned(), (length + alerts.len() as u64, true));
        inner.rows.extend(alerts.iter().map(|alert| (*alert).clone()));
        if inner.is_bad_day(4) {
            inner.counts.lost_answers += 1;
            // And then it is not there to be asked.
            if inner.random.one_in(3) {
                inner.streams.remove(stream);
                inner.counts.forgotten += 1;
            }
            return Err(later());
        }
        Ok(())
    }

    fn close(&mut self, stream: &str) -> Result<u64, AppendError> {
        let mut inner = self.inner();
        let Some((length, open)) = inner.streams.get_mut(stream) else {
            return Err(AppendError::Lost("gone".to_owned()));
        };
        *open = false;
        let length = *length;
        inner.counts.closed += 1;
        if inner.is_bad_day(5) { Err(later()) } else { Ok(length) }
    }

    fn which(&mut self, alert_ids: &[String]) -> Result<BTreeSet<String>, AppendError> {
        let mut inner = self.inner();
        inner.counts.asked += 1;
        let there = inner.rows.iter().filter_map(|row| row["alert_id"].as_str().map(str::to_owned));
        let found: BTreeSet<String> = there.filter(|id| alert_ids.contains(id)).collect();
        inner.counts.found += found.len() as u64;
        Ok(found)
    }
}

/// Deaths at random steps, with answers that are lost, streams that are forgotten and rows that are refused.
pub fn each_alert_once() -> Result<(), Failed> {
    let plan = plan_of(super::PROJECT)?;
    let (mut deaths, mut all) = (0, Counts::default());
    for seed in 0..super::rounds(24) {
        let mut random = Random::new(seed);
        let messages = messages(&mut random, 120);
        let expected = undisturbed(&plan, &messages)?;
        let table = MemoryTable::new(seed, seed % 4 == 3);
        let machine = Machine { tables: vec![table.clone()], ..machine(&messages, seed) };
        // A sink reads along only where there is time.
        machine.disk.slow(if seed % 2 == 0 { 500 } else { 0 });
        for _ in 0..5 {
            machine.disk.die_at(random.below(160) as u64);
            deaths += u64::from(machine.start(&plan, "one").is_err());
            machine.restart(&mut random);
        }
        machine.disk.slow(0);
        table.calm();
        let mut last = machine.start(&plan, "one").map_err(|error| format!("seed {seed}: {error}"))?;
        for _ in 0..50 {
            if last.sinks.iter().all(|sink| sink.next == last.alerts) {
                break;
            }
            last = machine.start(&plan, "one").map_err(|error| format!("seed {seed}: {error}"))?;
        }
        let inner = table.inner();
        let text: Vec<String> = inner.rows.iter().map(Json::to_string).collect();
        let found = told(text.join("\n").as_bytes()).map_err(|error| format!("seed {seed}: {error:?}"))?;
        let wanted: BTreeSet<String> = match inner.choosy {
            true => {
                expected.into_iter().filter(|alert| !alert_of(alert).is_some_and(|alert| refuses(&alert))).collect()
            }
            false => expected,
        };
        super::same(&format!("seed {seed}"), &wanted, &found)?;
        let counts = inner.counts;
        all.lost_answers += counts.lost_answers;
        all.exists += counts.exists;
        all.closed += counts.closed;
        all.forgotten += counts.forgotten;
        all.asked += counts.asked;
        all.found += counts.found;
        all.refused += counts.refused;
    }
    let Counts { lost_answers, exists, closed, forgotten, asked, found, refused } = all;
    let some = [lost_answers, exists, forgotten, asked, found].iter().all(|count| *count >= 3);
    if deaths < 40 || !some || closed < 3 || refused < 5 {
        return Err(format!("{deaths} deaths, {all:?}").into());
    }
    Ok(())
}

fn alert_of(line: &str) -> Option<Json> {
    serde_json::from_str(line).ok()
}
